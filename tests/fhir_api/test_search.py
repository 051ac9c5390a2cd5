"""Searches over the real database."""

from __future__ import annotations

import base64
import json

import pytest

from tests.fhir_api.client import Answer, FhirClient, Json
from tests.fhir_api.people import Referred, patient, practitioner


def ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [row["id"] for row in answer.resources if row["resourceType"] != "OperationOutcome"]


@pytest.fixture
def people(fhir: FhirClient) -> dict[str, str]:
    rows: dict[str, Json] = {
        "ana": patient(
            name=[{"family": "Álvarez", "given": ["Ana"]}],
            birthDate="1980-05-01",
            identifier=[{"system": "http://ehr.example/mrn", "value": "A"}],
        ),
        "bo": patient(
            name=[{"family": "Berg", "given": ["Bo"]}],
            birthDate="1990-05",
            gender="male",
            identifier=[{"system": "http://ehr.example/mrn", "value": "B"}, {"value": "bare"}],
        ),
        "cy": patient(
            name=[{"family": "Berger", "given": ["Cy"]}],
            birthDate="2000",
            gender="male",
            identifier=[{"system": "http://other.example/mrn", "value": "A"}],
        ),
        "di": {"resourceType": "Patient", "active": True},
    }
    return {name: fhir.create(row)["id"] for name, row in rows.items()}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "ana bo cy di"),
        ("family=berg", "bo cy"),
        ("family:exact=Berg", "bo"),
        ("family:contains=erge", "cy"),
        ("family=alvarez", "ana"),
        ("family=ÁLV", "ana"),
        ("name=bo,cy", "bo cy"),
        ("name=be&gender=male&birthdate=lt1995", "bo"),
        ("gender:not=male", "ana di"),
        ("gender:missing=true", "di"),
        ("gender:missing=false&family=b", "bo cy"),
        ("identifier=A", "ana cy"),
        ("identifier=http://ehr.example/mrn|A", "ana"),
        ("identifier=http://ehr.example/mrn|", "ana bo"),
        ("identifier=|bare", "bo"),
        ("identifier=|A", ""),
        ("identifier=http://ehr.example/mrn%7CA,http://ehr.example/mrn|B", "ana bo"),
        ("birthdate=1990", "bo"),
        ("birthdate=1990-05-03", ""),
        ("birthdate=ge1990", "bo cy"),
        ("birthdate=sa1990-05", "cy"),
        ("birthdate=lt1990", "ana"),
        ("birthdate=ne1980-05-01", "bo cy"),
        ("birthdate=ge1980&birthdate=lt2000", "ana bo"),
        ("_lastUpdated=ge2026-11-03", "ana bo cy di"),
        ("_lastUpdated=gt2026-11-03T17:00:00Z", ""),
        ("_lastUpdated=2026-11-03T17:00:00Z", "ana bo cy di"),
        ("_lastUpdated=lt2026", ""),
        ("_id=nobody", ""),
        ("_id:missing=true", ""),
        ("active=true", "di"),
    ],
)
def test_searches_find_what_they_should(
    fhir: FhirClient, people: dict[str, str], query: str, expected: str
) -> None:
    names = {id: name for name, id in people.items()}
    by_get = fhir.get(f"Patient?{query}")
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    by_post = fhir.post("Patient/_search", query.encode() if query.isascii() else b"family=%C3%81LV", **form)
    assert sorted(names[id] for id in ids(by_get)) == expected.split()
    assert sorted(ids(by_post)) == sorted(ids(by_get))


def test_a_quantity_is_found_by_its_code_or_by_the_unit_as_people_write_it(fhir: FhirClient) -> None:
    quantity = {"value": 5.4, "system": "http://unitsofmeasure.org", "code": "mg", "unit": "milligram"}
    row = {"resourceType": "Observation", "status": "final", "code": {"text": "dose"}}
    made = fhir.create({**row, "valueQuantity": quantity})
    fhir.create({**row, "valueQuantity": {"value": 5.4, "unit": "g"}})
    for query in ("5.4||mg", "5.4||milligram", "5.4|http://unitsofmeasure.org|mg", "ge5||milligram"):
        assert ids(fhir.get(f"Observation?value-quantity={query}")) == [made["id"]], query
    for query in ("5.4|http://unitsofmeasure.org|milligram", "5.4||kg", "gt6||milligram"):
        assert ids(fhir.get(f"Observation?value-quantity={query}")) == [], query
    assert len(ids(fhir.get("Observation?value-quantity=5.4"))) == 2


