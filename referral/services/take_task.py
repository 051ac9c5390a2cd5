"""The Task of a request, moved by a client that works on it (a light fulfiller, fhir.md 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from referral.domain.audit import Action, AuditEntry
from referral.domain.codes import TaskStatus
from referral.domain.errors import TransitionRefused
from referral.domain.records import Referral
from referral.domain.referral import Event, next_status
from referral.fhir.elements import codings, every, reference_id, text_of
from referral.fhir.systems import DEFAULT
from referral.services import publish
from referral.services.client_write import ClientWrite, refuse
from referral.services.close_referral import cancel_referral, close_referral
from referral.services.refresh_gate import refresh_gate
from referral.services.respond_to_referral import note_identity
from referral.storage import audit, referrals
from referral.storage.db import Session

_MANAGED: Final = (
    *("status", "statusReason", "businessStatus", "intent", "code", "basedOn", "partOf", "focus", "for"),
    *(
        "authoredOn",
        "lastModified",
        "requester",
        "owner",
        "executionPeriod",
        "restriction",
        "input",
        "output",
    ),
)
_LONGEST_REASON: Final = 200


def take_task(write: ClientWrite) -> None:
    """A Task of a request takes the step that its status asks for; any other is stored as it was sent."""
    if write.current is None:
        if _is_about_request(write.session, write.document):
            refuse(
                "The Tasks of a request are made by this server; change the one that exists.", "Task.focus"
            )
        write.store()
        return
    referral = referrals.find_by_task(write.session, write.id)
    if referral is not None:
        _step(write, referrals.get(write.session, referral.id, lock=True))
        write.lay_over(*_MANAGED)
    elif _is_questionnaire_task(write):
        if write.document.get("status") != write.current.document.get("status"):
            raise TransitionRefused(
                "This Task is completed by the QuestionnaireResponse that answers the request.", "Task.status"
            )
        write.lay_over(*_MANAGED)
    else:
        write.store()


def _is_about_request(session: Session, document: dict[str, Any]) -> bool:
    targets = [document.get("focus"), *every(document, "basedOn")]
    ids = {reference_id(target, "ServiceRequest") for target in targets} - {None}
    return any(referrals.find_by_id(session, str(id)) for id in ids)


def _is_questionnaire_task(write: ClientWrite) -> bool:
    parts = every(write.current.document, "partOf") if write.current else []
    ids = {reference_id(part, "Task") for part in parts} - {None}
    return any(referrals.find_by_task(write.session, str(id)) for id in ids)


def _step(write: ClientWrite, referral: Referral) -> None:
    wanted = write.document.get("status")
    if wanted == referral.status:
        return
    step = _STEPS.get(str(wanted))
    if step is None:
        how = " Send a QuestionnaireResponse basedOn the request." if wanted == TaskStatus.COMPLETED else ""
        raise TransitionRefused(f"A client cannot set this Task to {wanted}.{how}", "Task.status")
    step(write, referral)


def _receive(write: ClientWrite, referral: Referral) -> None:
    if referral.status is not TaskStatus.REQUESTED:
        raise TransitionRefused(f"This Task is {referral.status} already.", "Task.status")
    note_identity(write.session, write.actor, referral.id, write.now)


def _begin(write: ClientWrite, referral: Referral) -> None:
    """Accepting is beginning: the answer is the only work there is."""
    status = next_status(Event.BEGIN, referral.status)
    if status is referral.status:
        return
    changed = referrals.change(
        write.session, referral, status=status, identified_at=referral.identified_at or write.now
    )
    publish.referral_changed(write.session, changed, write.now)
    _record(write, changed, "begun")


def _reject(write: ClientWrite, referral: Referral) -> None:
    reason = _reason_in(write.document)
    closed = close_referral(write.session, referral, Event.REJECT, write.now, reason=reason)
    _record(write, closed, "rejected")
    refresh_gate(write.session, write.actor, closed.order_id, write.now)


def _cancel(write: ClientWrite, referral: Referral) -> None:
    next_status(Event.CANCEL, referral.status)
    reason = _reason_in(write.document)
    cancel_referral(write.session, write.actor, referral.id, referral.version, reason, write.now)


_STEPS: Final[dict[str, Callable[[ClientWrite, Referral], None]]] = {
    "received": _receive,
    "accepted": _begin,
    "in-progress": _begin,
    "rejected": _reject,
    "cancelled": _cancel,
}


def _reason_in(document: dict[str, Any]) -> str:
    """Our own code where there is one, else the client's words."""
    concept = document.get("statusReason")
    ours = DEFAULT.system("task-status-reason")
    for system, code, _ in codings(concept):
        if system == ours:
            return code
    words = text_of(concept)
    if not words:
        refuse("Say why, in words or with a code.", "Task.statusReason", code="required")
    return words[:_LONGEST_REASON]


def _record(write: ClientWrite, referral: Referral, what: str) -> None:
    referrals.note(write.session, referral.id, what, write.actor.id, write.now)
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype=what,
        entity=f"Task/{referral.task_id}",
        patient_id=referral.patient_id,
        detail={"status": referral.status},
    )
    audit.record(write.session, write.actor, entry)
