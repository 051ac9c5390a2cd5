"""What waits for a person before an answer counts: red flags, conditions, weak proof, two opinions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from referral.domain.audit import Actor
from referral.domain.codes import Decision
from referral.domain.life import Conflict, Standing, find_conflicts
from referral.domain.listing import Page, View
from referral.domain.policy import Policy
from referral.domain.records import Clinician
from referral.services.find_orders import OrderState, States
from referral.services.note_shown import note_shown
from referral.storage import clinics, directory, standings
from referral.storage.db import Session
from referral.storage.lists import answers as listed_answers

_ALL: Final = View()


class Waits(StrEnum):
    """Why somebody has to look."""

    RED_FLAGS = "red-flags"
    CONDITIONS = "conditions"
    ONE_CHANNEL = "one-channel"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToReview:
    """One thing to decide. `refusal` and its `opponent` are there for a conflict only."""

    reasons: tuple[Waits, ...]
    state: OrderState
    answer: Standing
    clinician: Clinician
    since: datetime
    refusal: Standing | None = None
    opponent: Clinician | None = None


def find_reviews(session: Session, actor: Actor, now: datetime, view: View = _ALL) -> Page[ToReview]:
    """Of all orders in use, oldest first unless another order is asked for. The look is recorded.

    A page is of so many orders; each may have several things to decide.
    """
    policy, _ = clinics.policy_in_force(session)
    page = listed_answers.to_look_at(session, view, policy.counts_at_once, now)
    answers = standings.of_orders(session, page.rows)
    conflicts = find_conflicts(answers, standings.kept_pairs(session, page.rows), now)
    states = States(session, now).find(page.rows)
    people = directory.get_clinicians(session, {answer.clinician_id for answer in answers})
    rows = [
        *_answers(answers, states, people, policy, now),
        *_conflicts(conflicts, states, people),
    ]
    newest_first = view.sort == "newest"
    rows.sort(key=lambda row: (row.since, row.answer.id), reverse=newest_first)
    shown = (row.state.order.patient_id for row in rows)
    note_shown(session, actor, view.noted("reviews"), shown, list="reviews")
    whole = not page.before and not page.after
    # The database lets through a little more than waits; where all of it is here, the rows are counted.
    return replace(page.of(rows), count=len(rows) if whole else page.count)


def waits_for(answer: Standing, policy: Policy, now: datetime) -> tuple[Waits, ...]:
    """Why this answer does not count yet, in the order of telling; empty when it does or never will."""
    if not answer.may_count(now):
        return ()
    found = []
    if answer.review is None and policy.red_flags_need_director and answer.red_flags:
        found.append(Waits.RED_FLAGS)
    conditions = answer.decision is Decision.RECOMMENDED_WITH_CONDITIONS
    if answer.review is None and policy.conditions_need_director and conditions:
        found.append(Waits.CONDITIONS)
    if answer.confirmation is None and answer.strength not in policy.counts_at_once:
        found.append(Waits.ONE_CHANNEL)
    return tuple(found)


def _answers(
    answers: list[Standing],
    states: dict[str, OrderState],
    people: dict[str, Clinician],
    policy: Policy,
    now: datetime,
) -> Iterator[ToReview]:
    for answer in answers:
        reasons = waits_for(answer, policy, now)
        if reasons:
            yield ToReview(
                reasons=reasons,
                state=states[answer.order_id],
                answer=answer,
                clinician=people[answer.clinician_id],
                since=answer.answered_at,
            )


def _conflicts(
    conflicts: tuple[Conflict, ...], states: dict[str, OrderState], people: dict[str, Clinician]
) -> Iterator[ToReview]:
    for conflict in conflicts:
        answer = conflict.recommendation
        yield ToReview(
            reasons=(Waits.CONFLICT,),
            state=states[answer.order_id],
            answer=answer,
            clinician=people[answer.clinician_id],
            since=conflict.since,
            refusal=conflict.refusal,
            opponent=people[conflict.refusal.clinician_id],
        )
