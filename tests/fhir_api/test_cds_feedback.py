"""What became of cards: kept once, for the right order, and said in the audit by codes alone."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from referral.fhir.systems import BASE
from referral.storage import cds
from tests.database import ClinicFixture
from tests.fhir_api.cds_ehr import AUDIENCE, SERVICE, Ehr, bundle, hook
from tests.fhir_api.client import Answer, FhirClient, Json
from tests.fhir_api.people import Referred
from tests.fhir_api.test_cds_hooks import draft, sign

WHEN = "2026-11-03T17:00:00Z"
OURS = {
    "system": f"{BASE}/CodeSystem/gate-override",
    "code": "pain-indication-only",
    "display": "Pain is the only indication",
}


@pytest.fixture
def ehr(clinic: ClinicFixture) -> Ehr:
    made = Ehr(clinic)
    made.trust()
    return made


def tell(fhir: FhirClient, ehr: Ehr, *feedback: Any, **changes: Any) -> Answer:
    token = ehr.sign(**{"aud": f"{AUDIENCE}/feedback", **changes})
    body = {"feedback": list(feedback)}
    return fhir.call("POST", f"{SERVICE}/feedback", body, Authorization=f"Bearer {token}")


def overridden(card: Json, **more: Any) -> Json:
    override = {"reason": OURS, "userComment": "She told me  on the telephone"}
    return {
        "card": card["uuid"],
        "outcome": "overridden",
        "overrideReason": override,
        "outcomeTimestamp": WHEN,
        **more,
    }


def kept(clinic: ClinicFixture, order: str) -> list[cds.Answered]:
    with clinic.transaction() as session:
        return cds.feedback_of_order(session, order.removeprefix("ServiceRequest/"))


def test_an_overridden_card_is_kept_with_its_reason_for_its_order(
    clinic: ClinicFixture, fhir: FhirClient, ehr: Ehr
) -> None:
    referred = Referred(fhir)
    (card,) = ehr.call(fhir, hook("encounter-start", referred.patient)).body["cards"]
    answer = tell(fhir, ehr, overridden(card))
    assert (answer.status, answer.body) == (200, {})
    (found,) = kept(clinic, referred.order)
    assert found.card.hook == "encounter-start"
    assert found.card.topic == card["source"]["topic"]["code"]
    assert found.card.patient_id == referred.patient.removeprefix("Patient/")
    assert found.client is not None
    feedback = found.feedback
    assert (feedback.card_id, feedback.outcome) == (card["uuid"], "overridden")
    assert (feedback.reason_system, feedback.reason_code) == (OURS["system"], OURS["code"])
    assert feedback.reason_text == OURS["display"]
    assert feedback.comment == "She told me on the telephone"
    assert feedback.outcome_at.isoformat() == "2026-11-03T17:00:00+00:00"
    # Overriding advice opens nothing.
    assert referred.gate()["parameter"][0]["valueBoolean"] is False


def test_an_accepted_suggestion_is_kept(clinic: ClinicFixture, fhir: FhirClient, ehr: Ehr) -> None:
    referred = Referred(fhir)
    (card,) = ehr.call(fhir, sign(draft())).body["cards"]
    taken = card["suggestions"][0]["uuid"]
    accepted = {
        "card": card["uuid"],
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": taken}],
        "outcomeTimestamp": "2026-11-03T10:00:00-07:00",
    }
    assert tell(fhir, ehr, accepted).status == 200
    (found,) = kept(clinic, referred.order)
    assert (found.feedback.outcome, found.feedback.suggestions) == ("accepted", (taken,))
    assert found.feedback.outcome_at.isoformat() == "2026-11-03T17:00:00+00:00"


def test_the_audit_names_the_patient_and_repeats_no_words(fhir: FhirClient, ehr: Ehr) -> None:
    referred = Referred(fhir)
    (card,) = ehr.call(fhir, hook("patient-view", referred.patient)).body["cards"]
    theirs = {"system": "http://ehr.example/reasons", "code": "her-brother-said-so", "display": "Brother"}
    told = [
        overridden(card),
        overridden(card, overrideReason={"reason": theirs}, outcomeTimestamp="2026-11-03T17:01:00Z"),
    ]
    assert tell(fhir, ehr, *told).status == 200
    events = [
        event
        for event in fhir.get(f"AuditEvent?patient={referred.patient}&_count=100").resources
        if "card-feedback" in str(event["subtype"])
    ]
    assert len(events) == 2
    assert referred.order in str(events)
    with fhir.clinic.transaction() as session:
        details = str(
            session.connection.scalars(
                text("SELECT detail FROM audit_event WHERE subtype = 'card-feedback'")
            ).all()
        )
    assert "pain-indication-only" in details
    assert not any(word in details for word in ("telephone", "brother", "Brother"))


def test_the_same_told_twice_counts_once(clinic: ClinicFixture, fhir: FhirClient, ehr: Ehr) -> None:
    referred = Referred(fhir)
    (card,) = ehr.call(fhir, hook("patient-view", referred.patient)).body["cards"]
    for _ in range(2):
        assert tell(fhir, ehr, overridden(card), overridden(card)).status == 200
    assert len(kept(clinic, referred.order)) == 1
    later = overridden(card, outcomeTimestamp="2026-11-03T18:00:00Z")
    assert tell(fhir, ehr, later).status == 200
    newest, _ = kept(clinic, referred.order)
    assert newest.feedback.outcome_at.hour == 18


def test_a_card_about_an_order_that_nobody_knows_can_be_overridden(fhir: FhirClient, ehr: Ehr) -> None:
    (card,) = ehr.call(fhir, sign(draft("unknown-order"))).body["cards"]
    assert tell(fhir, ehr, overridden(card)).status == 200


def test_cards_of_nobody_and_of_another_clinic_are_unknown_and_nothing_is_kept(
    clinic: ClinicFixture, other_clinic: ClinicFixture, fhir: FhirClient, other_fhir: FhirClient, ehr: Ehr
) -> None:
    ours, theirs = Referred(fhir), Referred(other_fhir)
    (card,) = ehr.call(fhir, hook("patient-view", ours.patient)).body["cards"]
    other_ehr = Ehr(other_clinic)
    other_ehr.trust()
    (other,) = other_ehr.call(other_fhir, hook("patient-view", theirs.patient)).body["cards"]
    for unknown in (other, {"uuid": str(uuid.uuid4())}):
        answer = tell(fhir, ehr, overridden(card), overridden(unknown))
        assert (answer.status, "is not one that this service has given" in answer.text) == (404, True)
    assert kept(clinic, ours.order) == kept(other_clinic, theirs.order) == []


@pytest.mark.parametrize(
    ("feedback", "where"),
    [
        ("none", "feedback"),
        ([], "feedback"),
        (["x"], "feedback"),
        ([{}] * 101, "feedback"),
        ([{"outcome": "ignored"}], "feedback[0].outcome"),
        ([{"outcome": "accepted"}], "feedback[0].acceptedSuggestions"),
        ([{"outcome": "accepted", "acceptedSuggestions": ["x"]}], "feedback[0].acceptedSuggestions"),
        ([{"outcome": "overridden", "overrideReason": "no"}], "feedback[0].overrideReason"),
        ([{"outcome": "overridden"}], "feedback[0].card"),
        ([{"outcome": "overridden", "card": "x"}], "feedback[0].card"),
        ([{"outcome": "overridden", "card": str(uuid.uuid4())}], "feedback[0].outcomeTimestamp"),
        (
            [{"outcome": "overridden", "card": str(uuid.uuid4()), "outcomeTimestamp": "2026-11-03T17:00:00"}],
            "feedback[0].outcomeTimestamp",
        ),
        (
            [
                {
                    "outcome": "overridden",
                    "card": str(uuid.uuid4()),
                    "outcomeTimestamp": "0001-01-01T00:00:00+14:00",
                }
            ],
            "feedback[0].outcomeTimestamp",
        ),
    ],
)
def test_feedback_that_cannot_be_read_is_refused_in_a_sentence(
    fhir: FhirClient, feedback: Any, where: str
) -> None:
    answer = fhir.call("POST", f"{SERVICE}/feedback", {"feedback": feedback})
    assert (answer.status, answer.expressions) == (400, [where])
    assert answer.text.endswith(".")


@pytest.mark.parametrize("audience", [AUDIENCE, f"{AUDIENCE}/feedback"])
def test_feedback_takes_a_token_for_its_address_or_the_services(
    fhir: FhirClient, ehr: Ehr, audience: str
) -> None:
    (card,) = ehr.call(fhir, sign(draft())).body["cards"]
    assert tell(fhir, ehr, overridden(card), aud=audience).status == 200
    assert tell(fhir, ehr, overridden(card), aud="http://127.0.0.1:8000/cds-services/other").status == 401


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE cds_feedback SET outcome = 'accepted'",
        "DELETE FROM cds_feedback",
        "UPDATE cds_card SET order_id = NULL",
        "DELETE FROM cds_card",
        "DELETE FROM cds_token",
        "INSERT INTO cds_token SELECT clinic_id, id, 'x', now() FROM cds_client",
        "UPDATE cds_client SET jwks = '{}'",
        "UPDATE cds_client SET issuer = 'https://evil.example'",
        "DELETE FROM cds_client",
    ],
)
def test_the_service_can_rewrite_nothing_of_it(clinic: ClinicFixture, ehr: Ehr, statement: str) -> None:
    with pytest.raises(DBAPIError, match="InsufficientPrivilege"), clinic.transaction() as session:
        session.connection.execute(text(statement))


def test_a_card_is_kept_by_the_bundle_it_was_asked_with(fhir: FhirClient, ehr: Ehr) -> None:
    """Two drafts of two patients with one id, as EHRs number them, are two cards."""
    first = hook("order-sign", "ehr-1", context={"draftOrders": bundle(unsubjected())})
    second = hook("order-sign", "ehr-2", context={"draftOrders": bundle(unsubjected())})
    ids = {ehr.call(fhir, body).body["cards"][0]["uuid"] for body in (first, second)}
    assert len(ids) == 2


def unsubjected() -> Json:
    return {name: value for name, value in draft().items() if name != "subject"}
