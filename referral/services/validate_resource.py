"""`$validate`: everything there is to say of a resource, without storing anything.

What a write would do beyond that (start a referral, refuse a step of the workflow) is said by the write.
"""

from __future__ import annotations

from typing import Any

from referral.domain.errors import Forbidden, Issue, ReferralError
from referral.fhir.operation_outcome import all_well, located
from referral.fhir.problems import InvalidResource
from referral.fhir.subset import is_subset
from referral.fhir.validation import report
from referral.fhir.validation_request import ValidationRequest
from referral.services import interactions
from referral.services.access import Access
from referral.services.search_resources import read_resource
from referral.storage.db import Session


def validate_new(by: Access, type: str, asked: ValidationRequest) -> list[Issue]:
    """What is to be said of the resource that was sent; raises InvalidResource where none was.

    Forbidden where the client may neither read nor write this type.
    """
    interactions.require(type, "read")
    if not any(by.permit.may(type, letter) for letter in "cru"):
        raise Forbidden(f"This client's scopes do not allow this for {type}.")
    if asked.mode == "update":
        text = f"mode=update is about one resource: POST /fhir/{type}/ID/$validate."
        raise InvalidResource(Issue(text, ("Parameters.parameter.where(name = 'mode').value",), "value"))
    if asked.resource is None and asked.mode != "delete":
        text = "Send the resource that is to be checked: as the body, or as the parameter resource."
        raise InvalidResource(Issue(text, ("Parameters.parameter",), "required"))
    return _said(type, asked, asked.resource, None)


def validate_stored(
    session: Session, by: Access, type: str, id: str, asked: ValidationRequest
) -> list[Issue]:
    """What is to be said of what is stored, or of what was sent to take its place.

    Reads the stored resource as a client does: NotFound or Forbidden, and an audit row.
    """
    stored = read_resource(session, by, type, id)
    document = stored.document if asked.resource is None else asked.resource
    return _said(type, asked, document, id)


def _said(type: str, asked: ValidationRequest, document: Any, id: str | None) -> list[Issue]:
    issues: list[Issue] = []
    if asked.mode in ("create", "update", "delete"):
        issues += _not_done(type, asked.mode)
    if document is not None:
        issues += _misplaced(type, document, id) or report(document, asked.profiles)
        if asked.mode == "update" and isinstance(document, dict) and is_subset(document):
            text = f"This is part of a {type} (SUBSETTED) and would not be taken in place of all of it."
            issues.append(Issue(text, (f"{type}.meta.tag",), "business-rule"))
    if not any(issue.severity in ("error", "fatal") for issue in issues):
        issues.append(all_well(_good_news(type, asked)))
    return issues


def _not_done(type: str, mode: str) -> list[Issue]:
    """Whether this can be done with the type at all."""
    try:
        interactions.require(type, mode)
    except ReferralError as refused:
        return list(located(refused.issues, "http.mode"))
    return []


def _misplaced(type: str, document: Any, id: str | None) -> list[Issue]:
    """The resource has to be the one that the URL names."""
    if not isinstance(document, dict):
        return []
    named = document.get("resourceType")
    if isinstance(named, str) and named != type:
        text = f"resourceType is {named[:40]}, but the URL says {type}."
        return [Issue(text, ("resourceType",), "value")]
    if id is not None and document.get("id", id) != id:
        text = f"{type}.id has to be {id[:64]}, as the URL says."
        return [Issue(text, (f"{type}.id",), "value")]
    return []


def _good_news(type: str, asked: ValidationRequest) -> str:
    if asked.mode == "delete" and asked.resource is None:
        return f"A {type} may be deleted."
    against = f" and {', '.join(asked.profiles)}" if asked.profiles else ""
    return f"No errors: this {type} is as FHIR R4{against} wants it."
