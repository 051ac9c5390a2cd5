"""Consents of a connected system: what they say is done at once, and they are kept as they were sent."""

from __future__ import annotations

from typing import Any

import pytest

from referral.domain.consent import ConsentScope
from referral.domain.outgoing import MessageKind
from referral.storage import consents
from tests.database import ClinicFixture
from tests.fhir_api.client import FhirClient, Json, connect
from tests.services import people
from tests.web.portal_case import Case, make_case

SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
OURS = "https://referral.example/fhir/CodeSystem/consent-category"


def consent(case: Case, type: str = "permit", code: tuple[str, str] = (ACT, "IDSCL"), **changes: Any) -> Json:
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"system": SCOPE, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": code[0], "code": code[1]}]}],
        "patient": {"reference": f"Patient/{case.patient.id}"},
        "dateTime": "2026-11-03",
        "policy": [{"uri": "https://policy.example/release"}],
        "provision": {"type": type},
        **changes,
    }


@pytest.fixture
def case(clinic: ClinicFixture) -> Case:
    return make_case(clinic)


@pytest.fixture
def fhir(clinic: ClinicFixture) -> FhirClient:
    return connect(clinic)


def refused(case: Case) -> frozenset[ConsentScope]:
    with case.clinic.transaction() as session:
        return consents.withdrawn(session, [case.patient.id])[case.patient.id]


def test_a_denial_ends_what_was_asked_and_answered(case: Case, fhir: FhirClient) -> None:
    with case.clinic.transaction() as session:
        people.respond_with(session, case.clinic, case.referral)
    made = fhir.create(consent(case, "deny"))
    assert refused(case) == {ConsentScope.RECOMMENDER}
    gate = fhir.get(f"ServiceRequest/{case.referral.order_id}/$gate").body
    assert "the recommendation no longer counts" in str(gate)
    # It is read as it was sent.
    assert made["provision"] == {"type": "deny"}
    again = consent(case)
    assert fhir.post("Consent", again).status == 201
    assert refused(case) == set()
    assert "the recommendation no longer counts" in str(
        fhir.get(f"ServiceRequest/{case.referral.order_id}/$gate").body
    )


def test_taking_back_by_patch_closes_the_request_and_says_why(case: Case, fhir: FhirClient) -> None:
    made = fhir.create(consent(case))
    patch = [{"op": "replace", "path": "/status", "value": "inactive"}]
    headers = {"Content_Type": "application/json-patch+json"}
    answer = fhir.call("PATCH", f"/fhir/Consent/{made['id']}", patch, **headers)
    assert answer.status == 200, answer.body
    assert refused(case) == {ConsentScope.RECOMMENDER}
    (task,) = fhir.get(f"Task?focus=ServiceRequest/{case.referral.id}").resources
    assert task["status"] == "cancelled"
    assert task["statusReason"]["coding"][0]["code"] == "consent-withdrawn"
    asking = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "basedOn": [{"reference": f"ServiceRequest/{case.referral.order_id}"}],
        "category": [
            {
                "coding": [
                    {
                        "system": OURS.replace("consent-category", "request-category"),
                        "code": "recommendation-request",
                    }
                ]
            }
        ],
        "code": {
            "coding": [
                {
                    "system": OURS.replace("consent-category", "request-code"),
                    "code": "ketamine-recommendation",
                }
            ]
        },
        "subject": {"reference": f"Patient/{case.patient.id}"},
        "performer": [{"reference": f"PractitionerRole/{case.clinician.id}"}],
    }
    assert "does not want anybody to be asked" in fhir.post("ServiceRequest", asking).text


def test_an_old_consent_that_was_replaced_is_no_refusal(case: Case, fhir: FhirClient) -> None:
    old = fhir.create(consent(case))
    fhir.create(consent(case))
    assert fhir.put(f"Consent/{old['id']}", {**old, "status": "inactive"}).status == 200
    assert refused(case) == set()


def test_a_denial_that_was_an_error_counts_no_more(case: Case, fhir: FhirClient) -> None:
    code = (OURS, "patient-messages")
    made = fhir.create(consent(case, "deny", code))
    assert refused(case) == {ConsentScope.PATIENT_MESSAGES}
    assert fhir.put(f"Consent/{made['id']}", {**made, "status": "entered-in-error"}).status == 200
    assert refused(case) == set()


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "draft"},
        {"category": [{"coding": [{"system": ACT, "code": "ACD"}]}]},
        {"provision": {"type": "deny", "purpose": [{"system": ACT.replace("ActCode", "ActReason"),
                                                    "code": "HRESCH"}]}},
    ],
    ids=["draft", "advance-directive", "research"],
)  # fmt: skip
def test_what_is_about_something_else_is_only_kept(
    case: Case, fhir: FhirClient, changes: dict[str, Any]
) -> None:
    made = fhir.create(consent(case, "deny", **changes))
    assert fhir.get(f"Consent/{made['id']}").status == 200
    assert refused(case) == set()
    assert case.state().is_open


def test_a_consent_that_was_acted_on_stays_what_it_is(case: Case, fhir: FhirClient) -> None:
    made = fhir.create(consent(case))
    with case.clinic.transaction() as session:
        other = people.patient(session, case.clinic)
    for changes in (
        {"patient": {"reference": f"Patient/{other.id}"}},
        {"category": [{"coding": [{"system": OURS, "code": "patient-messages"}]}]},
        {"status": "draft"},
    ):
        answer = fhir.put(f"Consent/{made['id']}", {**made, **changes})
        assert answer.status == 422, changes
    assert fhir.post("Consent", consent(case, patient={"reference": "Patient/nobody"})).status in (400, 422)
    assert refused(case) == set()


def test_whoever_withdraws_while_a_message_is_just_leaving_is_told(case: Case, fhir: FhirClient) -> None:
    (letter,) = case.messages(MessageKind.REQUEST)
    with case.clinic.transaction() as session:
        session.connection.exec_driver_sql("UPDATE message SET state = 'sending' WHERE id = %s", (letter.id,))
    about = f"Communication/{letter.id}"
    calm = fhir.post("Consent", consent(case, "deny", (OURS, "patient-messages")))
    assert "warning" not in calm.headers
    assert fhir.get(about).status == 200
    told = fhir.post("Consent", consent(case, "deny"))
    assert told.status == 201
    assert told.headers["warning"].startswith("299 - ")
    assert about in told.headers["warning"]
    # Where R4 has a place for it: an OperationOutcome that was asked for, and the entry of a Bundle.
    made = fhir.create(consent(case))
    asked_for = fhir.call(
        "PUT", f"/fhir/Consent/{made['id']}", {**made, "status": "inactive"}, Prefer="return=OperationOutcome"
    )
    severities = [issue["severity"] for issue in asked_for.body["issue"]]
    assert severities == ["information", "warning"]
    assert about in asked_for.body["issue"][1]["details"]["text"]
    fhir.create(consent(case))
    entry = {"resource": consent(case, "deny"), "request": {"method": "POST", "url": "Consent"}}
    answer = fhir.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    (response,) = [one["response"] for one in answer.body["entry"]]
    assert response["status"].startswith("201")
    assert about in response["outcome"]["issue"][0]["details"]["text"]
