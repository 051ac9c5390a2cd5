"""Read, search, create, update: what every type does, and what HTTP says about it."""

from __future__ import annotations

import pytest

from referral.fhir.json import decode
from referral.fhir.validation import issues_in
from tests.fhir_api.client import FhirClient
from tests.fhir_api.people import patient, practitioner


def test_a_new_resource_is_given_an_id_and_answered_with_where_it_is(fhir: FhirClient) -> None:
    made = fhir.post("Patient", patient(id="mine", meta={"versionId": "9", "source": "http://ehr.example"}))
    assert made.status == 201
    assert made.id != "mine"
    assert made.headers["location"] == f"http://testserver/fhir/Patient/{made.id}/_history/1"
    assert made.headers["etag"] == 'W/"1"'
    assert made.headers["last-modified"] == "Tue, 03 Nov 2026 17:00:00 GMT"
    assert made.headers["content-type"] == "application/fhir+json"
    assert made.body["meta"] == {
        "versionId": "1",
        "source": "http://ehr.example",
        "lastUpdated": "2026-11-03T17:00:00.000Z",
    }
    read = fhir.get(f"Patient/{made.id}")
    assert read.status == 200
    assert read.headers["etag"] == 'W/"1"'
    assert read.body == made.body


def test_decimals_keep_their_digits_and_extensions_on_primitives_stay(fhir: FhirClient) -> None:
    sent = b"""{"resourceType": "Observation", "status": "final", "code": {"text": "Weight"},
        "_status": {"extension": [{"url": "http://ehr.example/x", "valueDecimal": 1.500}]},
        "valueQuantity": {"value": 70.10, "unit": "kg"}}"""
    made = fhir.post("Observation", sent)
    assert made.status == 201, made.body
    read = fhir.get(f"Observation/{made.id}").content
    assert b"70.10" in read
    assert b"1.500" in read
    kept = {name: value for name, value in decode(read).items() if name not in ("id", "meta")}
    assert kept == decode(sent)


def test_every_version_can_be_read_again(fhir: FhirClient) -> None:
    made = fhir.create(patient())
    changed = fhir.put(f"Patient/{made['id']}", {**made, "gender": "other"})
    assert changed.status == 200
    assert changed.headers["etag"] == 'W/"2"'
    assert fhir.get(f"Patient/{made['id']}/_history/1").body["gender"] == "female"
    assert fhir.get(f"Patient/{made['id']}/_history/2").body["gender"] == "other"
    assert fhir.get(f"Patient/{made['id']}/_history/3").status == 404
    assert fhir.get(f"Patient/{made['id']}/_history/one").status == 404
    history = fhir.get(f"Patient/{made['id']}/_history").body
    assert history["type"] == "history"
    assert [row["resource"]["meta"]["versionId"] for row in history["entry"]] == ["2", "1"]
    assert [row["request"]["method"] for row in history["entry"]] == ["PUT", "POST"]
    assert fhir.get("Patient/nobody/_history").status == 404


def test_if_match_refuses_to_overwrite_what_somebody_else_has_written(fhir: FhirClient) -> None:
    made = fhir.create(patient())
    first = fhir.put(f"Patient/{made['id']}", {**made, "gender": "other"}, If_Match='W/"1"')
    assert first.status == 200
    second = fhir.put(f"Patient/{made['id']}", {**made, "gender": "male"}, If_Match='W/"1"')
    assert second.status == 412
    assert second.issues[0]["code"] == "conflict"
    assert fhir.get(f"Patient/{made['id']}").body["gender"] == "other"
    assert fhir.put(f"Patient/{made['id']}", made, If_Match="what?").status == 400


def test_a_put_must_name_what_exists(fhir: FhirClient) -> None:
    assert fhir.put("Patient/mine", patient(id="mine")).status == 405
    made = fhir.create(patient())
    assert fhir.put(f"Patient/{made['id']}", patient()).status == 400
    wrong = fhir.put(f"Patient/{made['id']}", patient(id="other"))
    assert wrong.status == 400
    assert wrong.expressions == ["Patient.id"]
    assert fhir.put(f"Practitioner/{made['id']}", made).status == 400


