"""Climbs the ladder: for each request whose next step is due, do that one step and plan the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from referral.domain import contacts
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.calendar import BusinessCalendar
from referral.domain.outgoing import MessageKind, MessageState
from referral.domain.records import Referral
from referral.domain.reminders import Ladder, Planned, Step, reminder_due
from referral.services.climb import climb_of, ladder_and_calendar, replanned
from referral.services.close_referral import expire_referral
from referral.services.queue_message import queue_message
from referral.storage import audit, directory, outbox, referrals
from referral.storage.db import Session

_BATCH: Final = 50


def send_reminders(session: Session, now: datetime) -> int:
    """One batch of one clinic; returns how many requests were looked at. Run it while is_full() of that.

    A second sweep is harmless: rows are locked, each step is counted on its row, and each reminder's row is
    unique.
    """
    actor = Actor(session.clinic, "system", "sweep")
    due = referrals.find_due(session, now, _BATCH)
    for referral in due:
        _climb(session, actor, referral, now)
    return len(due)


def is_full(count: int) -> bool:
    """Whether a batch of `count` requests may have left others that are due."""
    return count >= _BATCH


def _climb(session: Session, actor: Actor, referral: Referral, now: datetime) -> None:
    ladder, calendar = ladder_and_calendar(session, referral)
    climb = climb_of(referral)
    planned = reminder_due(climb, ladder, calendar, now)
    if planned is None:
        # Due by the clock, but not in business hours (a closed day was added since): look again then.
        referrals.change(session, referral, next_step_at=calendar.next_opening(now))
        return
    if planned.step is Step.EXPIRE:
        expire_referral(session, actor, referral, now)
        return
    changed = _advance(session, referral, planned, ladder, calendar)
    take = _STEPS[planned.step]
    if take is not None:
        take(session, changed, planned, now)
    detail = {"ordinal": planned.ordinal, "skipped": list(planned.skipped)}
    referrals.note(session, referral.id, f"step-{planned.step}", "sweep", now, **detail)
    entry = AuditEntry(
        action=Action.EXECUTE,
        subtype="remind",
        entity=f"ServiceRequest/{referral.id}",
        patient_id=referral.patient_id,
        detail={"step": planned.step, "ordinal": planned.ordinal},
    )
    audit.record(session, actor, entry)


def _advance(
    session: Session, referral: Referral, planned: Planned, ladder: Ladder, calendar: BusinessCalendar
) -> Referral:
    climb = replace(
        climb_of(referral),
        climbed=planned.ordinal,
        extended_days=referral.extended_days + planned.extend_days,
    )
    return referrals.change(session, referral, **replanned(climb, ladder, calendar))


def _remind(session: Session, referral: Referral, planned: Planned, now: datetime) -> None:
    clinician = directory.get_clinician(session, referral.clinician_id)
    last = _last_reached(session, referral)
    contact = next((c for c in clinician.contacts if last and c.id == last.contact_id), None)
    contact = contact or contacts.best(clinician.contacts)
    if contact is not None:
        queue_message(session, referral, MessageKind.REMINDER, contact, now, ordinal=planned.ordinal)


def _remind_by_another(session: Session, referral: Referral, planned: Planned, now: datetime) -> None:
    clinician = directory.get_clinician(session, referral.clinician_id)
    last = _last_reached(session, referral)
    used = last.channel if last else None
    contact = (
        contacts.by_another_channel(clinician.contacts, used) if used else contacts.best(clinician.contacts)
    )
    if contact is not None:
        queue_message(session, referral, MessageKind.REMINDER, contact, now, ordinal=planned.ordinal)


def _last_reached(session: Session, referral: Referral) -> outbox.Message | None:
    sent = outbox.find(
        session, referral_id=referral.id, states=(MessageState.ACCEPTED, MessageState.DELIVERED)
    )
    return sent[0] if sent else None


# None is a step that a person takes: it is on the Today board from now on, read from the request itself.
_STEPS: Final[dict[Step, Callable[[Session, Referral, Planned, datetime], None] | None]] = {
    Step.REMIND: _remind,
    Step.REMIND_OTHER_CHANNEL: _remind_by_another,
    Step.CALL: None,
    Step.SUGGEST_ANOTHER: None,
}
