"""Everything that this clinic stores about a patient, page by page; each page is audited as a disclosure."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final

from referral.domain.audit import Action, AuditEntry
from referral.fhir.compartment import EVERYTHING_TYPES, REFERRED_TYPES
from referral.fhir.search_model import MAX_COUNT, Sort
from referral.services import published
from referral.services.access import Access
from referral.services.search_resources import require_patient
from referral.storage import audit, compartments, resources
from referral.storage.cursors import read_cursor, write_cursor
from referral.storage.db import Session
from referral.storage.resources import Stored

_PLACE: Final = (Sort("type", "string"),)


@dataclass(frozen=True, slots=True)
class EverythingQuery:
    """`types` None for all of EVERYTHING_TYPES, the time of care [start, end), `mark` tells queries apart."""

    patient_id: str
    types: Collection[str] | None = None
    start: datetime | None = None
    end: datetime | None = None
    since: datetime | None = None
    count: int = MAX_COUNT
    cursor: str | None = None
    mark: str = ""


@dataclass(frozen=True, slots=True)
class RecordPage:
    """`rows` with whether each belongs to the record itself; `total` where all of them are on this page."""

    rows: tuple[tuple[Stored, bool], ...]
    next: str | None
    total: int | None


def read_everything(session: Session, by: Access, query: EverythingQuery) -> RecordPage:
    """One page in a fixed order: the patient, the compartment by type and id, then what both refer to.

    What the caller's scopes do not reach is left out. NotFound where there is no such patient.
    """
    patient = f"Patient/{query.patient_id}"
    require_patient(session, by, query.patient_id)
    keys = _keys(session, by, query)
    mark = hashlib.sha256(f"{patient}?{query.mark}".encode()).hexdigest()[:16]
    begin = 0
    if query.cursor is not None:
        type, id = read_cursor(query.cursor, mark, _PLACE).values
        begin = bisect_right(keys, _place(str(type), id))
    shown = [(type, id) for _, type, id in keys[begin : begin + query.count]]
    more = begin + query.count < len(keys)
    rows = _rows(session, by, shown)
    entry = AuditEntry(
        action=Action.READ,
        subtype="everything",
        entity=patient,
        patient_id=query.patient_id,
        detail={"count": len(rows), "types": sorted({type for type, _ in shown})},
    )
    audit.record(session, by.actor, entry)
    whole = not more and query.cursor is None
    return RecordPage(tuple(rows), _next(mark, shown) if more else None, len(rows) if whole else None)


def _keys(session: Session, by: Access, query: EverythingQuery) -> list[tuple[int, str, str]]:
    readable = [type for type in EVERYTHING_TYPES if by.permit.may(type, "r")]
    wanted = compartments.Wanted(
        types=EVERYTHING_TYPES if query.types is None else query.types,
        readable=readable,
        start=query.start,
        end=query.end,
        since=query.since,
    )
    found = compartments.find(session, query.patient_id, wanted)
    forms = _published_forms(session, by, query) if "Questionnaire" in readable else []
    return sorted(_place(type, id) for type, id in {*found, *forms})


def _published_forms(session: Session, by: Access, query: EverythingQuery) -> list[tuple[str, str]]:
    """The forms of ours that the patient's responses answer; they are not in the store."""
    if query.types is not None and "Questionnaire" not in query.types:
        return []
    everyone = compartments.Wanted(types=["QuestionnaireResponse"], readable=["QuestionnaireResponse"])
    if not by.permit.may("QuestionnaireResponse", "r"):
        return []
    responses = compartments.find(session, query.patient_id, everyone)
    used = compartments.forms_used(session, [id for _, id in responses])
    return [
        (form.type, form.id)
        for form in published.all_of("Questionnaire")
        if form.document["url"] in used and (query.since is None or form.last_updated >= query.since)
    ]


def _place(type: str, id: str) -> tuple[int, str, str]:
    rank = 0 if type == "Patient" else 2 if type in REFERRED_TYPES else 1
    return rank, type, id


def _rows(session: Session, by: Access, shown: list[tuple[str, str]]) -> list[tuple[Stored, bool]]:
    stored = resources.find_many(session, [f"{type}/{id}" for type, id in shown])
    rows = []
    for type, id in shown:
        one = stored.get(f"{type}/{id}") or published.find(type, id)
        if one is not None and by.permit.allows(one, "r"):
            rows.append((one, type not in REFERRED_TYPES))
    return rows


def _next(mark: str, shown: list[tuple[str, str]]) -> str:
    row: Any = SimpleNamespace(key_0=shown[-1][0], id=shown[-1][1])
    return write_cursor(mark, row, len(_PLACE), backwards=False)
