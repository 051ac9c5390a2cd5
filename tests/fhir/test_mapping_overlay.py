"""Our elements over what a client had sent."""

from __future__ import annotations

import copy
from typing import Any

from referral.domain.codes import RequestStatus, Requirement
from referral.fhir.overlay import overlay
from referral.fhir.service_request import infusion_order, order_changes
from referral.fhir.systems import STATUS_REASON
from tests.fhir.mapping_samples import ORDER, assert_valid

THEIRS: dict[str, Any] = {
    "resourceType": "ServiceRequest",
    "id": "order1",
    "contained": [{"resourceType": "Patient", "id": "inside"}],
    "extension": [{"url": "urn:theirs", "valueString": "kept"}, {"url": STATUS_REASON, "valueString": "old"}],
    "identifier": [{"system": "urn:theirs", "value": "1"}, {"value": "no system"}],
    "status": "draft",
    "_status": {"extension": [{"url": "urn:theirs", "valueString": "about the old status"}]},
    "intent": "order",
    "code": {"text": "Ketamine infusion"},
    "subject": {"reference": "Patient/p1"},
    "occurrenceDateTime": "2026-12-01",
    "note": [{"text": "kept"}],
}


def test_managed_elements_win_and_everything_else_is_kept() -> None:
    before = copy.deepcopy(THEIRS)
    result = overlay(THEIRS, infusion_order(ORDER, waits_for=(Requirement.RECOMMENDATION,)))
    assert_valid({name: value for name, value in result.items() if name != "contained"})
    assert before == THEIRS
    assert result["contained"] == THEIRS["contained"]
    assert result["note"] == THEIRS["note"]
    assert result["status"] == "on-hold"


def test_extensions_and_identifiers_are_merged_entry_by_entry() -> None:
    result = overlay(THEIRS, infusion_order(ORDER))
    assert [e["url"] for e in result["extension"]] == ["urn:theirs", STATUS_REASON]
    assert "valueCodeableConcept" in result["extension"][1]
    assert [i["value"] for i in result["identifier"]] == ["1", "no system", "order1"]


def test_laying_the_same_over_twice_changes_nothing_more() -> None:
    managed = infusion_order(ORDER)
    once = overlay(THEIRS, managed)
    assert overlay(once, managed) == once


def test_another_type_of_the_same_choice_and_old_primitive_extensions_go() -> None:
    result = overlay(THEIRS, infusion_order(ORDER))
    assert "occurrenceDateTime" not in result
    assert "occurrenceTiming" in result
    assert "_status" not in result


def test_an_order_that_opens_loses_the_reason_for_waiting_and_nothing_else() -> None:
    held = overlay(THEIRS, infusion_order(ORDER))
    opened = overlay(held, order_changes(RequestStatus.ACTIVE))
    assert opened["status"] == "active"
    assert opened["extension"] == [THEIRS["extension"][0]]
    assert "extension" not in overlay({"status": "on-hold"}, order_changes(RequestStatus.ACTIVE))
    again = overlay(opened, order_changes(RequestStatus.ON_HOLD, (Requirement.RECOMMENDATION,)))
    reason = again["extension"][1]["valueCodeableConcept"]
    assert [c["code"] for c in reason["coding"]] == ["recommendation"]
    assert reason["text"] == "Waits for: recommendation"


def test_an_element_whose_name_only_begins_like_a_choice_is_left_alone() -> None:
    assert overlay({"valueSet": "a", "performer": [1]}, {"performedDateTime": "2026"}) == {
        "valueSet": "a",
        "performer": [1],
        "performedDateTime": "2026",
    }


def test_the_one_identifier_of_a_questionnaire_response_is_replaced_as_a_whole() -> None:
    theirs = {"resourceType": "QuestionnaireResponse", "identifier": {"system": "urn:theirs", "value": "1"}}
    ours = {"identifier": {"system": "urn:ours", "value": "2"}}
    assert overlay(theirs, ours)["identifier"] == ours["identifier"]
