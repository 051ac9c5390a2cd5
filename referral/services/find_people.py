"""Patients and clinicians as lists and pages show them; each look at a patient leaves its audit row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.consent import Consented, ConsentScope
from referral.domain.listing import Page, View
from referral.domain.policy import Policy
from referral.domain.records import Clinician, Contact, Patient
from referral.services.find_orders import OrderState, states_of
from referral.services.follow_requests import Followed, follow
from referral.services.keep_directory import entered_by
from referral.services.note_shown import note_shown
from referral.services.tell_patient import Telling, Untold, foresee_telling
from referral.storage import audit, clinics, consents, contacts, directory, orders, outbox, referrals
from referral.storage.db import Session
from referral.storage.lists import people
from referral.storage.outbox import Message

# The newest requests on the page of a clinician; the list has all.
_NEWEST: Final = 50


@dataclass(frozen=True, slots=True)
class ListedPatient:
    """How many orders are in use and how many requests are open."""

    patient: Patient
    orders: int
    requests: int


def list_patients(session: Session, actor: Actor, view: View, now: datetime) -> Page[ListedPatient]:
    """Sorted by name unless another order is asked for."""
    page = people.patients(session, view, now)
    in_use: dict[str, list[str]] = {patient.id: [] for patient in page.rows}
    for order in orders.of_patients(session, in_use):
        if order.status in orders.USABLE:
            in_use[order.patient_id].append(order.id)
    waiting = dict.fromkeys(in_use, 0)
    for referral in referrals.of_orders(session, [id for ids in in_use.values() for id in ids]):
        waiting[referral.patient_id] += referral.is_open
    note_shown(session, actor, view.noted("patients"), in_use, list="patients")
    return page.of(ListedPatient(p, len(in_use[p.id]), waiting[p.id]) for p in page.rows)


def look_up_patients(session: Session, actor: Actor, words: str, limit: int) -> tuple[list[Patient], bool]:
    """For the type-ahead: nothing for nothing."""
    if not words.strip():
        return [], False
    found = directory.look_up_patients(session, words, limit + 1)
    note_shown(session, actor, "search-patients", (patient.id for patient in found[:limit]))
    return found[:limit], len(found) > limit


@dataclass(frozen=True, slots=True)
class PatientView:
    """`contacts` are those of the record, `consented` what the patient has said, `messages` what they got.

    `telling` is what a message by hand would be, or why there is none.
    """

    patient: Patient
    orders: tuple[OrderState, ...]
    requests: tuple[Followed, ...]
    contacts: tuple[Contact, ...]
    consented: dict[ConsentScope, Consented]
    messages: tuple[Message, ...]
    telling: Telling | Untold


def find_patient(session: Session, actor: Actor, patient_id: str, now: datetime) -> PatientView:
    """With all orders and requests, newest first; NotFound for an unknown id."""
    patient = directory.get_patient(session, patient_id)
    states = states_of(session, orders.of_patients(session, [patient_id]), now)
    _record(session, actor, "patient", patient_id)
    requests = [followed for state in states for followed in state.requests]
    requests.sort(key=lambda followed: followed.referral.created_at, reverse=True)
    return PatientView(
        patient=patient,
        orders=tuple(states),
        requests=tuple(requests),
        contacts=contacts.of_patients(session, [patient_id])[patient_id],
        consented=consents.of_patients(session, [patient_id])[patient_id],
        messages=tuple(outbox.to_patient(session, patient_id)),
        telling=foresee_telling(session, patient_id, now),
    )


def list_clinicians(session: Session, actor: Actor, view: View, now: datetime) -> Page[Clinician]:
    """Sorted by name. A page names no patient and leaves no audit row; a file of it does."""
    page = people.clinicians(session, view, now)
    if view.export:
        note_shown(session, actor, view.noted("directory"), (), list="directory", rows=len(page.rows))
    return page


def look_up_clinicians(
    session: Session, actor: Actor, words: str, patient_id: str, limit: int
) -> tuple[list[Clinician], bool]:
    """For the type-ahead; without words, those who were asked about this patient, the last one first."""
    if words.strip():
        found = directory.look_up_clinicians(session, words, limit + 1)
        return found[:limit], len(found) > limit
    if not patient_id:
        return [], False
    asked = dict.fromkeys(r.clinician_id for r in referrals.find(session, patient_id=patient_id))
    _record(session, actor, "recent-clinicians", patient_id)
    known = directory.get_clinicians(session, asked)
    return [known[id] for id in asked][:limit], len(asked) > limit


@dataclass(frozen=True, slots=True)
class ClinicianView:
    clinician: Clinician
    policy: Policy
    requests: tuple[Followed, ...]
    patients: dict[str, Patient]
    entered_by: str | None


def find_clinician(session: Session, actor: Actor, clinician_id: str, now: datetime) -> ClinicianView:
    """With the newest requests to this clinician."""
    clinician = directory.get_clinician(session, clinician_id)
    policy, _ = clinics.policy_in_force(session)
    asked = follow(session, referrals.find(session, clinician_id=clinician_id, limit=_NEWEST), now)
    patients = directory.get_patients(session, {f.referral.patient_id for f in asked})
    about = (followed.referral.patient_id for followed in asked)
    note_shown(session, actor, "clinician", about, clinician=clinician_id)
    return ClinicianView(clinician, policy, tuple(asked), patients, entered_by(session, clinician_id))


def _record(session: Session, actor: Actor, what: str, patient_id: str) -> None:
    entry = AuditEntry(
        action=Action.READ, subtype=what, entity=f"Patient/{patient_id}", patient_id=patient_id
    )
    audit.record(session, actor, entry)
