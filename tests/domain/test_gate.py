"""The rule, case by case."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from referral.domain.codes import ClinicianKind, Decision, Requirement, Strength, Verdict
from referral.domain.gate import (
    RESTORING,
    GateFacts,
    Override,
    Recommendation,
    RequirementState,
    decide,
    usable_override,
)
from referral.domain.policy import ICD_10_CM, Indication, Policy

NOW = datetime(2026, 11, 3, 17, 0, tzinfo=UTC)
POLICY = Policy()
DEPRESSION = Indication(ICD_10_CM, "F33.2", "depression")
PAIN = Indication(ICD_10_CM, "G89.4", "chronic pain")
GOOD = Recommendation(
    id="r1",
    decision=Decision.RECOMMENDED,
    clinician_kind=ClinicianKind.PSYCHIATRIST,
    strength=Strength.TWO_CHANNEL,
    answered_at=NOW - timedelta(days=1),
    valid_until=NOW + timedelta(days=179),
    covers=frozenset({"F33.2"}),
)
OPEN = GateFacts(indications=(DEPRESSION,), consulted="e1", recommendations=(GOOD,))


def test_a_consultation_and_a_valid_recommendation_open_the_gate() -> None:
    decision = decide(OPEN, POLICY, NOW)
    assert decision.open
    assert decision.verdict is Verdict.SATISFIED
    assert decision.reasons == ()
    assert [(s.requirement, s.satisfied, s.by) for s in decision.requirements] == [
        (Requirement.INITIAL_CONSULTATION, True, "e1"),
        (Requirement.RECOMMENDATION, True, "r1"),
    ]


def test_chronic_pain_alone_opens_after_the_consultation() -> None:
    facts = GateFacts(indications=(PAIN,), consulted="e1")
    decision = decide(facts, POLICY, NOW)
    assert decision.open
    assert decision.verdict is Verdict.NOT_REQUIRED


def test_nobody_is_treated_without_the_consultation() -> None:
    for facts in (replace(OPEN, consulted=None), GateFacts(indications=(PAIN,), consulted=None)):
        decision = decide(facts, POLICY, NOW)
        assert not decision.open
        assert decision.reasons == ("The initial consultation has not been recorded.",)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"voided": True}, Verdict.VOIDED),
        ({"valid_until": NOW}, Verdict.EXPIRED),
        ({"covers": frozenset({"F41.1"})}, Verdict.VOIDED),
        ({"clinician_kind": ClinicianKind.NURSE_PRACTITIONER}, Verdict.DECLINED),
        ({"decision": Decision.NOT_RECOMMENDED}, Verdict.DECLINED),
        ({"has_red_flags": True}, Verdict.ANSWERED_NEEDS_REVIEW),
        ({"has_red_flags": True, "review": False}, Verdict.DECLINED),
        ({"decision": Decision.RECOMMENDED_WITH_CONDITIONS}, Verdict.ANSWERED_NEEDS_REVIEW),
        ({"strength": Strength.SINGLE_CHANNEL}, Verdict.ANSWERED_NEEDS_REVIEW),
        ({"strength": Strength.SINGLE_CHANNEL, "review": True}, Verdict.ANSWERED_NEEDS_REVIEW),
        ({"strength": Strength.RECORDED_BY_STAFF}, Verdict.ANSWERED_NEEDS_REVIEW),
        ({"has_red_flags": True, "confirmed_by_phone": True}, Verdict.ANSWERED_NEEDS_REVIEW),
    ],
)
def test_an_answer_that_does_not_count_keeps_the_gate_closed(
    change: dict[str, object], verdict: Verdict
) -> None:
    decision = decide(replace(OPEN, recommendations=(replace(GOOD, **change),)), POLICY, NOW)  # type: ignore[arg-type]
    assert not decision.open
    assert decision.verdict is verdict
    assert len(decision.reasons) == 1
    assert "needs a recommendation from a psychiatrist" in decision.reasons[0]


@pytest.mark.parametrize(
    "change",
    [
        {"has_red_flags": True, "review": True},
        {"decision": Decision.RECOMMENDED_WITH_CONDITIONS, "review": True},
        {"strength": Strength.SINGLE_CHANNEL, "confirmed_by_phone": True},
        {"strength": Strength.PAPER_TO_VERIFIED_CONTACT},
    ],
)
def test_what_people_of_the_clinic_have_settled_counts(change: dict[str, object]) -> None:
    assert decide(replace(OPEN, recommendations=(replace(GOOD, **change),)), POLICY, NOW).open  # type: ignore[arg-type]


def test_any_one_good_answer_is_enough_beside_bad_ones() -> None:
    bad = replace(GOOD, id="r2", decision=Decision.NOT_RECOMMENDED)
    void = replace(GOOD, id="r3", voided=True)
    decision = decide(replace(OPEN, recommendations=(bad, void, GOOD)), POLICY, NOW)
    assert decision.open
    assert decision.requirements[1].by == "r1"


def test_a_recommendation_for_one_indication_does_not_cover_another() -> None:
    both = replace(OPEN, indications=(DEPRESSION, Indication(ICD_10_CM, "F43.10", "PTSD")))
    assert decide(both, POLICY, NOW).verdict is Verdict.VOIDED
    with_pain = replace(OPEN, indications=(DEPRESSION, PAIN))
    assert decide(with_pain, POLICY, NOW).open


@pytest.mark.parametrize("indications", [(), (Indication(ICD_10_CM, "Z99.9", "unknown"),)])
def test_an_unknown_or_missing_indication_is_closed(indications: tuple[Indication, ...]) -> None:
    decision = decide(replace(OPEN, indications=indications), POLICY, NOW)
    assert not decision.open
    assert decision.verdict is Verdict.UNCLASSIFIED


def test_an_unknown_code_beside_a_good_one_closes() -> None:
    mixed = replace(OPEN, indications=(DEPRESSION, Indication(ICD_10_CM, "Z99.9", "unknown")))
    assert not decide(mixed, POLICY, NOW).open


def test_an_order_that_is_not_in_use_is_closed() -> None:
    assert not decide(replace(OPEN, order_usable=False), POLICY, NOW).open


def test_waiting_and_not_asked_are_told_apart() -> None:
    nobody = replace(OPEN, recommendations=())
    assert decide(nobody, POLICY, NOW).verdict is Verdict.NOT_REQUESTED
    assert decide(replace(nobody, open_requests=1), POLICY, NOW).verdict is Verdict.REQUESTED
    refused = replace(
        OPEN, recommendations=(replace(GOOD, decision=Decision.NOT_RECOMMENDED),), open_requests=1
    )
    assert decide(refused, POLICY, NOW).verdict is Verdict.REQUESTED


def test_a_policy_may_leave_flags_and_conditions_to_the_prescriber() -> None:
    lenient = Policy(red_flags_need_director=False, conditions_need_director=False)
    conditional = replace(GOOD, decision=Decision.RECOMMENDED_WITH_CONDITIONS, has_red_flags=True)
    decision = decide(replace(OPEN, recommendations=(conditional,)), lenient, NOW)
    assert decision.open
    assert decision.verdict is Verdict.SATISFIED_WITH_CONDITIONS


# ---- Emergency access

ALLOWING = Policy(allow_override=True)
MISSING = replace(OPEN, recommendations=())
USABLE = Override(id="o1", expires_at=NOW + timedelta(minutes=60))


def test_emergency_access_opens_for_one_start_and_says_what_is_still_missing() -> None:
    decision = decide(replace(MISSING, overrides=(USABLE,)), ALLOWING, NOW)
    assert decision.open
    assert decision.verdict is Verdict.OVERRIDDEN
    assert decision.override == USABLE
    assert decision.reasons == ()
    assert decision.remark == (
        "Emergency access: one infusion may start without the recommendation. Depression (F33.2) needs a "
        "recommendation from a psychiatrist, psychologist or family/primary care physician; nobody is being "
        "asked."
    )
    assert decision.requirements[1] == RequirementState(Requirement.RECOMMENDATION, False)
    assert not decision.settled


def test_the_hour_ends_at_its_end() -> None:
    last = replace(USABLE, expires_at=NOW + timedelta(microseconds=1))
    assert decide(replace(MISSING, overrides=(last,)), ALLOWING, NOW).open
    over = decide(replace(MISSING, overrides=(replace(USABLE, expires_at=NOW),)), ALLOWING, NOW)
    assert not over.open
    assert over.verdict is Verdict.NOT_REQUESTED
    assert over.override is None
    assert over.remark == ""
    assert len(over.reasons) == 1


@pytest.mark.parametrize(
    ("overrides", "policy"),
    [
        ((), ALLOWING),
        ((replace(USABLE, used=True),), ALLOWING),
        ((replace(USABLE, expires_at=NOW - timedelta(minutes=1)),), ALLOWING),
        ((replace(USABLE, used=True), replace(USABLE, id="o2", expires_at=NOW)), ALLOWING),
        ((USABLE,), Policy()),
    ],
)
def test_what_is_used_or_past_or_not_allowed_opens_nothing(
    overrides: tuple[Override, ...], policy: Policy
) -> None:
    decision = decide(replace(MISSING, overrides=overrides), policy, NOW)
    assert (decision.open, decision.verdict, decision.override) == (False, Verdict.NOT_REQUESTED, None)


def test_a_usable_one_beside_a_used_one_counts_and_the_one_that_ends_first_goes_first() -> None:
    used, later = replace(USABLE, id="o0", used=True), replace(USABLE, id="a", expires_at=NOW + timedelta(2))
    facts = replace(MISSING, overrides=(later, used, replace(USABLE, id="o2"), USABLE))
    assert usable_override(facts, ALLOWING, NOW) == USABLE


@pytest.mark.parametrize(
    "change",
    [
        {"consulted": None},
        {"order_usable": False},
        {"indications": ()},
        {"indications": (DEPRESSION, Indication(ICD_10_CM, "Z99.9", "unknown"))},
        {"restoring": True},
    ],
)
def test_emergency_access_stands_in_for_the_recommendation_alone(change: dict[str, object]) -> None:
    decision = decide(replace(MISSING, overrides=(USABLE,), **change), ALLOWING, NOW)  # type: ignore[arg-type]
    assert not decision.open
    assert not decision.settled
    assert len(decision.reasons) == 1
    assert "recommendation" not in decision.reasons[0]


@pytest.mark.parametrize(
    "answer",
    [
        replace(GOOD, voided=True),
        replace(GOOD, valid_until=NOW),
        replace(GOOD, decision=Decision.NOT_RECOMMENDED),
        replace(GOOD, has_red_flags=True),
    ],
)
def test_emergency_access_counts_beside_answers_that_do_not(answer: Recommendation) -> None:
    decision = decide(replace(OPEN, recommendations=(answer,), overrides=(USABLE,)), ALLOWING, NOW)
    assert (decision.open, decision.verdict) == (True, Verdict.OVERRIDDEN)


def test_a_good_recommendation_leaves_emergency_access_unused() -> None:
    decision = decide(replace(OPEN, overrides=(USABLE,)), ALLOWING, NOW)
    assert (decision.verdict, decision.override, decision.remark) == (Verdict.SATISFIED, None, "")
    assert decision.settled


def test_chronic_pain_needs_no_emergency_access() -> None:
    facts = GateFacts(indications=(PAIN,), consulted="e1", overrides=(USABLE,))
    decision = decide(facts, ALLOWING, NOW)
    assert (decision.verdict, decision.override) == (Verdict.NOT_REQUIRED, None)


def test_after_a_restore_everything_is_closed() -> None:
    decision = decide(replace(OPEN, restoring=True), POLICY, NOW)
    assert not decision.open
    assert decision.reasons == (RESTORING,)
