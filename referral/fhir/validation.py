"""Whether a resource may be stored: R4's structure, required bindings, reference targets and invariants."""

from __future__ import annotations

from typing import Any

from referral.fhir.definitions import MESSAGE_TYPES, SERVED_TYPES
from referral.fhir.models import model_issues
from referral.fhir.problems import InvalidResource, Issue
from referral.fhir.structure import check_resource


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
