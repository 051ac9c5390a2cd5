"""One request for emergency access: who waits for what, and until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from referral.domain.audit import Actor
from referral.domain.codes import OverrideReason, Role
from referral.domain.override import OverrideCase, enough, tidy
from referral.services.find_overrides import Concern, concern_of

NOW = datetime(2026, 11, 3, 17, 0, tzinfo=UTC)
MINUTE, HOUR, TICK = timedelta(minutes=1), timedelta(hours=1), timedelta(microseconds=1)
ASKED = OverrideCase(
    id="o1",
    patient_id="p1",
    order_id="i1",
    reason_code=OverrideReason.EMERGENCY,
    requested_by="nico",
    requested_at=NOW,
)
GIVEN = replace(
    ASKED, approved=True, decided_by="elena", decided_at=NOW + MINUTE, expires_at=NOW + 61 * MINUTE
)
DECLINED = replace(ASKED, approved=False, decided_by="elena", decided_at=NOW + MINUTE)
USED = replace(GIVEN, start_id="s1", started_at=NOW + 2 * MINUTE)
REVIEWED = replace(USED, justified=False, reviewed_by="elena", reviewed_at=NOW + HOUR)


@pytest.mark.parametrize(("after", "waits"), [(timedelta(0), True), (HOUR - TICK, True), (HOUR, False)])
def test_a_request_waits_an_hour(after: timedelta, waits: bool) -> None:
    assert ASKED.waits(NOW + after) is waits


@pytest.mark.parametrize("case", [GIVEN, DECLINED, USED, REVIEWED])
def test_what_is_decided_does_not_wait(case: OverrideCase) -> None:
    assert not case.waits(NOW)


def test_an_approval_is_in_force_until_its_end_or_its_use() -> None:
    assert GIVEN.in_force(NOW + 61 * MINUTE - TICK)
    assert not GIVEN.in_force(NOW + 61 * MINUTE)
    assert not any(case.in_force(NOW) for case in (ASKED, DECLINED, USED))


def test_a_review_is_due_72_hours_after_the_approval() -> None:
    due = NOW + MINUTE + timedelta(hours=72)
    assert (GIVEN.review_due_at, USED.review_due_at) == (due, due)
    assert ASKED.review_due_at is None
    assert DECLINED.review_due_at is None
    assert not USED.overdue(due - TICK)
    assert USED.overdue(due)
    assert GIVEN.overdue(due)
    assert not any(case.overdue(due) for case in (ASKED, DECLINED, REVIEWED))
    assert [case.to_review for case in (ASKED, DECLINED, GIVEN, USED, REVIEWED)] == [
        False,
        False,
        True,
        True,
        False,
    ]
    assert not replace(USED, justified=True).to_review


def test_the_outcome_is_one_word() -> None:
    cases = (ASKED, DECLINED, GIVEN, USED, REVIEWED)
    assert [case.outcome for case in cases] == ["asked", "declined", "approved", "used", "used"]


def test_thirty_characters_are_counted_without_the_space_around_and_between() -> None:
    assert enough("x" * 30)
    assert not enough("x" * 29)
    assert not enough("x" * 29 + "   ")
    assert not enough("a " * 10 + " " * 30)
    assert tidy("  a \n b\t c ") == "a b c"


def person(name: str, role: Role) -> Actor:
    return Actor("clinic", "staff", name, role)


NICO, OTHER = person("nico", Role.CLINICIAN), person("other", Role.CLINICIAN)
ELENA, DESK = person("elena", Role.MEDICAL_DIRECTOR), person("robin", Role.FRONT_DESK)
DIRECTOR_WHO_ASKED = person("nico", Role.MEDICAL_DIRECTOR)


@pytest.mark.parametrize(
    ("case", "who", "concern"),
    [
        (ASKED, ELENA, Concern.DECIDE),
        (ASKED, NICO, Concern.WAITS),
        (ASKED, DIRECTOR_WHO_ASKED, Concern.WAITS),
        (ASKED, OTHER, None),
        (ASKED, DESK, None),
        (GIVEN, NICO, Concern.IN_FORCE),
        (GIVEN, DIRECTOR_WHO_ASKED, Concern.IN_FORCE),
        (GIVEN, ELENA, Concern.REVIEW),
        (GIVEN, OTHER, None),
        (DECLINED, NICO, Concern.DECLINED),
        (DECLINED, ELENA, None),
        (USED, NICO, None),
        (USED, DIRECTOR_WHO_ASKED, None),
        (USED, ELENA, Concern.REVIEW),
        (USED, DESK, None),
        (REVIEWED, ELENA, None),
    ],
)
def test_each_person_sees_what_is_theirs(case: OverrideCase, who: Actor, concern: Concern | None) -> None:
    assert concern_of(case, who, NOW + 2 * MINUTE) is concern


def test_a_request_that_has_lapsed_concerns_nobody() -> None:
    assert [concern_of(ASKED, who, NOW + HOUR) for who in (NICO, ELENA, DESK)] == [None, None, None]
