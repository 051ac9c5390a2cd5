"""Holds a ladder until a person of the clinic has done something, and lets it go on.

Guessing at a link is one reason: each reminder would carry a new link, and with it new tries. A person of
the clinic calls the clinician and sends the request again; then the ladder goes on.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from referral.domain.conversation import EXITS, About
from referral.domain.outgoing import NOT_LEFT, REMINDERS, SWITCHED, MessageKind
from referral.domain.records import Referral
from referral.domain.reminders import stopped
from referral.services.climb import climb_of, going_on
from referral.services.close_referral import stop_messages
from referral.storage import conversations, faxes, outbox, referrals
from referral.storage.db import Session
from referral.storage.faxes import Fax
from referral.storage.referrals import ReferralEvent


class HeldFor(StrEnum):
    """What a held request waits for."""

    QUESTION = "question"
    GUESSING = "guessing"
    STAFF = "staff"
    FAX = "fax"
    COLLEAGUE = "colleague"
    LEFT = "left"
    WRONG_ADDRESS = "wrong-address"


# Sending again gives a fresh link, which mends it; so does a tenth try that was right.
FROZEN: Final = "portal-frozen"
OF_LINKS: Final = (FROZEN, "resent", "resumed")
# What ends when the request is sent again: somebody of the clinic has found out where it belongs.
_MENDED: Final = frozenset({HeldFor.GUESSING, HeldFor.COLLEAGUE, HeldFor.LEFT, HeldFor.WRONG_ADDRESS})
# Whoever goes on writing there tells the wrong person once more.
_ELSEWHERE: Final = {
    About.COLLEAGUE: "A colleague should answer: ask them, or send this request once more.",
    About.LEFT: "They have left this practice: ask another clinician, or correct the contact and send again.",
    About.WRONG_ADDRESS: "It reached somebody else: correct the contact, then send the request again.",
}


def what_must_come_first(session: Session, referral: Referral) -> str:
    """What has to be done before reminders may go out again, as a sentence; "" where a word is enough.

    A fax waits for its reader, and a locked link for the call, whatever the request was held for before.
    """
    fax = faxes.waiting_for(session, [referral.id]).get(referral.id)
    link = referrals.latest_among(session, [referral.id], OF_LINKS).get(referral.id)
    return what_comes_first(fax, link) or belongs_elsewhere(session, referral)


def what_comes_first(fax: Fax | None, link: ReferralEvent | None) -> str:
    """As what_must_come_first(), of the fax that waits and the newest event that is one of OF_LINKS."""
    if fax is not None:
        return "An answer has come by fax: write down what it says, or file the fax."
    if link is not None and link.event == FROZEN:
        return "Wrong tries have locked the link: call the practice, then send the request again."
    return ""


def belongs_elsewhere(session: Session, referral: Referral) -> str:
    """What has to be found out before anything is written to whoever was asked, as a sentence; "" if nothing.

    They have said that the request is not for them, and nobody of the clinic has found out for whom it is.
    """
    said = conversations.of_referral(session, referral.id) if referral.is_open else []
    return next((_ELSEWHERE[turn.about] for turn in said if turn.waits and turn.about in EXITS), "")


def hold_for_guessing(session: Session, actor_id: str, referral_id: str, now: datetime) -> None:
    """The ladder stands still from now on, and reminders that wait to leave do not. Staff see why."""
    referral = referrals.get(session, referral_id, lock=True)
    referrals.note(session, referral_id, FROZEN, actor_id, now)
    if referral.is_open and referral.held_at is None:
        hold(session, referral, HeldFor.GUESSING, now)


def hold(session: Session, referral: Referral, held_for: HeldFor, now: datetime, **values: Any) -> Referral:
    """The ladder stands still from now on. The caller holds the request and notes why."""
    left = stop_reminders(session, referral, now)
    return referrals.change(
        session, referral, held_at=now, held_for=held_for, next_step_at=None, **left, **values
    )


def stop_reminders(session: Session, referral: Referral, now: datetime) -> dict[str, Any]:
    """Reminders that wait to leave do not; returns the columns by which the newest is climbed once more."""
    waiting = outbox.find(session, referral_id=referral.id, states=NOT_LEFT)
    stop_messages(session, referral, REMINDERS, now)
    ordinals = [message.ordinal % SWITCHED for message in waiting if message.kind is MessageKind.REMINDER]
    climbed = stopped(climb_of(referral), ordinals).climbed
    return {} if climbed == referral.climbed else {"climbed": climbed}


def is_answered(session: Session, referral: Referral) -> bool:
    """It is held for what the clinician has said, and neither that nor a fax waits for the clinic any more.

    A question of the time before conversations were kept has no turn: it waits until somebody lets it go on.
    """
    if referral.held_for != HeldFor.QUESTION or faxes.waiting_for(session, [referral.id]):
        return False
    said = conversations.of_referral(session, referral.id)
    return bool(said) and not any(turn.waits for turn in said)


def go_on_after_guessing(session: Session, referral: Referral, now: datetime) -> Referral:
    """The ladder goes on, unless it waits for something else. The caller holds the request."""
    if referral.held_for != HeldFor.GUESSING:
        return referral
    return referrals.change(session, referral, **going_on(session, referral, now))


def go_on_after_sending(session: Session, referral: Referral, by: str, now: datetime) -> Referral:
    """The request is on its way once more: a ladder that waited for where it belongs goes on."""
    conversations.settle(session, referral.id, by, now, EXITS)
    if referral.held_for not in _MENDED and not is_answered(session, referral):
        return referral
    return referrals.change(session, referral, **going_on(session, referral, now))
