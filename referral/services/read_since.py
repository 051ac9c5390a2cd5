"""“What happened since”: what whoever recommended the treatment may know of it, while their link lives.

The clinic's decision, the sessions, what comes next; no diagnosis, no note, nobody else's answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.booking import BookingStatus
from referral.domain.codes import Verdict
from referral.domain.errors import CredentialUnusable, NotFound
from referral.domain.language import phrase
from referral.domain.life import Purpose, Standing
from referral.domain.outgoing import REPORTS, MessageState
from referral.domain.records import Order, Referral
from referral.domain.report_rules import Occasion, recommenders
from referral.services.course import course_of
from referral.services.find_orders import states_of
from referral.services.keep_standing import own_answer
from referral.storage import (
    audit,
    bookings,
    clinics,
    course_reports,
    credentials,
    directory,
    documents,
    orders,
    outbox,
    referrals,
    standings,
)
from referral.storage.course_reports import Followed
from referral.storage.credentials import Credential, PortalSession
from referral.storage.db import Session
from referral.storage.documents import Document

_AHEAD = (BookingStatus.PENDING, BookingStatus.BOOKED)


class Stage(StrEnum):
    """How far the clinic is. DECLINED: it does not go by this recommendation."""

    READING = "reading"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    UNDER_WAY = "under-way"
    COMPLETED = "completed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A report that was written to whoever looks. `written_on` is a day of the clinic.

    `is_replaced`: another one here says what is right.
    """

    id: str
    occasion: Occasion
    written_on: date
    is_replaced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """Days are where the clinic is. `planned` is None where no number was planned; `next_on` is booked.

    `reports` are newest first; `stands` says that there is an answer to go back to.
    """

    patient_name: str
    stage: Stage
    answered_on: date
    valid_until: date
    given: tuple[date, ...]
    planned: int | None
    next_on: date | None
    reports: tuple[ReportRow, ...]
    stands: bool


def read_since(session: Session, actor: Actor, found: PortalSession, now: datetime) -> Since:
    """Raises CredentialUnusable for whoever has recommended nothing that stands. The look is recorded."""
    mine, referral, stands = _mine(session, found)
    written = _written(session, referral.id)
    order = orders.get(session, referral.order_id)
    zone = ZoneInfo(clinics.current(session).time_zone)
    found_course = course_of(session, order.id)
    starts = [one.started_at for one in found_course.sessions]
    given = [one.started_at.astimezone(zone).date() for one in found_course.sessions if not one.is_aborted]
    coming = [b for b in bookings.of_order(session, order.id, _AHEAD) if b.starts_at > now]
    _note(session, actor, referral, "portal-course", f"ServiceRequest/{referral.order_id}")
    return Since(
        patient_name=directory.get_patient(session, referral.patient_id).name,
        stage=_stage(session, order, declined=mine.is_declined, began=bool(starts), now=now),
        answered_on=mine.answered_at.astimezone(zone).date(),
        valid_until=mine.valid_until.astimezone(zone).date(),
        given=tuple(sorted(given)),
        planned=found_course.planned,
        next_on=coming[0].starts_at.astimezone(zone).date() if coming else None,
        reports=tuple(
            ReportRow(
                one.report.id,
                one.report.occasion,
                one.report.queue_at.astimezone(zone).date(),
                any(other.report.corrects == one.report.id for other in written),
            )
            for one in written
        ),
        stands=stands,
    )


def read_report(session: Session, actor: Actor, found: PortalSession, report_id: str) -> Document:
    """The sealed PDF of a report to this very clinician; NotFound for any other. The look is recorded."""
    _, referral, _ = _mine(session, found)
    letter_id = next(
        (one.letter_id for one in _written(session, referral.id) if one.report.id == report_id), None
    )
    if letter_id is None:
        raise NotFound(phrase("There is no such report here."))
    _note(session, actor, referral, "portal-report", f"DocumentReference/{letter_id}")
    return documents.get(session, letter_id)


def is_for_report(session: Session, credential: Credential) -> bool:
    """Whether this link came with a report: then that is what its reader wants to see."""
    message = outbox.get(session, credential.message_id)
    return message is not None and message.kind in REPORTS


def _written(session: Session, referral_id: str) -> list[Followed]:
    """The reports to one clinician that were drawn and not stopped, newest first."""
    every = course_reports.of_referral(session, referral_id)
    stopped = (MessageState.CANCELLED, MessageState.QUEUED, MessageState.RENDERING)
    return [one for one in reversed(every) if one.letter_id is not None and one.state not in stopped]


def _mine(session: Session, found: PortalSession) -> tuple[Standing, Referral, bool]:
    """The answer that reports are owed for, and whether it still stands.

    A course may outlive its recommendation: what was reported is read as long as its link lives.
    """
    credential, mine = credentials.get(session, found.selector), own_answer(session, found)
    if credential is None or found.identified_at is None:
        raise CredentialUnusable("There is no answer of yours that still counts here.")
    referral = referrals.get(session, credential.referral_id)
    if mine is not None:
        return mine, referral, True
    answers = recommenders(standings.of_referral(session, referral.id))
    usable = credential.revoked_at is None and credential.frozen_at is None
    reads = usable and credential.purpose is Purpose.STANDING
    if not reads or not answers or not _written(session, referral.id):
        raise CredentialUnusable("There is no answer of yours that still counts here.")
    return answers[-1], referral, False


def _note(session: Session, actor: Actor, referral: Referral, what: str, entity: str) -> None:
    entry = AuditEntry(
        action=Action.READ,
        subtype=what,
        entity=entity,
        patient_id=referral.patient_id,
        detail={"recipient": f"PractitionerRole/{referral.clinician_id}"},
    )
    audit.record(session, actor, entry)


def _stage(session: Session, order: Order, *, declined: bool, began: bool, now: datetime) -> Stage:
    if order.status == "completed":
        return Stage.COMPLETED
    if order.status not in orders.USABLE:
        return Stage.ENDED
    if began:
        return Stage.UNDER_WAY
    if declined:
        return Stage.DECLINED
    verdict = states_of(session, [order], now)[0].decision.verdict
    settled = verdict in (Verdict.SATISFIED, Verdict.SATISFIED_WITH_CONDITIONS)
    return Stage.ACCEPTED if settled else Stage.READING
