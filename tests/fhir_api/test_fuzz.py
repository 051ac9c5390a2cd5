"""Damaged input gets an answer that says what is wrong: never a server error, never half a write."""

from __future__ import annotations

import copy
import random
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.database import ClinicFixture
from tests.fhir_api.client import FhirClient, Json, connect
from tests.fhir_api.people import Referred, condition, order, patient, practitioner, request, transaction
from tests.fhir_api.subscribing import TASK, heartbeat, subscription

JSON, XML = "application/fhir+json", "application/fhir+xml"
NO_DEADLINE = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
PARAMETERS = (
    *("name", "identifier", "birthdate", "_lastUpdated", "_sort", "_count", "_cursor", "_include", "_id"),
    *("_revinclude", "_total", "_elements", "_summary", "general-practitioner", "family:exact", "a.b"),
    *("_include:iterate", "_revinclude:iterate", "_has:Task:patient:status", "_has:Task:patient:owner.name"),
    *("general-practitioner.identifier", "organization.name:contains", "link:Patient.birthdate", "_has::::"),
    *(
        "identifier:of-type",
        "gender:in",
        "gender:not-in",
        "identifier:text",
        "_profile:below",
        "_source:above",
    ),
    *("_has:Observation:patient:code-value-quantity", "_has:Encounter:patient:date", "link.link.name"),
)
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.text(max_size=20),
    st.just([]),
    st.just({}),
    st.just([[]]),
    st.just({"reference": "#"}),
    st.just({"reference": "Patient/../../etc"}),
    st.just([{"reference": "ServiceRequest/x"}, None]),
    st.just("2026-13-45"),
    st.just("x" * 3000),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for name, item in value.items():
            found += places(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += places(item, (*path, index))
    return found


def damaged(document: Json, place: tuple[Any, ...], junk: Any) -> Json:
    made = copy.deepcopy(document)
    holder: Any = made
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = junk
    return made


def samples(referred: Referred) -> list[Json]:
    return [
        patient(),
        practitioner(),
        condition(referred.patient),
        order(referred.patient, referred.condition, occurrenceTiming={"repeat": {"count": 6}}),
        request(referred.patient, referred.practitioner, basedOn=[{"reference": referred.order}]),
        referred.answer(),
        {
            "resourceType": "Procedure",
            "status": "in-progress",
            "subject": {"reference": referred.patient},
            "basedOn": [{"reference": referred.order}],
        },
        {
            "resourceType": "Encounter",
            "status": "finished",
            "class": {"code": "AMB"},
            "type": [{"coding": [{"system": "http://snomed.info/sct", "code": "11429006"}]}],
            "subject": {"reference": referred.patient},
            "basedOn": [{"reference": referred.order}],
            "period": {"end": "2026-11-02T17:00:00Z"},
        },
        subscription(
            "https://hooks.example.org/",
            *(TASK, "status=ready"),
            header=["X-Secret: a"],
            extension=[heartbeat(60)],
        ),
        transaction(who=patient(), why=condition("who"), placed=order("who", "why")),
    ]


class Fuzzed:
    """Made once for a test: hypothesis calls its function many times."""

    def __init__(self, clinic: ClinicFixture) -> None:
        self.fhir: FhirClient = connect(clinic)
        self.referred = Referred(self.fhir)
        self.samples = samples(self.referred)


def test_damaged_resources_never_break_the_server(clinic: ClinicFixture) -> None:
    fuzzed = Fuzzed(clinic)

    @NO_DEADLINE
    @given(st.integers(0, len(fuzzed.samples) - 1), st.randoms(use_true_random=False), JUNK)
    def once(which: int, chance: random.Random, junk: Any) -> None:
        document = fuzzed.samples[which]
        broken = damaged(document, chance.choice(places(document)), junk)
        type = document["resourceType"]
        answer = fuzzed.fhir.post("" if type == "Bundle" else type, broken)
        assert answer.status < 500, (broken, answer.body)
        if answer.status >= 400:
            assert answer.issues[0]["details"]["text"]

    once()


def test_damaged_updates_never_break_the_server(clinic: ClinicFixture) -> None:
    fuzzed = Fuzzed(clinic)
    stored = [
        fuzzed.fhir.get(path).body
        for path in (
            fuzzed.referred.order,
            fuzzed.referred.request,
            f"Task/{fuzzed.referred.task['id']}",
            fuzzed.referred.role,
        )
    ]

    @NO_DEADLINE
    @given(st.integers(0, len(stored) - 1), st.randoms(use_true_random=False), JUNK)
    def once(which: int, chance: random.Random, junk: Any) -> None:
        document = stored[which]
        broken = damaged(document, chance.choice(places(document)), junk)
        path = f"{document['resourceType']}/{document['id']}"
        answer = fuzzed.fhir.put(path, broken, Accept=chance.choice([JSON, XML]))
        assert answer.status < 500, (broken, answer.body)
        assert fuzzed.fhir.post(f"{path}/$validate", broken).status < 500, broken
        gate = fuzzed.referred.gate()["parameter"][0]
        assert gate == {"name": "open", "valueBoolean": False}

    once()


def test_strange_queries_and_paths_never_break_the_server(clinic: ClinicFixture) -> None:
    fhir = connect(clinic)
    fhir.create(patient())
    names = st.sampled_from(PARAMETERS)
    values = st.one_of(
        st.text(max_size=12),
        st.sampled_from(
            ["ge9999", "lt0001-01-01", "-", "a|b|c", ",", "w$5", "Patient:link", "Patient:*", "*", "ap0001"]
        ),
    )

    @NO_DEADLINE
    @given(st.lists(st.tuples(names, values), max_size=4), st.text(max_size=8))
    def once(pairs: list[tuple[str, str]], step: str) -> None:
        text = urlencode(pairs, errors="replace")
        assert fhir.get(f"Patient?{text}").status < 500, text
        assert fhir.get(f"Patient/{quote(step, errors='replace')}").status < 500, step
        assert fhir.post("Patient", patient(), If_None_Exist=text).status < 500, text

    once()


def test_bytes_that_are_no_json_never_break_the_server(clinic: ClinicFixture) -> None:
    fhir = connect(clinic)

    @NO_DEADLINE
    @given(st.binary(max_size=200))
    def once(body: bytes) -> None:
        assert 400 <= fhir.post("Patient", body).status < 500
        assert 400 <= fhir.post("", body).status < 500
        assert 400 <= fhir.post("Patient", body, Content_Type=XML, Accept=XML).status < 500

    once()
