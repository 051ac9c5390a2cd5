"""What the rule says in words, and which of several answers it speaks of."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations

import pytest

from referral.domain.codes import ClinicianKind, Decision, Requirement, Verdict
from referral.domain.gate import (
    GateDecision,
    GateFacts,
    RequirementState,
    decide,
    requirement_sentence,
    who_may_recommend,
)
from referral.domain.policy import ICD_10_CM, Indication, Policy
from tests.domain.test_gate import DEPRESSION, GOOD, NOW, OPEN, PAIN, POLICY

PTSD = Indication(ICD_10_CM, "F43.10", "PTSD")
UNKNOWN = Indication(ICD_10_CM, "Z99.9", "something")
OTHER = Indication(ICD_10_CM, "Z98.8", "something else")
WHO = "psychiatrist, psychologist or family/primary care physician"
NEEDED = f"Depression (F33.2) needs a recommendation from a {WHO}"
UNCLEAR = "Not classified: treatment stays blocked until the medical director classifies this indication."
PAINS = (
    "No recommendation needed, because chronic pain (G89.4), other pain (G89.29) is treated as chronic pain. "
    "The initial consultation comes first."
)
RESTORED = (
    "The service was restored from a backup; treatment stays closed until two people have reopened it "
    "(page /restore)."
)
# One answer for each verdict, the best first.
ANSWERS = {
    Verdict.SATISFIED: GOOD,
    Verdict.SATISFIED_WITH_CONDITIONS: replace(
        GOOD, id="r2", decision=Decision.RECOMMENDED_WITH_CONDITIONS, review=True
    ),
    Verdict.ANSWERED_NEEDS_REVIEW: replace(GOOD, id="r3", has_red_flags=True),
    Verdict.DECLINED: replace(GOOD, id="r4", decision=Decision.NOT_RECOMMENDED),
    Verdict.EXPIRED: replace(GOOD, id="r5", valid_until=NOW),
    Verdict.VOIDED: replace(GOOD, id="r6", voided=True),
}


@pytest.mark.parametrize(("better", "worse"), list(combinations(ANSWERS, 2)))
def test_the_better_of_two_answers_counts_whichever_came_first(better: Verdict, worse: Verdict) -> None:
    for pair in permutations((ANSWERS[better], ANSWERS[worse])):
        decision = decide(replace(OPEN, recommendations=pair), POLICY, NOW)
        assert decision.verdict is better
        good = better in (Verdict.SATISFIED, Verdict.SATISFIED_WITH_CONDITIONS)
        by, until = (ANSWERS[better].id, GOOD.valid_until) if good else (None, None)
        assert decision.requirements[1] == RequirementState(Requirement.RECOMMENDATION, good, by, until)


@pytest.mark.parametrize("verdict", ANSWERS)
def test_while_somebody_is_asked_an_answer_that_is_worth_nothing_is_not_the_last_word(
    verdict: Verdict,
) -> None:
    facts = replace(OPEN, recommendations=(ANSWERS[verdict],), open_requests=1)
    stands = verdict in (Verdict.SATISFIED, Verdict.SATISFIED_WITH_CONDITIONS, Verdict.ANSWERED_NEEDS_REVIEW)
    assert decide(facts, POLICY, NOW).verdict is (verdict if stands else Verdict.REQUESTED)


@pytest.mark.parametrize(
    "answer",
    [
        replace(GOOD, decision=Decision.NOT_RECOMMENDED, voided=True),
        replace(GOOD, decision=Decision.NEEDS_INFORMATION),
        replace(GOOD, decision=Decision.NOT_MY_PATIENT),
        replace(GOOD, decision=Decision.NOT_MY_PATIENT, voided=True),
    ],
)
def test_an_answer_that_gives_no_opinion_is_as_good_as_none(answer: object) -> None:
    facts = replace(OPEN, recommendations=(answer,))  # type: ignore[arg-type]
    assert decide(facts, POLICY, NOW).verdict is Verdict.NOT_REQUESTED


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict.ANSWERED_NEEDS_REVIEW, "the answer waits for review by the clinic"),
        (Verdict.DECLINED, "the answer received does not recommend it or was not accepted"),
        (Verdict.EXPIRED, "the recommendation has expired"),
        (Verdict.VOIDED, "the recommendation no longer counts"),
    ],
)
def test_the_reason_says_what_became_of_the_answer(verdict: Verdict, words: str) -> None:
    decision = decide(replace(OPEN, recommendations=(ANSWERS[verdict],)), POLICY, NOW)
    assert decision.reasons == (f"{NEEDED}; {words}.",)
    assert decision.remark == ""


def test_the_reason_says_whether_somebody_is_asked() -> None:
    nobody = replace(OPEN, recommendations=())
    assert decide(nobody, POLICY, NOW).reasons == (f"{NEEDED}; nobody is being asked.",)
    asked = replace(nobody, open_requests=1)
    assert decide(asked, POLICY, NOW).reasons == (f"{NEEDED}; the request is not answered yet.",)


def test_several_indications_need_in_the_plural() -> None:
    facts = replace(OPEN, indications=(DEPRESSION, PTSD), recommendations=())
    (reason,) = decide(facts, POLICY, NOW).reasons
    assert reason.startswith("Depression (F33.2), PTSD (F43.10) need a recommendation from a psychiatrist,")


@pytest.mark.parametrize(
    ("indications", "names"),
    [
        ((UNKNOWN,), "something (Z99.9)"),
        ((UNKNOWN, DEPRESSION, OTHER), "something (Z99.9), something else (Z98.8)"),
        ((), "no indication given"),
    ],
)
def test_what_is_not_classified_is_named(indications: tuple[Indication, ...], names: str) -> None:
    decision = decide(replace(OPEN, indications=indications), POLICY, NOW)
    assert decision.reasons == (f"Indication not classified: {names}. The medical director can classify it.",)
    assert decision.requirements == (
        RequirementState(Requirement.INITIAL_CONSULTATION, True, "e1"),
        RequirementState(Requirement.RECOMMENDATION, False),
    )


def test_an_order_that_ended_and_a_restore_are_said() -> None:
    assert decide(replace(OPEN, order_usable=False), POLICY, NOW).reasons == (
        "The infusion order is not in use (revoked, completed or entered in error).",
    )
    assert decide(replace(OPEN, restoring=True), POLICY, NOW).reasons == (RESTORED,)


def test_everything_that_is_missing_is_said_at_once() -> None:
    nothing = GateFacts(indications=(DEPRESSION,), consulted=None, order_usable=False, restoring=True)
    assert len(decide(nothing, POLICY, NOW).reasons) == 4


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ({ClinicianKind.PSYCHOLOGIST}, "psychologist"),
        ({ClinicianKind.PSYCHOLOGIST, ClinicianKind.PSYCHIATRIST}, "psychiatrist or psychologist"),
        (POLICY.eligible, WHO),
    ],
)
def test_who_may_recommend_reads_as_a_phrase(kinds: set[ClinicianKind], words: str) -> None:
    assert who_may_recommend(Policy(eligible=frozenset(kinds))) == words


@pytest.mark.parametrize(
    ("indications", "words"),
    [
        (
            (DEPRESSION, PAIN),
            f"Recommendation needed, because {NEEDED}. The initial consultation comes first.",
        ),
        ((PAIN, replace(PAIN, code="G89.29", display="other pain")), PAINS),
        ((), UNCLEAR),
        ((UNKNOWN,), UNCLEAR),
        ((DEPRESSION, UNKNOWN), UNCLEAR),
    ],
)
def test_what_an_indication_needs_is_said_when_it_is_picked(
    indications: tuple[Indication, ...], words: str
) -> None:
    assert requirement_sentence(indications, POLICY) == words


def test_a_decision_says_no_more_than_it_was_given() -> None:
    bare = GateDecision(open=False, verdict=Verdict.DECLINED, as_of=NOW, reasons=("No.",))
    assert (bare.requirements, bare.override, bare.remark, bare.settled) == ((), None, "", False)
