"""Creates, updates and patches by clients: checked, handed to the use case of the type, or stored as sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from referral.domain.audit import Action, AuditEntry
from referral.domain.errors import (
    Forbidden,
    InvalidInput,
    NotFound,
    NotSupported,
    ReferralError,
    StaleVersion,
    TransitionRefused,
)
from referral.fhir.json_patch import Patch
from referral.fhir.path_patch import PathPatch
from referral.fhir.permit import Resource
from referral.fhir.problems import InvalidResource, Issue
from referral.fhir.reference_targets import relative_references
from referral.fhir.search_query import SearchQuery
from referral.fhir.subset import is_subset
from referral.fhir.validation import issues_in, require_profiles, validate
from referral.services import interactions
from referral.services.access import Access
from referral.services.client_write import ClientWrite
from referral.services.doors import DOORS
from referral.services.meet_condition import ids_meeting
from referral.services.note_attempt import note_attempt
from referral.services.record_provenance import note_write, take_provenance
from referral.services.take_appointment import take_appointment
from referral.services.take_consent import take_consent
from referral.services.take_course import note_part
from referral.services.take_request import take_request
from referral.services.take_scale import take_observation, take_response
from referral.services.take_subscription import take_subscription
from referral.services.take_task import take_task
from referral.services.take_treatment import take_treatment
from referral.storage import resources, search, workflow_records
from referral.storage.db import Session
from referral.storage.resources import Stored


class SeveralMatches(ReferralError):
    """A condition that should name one resource names several."""

    code = "multiple-matches"


def _store(write: ClientWrite) -> None:
    if write.current is not None and workflow_records.is_record(write.session, write.type, write.id):
        text = f"This {write.type} is a record of the workflow; it is not changed from outside."
        raise TransitionRefused(text, write.type)
    write.store()
    note_part(write)


# What a type means here. Everything else is stored as it was sent.
_USE_CASE: Final[dict[str, Callable[[ClientWrite], None]]] = {
    "ServiceRequest": take_request,
    "QuestionnaireResponse": take_response,
    "Observation": take_observation,
    "Task": take_task,
    **dict.fromkeys(sorted(DOORS), take_treatment),
    "Appointment": take_appointment,
    "Consent": take_consent,
    "Provenance": take_provenance,
}


@dataclass(frozen=True, slots=True)
class Written:
    """`changed` is False where a conditional create found the resource already there.

    `warnings` are what the client has to know although it was done.
    """

    stored: Stored
    created: bool
    changed: bool = True
    warnings: tuple[Issue, ...] = ()


def create_resource(
    session: Session,
    by: Access,
    document: Any,
    now: datetime,
    *,
    id: str | None = None,
    checked: bool = False,
) -> Written:
    """Store a new resource under an id of ours.

    `id` where the caller has given it one already, `checked` where it has been validated.
    """
    type = _checked_type(by, document, "create", checked)
    named = {**document, "id": id or resources.new_id()}
    write = ClientWrite(session, by.actor, named, now)
    return Written(_carry_out(by, write, type), created=True, warnings=tuple(write.warnings))


def find_condition(session: Session, by: Access, condition: SearchQuery) -> str | None:
    """The id of the one resource that a condition names, None for none; SeveralMatches otherwise.

    A condition is a search: the caller's scopes have to allow that, and it sees no further than they reach.
    Others with the same condition wait until this transaction has ended, so that a retry finds its work.
    """
    if not condition.clauses:
        text = "The condition has no parameter that this server searches by."
        raise InvalidResource(Issue(text, ("http.If-None-Exist",), "required"))
    by.permit.require(condition.type, "s")
    search.lock_condition(session, condition.type, condition.self_query())
    found = ids_meeting(session, by, condition)
    if len(found) > 1:
        raise SeveralMatches(f"Several {condition.type} resources match the condition; it has to name one.")
    return found[0] if found else None


def create_unless(
    session: Session, by: Access, document: Any, condition: SearchQuery, now: datetime
) -> Written:
    """A conditional create: what exists is given back unchanged."""
    found = find_condition(session, by, condition)
    if found is not None:
        return Written(resources.read(session, condition.type, found), created=False, changed=False)
    return create_resource(session, by, document, now)


def update_resource(
    session: Session,
    by: Access,
    id: str,
    document: Any,
    now: datetime,
    *,
    expected: int | None = None,
    checked: bool = False,
) -> Written:
    """Write the next version. NotSupported where there is nothing under this id: the server gives ids."""
    type = _checked_type(by, document, "update", checked)
    if document.get("id") != id:
        text = f"{type}.id has to be there and to be {id[:64]}, as the URL says."
        raise InvalidResource(Issue(text, (f"{type}.id",), "value"))
    if is_subset(document):
        text = f"This is part of a {type} (SUBSETTED); read all of it, or change parts of it with PATCH."
        raise InvalidInput(Issue(text, (f"{type}.meta.tag",), "business-rule"))
    current = resources.find(session, type, id)
    if current is None:
        raise NotSupported(
            f"There is no {type} with id {id[:64]}; send it with POST, ids are given by this server."
        )
    _require_within(by, current, "u")
    _require_version(current, expected)
    write = ClientWrite(session, by.actor, document, now, current)
    stored = _carry_out(by, write, type) if expected is None else _carry_out_over(by, write, type)
    return Written(stored, created=False, warnings=tuple(write.warnings))


def _carry_out_over(by: Access, write: ClientWrite, type: str) -> Stored:
    """Over the very version that was read; StaleVersion where somebody else has written since.

    The workflow waits for whoever is at the same request, and goes on from what stands then.
    """
    current = write.current
    assert current is not None  # noqa: S101 - only what is there is changed
    is_ours = resources.is_written_here(write.session, current)
    stored = _carry_out(by, write, type)
    if not is_ours:
        before = resources.version_before(write.session, type, write.id)
        _require_version(replace(current, version=before), current.version)
    return stored


def _require_within(by: Access, resource: Resource, letter: str) -> None:
    """Raises Forbidden for what the scopes do not reach: as it was, as it was sent, as it would be kept."""
    if not by.permit.allows(resource, letter):
        if resource.type == "Subscription":
            raise NotFound("There is no Subscription with this id.")
        raise Forbidden(f"This client's scopes do not reach this {resource.type}; nothing was changed.")


def _require_version(current: Stored, expected: int | None) -> None:
    if expected is not None and expected != current.version:
        text = f"{current.reference} has version {current.version}, not {expected}. Read it and try again."
        raise StaleVersion(text)


def update_matching(
    session: Session,
    by: Access,
    document: Any,
    condition: SearchQuery,
    now: datetime,
    *,
    expected: int | None = None,
) -> Written:
    """A conditional update: what matches is changed, and where nothing does, a new resource is made."""
    found = find_condition(session, by, condition)
    if found is None:
        require_new(condition.type, document, versioned=expected is not None)
        return create_resource(session, by, document, now)
    if isinstance(document, dict):
        document = {"id": found, **document}
    return update_resource(session, by, found, document, now, expected=expected)


def require_new(type: str, document: Any, *, versioned: bool) -> None:
    """Raises StaleVersion and NotSupported where nothing matches and yet the client knows of something.

    It names a version, or an id under which this server makes nothing (R4: update as create, or refused).
    """
    if versioned:
        raise StaleVersion(f"No {type} matches the condition, so none has the version of If-Match.")
    if isinstance(document, dict) and "id" in document:
        text = f"No {type} matches the condition. Leave out the id to make one; ids are given by this server."
        raise NotSupported(text)


def patch_resource(
    session: Session,
    by: Access,
    type: str,
    id: str,
    patch: Patch | PathPatch,
    now: datetime,
    *,
    expected: int | None = None,
    base_url: str = "",
) -> Written:
    """Write what becomes of the stored document, in the same way as if the client had sent it whole.

    Raises NotFound, StaleVersion, PatchConflict, and InvalidInput where the result is no valid resource.
    `base_url` is this server's address: references below it become relative.
    """
    interactions.require(type, "patch")
    by.permit.require(type, "u")
    current = resources.find(session, type, id)
    if current is None:
        raise NotFound(f"There is no {type} with id {id[:64]}.")
    _require_within(by, current, "u")
    refused = AuditEntry(
        action=Action.UPDATE,
        subtype="patch",
        entity=current.reference,
        patient_id=resources.record_of(session, current.document),
        outcome="4",
    )
    note_attempt(session, current.reference, refused)
    _require_version(current, expected)
    document = relative_references(patch.apply(current.document), base_url)
    if not isinstance(document, dict) or (document.get("resourceType"), document.get("id")) != (type, id):
        raise InvalidInput(Issue("A patch cannot change resourceType or id.", (f"{type}.id",), "value"))
    issues = issues_in(document)
    if issues:
        raise InvalidInput(*issues)
    resources.note_patch(session, type, id)
    write = ClientWrite(session, by.actor, document, now, current)
    stored = _carry_out_over(by, write, type)
    return Written(stored, created=False, warnings=tuple(write.warnings))


def patch_matching(
    session: Session,
    by: Access,
    patch: Patch | PathPatch,
    condition: SearchQuery,
    now: datetime,
    *,
    expected: int | None = None,
    base_url: str = "",
) -> Written:
    """A conditional patch: NotFound where nothing matches."""
    interactions.require(condition.type, "patch")
    found = find_condition(session, by, condition)
    if found is None:
        raise NotFound(f"No {condition.type} matches the condition; there is nothing to patch.")
    return patch_resource(
        session, by, condition.type, found, patch, now, expected=expected, base_url=base_url
    )


def _checked_type(by: Access, document: Any, interaction: str, checked: bool) -> str:
    """Whether the type can be written at all is said before what is wrong with it."""
    type = document.get("resourceType") if isinstance(document, dict) else None
    if isinstance(type, str) and type in interactions.INTERACTIONS:
        interactions.require(type, interaction)
        by.permit.require(type, interaction[0])
    if not checked:
        validate(document)
    interactions.require(str(type), interaction)
    return str(type)


def _carry_out(by: Access, write: ClientWrite, type: str) -> Stored:
    """The resource as it stands afterwards: the workflow may have laid its own elements over it.

    Where that is outside of the caller's restriction, the exception takes everything back.
    """
    letter = "c" if write.current is None else "u"
    if type == "Subscription":
        # It gets its owner, by which a permit knows it, only now.
        take_subscription(by, write)
    else:
        _require_within(by, write, letter)
        require_profiles(write.document)
        _USE_CASE.get(type, _store)(write)
    stored = resources.read(write.session, type, write.id)
    _require_within(by, stored, letter)
    if write.current is None or stored.version > write.current.version:
        patient_id = resources.record_of(write.session, write.document)
        note_write(write.session, stored, patient_id, created=write.current is None)
    return stored