def test_a_conditional_create_that_is_retried_makes_one(fhir: FhirClient) -> None:
    condition = "identifier=http://ehr.example/mrn|MRN-1"
    first = fhir.post("Patient", patient(), If_None_Exist=condition)
    again = fhir.post("Patient", patient(gender="other"), If_None_Exist=condition)
    assert (first.status, again.status) == (201, 200)
    assert again.id == first.id
    assert again.body["gender"] == "female"
    assert fhir.get("Patient?_summary=count").body["total"] == 1
    fhir.create(patient())
    assert fhir.post("Patient", patient(), If_None_Exist=condition).status == 412
    assert fhir.post("Patient", patient(), If_None_Exist="shoesize=43").status == 400
    assert fhir.post("Patient", patient(), If_None_Exist="").status == 400


def test_a_create_with_its_condition_in_the_query_is_refused_instead_of_making_a_double(
    fhir: FhirClient,
) -> None:
    """As the servers of some clients' authors read it, and as a search that forgot `_search`."""
    refused = fhir.post("Patient?identifier=http://ehr.example/mrn|MRN-1", patient())
    assert refused.status == 400
    assert refused.expressions == ["http.query"]
    assert "If-None-Exist" in refused.text
    assert fhir.post("Patient?_format=json&_pretty=true", patient()).status == 201
    assert fhir.get("Patient?_summary=count").body["total"] == 1


def test_a_conditional_update_changes_what_it_finds_or_makes_it(fhir: FhirClient) -> None:
    condition = "Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|9000000015"
    made = fhir.put(condition, practitioner())
    assert made.status == 201
    changed = fhir.put(condition, practitioner(active=False))
    assert (changed.status, changed.id) == (200, made.id)
    assert fhir.get(f"Practitioner/{made.id}").body["active"] is False
    fhir.create(practitioner())
    assert fhir.put(condition, practitioner()).status == 412
    assert fhir.put("Practitioner", practitioner()).status == 400


def test_nothing_is_deleted(fhir: FhirClient) -> None:
    made = fhir.create(patient())
    refused = fhir.call("DELETE", f"/fhir/Patient/{made['id']}")
    assert refused.status == 405
    assert "entered-in-error" in refused.text
    assert fhir.get(f"Patient/{made['id']}").status == 200


def test_prefer_decides_what_comes_back(fhir: FhirClient) -> None:
    minimal = fhir.post("Patient", patient(), Prefer="return=minimal")
    assert (minimal.status, minimal.content) == (201, b"")
    assert minimal.headers["location"].startswith("http://testserver/fhir/Patient/")
    outcome = fhir.post("Patient", patient(), Prefer="return=OperationOutcome; handling=strict")
    assert outcome.issues[0]["severity"] == "information"
    assert fhir.post("Patient", patient(), Prefer="wait=10").body["resourceType"] == "Patient"


@pytest.mark.parametrize(
    ("accept", "status", "answered"),
    [
        ("application/json", 200, "application/json"),
        ("application/fhir+json;q=0.8, application/json;q=0.9", 200, "application/json"),
        ("text/html, */*;q=0.5", 200, "application/fhir+json"),
        ("application/fhir+json; fhirVersion=4.0", 200, "application/fhir+json"),
        ("application/fhir+json; fhirVersion=3.0", 406, "application/fhir+json"),
        ("text/turtle", 406, "application/fhir+json"),
        ("nonsense", 406, "application/fhir+json"),
        ("*/*;q=what", 200, "application/fhir+json"),
    ],
)
def test_what_the_client_accepts_is_what_it_gets(
    fhir: FhirClient, accept: str, status: int, answered: str
) -> None:
    made = fhir.create(patient())
    answer = fhir.get(f"Patient/{made['id']}", Accept=accept)
    assert (answer.status, answer.headers["content-type"]) == (status, answered)


