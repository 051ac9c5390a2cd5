"""Logs a call: what came of it sets the next step, through the same services as every other way to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.calls import (
    MAX_TRIES,
    STAYS_OPEN,
    CallLog,
    CallOutcome,
    CallReason,
    CallState,
    check_log,
)
from referral.domain.codes import Channel
from referral.domain.conversation import About
from referral.domain.errors import NotFound, StaleVersion, TransitionRefused
from referral.domain.ids import is_uuid
from referral.domain.records import Bar, Clinician, Contact, Referral
from referral.domain.referral import Event
from referral.services.calendars import calendar_of
from referral.services.close_referral import close_referral
from referral.services.confirm_contact import number_is_right, number_is_wrong
from referral.services.hold_ladder import what_must_come_first
from referral.services.move_ladder import note_back_on, resume_request
from referral.services.note_delivery import told
from referral.services.queue_call import queue_call
from referral.services.refresh_gate import refresh_gate
from referral.services.resend import resend
from referral.services.respond_to_referral import give_back
from referral.storage import audit, calls, clinics, contacts, conversations, directory, referrals
from referral.storage.calls import CallTask
from referral.storage.db import Session, hold


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """What an outcome works on; the request is locked."""

    session: Session
    actor: Actor
    task: CallTask
    log: CallLog
    referral: Referral
    clinician: Clinician
    now: datetime


def log_call(
    session: Session, actor: Actor, call_id: str, version: int, log: CallLog, now: datetime
) -> CallTask:
    """Record what came of a call and do what follows from it.

    Refuses a call that is logged already and an outcome that does not fit its reason; a second click is told
    that the first one counted (StaleVersion).
    """
    found = calls.get(session, call_id) if is_uuid(call_id) else None
    if found is None or found.referral_id is None:
        raise NotFound(f"There is no call with id {call_id}.")
    if log.outcome is CallOutcome.BACK_ON:
        # Before any request: whoever changes the calendar locks in this order.
        hold(session, "calendar")
    referral = referrals.get(session, found.referral_id, lock=True)
    task = calls.get(session, call_id, lock=True) or found
    if task.version != version:
        raise StaleVersion("Somebody else has logged this call. Reload the page and look.")
    if task.state is not CallState.OPEN:
        raise TransitionRefused("This call has been logged already.", "Task.status")
    today = now.astimezone(ZoneInfo(clinics.current(session).time_zone)).date()
    check_log(log, task.why, today)
    if not referral.is_open:
        raise TransitionRefused("This request is closed: nobody has to call about it.", "Task.status")
    clinician = directory.get_clinician(session, referral.clinician_id)
    call = _Call(
        session=session, actor=actor, task=task, log=log, referral=referral, clinician=clinician, now=now
    )
    outcome = _settle(call)
    detail = {"outcome": outcome, "why": task.why}
    referrals.note(session, referral.id, "called", actor.id, now, **detail)
    _EFFECT.get(log.outcome, _nothing)(call)
    entry = AuditEntry(
        action=Action.EXECUTE,
        subtype="log-call",
        entity=f"ServiceRequest/{referral.id}",
        patient_id=referral.patient_id,
        detail={**detail, "call": task.id},
    )
    audit.record(session, actor, entry)
    return calls.get(session, call_id) or task


def log_own_call(
    session: Session, actor: Actor, referral_id: str, version: int, log: CallLog, now: datetime
) -> CallTask:
    """A call about a request that nobody had to make, or the one that waits; `version` is the request's."""
    if log.outcome is CallOutcome.BACK_ON:
        hold(session, "calendar")
    referral = referrals.get(session, referral_id, lock=True)
    referrals.require_version(referral, version)
    if not referral.is_open:
        raise TransitionRefused("This request is closed: nobody has to call about it.", "Task.status")
    about = _about_request(session, referral_id)
    if not about:
        queue_call(session, referral, CallReason.OWN, now)
        about = _about_request(session, referral_id)
    # The version moves, so that a second click on the same page is told that the first one counted.
    referrals.change(session, referral)
    return log_call(session, actor, about[0].id, about[0].version, log, now)


def _about_request(session: Session, referral_id: str) -> list[CallTask]:
    found = calls.of_referral(session, referral_id)
    return [task for task in found if task.why is not CallReason.CONFIRM_NUMBER]


