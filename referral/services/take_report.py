"""Takes what is told about a message that has left: the one way by which "delivered" or "failed" gets in.

Webhooks, polling, mail that comes back and people who report a returned letter all come here. So does what is
told of messages to whoever is on call, which have rows of their own.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from referral.channels.base import Fate
from referral.domain.outgoing import MessageState
from referral.services import note_report
from referral.services.end_safety_call import end_safety_call
from referral.services.note_report import Told
from referral.storage import on_call, outbox, provider_events, referrals
from referral.storage.db import Session
from referral.storage.on_call import SafetyCall
from referral.storage.outbox import Message

# A failure of anything else is about an earlier try, or known already. A delivery ends every state.
_MAY_STILL_FAIL: Final = frozenset({MessageState.ACCEPTED, MessageState.SENDING, MessageState.UNKNOWN})
_LONGEST_REASON: Final = 200
# Of one message, events that change nothing are kept up to here and then dropped: whoever may speak for one
# message must not be able to fill the table.
_MOST_KEPT: Final = 40


@dataclass(frozen=True, slots=True)
class Report:
    """`event_id` is the same whenever the provider tells the same; `at` is when it happened, as it says.

    `reason` is a short technical sentence without personal data. `reference` is the provider's own name for
    what it took, where it tells it. `bad_address`: this mailbox or number does not exist. `generation` of the
    message is 0 where it is not known.
    """

    provider: str
    event_id: str
    message_id: uuid.UUID
    fate: Fate
    reason: str | None
    at: datetime
    reference: str | None = None
    bad_address: bool = False
    generation: int = 0


def take_report(session: Session, report: Report, now: datetime) -> bool:
    """True where it changed what became of the message.

    Reports may come twice, late and in any order: the same event counts once, a failure never overwrites a
    delivery, and what concerns a message of nobody, or one that has never left, changes nothing.
    """
    if report.fate is Fate.PENDING:
        return False
    found = outbox.get(session, report.message_id)
    if found is None:
        return _of_call(session, report, now)
    # Request before message, as everybody locks them.
    referrals.get(session, found.referral_id, lock=True)
    message = outbox.get(session, report.message_id, lock=True)
    if message is None:
        return False
    arrived = report.fate is Fate.DELIVERED and _can_have_arrived(message)
    failed = report.fate is Fate.FAILED and _can_have_failed(message, report)
    if not (arrived or failed) and provider_events.count(session, report.message_id) >= _MOST_KEPT:
        return False
    if not _is_new(session, report, now, message_id=report.message_id):
        return False
    # A provider's clock may be ahead of ours.
    told = Told(
        provider=report.provider,
        at=min(report.at, now),
        reason=report.reason[:_LONGEST_REASON] if report.reason else None,
        reference=report.reference,
        bad_address=report.bad_address,
    )
    if arrived:
        note_report.delivered(session, message, told, now)
    elif failed:
        note_report.failed_after_all(session, message, told, now)
    return arrived or failed


def _of_call(session: Session, report: Report, now: datetime) -> bool:
    """Of a message to whoever is on call: a failure makes the next contact due at once."""
    call = on_call.get(session, report.message_id, lock=True)
    if call is None:
        return False
    arrived = report.fate is Fate.DELIVERED and _can_have_arrived(call)
    failed = report.fate is Fate.FAILED and _can_have_failed(call, report)
    if not (arrived or failed) and provider_events.count(session, call.id) >= _MOST_KEPT:
        return False
    if not _is_new(session, report, now, call_id=call.id) or not (arrived or failed):
        return False
    state = MessageState.DELIVERED if arrived else MessageState.FAILED
    why = None if arrived else (report.reason or "the provider could not deliver it")[:_LONGEST_REASON]
    known = {
        "provider_reference": call.provider_reference or report.reference,
        "sent_for_real": True,
        "in_doubt": False,
    }
    return end_safety_call(session, call, state, why, now, **known)


def _is_new(session: Session, report: Report, now: datetime, **about: uuid.UUID) -> bool:
    return provider_events.add(
        session,
        provider=report.provider,
        event_id=report.event_id,
        about=about,
        fate=report.fate,
        reason=report.reason[:_LONGEST_REASON] if report.reason else None,
        at=report.at,
        now=now,
    )


def _can_have_arrived(message: Message | SafetyCall) -> bool:
    """Without bytes nothing can have left."""
    return message.state is not MessageState.DELIVERED and message.envelope_id is not None


def _can_have_failed(message: Message | SafetyCall, report: Report) -> bool:
    """A person may have had it sent again since: then another generation and reference are what counts."""
    known = message.provider_reference
    newest = message.generation if isinstance(message, Message) else 1
    about_it = known is None or report.reference is None or known == report.reference
    is_newest = report.generation in (0, newest)
    return message.state in _MAY_STILL_FAIL and about_it and is_newest