def test_format_wins_over_accept(fhir: FhirClient) -> None:
    made = fhir.create(patient())
    assert fhir.get(f"Patient/{made['id']}?_format=json", Accept="text/turtle").status == 200
    assert fhir.get(f"Patient/{made['id']}?_format=application/fhir+json").status == 200
    assert fhir.get(f"Patient/{made['id']}?_format=ttl").status == 406
    assert b'\n  "' in fhir.get(f"Patient/{made['id']}?_pretty=true").content


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("application/json", 201),
        ("application/fhir+json; charset=utf-8", 201),
        ("application/fhir+json; charset=latin-1", 415),
        ("application/fhir+turtle", 415),
        ("text/plain", 415),
        ("", 415),
    ],
)
def test_what_no_fhir_client_sends_is_not_taken(fhir: FhirClient, sent: str, status: int) -> None:
    assert fhir.post("Patient", patient(), Content_Type=sent).status == status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"resourceType": "Patient", "resourceType": "Patient"}', 400),
        (b'{"resourceType": "Patient", "gender": "\\u0000"}', 400),
        (b"\xff\xfe", 400),
        (b'{"resourceType": "Practitioner"}', 400),
        (b'{"resourceType": "Patient", "shoeSize": 43}', 400),
        (b'{"resourceType": "Patient", "gender": "w"}', 400),
        (b'{"resourceType": "Patient", "contained": [{"resourceType": "Spaceship"}]}', 422),
        (b'{"a":' * 40 + b"1" + b"}" * 40, 413),
        (b'{"resourceType": "Patient", "x": "' + b"x" * 1024 * 1024 + b'"}', 413),
    ],
)
def test_a_body_that_cannot_be_used_is_refused_with_reasons(
    fhir: FhirClient, body: bytes, status: int
) -> None:
    answer = fhir.post("Patient", body)
    assert answer.status == status, answer.body
    assert answer.issues[0]["details"]["text"]
    assert fhir.get("Patient?_summary=count").body["total"] == 0


def test_an_unknown_type_is_not_found(fhir: FhirClient) -> None:
    for path in ("Spaceship", "Spaceship/1", "Medication/1", "Spaceship/1/_history"):
        answer = fhir.get(path)
        assert answer.status == 404, path
        assert answer.issues[0]["code"] == "not-found"
    assert fhir.post("Spaceship", {"resourceType": "Spaceship"}).status == 404
    assert fhir.get("Patient/no%00body").status == 404
    assert fhir.get("Patient/1/2/3/4").status == 405


def test_types_of_the_workflow_alone_are_not_written(fhir: FhirClient) -> None:
    for type in ("AuditEvent", "Flag", "DetectedIssue", "CodeSystem"):
        assert fhir.post(type, {"resourceType": type}).status == 405, type


def test_a_reference_to_this_server_by_its_address_becomes_relative(fhir: FhirClient) -> None:
    made = fhir.create(patient())
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "Weight"},
        "subject": {"reference": f"http://testserver/fhir/Patient/{made['id']}"},
    }
    assert fhir.create(observation)["subject"] == {"reference": f"Patient/{made['id']}"}


def test_the_questionnaire_is_published(fhir: FhirClient) -> None:
    read = fhir.get("Questionnaire/ketamine-recommendation")
    assert read.status == 200
    found = fhir.get(f"Questionnaire?url={read.body['url']}")
    assert found.references == ["Questionnaire/ketamine-recommendation"]
    assert fhir.get("Questionnaire/ketamine-recommendation/_history/1").status == 200
    assert len(fhir.get("CodeSystem?_count=100").resources) > 5


def test_what_is_published_is_valid_fhir(fhir: FhirClient) -> None:
    for type in ("Questionnaire", "CodeSystem", "OperationDefinition"):
        found = fhir.get(f"{type}?_count=100").resources
        assert found, type
        for resource in found:
            assert issues_in(resource) == [], resource["id"]
    assert fhir.get("OperationDefinition/gate").status == 200


