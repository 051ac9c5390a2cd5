"""What a message, an answer or a call teaches about the contact that it went by."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from referral.domain.outgoing import MessageState
from referral.domain.records import Bar, Clinician, Experience, Lesson, Referral
from referral.services.calendars import calendar_of
from referral.storage import contacts, credentials, outbox
from referral.storage.db import Session
from referral.storage.outbox import Message

_ARRIVED = (MessageState.ACCEPTED, MessageState.DELIVERED)


def learn_from_message(session: Session, message: Message, lesson: Lesson, now: datetime) -> None:
    """The newest news of a message counts, but nothing takes the place of an answer."""
    learn_from_messages(session, [message], lesson, now)


def learn_from_messages(session: Session, messages: Iterable[Message], lesson: Lesson, now: datetime) -> None:
    """As learn_from_message() for many, whatever their contacts."""
    news = [(m.contact_id, Experience(message_id=str(m.id), lesson=lesson, at=now)) for m in messages]
    contacts.learn_many(session, news)


def learn_bad_address(session: Session, message: Message, now: datetime) -> None:
    """Nobody is reached there: last in the order until a person has confirmed it."""
    contacts.bar(session, message.contact_id, Bar.BAD_ADDRESS, now)


def learn_good_address(session: Session, message: Message, told_at: datetime) -> None:
    """A message arrived: what its own failure, or an earlier one's, has said of the address was wrong."""
    was_refused = message.state is MessageState.FAILED
    contacts.lift_bad_address(session, message.contact_id, until=None if was_refused else told_at)


def learn_from_answer(
    session: Session,
    referral: Referral,
    clinician: Clinician,
    now: datetime,
    *,
    selector: str | None,
    contact_id: str | None,
) -> None:
    """The contact whose link or letter was answered; its time counts from its first delivery, in their hours.

    Without a link and without a contact (a call, a connected system) nothing is learnt.
    """
    messages = outbox.find(session, referral_id=referral.id)
    carried = _carrier(session, messages, selector, contact_id)
    if carried is None:
        return
    calendar = calendar_of(session, clinician)
    arrivals = [m.finished_at for m in messages if m.contact_id == carried.contact_id and _has_arrived(m)]
    first = min((at for at in arrivals if at is not None), default=None)
    hours = calendar.open_hours_between(first, now) if first is not None else None
    news = Experience(message_id=str(carried.id), lesson=Lesson.ANSWERED, at=now, hours=hours)
    contacts.learn(session, carried.contact_id, news)


def _carrier(
    session: Session, messages: list[Message], selector: str | None, contact_id: str | None
) -> Message | None:
    """The message that brought the answered link, or the newest one to the contact that was named."""
    if selector is not None:
        credential = credentials.get(session, selector)
        wanted = credential.message_id if credential is not None else None
        return next((m for m in messages if m.id == wanted), None)
    return next((m for m in messages if m.contact_id == contact_id and _has_arrived(m)), None)


def _has_arrived(message: Message) -> bool:
    return message.state in _ARRIVED and message.finished_at is not None
