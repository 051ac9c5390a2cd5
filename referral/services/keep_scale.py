"""Keeps a filled scale: response, total as an Observation, row, and what a sign of self-harm needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import InvalidInput, Issue, NotFound, TransitionRefused
from referral.domain.scales import SELF_HARM, KeptScale, Scale, Score, Source, score
from referral.fhir import scale as mapping
from referral.fhir.systems import DEFAULT
from referral.services.raise_safety import raise_safety
from referral.storage import audit, orders, resources, scales
from referral.storage.db import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """What was filled in here; `answers` by link id. `id` names the response: sent twice it is one."""

    id: str
    patient_id: str
    order_id: str | None
    scale: Scale
    answers: Mapping[str, int]
    source: Source


def keep_scale(session: Session, actor: Actor, new: Filling, now: datetime) -> Score:
    """By the patient or by staff, on a page of ours. Refuses a form without any answer.

    Whatever was asked of the patient by this scale is answered with it.
    """
    if not new.answers:
        raise InvalidInput(Issue("Please answer at least one question.", ("answers",), "required"))
    try:
        result = score(new.scale, new.answers)
    except ValueError as error:
        raise InvalidInput(Issue("This is no answer to this question.", ("answers",), "value")) from error
    if scales.find(session, new.id) is not None:
        return result
    if new.order_id is not None and orders.get(session, new.order_id).patient_id != new.patient_id:
        raise NotFound(f"There is no infusion order with id {new.order_id}.")
    kept = KeptScale(
        id=new.id,
        patient_id=new.patient_id,
        order_id=new.order_id,
        scale=new.scale,
        total=result.total,
        missing=result.missing,
        self_harm=result.self_harm,
        source=new.source,
        taken_at=now,
        recorded_by=actor.id,
        observation_id=resources.new_id() if result.total is not None else None,
    )
    scales.put(session, kept)
    _publish(session, actor, kept, new.answers, now)
    scales.end(session, new.patient_id, new.scale, now, new.id)
    if new.answers.get(SELF_HARM):
        raise_safety(
            session,
            actor,
            patient_id=new.patient_id,
            order_id=new.order_id,
            source=f"QuestionnaireResponse/{new.id}",
            answer=new.answers[SELF_HARM],
            now=now,
        )
    return result


def _publish(
    session: Session, actor: Actor, kept: KeptScale, answers: Mapping[str, int], now: datetime
) -> None:
    patient = {"reference": f"Patient/{kept.patient_id}"}
    author = patient if kept.source is Source.PATIENT else DEFAULT.staff(actor.id)
    made = [mapping.response(kept, answers, author=author, source=patient)]
    if kept.total is not None:
        made.append(mapping.observation(kept, performer=author))
    resources.create(session, made, now)
    _record(session, actor, kept, "scale", Action.CREATE)


def void_scale(session: Session, actor: Actor, order_id: str, id: str, now: datetime) -> None:
    """Staff say that this filling was an error; what it raised stays until somebody has seen to it."""
    kept = scales.find(session, id)
    if kept is None or kept.order_id != order_id:
        raise NotFound("There is no such filled scale.")
    if kept.voided_at is not None:
        raise TransitionRefused("This is marked as an error already.", "QuestionnaireResponse.status")
    scales.void(session, id, now)
    wrong = {"status": "entered-in-error"}
    if resources.find(session, "QuestionnaireResponse", id) is not None:
        resources.amend(session, "QuestionnaireResponse", id, wrong, now)
    if kept.observation_id is not None:
        resources.amend(session, "Observation", kept.observation_id, wrong, now)
    _record(session, actor, replace(kept, voided_at=now), "scale-voided", Action.UPDATE)


def _record(session: Session, actor: Actor, kept: KeptScale, what: str, action: Action) -> None:
    entry = AuditEntry(
        action=action,
        subtype=what,
        entity=f"QuestionnaireResponse/{kept.id}",
        patient_id=kept.patient_id,
        detail={"scale": kept.scale},
    )
    audit.record(session, actor, entry)
