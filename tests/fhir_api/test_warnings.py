"""Flag and DetectedIssue as a client finds them: published by the workflow, searched, never written."""

from __future__ import annotations

from datetime import timedelta

import pytest

from referral.fhir.systems import BASE
from referral.fhir.validation import validate
from referral.services.change_facts import report_fact
from referral.services.judge_recommendation import confirm_by_phone, review_recommendation
from tests.database import NOW
from tests.fhir_api import people
from tests.fhir_api.client import FhirClient, Json
from tests.fhir_api.people import Referred
from tests.services.people import director


def counts(referred: Referred) -> None:
    """What a client sends has to be confirmed by a call before it counts."""
    clinic = referred.fhir.clinic
    with clinic.transaction() as session:
        call = {"spoke_with": "Sam Lee", "called_number": "303-555-0121"}
        confirm_by_phone(session, clinic.actor, referred.request.split("/")[1], **call, now=NOW)


@pytest.fixture
def referred(fhir: FhirClient) -> Referred:
    made = Referred(fhir)
    made.consult()
    return made


def change(referred: Referred, fact: str) -> None:
    clinic = referred.fhir.clinic
    with clinic.transaction() as session:
        order_id = referred.order.split("/")[1]
        report_fact(session, clinic.actor, order_id, fact, code="", reason="ward called", now=NOW)


def flags(referred: Referred, by: str = "patient") -> list[Json]:
    return referred.fhir.get(f"Flag?{by}={referred.patient}").resources


def issues(referred: Referred, query: str = "") -> list[Json]:
    return referred.fhir.get(f"DetectedIssue?patient={referred.patient}{query}").resources


def test_a_flag_is_found_by_patient_while_the_order_is_closed_again(referred: Referred) -> None:
    referred.fhir.create(referred.answer())
    assert flags(referred) == []
    counts(referred)
    assert referred.gate()["parameter"][0]["valueBoolean"] is True
    change(referred, "hospitalisation")
    (flag,) = flags(referred)
    validate(flag)
    assert flags(referred, "subject") == [flag]
    assert flag["status"] == "active"
    assert flag["category"][0]["coding"][0]["code"] == "admin"
    assert flag["extension"][0]["valueReference"]["reference"] == referred.order
    assert referred.fhir.get(f"Flag/{flag['id']}/_history").body["total"] == 1
    order = referred.fhir.get(referred.order).body
    assert order["status"] == "on-hold"


def test_an_issue_is_found_by_code_and_by_what_it_is_about(referred: Referred) -> None:
    answer = referred.answer()
    for item in answer["item"]:
        if item["linkId"] == "mania":
            item["answer"] = [{"valueCoding": {"code": "yes"}}]
    referred.fhir.create(answer)
    (issue,) = issues(referred)
    system = f"{BASE}/CodeSystem/gate-topic"
    assert issues(referred, f"&code={system}|red-flags") == [issue]
    assert issues(referred, f"&code={system}|conflict") == []
    found = referred.fhir.get(f"DetectedIssue?implicated={referred.order}").resources
    assert found == [issue]
    assert issue["status"] == "preliminary"
    clinic = referred.fhir.clinic
    with clinic.transaction() as session:
        id = referred.request.split("/")[1]
        review_recommendation(session, director(clinic), id, accepted=True, reason="on lithium", now=NOW)
    after = referred.fhir.get(f"DetectedIssue/{issue['id']}").body
    validate(issue)
    validate(after)
    assert (after["status"], after["meta"]["versionId"]) == ("final", "2")
    assert after["mitigation"][0]["action"]["text"] == "Accepted by the medical director"


def test_warnings_are_not_written_by_clients(referred: Referred) -> None:
    for type in ("Flag", "DetectedIssue"):
        assert referred.fhir.call("POST", f"/fhir/{type}", {"resourceType": type}).status == 405
        assert referred.fhir.call("PUT", f"/fhir/{type}/x", {"resourceType": type, "id": "x"}).status == 405


def test_the_capability_statement_offers_them_to_be_read_and_searched(fhir: FhirClient) -> None:
    rows = {row["type"]: row for row in fhir.get("metadata").body["rest"][0]["resource"]}
    for type, wanted in (
        ("Flag", {"patient", "subject"}),
        ("DetectedIssue", {"patient", "code", "implicated"}),
    ):
        assert {item["code"] for item in rows[type]["interaction"]} >= {"read", "search-type"}
        assert {item["name"] for item in rows[type]["searchParam"]} >= wanted
    topics = fhir.get("CodeSystem/gate-topic").body["concept"]
    assert {"red-flags", "conditions", "conflict"} <= {concept["code"] for concept in topics}


def test_an_indication_that_a_client_adds_ends_what_does_not_cover_it(referred: Referred) -> None:
    referred.fhir.create(referred.answer())
    counts(referred)
    current = referred.fhir.get(referred.order).body
    anxiety = referred.fhir.create(people.condition(referred.patient, "F41.1"))
    current["reasonReference"].append({"reference": f"Condition/{anxiety['id']}"})
    answer = referred.fhir.call("PUT", f"/fhir/{referred.order}", current)
    assert answer.status == 200, answer.body
    assert answer.body["status"] == "on-hold"
    assert [flag["status"] for flag in flags(referred)] == ["active"]
    (observation,) = referred.fhir.get(f"Observation?patient={referred.patient}").resources
    assert observation["status"] == "cancelled"
    assert "no longer counts" in str(referred.gate())


def test_an_indication_that_needs_nothing_ends_nothing(referred: Referred) -> None:
    referred.fhir.create(referred.answer())
    counts(referred)
    current = referred.fhir.get(referred.order).body
    pain = referred.fhir.create(people.condition(referred.patient, "G89.4"))
    current["reasonReference"].append({"reference": f"Condition/{pain['id']}"})
    assert referred.fhir.call("PUT", f"/fhir/{referred.order}", current).body["status"] == "active"


def test_the_warnings_of_an_order_end_with_it(referred: Referred) -> None:
    referred.fhir.create(referred.answer())
    counts(referred)
    change(referred, "pregnancy")
    current = referred.fhir.get(referred.order).body
    current["status"] = "revoked"
    assert referred.fhir.call("PUT", f"/fhir/{referred.order}", current).status == 200
    (flag,) = flags(referred)
    assert flag["status"] == "inactive"
    assert flag["period"]["end"] >= (NOW - timedelta(seconds=1)).isoformat()[:19]
