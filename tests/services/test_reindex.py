"""Search entries are made again from the resources, the same as before."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, select

from referral.services import reindex
from referral.storage.db import Session
from referral.storage.tables import search_entry
from tests.database import ClinicFixture
from tests.fhir_api.client import connect
from tests.fhir_api.people import Referred


def entries(session: Session) -> list[tuple[object, ...]]:
    rows = session.connection.execute(select(search_entry).where(search_entry.c.clinic_id == session.clinic))
    return sorted(tuple(str(value) for value in row) for row in rows)


def test_what_was_forgotten_is_found_again_and_nothing_twice(
    clinic: ClinicFixture, other_clinic: ClinicFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    fhir = connect(clinic)
    referred, others = Referred(fhir), Referred(connect(other_clinic))
    monkeypatch.setattr(reindex, "BATCH", 3)
    with clinic.transaction() as session:
        before = entries(session)
        session.connection.execute(delete(search_entry).where(search_entry.c.parameter == "patient"))
    assert fhir.get(f"Condition?patient={referred.patient}").resources == []
    for _ in range(2):
        place: reindex.Place | None = reindex.Place()
        batches = 0
        while place is not None:
            with clinic.transaction() as session:
                place = reindex.reindex_some(session, place)
            batches += 1
        assert batches > 3
        with clinic.transaction() as session:
            assert entries(session) == before
    assert len(fhir.get(f"Condition?patient={referred.patient}").resources) == 1
    assert len(others.fhir.get(f"Condition?patient={others.patient}").resources) == 1
