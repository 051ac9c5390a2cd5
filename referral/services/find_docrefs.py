"""The documents of a patient that exist already, as US Core's $docref asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from referral.domain.audit import Action, AuditEntry
from referral.fhir.elements import reference_id
from referral.fhir.search_model import Clause
from referral.fhir.search_parameters import extract
from referral.services.access import Access
from referral.storage import audit, compartments, resources
from referral.storage.db import Session
from referral.storage.resources import Stored


@dataclass(frozen=True, slots=True)
class DocrefQuery:
    """Without `start` and `end` the documents that are current. `clauses` are those on type and profile."""

    patient_id: str
    start: datetime | None = None
    end: datetime | None = None
    clauses: Sequence[Clause] = ()


def find_docrefs(session: Session, by: Access, query: DocrefQuery) -> list[Stored]:
    """Newest first; audited as one disclosure. Documents that were entered in error are none."""
    by.permit.require("DocumentReference", "s")
    wanted = compartments.Wanted(
        types=["DocumentReference"], readable=["DocumentReference"], start=query.start, end=query.end
    )
    keys = compartments.find(session, query.patient_id, wanted)
    stored = resources.find_many(session, [f"{type}/{id}" for type, id in keys])
    found = [one for one in stored.values() if by.permit.allows(one, "s") and _fits(query, one)]
    entry = AuditEntry(
        action=Action.READ,
        subtype="docref",
        entity=f"Patient/{query.patient_id}",
        patient_id=query.patient_id,
        detail={"count": len(found)},
    )
    audit.record(session, by.actor, entry)
    return sorted(found, key=lambda one: (one.last_updated, one.id), reverse=True)


def _fits(query: DocrefQuery, stored: Stored) -> bool:
    document = stored.document
    if reference_id(document.get("subject"), "Patient") != query.patient_id:
        return False  # the patient is its author only
    statuses = ("current",) if query.start is None and query.end is None else ("current", "superseded")
    if document.get("status") not in statuses:
        return False
    entries = extract(document)
    return all(clause.accepts(entries) for clause in query.clauses)
