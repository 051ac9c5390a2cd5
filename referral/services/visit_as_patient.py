"""The patient's own page: in by a link, one check, then what the clinic waits for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from referral.domain import contacts as rules
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Channel, TaskStatus
from referral.domain.consent import ConsentDecision, ConsentScope
from referral.domain.credential import FREEZE_AFTER, is_selector, random_token
from referral.domain.language import Language
from referral.domain.outgoing import MessageKind
from referral.domain.records import Contact, Referral
from referral.domain.scales import Scale
from referral.domain.time_zones import time_zone_of
from referral.services.enter_portal import Caller
from referral.services.fill_scale import needs_help, scales_to_fill
from referral.services.keep_consent import say_consent
from referral.services.prove_identity import Guess, Transaction, pay_then_look
from referral.services.queue_message import queue_message
from referral.storage import (
    audit,
    clinics,
    consents,
    contacts,
    directory,
    follow_ups,
    outbox,
    patient_links,
    referrals,
)
from referral.storage.db import Session
from referral.storage.patient_links import PatientLink, PatientVisit

ON_OWN_PAGE: Final = "said on the patient's own page"
_FRESH_LINKS: Final = 3
_FRESH_WINDOW: Final = timedelta(days=1)
# What has ended is shown for so long.
_SHOWN: Final = timedelta(days=60)


class Waiting(StrEnum):
    """How it stands with one form, as far as the patient is told."""

    WAITING = "waiting"
    ARRIVED = "arrived"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitedForm:
    """One form that was asked for. `clinician` is a name alone: a title or a practice could tell an illness.

    Days are in the patient's time zone; `expected_by` None where nothing is waited for any more.
    """

    clinician: str
    stage: Waiting
    asked_on: date
    reminded_on: date | None
    expected_by: date | None


@dataclass(frozen=True, slots=True)
class NextVisit:
    """A visit that a clinician has promised: a name alone, and the day by which it is due."""

    clinician: str
    by: date


@dataclass(frozen=True, slots=True)
class PatientStatus:
    """`wants_messages` is False once the patient has said no to them. `scales` are for them to fill in.

    `needs_help`: they have said something that waits for a person; the crisis line stands first.
    """

    given: str
    forms: tuple[AwaitedForm, ...]
    wants_messages: bool
    scales: tuple[Scale, ...] = ()
    needs_help: bool = False
    visits: tuple[NextVisit, ...] = ()


def actor_of(caller: Caller, link: PatientLink) -> Actor:
    """A link acts by its selector, the only part of it that is ever written down."""
    return Actor(link.clinic_id, "portal", link.selector, None, caller.address, caller.request_id)


def enter(session: Session, caller: Caller, selector: str, secret: str, now: datetime) -> str | None:
    """A new visit's token; None for a link that is unknown, expired, stopped or resting, all alike."""
    link = patient_links.find_by_link(session, selector, secret) if is_selector(selector) else None
    if link is None or not link.is_usable(now):
        return None
    token = random_token()
    patient_links.open_visit(session, token, selector=link.selector, csrf_token=random_token(), now=now)
    _record(session, actor_of(caller, link), link, "patient-link-opened")
    return token


def language_of(session: Session, link: PatientLink) -> Language:
    """The patient's, as the record has it; English where it is none that is spoken here."""
    spoken = directory.get_patient(session, link.patient_id).language
    return Language.of([spoken or ""]) or Language.ENGLISH


def guess_birth_date(
    transaction: Transaction, actor: Actor, visit: PatientVisit, typed: date, now: datetime
) -> Guess:
    """Pay, commit, then look: however many guess at once, an eleventh guess is never looked at."""
    return pay_then_look(
        transaction,
        lambda session: _pay(session, actor, visit, now),
        lambda session: _check(session, actor, visit, typed, now),
    )


def _pay(session: Session, actor: Actor, visit: PatientVisit, now: datetime) -> bool:
    if not patient_links.take_attempt(session, visit.selector, now):
        return False
    paid = patient_links.get(session, visit.selector)
    if paid is not None and paid.frozen_at is not None:
        _record(session, actor, paid, "patient-link-frozen", outcome_ok=False)
    return True


def _check(session: Session, actor: Actor, visit: PatientVisit, typed: date, now: datetime) -> bool:
    link = patient_links.get(session, visit.selector, lock=True)
    if link is None or link.revoked_at is not None:
        return False
    if link.frozen_at is not None and link.attempts < FREEZE_AFTER:
        return False
    right = directory.get_patient(session, link.patient_id).birth_date == typed
    if right:
        patient_links.forgive(session, link.selector)
        patient_links.change_visit(session, visit.token_digest, identified_at=now)
    _record(session, actor, link, "patient-birth-date", outcome_ok=right)
    return right


def can_be_identified(session: Session, link: PatientLink) -> bool:
    """False where the full date of birth is not on file: only a call helps."""
    return directory.get_patient(session, link.patient_id).birth_date is not None


