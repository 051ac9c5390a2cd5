"""Asks clinicians for a recommendation: the order, one request per clinician, the first letter of each."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from referral.domain import contacts
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.calls import CallReason
from referral.domain.codes import BusinessStatus, Channel, Requirement, TaskStatus
from referral.domain.consent import ConsentScope
from referral.domain.errors import DuplicateRequest, InvalidInput, Issue, TransitionRefused
from referral.domain.gate import who_may_recommend
from referral.domain.npi import KIND_LABEL
from referral.domain.outgoing import MessageKind
from referral.domain.policy import Indication, Policy
from referral.domain.records import Clinician, Order, Patient, Referral
from referral.domain.reminders import Climb, Ladder, due_date, next_step
from referral.services import publish
from referral.services.calendars import calendars_of
from referral.services.climb import first_contact, ladder_of
from referral.services.hand_over import hand_over
from referral.services.queue_call import queue_call
from referral.services.queue_message import queue_message
from referral.storage import audit, calls, clinics, consents, directory, orders, referrals
from referral.storage.db import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An infusion order. `document` is the client's own ServiceRequest, empty when our pages made it."""

    patient_id: str
    indications: tuple[Indication, ...]
    planned_sessions: int | None = None
    first_infusion_on: date | None = None
    document: dict[str, Any] = field(default_factory=dict)
    condition_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """Whom to ask about an order. `document` is the client's own ServiceRequest for the first clinician."""

    order_id: str
    clinician_ids: tuple[str, ...]
    document: dict[str, Any] = field(default_factory=dict)
    requester: str | None = None


def place_order(session: Session, actor: Actor, new: NewOrder, now: datetime) -> Order:
    """An order starts on-hold, whatever it asks for; the gate decides when it becomes active."""
    if not new.indications:
        raise InvalidInput(Issue("Choose at least one indication.", ("indication",), "required"))
    directory.get_patient(session, new.patient_id)
    order = Order(
        id=new.document.get("id") or str(uuid.uuid4()),
        patient_id=new.patient_id,
        status="on-hold",
        indications=tuple({(i.system, i.code): i for i in new.indications}.values()),
        planned_sessions=new.planned_sessions,
        first_infusion_on=new.first_infusion_on,
        created_at=now,
    )
    orders.add(session, order, actor.id)
    publish.order(session, order, new.condition_ids, new.document, now)
    _record(session, actor, "place-order", f"ServiceRequest/{order.id}", order.patient_id)
    return order


def request_recommendation(
    session: Session, actor: Actor, new: NewRequest, now: datetime
) -> tuple[Referral, ...]:
    """One request per clinician, sharing a requisition; all or none.

    Refuses an order that needs no recommendation, a clinician whom the policy does not accept, one without a
    contact, and (DuplicateRequest) one who has an open request for the same order.
    """
    order = orders.get(session, new.order_id, lock=True)
    policy, ladder = clinics.policy_in_force(session)
    if Requirement.RECOMMENDATION not in policy.requirements(order.indications):
        names = ", ".join(indication.label for indication in order.indications)
        raise TransitionRefused(
            f"No recommendation is needed for {names}; the initial consultation is enough.",
            "ServiceRequest.reasonCode",
        )
    patient = directory.get_patient(session, order.patient_id)
    asked = _clinicians(session, patient, new.clinician_ids, policy)
    others = referrals.find(session, patient_id=order.patient_id, is_open=True)
    _refuse_duplicates(others, asked)
    made = _rows(session, actor, order, asked, policy.version, ladder, new, now)
    referrals.add(session, made)
    for place, (referral, clinician) in enumerate(zip(made, asked, strict=True)):
        document = (
            new.document if place == 0 else {name: v for name, v in new.document.items() if name != "id"}
        )
        _send_first(session, actor, referral, clinician, document, new.requester, now)
    publish.order_asked(session, order.id, [referral.id for referral in made], now)
    hand_over(session, actor, [other for other in others if other.order_id == order.id], now)
    return made


