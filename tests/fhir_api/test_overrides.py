"""Emergency access through the doors of systems: open for one start, whichever resource says it."""

from __future__ import annotations

import pytest

from referral.domain.records import Order
from referral.storage import orders, overrides
from tests.fhir_api.client import FhirClient, Json
from tests.fhir_api.people import INFUSION, Referred, transaction
from tests.storage import emergency


@pytest.fixture
def given(fhir: FhirClient) -> Referred:
    """Nothing is missing but the recommendation, and two people have let one infusion start."""
    made = Referred(fhir)
    made.consult()
    with fhir.clinic.transaction() as session:
        emergency.allow(session)
        emergency.give(session, fhir.clinic, order_of(made))
    return made


def order_of(referred: Referred) -> Order:
    with referred.fhir.clinic.transaction() as session:
        return orders.get(session, referred.order.split("/")[1])


def start(referred: Referred, type: str = "Procedure") -> Json:
    """A resource that says started; an administration leads to the order by a Procedure in preparation."""
    document: Json = {
        "resourceType": type,
        "status": "in-progress",
        "subject": {"reference": referred.patient},
    }
    based_on = [{"reference": referred.order}]
    if type == "MedicationAdministration":
        prepared = referred.fhir.create({**start(referred), "status": "preparation"})
        return document | {
            "medicationCodeableConcept": INFUSION,
            "effectiveDateTime": "2026-11-03T16:00:00Z",
            "partOf": [{"reference": f"Procedure/{prepared['id']}"}],
        }
    if type == "Encounter":
        visit = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
        return document | {"class": visit, "type": [INFUSION], "basedOn": based_on}
    return document | {"code": INFUSION, "basedOn": based_on}


def starts(referred: Referred) -> list[str | None]:
    with referred.fhir.clinic.transaction() as session:
        return [start.override_id for start in orders.starts(session, order_of(referred).id)]


def test_the_gate_says_open_for_one_and_what_is_missing(given: Referred) -> None:
    said = {part["name"]: part for part in given.gate()["parameter"]}
    assert said["open"]["valueBoolean"] is True
    assert "reason" not in said
    parts = {part["name"]: part for part in said["override"]["part"]}
    assert "needs a recommendation from a psychiatrist" in parts["remark"]["valueString"]
    assert parts["validUntil"]["valueDateTime"].endswith("Z")


@pytest.mark.parametrize("type", ["Procedure", "MedicationAdministration", "Encounter"])
def test_one_start_by_any_resource_uses_it_up(given: Referred, type: str) -> None:
    made = given.fhir.post(type, start(given, type))
    assert made.status == 201, made.body
    assert len(starts(given)) == 1
    assert starts(given)[0] is not None
    assert given.gate()["parameter"][0] == {"name": "open", "valueBoolean": False}
    assert given.fhir.get(given.order).body["status"] == "on-hold"
    for other in ("Procedure", "MedicationAdministration", "Encounter"):
        refused = given.fhir.post(other, start(given, other))
        assert refused.status == 422
        assert "There is no valid recommendation" in refused.text
    assert len(starts(given)) == 1


def test_two_starts_of_one_transaction_are_one_too_many(given: Referred) -> None:
    refused = given.fhir.post("", transaction(one=start(given), two=start(given)))
    assert refused.status == 422
    assert starts(given) == []
    with given.fhir.clinic.transaction() as session:
        assert [case.start_id for case in overrides.of_order(session, order_of(given).id)] == [None]


def test_a_client_writes_neither_the_issue_nor_its_mitigation(given: Referred) -> None:
    issue = {
        "resourceType": "DetectedIssue",
        "status": "final",
        "implicated": [{"reference": given.order}],
        "mitigation": [{"action": {"text": "override"}}],
    }
    assert given.fhir.post("DetectedIssue", issue).status == 405
    assert given.fhir.put("DetectedIssue/mine", {**issue, "id": "mine"}).status == 405
