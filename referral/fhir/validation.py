"""Whether a resource may be stored: R4's structure, required bindings, reference targets and invariants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from referral.domain.errors import InvalidInput
from referral.fhir.definitions import MESSAGE_TYPES, SERVED_TYPES
from referral.fhir.invariants.reading import coded, has
from referral.fhir.models import model_issues
from referral.fhir.problems import InvalidResource, Issue
from referral.fhir.profile_checks import claim_issues, claimed, is_known, profile_issues
from referral.fhir.structure import MAX_ISSUES, check_resource

_ORDER: Final = ("error", "warning", "information")


def validate(resource: Any) -> None:
    """Raises InvalidResource with every issue found; changes nothing in the resource.

    Takes the types that are served, and Bundle, Parameters and OperationOutcome. Resources inside a Bundle
    may be of any type of R4: whether an entry's type is served is for whoever carries the entry out.
    """
    issues = issues_in(resource)
    if issues:
        raise InvalidResource(*issues)


def issues_in(resource: Any) -> list[Issue]:
    """Every issue, in the order of the elements; empty for a resource that may be stored.

    The models of fhir.resources only read what our own walk found nothing wrong with: they stop at the
    first kind of fault and would say the same things again in other words.
    """
    issues = check_resource(resource)
    if issues:
        return issues
    name = resource["resourceType"]
    if name not in SERVED_TYPES and name not in MESSAGE_TYPES:
        text = f"{name} is not served here; see /fhir/metadata for the types that are."
        return [Issue(text, ("resourceType",), "not-supported")]
    return model_issues(resource)


def report(resource: Any, profiles: Sequence[str] = ()) -> list[Issue]:
    """What there is to say of a resource: errors, then warnings, then information; empty when all is well.

    Held against R4, and where that finds nothing against the profiles it claims and those asked for, which
    have to be known. At most MAX_ISSUES.
    """
    issues = issues_in(resource)
    if issues:
        return issues
    found = dict.fromkeys(claim_issues(resource))
    for canonical in profiles:
        found |= dict.fromkeys(profile_issues(resource, canonical))
    found |= dict.fromkeys(_remarks(resource))
    return sorted(found, key=lambda issue: _ORDER.index(issue.severity))[:MAX_ISSUES]


def _remarks(resource: dict[str, Any]) -> Iterator[Issue]:
    type = resource["resourceType"]
    for index, canonical in enumerate(resource.get("meta", {}).get("profile", ())):
        if canonical is not None and not is_known(canonical):
            where = f"{type}.meta.profile[{index}]"
            text = f"{where} names {canonical[:200]}, which is not known here and was not checked."
            yield Issue(text, (where,), "informational", "information")
    if type == "Condition" and _lacks_clinical_status(resource):
        text = (
            "Condition.clinicalStatus is missing, and a problem-list-item that is not entered-in-error should"
            " have it (con-3)."
        )
        yield Issue(text, ("Condition.clinicalStatus",), "invariant", "warning")


def _lacks_clinical_status(condition: dict[str, Any]) -> bool:
    listed = any(
        coded({"category": row}, "category", "problem-list-item") for row in condition.get("category", ())
    )
    wrong = coded(condition, "verificationStatus", "entered-in-error")
    return listed and not wrong and not has(condition, "clinicalStatus")


def require_profiles(resource: dict[str, Any]) -> None:
    """Raises InvalidInput where a resource breaks a profile that it claims and that is known here."""
    if not claimed(resource):
        return
    broken = [issue for issue in claim_issues(resource) if issue.severity == "error"]
    if broken:
        raise InvalidInput(*broken[:MAX_ISSUES])
