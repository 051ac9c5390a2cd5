"""The clinician speaks: asks, replies, wants a call, or says honestly that somebody else should answer."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.calls import CallReason
from referral.domain.codes import BusinessStatus
from referral.domain.conversation import EXITS, About, Reach, Speaker, Turn
from referral.domain.errors import TransitionRefused
from referral.domain.outgoing import WITH_LINK
from referral.domain.records import Referral
from referral.domain.referral import Event, next_status
from referral.services import publish, publish_conversation
from referral.services.close_referral import stop_messages
from referral.services.confirm_contact import hold_open_requests, reached_somebody_else
from referral.services.hold_ladder import HeldFor, hold
from referral.services.queue_call import queue_call
from referral.storage import audit, conversations, credentials, referrals, standings
from referral.storage.db import Session

_HELD_FOR: Final = {
    About.COLLEAGUE: HeldFor.COLLEAGUE,
    About.LEFT: HeldFor.LEFT,
    About.WRONG_ADDRESS: HeldFor.WRONG_ADDRESS,
}
# A word of the timeline for each.
EVENTS: Final = {
    About.QUESTION: "asked-question",
    About.REPLY: "asked-reply",
    About.CALL: "asked-call",
    About.COLLEAGUE: "asked-colleague",
    About.LEFT: "left-practice",
    About.WRONG_ADDRESS: "wrong-address",
}
# Who asks has begun; who only says that it is not for them has not.
_ASKS: Final = frozenset({About.QUESTION, About.REPLY, About.CALL, About.COLLEAGUE})


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How something came to be said: `had_seen`: the patient's data had been shown to whoever says it.

    `contact_id` is what their link came by.
    """

    reach: Reach = field(default_factory=Reach)
    had_seen: bool = True
    contact_id: str | None = None


_PLAINLY: Final = How()


def ask_clinic(
    session: Session,
    actor: Actor,
    referral_id: str,
    kind: str,
    text: str,
    now: datetime,
    *,
    how: How = _PLAINLY,
) -> Referral:
    """`kind` is an About. Reminders stop until somebody of the clinic has seen to it.

    The words are narrative: kept encrypted, not in the timeline. An answered request takes questions as long
    as its answer stands, and nothing else.
    """
    about = About(kind)
    if about is About.WRONG_ADDRESS:
        hold_open_requests(session, referrals.get(session, referral_id).clinician_id)
    referral = referrals.get(session, referral_id, lock=True)
    changed = _wait(session, referral, about, now)
    words = publish.keep_words(session, changed, text, now) if text.strip() else None
    say(session, actor, changed, about, words, now, how=how)
    noted: dict[str, Any] = {"document": words}
    if about in EXITS:
        credentials.freeze_all(session, referral_id, now)
        # Whatever still waits to leave would go to somebody who has nothing to do with it.
        stop_messages(session, changed, WITH_LINK, now)
        noted |= {"seen": how.had_seen, "contact": how.contact_id}
    referrals.note(session, referral_id, EVENTS[about], actor.id, now, **noted)
    if about is About.CALL:
        queue_call(session, changed, CallReason.ASKED, now)
    _record(session, actor, f"asked-{about}", changed)
    if about in EXITS:
        # The wrong person may have seen patient data: an incident that staff look at (45 CFR 164.528).
        _record(session, actor, "misdirected", changed, seen=how.had_seen, why=str(about))
    if about is About.WRONG_ADDRESS:
        reached_somebody_else(session, actor, changed, how.contact_id, now)
    return changed


def _wait(session: Session, referral: Referral, about: About, now: datetime) -> Referral:
    if not referral.is_open:
        if about not in (About.QUESTION, About.REPLY) or not standings.stands(session, referral.id):
            raise TransitionRefused("This request is closed; please call the clinic.", "Task.status")
        return referral
    values: dict[str, Any] = {"business_status": BusinessStatus.AWAITING_INFORMATION}
    if about in _ASKS:
        values["status"] = next_status(Event.ASK_INFORMATION, referral.status)
    else:
        values["business_status"] = BusinessStatus.DELIVERY_FAILED
    changed = hold(session, referral, _HELD_FOR.get(about, HeldFor.QUESTION), now, **values)
    publish.referral_changed(session, changed, now)
    return changed


def say(
    session: Session,
    actor: Actor,
    referral: Referral,
    about: About,
    words_id: str | None,
    now: datetime,
    *,
    speaker: Speaker = Speaker.CLINICIAN,
    how: How = _PLAINLY,
) -> Turn:
    """Keep one turn and its Communication, as an answer to what the other side said last."""
    kept = None
    if not how.reach.is_empty:
        kept = publish.keep_words(session, referral, json.dumps(asdict(how.reach)), now, kind="reach")
    turn = Turn(
        id=str(uuid.uuid4()),
        referral_id=referral.id,
        speaker=speaker,
        about=about,
        words_id=words_id,
        reach_id=kept,
        had_seen=how.had_seen,
        said_by=actor.id,
        said_at=now,
    )
    others = [one for one in conversations.of_referral(session, referral.id) if one.speaker is not speaker]
    conversations.add(session, turn)
    publish_conversation.said(session, referral, turn, others[-1] if others else None, now)
    return turn


def _record(session: Session, actor: Actor, what: str, referral: Referral, **detail: Any) -> None:
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype=what,
        entity=f"ServiceRequest/{referral.id}",
        patient_id=referral.patient_id,
        detail=detail,
    )
    audit.record(session, actor, entry)
