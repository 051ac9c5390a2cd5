"""`$validate`, and profiles that are claimed on a write."""

from __future__ import annotations

from typing import Any

from referral.fhir.profiles import PROFILES, US_CORE
from referral.fhir.systems import BASE
from referral.fhir.xml import decode_xml, encode_xml
from referral.services.interactions import INTERACTIONS
from tests.database import ClinicFixture
from tests.fhir import examples
from tests.fhir.faults import ORDER, order
from tests.fhir.profile_faults import FAULTS, GOOD, PROBLEM, but
from tests.fhir_api.client import Answer, FhirClient, Json
from tests.fhir_api.test_access import limited

PATIENT = "us-core-patient"
XML = "application/fhir+xml"


def said(answer: Answer) -> set[tuple[str, str, str]]:
    """(severity, code, expression) of everything that was said."""
    assert answer.status == 200, answer.content
    return {(i["severity"], i["code"], *i.get("expression", [""])) for i in answer.issues}


def parameters(**values: Any) -> Json:
    """`resource`, `mode` and `profile` as Parameters."""
    kinds = {"resource": "resource", "mode": "valueCode", "profile": "valueUri"}
    rows = [{"name": name, kinds[name]: value} for name, value in values.items()]
    return {"resourceType": "Parameters", "parameter": rows}


def claiming(name: str, resource: Json) -> Json:
    return {**resource, "meta": {"profile": [US_CORE + name]}}


WELL = ("information", "informational", "")


def test_an_example_of_every_type_is_well(fhir: FhirClient) -> None:
    for type in INTERACTIONS:
        sent = examples.example(type)
        if type == "StructureDefinition":
            sent["fhirVersion"] = "4.0.1"  # HL7's is one of R4B
        answer = fhir.post(f"{type}/$validate", sent)
        assert WELL in said(answer), type
        assert not [issue for issue in answer.issues if issue["severity"] == "error"]
        assert f"this {type} is as FHIR R4 wants it" in answer.text


def test_all_faults_are_told_with_status_200_and_nothing_is_written(fhir: FhirClient) -> None:
    wrong = order(status="bogus", foo=1, subject={"reference": "Task/1"})
    for body in (wrong, parameters(resource=wrong), parameters(resource=wrong, mode="create")):
        assert said(fhir.post("ServiceRequest/$validate", body)) == {
            ("error", "code-invalid", "ServiceRequest.status"),
            ("error", "structure", "ServiceRequest.foo"),
            ("error", "value", "ServiceRequest.subject.reference"),
        }
    assert said(fhir.post("ServiceRequest/$validate", ORDER)) == {WELL}
    assert fhir.get("ServiceRequest?_summary=count").body["total"] == 0


def test_a_profile_is_checked_where_it_is_asked_for(fhir: FhirClient) -> None:
    for name, changes, expression, code in FAULTS[::7]:
        resource = but(name, **changes)
        path = f"{resource['resourceType']}/$validate"
        assert said(fhir.post(path, resource)) == {WELL}
        for answer in (
            fhir.post(f"{path}?profile={US_CORE}{name}", resource),
            fhir.post(path, parameters(resource=resource, mode="profile", profile=US_CORE + name)),
            fhir.post(path, claiming(name, resource)),
        ):
            assert ("error", code, expression) in said(answer), name


def test_what_conforms_is_well(fhir: FhirClient) -> None:
    for name, resource in GOOD.items():
        answer = fhir.post(f"{resource['resourceType']}/$validate?profile={US_CORE}{name}", resource)
        assert said(answer) == {WELL}
        assert name in answer.text


def test_warnings_and_remarks_are_told_and_are_no_errors(fhir: FhirClient) -> None:
    profiles = [US_CORE + PROBLEM, "https://ehr.example/StructureDefinition/own"]
    problem = but(PROBLEM, clinicalStatus=None, code={"coding": [{"system": "urn:x", "code": "1"}]})
    answer = fhir.post("Condition/$validate", {**problem, "meta": {"profile": profiles}})
    assert said(answer) == {
        ("warning", "invariant", "Condition.clinicalStatus"),
        ("warning", "code-invalid", "Condition.code.coding"),
        ("information", "informational", "Condition.meta.profile[1]"),
        WELL,
    }


