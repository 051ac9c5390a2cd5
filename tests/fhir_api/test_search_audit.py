"""AuditEvents are found by their parameters: what the database narrows down is what their resources say."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Role
from referral.fhir.json import decode
from referral.fhir.problems import InvalidSearch
from referral.fhir.search_model import kept_entries
from referral.fhir.search_parameters import extract
from referral.fhir.search_query import SearchQuery, query_pairs, read_search
from referral.services import search_audit
from referral.storage import audit, audit_search
from tests.database import NOW, ClinicFixture
from tests.fhir_api.client import FhirClient
from tests.fhir_api.people import patient

DCM = "http://dicom.nema.org/resources/ontology/DCM"


def write(clinic: ClinicFixture) -> None:
    """Rows of every actor, act and outcome, about two patients and about none."""
    actors = [
        Actor(clinic.id, "staff", "ana", Role.FRONT_DESK, "192.0.2.7", "req-1"),
        Actor(clinic.id, "client", "ehr", None, "192.0.2.99", "req-2"),
        Actor(clinic.id, "system", "worker"),
    ]
    acts = [
        (Action.CREATE, "create", "Task/t1"),
        (Action.READ, "read", "Patient/p1"),
        (Action.EXECUTE, "search", None),
        (Action.EXECUTE, "export", "Patient/p1"),
        (Action.UPDATE, "disclose", "DocumentReference/d1"),
    ]
    with clinic.transaction() as session:
        for actor, (action, subtype, entity), who in itertools.product(actors, acts, ("p1", "p2", None)):
            outcome: Any = "8" if who == "p2" and action == Action.READ else "0"
            entry = AuditEntry(
                action=action,
                subtype=subtype,
                entity=entity,
                patient_id=who,
                outcome=outcome,
                detail={"recipient": "Practitioner/dr"} if subtype == "disclose" else {},
            )
            audit.record(session, actor, entry)


def query_of(text: str, count: int = 200) -> SearchQuery:
    return read_search("AuditEvent", [*query_pairs(text), ("_count", str(count))], now=NOW, strict=True)


QUERIES = [
    *("patient=p1", "patient=Patient/p1,Patient/p2", "patient:missing=true", "patient=Patient/p1&outcome=0"),
    *(
        "entity=Task/t1",
        "entity=Patient/p1",
        "entity=DocumentReference/d1&action=R",
        "entity:identifier=req-1",
    ),
    *("action=R", "action=E", "action=C,U", "action:not=R", "outcome=8", "outcome:not=0"),
    *("subtype=read", "subtype=disclose", "subtype=export", "subtype=create,search", "subtype:not=read"),
    *("type=rest", f"type={DCM}|110106", f"type={DCM}|", "type=nothing", "type:text=export"),
    *(
        "agent=Practitioner/dr",
        "agent:identifier=ana",
        "agent:identifier=ehr&action=R",
        "agent-role:text=front",
    ),
    *("address=192.0.2", "address=192.0.2.7", "address:contains=99", "address=referral", "site=referral"),
    *("date=ge2020", "date=lt2020", "_lastUpdated=gt2020&patient=p2", "date=ap2020", "date=ne2020"),
    *(
        "date=gt0001",
        "date=ge0001-01-01",
        "date=le9999",
        "date=lt9999-12-31&date=sa2020",
        "date=eb2020",
        "date=le2020",
    ),
    *("entity-role=4", "entity-type=1", "agent-name=x", "policy=urn:x", "altid=x", "source:missing=true"),
    "patient=p1&subtype=disclose,export&date=ge2020&outcome=0&agent:identifier=ehr",
]


def test_what_is_found_is_what_the_resources_say(clinic: ClinicFixture) -> None:
    write(clinic)
    with clinic.transaction() as session:
        everything = search_audit.search_events(session, query_of("")).matches
        assert len(everything) >= 45
        some = 0
        moment = everything[len(everything) // 2].stored.document["recorded"]
        times = [f"date={prefix}{moment}" for prefix in ("", "ne", "gt", "ge", "lt", "le", "sa", "eb")]
        for text in [*QUERIES, *times]:
            query = query_of(text)
            expected = [
                match.stored.id
                for match in everything
                if all(
                    clause.accepts(
                        extract(decode(match.stored.body.encode()))
                        + kept_entries(match.stored.id, match.stored.last_updated)
                    )
                    for clause in query.clauses
                )
            ]
            found = [match.stored.id for match in search_audit.search_events(session, query).matches]
            assert found == expected, text
            counted = search_audit.search_events(session, query_of(f"{text}&_summary=count"))
            assert (counted.matches, counted.total) == ((), len(expected)), text
            some += bool(found)
        assert some > 30
        last = everything[-1].stored.id
        assert [
            m.stored.id for m in search_audit.search_events(session, query_of(f"_id={last}")).matches
        ] == [last]


def test_a_trail_without_an_index_to_go_by_is_looked_through_page_by_page(
    clinic: ClinicFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`next` goes on where nothing was found on the way, and ends."""
    write(clinic)
    monkeypatch.setattr(audit_search, "WINDOW", 7)
    with clinic.transaction() as session:
        whole = [m.stored.id for m in search_audit.search_events(session, query_of("patient=p2")).matches]
        found: list[str] = []
        cursor, pages = None, 0
        while pages == 0 or cursor is not None:
            extra: list[tuple[str, str]] = [("_cursor", cursor)] if cursor else []
            pairs = [("action:not", "X"), ("outcome", "0,8"), *extra, ("_count", "3")]
            query = read_search("AuditEvent", pairs, now=NOW)
            page = search_audit.search_events(session, query)
            found += [match.stored.id for match in page.matches if match.patient_id == "p2"]
            cursor, pages = page.next, pages + 1
            assert pages < 100
    assert found == whole


def test_a_count_of_the_whole_trail_is_refused_where_it_would_take_long(
    clinic: ClinicFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(clinic)
    monkeypatch.setattr(search_audit, "_MOST_COUNTED", 20)
    with clinic.transaction() as session:
        with pytest.raises(InvalidSearch, match="ask for a patient"):
            search_audit.search_events(session, query_of("", count=0))
        assert search_audit.search_events(session, query_of("_total=accurate")).total is None
        assert search_audit.search_events(session, query_of("patient=p2&subtype=read", count=0)).total == 3


def test_an_accounting_of_disclosures_is_one_search(fhir: FhirClient) -> None:
    made: Any = fhir.create(patient())
    fhir.get(f"Patient/{made['id']}")
    found = fhir.get(
        "AuditEvent?patient.identifier=http://ehr.example/mrn|MRN-1&action=R&date=ge2020&_sort=-date"
        "&_total=accurate"
    )
    assert [row["entity"][0]["what"] for row in found.resources] == [{"reference": f"Patient/{made['id']}"}]
    assert found.body["total"] == 1
