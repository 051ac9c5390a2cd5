"""PATCH with FHIRPath Patch: a Parameters resource that names elements."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.database import ClinicFixture
from tests.fhir_api.client import Answer, FhirClient, Json, connect
from tests.fhir_api.people import Referred, patient

_KINDS = {"type": "valueCode", "path": "valueString", "name": "valueString"}
OFFICIAL = {"use": "official", "family": "Nguyen", "given": ["Maria", "José"]}
USUAL = {"use": "usual", "given": ["Mia"]}


def operation(type: str, path: str, value: Json | None = None, **parts: Any) -> Json:
    rows = [{"name": name, _KINDS.get(name, "valueInteger"): item} for name, item in parts.items()]
    rows += [{"name": "type", "valueCode": type}, {"name": "path", "valueString": path}]
    return {"name": "operation", "part": rows + ([{"name": "value", **value}] if value else [])}


def parameters(*operations: Json) -> Json:
    return {"resourceType": "Parameters", "parameter": list(operations)}


def patch(fhir: FhirClient, path: str, *operations: Json, **headers: str) -> Answer:
    return fhir.call("PATCH", f"/fhir/{path}", parameters(*operations), **headers)


CONTACT: Json = {
    "part": [
        {"name": "name", "valueHumanName": {"text": "Ana"}},
        {"name": "telecom", "valueContactPoint": {"system": "phone", "value": "555-0100"}},
        {"name": "relationship", "part": [{"name": "text", "valueString": "sister"}]},
    ]
}


@pytest.mark.parametrize(
    ("done", "changed"),
    [
        (operation("replace", "Patient.gender", {"valueCode": "other"}), {"gender": "other"}),
        (operation("add", "Patient", {"valueBoolean": False}, name="active"), {"active": False}),
        (
            operation("add", "Patient", {"valueHumanName": {"text": "M"}}, name="name"),
            {"name": [OFFICIAL, USUAL, {"text": "M"}]},
        ),
        (operation("add", "Patient", {"valueInteger": 2}, name="multipleBirth"), {"multipleBirthInteger": 2}),
        (
            operation("replace", "Patient.deceased", {"valueDateTime": "2026-01"}),
            {"deceasedDateTime": "2026-01", "deceasedBoolean": None},
        ),
        (
            operation("add", "Patient", CONTACT, name="contact"),
            {
                "contact": [
                    {
                        "name": {"text": "Ana"},
                        "telecom": [{"system": "phone", "value": "555-0100"}],
                        "relationship": [{"text": "sister"}],
                    }
                ]
            },
        ),
        (
            operation("delete", "Patient.name.where(use = 'official').given[0]"),
            {"name": [{**OFFICIAL, "given": ["José"]}, USUAL]},
        ),
        (operation("delete", "Patient.name.last().given[0]"), {"name": [OFFICIAL, {"use": "usual"}]}),
        (operation("delete", "Patient.birthDate"), {"birthDate": None, "_birthDate": None}),
        (operation("delete", "Patient.photo"), {}),
        (operation("delete", "Patient.extension('http://ehr.example/x')"), {"extension": None}),
        (
            operation("replace", "Patient.extension('http://ehr.example/x').value", {"valueCode": "b"}),
            {"extension": [{"url": "http://ehr.example/x", "valueCode": "b"}]},
        ),
        (
            operation("insert", "Patient.name", {"valueHumanName": {"text": "M"}}, index=1),
            {"name": [OFFICIAL, {"text": "M"}, USUAL]},
        ),
        (operation("move", "Patient.name", source=1, destination=0), {"name": [USUAL, OFFICIAL]}),
        (
            operation("replace", "Patient.name[0].given[1]", {"valueString": "Josefa"}),
            {"name": [{**OFFICIAL, "given": ["Maria", "Josefa"]}, USUAL]},
        ),
    ],
)
def test_an_operation_changes_what_its_path_names(fhir: FhirClient, done: Json, changed: Json) -> None:
    made = fhir.create(
        patient(
            name=[OFFICIAL, USUAL],
            deceasedBoolean=False,
            _birthDate={"extension": [{"url": "http://ehr.example/y", "valueString": "z"}]},
            extension=[{"url": "http://ehr.example/x", "valueString": "a"}],
        )
    )
    answer = patch(fhir, f"Patient/{made['id']}", done, If_Match='W/"1"')
    assert answer.status == 200, answer.body
    wanted = {**made, **changed, "meta": {**made["meta"], "versionId": "2"}}
    assert answer.body == {name: value for name, value in wanted.items() if value is not None}


@pytest.mark.parametrize(
    "done",
    [
        operation("replace", "Patient.name", {"valueHumanName": {"text": "M"}}),
        operation("replace", "Patient.photo", {"valueString": "x"}),
        operation("replace", "Patient", {"valueString": "x"}),
        operation("replace", "Task.status", {"valueCode": "x"}),
        operation("add", "Patient", {"valueCode": "other"}, name="gender"),
        operation("add", "Patient.gender", {"valueCode": "other"}, name="x"),
        operation("add", "Patient.name", {"valueString": "other"}, name="given"),
        operation("delete", "Patient"),
        operation("delete", "Patient.name"),
        operation("insert", "Patient.name", {"valueHumanName": {"text": "M"}}, index=3),
        operation("insert", "Patient.photo", {"valueString": "M"}, index=0),
        operation("move", "Patient.name", source=0, destination=2),
        operation("move", "Patient.name[0]", source=0, destination=1),
        operation("delete", "Patient.name[1].given[0]"),
    ],
)
def test_a_path_that_does_not_fit_is_a_conflict(fhir: FhirClient, done: Json) -> None:
    beside = {**USUAL, "_given": [{"id": "a"}]}
    made = fhir.create(patient(name=[OFFICIAL, beside]))
    answer = patch(fhir, f"Patient/{made['id']}", operation("delete", "Patient.birthDate"), done)
    assert (answer.status, answer.issues[0]["code"]) == (409, "conflict"), answer.body
    assert answer.expressions == ["Parameters.parameter[1]"]
    assert fhir.get(f"Patient/{made['id']}").body == made


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"resourceType": "Parameters"}, 400),
        ({"resourceType": "Patient", "parameter": [operation("delete", "Patient.name")]}, 400),
        (parameters({"name": "operation"}), 400),
        (parameters({"name": "operation", "part": [1]}), 400),
        (parameters({**operation("delete", "Patient.name"), "name": "other"}), 400),
        (parameters(operation("increase", "Patient.name")), 400),
        (parameters(operation("replace", "Patient.name")), 400),
        (parameters(operation("replace", "Patient.name", {"valueString": "a", "valueCode": "b"})), 400),
        (parameters(operation("replace", "Patient.name", {"part": []})), 400),
        (parameters(operation("replace", "Patient.name", {"part": [{"valueString": "a"}]})), 400),
        (parameters(operation("delete", "Patient.descendants()")), 400),
        (parameters(operation("delete", "Patient.name.where(true)")), 400),
        (parameters(operation("delete", "name")), 400),
        (parameters(operation("delete", "Patient" + ".name" * 200)), 400),
        (parameters(operation("move", "Patient.name", source=-1, destination=0)), 400),
        (parameters(operation("delete", "Patient.name", colour=1)), 400),
        (parameters(*[operation("delete", "Patient.photo")] * 1000), 413),
        (parameters(operation("replace", "Patient.gender", {"valueCode": "w"})), 422),
        (parameters(operation("delete", "Patient.resourceType")), 422),
        (parameters(operation("replace", "Patient.id", {"valueId": "other"})), 422),
        (parameters(operation("add", "Patient", {"valueInteger": 43}, name="shoeSize")), 422),
        (parameters(*[operation("delete", "Patient.resourceType")] * 2), 409),
    ],
)
def test_what_cannot_be_used_is_refused_with_reasons(fhir: FhirClient, body: Json, status: int) -> None:
    made = fhir.create(patient())
    answer = fhir.call("PATCH", f"/fhir/Patient/{made['id']}", body)
    assert answer.status == status, answer.body
    assert answer.issues[0]["details"]["text"]
    assert fhir.get(f"Patient/{made['id']}").body == made


def test_the_version_the_condition_and_the_workflow_are_kept_to(fhir: FhirClient) -> None:
    referred = Referred(fhir)
    task = f"Task/{referred.task['id']}"
    accept = operation("replace", "Task.status", {"valueCode": "accepted"})
    assert patch(fhir, task, accept, If_Match='W/"77"').status == 412
    assert patch(fhir, task, accept).body["status"] == "accepted"
    answer = patch(fhir, task, operation("replace", "Task.status", {"valueCode": "completed"}))
    assert (answer.status, answer.expressions) == (422, ["Task.status"])
    named = "Patient?identifier=http://ehr.example/mrn|MRN-1"
    other = operation("replace", "Patient.gender", {"valueCode": "other"})
    assert patch(fhir, named, other).body["gender"] == "other"


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_path_patches_in_bundles(fhir: FhirClient, kind: str) -> None:
    made = fhir.create(patient())
    request = {"method": "PATCH", "url": f"Patient/{made['id']}"}
    body = parameters(operation("replace", "Patient.gender", {"valueCode": "other"}))
    bundle = {"resourceType": "Bundle", "type": kind, "entry": [{"resource": body, "request": request}]}
    answer = fhir.post("", bundle)
    assert answer.body["entry"][0]["response"]["status"] == "200 OK"
    assert answer.resources[0]["gender"] == "other"


_NAMES = st.sampled_from(["type", "path", "name", "value", "index", "source", "destination", "other"])
_TEXTS = st.one_of(
    st.sampled_from(["add", "insert", "replace", "delete", "move", "Patient", "Patient.name", "name"]),
    st.sampled_from(["Patient.resourceType", "Patient.name[0].given", "Patient.id", "Patient.meta.tag"]),
    st.from_regex(
        r"Patient(\.(name|given|id|meta|where\(use = 'a'\)|first\(\))|\[[0-9]\]){0,4}", fullmatch=True
    ),
    st.text(max_size=6),
)
_PARTS = st.fixed_dictionaries(
    {"name": _NAMES},
    optional={
        "valueCode": _TEXTS,
        "valueString": _TEXTS,
        "valueInteger": st.integers(-2, 3),
        "valueHumanName": st.dictionaries(_TEXTS, _TEXTS, max_size=2),
        "part": st.lists(st.fixed_dictionaries({"name": _TEXTS, "valueString": _TEXTS}), max_size=2),
    },
)


def _likely(kind: str, path: str, name: str, value: Json, places: tuple[int, int]) -> Json:
    return operation(kind, path, value, name=name, index=places[0], source=places[0], destination=places[1])


_LIKELY = st.builds(
    _likely,
    st.sampled_from(["add", "insert", "replace", "delete", "move"]),
    st.from_regex(r"Patient(\.(name|given|id|meta|tag|gender|resourceType)|\[[01]\]){0,3}", fullmatch=True),
    st.sampled_from(["name", "given", "gender", "active", "x", "resourceType", "contact", ""]),
    st.sampled_from([{"valueString": "x"}, {"valueHumanName": {"given": "x"}}, CONTACT, {"valueCode": None}]),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
)
_OPERATIONS = st.lists(
    st.one_of(
        _LIKELY, st.builds(lambda parts: {"name": "operation", "part": parts}, st.lists(_PARTS, max_size=5))
    ),
    max_size=4,
)


def test_no_path_patch_breaks_the_server(clinic: ClinicFixture) -> None:
    fhir = connect(clinic)
    made = fhir.create(patient(name=[OFFICIAL, USUAL]))

    @settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
    @given(_OPERATIONS)
    def once(operations: list[Json]) -> None:
        assert patch(fhir, f"Patient/{made['id']}", *operations).status < 500, operations

    once()