def test_ids_are_found_by_list(fhir: FhirClient, people: dict[str, str]) -> None:
    found = fhir.get(f"Patient?_id={people['ana']},{people['bo']},nobody")
    assert sorted(ids(found)) == sorted([people["ana"], people["bo"]])
    assert people["ana"] not in ids(fhir.get(f"Patient?_id:not={people['ana']}"))


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("family", "ana bo cy di"),
        ("-family", "cy bo ana di"),
        ("birthdate", "ana bo cy di"),
        ("-birthdate", "cy bo ana di"),
        ("gender,-family", "ana cy bo di"),
        ("-gender,family", "bo cy ana di"),
    ],
)
@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_pages_follow_each_other_in_the_order_asked_for_and_back(
    fhir: FhirClient, people: dict[str, str], sort: str, expected: str, count: int
) -> None:
    names = {id: name for name, id in people.items()}
    pages = [fhir.get(f"Patient?_sort={sort}&_count={count}")]
    while (url := link(pages[-1], "next")) is not None:
        pages.append(fhir.call("GET", url))
        assert len(pages) < 10
    assert " ".join(names[id] for page in pages for id in ids(page)) == expected
    back = pages[-1]
    for page in reversed(pages[:-1]):
        url = link(back, "previous")
        assert url is not None
        back = fhir.call("GET", url)
        assert ids(back) == ids(page)
    assert link(back, "previous") is None


def link(answer: Answer, relation: str, type: str = "Patient") -> str | None:
    urls = {row["relation"]: row["url"] for row in answer.body["link"]}
    url: str | None = urls.get(relation)
    assert url is None or url.startswith(f"http://testserver/fhir/{type}?")
    return url.removeprefix("http://testserver") if url else None


def test_new_resources_do_not_disturb_the_pages_that_follow(fhir: FhirClient) -> None:
    made = [fhir.create(patient())["id"] for _ in range(5)]
    first = fhir.get("Patient?_count=2")
    late = fhir.create(patient())["id"]
    url = link(first, "next")
    seen = ids(first)
    while url is not None:
        page = fhir.call("GET", url)
        seen += ids(page)
        url = link(page, "next")
    assert sorted(set(seen) - {late}) == sorted(made)
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "e30", "W10", "WyIxIiwxXQ", "%00", "é", "x" * 5000])
def test_a_cursor_that_is_none_of_ours_is_refused(fhir: FhirClient, cursor: str) -> None:
    assert fhir.get(f"Patient?_cursor={cursor}").status == 400


@pytest.mark.parametrize("number", ["1e999999", "-1e999999", "1e-999999", "NaN", "Infinity"])
def test_a_forged_cursor_with_an_absurd_number_is_refused(fhir: FhirClient, number: str) -> None:
    for value in (1, 2):
        fhir.create(
            {
                "resourceType": "Observation",
                "status": "final",
                "code": {"text": "Weight"},
                "valueQuantity": {"value": value, "unit": "kg"},
            }
        )
    url = link(fhir.get("Observation?_sort=value-quantity&_count=1"), "next", "Observation")
    assert url is not None
    before, _, cursor = url.partition("_cursor=")
    parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    assert fhir.call("GET", url).status == 200
    parts[2] = number
    forged = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")
    assert fhir.call("GET", f"{before}_cursor={forged}").status == 400


def test_a_cursor_of_another_search_is_refused(fhir: FhirClient, people: dict[str, str]) -> None:
    url = link(fhir.get("Patient?_sort=family&_count=1"), "next")
    assert url is not None
    other = url.replace("_sort=family", "_sort=gender")
    assert fhir.call("GET", other).status == 400


def test_totals_are_counted_when_asked_for(fhir: FhirClient, people: dict[str, str]) -> None:
    assert "total" not in fhir.get("Patient?_count=1").body
    assert fhir.get("Patient?_count=1&_total=accurate").body["total"] == 4
    none = fhir.get("Patient?_count=0&gender=male").body
    assert none["total"] == 2
    assert "entry" not in none
    assert fhir.get("Patient?_summary=count&gender=male").body["total"] == 2
    assert len(ids(fhir.get("Patient?_count=1000000"))) == 4


