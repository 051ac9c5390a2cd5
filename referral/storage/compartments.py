"""Which resources belong to a patient, found through the search entries."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from referral.fhir.compartment import CARE_DATES, PATIENT_COMPARTMENT, REFERRED_TYPES
from referral.fhir.search_parameters import parameters
from referral.storage.db import Session, flush

_MEMBERS: Final = """
SELECT DISTINCT e.type, e.id
FROM unnest(CAST(:types AS text[]), CAST(:parameters AS text[])) AS p (type, parameter)
JOIN search_entry e ON e.clinic_id = CAST(:clinic AS uuid) AND e.type = p.type AND e.parameter = p.parameter
    AND e.value = :patient
"""
# Outside the time asked for is what has a date and none within it.
_IN_TIME: Final = """
WHERE NOT EXISTS (
    SELECT FROM search_entry d
    JOIN unnest(CAST(:dated_types AS text[]), CAST(:dates AS text[])) AS c (type, parameter)
        ON d.type = c.type AND d.parameter = c.parameter
    WHERE d.clinic_id = CAST(:clinic AS uuid) AND d.type = e.type AND d.id = e.id AND d.low IS NOT NULL
    HAVING count(*) > 0 AND count(*) FILTER (WHERE d.low < :end AND d.high > :start) = 0)
"""
_FOUND: Final = """
WITH RECURSIVE reached (type, id) AS (
    (SELECT 'Patient', CAST(:id AS text) UNION {members})
    UNION
    SELECT split_part(e.value, '/', 1), split_part(e.value, '/', 2)
    FROM reached JOIN search_entry e
        ON e.clinic_id = CAST(:clinic AS uuid) AND e.type = reached.type AND e.id = reached.id
    WHERE e.parameter = ANY(CAST(:references AS text[]))
        AND split_part(e.value, '/', 1) = ANY(CAST(:referred AS text[]))),
forms (type, id) AS (
    SELECT 'Questionnaire', form.id
    FROM reached
    JOIN search_entry used ON used.clinic_id = CAST(:clinic AS uuid) AND used.type = reached.type
        AND used.id = reached.id AND used.parameter = 'questionnaire'
        AND reached.type = 'QuestionnaireResponse'
    JOIN search_entry form ON form.clinic_id = CAST(:clinic AS uuid) AND form.type = 'Questionnaire'
        AND form.parameter = 'url' AND form.value = used.value)
SELECT r.type, r.id FROM (SELECT * FROM reached UNION SELECT * FROM forms) AS every
JOIN resource r ON r.clinic_id = CAST(:clinic AS uuid) AND r.type = every.type AND r.id = every.id
WHERE r.type = ANY(CAST(:wanted AS text[]))
    AND (CAST(:since AS timestamptz) IS NULL OR r.last_updated >= :since)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What of a record: `types` to give out, `readable` those whose resources may be looked at.

    The time of care is [start, end) where both are given; `since` is when a resource was last written.
    """

    types: Collection[str]
    readable: Collection[str]
    start: datetime | None = None
    end: datetime | None = None
    since: datetime | None = None


def find(session: Session, patient_id: str, wanted: Wanted) -> list[tuple[str, str]]:
    """(type, id) of the patient, of the compartment and of what both refer to, in no order."""
    flush(session)
    in_time = wanted.start is not None and wanted.end is not None
    compartment = _pairs(PATIENT_COMPARTMENT, wanted.readable)
    values: dict[str, Any] = {
        "clinic": session.clinic,
        "id": patient_id,
        "patient": f"Patient/{patient_id}",
        "types": [type for type, _ in compartment],
        "parameters": [parameter for _, parameter in compartment],
        "referred": list(REFERRED_TYPES),
        "references": _reference_parameters(wanted.readable),
        "wanted": [type for type in wanted.types if type in wanted.readable],
        "since": wanted.since,
    }
    if in_time:
        dates = _pairs(CARE_DATES, wanted.readable)
        values |= {
            "dated_types": [type for type, _ in dates],
            "dates": [parameter for _, parameter in dates],
            "start": wanted.start,
            "end": wanted.end,
        }
    statement = text(_FOUND.format(members=_MEMBERS + (_IN_TIME if in_time else "")))
    return [(row.type, row.id) for row in session.connection.execute(statement, values)]


def forms_used(session: Session, response_ids: Iterable[str]) -> set[str]:
    """The canonicals of the Questionnaires that these responses answer, with their versions and without."""
    found = session.connection.scalars(
        text(
            "SELECT DISTINCT value FROM search_entry WHERE clinic_id = CAST(:clinic AS uuid)"
            " AND type = 'QuestionnaireResponse' AND parameter = 'questionnaire'"
            " AND id = ANY(CAST(:ids AS text[])) AND value IS NOT NULL"
        ),
        {"clinic": session.clinic, "ids": list(response_ids)},
    )
    return set(found)


def _pairs(table: dict[str, tuple[str, ...]], types: Collection[str]) -> list[tuple[str, str]]:
    return [(type, name) for type, names in table.items() if type in types for name in names]


def _reference_parameters(types: Collection[str]) -> list[str]:
    return sorted({p.name for type in types for p in parameters(type).values() if p.kind == "reference"})
