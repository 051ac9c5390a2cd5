"""What is ours is published: readable where its canonical URL says, valid, and complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from referral.domain.codes import ClinicianKind, Decision, Requirement, TaskStatus
from referral.domain.npi import kind_of_taxonomy
from referral.fhir import answer, questionnaire, service_request, task
from referral.fhir.answer import Opinion
from referral.fhir.definitions import METADATA_TYPES, shape_row
from referral.fhir.own_profiles import PROFILES
from referral.fhir.search_definitions import OWN, definition_of
from referral.fhir.search_parameters import parameters
from referral.fhir.search_query import read_search
from referral.fhir.systems import BASE, DEFAULT, LOCAL_CODES
from referral.fhir.validation import issues_in
from referral.fhir.value_sets import own_value_sets, value_sets
from referral.services import published as shelf
from referral.services.published import all_of
from tests.fhir.mapping_samples import CLINICIAN, DEPRESSION, LATER, NOW, ORDER, all_values, referral
from tests.fhir.profiles import misses
from tests.fhir_api.client import Answer, FhirClient, Json
from tests.fhir_api.people import Referred
from tests.fhir_api.test_history import link

ROOT = Path(__file__).resolve().parents[2]
TYPES = (*METADATA_TYPES, "Questionnaire")


def published() -> list[Json]:
    return [stored.document for type in TYPES for stored in all_of(type)]


def is_found(canonical: str) -> bool:
    """A canonical URL of ours leads to what it names; a topic has it as its identifier."""
    asked = ((type, "identifier" if type == "Basic" else "url") for type in shelf.TYPES)
    return any(shelf.matching(read_search(type, [(name, canonical)], now=NOW)) for type, name in asked)


def test_something_is_published_of_every_type_that_is_offered() -> None:
    assert [type for type in TYPES if not all_of(type)] == []


@pytest.mark.parametrize("type", TYPES)
def test_what_is_published_is_valid_and_says_what_it_is(type: str) -> None:
    for stored in all_of(type):
        document = stored.document
        assert issues_in(document) == [], document["id"]
        if type != "Basic":
            assert document["url"] == f"{BASE}/{type}/{document['id']}"
            assert {"version", "status", "date", "publisher", "description", "name"} <= document.keys()
            assert document["status"] == "active"
            # cnl-0: a name that programs can use.
            assert re.fullmatch(r"[A-Z][A-Za-z0-9_]{0,254}", document["name"]), document["name"]


def test_every_canonical_url_is_readable_and_found_with_its_version_and_without(fhir: FhirClient) -> None:
    for type in TYPES:
        (first, *_, last) = [stored.document for stored in all_of(type)] * 2
        for document in (first, last):
            read = fhir.get(f"{type}/{document['id']}")
            assert (read.status, read.body) == (200, document)
            if type != "Basic":
                for url in (document["url"], f"{document['url']}|{document['version']}"):
                    assert fhir.get(f"{type}?url={url}").references == [f"{type}/{document['id']}"]
                assert fhir.get(f"{type}?url={document['url']}|0.0.9").resources == []


def test_a_search_for_what_is_published_keeps_count_order_and_pages(fhir: FhirClient) -> None:
    every = fhir.get("CodeSystem?_sort=-name").resources
    names = [row["name"] for row in every]
    assert names == sorted(names, reverse=True)
    assert len(names) > 6
    seen: list[str] = []
    path = "CodeSystem?_sort=-name&_count=4"
    while path:
        page = fhir.get(path).body
        assert page["total"] == len(names)
        assert len(page["entry"]) <= 4
        seen += [entry["resource"]["name"] for entry in page["entry"]]
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        path = following[0].removeprefix("http://testserver/fhir/") if following else ""
    assert seen == names
    assert fhir.get("CodeSystem?_count=0").body["total"] == len(names)
    assert fhir.get("CodeSystem?_cursor=x").status == 400
    assert fhir.get("CodeSystem?_cursor=900000").resources == []


# ---- Everything that mappers write


def written() -> list[Json]:
    """One of each kind of resource that mappers make out of nothing."""
    opinion = Opinion(
        id="opinion1",
        referral_id="request1",
        patient_id="p1",
        clinician_id="role1",
        response_id="qr1",
        decision=Decision.RECOMMENDED_WITH_CONDITIONS,
        answered_at=NOW,
        conditions="Blood pressure first",
        red_flags=("hypertension", "pregnancy"),
    )
    return [
        service_request.infusion_order(ORDER, waits_for=tuple(Requirement)),
        service_request.infusion_order(replace(ORDER, status="active")),
        service_request.recommendation_request(referral(), CLINICIAN, indications=(DEPRESSION,)),
        task.coordination_task(referral(), CLINICIAN, modified_at=NOW),
        task.coordination_task(
            referral(status=TaskStatus.REJECTED, closed_at=LATER), CLINICIAN, modified_at=LATER
        ),
        answer.decision_observation(opinion),
    ]


@pytest.fixture
def stored(fhir: FhirClient) -> list[Json]:
    """Everything in the store after a whole story, told by a client."""
    referred = Referred(fhir)
    referred.consult()
    assert fhir.post("QuestionnaireResponse", referred.answer()).status == 201
    with fhir.clinic.transaction() as session:
        rows = session.connection.exec_driver_sql(
            "SELECT DISTINCT type FROM resource WHERE clinic_id = %s", (fhir.clinic.id,)
        )
        types = [row.type for row in rows]
    assert {"Task", "Observation", "Provenance", "Communication"} & set(types)
    return [row for type in [*types, "AuditEvent"] for row in fhir.get(f"{type}?_count=200").resources]


def canonicals(resource: Any) -> Iterator[str]:
    for value in all_values(resource):
        if isinstance(value, str) and value.startswith(f"{BASE}/"):
            yield value


def test_every_canonical_url_that_is_written_leads_to_something(stored: list[Json], fhir: FhirClient) -> None:
    """Identifier systems are names alone; everything else under our base is there to be read."""
    statement = fhir.get("metadata").body
    found = {url for row in [*stored, *written(), *published(), statement] for url in canonicals(row)}
    assert {url.split("/")[4] for url in found} > {"CodeSystem", "Questionnaire", "OperationDefinition"}
    missing = [
        url
        for url in sorted(found - {statement["url"]})
        if not url.startswith(f"{BASE}/identifier/") and not is_found(url)
    ]
    assert missing == []
    assert statement["url"] == f"{BASE}/metadata"


def test_every_canonical_url_in_the_source_leads_to_something() -> None:
    """Also of what no story above writes: names of systems and extensions as they stand in the code."""
    calls = re.compile(r"(?:local|DEFAULT)\.(system|coding|concept|extension|value_set)\(\s*\"([\w-]+)\"")
    found = {
        match.groups()
        for path in sorted((ROOT / "referral").rglob("*.py"))
        for match in calls.finditer(path.read_text(encoding="utf-8"))
    }
    assert len(found) > 15
    folder = {"extension": "StructureDefinition", "value_set": "ValueSet"}
    literal = re.compile(r"\{BASE\}/(CodeSystem|ValueSet|StructureDefinition|SearchParameter)/([\w-]+)\"")
    written = {
        match.groups()
        for path in sorted((ROOT / "referral").rglob("*.py"))
        for match in literal.finditer(path.read_text(encoding="utf-8"))
    }
    assert ("CodeSystem", "subscription-client") in written
    assert [at for at in sorted(written) if not is_found("/".join([BASE, *at]))] == []
    missing = [
        (kind, name)
        for kind, name in sorted(found)
        if not is_found(f"{BASE}/{folder.get(kind, 'CodeSystem')}/{name}")
    ]
    assert missing == []


def test_every_code_of_ours_that_is_written_is_defined_with_its_wording(stored: list[Json]) -> None:
    wordings: dict[tuple[str, str], set[str]] = {}
    for row in (stored.document for stored in all_of("CodeSystem")):
        for concept in row.get("concept", ()):
            assert concept["definition"]
            others = {one["value"] for one in concept.get("designation", ())}
            wordings[row["url"], concept["code"]] = {concept["display"], *others}
    codings = [
        value
        for row in [*stored, *written(), *published(), *(questionnaire.to_fhir(k) for k in ClinicianKind)]
        for value in all_values(row)
        if isinstance(value, dict) and str(value.get("system")).startswith(f"{BASE}/CodeSystem/")
        if isinstance(value.get("code"), str)
    ]
    assert len(codings) > 100
    for coding in codings:
        known = wordings.get((coding["system"], coding["code"]))
        assert known is not None, coding
        assert coding.get("display") is None or coding["display"] in known, coding


def test_every_subtype_of_the_audit_that_stands_in_the_source_is_a_code() -> None:
    literal = re.compile(r"subtype=\"([\w-]+)\"")
    found = {
        name
        for path in sorted((ROOT / "referral").rglob("*.py"))
        for name in literal.findall(path.read_text(encoding="utf-8"))
    }
    assert len(found) > 30
    assert sorted(found - LOCAL_CODES["audit-subtype"].keys()) == []


# ---- Value sets, parameters, profiles


def test_value_sets_contain_what_they_say() -> None:
    sets = {row["url"]: row for row in value_sets()}
    assert sets.keys() == own_value_sets().keys()
    eligible = own_value_sets()[f"{BASE}/ValueSet/eligible-clinician-kind"]
    kinds = {kind_of_taxonomy(code) for _, code in eligible}
    assert kinds == {ClinicianKind.PSYCHIATRIST, ClinicianKind.PSYCHOLOGIST, ClinicianKind.PRIMARY_CARE}
    for url, row in sets.items():
        for include in row["compose"]["include"]:
            for concept in include.get("concept", ()):
                assert (include["system"], concept["code"]) in own_value_sets()[url]
    assert {code for _, code in own_value_sets()[DEFAULT.value_set("decision")]} == set(Decision)


def test_every_search_parameter_that_is_not_r4s_is_published() -> None:
    ours = {
        (type, name)
        for type in [*PROFILES, *METADATA_TYPES, "Patient", "Subscription", "Appointment", "AuditEvent"]
        for name in parameters(type)
        if definition_of(type, name).startswith(BASE)
    }
    assert ours == {(row.type, row.name) for row in OWN}
    for row in OWN:
        assert row.kind == parameters(row.type)[row.name].kind
        assert is_found(definition_of(row.type, row.name))


def test_what_the_mappers_write_conforms_to_the_profiles_of_ours(stored: list[Json]) -> None:
    profiles = {stored.id: stored.document for stored in all_of("StructureDefinition")}
    order, active, request, open_task, closed_task, decision = written()
    answered = next(row for row in stored if row["resourceType"] == "QuestionnaireResponse")
    for name, resource in (
        ("infusion-order", order),
        ("infusion-order", active),
        ("recommendation-request", request),
        ("recommendation-task", open_task),
        ("recommendation-task", closed_task),
        ("recommendation-decision", decision),
        ("recommendation-answer", answered),
    ):
        assert misses(profiles[name], resource) == [], name


def test_a_profile_of_ours_notices_what_is_wrong() -> None:
    profiles = {stored.id: stored.document for stored in all_of("StructureDefinition")}
    order, _, request, open_task, _, decision = written()
    of_request = profiles["recommendation-request"]
    assert "ServiceRequest.category:kind" in misses(of_request, {**order, "performer": request["performer"]})
    several = {**request, "performer": request["performer"] * 2}
    assert misses(of_request, several) == ["ServiceRequest.performer"]
    of_task = profiles["recommendation-task"]
    assert misses(of_task, {**open_task, "focus": {"reference": "Patient/p1"}}) == ["Task.focus"]
    vague = {**decision, "valueCodeableConcept": {"coding": [{"system": BASE, "code": "perhaps"}]}}
    assert misses(profiles["recommendation-decision"], vague) == ["Observation.value[x]"]


def test_elements_of_the_differentials_exist() -> None:
    """Each path is one of R4's: a profile of an element that is not there would rule nothing."""
    for stored in all_of("StructureDefinition"):
        for element in stored.document["differential"]["element"]:
            shape, *steps = element["path"].split(".")
            for step in steps:
                row = shape_row(shape)
                assert row is not None, element["path"]
                wanted = step.removesuffix("[x]")
                names = {wanted for key, value in row.elements.items() if wanted in (key, value.choice)}
                assert names, element["path"]
                found = row.elements.get(wanted)
                shape = found.type if found else ""


