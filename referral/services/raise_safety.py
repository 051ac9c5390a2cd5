"""Raises and settles safety tasks: a sign of self-harm or a serious adverse event waits for a person.

In the transaction that brought it, and so does the message to whoever is on call.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import InvalidInput, Issue, TransitionRefused
from referral.domain.scales import LEAST_NOTE, SafetyAction, SafetyTask
from referral.fhir import scale as mapping
from referral.fhir.systems import DEFAULT
from referral.services.call_on_duty import call_on_duty
from referral.services.publish import clinic_ref
from referral.storage import audit, documents, on_call, orders, resources, safety_tasks
from referral.storage.db import Session

_MOST_NOTE: Final = 4000


def raise_safety(
    session: Session,
    actor: Actor,
    *,
    patient_id: str,
    order_id: str | None,
    source: str,
    answer: int | None,
    now: datetime,
) -> SafetyTask | None:
    """`source` is the resource that says so. None where it waits already, or was seen to as it is.

    A source that says more than what somebody has seen to waits again.
    """
    earlier = safety_tasks.of_source(session, source)
    if earlier and earlier[0].settled_at is not None and earlier[0].answer == answer:
        return None
    task = SafetyTask(
        id=resources.new_id(),
        patient_id=patient_id,
        order_id=order_id,
        source=source,
        answer=answer,
        raised_at=now,
    )
    if not safety_tasks.add(session, task):
        return None
    resources.create(session, [mapping.safety_task(task, requester=clinic_ref(session))], now)
    call_on_duty(session, now, {task.id})
    _record(session, actor, task, "safety-raised", Action.CREATE)
    return task


def order_in_use(session: Session, patient_id: str) -> str | None:
    """The order that a scale belongs to where nobody says which: the one with the nearest infusion."""
    found = orders.find(session, patient_id=patient_id, limit=1)
    return found[0].id if found else None


def settle_safety(
    session: Session, actor: Actor, task_id: str, action: str, note: str, now: datetime
) -> None:
    """Somebody says what was done, from the list and in words; there is no other way to end it.

    Raises InvalidInput for what is missing, TransitionRefused where somebody has settled it meanwhile.
    """
    task = safety_tasks.get(session, task_id)
    words = note.strip()
    issues = []
    if action not in task.actions:
        issues.append(Issue("Say what was done.", ("action",), "required"))
    if len(words) < LEAST_NOTE:
        text = f"Write down what was done and what comes next, in at least {LEAST_NOTE} characters."
        issues.append(Issue(text, ("note",), "required"))
    if len(words) > _MOST_NOTE:
        issues.append(Issue(f"At most {_MOST_NOTE} characters, please.", ("note",), "too-long"))
    if issues:
        raise InvalidInput(*issues)
    note_id = resources.new_id()
    documents.add(
        session,
        id=note_id,
        kind="safety-note",
        content_type="text/plain; charset=utf-8",
        content=words.encode(),
        now=now,
        patient_id=task.patient_id,
    )
    if not safety_tasks.settle(session, task.id, SafetyAction(action), note_id, actor.id, now):
        raise TransitionRefused("Somebody else has seen to this meanwhile.", "Task.status")
    on_call.cancel_waiting(session, task.id, now)
    done = replace(task, action=SafetyAction(action))
    changes = mapping.safety_settled(done, now, DEFAULT.staff(actor.id))
    resources.amend(session, "Task", task.id, changes, now)
    _record(session, actor, task, "safety-settled", Action.UPDATE, done=action)


def _record(
    session: Session, actor: Actor, task: SafetyTask, what: str, action: Action, done: str = ""
) -> None:
    entry = AuditEntry(
        action=action,
        subtype=what,
        entity=f"Task/{task.id}",
        patient_id=task.patient_id,
        detail={"action": done} if done else {},
    )
    audit.record(session, actor, entry)