def test_the_bytes_of_a_binary_are_given_to_whoever_asks_for_them(fhir: FhirClient) -> None:
    sent = {"resourceType": "Binary", "contentType": "text/html", "data": "PGI+aGk8L2I+"}
    made = fhir.create(sent)
    content = fhir.get(f"Binary/{made['id']}", Accept="text/html")
    assert content.content == b"<b>hi</b>"
    assert content.headers["content-type"].startswith("text/html")
    assert content.headers["content-disposition"] == "attachment"
    assert fhir.get(f"Binary/{made['id']}", Accept="application/fhir+json").body["data"] == sent["data"]
    assert fhir.get(f"Binary/{made['id']}").body["resourceType"] == "Binary"
    assert fhir.get("Binary/nothing").status == 404


def test_what_is_written_to_binary_as_it_is_is_what_it_holds(fhir: FhirClient) -> None:
    """R4, Binary: data is taken as it is under its own type, and X-Security-Context says whose it is."""
    who = f"Patient/{fhir.create(patient())['id']}"
    letter, note = b"%PDF-1.7 \x00\xff", b"<p>As we said.</p>"
    headers = {"Content_Type": "application/pdf", "X_Security_Context": who}
    made = fhir.call("POST", "/fhir/Binary", letter, **headers)
    assert made.status == 201, made.body
    assert made.body["contentType"] == "application/pdf"
    assert made.body["securityContext"] == {"reference": who}
    where = f"/fhir/Binary/{made.id}"
    assert fhir.call("GET", where, Accept="application/pdf").content == letter
    headers |= {"Content_Type": "text/html; charset=utf-8", "If_Match": 'W/"1"'}
    assert fhir.call("PUT", where, note, **headers).status == 200
    read = fhir.call("GET", where, Accept="text/html")
    assert read.content == note
    assert read.headers["content-disposition"] == "attachment"
    assert fhir.call("PUT", where, note, **headers).status == 412
    assert fhir.call("POST", "/fhir/Binary", note, Content_Type="").status == 415
    wrong = fhir.call("POST", "/fhir/Binary", note, Content_Type="text/html", X_Security_Context="nobody")
    assert (wrong.status, wrong.expressions) == (400, ["Binary.securityContext.reference"])
    events = fhir.get(f"AuditEvent?patient={who}").resources
    assert [row["action"] for row in events if "Binary" in str(row["entity"])].count("U") == 1


def test_metadata_needs_no_token_and_lists_what_the_routes_do(fhir: FhirClient) -> None:
    statement = fhir.call("GET", "/fhir/metadata", Authorization="").body
    assert statement["resourceType"] == "CapabilityStatement"
    assert statement["fhirVersion"] == "4.0.1"
    types = {row["type"]: row for row in statement["rest"][0]["resource"]}
    assert {"code": "create"} in types["Patient"]["interaction"]
    assert {"code": "create"} not in types["AuditEvent"]["interaction"]
    assert types["ServiceRequest"]["operation"][0]["name"] == "gate"
    assert "delete" not in str(statement["rest"][0]["resource"][0]["interaction"])


def test_a_conditional_update_keeps_to_the_version_and_gives_no_id(fhir: FhirClient) -> None:
    condition = "Patient?identifier=http://ehr.example/mrn|MRN-1"
    assert fhir.put(condition, patient(), If_Match='W/"1"').status == 412
    refused = fhir.put(condition, patient(id="mine"))
    assert refused.status == 405
    assert "id" in refused.text
    assert fhir.get("Patient?_summary=count").body["total"] == 0
    made = fhir.put(condition, patient())
    assert fhir.put(condition, patient(gender="other"), If_Match='W/"1"').status == 200
    assert fhir.put(condition, patient(gender="male"), If_Match='W/"1"').status == 412
    assert fhir.get(f"Patient/{made.id}").body["gender"] == "other"
