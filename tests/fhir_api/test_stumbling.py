"""What integrators trip over who have only the statement and the error messages: each says the way."""

from __future__ import annotations

import pytest

from tests.fhir_api.client import FhirClient
from tests.fhir_api.people import Referred, patient, request


@pytest.mark.parametrize(
    ("path", "status", "hint"),
    [
        ("/fhir", 405, "takes Bundles by POST; /fhir/metadata says"),
        ("/fhir/patient", 404, "did you mean Patient?"),
        ("/fhir/Patients/1", 404, "did you mean Patient?"),
        ("/fhir/Medication/1", 404, "see /fhir/metadata for the types that are"),
        ("/fhir/Patient/1/$nothing", 404, "no such operation; see /fhir/metadata"),
        ("/fhir/Patient?name:sounds=x", 400, "is no modifier of a string; it takes :contains, :exact"),
    ],
)
def test_a_wrong_address_leads_to_the_right_one(fhir: FhirClient, path: str, status: int, hint: str) -> None:
    answer = fhir.call("GET", path)
    assert (answer.status, hint in answer.text) == (status, True), answer.body


@pytest.mark.parametrize(
    ("more", "hint"),
    [
        ({"birthdate": "1986-04-12"}, "did you mean birthDate?"),
        ({"names": []}, "did you mean name?"),
        ({"shoeSize": 43}, "Patient.shoeSize is not an element of Patient."),
    ],
)
def test_an_element_that_is_nearly_right_is_named(
    fhir: FhirClient, more: dict[str, object], hint: str
) -> None:
    assert hint in fhir.post("Patient", patient(**more)).text


def test_what_only_the_server_writes_is_named_in_plain_english(fhir: FhirClient) -> None:
    refused = fhir.post("AuditEvent", {"resourceType": "AuditEvent"})
    assert (refused.status, refused.text) == (405, "An AuditEvent cannot be created.")


def test_a_condition_in_the_url_of_an_entry_is_refused_instead_of_making_a_double(fhir: FhirClient) -> None:
    for kind in ("transaction", "batch"):
        entry = {
            "resource": patient(),
            "request": {"method": "POST", "url": "Patient?identifier=http://ehr.example/mrn|MRN-1"},
        }
        answer = fhir.post("", {"resourceType": "Bundle", "type": kind, "entry": [entry]})
        if kind == "transaction":
            assert (answer.status, "request.ifNoneExist" in answer.text) == (400, True)
        else:
            (alone,) = answer.body["entry"]
            assert alone["response"]["status"].startswith("400")
            told = alone["response"]["outcome"]["issue"][0]["details"]["text"]
            assert "request.ifNoneExist" in told
    assert fhir.get("Patient?_summary=count").body["total"] == 0


def test_refusals_of_the_workflow_say_how_to_go_on(fhir: FhirClient) -> None:
    referred = Referred(fhir)
    on_a_request = fhir.get(f"{referred.request}/$gate")
    assert (on_a_request.status, "basedOn" in on_a_request.text) == (404, True)
    again = fhir.post(
        "ServiceRequest", request(referred.patient, referred.role, basedOn=[{"reference": referred.order}])
    )
    assert (again.status, again.text.endswith(f"It is {referred.request}.")) == (409, True)
    nobody = {name: value for name, value in referred.answer().items() if name != "subject"}
    answered = fhir.post("QuestionnaireResponse", nobody)
    assert (answered.status, answered.text) == (422, "Say about whom it is.")
    booked = fhir.post(
        "Appointment",
        {
            "resourceType": "Appointment",
            "status": "booked",
            "basedOn": [{"reference": referred.order}],
            "start": "2026-12-01T16:00:00Z",
            "end": "2026-12-01T17:00:00Z",
            "participant": [{"actor": {"reference": referred.patient}, "status": "accepted"}],
        },
    )
    assert booked.status == 422
    assert booked.text.startswith(
        "This cannot be booked yet (send it as pending, and it confirms itself): The"
    )
