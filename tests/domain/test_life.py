"""What contradicts a recommendation, what amounts to a gap in treatment, and which answer stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from referral.domain.codes import ClinicianKind, Decision, Strength
from referral.domain.life import Cause, Remark, Standing, find_conflicts, is_gap, newest_living
from referral.domain.outgoing import MessageKind, makes_sense

NOW = datetime(2026, 11, 3, 17, 0, tzinfo=UTC)
DAY = timedelta(days=1)
GOOD = Standing(
    id="good",
    patient_id="p",
    order_id="o",
    referral_id="r",
    clinician_id="okafor",
    clinician_kind=ClinicianKind.PSYCHIATRIST,
    decision=Decision.RECOMMENDED,
    covers=frozenset({"F33.2"}),
    red_flags=(),
    strength=Strength.TWO_CHANNEL,
    answered_at=NOW - 10 * DAY,
    valid_until=NOW + 170 * DAY,
    response_id="q",
    document_id="d",
    renews=None,
    review=None,
    confirmation=None,
    void=None,
)
AGAINST = replace(
    GOOD,
    id="against",
    referral_id="r2",
    clinician_id="lee",
    decision=Decision.NOT_RECOMMENDED,
    answered_at=NOW - 5 * DAY,
)
VOID = Remark("desk", NOW, "because", cause=Cause.REVOKED)


def pairs(*answers: Standing, kept: tuple[tuple[str, str], ...] = ()) -> list[tuple[str, str]]:
    return [(c.recommendation.id, c.refusal.id) for c in find_conflicts(answers, kept, NOW)]


def test_a_recommendation_and_the_refusal_of_somebody_else_are_a_conflict_in_either_order() -> None:
    assert pairs(GOOD, AGAINST) == [("good", "against")]
    earlier = replace(AGAINST, answered_at=NOW - 20 * DAY)
    assert pairs(earlier, GOOD) == [("good", "against")]
    (conflict,) = find_conflicts((GOOD, AGAINST), (), NOW)
    assert conflict.since == AGAINST.answered_at


@pytest.mark.parametrize(
    ("good", "against"),
    [
        ({"void": VOID}, {}),
        ({}, {"void": VOID}),
        ({"valid_until": NOW}, {}),
        ({"review": Remark("director", NOW, "no", accepted=False)}, {}),
        ({}, {"order_id": "another"}),
        ({}, {"clinician_id": "okafor"}),
        ({"decision": Decision.NOT_RECOMMENDED}, {}),
    ],
)
def test_what_does_not_count_contradicts_nothing(good: dict[str, object], against: dict[str, object]) -> None:
    assert pairs(replace(GOOD, **good), replace(AGAINST, **against)) == []  # type: ignore[arg-type]


def test_who_has_changed_their_mind_since_contradicts_nobody() -> None:
    since = replace(AGAINST, id="since", decision=Decision.RECOMMENDED, answered_at=NOW - DAY)
    assert pairs(GOOD, AGAINST, since) == []


def test_a_decision_holds_for_that_refusal_and_for_renewals_of_the_answer() -> None:
    renewed = replace(GOOD, id="renewed", renews="good", answered_at=NOW - DAY)
    again = replace(AGAINST, id="again", answered_at=NOW - DAY)
    assert pairs(GOOD, AGAINST, renewed) == [("renewed", "against")]
    assert pairs(GOOD, AGAINST, renewed, kept=(("good", "against"),)) == []
    assert pairs(GOOD, AGAINST, again, kept=(("good", "against"),)) == [("good", "again")]


@pytest.mark.parametrize(
    ("last_start", "answered", "gap"),
    [
        (None, 100, False),
        (89, 100, False),
        (90, 100, False),
        (91, 100, True),
        (200, 91, True),
        # Given during the rest: the clinician knew of it.
        (200, 90, False),
        (200, 10, False),
    ],
)
def test_a_gap_is_counted_from_the_last_infusion_or_the_answer_whichever_is_later(
    last_start: int | None, answered: int, *, gap: bool
) -> None:
    answer = replace(GOOD, answered_at=NOW - answered * DAY)
    started = None if last_start is None else NOW - last_start * DAY
    assert is_gap(answer, started, 90 * DAY, NOW) is gap


def test_what_does_not_count_has_no_gap() -> None:
    old = replace(GOOD, answered_at=NOW - 100 * DAY)
    refusal = replace(old, decision=Decision.NOT_RECOMMENDED)
    for ended in (replace(old, void=VOID), replace(old, valid_until=NOW), refusal):
        assert not is_gap(ended, NOW - 91 * DAY, 90 * DAY, NOW)


def test_the_newest_answer_that_is_not_void_stands() -> None:
    renewed = replace(GOOD, id="renewed", answered_at=NOW)
    assert newest_living(()) is None
    assert newest_living((renewed, GOOD)) is renewed
    assert newest_living((replace(renewed, void=VOID), GOOD)) is GOOD
    assert newest_living((replace(GOOD, void=VOID),)) is None


@pytest.mark.parametrize("kind", list(MessageKind))
def test_what_may_still_go_out(kind: MessageKind) -> None:
    asking = {
        MessageKind.REQUEST,
        MessageKind.REMINDER,
        MessageKind.IDENTITY_CODE,
        MessageKind.FRESH_LINK,
        MessageKind.PATIENT_STATUS,
        MessageKind.CONVERSATION,
    }
    after = {
        MessageKind.RENEWAL,
        MessageKind.IDENTITY_CODE,
        MessageKind.FRESH_LINK,
        MessageKind.CONVERSATION,
    }
    news = set(MessageKind) - asking - after
    assert makes_sense(kind, is_open=True, stands=False) is (kind in asking | news)
    assert makes_sense(kind, is_open=False, stands=True) is (kind in after | news)
    assert makes_sense(kind, is_open=False, stands=False) is (kind in news)
