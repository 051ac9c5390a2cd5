"""What the ladder has brought up for people, until one of them has seen to it; and seeing to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import TransitionRefused
from referral.domain.records import Referral
from referral.domain.reminders import ASKING, Audience, Step
from referral.services.find_orders import OrderState
from referral.services.follow_requests import Followed
from referral.storage import audit, referrals
from referral.storage.db import Session
from referral.storage.referrals import Told, newest

_STEPS: Final = (Step.SUGGEST_ANOTHER, Step.ESCALATE)
_ATTENDED: Final = "attended"
# The words of timelines that find_escalations() looks for.
BROUGHT_UP: Final = (*(f"step-{step}" for step in _STEPS), _ATTENDED)


@dataclass(frozen=True, slots=True)
class Escalation:
    """`to` is whose task it is, since when."""

    followed: Followed
    state: OrderState
    step: Step
    to: Audience
    since: datetime


def find_escalations(
    session: Session, states: Iterable[OrderState], told: Told | None = None
) -> list[Escalation]:
    """Of open requests: rungs that were climbed and nobody has seen to.

    A second clinician who was asked since answers the suggestion. `told` is what their timelines say of
    BROUGHT_UP, where it was read already.
    """
    places = {f.referral.id: (f, state) for state in states for f in state.requests if f.referral.is_open}
    if told is None:
        told = referrals.newest_of_each(session, places, BROUGHT_UP)
    found = []
    for step in _STEPS:
        for id, (followed, state) in places.items():
            event = newest(told.get(id, ()), (f"step-{step}", _ATTENDED))
            if event is None or event.event == _ATTENDED:
                continue
            if step is Step.SUGGEST_ANOTHER and _asked_since(state, event.at):
                continue
            to = Audience(event.detail.get("to") or ASKING[step])
            found.append(Escalation(followed, state, step, to, event.at))
    return found


def _asked_since(state: OrderState, moment: datetime) -> bool:
    return any(other.referral.created_at >= moment for other in state.requests)


def attend(session: Session, actor: Actor, referral_id: str, version: int, now: datetime) -> Referral:
    """Somebody has seen to what the ladder brought up; it leaves the Today board. The ladder goes on."""
    referral = referrals.get(session, referral_id, lock=True)
    referrals.require_version(referral, version)
    if not referral.is_open:
        raise TransitionRefused("This request has ended; there is nothing left to see to.", "Task.status")
    # The version moves, so that a second click on the same page is told that the first one counted.
    changed = referrals.change(session, referral)
    referrals.note(session, referral_id, _ATTENDED, actor.id, now)
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype="attend",
        entity=f"ServiceRequest/{referral_id}",
        patient_id=referral.patient_id,
    )
    audit.record(session, actor, entry)
    return changed
