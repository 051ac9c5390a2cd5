"""What became of a message, told to all that wait for it: request, contact, timeline, Communication."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from referral.domain import contacts
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.calendar import BusinessCalendar
from referral.domain.calls import CallOutcome, CallReason
from referral.domain.codes import BusinessStatus, TaskStatus
from referral.domain.consent import ENDED_BY_NO
from referral.domain.outgoing import (
    REPORTS,
    SWITCHED,
    TO_PATIENT,
    WITH_LETTER,
    WITH_LINK,
    MessageKind,
    MessageState,
)
from referral.domain.records import Lesson, Referral
from referral.domain.reminders import after_switch, from_first_delivery
from referral.fhir.communication import recipient_of
from referral.services import publish, publish_report, report_back
from referral.services.calendars import calendars_of
from referral.services.climb import climb_of, ladder_and_calendar, ladder_of, replanned
from referral.services.close_referral import tell_clinician
from referral.services.learn_contact import learn_bad_address, learn_from_message, learn_from_messages
from referral.services.queue_call import queue_call
from referral.services.queue_message import queue_message
from referral.storage import audit, directory, outbox, referrals
from referral.storage import contacts as outbox_contacts
from referral.storage.db import Session
from referral.storage.dispatch import Held
from referral.storage.outbox import Message

# Why a request may have ended so that its clinician hears nothing more.
_TOLD_NOTHING: Final = frozenset({CallOutcome.DO_NOT_CONTACT, ENDED_BY_NO})


def worker(session: Session) -> Actor:
    """Who acts when a message goes its way by itself."""
    return Actor(session.clinic, "system", "worker")


def prepared(session: Session, message: Message, letter_id: str | None, now: datetime) -> None:
    """The bytes exist; nothing has left yet. Records and reports become DocumentReferences now."""
    if letter_id is None:
        return
    detail = {"message": str(message.id), "document": letter_id, "kind": message.kind}
    referrals.note(session, message.referral_id, "letter-ready", "worker", now, **detail)
    if message.kind is MessageKind.THANK_YOU:
        publish.receipt(session, message.referral_id, letter_id, now)
    elif message.kind in REPORTS:
        publish_report.report_drawn(session, message, letter_id, now)


def accepted(session: Session, message: Message, now: datetime, *, is_real: bool) -> None:
    """As accepted_many() for one; the request is locked here."""
    referral = referrals.get(session, message.referral_id, lock=True)
    accepted_many(session, [Held(message, referral)], now, is_real=is_real)


def accepted_many(session: Session, taken: Sequence[Held], now: datetime, *, is_real: bool) -> None:
    """Handed over: the first letter delivers its request; every message is recorded as a disclosure.

    The caller holds the requests, and has written the state of the messages.
    """
    reached_many(session, taken, now)
    for held in taken:
        message = held.message
        detail = {"message": str(message.id), "kind": message.kind, "channel": message.channel}
        referrals.note(session, held.referral.id, "sent", "worker", now, **detail, real=is_real)
    if is_real:
        learn_from_messages(session, [held.message for held in taken], Lesson.SENT, now)
    publish.messages_done(session, [str(held.message.id) for held in taken], now)
    audit.record(session, worker(session), *(_disclosure(held, is_real=is_real) for held in taken))


def _disclosure(held: Held, *, is_real: bool) -> AuditEntry:
    message = held.message
    return AuditEntry(
        action=Action.READ,
        subtype="disclose",
        entity=f"Communication/{message.id}",
        patient_id=held.referral.patient_id,
        detail={
            "kind": message.kind,
            "channel": message.channel,
            "contact": message.contact_id,
            "real": is_real,
            "recipient": recipient_of(message.kind, held.referral),
        },
    )


def reached(session: Session, message: Message, now: datetime) -> None:
    """As reached_many() for one; the request is locked here."""
    reached_many(session, [Held(message, referrals.get(session, message.referral_id, lock=True))], now)


def reached_many(session: Session, taken: Iterable[Held], now: datetime) -> None:
    """The ladder of a request counts from now where this is its first letter that got through."""
    first: dict[str, Referral] = {}
    for held in taken:
        referral, kind = held.referral, held.message.kind
        ended = not referral.is_open and referral.status is not TaskStatus.COMPLETED
        if kind in WITH_LETTER and ended and referral.status_reason not in _TOLD_NOTHING:
            # It was on its way while the request ended, when nobody could be told who had not had it.
            tell_clinician(session, referral, MessageKind.CANCELLED, now)
        if kind in WITH_LINK:
            first[referral.id] = referral
    told_many(session, first.values(), now)


def told(session: Session, referral: Referral, now: datetime) -> Referral:
    """As told_many() for one; returns it as it is now."""
    return next(iter(told_many(session, [referral], now)), referral)


def told_many(session: Session, asked: Iterable[Referral], now: datetime) -> list[Referral]:
    """The clinicians have the requests, by letter or on the telephone: once, and then the ladders count.

    Returns those that are changed by it. The caller holds the requests.
    """
    first = [referral for referral in asked if referral.delivered_at is None]
    if not first:
        return []
    clinicians = directory.get_clinicians(session, {referral.clinician_id for referral in first})
    calendars = calendars_of(session, clinicians.values())
    moved = [_delivered(session, referral, calendars[referral.clinician_id], now) for referral in first]
    changed = referrals.change_many(session, moved)
    publish.referrals_changed(session, changed, now)
    return changed


def _delivered(session: Session, referral: Referral, calendar: BusinessCalendar, now: datetime) -> Referral:
    values: dict[str, Any] = {"delivered_at": now}
    climb = from_first_delivery(climb_of(referral), calendar, now) if referral.is_open else None
    if climb is not None:
        # The ladder counts from now, because the first delivery was late.
        values |= {"started_at": now, **replanned(climb, ladder_of(session, referral), calendar)}
    if referral.business_status is BusinessStatus.DELIVERY_FAILED:
        values |= {"business_status": BusinessStatus.SENT}
    return replace(referral, **values)


def cancelled(session: Session, message: Message, now: datetime) -> None:
    """It makes no sense any more. The caller holds the request, see referrals.get()."""
    state = MessageState.CANCELLED
    moved = outbox.move(session, message, state, finished_at=now)
    if moved or outbox.end_waiting(session, message.id, state, finished_at=now):
        publish.messages_cancelled(session, [str(message.id)], now)


def ended(
    session: Session,
    message: Message,
    state: MessageState,
    reason: str,
    now: datetime,
    *,
    bad_address: bool = False,
) -> None:
    """Not delivered: staff see it, and a request or reminder goes another way at once where there is one.

    Nothing happens where this claim does not hold the message any more. The caller holds the request.
    """
    if outbox.move(session, message, state, last_error=reason, finished_at=now):
        referral = referrals.get(session, message.referral_id)
        not_delivered(session, referral, message, state, reason, now, bad_address=bad_address)


def not_delivered(
    session: Session,
    referral: Referral,
    message: Message,
    state: MessageState,
    reason: str,
    now: datetime,
    *,
    event: str = "not-delivered",
    bad_address: bool = False,
) -> None:
    """Tell all that wait for a message whose row has ended in `state`; `event` is the timeline's word.

    `bad_address` says that nobody is reached there, now or later.
    """
    detail = {"message": str(message.id), "kind": message.kind, "channel": message.channel, "state": state}
    referrals.note(session, referral.id, event, "worker", now, reason=reason[:200], **detail)
    publish.message_failed(session, str(message.id), reason, now)
    if state is MessageState.FAILED:
        learn_from_message(session, message, Lesson.FAILED, now)
    if bad_address:
        learn_bad_address(session, message, now)
    if message.kind in TO_PATIENT and state is MessageState.FAILED:
        _try_patient_otherwise(session, referral, message, now)
    if message.kind in REPORTS and state is MessageState.FAILED:
        report_back.go_another_way(session, message, now)
    if message.kind not in WITH_LINK or not referral.is_open:
        return
    if referral.delivered_at is None and referral.status is TaskStatus.REQUESTED:
        referral = referrals.change(session, referral, business_status=BusinessStatus.DELIVERY_FAILED)
        publish.referral_changed(session, referral, now)
    if state is MessageState.FAILED:
        _switch_channel(session, referral, message, now)


def _try_patient_otherwise(session: Session, referral: Referral, message: Message, now: datetime) -> None:
    """By another of the patient's contacts that the clinic writes to; where none is left, the desk calls."""
    on_file = outbox_contacts.of_patients(session, [referral.patient_id])[referral.patient_id]
    sent = outbox.to_patient(session, referral.patient_id)
    refused = {one.contact_id for one in sent if one.state is MessageState.FAILED}
    left = tuple(one for one in on_file if one.id not in refused)
    other = contacts.for_patient(left, ladder_of(session, referral).patient_channels)
    if other is not None:
        queue_message(session, referral, message.kind, other, now, ordinal=message.ordinal + SWITCHED)


