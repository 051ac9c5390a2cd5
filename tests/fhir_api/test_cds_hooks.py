"""CDS Hooks: discovery, cards, feedback."""

from __future__ import annotations

import pytest

from tests.fhir_api.client import Answer, FhirClient
from tests.fhir_api.people import Referred, patient

SERVICE = "/cds-services/ketamine-recommendation-gate"


def ask(fhir: FhirClient, hook: str, patient_id: str) -> Answer:
    body = {"hook": hook, "hookInstance": "11111111-1111-4111-8111-111111111111"}
    return fhir.call("POST", SERVICE, {**body, "context": {"patientId": patient_id, "userId": "x"}})


def test_discovery_needs_no_token(fhir: FhirClient) -> None:
    services = fhir.call("GET", "/cds-services", Authorization="").body["services"]
    hooks = [service["hook"] for service in services]
    assert hooks == ["patient-view", "order-sign", "appointment-book", "encounter-start"]


@pytest.mark.parametrize(
    ("hook", "indicator"),
    [
        ("patient-view", "info"),
        ("order-sign", "critical"),
        ("appointment-book", "warning"),
        ("encounter-start", "critical"),
    ],
)
def test_a_closed_gate_gives_a_card(fhir: FhirClient, hook: str, indicator: str) -> None:
    referred = Referred(fhir)
    answer = ask(fhir, hook, referred.patient.removeprefix("Patient/"))
    assert answer.status == 200
    (card,) = answer.body["cards"]
    assert card["indicator"] == indicator
    assert "consultation" in card["detail"]
    assert referred.order.removeprefix("ServiceRequest/") in card["links"][0]["url"]
    events = fhir.get(f"AuditEvent?patient={referred.patient}").resources
    assert any("gate" in str(event["subtype"]) for event in events)


def test_there_is_nothing_to_say_about_a_patient_without_an_order(fhir: FhirClient) -> None:
    made = fhir.create(patient())
    assert ask(fhir, "patient-view", made["id"]).body == {"cards": []}
    assert ask(fhir, "patient-view", "nobody").body == {"cards": []}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"hook": "patient-view"},
        {"hook": "order-select", "hookInstance": "1", "context": {"patientId": "1"}},
        {"hook": "patient-view", "hookInstance": "1"},
        {"hook": "patient-view", "hookInstance": "1", "context": {"patientId": 7}},
        {"hook": "patient-view", "hookInstance": "1", "context": []},
    ],
)
def test_a_call_that_cannot_be_read_is_refused(fhir: FhirClient, body: dict[str, object]) -> None:
    assert fhir.call("POST", SERVICE, body).status == 400
    assert fhir.call("POST", "/cds-services/other", body).status == 404


def test_feedback_is_kept(fhir: FhirClient) -> None:
    feedback = {
        "card": "11111111-1111-4111-8111-111111111111",
        "outcome": "overridden",
        "overrideReason": {"reason": {"code": "pain-indication-only"}, "userComment": "Not kept"},
        "outcomeTimestamp": "2026-11-03T17:00:00Z",
    }
    assert fhir.call("POST", f"{SERVICE}/feedback", {"feedback": [feedback]}).status == 200
    assert fhir.call("POST", f"{SERVICE}/feedback", {"feedback": "none"}).status == 400
    events = fhir.get("AuditEvent?_count=50").resources
    assert any("card-feedback" in str(event["subtype"]) for event in events)