def test_what_is_not_understood_is_told_or_refused(fhir: FhirClient) -> None:
    lenient = fhir.get("Patient?shoesize=43&gender=male")
    outcome = lenient.resources[-1]
    assert outcome["resourceType"] == "OperationOutcome"
    assert lenient.body["entry"][-1]["search"]["mode"] == "outcome"
    assert link(lenient, "self") == "/fhir/Patient?gender=male"
    strict = fhir.get("Patient?shoesize=43", Prefer="handling=strict")
    assert (strict.status, strict.expressions) == (400, ["http.shoesize"])
    for query in ("gender:exact=male", "birthdate=yesterday", "gender=", "_sort=shoesize", "_count=-1"):
        assert fhir.get(f"Patient?{query}").status == 400, query
    for query in ("family=%00", "family=%ff", "%00=1", "identifier=a|b|c", "_include=Patient"):
        assert fhir.get(f"Patient?{query}").status == 400, query


def test_references_are_found_however_they_are_written(fhir: FhirClient) -> None:
    referred = Referred(fhir)
    id = referred.patient.removeprefix("Patient/")
    ways = [f"patient={id}", f"patient=Patient/{id}", f"subject={referred.patient}", f"subject:Patient={id}"]
    ways += [f"patient=http://testserver/fhir/Patient/{id}"]
    for way in ways:
        assert ids(fhir.get(f"Condition?{way}")) == [referred.condition.removeprefix("Condition/")], way
    assert ids(fhir.get(f"Condition?patient=http://elsewhere.example/Patient/{id}")) == []


def test_includes_bring_along_what_is_pointed_at_and_what_points_here(fhir: FhirClient) -> None:
    referred = Referred(fhir)
    found = fhir.get(
        f"ServiceRequest?_id={referred.request.split('/')[1]}&_include=ServiceRequest:performer"
        "&_include=ServiceRequest:subject&_revinclude=Task:focus&_revinclude=Provenance:target"
    )
    modes = {f"{row['resource']['resourceType']}": row["search"]["mode"] for row in found.body["entry"]}
    assert modes == {
        "ServiceRequest": "match",
        "PractitionerRole": "include",
        "Patient": "include",
        "Task": "include",
        "Provenance": "include",
    }
    task = f"Task/{referred.task['id']}"
    back = fhir.get(f"Task?_id={task.split('/')[1]}&_include=Task:focus")
    assert back.references == [task, referred.request]


def test_the_searches_that_other_systems_rely_on(fhir: FhirClient) -> None:
    """US Core's SHALL searches and those of a light fulfiller, by GET."""
    referred = Referred(fhir)
    code = fhir.get(referred.request).body["code"]["coding"][0]
    queries = [
        f"ServiceRequest?patient={referred.patient}&code={code['system']}|{code['code']}",
        f"ServiceRequest?patient={referred.patient}&category=recommendation-request&authored=ge2026-11-01",
        f"Task?owner={referred.role}&_lastUpdated=gt2026-11-01&status=requested",
        f"Task?patient={referred.patient}&status=requested",
        f"Task?focus={referred.request}",
        f"Condition?patient={referred.patient}&clinical-status=active",
        f"PractitionerRole?practitioner={referred.practitioner}",
        "PractitionerRole?specialty=http://nucc.org/provider-taxonomy|2084P0800X",
        "Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|9000000015",
        "Practitioner?name=okaf",
        "Patient?birthdate=1986-04-12&name=nguyen",
        "Patient?gender=female&name=ngu",
    ]
    for query in queries:
        assert len(ids(fhir.get(query))) >= 1, query


def test_a_contact_of_a_clinician_is_found_by_its_role(fhir: FhirClient) -> None:
    made = fhir.create(practitioner())
    assert ids(fhir.get("Practitioner?email=okafor@beaconhill.example")) == [made["id"]]
    assert ids(fhir.get("Practitioner?telecom=email|okafor@beaconhill.example")) == [made["id"]]
