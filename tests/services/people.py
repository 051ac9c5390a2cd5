"""People and steps of the main job, done through the services."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from referral.domain.answers import Answers, check_answers
from referral.domain.audit import Actor
from referral.domain.codes import ClinicianKind, Role, Strength
from referral.domain.policy import ICD_10_CM, Indication
from referral.domain.records import Clinician, Order, Patient, Referral
from referral.services.keep_directory import (
    NewClinician,
    NewPatient,
    add_clinician,
    add_patient,
    verify_contact,
)
from referral.services.request_recommendation import (
    NewOrder,
    NewRequest,
    place_order,
    request_recommendation,
)
from referral.services.respond_to_referral import Receipt, Response, respond
from referral.storage import directory
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture

DEPRESSION = Indication(ICD_10_CM, "F33.2", "recurrent depression")
PAIN = Indication(ICD_10_CM, "G89.4", "chronic pain")
FLAGS = (
    "psychosis",
    "mania",
    "substance-use",
    "suicide-risk",
    "hypertension",
    "pregnancy",
    "dementia",
    "interaction",
)
SIGNATURE = {"attestation": ["yes"], "signer-name": ["Chidi Okafor"], "signer-credentials": ["MD"]}


def patient(session: Session, clinic: ClinicFixture, **changes: str) -> Patient:
    values = {"given": "Maria José", "family": "Nguyễn", "birth_date": "1986-04-12"} | changes
    return add_patient(session, clinic.actor, NewPatient(**values), NOW)


def clinician(session: Session, clinic: ClinicFixture, **changes: object) -> Clinician:
    values: dict[str, object] = {
        "given": "Chidi",
        "family": "Okafor",
        "kind": ClinicianKind.PSYCHIATRIST,
        "credentials": "MD",
        "npi": "9000000015",
        "practice": "Beacon Hill Psychiatry",
        "address": ("22 Myrtle Street", "Denver, CO 80203"),
        "email": "okafor@beaconhill.example",
        "fax": "303-555-0120",
    } | changes
    verified = values.pop("verified", True)
    made = add_clinician(session, clinic.actor, NewClinician(**values), NOW)  # type: ignore[arg-type]
    return verified_by_a_colleague(session, clinic, made) if verified else made


def verified_by_a_colleague(session: Session, clinic: ClinicFixture, made: Clinician) -> Clinician:
    """All contacts, called by somebody who did not enter them."""
    for contact in made.contacts:
        verify_contact(session, colleague(clinic), made.id, contact.id, NOW)
    return directory.get_clinician(session, made.id)


def colleague(clinic: ClinicFixture) -> Actor:
    return replace(clinic.actor, id="user-2")


def order(session: Session, clinic: ClinicFixture, of: Patient, *indications: Indication) -> Order:
    new = NewOrder(patient_id=of.id, indications=indications or (DEPRESSION,), planned_sessions=6)
    return place_order(session, clinic.actor, new, NOW)


def ask(
    session: Session, clinic: ClinicFixture, placed: Order, *asked: Clinician, now: datetime = NOW
) -> tuple[Referral, ...]:
    new = NewRequest(order_id=placed.id, clinician_ids=tuple(c.id for c in asked))
    return request_recommendation(session, clinic.actor, new, now)


def asked_once(session: Session, clinic: ClinicFixture, **changes: object) -> Referral:
    """One patient with depression and one request to one clinician."""
    return ask(
        session,
        clinic,
        order(session, clinic, patient(session, clinic)),
        clinician(session, clinic, **changes),
    )[0]


def answers(decision: str = "recommended", **changes: str) -> Answers:
    """A complete form of a psychiatrist without red flags."""
    raw = {
        "decision": [decision],
        "last-seen": ["2026-10-20"],
        "diagnosis-confirmed": ["yes"],
        "continues-care": ["yes"],
        "next-visit": ["4-weeks"],
        "medication-adjuster": ["we"],
        "reports": ["decision", "end-of-course"],
        **{flag: ["no"] for flag in FLAGS},
        **SIGNATURE,
    }
    raw |= {name.replace("_", "-"): [value] for name, value in changes.items()}
    return check_answers(raw, ClinicianKind.PSYCHIATRIST, NOW.date())


def respond_with(
    session: Session,
    clinic: ClinicFixture,
    referral: Referral,
    given: Answers | None = None,
    *,
    strength: Strength = Strength.TWO_CHANNEL,
    now: datetime = NOW,
) -> Receipt:
    """The clinician's signed answer."""
    response = Response(referral_id=referral.id, answers=given or answers(), strength=strength, selector=None)
    return respond(session, portal_actor(clinic), response, now)


def portal_actor(clinic: ClinicFixture) -> Actor:
    return Actor(clinic.id, "portal", "selector-1")


def director(clinic: ClinicFixture) -> Actor:
    return replace(clinic.actor, id="director-1", role=Role.MEDICAL_DIRECTOR)


def first_contact(session: Session, referral: Referral) -> str:
    return directory.get_clinician(session, referral.clinician_id).contacts[0].id
