"""Search entries after a change: what differs is written anew, and everything is found as by a new index."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from referral.storage import resources
from referral.storage.db import Session, flush
from tests.database import ClinicFixture

NOW = datetime(2026, 11, 3, 17, 0, tzinfo=UTC)
SYSTEM = "http://codes.example"


def coded(code: str, words: str = "") -> dict[str, Any]:
    return {"coding": [{"system": SYSTEM, "code": code, "display": words or code}], "text": words or code}


OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "preliminary",
    "identifier": [{"system": SYSTEM, "value": "1", "type": coded("FILL", "filler")}],
    "category": [coded("survey")],
    "code": coded("phq9", "PHQ-9 total"),
    "subject": {"reference": "Patient/one"},
    "effectiveDateTime": "2026-11-01",
    "valueQuantity": {"value": 12, "system": SYSTEM, "code": "score", "unit": "points"},
    "component": [{"code": coded("item9"), "valueQuantity": {"value": 1, "code": "score"}}],
    "meta": {"tag": [{"system": SYSTEM, "code": "kept"}]},
}
CHANGES: list[dict[str, Any]] = [
    {"status": "final"},
    {"valueQuantity": {"value": 13, "system": SYSTEM, "code": "score", "unit": "points"}},
    {"code": coded("phq9-2", "two items")},
    {"identifier": [{"system": SYSTEM, "value": "2", "type": coded("PLAC", "placer")}]},
    {"component": [{"code": coded("item9"), "valueQuantity": {"value": 2, "code": "score"}}]},
    {"category": None, "subject": None},
    {"effectiveDateTime": None, "effectiveInstant": "2026-11-02T08:00:00Z"},
    {"meta": {"tag": [{"system": SYSTEM, "code": "other"}]}},
    {"note": [{"text": "nothing that is searched"}]},
]


Row = tuple[Any, ...]


def rows(session: Session, id: str) -> dict[Row, str]:
    """What search reads of it, with the place where each row lies."""
    flush(session)
    found = session.connection.execute(
        text(
            "SELECT parameter, system, value, low, high, number, CAST(ctid AS text) FROM search_entry"
            " WHERE clinic_id = :clinic AND type = 'Observation' AND id = :id"
        ),
        {"clinic": session.clinic, "id": id},
    ).all()
    assert len({tuple(row[:-1]) for row in found}) == len(found)
    return {tuple(row[:-1]): row[-1] for row in found}


def from_a_new_index(session: Session, id: str) -> set[Row]:
    resources.make_entries_again(session, ("Observation", id[:-1]), 1)
    return set(rows(session, id))


def stored(clinic: ClinicFixture) -> str:
    id = str(uuid.uuid4())
    with clinic.transaction() as session:
        resources.create(session, [{**OBSERVATION, "id": id}], NOW)
    return id


def amend(session: Session, id: str, managed: dict[str, Any], *, many: bool) -> None:
    if many:
        resources.amend_many(session, "Observation", {id: managed}, NOW)
    else:
        resources.amend(session, "Observation", id, managed, NOW)


@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
@pytest.mark.parametrize("managed", CHANGES, ids="-".join)
def test_after_a_change_the_entries_are_those_of_a_new_index(
    clinic: ClinicFixture, managed: dict[str, Any], many: bool
) -> None:
    id = stored(clinic)
    with clinic.transaction() as session:
        amend(session, id, managed, many=many)
    with clinic.transaction() as session:
        assert set(rows(session, id)) == from_a_new_index(session, id)


@pytest.mark.parametrize("flushed", [False, True], ids=["at-the-end", "in-between"])
def test_two_changes_in_one_transaction_count_both(clinic: ClinicFixture, flushed: bool) -> None:
    id = stored(clinic)
    with clinic.transaction() as session:
        for managed in CHANGES:
            amend(session, id, managed, many=False)
            if flushed:
                flush(session)
    with clinic.transaction() as session:
        assert set(rows(session, id)) == from_a_new_index(session, id)


def test_a_change_in_the_transaction_that_made_it_counts_too(clinic: ClinicFixture) -> None:
    id = str(uuid.uuid4())
    with clinic.transaction() as session:
        resources.create(session, [{**OBSERVATION, "id": id}], NOW)
        amend(session, id, {"status": "final"}, many=True)
        flush(session)
        amend(session, id, {"code": coded("other")}, many=True)
    with clinic.transaction() as session:
        assert set(rows(session, id)) == from_a_new_index(session, id)


@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
def test_what_stays_is_not_written_again(clinic: ClinicFixture, many: bool) -> None:
    id = stored(clinic)
    with clinic.transaction() as session:
        before = rows(session, id)
    with clinic.transaction() as session:
        amend(session, id, {"status": "final"}, many=many)
    with clinic.transaction() as session:
        after = rows(session, id)
    assert {row[0] for row, _ in before.items() ^ after.items()} == {"status"}
    assert len(before) == len(after) > 10
