"""What a client might send to have treatment on record while the gate is closed."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from referral.fhir.systems import BASE
from referral.storage import tables
from tests.database import ClinicFixture
from tests.fhir_api.client import FhirClient, Json, connect
from tests.fhir_api.people import CONSULTATION, INFUSION, Referred

AMBULATORY = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}


@pytest.fixture
def referred(clinic: ClinicFixture) -> Referred:
    made = Referred(connect(clinic))
    made.consult()
    return made


def encounter(referred: Referred, **more: object) -> Json:
    made = {
        "resourceType": "Encounter",
        "status": "in-progress",
        "class": AMBULATORY,
        "subject": {"reference": referred.patient},
        "basedOn": [{"reference": referred.order}],
        **more,
    }
    return {name: value for name, value in made.items() if value is not None}


def contained(referred: Referred) -> Json:
    """The order is named by a ServiceRequest inside the Encounter only."""
    inner = {
        "resourceType": "ServiceRequest",
        "id": "inner",
        "status": "active",
        "intent": "order",
        "subject": {"reference": referred.patient},
        "basedOn": [{"reference": referred.order}],
    }
    return encounter(referred, contained=[inner], basedOn=[{"reference": "#inner"}])


def ways(referred: Referred) -> dict[str, Json]:
    order_id = referred.order.partition("/")[2]
    spelled = {
        f"spelled as {base}": encounter(referred, basedOn=[{"reference": f"{base}/{referred.order}"}])
        for base in (
            *("HTTP://testserver/fhir", "http://testserver:80/fhir", "https://testserver/fhir"),
            "http://elsewhere.example/fhir",
        )
    }
    logical = {"identifier": {"system": f"{BASE}/identifier/infusion-order", "value": order_id}}
    words = [{"text": "Infusion of ketamine, second of six"}]
    return {
        "consultation and infusion": encounter(referred, type=[CONSULTATION, INFUSION]),
        "infusion, reason consultation": encounter(referred, type=[INFUSION], reasonCode=[CONSULTATION]),
        "infusion, service consultation": encounter(referred, type=[INFUSION], serviceType=CONSULTATION),
        "infusion in words": encounter(referred, type=[*words, CONSULTATION]),
        "infusion without an order": encounter(referred, type=[INFUSION], basedOn=None),
        "order by identifier": encounter(referred, basedOn=[logical]),
        "order in a contained request": contained(referred),
        **spelled,
    }


def starts(clinic: ClinicFixture) -> int:
    with clinic.transaction() as session:
        rows = select(func.count()).select_from(tables.treatment_start)
        return int(session.connection.scalar(rows) or 0)


def test_no_spelling_and_no_second_code_passes_a_closed_gate(
    clinic: ClinicFixture, referred: Referred
) -> None:
    before = referred.fhir.get(f"Encounter?subject={referred.patient}").references
    for name, document in ways(referred).items():
        for status in ("in-progress", "finished"):
            answer = referred.fhir.post("Encounter", {**document, "status": status})
            assert answer.status == 422, (name, status, answer.body)
    assert referred.fhir.get(f"Encounter?subject={referred.patient}").references == before
    assert starts(clinic) == 0


def test_a_chain_that_is_too_long_to_follow_is_refused(referred: Referred) -> None:
    """Each link is harmless alone; the last one says that something is being done."""
    last = referred.fhir.create(encounter(referred, status="planned"))
    for _ in range(6):
        link = encounter(
            referred, status="planned", basedOn=None, partOf={"reference": f"Encounter/{last['id']}"}
        )
        last = referred.fhir.create(link)
    begun = encounter(referred, basedOn=None, partOf={"reference": f"Encounter/{last['id']}"})
    assert referred.fhir.post("Encounter", begun).status == 422


def test_a_visit_that_has_nothing_to_do_with_ketamine_is_taken(referred: Referred) -> None:
    fhir: FhirClient = referred.fhir
    annual = [{"text": "Annual examination"}]
    assert fhir.post("Encounter", encounter(referred, basedOn=None, type=annual)).status == 201
    about = [{"text": "Whether ketamine is an option"}]
    consulted = encounter(referred, type=[CONSULTATION], reasonCode=about)
    assert fhir.post("Encounter", consulted).status == 201
