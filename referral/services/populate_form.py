"""SDC's $populate: a QuestionnaireResponse begun from what the clinic knows; nothing is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from referral.domain.audit import Action, AuditEntry
from referral.domain.errors import InvalidInput, Issue, NotFound
from referral.domain.records import Referral
from referral.fhir.elements import Resource
from referral.fhir.populate import Known, begun_response, blank_response, canonical_of, discipline_of
from referral.fhir.reference_targets import parse_reference
from referral.fhir.search_query import read_search
from referral.services import published
from referral.services.access import Access
from referral.services.search_resources import require_patient
from referral.storage import audit, directory, referrals, resources, search
from referral.storage.db import Session
from referral.storage.resources import Stored

_SEVERAL: Final = Issue(
    "Several requests about this patient are open; name one in context to have its form filled in.",
    ("http.context",),
    "multiple-matches",
    "warning",
)
_NONE: Final = Issue("No request about this patient is open.", ("http.subject",), "not-found", "warning")


@dataclass(frozen=True, slots=True)
class Populated:
    """`notes` say what could not be filled in, and why."""

    response: Resource
    notes: tuple[Issue, ...] = ()


def find_form(
    session: Session, by: Access, *, id: str | None, address: str | None, now: datetime
) -> Resource:
    """The Questionnaire by its id or its canonical; NotFound where this server has none."""
    by.permit.require("Questionnaire", "r")
    if id is not None:
        stored = published.find("Questionnaire", id) or resources.find(session, "Questionnaire", id)
    else:
        stored = _by_address(session, str(address), now)
    if stored is None or not by.permit.allows(stored, "r"):
        raise NotFound(f"There is no Questionnaire {(id or str(address))[:200]}.")
    return stored.document


def _by_address(session: Session, address: str, now: datetime) -> Stored | None:
    for form in published.all_of("Questionnaire"):
        if address in (form.document["url"], canonical_of(form.document)):
            return form
    url, _, version = address.partition("|")
    pairs = [("url", url), ("version", version)] if version else [("url", url)]
    found = search.find_ids(session, read_search("Questionnaire", pairs, now=now)) if url else []
    return resources.read(session, "Questionnaire", found[0]) if found else None


def populate_form(
    session: Session, by: Access, form: Mapping[str, Any], subject: str, context: Iterable[str], now: datetime
) -> Populated:
    """`subject` is the Patient's id, `context` references that were named: a request or its Task.

    Raises NotFound for a patient or a request that is not here, and InvalidInput where the form is not the
    one that was asked for.
    """
    require_patient(session, by, subject)
    is_ours, kind = discipline_of(form)
    request, note = _request(session, by, subject, list(context)) if is_ours else (None, None)
    entry = AuditEntry(
        action=Action.READ,
        subtype="populate",
        entity=f"ServiceRequest/{request.id}" if request else f"Patient/{subject}",
        patient_id=subject,
    )
    audit.record(session, by.actor, entry)
    if request is None:
        return Populated(blank_response(form, subject, now), (note,) if note else ())
    clinician = directory.get_clinician(session, request.clinician_id)
    if kind not in (None, clinician.kind):
        text = f"This request went to another discipline: its form is that of {clinician.kind}."
        raise InvalidInput(Issue(text, ("http.questionnaire",), "business-rule"))
    names_clinician = by.permit.may("PractitionerRole", "r")
    return Populated(begun_response(form, Known(request, clinician, signs=names_clinician), now))


def _request(
    session: Session, by: Access, patient_id: str, context: list[str]
) -> tuple[Referral | None, Issue | None]:
    """The request that is named, else the only one that is open; else what there is to say about it."""
    found = [_named(session, reference, patient_id) for reference in context]
    if not found:
        found = referrals.find(session, patient_id=patient_id, is_open=True)
    visible = [request for request in found if _may_see(session, by, request)]
    if len(visible) == 1:
        return visible[0], None
    return None, _SEVERAL if visible else _NONE


def _named(session: Session, reference: str, patient_id: str) -> Referral:
    literal = parse_reference(reference)
    found = None
    if literal is not None and literal.type == "ServiceRequest":
        found = referrals.find_by_id(session, literal.id)
    elif literal is not None and literal.type == "Task":
        found = referrals.find_by_task(session, literal.id)
    if found is None or found.patient_id != patient_id:
        text = f"{reference[:100]} is no request for a recommendation about this patient."
        raise InvalidInput(Issue(text, ("http.context",), "not-found"))
    return found


def _may_see(session: Session, by: Access, request: Referral) -> bool:
    return by.permit.may("ServiceRequest", "r") and by.permit.allows(
        resources.read(session, "ServiceRequest", request.id), "r"
    )
