"""Scales that a client sends: a QuestionnaireResponse, or the Observation of a total.

A sign of self-harm in either of them is a task for a person in the same transaction, whatever else it is.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from referral.domain.errors import NotFound, TransitionRefused
from referral.domain.scales import KeptScale, Scale, Source, score
from referral.fhir import scale as mapping
from referral.fhir.elements import every, reference_id
from referral.services.client_write import ClientWrite, refuse
from referral.services.raise_safety import order_in_use, raise_safety
from referral.services.take_answer import take_answer
from referral.services.take_course import note_part
from referral.storage import directory, orders, resources, scales, workflow_records

_FINAL: Final = frozenset({"completed", "amended", "final", "corrected"})
_WRONG: Final = "entered-in-error"


def take_response(write: ClientWrite) -> None:
    """A filled scale is scored; any other response goes its own way. Signs of self-harm count in both."""
    scale = mapping.scale_of(write.document)
    kept = scales.find(write.session, write.id) if write.current is not None else None
    if kept is not None and kept.source is not Source.SYSTEM:
        text = "This was filled in here; it is a record and is not changed from outside."
        raise TransitionRefused(text, "QuestionnaireResponse")
    if scale is None:
        take_answer(write)
    else:
        _keep_response(write, scale)
    _raise_signs(write)


def take_observation(write: ClientWrite) -> None:
    """The total of a scale is a score, as if the scale had been filled in; all else is stored as sent."""
    if write.current is not None and workflow_records.is_record(write.session, "Observation", write.id):
        text = "This Observation is a record of the workflow; it is not changed from outside."
        raise TransitionRefused(text, "Observation")
    stated = mapping.total_in(write.document)
    write.store()
    note_part(write)
    if stated is not None and reference_id(write.document.get("subject"), "Patient") is not None:
        _keep_total(write, *stated)
    _raise_signs(write)


def _keep_response(write: ClientWrite, scale: Scale) -> None:
    patient_id = _patient(write)
    write.store()
    if write.document.get("status") == _WRONG:
        scales.void(write.session, write.id, write.now)
        return
    if write.document.get("status") not in _FINAL:
        return
    answers = mapping.answers_in(write.document, scale)
    result = score(scale, answers)
    before = scales.find(write.session, write.id)
    kept = KeptScale(
        id=write.id,
        patient_id=patient_id,
        order_id=_order(write, patient_id),
        scale=scale,
        total=result.total,
        missing=result.missing,
        self_harm=result.self_harm,
        source=Source.SYSTEM,
        taken_at=_moment(write, "authored"),
        recorded_by=write.actor.id,
        observation_id=before.observation_id if before else None,
    )
    twin = scales.find_taken(write.session, patient_id, scale, kept.taken_at)
    if twin is not None and twin.id != kept.id:
        # An Observation of the total that came first is told by the response from now on.
        scales.void(write.session, twin.id, write.now)
    scales.put(write.session, _with_total(write, kept))
    scales.end(write.session, patient_id, scale, write.now, write.id)


def _with_total(write: ClientWrite, kept: KeptScale) -> KeptScale:
    """The total as an Observation of ours, changed with the response."""
    if kept.total is None:
        if kept.observation_id is not None:
            resources.amend(write.session, "Observation", kept.observation_id, {"status": _WRONG}, write.now)
        return kept
    author = write.document.get("source") or write.document.get("subject")
    if not isinstance(author, dict):
        author = {"reference": f"Patient/{kept.patient_id}"}
    is_new = kept.observation_id is None
    told = replace(kept, observation_id=kept.observation_id or resources.new_id())
    made = mapping.observation(told, performer=author)
    if is_new:
        resources.create(write.session, [made], write.now)
    else:
        changes = {name: value for name, value in made.items() if name not in ("resourceType", "id")}
        resources.amend(
            write.session,
            "Observation",
            str(told.observation_id),
            {**changes, "status": "amended"},
            write.now,
        )
    return told


def _keep_total(write: ClientWrite, scale: Scale, total: int) -> None:
    patient_id = _patient(write)
    if write.document.get("status") == _WRONG:
        scales.void(write.session, write.id, write.now)
        return
    if write.document.get("status") not in _FINAL:
        return
    taken_at = _moment(write, "effectiveDateTime")
    twin = scales.find_taken(write.session, patient_id, scale, taken_at)
    if twin is not None and twin.id != write.id:
        return
    for source in every(write.document, "derivedFrom"):
        id = reference_id(source, "QuestionnaireResponse")
        if id is not None and scales.find(write.session, id) is not None:
            return
    scales.put(
        write.session,
        KeptScale(
            id=write.id,
            patient_id=patient_id,
            order_id=_order(write, patient_id),
            scale=scale,
            total=total,
            missing=0,
            self_harm=None,
            source=Source.SYSTEM,
            taken_at=taken_at,
            recorded_by=write.actor.id,
        ),
    )


def _raise_signs(write: ClientWrite) -> None:
    found, answer = mapping.self_harm_in(write.document)
    if not found or write.document.get("status") == _WRONG:
        return
    patient_id = _patient(write)
    raise_safety(
        write.session,
        write.actor,
        patient_id=patient_id,
        order_id=_order(write, patient_id),
        source=f"{write.type}/{write.id}",
        answer=answer,
        now=write.now,
    )


def _patient(write: ClientWrite) -> str:
    """Whose it is; what was once said of one patient is not moved to another."""
    where = f"{write.type}.subject"
    id = reference_id(write.document.get("subject"), "Patient")
    if id is None:
        refuse("Say about whom it is, as Patient/id of this server.", where, code="required")
    if write.current is not None:
        before = reference_id(write.current.document.get("subject"), "Patient")
        if before not in (None, id):
            refuse("What was said of one patient is not moved to another.", where)
    try:
        return directory.get_patient(write.session, id).id
    except NotFound:
        refuse(f"There is no Patient with id {id[:64]}.", where, code="not-found")


def _order(write: ClientWrite, patient_id: str) -> str | None:
    """The order that it is based on, where that is this patient's; else the one in use."""
    for target in every(write.document, "basedOn"):
        id = reference_id(target, "ServiceRequest")
        order = orders.find_by_id(write.session, id) if id is not None else None
        if order is not None and order.patient_id == patient_id:
            return order.id
    return order_in_use(write.session, patient_id)


def _moment(write: ClientWrite, name: str) -> datetime:
    """Never later than now: a client's clock may be ahead."""
    said = mapping.moment_of(write.document, name)
    return min(said, write.now) if said is not None else write.now
