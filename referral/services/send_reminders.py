"""Climbs the ladder: for each request whose next step is due, do that one step and plan the next."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import structlog

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.calendar import BusinessCalendar
from referral.domain.calls import CallReason
from referral.domain.outgoing import (
    REACHED,
    UNFINISHED,
    WITH_LETTER,
    WITH_LINK,
    MessageKind,
    MessageState,
    free_ordinal,
)
from referral.domain.records import Referral
from referral.domain.reminders import (
    PUT_OFF,
    REMINDING,
    Ladder,
    Planned,
    Step,
    advanced,
    comes_too_early,
    comes_up_at,
    reminder_due,
)
from referral.services.climb import carrier_of, climb_of, contact_for, ladder_and_calendar, replanned
from referral.services.close_referral import expire_referral
from referral.services.queue_call import queue_call
from referral.services.queue_message import queue_message
from referral.services.tell_patient import tell_patient
from referral.storage import audit, closures, directory, outbox, referrals
from referral.storage.db import Session, attempt
from referral.storage.outbox import Message

log = structlog.get_logger(__name__)
_BATCH: Final = 50


def send_reminders(session: Session, now: datetime) -> int:
    """One batch of one clinic; returns how many requests were looked at. Run it while is_full() of that.

    A second sweep is harmless: rows are locked, each step is counted on its row, and each reminder's row is
    unique.
    """
    actor = Actor(session.clinic, "system", "sweep")
    due = referrals.find_due(session, now, _BATCH)
    sent = _read_together(session, due)
    for referral in due:
        _climb_safely(session, actor, referral, sent[referral.id], now)
    return len(due)


def _read_together(session: Session, due: list[Referral]) -> dict[str, list[Message]]:
    """What every climb needs, one statement for each kind of row; returns the messages by request."""
    found: dict[str, list[Message]] = {referral.id: [] for referral in due}
    if due:
        clinicians = directory.get_clinicians(session, {referral.clinician_id for referral in due})
        closures.of(session, clinicians)
        for message in outbox.of_referrals(session, found):
            found[message.referral_id].append(message)
    return found


def _climb_safely(
    session: Session, actor: Actor, referral: Referral, sent: list[Message], now: datetime
) -> None:
    """One request's trouble is not another's; it comes up again later and holds nobody up."""
    try:
        with attempt(session):
            _climb(session, actor, referral, sent, now)
    except Exception:
        log.exception("remind.failed", request=referral.number)
        referrals.change(session, referral, next_step_at=now + PUT_OFF)


def is_full(count: int) -> bool:
    """Whether a batch of `count` requests may have left others that are due."""
    return count >= _BATCH


def _climb(session: Session, actor: Actor, referral: Referral, sent: list[Message], now: datetime) -> None:
    ladder, calendar = ladder_and_calendar(session, referral)
    climb = climb_of(referral)
    planned = reminder_due(climb, ladder, calendar, now)
    if planned is None:
        # Due by the row, but not in business hours, or not by the ladder as it is now: work it out anew.
        when = comes_up_at(climb, ladder, calendar, now)
        values = {**replanned(climb, ladder, calendar), "next_step_at": when}
        referrals.change(session, referral, **values)
        return
    waits = any(m.kind in WITH_LETTER and m.state in UNFINISHED for m in sent)
    if comes_too_early(planned, delivered=referral.delivered_at is not None, letter_waits=waits):
        # The first delivery plans anew; this is for a letter that never leaves.
        referrals.change(session, referral, next_step_at=now + PUT_OFF)
        return
    if planned.step is Step.EXPIRE:
        expire_referral(session, actor, referral, now)
        return
    changed = _advance(session, referral, planned, ladder, calendar)
    # A call that an outage has skipped is still to be made.
    if any(ladder.rungs[n - 1].step is Step.CALL for n in (planned.ordinal, *planned.skipped)):
        queue_call(session, changed, CallReason.LADDER, now)
    # What a person was to do in an outage is still to be done.
    for rung in (ladder.rungs[n - 1] for n in planned.skipped):
        if rung.step in (Step.SUGGEST_ANOTHER, Step.ESCALATE):
            referrals.note(session, referral.id, f"step-{rung.step}", "sweep", now, to=rung.audience)
    detail = {"ordinal": planned.ordinal, "skipped": list(planned.skipped), "to": planned.rung.audience}
    referrals.note(session, referral.id, f"step-{planned.step}", "sweep", now, **detail)
    _remind(session, changed, planned, sent, now)
    # A patient whom an outage has kept waiting is told as well: it is still true.
    if any(ladder.rungs[n - 1].step is Step.SUGGEST_ANOTHER for n in (planned.ordinal, *planned.skipped)):
        tell_patient(session, changed, ladder.patient_channels, now, ordinal=planned.ordinal)
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
    climb = advanced(climb_of(referral), planned)
    return referrals.change(session, referral, **replanned(climb, ladder, calendar))


def _remind(
    session: Session, referral: Referral, planned: Planned, sent: list[Message], now: datetime
) -> None:
    """Steps that a person takes send nothing: they are on the Today board, read from the request itself."""
    clinician = directory.get_clinician(session, referral.clinician_id)
    last = next((m for m in sent if m.state in REACHED and m.kind in WITH_LINK), None)
    contact = contact_for(planned.rung, clinician, carrier_of(last))
    if contact is not None:
        cancelled = {
            m.ordinal for m in sent if m.kind is MessageKind.REMINDER and m.state is MessageState.CANCELLED
        }
        ordinal = free_ordinal(planned.ordinal, cancelled)
        queue_message(session, referral, MessageKind.REMINDER, contact, now, ordinal=ordinal)
    elif planned.step in REMINDING:
        # Nothing on file is left that a reminder could go by.
        queue_call(session, referral, CallReason.ONLY_CONTACT, now)
