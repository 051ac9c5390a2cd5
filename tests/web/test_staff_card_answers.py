"""The order's page: what people did with warnings in their record system."""

from __future__ import annotations

from typing import Any

import pytest

from referral.domain.codes import Role
from referral.fhir.systems import BASE
from tests.database import ClinicFixture
from tests.fhir_api.cds_ehr import AUDIENCE, SERVICE, Ehr, hook
from tests.fhir_api.client import connect
from tests.services import people
from tests.web.desk import OpenDesk

COMMENT = "Her sister called from the harbour"
OURS = {"system": f"{BASE}/CodeSystem/gate-override", "code": "pain-indication-only"}
THEIRS = {"system": "http://ehr.example/reasons", "code": "r7", "display": "Told by the sister"}


def told(clinic: ClinicFixture, reason: Any) -> str:
    """A card at the beginning of a visit is overridden in an EHR; returns the path of the order."""
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
    ehr, fhir = Ehr(clinic), connect(clinic)
    client = ehr.trust()
    (card,) = ehr.call(fhir, hook("encounter-start", referral.patient_id)).body["cards"]
    feedback = {
        "card": card["uuid"],
        "outcome": "overridden",
        "overrideReason": {"reason": reason, "userComment": COMMENT} if reason else None,
        "outcomeTimestamp": "2026-11-03T16:30:00Z",
    }
    token = f"Bearer {ehr.sign(aud=AUDIENCE)}"
    body = {"feedback": [feedback]}
    assert fhir.call("POST", f"{SERVICE}/feedback", body, Authorization=token).status == 200
    assert client.name.startswith("EHR ")
    return f"/orders/{referral.order_id}"


@pytest.mark.parametrize(
    ("reason", "clinician", "front_desk"),
    [
        (OURS, f"Pain is the only indication: {COMMENT}", "Pain is the only indication: the words are for"),
        (THEIRS, f"A visit began Told by the sister. {COMMENT}", "A visit began the words are for"),
        (None, "A visit began No reason given", "A visit began No reason given"),
    ],
    ids=["ours", "theirs", "none"],
)
def test_an_overridden_warning_is_on_the_orders_page_and_its_words_are_for_clinical_staff(
    clinic: ClinicFixture, open_desk: OpenDesk, reason: Any, clinician: str, front_desk: str
) -> None:
    path = told(clinic, reason)
    shown = open_desk(clinic, Role.CLINICIAN).get(path)
    assert "Warnings in the record system" in shown
    assert "9:30 AM · EHR" in shown
    assert "Overridden A visit began" in shown
    assert clinician in shown
    at_the_desk = open_desk(clinic, Role.FRONT_DESK).get(path)
    assert front_desk in at_the_desk
    assert "sister" not in at_the_desk


def test_without_answers_there_is_no_such_section(clinic: ClinicFixture, open_desk: OpenDesk) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
    shown = open_desk(clinic, Role.CLINICIAN).get(f"/orders/{referral.order_id}")
    assert "Warnings in the record system" not in shown
