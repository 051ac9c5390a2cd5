"""What sending a new request would do, said before it is done; writes only the audit row of the look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from referral.domain import contacts
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import BusinessStatus, Requirement, TaskStatus
from referral.domain.credential import Minted
from referral.domain.errors import ReferralError
from referral.domain.gate import requirement_sentence
from referral.domain.policy import Policy
from referral.domain.records import Clinician, Contact, Order, Patient, Referral
from referral.domain.reminders import Climb, due_date
from referral.services.calendars import calendar_of
from referral.services.foresee_steps import Foreseen, foresee_steps
from referral.services.letter_content import Asked, request_letter
from referral.services.letter_words import first_page_words
from referral.services.send_new_request import Draft, matching_order, open_requests
from referral.storage import audit, clinics, directory
from referral.storage.db import Session

# Stands where the code of the letter will stand; nobody can know it before the letter is made.
_ID: Final = "preview"
_NO_CODE: Final = Minted("preview", "preview", "the printed code")


@dataclass(frozen=True, slots=True)
class Sending:
    """By which contact, None where there is none, and when, in the recipient's business hours.

    `steps` are what follows by itself if nobody answers.
    """

    contact: Contact | None
    leaves_at: datetime
    due_at: datetime
    steps: tuple[Foreseen, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """None and empty where too little was filled in to say.

    `other` is an open request of the same patient with its clinician; `same_clinician` says that it asks the
    very clinician who was chosen.
    """

    policy: Policy
    needed: bool | None = None
    need_sentence: str = ""
    unclassified: bool = False
    known_order: Order | None = None
    patient_name: str = ""
    birth_year: int | None = None
    clinician: Clinician | None = None
    eligible: bool = True
    other: tuple[Referral, Clinician] | None = None
    same_clinician: bool = False
    sending: Sending | None = None
    letter: tuple[str, ...] = ()


def preview_request(
    session: Session, actor: Actor, draft: Draft, typed: Clinician | None, base_url: str, now: datetime
) -> Preview:
    """`typed` is a new clinician as far as filled in. Unknown ids are taken as not chosen."""
    policy, _ = clinics.policy_in_force(session)
    patient = _patient(session, draft)
    clinician = typed or directory.get_clinicians(session, [draft.clinician_id]).get(draft.clinician_id)
    chosen = draft.patient_id if patient else ""
    if chosen:
        _record(session, actor, chosen)
    other, same = _other(session, chosen, clinician)
    asked = draft.indications
    needed = Requirement.RECOMMENDATION in policy.requirements(asked) if asked else None
    sending = _sending(session, clinician, now) if clinician else None
    letter: tuple[str, ...] = ()
    if needed and patient and clinician and sending and sending.contact:
        letter = _letter(session, patient, draft, clinician, sending, base_url, now)
    return Preview(
        policy=policy,
        needed=needed,
        need_sentence=requirement_sentence(asked, policy) if asked else "",
        unclassified=bool(policy.unclassified(asked)),
        known_order=matching_order(session, chosen, asked) if chosen and asked else None,
        patient_name=patient.name if patient else "",
        birth_year=patient.birth_date.year if patient and patient.birth_date else None,
        clinician=clinician,
        eligible=clinician is None or clinician.kind in policy.eligible,
        other=other,
        same_clinician=same,
        sending=sending,
        letter=letter,
    )


def _sending(session: Session, clinician: Clinician, now: datetime) -> Sending:
    _, ladder = clinics.policy_in_force(session)
    calendar = calendar_of(session, clinician)
    leaves_at = calendar.next_opening(now)
    climb = Climb(started_at=leaves_at)
    contact = contacts.for_request(ladder, clinician.contacts)
    last = (contact.id, contact.channel) if contact else None
    steps = foresee_steps(climb, ladder, calendar, clinician, last, now)
    return Sending(contact, leaves_at, due_date(ladder, calendar, climb), steps)


def _patient(session: Session, draft: Draft) -> Patient | None:
    new = draft.new_patient
    if new is None:
        return directory.get_patients(session, [draft.patient_id]).get(draft.patient_id)
    if not (new.given.strip() and new.family.strip()):
        return None
    try:
        born = datetime.fromisoformat(new.birth_date).date()
    except ValueError:
        born = None
    return Patient(id="preview", given=new.given.strip(), family=new.family.strip(), birth_date=born)


def _other(
    session: Session, patient_id: str, clinician: Clinician | None
) -> tuple[tuple[Referral, Clinician] | None, bool]:
    """The open request that is in the way: one to the same clinician before any other."""
    found = open_requests(session, patient_id) if patient_id else []
    if not found:
        return None, False
    same = next((r for r in found if clinician is not None and r.clinician_id == clinician.id), None)
    shown = same or found[0]
    return (shown, directory.get_clinician(session, shown.clinician_id)), same is not None


def _letter(
    session: Session,
    patient: Patient,
    draft: Draft,
    clinician: Clinician,
    sending: Sending,
    base_url: str,
    now: datetime,
) -> tuple[str, ...]:
    """The first page in its own words; nothing where it could not be written yet (the sending says why)."""
    assert sending.contact is not None  # noqa: S101 - the caller has looked
    order = Order(
        id=_ID,
        patient_id=patient.id,
        status="on-hold",
        indications=draft.indications,
        planned_sessions=draft.infusions,
        first_infusion_on=draft.first_infusion,
        created_at=now,
    )
    asked = Asked(
        clinic=clinics.current(session),
        patient=patient,
        order=order,
        clinician=clinician,
        referral=_referral(order, clinician, sending, now),
        contact=sending.contact,
    )
    try:
        letter = request_letter(asked, _NO_CODE, base_url, now)
    except ReferralError:
        return ()
    return first_page_words(letter)


def _referral(order: Order, clinician: Clinician, sending: Sending, now: datetime) -> Referral:
    return Referral(
        id=_ID,
        number="the request",
        requisition="",
        task_id="",
        patient_id=order.patient_id,
        order_id=order.id,
        clinician_id=clinician.id,
        status=TaskStatus.REQUESTED,
        business_status=BusinessStatus.SENT,
        status_reason=None,
        version=1,
        created_by="",
        created_at=now,
        started_at=now,
        due_at=sending.due_at,
        delivered_at=None,
        identified_at=None,
        closed_at=None,
        climbed=0,
        shifted_days=0,
        extended_days=0,
        held_at=None,
        next_step_at=None,
    )


def _record(session: Session, actor: Actor, patient_id: str) -> None:
    entry = AuditEntry(
        action=Action.READ,
        subtype="preview-request",
        entity=f"Patient/{patient_id}",
        patient_id=patient_id,
    )
    audit.record(session, actor, entry)
