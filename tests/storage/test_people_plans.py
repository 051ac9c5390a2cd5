"""What is typed finds people by an index, under row-level security and as the application's role.

On few rows PostgreSQL would rather read everything, so reading everything is made dear: what then still does
it has no index. bench/typeahead.py shows the same on a million people.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Select, Table, select

from referral.fhir.patient import to_fhir
from referral.storage import directory, projections, tables
from referral.storage.db import Session
from referral.storage.people_search import closest, matching
from tests.database import ClinicFixture
from tests.services import people
from tests.storage.test_search_plans import cheap_indexes, scans

TYPED = ("smi", "smith jo", "jo smith", "o'brien", "x y z", "100%", "_")


def plan(
    session: Session, statement: Select[Any], given: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    compiled = statement.compile(session.connection, compile_kwargs={"render_postcompile": True})
    values = compiled.construct_params(given)
    found: Any = session.connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}", values)
    return scans(found.scalar_one()[0]["Plan"])


def conditions(scanned: list[dict[str, Any]], index: str) -> str:
    return " ".join(scan.get("Index Cond", "") for scan in scanned if scan.get("Index Name") == index)


@pytest.mark.parametrize("table", [tables.patient, tables.clinician])
@pytest.mark.parametrize("words", TYPED)
def test_names_are_looked_up_in_the_order_of_the_index(
    clinic: ClinicFixture, table: Table, words: str
) -> None:
    with clinic.transaction() as session:
        cheap_indexes(session)
        scanned = plan(session, *closest(session, table, words, 10))
    assert {scan["Node Type"] for scan in scanned}.isdisjoint({"Seq Scan", "Sort"}), scanned
    assert "key >=" in conditions(scanned, "pk_search_key")


@pytest.mark.parametrize(
    ("table", "words", "index"),
    [
        (tables.patient, "smith", "pk_search_key"),
        (tables.clinician, "smith", "pk_search_key"),
        (tables.patient, "1984-05-17", "ix_patient_clinic_id_birth_date"),
        (tables.patient, "5/17/1984", "ix_patient_clinic_id_birth_date"),
        (tables.patient, "", "ix_patient_search_name"),
        (tables.clinician, "", "ix_clinician_search_name"),
    ],
)
def test_lists_go_by_an_index_too(clinic: ClinicFixture, table: Table, words: str, index: str) -> None:
    # A list is sorted by name; where few match, going by the names would do as well on these few rows. And on
    # what the statistics take for no rows at all, sorting what another index has found.
    with clinic.transaction() as session:
        cheap_indexes(session)
        wanted = matching(session, table, words)
        statement = select(table).where(table.c.clinic_id == session.clinic, *wanted)
        if not wanted:
            session.connection.exec_driver_sql("SET LOCAL enable_sort = off")
            statement = statement.order_by(table.c.search_name, table.c.id).limit(50)
        scanned = plan(session, statement)
    assert "Seq Scan" not in {scan["Node Type"] for scan in scanned}
    assert "clinic_id" in conditions(scanned, index)


def test_the_word_that_fewest_begin_with_is_looked_for(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        for given in ("Ana", "Ben", "Zoe"):
            people.patient(session, clinic, given=given, family="Longername")
        for words, first in (
            ("longername zo", "zo"),
            ("nobody longername", "nobody"),
            ("zo longername", "zo"),
        ):
            assert closest(session, tables.patient, words, 5)[1]["first"] == first, words
        assert [one.given for one in directory.look_up_patients(session, "longername zo", 5)] == ["Zoe"]


def test_people_are_found_by_any_words_in_any_order(
    clinic: ClinicFixture, other_clinic: ClinicFixture
) -> None:
    with other_clinic.transaction() as session:
        people.patient(session, other_clinic, given="Ana", family="Lopez")
    with clinic.transaction() as session:
        made = people.patient(
            session, clinic, given="María del Carmen", family="García-López O'Brien", birth_date="1984-05-17"
        )
        others = [people.patient(session, clinic, given="John", family=name) for name in ("Lopes", "Smith")]
        for words in (
            *("lopez", "garcia", "GARCÍA-LÓ", "carmen lop", "obrien", "o'bri", "brien maria", "del mar"),
            *("1984-05-17", "5/17/1984 lopez", "garcía, maría"),
        ):
            assert [found.id for found in directory.find_patients(session, words)] == [made.id], words
            assert [found.id for found in directory.look_up_patients(session, words, 5)] == [made.id], words
        for words in (
            *("lopezz", "arcia", "lopez smith", "5/18/1984", "lopez 1984-05-18", "%", "_", "\\"),
            *("9000000015", "lopez 9000000015"),
        ):
            assert directory.find_patients(session, words) == [], words
            assert directory.look_up_patients(session, words, 5) == [], words
        both = {found.id for found in directory.look_up_patients(session, "john", 5)}
        assert both == {other.id for other in others}
        assert len(directory.look_up_patients(session, "john", 1)) == 1


def test_a_clinician_has_no_date_of_birth_to_be_found_by(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        made = people.clinician(session, clinic, family="Okafor")
        for words in ("9000000015", "okafor 9000000015"):
            assert [found.id for found in directory.find_clinicians(session, words)] == [made.id], words
            assert [found.id for found in directory.look_up_clinicians(session, words, 5)] == [made.id], words
        for words in ("1984-05-17", "okafor 5/17/1984"):
            assert directory.find_clinicians(session, words) == [], words
            assert directory.look_up_clinicians(session, words, 5) == [], words


def test_a_new_name_is_found_and_the_old_one_is_not(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        made = people.patient(session, clinic, given="Ana", family="Old Name")
        projections.project(session, to_fhir(replace(made, family="Newname")))
        assert directory.find_patients(session, "old") == []
        assert [found.id for found in directory.find_patients(session, "newname ana")] == [made.id]