def _settle(call: _Call) -> CallOutcome:
    """Write what became of the call itself: done, or when the next try is due."""
    outcome, tries = call.log.outcome, call.task.tries
    if outcome is CallOutcome.NO_ANSWER:
        tries += 1
        outcome = CallOutcome.NOT_REACHED if tries >= MAX_TRIES else outcome
    if outcome in STAYS_OPEN:
        due_at = _next_try(call, outcome)
        calls.change(call.session, call.task, tries=tries, outcome=outcome, due_at=due_at)
    else:
        calls.change(
            call.session,
            call.task,
            tries=tries,
            outcome=outcome,
            state=CallState.DONE,
            done_by=call.actor.id,
            done_at=call.now,
        )
    return outcome


def _next_try(call: _Call, outcome: CallOutcome) -> datetime:
    """In the business hours of whom is called: the next business day, or the day on which they are back."""
    calendar = calendar_of(call.session, call.clinician)
    if outcome is CallOutcome.NO_ANSWER:
        return calendar.business_day_after(call.now, 1)
    if outcome is CallOutcome.BACK_ON and call.log.back_on is not None:
        return calendar.business_day_after(calendar.at(call.log.back_on, time(12)), 0)
    return call.now


def _nothing(call: _Call) -> None:
    """The ladder goes on as it is."""


def _will_answer(call: _Call) -> None:
    """They have heard of it, which delivers a request that no letter has brought yet.

    A clinician who had asked to be called has been: the ladder goes on.
    """
    referral = told(call.session, call.referral, call.now)
    held = referral.held_at is not None and not what_must_come_first(call.session, referral)
    if call.task.why is not CallReason.ASKED:
        return
    conversations.settle(call.session, referral.id, call.actor.id, call.now, (About.CALL,))
    if held:
        resume_request(call.session, call.actor, referral.id, referral.version, call.now)


def _other_channel(call: _Call) -> None:
    referral = call.referral
    resend(call.session, call.actor, referral.id, _version(call), str(call.log.channel), call.now)


def _back_on(call: _Call) -> None:
    """Nothing goes out to them before they are back, about this request or another one."""
    if call.log.back_on is not None:
        day = call.log.back_on
        note_back_on(call.session, call.actor, call.referral.id, _version(call), day, call.now)


def _wrong_number(call: _Call) -> None:
    """The number that is called comes last from now on; the call is still to be made."""
    number = number_to_call(call.clinician)
    if number is not None:
        contacts.bar(call.session, number.id, Bar.BAD_ADDRESS, call.now)


def _not_their_patient(call: _Call) -> None:
    give_back(call.session, call.actor, _fresh(call), call.now)


def _do_not_contact(call: _Call) -> None:
    """They are not even told that the request has ended."""
    closed = close_referral(
        call.session, _fresh(call), Event.REJECT, call.now, reason=CallOutcome.DO_NOT_CONTACT
    )
    refresh_gate(call.session, call.actor, closed.order_id, call.now)


def _number_right(call: _Call) -> None:
    if call.task.contact_id is not None:
        about, name = (call.clinician.id, call.task.contact_id), call.log.spoke_with
        number_is_right(call.session, call.actor, *about, name, call.now)


def _number_wrong(call: _Call) -> None:
    """What went there, or was going there, goes another way at once."""
    if call.task.contact_id is not None:
        number_is_wrong(call.session, call.actor, call.clinician.id, call.task.contact_id, call.now)


def _fresh(call: _Call) -> Referral:
    """As it is now, after what this call has written."""
    return referrals.get(call.session, call.referral.id)


def _version(call: _Call) -> int:
    return _fresh(call).version


def number_to_call(clinician: Clinician) -> Contact | None:
    """The best telephone number on file: one that is wrong only where there is no other."""
    numbers = [contact for contact in clinician.contacts if contact.channel is Channel.PHONE]
    return min(numbers, key=lambda one: (one.barred_for is not None, not one.is_verified), default=None)


_EFFECT: Final[dict[CallOutcome, Callable[[_Call], None]]] = {
    CallOutcome.WILL_ANSWER: _will_answer,
    CallOutcome.OTHER_CHANNEL: _other_channel,
    CallOutcome.BACK_ON: _back_on,
    CallOutcome.WRONG_NUMBER: _wrong_number,
    CallOutcome.NOT_THEIR_PATIENT: _not_their_patient,
    CallOutcome.DO_NOT_CONTACT: _do_not_contact,
    CallOutcome.NUMBER_RIGHT: _number_right,
    CallOutcome.NUMBER_WRONG: _number_wrong,
}