REFUSED: list[tuple[str, Any, int, str, str]] = [
    ("profile=https://x.example/p", ORDER, 422, "not-supported", "supportedProfile in /fhir/metadata"),
    (f"profile={US_CORE}us-core-servicerequest|9.9", ORDER, 422, "not-supported", "version 6.1.0"),
    ("mode=perhaps", ORDER, 400, "value", "create, update, delete, profile"),
    ("mode=create&mode=update", ORDER, 400, "value", "has to be one of"),
    ("mode=profile", ORDER, 400, "required", "needs the parameter profile"),
    ("mode=update", ORDER, 400, "value", "/fhir/ServiceRequest/ID/$validate"),
    ("", None, 400, "required", "Send the resource"),
    ("", parameters(), 400, "required", "Send the resource"),
    ("", parameters(resource=None), 400, "required", "resource is missing"),
    ("", parameters(resource=ORDER, mode=1), 400, "required", "valueCode is missing"),
    ("", {"resourceType": "Parameters", "parameter": [{"name": "x"}]}, 400, "value", "takes resource"),
    ("", {"resourceType": "Parameters", "parameter": 3}, 400, "value", "takes resource"),
    ("", b"{", 400, "structure", "not JSON"),
]


def test_a_call_that_cannot_be_carried_out_is_refused(fhir: FhirClient) -> None:
    for query, body, status, code, text in REFUSED:
        answer = fhir.post(f"ServiceRequest/$validate?{query}", body)
        assert (answer.status, answer.issues[0]["code"]) == (status, code), (query, body)
        assert text in answer.text


def test_a_stored_resource_is_read_for_it_and_that_is_audited(fhir: FhirClient) -> None:
    made = fhir.create(but(PATIENT, gender=None))
    path = f"Patient/{made['id']}/$validate"
    missing = ("error", "required", "Patient.gender")
    for answer in (
        fhir.get(path),
        fhir.post(path, None),
        fhir.post(path, parameters()),
        fhir.post(path, parameters(mode="update")),
    ):
        assert said(answer) == {WELL}
    assert said(fhir.get(f"{path}?mode=profile&profile={US_CORE}{PATIENT}")) == {missing}
    assert said(fhir.post(path, parameters(profile=US_CORE + PATIENT))) == {missing}
    reads = fhir.get(f"AuditEvent?entity=Patient/{made['id']}&action=R")
    assert len(reads.resources) == 6
    assert fhir.get(f"Patient/{made['id']}").body["meta"]["versionId"] == "1"


def test_what_is_to_take_the_place_of_a_stored_resource(fhir: FhirClient) -> None:
    made = fhir.create(GOOD[PATIENT])
    path = f"Patient/{made['id']}/$validate?mode=update"
    assert said(fhir.post(path, {**made, "active": False})) == {WELL}
    assert said(fhir.post(path, {**made, "id": "another"})) == {("error", "value", "Patient.id")}
    part = fhir.get(f"Patient/{made['id']}?_summary=true").body
    assert said(fhir.post(path, part)) == {("error", "business-rule", "Patient.meta.tag")}
    other = fhir.post(f"Patient/{made['id']}/$validate", ORDER)
    assert said(other) == {("error", "value", "resourceType")}


def test_a_mode_that_the_type_does_not_know_is_an_error(fhir: FhirClient) -> None:
    provenance = GOOD["us-core-provenance"]
    assert said(fhir.post("Provenance/$validate?mode=create", provenance)) == {WELL}
    made = fhir.create(GOOD[PATIENT])
    deleted = fhir.get(f"Patient/{made['id']}/$validate?mode=delete")
    assert ("error", "not-supported", "http.mode") in said(deleted)
    assert "entered-in-error" in deleted.text
    event = examples.example("AuditEvent")
    said_of_event = said(fhir.post("AuditEvent/$validate?mode=create", event))
    assert ("error", "not-supported", "http.mode") in said_of_event


def test_only_what_a_client_may_read_is_checked(fhir: FhirClient, other_fhir: FhirClient) -> None:
    made = fhir.create(GOOD[PATIENT])
    assert other_fhir.get(f"Patient/{made['id']}/$validate").status == 404
    assert fhir.get("Patient/none/$validate").status == 404
    assert fhir.post("Foo/$validate", ORDER).status == 404
    assert fhir.post("Patient/$validate", ORDER, Authorization="").status == 401


