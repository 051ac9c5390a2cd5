"""PATCH with JSON Patch: part of a resource is changed, by the same rules as the whole of it."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from referral.fhir.json import encode
from tests.database import ClinicFixture
from tests.fhir_api.client import Answer, FhirClient, Json, connect
from tests.fhir_api.people import Referred, condition, patient

JSON_PATCH = "application/json-patch+json"


def patch(fhir: FhirClient, path: str, body: Any, **headers: str) -> Answer:
    return fhir.call("PATCH", f"/fhir/{path}", body, **{"Content_Type": JSON_PATCH, **headers})


def replace(path: str, value: Any) -> Json:
    return {"op": "replace", "path": path, "value": value}


def entry(url: str, operations: Any, **more: str) -> Json:
    data = base64.b64encode(encode(operations)).decode()
    binary = {"resourceType": "Binary", "contentType": JSON_PATCH, "data": data}
    return {"resource": binary, "request": {"method": "PATCH", "url": url, **more}}


def bundle(kind: str, *entries: Json) -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def test_a_patch_changes_what_it_names_and_nothing_else(fhir: FhirClient) -> None:
    sent = b"""{"resourceType": "Observation", "status": "preliminary", "code": {"text": "Weight"},
        "_status": {"extension": [{"url": "http://ehr.example/x", "valueDecimal": 1.500}]},
        "valueQuantity": {"value": 70.10, "unit": "kg"}}"""
    made = fhir.post("Observation", sent)
    operations = b"""[{"op": "test", "path": "/status", "value": "preliminary"},
        {"op": "replace", "path": "/status", "value": "final"},
        {"op": "add", "path": "/component",
         "value": [{"code": {"text": "Net"}, "valueQuantity": {"value": 69.0}}]}]"""
    changed = patch(fhir, f"Observation/{made.id}", operations)
    assert changed.status == 200, changed.body
    assert changed.headers["etag"] == 'W/"2"'
    assert changed.headers["content-location"].endswith(f"Observation/{made.id}/_history/2")
    for digits in (b"70.10", b"1.500", b"69.0"):
        assert digits in fhir.get(f"Observation/{made.id}").content
    assert changed.body["status"] == "final"
    assert changed.body["_status"] == made.body["_status"]
    assert fhir.get(f"Observation/{made.id}/_history/1").body["status"] == "preliminary"
    events = fhir.get("AuditEvent?_count=200").resources
    assert any(
        event["action"] == "U" and f"Observation/{made.id}" in str(event["entity"]) for event in events
    )


def test_a_patch_over_another_version_is_refused(fhir: FhirClient) -> None:
    made = fhir.create(patient())
    path = f"Patient/{made['id']}"
    assert patch(fhir, path, [replace("/gender", "other")], If_Match='W/"1"').status == 200
    stale = patch(fhir, path, [replace("/gender", "male")], If_Match='W/"1"')
    assert (stale.status, stale.issues[0]["code"]) == (412, "conflict")
    assert patch(fhir, path, [replace("/gender", "male")], If_Match="what?").status == 400
    assert fhir.get(path).body["gender"] == "other"


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        ({"op": "test", "path": "/gender", "value": "male"}, "something else"),
        ({"op": "test", "path": "/multipleBirthInteger", "value": True}, "something else"),
        ({"op": "remove", "path": "/photo"}, "cannot be done"),
        ({"op": "remove", "path": "/name/1"}, "cannot be done"),
        ({"op": "replace", "path": "/name/00/family", "value": "x"}, "cannot be done"),
        ({"op": "add", "path": "/gender/0", "value": "x"}, "cannot be done"),
        ({"op": "move", "from": "/name", "path": "/name/0/extension"}, "cannot be done"),
        ({"op": "copy", "from": "/photo", "path": "/name"}, "cannot be done"),
    ],
)
def test_a_patch_that_does_not_fit_is_a_conflict_and_changes_nothing(
    fhir: FhirClient, operation: Json, told: str
) -> None:
    made = fhir.create(patient(multipleBirthInteger=1))
    answer = patch(fhir, f"Patient/{made['id']}", [replace("/gender", "other"), operation])
    assert (answer.status, answer.issues[0]["code"]) == (409, "conflict"), answer.body
    assert "Operation 1" in answer.text
    assert told in answer.text
    assert "Nguy" not in answer.text
    assert fhir.get(f"Patient/{made['id']}").body == made


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"{}", 400),
        (b"[]", 400),
        (b"[1]", 400),
        (b'["op"]', 400),
        (b'[{"op": "increase", "path": "/gender"}]', 400),
        (b'[{"op": ["add"], "path": "/gender", "value": 1}]', 400),
        (b'[{"op": "replace", "path": "/gender"}]', 400),
        (b'[{"op": "remove", "path": "gender"}]', 400),
        (b'[{"op": "remove", "path": "/gender~2"}]', 400),
        (b'[{"op": "remove", "path": 5}]', 400),
        (b'[{"op": "copy", "path": "/gender"}]', 400),
        (b'[{"op": "remove", "path": "/gender", "path": "/name"}]', 400),
        (b'[{"op": "replace", "path": "/gender", "value": "\\u0000"}]', 400),
        (b'[{"op": "remove", "path": "/\\u0000"}]', 400),
        (b'[{"op": "add", "path": "/multipleBirthInteger", "value": 1e999}]', 400),
        (b"[" + b'{"op": "test", "path": "/gender", "value": "female"},' * 9999 + b"{}]", 413),
        (b'[{"op": "test", "path": "' + b"/name" * 40 + b'", "value": 1}]', 413),
        (b'[{"op": "test", "path": "/' + b"9" * 1024 * 1024 + b'", "value": 1}]', 413),
        (b'[{"op": "add", "path": "/a", "value": ' + b"[" * 40 + b"]" * 40 + b"}]", 413),
    ],
)
def test_a_patch_that_cannot_be_read_is_refused_with_reasons(
    fhir: FhirClient, body: bytes, status: int
) -> None:
    made = fhir.create(patient())
    answer = patch(fhir, f"Patient/{made['id']}", body)
    assert answer.status == status, answer.body
    assert answer.issues[0]["details"]["text"]
    assert fhir.get(f"Patient/{made['id']}").body == made


@pytest.mark.parametrize(
    "operations",
    [
        # Doubled fourteen times, a name would fill thirty megabytes; twice as often, the memory.
        [{"op": "copy", "from": "/name", "path": "/name/0/extension"}] * 2
        + [{"op": "copy", "from": "/name", "path": "/name/-"}] * 14,
        [{"op": "copy", "from": "", "path": "/contained"}] * 40,
        [{"op": "add", "path": "/x" + "/x" * depth, "value": {"x": {}}} for depth in range(31)],
        [{"op": "move", "from": "/name", "path": "/x"}, {"op": "move", "from": "/x", "path": "/name"}] * 250,
    ],
    ids=["doubled", "within itself", "deeper and deeper", "to and fro"],
)
def test_a_small_patch_cannot_become_a_huge_resource(fhir: FhirClient, operations: list[Json]) -> None:
    made = fhir.create(patient(name=[{"family": "x" * 2000}]))
    answer = patch(fhir, f"Patient/{made['id']}", operations)
    assert answer.status == 413, answer.body
    assert fhir.get(f"Patient/{made['id']}").body == made


@pytest.mark.parametrize(
    ("operation", "place"),
    [
        (replace("/gender", "w"), "Patient.gender"),
        (replace("/id", "other"), "Patient.id"),
        ({"op": "remove", "path": "/id"}, "Patient.id"),
        (replace("/resourceType", "Practitioner"), "Patient.id"),
        (replace("", 1), "Patient.id"),
        ({"op": "add", "path": "/shoeSize", "value": 43}, "Patient.shoeSize"),
        (replace("/name", []), "Patient.name"),
        ({"op": "add", "path": "/managingOrganization", "value": {"reference": "Patient/1"}},
         "Patient.managingOrganization.reference"),
    ],
)  # fmt: skip
def test_a_result_that_is_not_valid_is_refused_at_its_element(
    fhir: FhirClient, operation: Json, place: str
) -> None:
    made = fhir.create(patient())
    answer = patch(fhir, f"Patient/{made['id']}", [operation])
    assert answer.status == 422, answer.body
    assert place in answer.expressions
    assert fhir.get(f"Patient/{made['id']}").body == made


def test_the_audit_calls_a_patch_a_patch(fhir: FhirClient) -> None:
    id = fhir.create(patient())["id"]
    patch(fhir, f"Patient/{id}", [replace("/birthDate", "1990-01-01")])
    patch(fhir, f"Patient/{id}", [replace("/nothing", "x")])
    rows = fhir.get(f"AuditEvent?patient={id}&action=U").resources
    told = sorted((row["subtype"][0]["code"], row["outcome"]) for row in rows)
    assert told == [("patch", "0"), ("patch", "4")]


@pytest.mark.parametrize(
    "media_type",
    ["application/xml-patch+xml", "application/json", "application/merge-patch+json", "text/plain", ""],
)
def test_only_json_patch_is_taken(fhir: FhirClient, media_type: str) -> None:
    made = fhir.create(patient())
    answer = patch(fhir, f"Patient/{made['id']}", [replace("/gender", "other")], Content_Type=media_type)
    assert answer.status == 415
    assert JSON_PATCH in answer.text


def test_what_is_not_there_or_not_changed_by_clients_cannot_be_patched(fhir: FhirClient) -> None:
    operations = [replace("/gender", "other")]
    assert patch(fhir, "Patient/nobody", operations).status == 404
    assert patch(fhir, "Spaceship/1", operations).status == 404
    for type in ("AuditEvent", "Flag", "Provenance", "CodeSystem"):
        assert patch(fhir, f"{type}/1", operations).status == 405, type
    assert patch(fhir, "Patient/1/2", operations).status == 405


def test_a_patch_of_another_clinic_finds_nothing(fhir: FhirClient, other_fhir: FhirClient) -> None:
    made = fhir.create(patient())
    assert patch(other_fhir, f"Patient/{made['id']}", [replace("/gender", "other")]).status == 404
    assert fhir.get(f"Patient/{made['id']}").body == made


def test_version_and_time_are_given_by_the_server(fhir: FhirClient) -> None:
    made = fhir.create(patient())
    operations = [replace("/meta/versionId", "9"), replace("/meta/lastUpdated", "1999-01-01T00:00:00Z")]
    changed = patch(fhir, f"Patient/{made['id']}", operations)
    assert changed.body["meta"] == {**made["meta"], "versionId": "2"}


def test_a_reference_to_this_server_by_its_address_becomes_relative(fhir: FhirClient) -> None:
    made = fhir.create(patient())
    why = fhir.create(condition(f"Patient/{made['id']}"))
    address = f"http://testserver/fhir/Patient/{made['id']}"
    changed = patch(fhir, f"Condition/{why['id']}", [replace("/subject/reference", address)])
    assert changed.body["subject"] == {"reference": f"Patient/{made['id']}"}


def test_a_conditional_patch_needs_exactly_one_match(fhir: FhirClient) -> None:
    condition = "Patient?identifier=http://ehr.example/mrn|MRN-1"
    operations = [replace("/gender", "other")]
    assert patch(fhir, condition, operations).status == 404
    made = fhir.create(patient())
    assert patch(fhir, condition, operations, If_Match='W/"7"').status == 412
    changed = patch(fhir, condition, operations)
    assert (changed.status, changed.id, changed.body["gender"]) == (200, made["id"], "other")
    fhir.create(patient())
    assert patch(fhir, condition, operations).status == 412
    assert patch(fhir, "Patient?shoesize=43", operations).status == 400
    assert patch(fhir, "Patient", operations).status == 400


def test_prefer_decides_what_comes_back(fhir: FhirClient) -> None:
    made = fhir.create(patient())
    minimal = patch(fhir, f"Patient/{made['id']}", [replace("/gender", "other")], Prefer="return=minimal")
    assert (minimal.status, minimal.content) == (200, b"")


# ---- The workflow


def test_a_task_is_moved_by_a_patch_as_by_a_put(fhir: FhirClient) -> None:
    referred = Referred(fhir)
    task = referred.task
    changed = patch(fhir, f"Task/{task['id']}", [replace("/status", "accepted")])
    assert changed.status == 200, changed.body
    assert changed.body["status"] == "accepted"
    illegal = patch(fhir, f"Task/{task['id']}", [replace("/status", "completed")])
    assert (illegal.status, illegal.expressions) == (422, ["Task.status"])
    refused = patch(fhir, f"Task/{task['id']}", [replace("/status", "rejected")])
    assert refused.status in (400, 422)
    assert "Task.statusReason" in refused.expressions


def test_what_the_workflow_manages_is_not_patched_away(fhir: FhirClient) -> None:
    referred = Referred(fhir)
    task = referred.task
    mine = {"op": "add", "path": "/note", "value": [{"text": "Called twice."}]}
    changed = patch(fhir, f"Task/{task['id']}", [{"op": "remove", "path": "/owner"}, mine])
    assert changed.status == 200, changed.body
    assert changed.body["owner"] == task["owner"]
    assert changed.body["note"] == [{"text": "Called twice."}]


# ---- Bundles


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_patches_in_bundles(fhir: FhirClient, kind: str) -> None:
    made = fhir.create(patient())
    by_id = entry(f"Patient/{made['id']}", [replace("/gender", "other")], ifMatch='W/"1"')
    answer = fhir.post("", bundle(kind, by_id))
    assert answer.status == 200, answer.body
    assert answer.body["entry"][0]["response"]["status"] == "200 OK"
    assert answer.resources[0]["gender"] == "other"
    named = "Patient?identifier=http://ehr.example/mrn|MRN-1"
    by_condition = entry(named, [replace("/gender", "male")])
    assert fhir.post("", bundle(kind, by_condition)).resources[0]["gender"] == "male"


def test_a_patch_in_a_transaction_points_at_what_the_transaction_makes(fhir: FhirClient) -> None:
    made = fhir.create(patient())
    temporary = "urn:uuid:00000000-0000-4000-8000-0000000000aa"
    organization = {
        "fullUrl": temporary,
        "resource": {"resourceType": "Organization", "name": "Harborside"},
        "request": {"method": "POST", "url": "Organization"},
    }
    points = {"op": "add", "path": "/managingOrganization", "value": {"reference": temporary}}
    answer = fhir.post("", bundle("transaction", entry(f"Patient/{made['id']}", [points]), organization))
    assert answer.status == 200, answer.body
    reference = answer.resources[0]["managingOrganization"]["reference"]
    assert reference == f"Organization/{answer.resources[1]['id']}"
    nowhere = {**points, "value": {"reference": f"{temporary[:-2]}bb"}}
    assert fhir.post("", bundle("transaction", entry(f"Patient/{made['id']}", [nowhere]))).status == 400


@pytest.mark.parametrize(
    ("operations", "more", "status"),
    [
        ([replace("/gender", "w")], {}, 422),
        ([{"op": "test", "path": "/gender", "value": "male"}], {}, 409),
        ([{"op": "what"}], {}, 400),
        ([replace("/gender", "male")], {"ifMatch": 'W/"7"'}, 412),
        ([{"op": "copy", "from": "/name", "path": "/name/-"}] * 14, {}, 413),
    ],
)
def test_a_refused_patch_undoes_its_transaction(
    fhir: FhirClient, operations: list[Json], more: Json, status: int
) -> None:
    made = fhir.create(patient())
    first = {"resource": patient(), "request": {"method": "POST", "url": "Patient"}}
    answer = fhir.post("", bundle("transaction", first, entry(f"Patient/{made['id']}", operations, **more)))
    assert answer.status == status, answer.body
    assert all(place.startswith(("Bundle.entry[1]", "http.")) for place in answer.expressions)
    assert fhir.get("Patient?_summary=count").body["total"] == 1
    assert fhir.get(f"Patient/{made['id']}").body == made


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Binary", "contentType": "application/json", "data": "W10="},
        {"resourceType": "Binary", "contentType": JSON_PATCH, "data": "!"},
        {"resourceType": "Binary", "contentType": JSON_PATCH},
        {"resourceType": "Binary", "contentType": JSON_PATCH, "data": ["W10="]},
        {"resourceType": "Parameters"},
        patient(),
    ],
)
def test_a_patch_in_a_bundle_is_a_binary(fhir: FhirClient, resource: Json) -> None:
    made = fhir.create(patient())
    request = {"method": "PATCH", "url": f"Patient/{made['id']}"}
    answer = fhir.post("", bundle("transaction", {"resource": resource, "request": request}))
    assert answer.status in (400, 422), answer.body
    assert answer.expressions[0].startswith("Bundle.entry[0].resource")


# ---- Whatever is sent

_POINTERS = st.one_of(
    st.sampled_from(
        ["", "/", "/name", "/name/0", "/name/-", "/name/-1", "/name/0/given/0", "/id", "/meta", "//"]
    ),
    st.text("/~01-ab\u0663", max_size=12),
)
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
_OPERATIONS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"op": st.sampled_from(["add", "replace", "test", "remove", "copy", "move"]), "path": _POINTERS},
            optional={"value": _VALUES, "from": _POINTERS},
        ),
        _VALUES,
    ),
    max_size=5,
)


def test_no_patch_breaks_the_server(clinic: ClinicFixture) -> None:
    fhir = connect(clinic)
    made = fhir.create(patient())

    @settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
    @given(_OPERATIONS)
    def once(operations: list[Any]) -> None:
        assert patch(fhir, f"Patient/{made['id']}", operations).status < 500, operations
        assert fhir.post("", bundle("batch", entry(f"Patient/{made['id']}", operations))).status == 200

    once()
    assert fhir.get(f"Patient/{made['id']}").status == 200