def _switch_channel(session: Session, referral: Referral, message: Message, now: datetime) -> None:
    """At once, in the recipient's hours; a letter about the request never as the second of one day."""
    clinician = directory.get_clinician(session, referral.clinician_id)
    sent = outbox.find(session, referral_id=referral.id, states=(MessageState.FAILED,))
    refused = {failed.contact_id for failed in sent}
    other = contacts.after_refusal(clinician.contacts, refused, message.channel)
    if other is None:
        if message.kind in WITH_LETTER:
            # Nothing on file is left: somebody has to ask how they can be reached.
            queue_call(session, referral, CallReason.ONLY_CONTACT, now)
        return
    ordinal = message.ordinal + SWITCHED
    if message.kind not in WITH_LETTER:
        queue_message(session, referral, message.kind, other, now, ordinal=ordinal)
        return
    ladder, calendar = ladder_and_calendar(session, referral)
    letters = outbox.letters_of(session, referral.id)
    # Another one that is on its way to a contact that has refused none is the switch.
    if any(one.contact_id not in refused and _goes_today(one, calendar, now) for one in letters):
        return
    if not queue_message(session, referral, message.kind, other, now, ordinal=ordinal):
        return
    taken = after_switch(climb_of(referral), ladder, calendar, now)
    if taken is not None:
        referrals.change(session, referral, **replanned(taken, ladder, calendar))
        referrals.note(session, referral.id, "step-taken", "worker", now, ordinal=taken.climbed)


def _goes_today(letter: Message, calendar: BusinessCalendar, now: datetime) -> bool:
    """It has left, or leaves, on the recipient's day on which one that is queued now would."""
    today = calendar.local_date(calendar.next_opening(now))
    if letter.state in (MessageState.ACCEPTED, MessageState.DELIVERED):
        return letter.finished_at is not None and calendar.local_date(letter.finished_at) == today
    if letter.finished_at is not None:
        return False
    return calendar.local_date(calendar.next_opening(max(letter.not_before, now))) == today