def read_status(session: Session, actor: Actor, link: PatientLink, now: datetime) -> PatientStatus:
    """What the clinic waits for, newest first; the look is recorded."""
    patient = directory.get_patient(session, link.patient_id)
    zone = ZoneInfo(time_zone_of(patient.address, clinics.current(session).time_zone))
    shown = [
        one
        for one in referrals.find(session, patient_id=patient.id)
        if one.is_open or (one.closed_at is not None and now - one.closed_at < _SHOWN)
    ]
    _record(session, actor, link, "patient-status")
    return PatientStatus(
        given=patient.given,
        forms=tuple(form for one in shown if (form := _form(session, one, zone)) is not None),
        wants_messages=not consents.has_withdrawn(session, patient.id, ConsentScope.PATIENT_MESSAGES),
        scales=tuple(scales_to_fill(session, link)),
        needs_help=needs_help(session, link),
        visits=tuple(
            NextVisit(directory.get_clinician(session, one.clinician_id).name, one.due_on)
            for one in follow_ups.of_patient(session, link.patient_id)
            if one.settled_at is None and one.due_on is not None
        ),
    )


def _form(session: Session, asked: Referral, zone: ZoneInfo) -> AwaitedForm | None:
    """None for one that another answer has made needless: there is nothing to say about it."""
    if asked.status_reason == "not-needed":
        return None
    stage = Waiting.WAITING if asked.is_open else Waiting.ENDED
    if asked.status is TaskStatus.COMPLETED:
        stage = Waiting.ARRIVED
    reminded_at = outbox.last_reminded(session, asked.id)
    return AwaitedForm(
        clinician=directory.get_clinician(session, asked.clinician_id).name,
        stage=stage,
        asked_on=(asked.delivered_at or asked.created_at).astimezone(zone).date(),
        reminded_on=reminded_at.astimezone(zone).date() if reminded_at else None,
        expected_by=asked.due_at.astimezone(zone).date() if asked.is_open else None,
    )


def choose_messages(
    session: Session, actor: Actor, link: PatientLink, *, wanted: bool, now: datetime
) -> None:
    """The patient lets the clinic write, or does not; what is so already stays as it is."""
    refused = consents.has_withdrawn(session, link.patient_id, ConsentScope.PATIENT_MESSAGES)
    if refused is not wanted:
        return
    decision = ConsentDecision.GRANTED if wanted else ConsentDecision.WITHDRAWN
    say_consent(session, actor, link.patient_id, ConsentScope.PATIENT_MESSAGES, decision, ON_OWN_PAGE, now)


def send_fresh_link(session: Session, caller: Caller, selector: str, now: datetime) -> bool:
    """Queue a fresh link to the contact on file; whether one was sent is never told to whoever asks.

    Not for a link that is unknown or taken back, while tries are paused or used up on any of the patient's
    links, or after three in a day.
    """
    link = patient_links.find_for_renewal(session, selector) if is_selector(selector) else None
    if link is None or link.revoked_at is not None:
        return False
    sent = outbox.get(session, link.message_id)
    if sent is None:
        return False
    referral = referrals.get(session, sent.referral_id, lock=True)
    contact = _contact_on_file(session, link, sent.contact_id)
    if contact is None or not _may_renew(session, link, now):
        return False
    queue_message(session, referral, MessageKind.PATIENT_LINK, contact, now)
    _record(session, actor_of(caller, link), link, "patient-fresh-link")
    return True


def _contact_on_file(session: Session, link: PatientLink, used: str) -> Contact | None:
    on_file = contacts.of_patients(session, [link.patient_id])[link.patient_id]
    return rules.usable(on_file, used) or rules.for_patient(on_file, (Channel.EMAIL, Channel.SMS))


def _may_renew(session: Session, link: PatientLink, now: datetime) -> bool:
    every = patient_links.of_patient(session, link.patient_id)
    # Each link brings tries of its own: stopping short of the limit must not buy more of them.
    if sum(one.attempts for one in every) >= FREEZE_AFTER:
        return False
    if any(one.frozen_at is not None or one.is_paused(now) for one in every):
        return False
    sent = outbox.to_patient(session, link.patient_id)
    lately = [m for m in sent if m.kind is MessageKind.PATIENT_LINK and now - m.created_at < _FRESH_WINDOW]
    return len(lately) < _FRESH_LINKS


def leave(session: Session, visit: PatientVisit, now: datetime) -> None:
    """The visit ends; the link works again."""
    patient_links.change_visit(session, visit.token_digest, ended_at=now)


def _record(session: Session, actor: Actor, link: PatientLink, what: str, *, outcome_ok: bool = True) -> None:
    entry = AuditEntry(
        action=Action.READ if what == "patient-status" else Action.EXECUTE,
        subtype=what,
        entity=f"Patient/{link.patient_id}",
        patient_id=link.patient_id,
        outcome="0" if outcome_ok else "4",
    )
    audit.record(session, actor, entry)
