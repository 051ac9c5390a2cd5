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

    referral_id: str
    step: Step
    to: Audience
    since: datetime


def find_escalations(requests: Iterable[Referral], told: Told) -> list[Escalation]:
    """Of open requests: rungs that were climbed and nobody has seen to.

    `requests` holds all about the same orders: a second clinician who was asked since answers the suggestion.
    `told` is what the timelines of the open ones say of BROUGHT_UP.
    """
    every = list(requests)
    found = []
    for step in _STEPS:
        for request in every:
            event = newest(told.get(request.id, ()), (f"step-{step}", _ATTENDED))
            if not request.is_open or event is None or event.event == _ATTENDED:
                continue
            if step is Step.SUGGEST_ANOTHER and _asked_since(request, every, event.at):
                continue
            to = Audience(event.detail.get("to") or ASKING[step])
            found.append(Escalation(request.id, step, to, event.at))
    return found


def _asked_since(request: Referral, every: Iterable[Referral], moment: datetime) -> bool:
    return any(one.order_id == request.order_id and one.created_at >= moment for one in every)


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