def test_scopes_decide_what_may_be_checked(clinic: ClinicFixture, fhir: FhirClient) -> None:
    made = fhir.create(GOOD[PATIENT])
    writer = limited(clinic, fhir, "system/Patient.c")
    assert said(writer.post("Patient/$validate", GOOD[PATIENT])) == {WELL}
    assert writer.get(f"Patient/{made['id']}/$validate").status == 403
    reader = limited(clinic, fhir, "system/Patient.r?identifier=urn:example:mrn|another")
    assert reader.get(f"Patient/{made['id']}/$validate").status == 404
    assert reader.post(f"Patient/{made['id']}/$validate", GOOD[PATIENT]).status == 404
    stranger = limited(clinic, fhir, "system/Task.cruds")
    assert stranger.post("Patient/$validate", GOOD[PATIENT]).status == 403


def test_xml_is_checked_as_json_is(fhir: FhirClient) -> None:
    path = f"Patient/$validate?profile={US_CORE}{PATIENT}"
    answer = fhir.post(path, encode_xml(but(PATIENT, gender=None)), Content_Type=XML, Accept=XML)
    (issue,) = decode_xml(answer.content)["issue"]
    assert (answer.status, issue["expression"]) == (200, ["Patient.gender"])
    whole = encode_xml(parameters(resource=GOOD[PATIENT], mode="create"))
    assert said(fhir.post("Patient/$validate", whole, Content_Type=XML)) == {WELL}
    unknown = b'<Patient xmlns="http://hl7.org/fhir"><foo value="1"/><active value="yes"/></Patient>'
    assert said(fhir.post("Patient/$validate", unknown, Content_Type=XML)) == {
        ("error", "structure", "Patient.foo"),
        ("error", "structure", "Patient.active"),
    }
    assert fhir.post("Patient/$validate", b"<Patient", Content_Type=XML).status == 400


# ---- Claims on a write


def test_a_claim_that_does_not_hold_is_refused_on_every_way_in(fhir: FhirClient) -> None:
    good, bad = claiming(PATIENT, GOOD[PATIENT]), claiming(PATIENT, but(PATIENT, gender=None))
    refused = fhir.post("Patient", bad)
    assert (refused.status, refused.expressions) == (422, ["Patient.gender"])
    assert "us-core-patient" in refused.text
    made = fhir.create(good)
    path = f"Patient/{made['id']}"
    assert fhir.put(path, {**bad, "id": made["id"]}).status == 422
    patch = [{"op": "remove", "path": "/gender"}]
    kind = "application/json-patch+json"
    assert fhir.call("PATCH", f"/fhir/{path}", patch, Content_Type=kind).status == 422
    entry = {"resource": bad, "request": {"method": "POST", "url": "Patient"}}
    whole = fhir.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert (whole.status, whole.expressions) == (422, ["Bundle.entry[0].resource.gender"])
    each = fhir.post("", {"resourceType": "Bundle", "type": "batch", "entry": [entry]})
    assert each.body["entry"][0]["response"]["status"].startswith("422")
    assert fhir.get("Patient?_summary=count").body["total"] == 1
    assert fhir.get(path).body["meta"]["versionId"] == "1"


def test_a_claim_that_is_unknown_or_only_warned_of_is_stored(fhir: FhirClient) -> None:
    unknown = {**but(PATIENT, gender=None), "meta": {"profile": ["https://ehr.example/p"]}}
    assert fhir.create(unknown)["meta"]["profile"] == ["https://ehr.example/p"]
    warned = but(PATIENT, address=[{"state": "Colorado"}])
    assert fhir.create(claiming(PATIENT, warned))["address"] == [{"state": "Colorado"}]


def test_the_statement_names_what_is_checked(fhir: FhirClient) -> None:
    rows = {row["type"]: row for row in fhir.get("metadata").body["rest"][0]["resource"]}
    named = {url for row in rows.values() for url in row.get("supportedProfile", ())}
    assert named >= set(PROFILES)
    for url in sorted(named):
        type = next(type for type, row in rows.items() if url in row.get("supportedProfile", ()))
        if url.startswith((US_CORE, f"{BASE}/")):
            answer = fhir.post(f"{type}/$validate?profile={url}", examples.example(type))
            assert answer.status == 200, answer.text
    assert {"validate"} <= {op["name"] for op in rows["Patient"]["operation"]}
