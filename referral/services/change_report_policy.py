"""The medical director says which reports go to recommenders unasked, and by when; what is obliged stays."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import InvalidInput, Issue
from referral.domain.report_rules import ALWAYS, LONGEST, Occasion, ReportPolicy
from referral.storage import audit, clinics
from referral.storage.db import Session, hold

# A course of fewer sessions has no middle worth a report.
MID_COURSE_FROM: Final = range(2, 21)


def change_report_policy(session: Session, actor: Actor, new: ReportPolicy, now: datetime) -> bool:
    """Holds for what is owed from now on; False where nothing is different.

    Raises InvalidInput where something obliged is left out or put off, or a number is out of range.
    """
    _check(new)
    hold(session, "report-policy")
    kept: dict[str, Any] = {
        "unasked": sorted(new.unasked),
        "within": {occasion.value: new.within[occasion] for occasion in Occasion},
        "mid_course_from": new.mid_course_from,
        "needs_consent": new.needs_consent,
    }
    if clinics.current(session).settings.get("reports", {}) == kept:
        return False
    clinics.change_settings(session, reports=kept)
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype="report-policy",
        detail={
            **kept,
            "within": [f"{one}: {new.within[one]}" for one in Occasion],
            "at": now.isoformat(),
        },
    )
    audit.record(session, actor, entry)
    return True


def _check(new: ReportPolicy) -> None:
    issues = [
        Issue("This report cannot be left out.", (f"on_{name(one)}",), "required")
        for one in sorted(ALWAYS - new.unasked)
    ]
    issues += [
        Issue(f"From 1 to {LONGEST[one]} business days.", (f"days_{name(one)}",), "value")
        for one in Occasion
        if not 1 <= new.within.get(one, 0) <= LONGEST[one]
    ]
    if new.mid_course_from not in MID_COURSE_FROM:
        first, last = MID_COURSE_FROM[0], MID_COURSE_FROM[-1]
        issues.append(Issue(f"From {first} to {last} sessions.", ("mid_course_from",), "value"))
    if issues:
        raise InvalidInput(*issues)


def name(occasion: Occasion) -> str:
    """As part of the name of a field."""
    return occasion.value.replace("-", "_")
