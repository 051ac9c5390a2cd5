"""What a policy would do to the clinic's orders, worked out without writing anything."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from referral.domain.audit import Actor
from referral.domain.policy import Policy
from referral.domain.policy_change import Effect, Move, Stopped, effect_on
from referral.domain.records import Clinician, Order, Patient
from referral.services.note_shown import note_shown
from referral.storage import directory, orders, policies, recommendations
from referral.storage.db import Session

_BATCH: Final = 500
# Longer lists are cut for people; the counts are of all.
SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Foreseen:
    """Effects by order id, of those orders alone that notice anything; `looked_at` counts all in use."""

    effects: Mapping[str, Effect]
    looked_at: int

    def moving(self, move: Move) -> tuple[str, ...]:
        """The ids of the orders that close, or that open."""
        return tuple(id for id, effect in self.effects.items() if effect.move is move)

    @property
    def stopped(self) -> int:
        """How many recommendations stop counting."""
        return sum(len(effect.stopped) for effect in self.effects.values())

    @property
    def digest(self) -> str:
        """The same for the same list; tells whether it is still what somebody has looked at."""
        lines = (
            f"{id} {effect.move} {' '.join(sorted(s.recommendation_id for s in effect.stopped))}"
            for id, effect in sorted(self.effects.items())
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def foresee(session: Session, before: Policy, after: Policy, now: datetime) -> Foreseen:
    """The gate's own rule under both policies over every order in use."""
    effects: dict[str, Effect] = {}
    looked_at, reached = 0, ""
    while batch := list(policies.in_use(session, after=reached, limit=_BATCH)):
        for id, found in orders.facts_of_many(session, batch).items():
            effect = effect_on(found.facts, before, after, now)
            if effect.move is not Move.STAYS or effect.stopped:
                effects[id] = effect
        looked_at, reached = looked_at + len(batch), batch[-1]
    return Foreseen(dict(sorted(effects.items())), looked_at)


@dataclass(frozen=True, slots=True)
class OrderMoved:
    """`reasons` are those of the gate under the new policy, none where it opens."""

    order: Order
    patient: Patient
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnswerStopped:
    """`clinician` gave it; `order_closes` when that closes its order."""

    order: Order
    patient: Patient
    clinician: Clinician
    answered_at: datetime
    why: str
    order_closes: bool


@dataclass(frozen=True, slots=True)
class PolicyPreview:
    """What people read before they agree: at most SHOWN of each list, and how many there are of each.

    `requests_in_vain` are open requests to clinicians whose answer would not count any more.
    """

    closes: tuple[OrderMoved, ...]
    opens: tuple[OrderMoved, ...]
    stops: tuple[AnswerStopped, ...]
    close_count: int
    open_count: int
    stop_count: int
    looked_at: int
    requests_in_vain: int
    digest: str


def preview_policy(
    session: Session, actor: Actor, before: Policy, after: Policy, now: datetime
) -> PolicyPreview:
    """Names the patients concerned, so the look leaves its audit row; otherwise nothing is written."""
    seen = foresee(session, before, after, now)
    closing, opening = seen.moving(Move.CLOSES), seen.moving(Move.OPENS)
    stopping = [(id, stop) for id, effect in seen.effects.items() for stop in effect.stopped]
    named = {*closing[:SHOWN], *opening[:SHOWN], *(id for id, _ in stopping[:SHOWN])}
    placed = orders.get_many(session, named)
    patients = directory.get_patients(session, {order.patient_id for order in placed.values()})

    def moved(ids: tuple[str, ...]) -> tuple[OrderMoved, ...]:
        return tuple(
            OrderMoved(placed[id], patients[placed[id].patient_id], seen.effects[id].reasons)
            for id in ids[:SHOWN]
        )

    counts = {"closes": len(closing), "opens": len(opening), "stops": len(stopping)}
    note_shown(session, actor, "policy-preview", (order.patient_id for order in placed.values()), **counts)
    return PolicyPreview(
        closes=moved(closing),
        opens=moved(opening),
        stops=_stopped(session, stopping[:SHOWN], placed, patients, frozenset(closing)),
        close_count=len(closing),
        open_count=len(opening),
        stop_count=len(stopping),
        looked_at=seen.looked_at,
        requests_in_vain=policies.count_open_requests(session, before.eligible - after.eligible),
        digest=seen.digest,
    )


def _stopped(
    session: Session,
    stopping: list[tuple[str, Stopped]],
    placed: Mapping[str, Order],
    patients: Mapping[str, Patient],
    closing: frozenset[str],
) -> tuple[AnswerStopped, ...]:
    answers = recommendations.find_many(session, [stop.recommendation_id for _, stop in stopping])
    clinicians = directory.get_clinicians(session, {row.clinician_id for row in answers.values()})
    return tuple(
        AnswerStopped(
            order=placed[id],
            patient=patients[placed[id].patient_id],
            clinician=clinicians[answers[stop.recommendation_id].clinician_id],
            answered_at=answers[stop.recommendation_id].answered_at,
            why=stop.why,
            order_closes=id in closing,
        )
        for id, stop in stopping
    )