def followed(fhir: FhirClient, first: Answer, relation: str) -> list[Answer]:
    """The pages from `first` on, as far as this relation leads."""
    found = [first]
    while (following := link(found[-1], relation)) is not None:
        found.append(fhir.get(following))
        assert len(found) < 100
    return found


@pytest.mark.parametrize("count", [1, 3, 5])
def test_no_page_is_longer_than_asked_for_because_of_what_is_published(fhir: FhirClient, count: int) -> None:
    form = {"resourceType": "Questionnaire", "status": "active"}
    made = {f"Questionnaire/{fhir.create(form)['id']}" for _ in range(4)}
    every = fhir.get("Questionnaire?_count=200&_total=accurate")
    assert made < set(every.references)
    assert every.body["total"] == len(every.references) == len(all_of("Questionnaire")) + len(made)
    pages = followed(fhir, fhir.get(f"Questionnaire?_count={count}"), "next")
    assert [name for page in pages for name in page.references] == every.references
    back = followed(fhir, pages[-1], "previous")
    assert {name for page in back for name in page.references} == set(every.references)
    past = followed(fhir, fhir.get(f"CodeSystem/_history?_count={count}"), "next")
    assert len({name for page in past for name in page.references}) == len(all_of("CodeSystem"))
    assert max(len(page.references) for page in [*pages, *back, *past]) == count
