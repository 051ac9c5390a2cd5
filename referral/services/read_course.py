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
from referral.domain.errors import CredentialUnusable
from referral.domain.records import Order
from referral.services.find_orders import states_of
from referral.services.keep_standing import own_answer
from referral.storage import audit, bookings, clinics, credentials, directory, orders, referrals
from referral.storage.credentials import PortalSession
from referral.storage.db import Session

_AHEAD = (BookingStatus.PENDING, BookingStatus.BOOKED)


class Stage(StrEnum):
    """How far the clinic is. DECLINED: it does not go by this recommendation."""

    READING = "reading"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    UNDER_WAY = "under-way"
    COMPLETED = "completed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Days are where the clinic is. `planned` is None where no number was planned; `next_on` is booked."""

    patient_name: str
    stage: Stage
    answered_on: date
    valid_until: date
    given: tuple[date, ...]
    planned: int | None
    next_on: date | None


def read_course(session: Session, actor: Actor, found: PortalSession, now: datetime) -> Course:
    """Raises CredentialUnusable for whoever has recommended nothing that stands. The look is recorded."""
    credential = credentials.get(session, found.selector)
    mine = own_answer(session, found)
    if credential is None or mine is None:
        raise CredentialUnusable("There is no answer of yours that still counts here.")
    referral = referrals.get(session, credential.referral_id)
    order = orders.get(session, referral.order_id)
    zone = ZoneInfo(clinics.current(session).time_zone)
    starts = [start.started_at.astimezone(zone).date() for start in orders.starts(session, order.id)]
    coming = [b for b in bookings.of_order(session, order.id, _AHEAD) if b.starts_at > now]
    entry = AuditEntry(
        action=Action.READ,
        subtype="portal-course",
        entity=f"ServiceRequest/{referral.order_id}",
        patient_id=referral.patient_id,
        detail={"recipient": f"PractitionerRole/{referral.clinician_id}"},
    )
    audit.record(session, actor, entry)
    return Course(
        patient_name=directory.get_patient(session, referral.patient_id).name,
        stage=_stage(session, order, declined=mine.is_declined, began=bool(starts), now=now),
        answered_on=mine.answered_at.astimezone(zone).date(),
        valid_until=mine.valid_until.astimezone(zone).date(),
        given=tuple(sorted(starts)),
        planned=order.planned_sessions,
        next_on=coming[0].starts_at.astimezone(zone).date() if coming else None,
    )


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
