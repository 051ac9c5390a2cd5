"""What HTTP and real clients expect of a FHIR server (fhir.md 15), each as it was recorded."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fhir_api.client import FhirClient
from tests.fhir_api.people import patient

PATIENT = patient()


@pytest.fixture
def made(fhir: FhirClient) -> dict[str, Any]:
    return fhir.create(PATIENT)


# ---- Methods


def test_head_says_what_a_get_would_and_sends_nothing(fhir: FhirClient, made: dict[str, Any]) -> None:
    for path in (
        f"Patient/{made['id']}",
        "Patient?name=nguyen",
        f"Patient/{made['id']}/_history",
        "metadata",
    ):
        got, head = fhir.get(path), fhir.call("HEAD", f"/fhir/{path}")
        assert (head.status, head.content) == (200, b""), path
        for name in ("content-type", "etag", "last-modified"):
            assert head.headers.get(name) == got.headers.get(name), (path, name)
    assert int(fhir.call("HEAD", "/fhir/metadata").headers["content-length"]) > 1000
    assert fhir.call("HEAD", "/fhir/Patient/nobody").status == 404
    assert fhir.call("HEAD", "/fhir/Patient/nobody", Authorization="").status == 401


def test_a_head_of_patient_data_is_a_read_for_the_audit(fhir: FhirClient, made: dict[str, Any]) -> None:
    assert fhir.call("HEAD", f"/fhir/Patient/{made['id']}").status == 200
    events = fhir.get(f"AuditEvent?patient=Patient/{made['id']}&action=R").resources
    assert len(events) == 1


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("", "OPTIONS, POST"),
        ("/Patient", "GET, HEAD, OPTIONS, PATCH, POST, PUT"),
        ("/Patient/1", "GET, HEAD, OPTIONS, PATCH, PUT"),
        ("/Patient/1/_history", "GET, HEAD, OPTIONS"),
        ("/Patient/1/_history/1", "GET, HEAD, OPTIONS"),
        ("/Patient/_search", "OPTIONS, POST"),
        ("/CodeSystem/decision", "GET, HEAD, OPTIONS"),
        ("/Provenance", "GET, HEAD, OPTIONS, POST"),
        ("/ServiceRequest/1/$gate", "GET, HEAD, OPTIONS, POST"),
    ],
)
def test_options_and_405_name_the_methods_that_an_address_takes(
    fhir: FhirClient, path: str, methods: str
) -> None:
    asked = fhir.call("OPTIONS", f"/fhir{path}")
    assert (asked.status, asked.headers["allow"], asked.content) == (204, methods, b"")
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - set(methods.split(", ")):
        refused = fhir.call(method, f"/fhir{path}", {"resourceType": "Patient"})
        assert refused.status == 405, method
        assert refused.headers["allow"] == methods
        assert refused.issues[0]["code"] == "not-supported"


def test_options_is_answered_to_known_clients_and_for_addresses_that_mean_something(fhir: FhirClient) -> None:
    assert fhir.call("OPTIONS", "/fhir/metadata").headers["allow"] == "GET, HEAD, OPTIONS"
    assert fhir.call("OPTIONS", "/fhir/Patient", Authorization="").status == 401
    for path in ("Spaceship", "Patient/1/2/3", "$gate", "Patient/1/$gate", "_what"):
        assert fhir.call("OPTIONS", f"/fhir/{path}").status == 404, path


def test_a_slash_at_the_end_means_nothing(fhir: FhirClient, made: dict[str, Any]) -> None:
    batch = {"resourceType": "Bundle", "type": "batch", "entry": []}
    assert fhir.call("POST", "/fhir/", batch).status == 200
    assert fhir.get("Patient/?name=nguyen").references == [f"Patient/{made['id']}"]
    assert fhir.get(f"Patient/{made['id']}/").status == 200
    assert fhir.get("metadata/").status == 200
    assert fhir.post("Patient/", PATIENT).status == 201


# ---- Headers


def test_a_request_id_comes_back(fhir: FhirClient) -> None:
    assert fhir.get("metadata", X_Request_Id="abc-1").headers["x-request-id"] == "abc-1"
    assert fhir.get("Patient/nobody", X_Request_Id="abc-2").headers["x-request-id"] == "abc-2"
    made_up = fhir.get("metadata", X_Request_Id="a b\tc").headers["x-request-id"]
    assert made_up
    assert made_up != "a b\tc"


def test_a_bar_in_if_none_exist_may_stand_there_as_it_is(fhir: FhirClient) -> None:
    for condition in (
        "identifier=http://ehr.example/mrn|MRN-1",
        "identifier=http://ehr.example/mrn%7CMRN-1",
        "?identifier=http://ehr.example/mrn|MRN-1",
        "Patient?identifier=http://ehr.example/mrn|MRN-1",
    ):
        assert fhir.post("Patient", PATIENT, If_None_Exist=condition).status in (200, 201)
    assert fhir.get("Patient?_summary=count").body["total"] == 1
    assert fhir.get("Patient?identifier=http://ehr.example/mrn|MRN-1").body["entry"]


@pytest.mark.parametrize("prefer", ["return=everything", "respond-sync, wait=5", "nonsense", "", "return"])
def test_preferences_that_are_unknown_are_ignored(fhir: FhirClient, prefer: str) -> None:
    answer = fhir.post("Patient", PATIENT, Prefer=prefer)
    assert (answer.status, answer.body["resourceType"]) == (201, "Patient")


@pytest.mark.parametrize(
    ("prefer", "type"),
    [
        ("return=minimal", ""),
        ("return=representation", "Patient"),
        ("return=OperationOutcome", "OperationOutcome"),
    ],
)
def test_prefer_says_what_comes_back_of_every_write(
    fhir: FhirClient, made: dict[str, Any], prefer: str, type: str
) -> None:
    changed = {**made, "gender": "other"}
    patch = b'[{"op": "replace", "path": "/gender", "value": "male"}]'
    path = f"/fhir/Patient/{made['id']}"
    answers = (
        fhir.post("Patient", PATIENT, Prefer=prefer),
        fhir.call("PUT", path, changed, Prefer=prefer),
        fhir.call("PATCH", path, patch, Prefer=prefer, Content_Type="application/json-patch+json"),
    )
    for answer in answers:
        assert answer.status in (200, 201)
        assert answer.body.get("resourceType", "") == type
        assert answer.headers["etag"]


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("application/json", "application/json"),
        ("*/*", "application/fhir+json"),
        ("", "application/fhir+json"),
        ("application/fhir+json, application/json;q=0.9, */*;q=0.1", "application/fhir+json"),
        ("application/fhir+json;q=0.1, application/json;q=0.9", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("application/fhir+json;fhirVersion=4.0", "application/fhir+json"),
        ("text/turtle;q=1.0, application/fhir+json;q=0.2", "application/fhir+json"),
        ("application/fhir+json;q=0, application/json", "application/json"),
    ],
)
def test_accept_is_weighed(fhir: FhirClient, accept: str, answered: str) -> None:
    answer = fhir.get("Patient", Accept=accept)
    assert (answer.status, answer.headers["content-type"]) == (200, answered)


@pytest.mark.parametrize(
    "accept",
    [
        *("text/turtle", "image/png", "application/fhir+json;q=0", "application/pdf;q=1"),
        *("application/fhir+json;fhirVersion=3.0", "application/fhir+json; FHIRversion=3.0"),
    ],
)
def test_what_cannot_be_given_is_406_with_a_reason(fhir: FhirClient, accept: str) -> None:
    for path in ("Patient", "Patient/nobody", "metadata", "Patient/_history"):
        answer = fhir.get(path, Accept=accept)
        assert answer.status == 406, path
        assert "application/fhir+json" in answer.text


def test_a_format_in_the_query_wins(fhir: FhirClient) -> None:
    assert fhir.get("Patient?_format=json", Accept="text/turtle").status == 200
    assert (
        fhir.get("Patient?_format=application/fhir%2Bjson").headers["content-type"] == "application/fhir+json"
    )
    assert fhir.get("Patient?_format=application/fhir+json").status == 200
    assert fhir.get("Patient?_format=ttl").status == 406
    assert fhir.get("Patient?_format=application/fhir%2Bjson;fhirVersion=3.0").status == 406
    assert fhir.get("Patient?_format=application/fhir%2Bjson;fhirVersion=4.0").status == 200
    assert b'\n  "' in fhir.get("Patient?_pretty=true").content
    assert b"\n" not in fhir.get("Patient?_pretty=false").content


@pytest.mark.parametrize(
    "kind", ["application/json", "application/fhir+json", "application/json;charset=UTF-8"]
)
def test_json_is_taken_under_both_of_its_names(fhir: FhirClient, kind: str) -> None:
    assert fhir.post("Patient", PATIENT, Content_Type=kind).status == 201
    found = fhir.get("Patient").references[0]
    assert fhir.put(found, {**PATIENT, "id": found[8:]}, Content_Type=kind).status == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/fhir+ndjson"]
)
def test_another_body_is_415_with_a_reason(fhir: FhirClient, made: dict[str, Any], kind: str) -> None:
    path = f"/fhir/Patient/{made['id']}"
    for method, where in (("POST", "/fhir/Patient"), ("PUT", path), ("PATCH", path), ("POST", "/fhir")):
        answer = fhir.call(method, where, PATIENT, Content_Type=kind)
        assert answer.status == 415, (method, where)
        assert answer.issues[0]["code"] == "not-supported"
    assert fhir.get(f"Patient/{made['id']}").headers["etag"] == 'W/"1"'


# ---- What clients do


def test_count_0_gives_the_total_alone(fhir: FhirClient, made: dict[str, Any]) -> None:
    answer = fhir.get("Patient?_count=0").body
    assert answer["total"] == 1
    assert "entry" not in answer


def test_a_search_by_post_is_the_same_search(fhir: FhirClient, made: dict[str, Any]) -> None:
    kind = "application/x-www-form-urlencoded"
    for path in ("/fhir/Patient/_search", "/fhir/Patient/_search?_count=1"):
        found = fhir.call("POST", path, b"name=nguyen&_total=accurate", Content_Type=kind)
        assert found.references == [f"Patient/{made['id']}"]
        assert found.body["total"] == 1


def test_the_form_of_a_search_may_say_its_format(fhir: FhirClient, made: dict[str, Any]) -> None:
    kind, path = "application/x-www-form-urlencoded", "/fhir/Patient/_search"
    xml = fhir.call("POST", path, b"_format=application%2Ffhir%2Bxml&name=nguyen", Content_Type=kind)
    assert (xml.status, xml.headers["content-type"]) == (200, "application/fhir+xml")
    assert b'\n  "' in fhir.call("POST", path, b"_pretty=true", Content_Type=kind).content
    wins = fhir.call("POST", f"{path}?_format=json", b"_format=xml", Content_Type=kind)
    assert wins.headers["content-type"] == "application/fhir+json"
    assert fhir.call("POST", path, b"_format=ttl", Content_Type=kind).status == 406


def test_links_are_absolute_and_under_the_address_that_the_client_used(fhir: FhirClient) -> None:
    for _ in range(3):
        fhir.create(PATIENT)
    page = fhir.get("Patient?_count=2", Host="ehr.example:8443")
    links = {link["relation"]: link["url"] for link in page.body["link"]}
    assert links["self"].startswith("http://ehr.example:8443/fhir/Patient?")
    assert links["next"].startswith("http://ehr.example:8443/fhir/Patient?")
    assert page.body["entry"][0]["fullUrl"].startswith("http://ehr.example:8443/fhir/Patient/")
    assert len(fhir.call("GET", links["next"].removeprefix("http://ehr.example:8443")).resources) == 1


def test_a_json_patch_with_if_match(fhir: FhirClient, made: dict[str, Any]) -> None:
    patch = b'[{"op": "replace", "path": "/gender", "value": "male"}]'
    path, kind = f"/fhir/Patient/{made['id']}", "application/json-patch+json"
    assert fhir.call("PATCH", path, patch, Content_Type=kind, If_Match='W/"7"').status == 412
    done = fhir.call("PATCH", path, patch, Content_Type=kind, If_Match='W/"1"')
    assert (done.status, done.body["gender"]) == (200, "male")


def test_the_history_of_everything_and_of_a_compartment(fhir: FhirClient, made: dict[str, Any]) -> None:
    assert f"Patient/{made['id']}" in fhir.get("_history").references


def test_discovery_needs_no_token(fhir: FhirClient) -> None:
    for path in ("metadata", ".well-known/smart-configuration"):
        assert fhir.call("GET", f"/fhir/{path}", Authorization="").status == 200
        assert "POST" not in fhir.call("OPTIONS", f"/fhir/{path}").headers["allow"]
