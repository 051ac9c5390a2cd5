"""The coordination Task, the questionnaire Task, and the code systems that they speak in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from referral.domain.codes import BusinessStatus, Decision, Requirement, TaskStatus
from referral.fhir import task
from referral.fhir.elements import instant
from referral.fhir.overlay import overlay
from referral.fhir.systems import DEFAULT, LOCAL_CODES, SDC_TEMPORARY, code_system
from tests.fhir.mapping_samples import CLINICIAN, LATER, NOW, assert_valid, referral


@pytest.mark.parametrize("status", list(TaskStatus))
@pytest.mark.parametrize("business_status", [None, *BusinessStatus])
def test_both_tasks_are_valid_in_every_state(
    status: TaskStatus, business_status: BusinessStatus | None
) -> None:
    closed = None if status in (TaskStatus.REQUESTED, TaskStatus.RECEIVED) else LATER
    row = referral(status=status, business_status=business_status, closed_at=closed, identified_at=NOW)
    outputs = ("QuestionnaireResponse/qr1", "Observation/o1", "DocumentReference/d1")
    coordination = task.coordination_task(
        row,
        CLINICIAN,
        modified_at=LATER,
        requester="Organization/clinic",
        reason="Condition/c1",
        outputs=outputs,
    )
    completion = task.questionnaire_task("taskq", row, CLINICIAN, modified_at=LATER, outputs=outputs)
    for written in (coordination, completion):
        assert_valid(written)
        if status in (TaskStatus.REJECTED, TaskStatus.CANCELLED, TaskStatus.FAILED, TaskStatus.ON_HOLD):
            assert written["statusReason"]["text"]
    assert "focus" in coordination
    assert "focus" not in completion
    assert completion["partOf"] == [{"reference": "Task/task1"}]


def test_the_questionnaire_task_names_the_form_of_the_discipline_with_its_version() -> None:
    written = task.questionnaire_task("taskq", referral(), CLINICIAN, modified_at=NOW)
    assert written["input"][0]["type"]["coding"][0] == {
        "system": SDC_TEMPORARY,
        "code": "questionnaire",
        "display": "Questionnaire",
    }
    canonical = written["input"][0]["valueCanonical"]
    assert (
        canonical == "https://referral.example/fhir/Questionnaire/ketamine-recommendation-psychiatrist|1.2.0"
    )


@pytest.mark.parametrize(
    ("changes", "period"),
    [
        ({}, None),
        ({"status": TaskStatus.RECEIVED, "identified_at": NOW}, {"start": instant(NOW)}),
        (
            {"status": TaskStatus.COMPLETED, "identified_at": NOW, "closed_at": LATER},
            {"start": instant(NOW), "end": instant(LATER)},
        ),
        (
            {"status": TaskStatus.COMPLETED, "closed_at": LATER},
            {"start": instant(LATER), "end": instant(LATER)},
        ),
        ({"status": TaskStatus.CANCELLED, "closed_at": LATER}, None),
    ],
)
def test_the_execution_period_runs_from_the_first_to_the_last_action(changes: Any, period: Any) -> None:
    written = task.coordination_changes(referral(**changes), modified_at=LATER)
    assert written["executionPeriod"] == period


def test_a_reason_is_coded_where_it_is_one_of_ours_and_else_kept_in_its_words() -> None:
    coded = task.coordination_changes(
        referral(status=TaskStatus.CANCELLED, status_reason="not-needed"), modified_at=LATER
    )["statusReason"]
    assert coded["coding"][0]["code"] == "not-needed"
    assert coded["text"] == "No longer needed"
    free = task.coordination_changes(
        referral(status=TaskStatus.CANCELLED, status_reason="The patient moved away"), modified_at=LATER
    )["statusReason"]
    assert free == {"text": "The patient moved away"}


def test_a_question_that_was_answered_leaves_no_stale_reason_on_the_task() -> None:
    waiting = referral(status=TaskStatus.IN_PROGRESS, business_status=BusinessStatus.AWAITING_INFORMATION)
    written = task.coordination_task(waiting, CLINICIAN, modified_at=NOW)
    assert written["statusReason"]["coding"][0]["code"] == "patient-first"
    done = referral(status=TaskStatus.COMPLETED, business_status=BusinessStatus.RECOMMENDED, closed_at=LATER)
    changes = task.coordination_changes(done, modified_at=LATER)
    assert changes["statusReason"] is None
    result = overlay(written, {name: value for name, value in changes.items() if value is not None})
    assert result["businessStatus"]["coding"][0]["code"] == "recommended"


def test_a_task_is_never_modified_before_it_was_authored() -> None:
    early = task.coordination_task(referral(), CLINICIAN, modified_at=NOW - timedelta(seconds=1))
    assert early["lastModified"] == early["authoredOn"]
    assert_valid(early)


@pytest.mark.parametrize("name", list(LOCAL_CODES))
def test_each_code_system_of_ours_is_published_as_a_valid_resource(name: str) -> None:
    written = code_system(name)
    assert_valid(written)
    assert written["url"] == DEFAULT.system(name)


@pytest.mark.parametrize("name", ["task-business-status", "decision", "gate-requirement"])
def test_every_code_that_the_rules_use_has_its_wording(name: str) -> None:
    codes = {"task-business-status": BusinessStatus, "decision": Decision, "gate-requirement": Requirement}
    assert set(LOCAL_CODES[name]) == {code.value for code in codes[name]}
