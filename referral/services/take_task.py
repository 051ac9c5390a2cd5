"""The Task of a request, moved by a client that works on it (a light fulfiller, fhir.md 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from referral.domain.audit import Action, AuditEntry
from referral.domain.codes import TaskStatus
from referral.domain.errors import TransitionRefused
from referral.domain.outgoing import MessageKind
from referral.domain.records import Referral
from referral.domain.referral import Event, next_status
from referral.fhir.elements import codings, every, reference_id, text_of
from referral.fhir.systems import DEFAULT, TASK_CODE
from referral.services import publish
from referral.services.client_write import ClientWrite, refuse
from referral.services.close_referral import cancel_referral, close_referral, tell_clinician
from referral.services.refresh_gate import refresh_gate
from referral.services.respond_to_referral import note_identity
from referral.storage import audit, follow_ups, referrals, safety_tasks
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
    """A Task of a request takes the step that its status asks for; any other is stored as it was sent.

    A new one with the code abort ends the request that it is about (COW: how work that has begun is ended).
    """
    if write.current is None:
        aborted = _request_to_abort(write)
        if aborted is not None:
            _abort(write, aborted)
            return
        if _is_about_request(write.session, write.document):
            refuse(
                "The Tasks of a request are made by this server; change the one that exists.", "Task.focus"
            )
        write.store()
        return
    referral = referrals.find_by_task(write.session, write.id)
    of_clinic = _ends_in_the_clinic(write)
    if of_clinic:
        if write.document.get("status") != write.current.document.get("status"):
            raise TransitionRefused(of_clinic, "Task.status")
        write.lay_over(*_MANAGED, "priority", "description", "performerType")
    elif referral is not None:
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


def _ends_in_the_clinic(write: ClientWrite) -> str:
    """Why a client does not end this Task; empty for one that it may."""
    if safety_tasks.find(write.session, write.id) is not None:
        return "A safety check ends in the clinic, when a person has written down what was done."
    if follow_ups.find(write.session, write.id) is not None:
        return "A follow-up visit ends with what the office or the clinic says on their pages."
    return ""


def _request_to_abort(write: ClientWrite) -> Referral | None:
    """The request that an abort Task has as its focus, or whose Task it has; None for any other Task."""
    if not any(
        (system, code) == (TASK_CODE, "abort") for system, code, _ in codings(write.document.get("code"))
    ):
        return None
    focus = write.document.get("focus")
    task_id, request_id = reference_id(focus, "Task"), reference_id(focus, "ServiceRequest")
    if task_id is not None:
        return referrals.find_by_task(write.session, task_id)
    return referrals.find_by_id(write.session, request_id) if request_id is not None else None


def _abort(write: ClientWrite, found: Referral) -> None:
    """The request is cancelled and its clinician told; the abort Task is done with that."""
    about = write.document.get("for", {"reference": f"Patient/{found.patient_id}"})
    if reference_id(about, "Patient") != found.patient_id:
        refuse("The request is about another patient.", "Task.for")
    if write.document.get("status") != TaskStatus.REQUESTED:
        refuse("Ask for the abort with status requested.", "Task.status")
    referral = referrals.get(write.session, found.id, lock=True)
    if not referral.is_open:
        text = f"This request has ended already: its Task is {referral.status}."
        raise TransitionRefused(text, "Task.focus")
    said = write.document.get("statusReason") or write.document.get("reasonCode")
    reason = _reason_of(said) or "cancelled-by-clinic"
    cancel_referral(write.session, write.actor, referral.id, referral.version, reason, write.now)
    write.store({**write.document, "for": about, "status": TaskStatus.COMPLETED.value})


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


def _accept(write: ClientWrite, referral: Referral) -> None:
    _go_on(write, referral, Event.ACCEPT, "taken-on")


def _begin(write: ClientWrite, referral: Referral) -> None:
    _go_on(write, referral, Event.BEGIN, "begun")


def _go_on(write: ClientWrite, referral: Referral, event: Event, what: str) -> None:
    changed = referrals.change(
        write.session,
        referral,
        status=next_status(event, referral.status),
        identified_at=referral.identified_at or write.now,
    )
    publish.referral_changed(write.session, changed, write.now)
    _record(write, changed, what)


def _reject(write: ClientWrite, referral: Referral) -> None:
    reason = _reason_in(write.document)
    closed = close_referral(write.session, referral, Event.REJECT, write.now, reason=reason)
    _record(write, closed, "rejected")
    tell_clinician(write.session, closed, MessageKind.CANCELLED, write.now)
    refresh_gate(write.session, write.actor, closed.order_id, write.now)


def _cancel(write: ClientWrite, referral: Referral) -> None:
    next_status(Event.CANCEL, referral.status)
    reason = _reason_in(write.document)
    cancel_referral(write.session, write.actor, referral.id, referral.version, reason, write.now)


_STEPS: Final[dict[str, Callable[[ClientWrite, Referral], None]]] = {
    "received": _receive,
    "accepted": _accept,
    "in-progress": _begin,
    "rejected": _reject,
    "cancelled": _cancel,
}


def _reason_in(document: dict[str, Any]) -> str:
    reason = _reason_of(document.get("statusReason"))
    if not reason:
        refuse("Say why, in words or with a code.", "Task.statusReason", code="required")
    return reason


def _reason_of(concept: object) -> str:
    """Our own code where there is one, else the client's words; empty for neither."""
    ours = DEFAULT.system("task-status-reason")
    for system, code, _ in codings(concept):
        if system == ours:
            return code
    return text_of(concept)[:_LONGEST_REASON]


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
