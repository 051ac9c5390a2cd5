"""Every search can go by an index, under row-level security and as the application's role.

On few rows PostgreSQL would rather read everything, so reading everything is made dear: what then still does
it, or looks through the entries of other parameters, has no index. bench/_fhir_search.py shows the same on a
million resources.
"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from referral.fhir.search_query import parse_search
from referral.storage import search
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture

MR = "http://terminology.hl7.org/CodeSystem/v2-0203"
QUERIES = [
    *("Task?status=requested", "Task?code=http://s|x", "Task?code=|x", "Task?status:not=draft&patient=1"),
    *("Task?patient=1", "Task?owner=Practitioner/1&status=requested", "Task?owner:identifier=http://npi|1"),
    *("Task?owner:missing=true&status=requested", "Task?_id=a,b", "Task?_lastUpdated=ge2026", "Task"),
    *(f"Task?authored-on={prefix}2026-03" for prefix in ("", "gt", "ge", "lt", "le", "sa", "eb", "ap", "ne")),
    *("Patient?name=ng", "Patient?name:exact=Ng", "Patient?name:contains=g", "Patient?email=a@b.example"),
    *(f"Patient?identifier:of-type={MR}|MR|1", "Patient?identifier=http://s|", "Condition?code:text=depr"),
    *("Observation?value-quantity=5", "Observation?value-quantity=gt5||kg", "Observation?value-string=a"),
    *("Observation?code-value-quantity=w$5", "Observation?code-value-date=w$ge2026", "Task?due=le2026"),
    *("ValueSet?url=http://a", "ValueSet?url:below=http://a", "ValueSet?url:above=http://a/b/c"),
    *("Location?near=1|2|3", "Task?status:in=http://hl7.org/fhir/ValueSet/task-status&patient=1"),
    *("Task?patient.name=ng", "Task?owner.identifier=http://npi|1", "Task?patient.birthdate=lt1990"),
    *(
        "Patient?_has:Task:patient:owner=Practitioner/1",
        "Patient?_has:Observation:patient:value-quantity=gt5",
    ),
    *(
        "Task?_sort=-_lastUpdated,_id",
        "Task?patient=1&_sort=authored-on",
        "ServiceRequest?instantiates-uri=u",
    ),
]


def scans(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan] + [scan for child in plan.get("Plans", ()) for scan in scans(child)]


def cheap_indexes(session: Session) -> None:
    session.connection.execute(text("SET LOCAL enable_seqscan = off"))


@pytest.mark.parametrize("asked", QUERIES)
def test_a_search_goes_by_an_index_that_knows_what_is_asked_for(clinic: ClinicFixture, asked: str) -> None:
    type, _, query = asked.partition("?")
    with clinic.transaction() as session:
        cheap_indexes(session)
        plan = search.plan_of(session, parse_search(type, query, now=NOW))
    for scan in scans(plan):
        assert scan["Node Type"] != "Seq Scan", asked
        if "search_entry" in scan.get("Index Name", ""):
            assert "parameter" in scan.get("Index Cond", ""), (asked, scan)


def test_the_planner_knows_which_values_are_rare_together(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        kinds = session.connection.scalar(
            text("SELECT stxkind::text FROM pg_statistic_ext WHERE stxname = 'st_search_entry_value'")
        )
    assert kinds == "{f,m}"
