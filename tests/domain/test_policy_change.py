"""What a new policy would change, in words and for one order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.domain.codes import ClinicianKind, Decision, Strength
from referral.domain.gate import GateFacts, Recommendation, decide
from referral.domain.policy import (
    ICD_10_CM,
    SNOMED_CT,
    Indication,
    IndicationClass,
    IndicationRule,
    Policy,
)
from referral.domain.policy_change import Effect, Move, Stopped, changes, effect_on
from tests.domain.test_policy_draft import POLICIES

NOW = datetime(2026, 11, 3, 17, 0, tzinfo=UTC)
POLICY = Policy()
DEPRESSION = Indication(ICD_10_CM, "F33.2", "depression")
PAIN = Indication(ICD_10_CM, "G89.4", "chronic pain")
GIVEN = Recommendation(
    id="r1",
    decision=Decision.RECOMMENDED,
    clinician_kind=ClinicianKind.PSYCHOLOGIST,
    strength=Strength.TWO_CHANNEL,
    answered_at=NOW - timedelta(days=1),
    valid_until=NOW + timedelta(days=179),
    covers=frozenset({"F33.2"}),
)
OPEN = GateFacts(indications=(DEPRESSION,), consulted="e1", recommendations=(GIVEN,))


def without(*prefixes: str) -> Policy:
    return replace(POLICY, rules=tuple(rule for rule in POLICY.rules if rule.prefix not in prefixes))


def moved(prefix: str, to: IndicationClass) -> Policy:
    rule = IndicationRule(ICD_10_CM, prefix, to)
    return replace(POLICY, rules=(*without(prefix).rules, rule))


def only(*kinds: ClinicianKind) -> Policy:
    return replace(POLICY, eligible=frozenset(kinds))


def conditional(**changes: object) -> GateFacts:
    answer = replace(GIVEN, decision=Decision.RECOMMENDED_WITH_CONDITIONS, **changes)  # type: ignore[arg-type]
    return replace(OPEN, recommendations=(answer,))


LENIENT = replace(POLICY, red_flags_need_director=False, conditions_need_director=False)


@pytest.mark.parametrize(
    ("facts", "before", "after", "why"),
    [
        (
            OPEN,
            POLICY,
            only(ClinicianKind.PSYCHIATRIST),
            "A psychologist would not be accepted any more.",
        ),
        (
            OPEN,
            POLICY,
            replace(POLICY, counts_at_once=frozenset()),
            "It would wait for a confirming call to the clinician.",
        ),
        (OPEN, POLICY, without("F33"), "Depression (F33.2) would not be classified any more."),
        (
            replace(OPEN, indications=(DEPRESSION, PAIN)),
            POLICY,
            moved("G89.4", IndicationClass.MENTAL_HEALTH),
            "It says nothing about chronic pain (G89.4), which would need one.",
        ),
        (conditional(), LENIENT, POLICY, "It has conditions and would wait for the medical director."),
        (
            replace(OPEN, recommendations=(replace(GIVEN, has_red_flags=True),)),
            LENIENT,
            POLICY,
            "It names a red flag and would wait for the medical director.",
        ),
        (
            replace(OPEN, recommendations=(replace(GIVEN, has_red_flags=True, confirmed_by_phone=True),)),
            LENIENT,
            replace(POLICY, counts_at_once=frozenset()),
            "It names a red flag and would wait for the medical director.",
        ),
    ],
)
def test_an_order_that_closes_is_told_with_the_answer_that_stops_counting(
    facts: GateFacts, before: Policy, after: Policy, why: str
) -> None:
    effect = effect_on(facts, before, after, NOW)
    assert (effect.move, effect.stopped) == (Move.CLOSES, (Stopped("r1", why),))
    assert effect.reasons == decide(facts, after, NOW).reasons
    assert effect_on(facts, after, before, NOW) == Effect(Move.OPENS)


def test_an_answer_can_stop_counting_where_the_order_stays_as_it_is() -> None:
    second = replace(GIVEN, id="r2", clinician_kind=ClinicianKind.PSYCHIATRIST)
    after = only(ClinicianKind.PSYCHIATRIST)
    two = replace(OPEN, recommendations=(GIVEN, second))
    assert effect_on(two, POLICY, after, NOW) == Effect(
        Move.STAYS, (), (Stopped("r1", "A psychologist would not be accepted any more."),)
    )
    early = replace(OPEN, consulted=None)
    assert [s.recommendation_id for s in effect_on(early, POLICY, after, NOW).stopped] == ["r1"]
    assert effect_on(early, POLICY, after, NOW).move is Move.STAYS


def test_an_answer_that_is_not_needed_any_more_has_not_stopped_counting() -> None:
    facts = replace(OPEN, recommendations=(GIVEN,))
    assert effect_on(facts, POLICY, moved("F33", IndicationClass.PAIN), NOW) == Effect(Move.STAYS)


@pytest.mark.parametrize(
    "lost", [{"voided": True}, {"valid_until": NOW}, {"review": False}, {"covers": frozenset()}]
)
def test_an_answer_that_does_not_count_now_cannot_stop(lost: dict[str, object]) -> None:
    facts = replace(OPEN, recommendations=(replace(GIVEN, **lost),))  # type: ignore[arg-type]
    assert effect_on(facts, POLICY, only(ClinicianKind.PSYCHIATRIST), NOW) == Effect(Move.STAYS)


def test_a_call_that_was_made_outlasts_a_stricter_proof_of_identity() -> None:
    called = replace(OPEN, recommendations=(replace(GIVEN, confirmed_by_phone=True),))
    assert effect_on(called, POLICY, replace(POLICY, counts_at_once=frozenset()), NOW) == Effect(Move.STAYS)


def test_a_shorter_validity_leaves_what_was_given() -> None:
    after = replace(POLICY, validity=timedelta(days=1))
    assert effect_on(OPEN, POLICY, after, NOW) == Effect(Move.STAYS)


FACTS = st.builds(
    GateFacts,
    indications=st.lists(
        st.sampled_from([DEPRESSION, PAIN, Indication(SNOMED_CT, "370143000", "MDD")]),
        max_size=2,
        unique=True,
    ).map(tuple),
    consulted=st.sampled_from([None, "e1"]),
    recommendations=st.lists(
        st.builds(
            replace,
            st.just(GIVEN),
            id=st.uuids().map(str),
            decision=st.sampled_from([Decision.RECOMMENDED, Decision.RECOMMENDED_WITH_CONDITIONS]),
            clinician_kind=st.sampled_from(ClinicianKind),
            strength=st.sampled_from(Strength),
            has_red_flags=st.booleans(),
            covers=st.frozensets(st.sampled_from(["F33.2", "G89.4", "370143000"])),
            confirmed_by_phone=st.booleans(),
            review=st.sampled_from([None, True, False]),
        ),
        max_size=3,
    ).map(tuple),
)


@given(facts=FACTS, before=POLICIES, after=POLICIES)
def test_the_preview_says_what_the_rule_says(facts: GateFacts, before: Policy, after: Policy) -> None:
    effect = effect_on(facts, before, after, NOW)
    was, will = decide(facts, before, NOW), decide(facts, after, NOW)
    assert (effect.move is Move.CLOSES) == (was.open and not will.open)
    assert (effect.move is Move.OPENS) == (will.open and not was.open)
    # What closes an order that rested on answers is that each of them stops, and nothing else.
    basis = {state.by for state in was.requirements if state.satisfied} & {
        r.id for r in facts.recommendations
    }
    if effect.move is Move.CLOSES and basis:
        assert basis <= {stop.recommendation_id for stop in effect.stopped}
    assert effect_on(facts, before, before, NOW) == Effect(Move.STAYS)


def test_every_difference_is_said_in_a_sentence() -> None:
    after = Policy(
        rules=(
            *without("F31", "G89.4", "82423001").rules,
            IndicationRule(ICD_10_CM, "G89.4", IndicationClass.MENTAL_HEALTH),
            IndicationRule(ICD_10_CM, "F45", IndicationClass.MENTAL_HEALTH),
            IndicationRule(ICD_10_CM, "F20", IndicationClass.MENTAL_HEALTH),
            IndicationRule("urn:x", "P", IndicationClass.PAIN),
        ),
        eligible=frozenset({ClinicianKind.PSYCHIATRIST, ClinicianKind.NURSE_PRACTITIONER}),
        validity=timedelta(days=1),
        longest_gap=timedelta(days=30),
        counts_at_once=frozenset({Strength.TWO_CHANNEL, Strength.RECORDED_BY_STAFF}),
        allow_single_channel=False,
        red_flags_need_director=False,
        conditions_need_director=False,
        allow_override=True,
    )
    only_after = "the answer counts only after a confirming call"
    assert changes(POLICY, after) == (
        "Added to mental health (ICD-10-CM): F20, F45.",
        "Taken out of mental health (ICD-10-CM): F31.",
        "Moved from chronic pain to mental health (ICD-10-CM): G89.4.",
        "Taken out of chronic pain (SNOMED CT): 82423001.",
        "Added to chronic pain (urn:x): P.",
        "A psychologist may not recommend any more.",
        "A family/primary care physician may not recommend any more.",
        "A nurse practitioner may recommend.",
        "New recommendations count for 1 day, not 180.",
        "A pause in treatment of more than 30 days, not 90, asks for a new one.",
        "Identity by staff, from a returned fax or a call: the answer counts at once.",
        f"Identity by a letter to a verified contact and the date of birth: {only_after}.",
        "Clinicians with a single mailbox cannot answer there any more.",
        "Answers with red flags count without the medical director.",
        "Answers with conditions count without the medical director.",
        "Emergency access by two people is on.",
    )
    assert "Emergency access by two people is off." in changes(after, POLICY)


@given(before=POLICIES, after=POLICIES)
def test_there_are_words_exactly_where_something_differs(before: Policy, after: Policy) -> None:
    differs = set(before.rules) != set(after.rules) or replace(before, rules=()) != replace(after, rules=())
    assert bool(changes(before, after)) == differs
