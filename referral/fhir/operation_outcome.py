"""OperationOutcome: how refusals, warnings and confirmations are told to a FHIR client."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from referral.domain.errors import Issue


def operation_outcome(issues: Iterable[Issue]) -> dict[str, Any]:
    """Never empty: FHIR wants one issue at least, so no issues at all are told as `informational`."""
    rows = [_row(issue) for issue in issues]
    return {"resourceType": "OperationOutcome", "issue": rows or [_row(all_well("Nothing to report."))]}


def all_well(text: str) -> Issue:
    """An issue that reports success, as `$validate` and `Prefer: return=OperationOutcome` want it."""
    return Issue(text=text, code="informational", severity="information")


def located(issues: Iterable[Issue], where: str) -> tuple[Issue, ...]:
    """Issues that point nowhere by themselves point at `where`, such as `http.path`."""
    return tuple(issue if issue.expression else replace(issue, expression=(where,)) for issue in issues)


def _row(issue: Issue) -> dict[str, Any]:
    row: dict[str, Any] = {
        "severity": issue.severity,
        "code": issue.code,
        # A text that can be said in another language is more than a str, which the encoder does not take.
        "details": {"text": str(issue.text) or issue.code},
    }
    if issue.expression:
        row["expression"] = list(issue.expression)
    return row