def _clinicians(session: Session, patient: Patient, ids: tuple[str, ...], policy: Policy) -> list[Clinician]:
    if not ids:
        raise InvalidInput(Issue("Choose a clinician to ask.", ("clinician",), "required"))
    issues = []
    if consents.has_withdrawn(session, patient.id, ConsentScope.RECOMMENDER):
        text = (
            "The patient does not want anybody to be asked. If that has changed, record the new consent on "
            "the patient's page first."
        )
        issues.append(Issue(text, ("ServiceRequest.subject",), "business-rule"))
    if patient.birth_date is None:
        text = "The patient's date of birth is missing: the letter and the identity check need it."
        issues.append(Issue(text, ("Patient.birthDate",), "required"))
    asked = [directory.get_clinician(session, id) for id in dict.fromkeys(ids)]
    unwelcome = calls.unwelcome(session, [clinician.id for clinician in asked])
    for clinician in asked:
        where = ("ServiceRequest.performer",)
        since = unwelcome.get(clinician.id)
        if since is not None and not _confirmed_after(clinician, since):
            text = (
                f"This clinician has asked on {since:%B %d, %Y} not to be contacted. Ask another one, or let "
                "a colleague call and verify a contact first."
            )
            issues.append(Issue(text, where, "business-rule"))
        if clinician.kind not in policy.eligible:
            text = (
                f"A recommendation from a {KIND_LABEL[clinician.kind]} does not count under the clinic's "
                f"policy; ask a {who_may_recommend(policy)}."
            )
            issues.append(Issue(text, where, "business-rule"))
        if contacts.best(clinician.contacts) is None and not _has_telephone(clinician):
            what = "has" if not clinician.contacts else "can be reached by"
            text = (
                f"This clinician {what} no e-mail address, fax number or postal address on file, and has no "
                "telephone; add or confirm one in the directory."
            )
            issues.append(Issue(text, where, "business-rule"))
    if issues:
        raise InvalidInput(*issues)
    return asked


def _confirmed_after(clinician: Clinician, moment: datetime) -> bool:
    return any(one.verified_at is not None and one.verified_at > moment for one in clinician.contacts)


def _has_telephone(clinician: Clinician) -> bool:
    return any(contact.channel is Channel.PHONE for contact in clinician.contacts)


def _refuse_duplicates(others: list[Referral], asked: list[Clinician]) -> None:
    """No second open request to a clinician about the same patient: it annoys and answers nothing."""
    wanted = {clinician.id for clinician in asked}
    for referral in others:
        if referral.clinician_id in wanted:
            raise DuplicateRequest(
                f"There is an open request ({referral.number}) to this clinician about this patient since "
                f"{referral.created_at:%B %d, %Y}.",
                referral.id,
            )


def _rows(
    session: Session,
    actor: Actor,
    order: Order,
    asked: list[Clinician],
    policy_version: int,
    ladder: Ladder,
    new: NewRequest,
    now: datetime,
) -> tuple[Referral, ...]:
    calendars = calendars_of(session, asked)
    numbers = referrals.next_number(session, now.year, len(asked))
    requisition = str(uuid.uuid4())
    rows = []
    for place, (clinician, number) in enumerate(zip(asked, numbers, strict=True)):
        calendar = calendars[clinician.id]
        climb = Climb(started_at=calendar.next_opening(now))
        planned = next_step(climb, ladder, calendar)
        rows.append(
            Referral(
                id=(new.document.get("id") if place == 0 else None) or str(uuid.uuid4()),
                number=number,
                requisition=requisition,
                task_id=str(uuid.uuid4()),
                patient_id=order.patient_id,
                order_id=order.id,
                clinician_id=clinician.id,
                status=TaskStatus.REQUESTED,
                business_status=BusinessStatus.SENT,
                status_reason=None,
                version=1,
                created_by=actor.id,
                created_at=now,
                started_at=climb.started_at,
                due_at=due_date(ladder, calendar, climb),
                delivered_at=None,
                identified_at=None,
                closed_at=None,
                climbed=0,
                shifted_days=0,
                extended_days=0,
                held_at=None,
                next_step_at=planned.due_at if planned else None,
                ladder_version=policy_version,
            )
        )
    return tuple(rows)


def _send_first(
    session: Session,
    actor: Actor,
    referral: Referral,
    clinician: Clinician,
    document: dict[str, Any],
    requester: str | None,
    now: datetime,
) -> None:
    publish.referral(session, actor, referral, clinician, requester, document, now)
    referrals.note(session, referral.id, "asked", actor.id, now, clinician=clinician.id)
    contact = first_contact(ladder_of(session, referral), clinician)
    if contact is not None:
        queue_message(session, referral, MessageKind.REQUEST, contact, now, ordinal=1)
    else:
        # Somebody has to ask how it can be sent, or write down what is said.
        queue_call(session, referral, CallReason.ONLY_CONTACT, now)
    _record(session, actor, "ask", f"ServiceRequest/{referral.id}", referral.patient_id)


def _record(session: Session, actor: Actor, what: str, entity: str, patient_id: str) -> None:
    audit.record(
        session, actor, AuditEntry(action=Action.CREATE, subtype=what, entity=entity, patient_id=patient_id)
    )
