"""The New request page as one use case: patient, order and request together, sent once."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, TypeVar

from referral.domain.audit import Actor
from referral.domain.codes import Requirement
from referral.domain.errors import DuplicateRequest, InvalidInput, Issue
from referral.domain.policy import Indication
from referral.domain.records import Clinician, Order, Patient, Referral
from referral.services.add_from_register import add_from_register
from referral.services.keep_directory import NewClinician, NewPatient, add_clinician, add_patient
from referral.services.request_recommendation import (
    NewOrder,
    NewRequest,
    place_order,
    request_recommendation,
)
from referral.storage import clinics, directory, orders, referrals
from referral.storage.db import Session, hold

# A fixed namespace: the same showing of the form always makes the same ids.
_NAMESPACE: Final = uuid.UUID("4c6f4c1e-3c1b-5d0e-9a3e-2f4b8f0a7c55")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The page as it was filled in. `key` marks one showing of the form.

    A patient or a clinician is either chosen (an id), or new, or missing (both empty).
    """

    key: str
    patient_id: str = ""
    new_patient: NewPatient | None = None
    indications: tuple[Indication, ...] = ()
    infusions: int | None = None
    first_infusion: date | None = None
    clinician_id: str = ""
    # Somebody of the national register, who is not in the directory yet.
    clinician_npi: str = ""
    new_clinician: NewClinician | None = None
    ask_anyway: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """`referral_id` is None where no recommendation is needed: then only the order was placed."""

    order_id: str
    referral_id: str | None


def send_new_request(session: Session, actor: Actor, draft: Draft, now: datetime) -> Sent:
    """Find or add the patient, use or place the order, and ask the clinician if a recommendation is needed.

    A second call with the same key changes nothing and returns what the first one made. InvalidInput carries
    all problems of the page at once; DuplicateRequest names the open request that is in the way.
    """
    order_id, referral_id = _ids(session, actor, draft.key)
    hold(session, f"new-request/{order_id}")
    if referrals.exists(session, referral_id):
        return Sent(referrals.get(session, referral_id).order_id, referral_id)
    if orders.get_many(session, [order_id]):
        return Sent(order_id, None)
    issues: list[Issue] = []
    patient = _collect(issues, lambda: _patient(session, actor, draft, now))
    if not draft.indications:
        issues.append(Issue("Choose at least one indication.", ("indication_query",), "required"))
    # Without an indication nobody knows yet: then the clinician is looked at too, so that all problems show.
    asked = not draft.indications or _is_needed(session, draft.indications)
    clinician = _collect(issues, lambda: _clinician(session, actor, draft, now)) if asked else None
    if issues or patient is None:
        raise InvalidInput(*issues)
    order = _order(session, actor, draft, patient, order_id, now)
    if clinician is None:
        return Sent(order.id, None)
    _refuse_second(session, draft, patient, clinician)
    new = NewRequest(order_id=order.id, clinician_ids=(clinician.id,), document={"id": referral_id})
    made = request_recommendation(session, actor, new, now)
    return Sent(order.id, made[0].id)


def _ids(session: Session, actor: Actor, key: str) -> tuple[str, str]:
    """(order, request). The person is part of it, so that nobody can guess at another one's form."""
    stem = f"{session.clinic}/{actor.id}/{key}"
    return str(uuid.uuid5(_NAMESPACE, f"{stem}/order")), str(uuid.uuid5(_NAMESPACE, f"{stem}/request"))


def _collect(issues: list[Issue], step: Callable[[], _T]) -> _T | None:
    try:
        return step()
    except InvalidInput as error:
        issues.extend(error.issues)
        return None


def _patient(session: Session, actor: Actor, draft: Draft, now: datetime) -> Patient:
    if draft.new_patient is None:
        if not draft.patient_id:
            raise InvalidInput(Issue("Choose a patient, or add a new one.", ("patient_query",), "required"))
        return directory.get_patient(session, draft.patient_id)
    patient = add_patient(session, actor, draft.new_patient, now)
    same = [
        found
        for found in directory.find_patients(session, patient.name)
        if found.id != patient.id and found.birth_date == patient.birth_date
    ]
    if same:
        text = "A patient with this name and date of birth is on file already. Choose them from the list."
        raise InvalidInput(Issue(text, ("patient_query",), "duplicate"))
    return patient


def _is_needed(session: Session, indications: tuple[Indication, ...]) -> bool:
    policy, _ = clinics.policy_in_force(session)
    return Requirement.RECOMMENDATION in policy.requirements(indications)


def _clinician(session: Session, actor: Actor, draft: Draft, now: datetime) -> Clinician:
    if draft.new_clinician is not None:
        if not any((draft.new_clinician.email, draft.new_clinician.fax, *draft.new_clinician.address)):
            text = "Give an e-mail address, a fax number or a postal address: the request has to reach them."
            issue = Issue(text, ("clinician_email",), "required")
            raise InvalidInput(*_problems(session, actor, draft.new_clinician, now), issue)
        return add_clinician(session, actor, draft.new_clinician, now)
    if draft.clinician_npi:
        return add_from_register(session, actor, draft.clinician_npi, now)
    if not draft.clinician_id:
        raise InvalidInput(Issue("Choose a clinician, or add a new one.", ("clinician_query",), "required"))
    return directory.get_clinician(session, draft.clinician_id)


def _problems(session: Session, actor: Actor, new: NewClinician, now: datetime) -> tuple[Issue, ...]:
    """What else is wrong with a new clinician; whatever this adds is rolled back with the refusal."""
    try:
        add_clinician(session, actor, new, now)
    except InvalidInput as error:
        return error.issues
    return ()


def _order(
    session: Session, actor: Actor, draft: Draft, patient: Patient, order_id: str, now: datetime
) -> Order:
    """An order that waits already for the same indications is used; a second one would split its answers."""
    known = matching_order(session, patient.id, draft.indications)
    if known is not None:
        return known
    new = NewOrder(
        patient_id=patient.id,
        indications=draft.indications,
        planned_sessions=draft.infusions,
        first_infusion_on=draft.first_infusion,
        document={"id": order_id},
    )
    return place_order(session, actor, new, now)


def matching_order(session: Session, patient_id: str, indications: tuple[Indication, ...]) -> Order | None:
    """The patient's order on hold with exactly these indications, None where there is none."""
    wanted = {(i.system, i.code) for i in indications}
    for order in orders.of_patients(session, [patient_id]):
        if order.status == "on-hold" and {(i.system, i.code) for i in order.indications} == wanted:
            return order
    return None


def open_requests(session: Session, patient_id: str) -> list[Referral]:
    """Who is being asked about this patient, newest first."""
    return referrals.find(session, patient_id=patient_id, is_open=True)


def _refuse_second(session: Session, draft: Draft, patient: Patient, clinician: Clinician) -> None:
    """Another clinician is being asked already: that can be wanted, but not by accident."""
    for referral in open_requests(session, patient.id):
        if referral.clinician_id != clinician.id and not draft.ask_anyway:
            raise DuplicateRequest(
                f"There is an open request ({referral.number}) about this patient to another clinician.",
                referral.id,
            )
