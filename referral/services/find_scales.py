"""Filled scales and signs of self-harm, as the staff pages read them; a look leaves its audit row."""

from __future__ import annotations

from dataclasses import dataclass

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.course import SideEffect
from referral.domain.on_call import OnCallContact
from referral.domain.records import Order, Patient
from referral.domain.scales import KeptScale, SafetyTask, Scale, ScaleScore
from referral.storage import (
    accounts,
    audit,
    course,
    directory,
    documents,
    on_call,
    orders,
    safety_tasks,
    scales,
)
from referral.storage.db import Session
from referral.storage.on_call import SafetyCall


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalesView:
    """`filled` newest first, `scores` oldest first; `asked` is what the patient has still to fill in."""

    order: Order
    patient: Patient
    filled: tuple[KeptScale, ...]
    scores: tuple[ScaleScore, ...]
    asked: tuple[Scale, ...]


def find_scales(session: Session, actor: Actor, order_id: str) -> ScalesView:
    """Raises NotFound where there is no such order."""
    order = orders.get(session, order_id)
    _record(session, actor, "scales", f"ServiceRequest/{order.id}", order.patient_id)
    return ScalesView(
        order=order,
        patient=directory.get_patient(session, order.patient_id),
        filled=tuple(scales.filled(session, order.id)),
        scores=tuple(scales.of_order(session, order.id)),
        asked=tuple(one.scale for one in scales.waiting(session, order.patient_id)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyView:
    """`kept` is the filling that it came with, None for another source. `note`: what was done, in words.

    `calls` were sent to whoever was on call, oldest first, with whose they are; `event` is a serious event.
    """

    task: SafetyTask
    patient: Patient
    kept: KeptScale | None
    settled_by: str
    note: str
    calls: tuple[tuple[SafetyCall, OnCallContact], ...]
    event: SideEffect | None


def find_safety(session: Session, actor: Actor, task_id: str) -> SafetyView:
    """One sign of self-harm. Raises NotFound."""
    task = safety_tasks.get(session, task_id)
    _record(session, actor, "safety-task", f"Task/{task.id}", task.patient_id)
    users = accounts.get_users(session) if task.settled_by else {}
    settled_by = users.get(task.settled_by or "")
    note = documents.get(session, task.note_id).content.decode() if task.note_id else ""
    return SafetyView(
        task=task,
        patient=directory.get_patient(session, task.patient_id),
        kept=scales.find(session, task.source.partition("/")[2]),
        settled_by=settled_by.name if settled_by else "",
        note=note,
        calls=_calls(session, task.id),
        event=_event(session, task),
    )


def _calls(session: Session, task_id: str) -> tuple[tuple[SafetyCall, OnCallContact], ...]:
    sent = on_call.of_tasks(session, [task_id])[task_id]
    whose = on_call.contacts_by_id(session, {one.contact_id for one in sent})
    return tuple((one, whose[one.contact_id]) for one in sent)


def _event(session: Session, task: SafetyTask) -> SideEffect | None:
    """As it is recorded now."""
    if not task.is_event:
        return None
    found = course.newest(session, SideEffect, task.source.partition("/")[2])
    return found[1] if found else None


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign of self-harm that waits for a person, and whose it is."""

    task: SafetyTask
    patient: Patient


def signs_waiting(session: Session) -> list[Sign]:
    """Of the whole clinic, oldest first. Who looks at them says so."""
    waiting = safety_tasks.waiting(session)
    people = directory.get_patients(session, {task.patient_id for task in waiting}) if waiting else {}
    return [Sign(task, people[task.patient_id]) for task in waiting]


def _record(session: Session, actor: Actor, what: str, entity: str, patient_id: str) -> None:
    entry = AuditEntry(action=Action.READ, subtype=what, entity=entity, patient_id=patient_id)
    audit.record(session, actor, entry)
