"""A search means the same in SQL as in memory, whatever it asks: `Clause.accepts` is the meaning."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from referral.fhir.index_values import IndexEntry
from referral.fhir.problems import InvalidSearch
from referral.fhir.search_model import kept_entries
from referral.fhir.search_parameters import extract
from referral.fhir.search_query import SearchQuery, query_pairs, read_search
from referral.fhir.systems import BASE
from referral.storage import resources, search
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture

MR = "http://terminology.hl7.org/CodeSystem/v2-0203"
STATUS = "http://hl7.org/fhir/ValueSet/observation-status"
PREFIXES = ("", "eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap")


def documents() -> list[dict[str, Any]]:
    """Every kind of value in every shape, and some without."""
    observations: list[dict[str, Any]] = [
        {
            "status": status,
            "code": code,
            "subject": {"reference": f"Patient/{place % 3}"},
            "valueQuantity": {"value": number, "unit": unit},
            "effectiveDateTime": when,
        }
        for place, (number, unit, when, (status, code)) in enumerate(
            itertools.product(
                (5, Decimal("5.4"), 100),
                ("kg", "g"),
                ("2026", "2026-03-01T10:00:00Z"),
                (
                    ("final", {"text": "Body weight", "coding": [{"system": "http://s", "code": "w"}]}),
                    ("amended", {"coding": [{"code": "w", "display": "Wéight"}]}),
                ),
            )
        )
    ]
    observations += [
        {"status": "final", "code": {"text": "x"}, "effectivePeriod": {"start": "2026-02"}},
        {"status": "final", "code": {"text": "x"}, "effectivePeriod": {"end": "2026-03-15"}},
        {"status": "final", "code": {"coding": [{"code": "w"}]}, "valueString": "Heavier than before"},
        {"status": "final", "code": {"coding": [{"code": "w"}]}, "valueDateTime": "2026-03-01T10:00:00Z"},
        {
            "status": "final",
            "code": {"coding": [{"code": "m"}]},
            "component": [
                {"code": {"coding": [{"system": "http://s", "code": "w"}]}, "valueQuantity": {"value": 7}},
                {"code": {"coding": [{"code": "m"}]}, "valueCodeableConcept": {"coding": [{"code": "yes"}]}},
            ],
        },
    ]
    patients: list[dict[str, Any]] = [
        {
            "name": [{"family": "Álvarez"}],
            "gender": "female",
            "birthDate": "1980-05-01",
            "identifier": [
                {
                    "system": "http://m",
                    "value": "1",
                    "type": {"text": "Chart", "coding": [{"system": MR, "code": "MR"}]},
                }
            ],
        },
        {"name": [{"family": "alva", "given": ["Bo"]}], "gender": "male", "identifier": [{"value": "1"}]},
        {"active": True, "link": [{"type": "seealso", "other": {"reference": "Patient/0"}}]},
    ]
    locations: list[dict[str, Any]] = [
        {"name": "Pier", "position": {"latitude": Decimal("39.74"), "longitude": Decimal("-104.99")}},
        {"name": "Peak", "position": {"latitude": Decimal("38.84"), "longitude": Decimal("-105.04")}},
        {"name": "Nowhere"},
    ]
    found: list[dict[str, Any]] = [{"resourceType": "Observation", **row} for row in observations]
    found += [{"resourceType": "Patient", "id": str(at), **row} for at, row in enumerate(patients)]
    return found + [{"resourceType": "Location", **row} for row in locations]


def store(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        made = [
            {"id": f"{row['resourceType'][:1].lower()}-{at}", **row} for at, row in enumerate(documents())
        ]
        resources.create(session, made, NOW)


def query_of(type: str, text: str) -> SearchQuery:
    return read_search(type, [*query_pairs(text), ("_count", "200")], now=NOW, strict=True)


def by_sql(session: Session, query: SearchQuery) -> set[str]:
    return {match.stored.id for match in search.search(session, query).matches}


Everything = dict[str, list[tuple[str, list[IndexEntry]]]]


def everything(session: Session) -> Everything:
    """What each resource is found by, by type and id."""
    found: Everything = {}
    for type in ("Observation", "Patient", "Location"):
        stored = [match.stored for match in search.search(session, query_of(type, "")).matches]
        found[type] = [
            (row.id, extract(row.document) + kept_entries(row.id, row.last_updated)) for row in stored
        ]
    return found


def in_memory(session: Session, query: SearchQuery, rows: Everything) -> set[str]:
    clauses = search.resolved(session, query).clauses
    return {id for id, entries in rows[query.type] if all(clause.accepts(entries) for clause in clauses)}


DATES = ("2026", "2026-03", "2026-03-01", "2026-03-01T10:00:00Z", "2026-03-01T12:00:00+02:00", "2025")
NUMBERS = ("5", "5.4", "100", "1e2", "5||kg", "5|http://x|kg")
OBSERVATION = [
    *(f"date={prefix}{value}" for prefix in PREFIXES for value in DATES),
    *(
        f"_lastUpdated={prefix}{value}"
        for prefix in PREFIXES
        for value in ("2026-11-03T17:00:00Z", "2026-11", "2026-11-03T17:00:00.001Z", "2026-11-03T16:59:59Z")
    ),
    *(f"value-quantity={prefix}{number}" for prefix in PREFIXES for number in NUMBERS),
    *("code=w", "code=http://s|w", "code=|w", "code:not=w", "code:text=body", "code:text=WEIGHT"),
    *("code:text=eight", "code:missing=true", "status:in=" + STATUS, "status:not-in=" + STATUS),
    *("code:in=" + STATUS, f"code:not-in={BASE}/ValueSet/request-code", "code=http://s|", "code=a,w"),
    *(
        f"code-value-quantity={code}${prefix}{number}"
        for code in ("w", "http://s|w", "|w", "http://s|", "m")
        for prefix in PREFIXES
        for number in ("5", "7", "5||kg")
    ),
    *("code-value-string=w$heavier", "code-value-string=w$before", "code-value-string=x$heavier"),
    *("code-value-date=w$2026-03-01", "code-value-date=w$lt2026", "code-value-quantity:missing=true"),
    *("combo-code-value-quantity=w$7", "combo-code-value-quantity=m$7", "component-code-value-quantity=w$7"),
    *("combo-code-value-concept=m$yes", "combo-code-value-concept=w$yes", "code-value-concept=m$yes"),
    *("patient=0", "patient=Patient/0,2", "subject:Patient=1", "patient:missing=false"),
    *("patient.family=alv", "patient.gender=male", "patient.gender:not=male", "patient.birthdate=lt1990"),
    *("subject:Patient.identifier=http://m|1", "patient.active=true", "patient._id=0,1", "patient.name=q"),
    *(
        "patient.gender:missing=true",
        "patient._lastUpdated=lt2026",
        "patient.identifier:of-type=" + MR + "|MR|1",
        "patient.link:missing=false",
        "patient.family=a&patient.gender=male&code=w",
    ),
]
PATIENT = [
    *("family=alva", "family:exact=alva", "family:contains=VA", "name=bo", "identifier=1"),
    *(f"identifier:of-type={MR}|MR|1", f"identifier:of-type={MR}|PI|1", "identifier:text=cha"),
    *("_has:Observation:patient:code=w", "_has:Observation:patient:value-quantity=gt50"),
    *("_has:Observation:subject:status=amended", "_has:Observation:patient:code:not=w"),
    *("_has:Patient:link:_id=2", "_has:Observation:patient:code-value-quantity=w$5.4||g", "_id:not=0"),
    "_has:Observation:patient:date=ge2026-02&gender=female",
]
LOCATION = ["near=39.74|-104.99|1", "near=39.74|-104.99|200|km", "near=39.7|-105", "near=0|0|1e5", "name=p",
            "near=39.74|-104.99|62.1371|[mi_us]"]  # fmt: skip


def test_every_kind_of_condition_means_the_same_in_sql_as_in_memory(clinic: ClinicFixture) -> None:
    store(clinic)
    some = 0
    with clinic.transaction() as session:
        rows = everything(session)
        asked = {"Observation": OBSERVATION, "Patient": PATIENT, "Location": LOCATION}
        for type, text in ((type, text) for type, texts in asked.items() for text in texts):
            query = query_of(type, text)
            found = by_sql(session, query)
            assert found == in_memory(session, query, rows), text
            some += bool(found)
    # Most of them find something: a test of empty sets would prove nothing.
    assert some > 130


NAMES = {
    "Observation": ["code", "date", "value-quantity", "status", "patient", "code-value-quantity", "_id"],
    "Patient": ["family", "identifier", "gender", "birthdate", "link"],
    "Location": ["near", "name", "partof"],
}
PIECES = [
    "w",
    "http://s|",
    "|",
    "$",
    "5",
    "||kg",
    "ge",
    "2026-03",
    "alv",
    "Patient/0",
    ",",
    "\\,",
    "é",
    "1e2",
]


def test_whatever_is_asked_means_the_same_in_sql_as_in_memory(clinic: ClinicFixture) -> None:
    store(clinic)
    with clinic.transaction() as session:
        rows = everything(session)
    modifiers = ["", ":not", ":missing", ":exact", ":contains", ":text", ":of-type", ":identifier"]

    def texts(type: str) -> st.SearchStrategy[tuple[str, str, str]]:
        names = st.sampled_from(NAMES[type]).flatmap(
            lambda name: st.sampled_from([name + m for m in modifiers])
        )
        values = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join)
        return st.tuples(st.just(type), names, values)

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.sampled_from(sorted(NAMES)).flatmap(texts))
    def once(asked: tuple[str, str, str]) -> None:
        type, name, value = asked
        try:
            query = read_search(type, [(name, value), ("_count", "200")], now=NOW, strict=True)
        except InvalidSearch:
            return
        with clinic.transaction() as session:
            assert by_sql(session, query) == in_memory(session, query, rows)

    once()
