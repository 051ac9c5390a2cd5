"""Somebody else was asked in the place of a clinician who said that they should not answer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.outgoing import MessageKind
from referral.domain.records import Referral
from referral.domain.referral import Event
from referral.services.close_referral import close_referral, tell_clinician
from referral.services.hold_ladder import HeldFor
from referral.storage import audit, conversations, referrals
from referral.storage.db import Session

_GIVES_UP: Final = (HeldFor.COLLEAGUE, HeldFor.LEFT)


def hand_over(session: Session, actor: Actor, others: Iterable[Referral], now: datetime) -> None:
    """End those of the open requests about an order that waited for somebody else to be asked.

    The caller holds the order.
    """
    for found in [one for one in others if one.held_for in _GIVES_UP]:
        old = referrals.get(session, found.id, lock=True)
        if not old.is_open or old.held_for not in _GIVES_UP:
            continue
        conversations.settle(session, old.id, actor.id, now)
        closed = close_referral(session, old, Event.CANCEL, now, reason="handed-over")
        referrals.note(session, old.id, "cancelled", actor.id, now, reason="handed-over")
        tell_clinician(session, closed, MessageKind.CANCELLED, now)
        entry = AuditEntry(
            action=Action.UPDATE,
            subtype="cancel",
            entity=f"ServiceRequest/{closed.id}",
            patient_id=closed.patient_id,
            detail={"status": closed.status, "reason": "handed-over"},
        )
        audit.record(session, actor, entry)
