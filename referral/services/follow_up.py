"""Follow-up visits: promised with an answer, reminded of, asked about, and what became of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from referral.domain import contacts as rules
from referral.domain.answers import Answers
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Channel
from referral.domain.consent import ConsentScope
from referral.domain.errors import InvalidInput, Issue, NotFound, TransitionRefused
from referral.domain.follow_up import OUTCOMES, REMIND_AHEAD, FollowUp, Outcome, promised
from referral.domain.language import phrase
from referral.domain.outgoing import MessageKind
from referral.fhir import follow_up as mapping
from referral.services import course_events
from referral.services.calendars import clinic_calendar
from referral.services.publish import clinic_ref
from referral.services.queue_message import queue_message
from referral.storage import (
    audit,
    clinics,
    consents,
    contacts,
    directory,
    follow_ups,
    orders,
    referrals,
    resources,
)
from referral.storage.db import Session
from referral.storage.recommendations import NewRecommendation

_TO_PATIENT: Final = (Channel.EMAIL, Channel.SMS)
# Longer than the longest holiday, so that business days are counted in the calendar and not here.
_AHEAD: Final = timedelta(days=3 * REMIND_AHEAD + 7)
_LONGEST_MOVE: Final = timedelta(days=366)


def promise(
    session: Session, actor: Actor, given: NewRecommendation, answers: Answers, now: datetime
) -> None:
    """Keep what a positive answer promises; nothing where it names no visit.

    What the same clinician has promised for this order before, and what is still open, it replaces.
    """
    if answers.is_positive:
        _supersede(session, actor, given, now)
    found = promised(answers)
    if found is None:
        return
    made = FollowUp(
        id=resources.new_id(),
        recommendation_id=given.id,
        referral_id=given.referral_id,
        patient_id=given.patient_id,
        order_id=given.order_id,
        clinician_id=given.clinician_id,
        within=found[0],
        adjuster=found[1],
        promised_at=now,
    )
    if follow_ups.add(session, made):
        resources.create(session, [mapping.task(made, requester=clinic_ref(session))], now)
        _record(session, actor, made, "follow-up-promised", Action.CREATE)
        count_visits(session, made.order_id, now)


def _supersede(session: Session, actor: Actor, given: NewRecommendation, now: datetime) -> None:
    """Ended as what it is; the newer one counts its own day."""
    for one in follow_ups.of_order(session, given.order_id):
        if one.clinician_id != given.clinician_id or one.referral_id == given.referral_id:
            continue
        referrals.get(session, one.referral_id, lock=True)
        held = follow_ups.find(session, one.id, lock=True)
        if held is not None and held.settled_at is None:
            _settle(session, actor, held, Outcome.SUPERSEDED, None, now)


def count_visits(session: Session, order_id: str, now: datetime) -> None:
    """Count the days of the visits that are promised for an order anew.

    Called in the transaction of whatever they count from: a promise, a start, the end of the course and its
    corrections. So the sweep has nothing to count.
    """
    for id in follow_ups.count_days(session, order_id, clinics.current(session).time_zone):
        moved = follow_ups.find(session, id)
        if moved is not None:
            resources.amend(session, "Task", id, mapping.changes(moved, now), now)


def follow_up_due(session: Session, now: datetime) -> int:
    """For the sweep: remind patients and ask offices; returns how many messages.

    By business days of the clinic, each once for each day that was promised. Safe to run twice.
    """
    actor = Actor(session.clinic, "system", "sweep")
    calendar = clinic_calendar(session)
    sent = 0
    for one in follow_ups.unasked_until(session, calendar.local_date(now) + _AHEAD):
        if not (one.is_to_remind(calendar, now) or one.is_to_ask(calendar, now)):
            continue
        # Request before anything else, as everybody locks them; two sweeps at once do it once.
        referrals.get(session, one.referral_id, lock=True)
        held = follow_ups.find(session, one.id, lock=True)
        if held is not None and held.is_to_remind(calendar, now):
            sent += _remind(session, actor, held, now)
        elif held is not None and held.is_to_ask(calendar, now):
            sent += _ask(session, actor, held, now)
    return sent


def _remind(session: Session, actor: Actor, held: FollowUp, now: datetime) -> int:
    follow_ups.change(session, held.id, reminded_at=now)
    if consents.has_withdrawn(session, held.patient_id, ConsentScope.PATIENT_MESSAGES):
        return 0
    on_file = contacts.of_patients(session, [held.patient_id])[held.patient_id]
    contact = rules.for_patient(on_file, _TO_PATIENT)
    if contact is None:
        return 0
    referral = referrals.get(session, held.referral_id)
    queue_message(session, referral, MessageKind.PATIENT_VISIT, contact, now)
    _record(session, actor, held, "follow-up-reminded", Action.EXECUTE)
    return 1


def _ask(session: Session, actor: Actor, held: FollowUp, now: datetime) -> int:
    """By the best of the office's contacts. Without one, or after a patient's no, the front desk calls."""
    follow_ups.change(session, held.id, asked_at=now)
    contact = rules.best(directory.get_clinician(session, held.clinician_id).contacts)
    refused = consents.has_withdrawn(session, held.patient_id, ConsentScope.RECOMMENDER)
    if contact is None or refused:
        return 0
    referral = referrals.get(session, held.referral_id)
    queue_message(session, referral, MessageKind.FOLLOW_UP, contact, now)
    referrals.note(session, referral.id, "follow-up-asked", actor.id, now, channel=contact.channel)
    _record(session, actor, held, "follow-up-asked", Action.EXECUTE)
    return 1


def record_outcome(
    session: Session, actor: Actor, id: str, outcome: str, day: date | None, now: datetime
) -> FollowUp:
    """What became of it, said by the office on the portal or by staff; `day` is of the visit, or its new one.

    Refuses what is settled already. A visit that is moved goes on: it is reminded of and asked about again.
    """
    known = follow_ups.find(session, id)
    if known is None:
        raise NotFound("There is no such follow-up visit.")
    referrals.get(session, known.referral_id, lock=True)
    held = follow_ups.find(session, id, lock=True) or known
    if held.settled_at is not None:
        raise TransitionRefused(phrase("What became of this visit is on record already."), "Task.status")
    if outcome not in set(OUTCOMES):
        raise InvalidInput(Issue(phrase("Please choose what became of the visit."), ("outcome",), "required"))
    said = Outcome(outcome)
    _check_day(said, day, clinic_calendar(session).local_date(now))
    if said is Outcome.MOVED:
        moved = {"moved_to": day, "due_on": day, "reminded_at": None, "asked_at": None}
        return _change(session, actor, held, said, moved, now)
    changed = _settle(session, actor, held, said, day if said is Outcome.SEEN else None, now)
    course_events.visit_settled(session, actor, orders.get(session, held.order_id), now)
    return changed


def _settle(
    session: Session, actor: Actor, held: FollowUp, outcome: Outcome, seen_on: date | None, now: datetime
) -> FollowUp:
    values = {"outcome": outcome, "outcome_on": seen_on, "settled_at": now, "settled_by": actor.id}
    return _change(session, actor, held, outcome, values, now)


def _change(
    session: Session, actor: Actor, held: FollowUp, said: Outcome, values: dict[str, Any], now: datetime
) -> FollowUp:
    """Row, Task, timeline and audit row. The caller holds the request and the promise."""
    follow_ups.change(session, held.id, **values)
    changed = replace(held, **values)
    resources.amend(session, "Task", held.id, mapping.changes(changed, now), now)
    referrals.note(session, held.referral_id, "follow-up-outcome", actor.id, now, outcome=said)
    _record(session, actor, changed, "follow-up-outcome", Action.UPDATE, outcome=said)
    return changed


def _check_day(said: Outcome, day: date | None, today: date) -> None:
    if said is Outcome.SEEN and (day is None or day > today):
        text = phrase("On which day was it? It cannot lie in the future.")
        raise InvalidInput(Issue(text, ("day",), "required"))
    if said is Outcome.MOVED and (day is None or not today <= day <= today + _LONGEST_MOVE):
        raise InvalidInput(Issue(phrase("To which day, within a year?"), ("day",), "required"))


def _record(
    session: Session, actor: Actor, about: FollowUp, what: str, action: Action, *, outcome: str = ""
) -> None:
    entry = AuditEntry(
        action=action,
        subtype=what,
        entity=f"Task/{about.id}",
        patient_id=about.patient_id,
        detail={"outcome": outcome} if outcome else {},
    )
    audit.record(session, actor, entry)
