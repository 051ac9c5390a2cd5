"""What a client says of a course: its own resources are kept as sent, and what they say becomes versions."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from referral.domain.course import (
    LONGEST_SPACING,
    MOST_SESSIONS,
    AbortReason,
    ChangeReason,
    Decided,
    Dose,
    Ended,
    Ending,
    MedicationChange,
    Plan,
    SessionState,
    SideEffect,
    Stamp,
    StopReason,
    TreatmentSession,
    Vital,
)
from referral.domain.course_rules import check_dose, check_medication, check_vital
from referral.domain.errors import InvalidInput, Issue, NotFound, TransitionRefused
from referral.domain.records import Order
from referral.fhir import course as mapping
from referral.fhir import medication_change, request_reading
from referral.fhir.elements import codings, every
from referral.fhir.intervals import BEGINNING
from referral.fhir.systems import DEFAULT, STATUS_REASON
from referral.fhir.treatment import subject_of
from referral.fhir.vital_signs import vital_from
from referral.services import course_events
from referral.services.calendars import clinic_calendar
from referral.services.client_write import ClientWrite
from referral.services.course import course_of, words_of
from referral.services.keep_course import keep, stamp, tell
from referral.storage import course, orders, workflow_records
from referral.storage.course import Recorded

# A dose belongs to a session that began no longer ago, and no longer before it.
_LONGEST_SESSION: Final = timedelta(hours=12)
_BEFORE: Final = timedelta(minutes=15)


def _same(one: Recorded, other: Recorded) -> bool:
    """Whether two versions say the same."""
    blank = Stamp(version=1, recorded_by="", recorded_at=BEGINNING)
    parts: dict[str, Any] = {"stamp": blank}
    if isinstance(one, TreatmentSession):
        parts |= {"doses": (), "vitals": (), "effects": ()}
    return bool(replace(one, **parts) == replace(other, **parts))


def _next(
    write: ClientWrite, order: Order, before: Recorded | None, *, goes_on: bool = False, words: str = ""
) -> Stamp:
    """Of what the client has sent; what only goes on is no correction."""
    last = before.stamp if before is not None else None
    why = None if last is None or goes_on else ChangeReason.SENT_ANEW
    return stamp(write.session, write.actor, order, write.now, before=last, why=why, words=words)


def _keep(write: ClientWrite, order: Order, one: Recorded, *, in_error: bool = False) -> None:
    keep(write.session, write.actor, order, [one], write.now, in_error=in_error, publish=False)


def _mark_error(
    write: ClientWrite, order: Order, found: tuple[str, Recorded, bool] | None
) -> Recorded | None:
    """What was kept, by course.newest(), is an error from now on; None where it is one already."""
    if found is None or found[2]:
        return None
    wrong = replace(found[1], stamp=_next(write, order, found[1]))
    _keep(write, order, wrong, in_error=True)
    return wrong


def _checked(write: ClientWrite, error: InvalidInput) -> InvalidInput:
    """The same refusal, where a client looks for it."""
    return InvalidInput(*(Issue(issue.text, (write.type,), "business-rule") for issue in error.issues))


# ---- The order: plan and end


def note_plan(write: ClientWrite, order: Order, document: dict[str, Any]) -> None:
    """Number and spacing, where a ServiceRequest says both."""
    count = request_reading.planned_sessions(document)
    days = request_reading.spacing_days(document)
    if count is None or days is None or count > MOST_SESSIONS or days > LONGEST_SPACING:
        return
    found = course.newest(write.session, Plan, order.id)
    before = found[1] if found else None
    plan = Plan(planned_sessions=count, spacing_days=days, stamp=_next(write, order, before))
    if before is None or not _same(plan, before):
        _keep(write, order, plan)


def note_end(write: ClientWrite, order: Order, status: str) -> None:
    """A course that has begun ends with its order; one that was revoked without a reason has another one."""
    begun = course_of(write.session, order.id).sessions
    if not begun or status == "entered-in-error":
        return
    said = {
        code
        for row in every(write.document, "extension")
        if row.get("url") == STATUS_REASON
        for system, code, _ in codings(row.get("valueCodeableConcept"))
        if system == DEFAULT.system("course-stop-reason")
    } & set(StopReason)
    ending = Ending.COMPLETED if status == "completed" else Ending.STOPPED
    reason = StopReason(min(said)) if said else StopReason.OTHER
    end = Ended(
        ending=ending,
        reason=reason if ending is Ending.STOPPED else None,
        ended_at=write.now,
        stamp=_next(write, order, None),
    )
    keep(write.session, write.actor, order, [end], write.now)
    tell(write.session, write.actor, order, end, write.now)


# ---- The consultation


def note_decision(write: ClientWrite) -> None:
    """What the Encounter of an initial consultation says of candidacy."""
    order_id = course.order_of_consultation(write.session, write.id)
    if write.type != "Encounter" or order_id is None:
        return
    order = orders.get(write.session, order_id, lock=True)
    found = course.newest(write.session, Decided, write.id)
    before = found[1] if found else None
    written = _next(write, order, before)
    made = mapping.decision_from(write.document, write.now, written)
    if made is None or (before is not None and _same(replace(made, decided_at=before.decided_at), before)):
        return
    is_new = before is None or before.decision is not made.decision
    if before is not None and not is_new:
        made = replace(made, decided_at=before.decided_at)
    _keep(write, order, made)
    if is_new:
        tell(write.session, write.actor, order, made, write.now)


# ---- Sessions


def note_session(write: ClientWrite) -> None:
    """What has passed the gate is a session; how it goes on is what its resource says."""
    if not workflow_records.is_started(write.session, write.id):
        return
    order_id, started_at = course.started(write.session, write.id)
    order = orders.get(write.session, order_id, lock=True)
    found = course.newest(write.session, TreatmentSession, write.id)
    before = found[1] if found else None
    if write.type == "Procedure":
        made = mapping.session_from(write.document, started_at, _next(write, order, before))
    else:
        made = _by_other(write, started_at, _next(write, order, before))
        _note_dose(write, order, write.id)
    in_error = mapping.is_error(write.document)
    if before is not None and found is not None and found[2] == in_error and _same(made, before):
        return
    went_on = before is None or (before.state is SessionState.IN_PROGRESS and not in_error)
    if went_on and before is not None and before.stamp is not None:
        made = replace(made, stamp=_next(write, order, before, goes_on=True))
    _keep(write, order, made, in_error=in_error)
    if went_on and made.state is not SessionState.IN_PROGRESS and not in_error:
        tell(write.session, write.actor, order, made, write.now)


def _by_other(write: ClientWrite, started_at: datetime, written: Stamp) -> TreatmentSession:
    """A session of which there is no Procedure: an Encounter or an administration has passed the gate."""
    status = write.document.get("status")
    state = SessionState.IN_PROGRESS
    if status in ("completed", "finished"):
        state = SessionState.COMPLETED
    elif status in ("stopped", "cancelled"):
        state = SessionState.ABORTED
    return TreatmentSession(
        id=write.id,
        started_at=started_at,
        state=state,
        ended_at=None if state is SessionState.IN_PROGRESS else max(started_at, write.now),
        abort_reason=AbortReason.OTHER if state is SessionState.ABORTED else None,
        stamp=written,
    )


def _session_of(write: ClientWrite) -> tuple[Order, TreatmentSession] | None:
    """The session that a resource names, and its order; None for what has not passed the gate.

    Raises TransitionRefused for another patient's.
    """
    named = mapping.session_named(write.document)
    if named is None:
        return None
    try:
        order_id, _ = course.started(write.session, named)
    except NotFound:
        return None
    order = orders.get(write.session, order_id)
    if subject_of(write.document) != order.patient_id:
        text = "The session that this belongs to is another patient's."
        raise TransitionRefused(text, f"{write.type}.subject")
    sessions = course_of(write.session, order_id).sessions
    found = next((one for one in sessions if one.id == named), None)
    return (order, found) if found is not None else None


def take_dose(write: ClientWrite) -> bool:
    """Whether this was a dose of a session that has passed the gate already; then it is kept.

    It is one as long as it was given while the session lasted. Anything else has to pass the gate itself.
    """
    if write.type != "MedicationAdministration" or workflow_records.is_started(write.session, write.id):
        return False
    found = course.newest(write.session, Dose, write.id)
    if found is None and write.document.get("status") in ("not-done", "entered-in-error"):
        return False
    named = _session_of(write)
    if named is None:
        if found is not None:
            raise TransitionRefused("A dose stays with its session.", f"{write.type}.partOf")
        return False
    order, session = named
    if found is not None and found[1].session_id != session.id:
        raise TransitionRefused("A dose stays with its session.", f"{write.type}.partOf")
    if found is None and not _is_within(write, session):
        return False
    orders.get(write.session, order.id, lock=True)
    write.store()
    _note_dose(write, order, session.id)
    return True


def _is_within(write: ClientWrite, session: TreatmentSession) -> bool:
    """Known by drug, amount and time, and given while the session lasted."""
    blank = Stamp(version=1, recorded_by="", recorded_at=write.now)
    dose = mapping.dose_from(write.document, session.id, blank)
    if dose is None:
        return False
    latest = session.ended_at or session.started_at + _LONGEST_SESSION
    return session.started_at - _BEFORE <= dose.started_at <= latest


def _note_dose(write: ClientWrite, order: Order, session_id: str) -> None:
    if write.type != "MedicationAdministration":
        return
    found = course.newest(write.session, Dose, write.id)
    before = found[1] if found else None
    in_error = mapping.is_error(write.document) or write.document.get("status") == "not-done"
    if in_error:
        _mark_error(write, order, found)
        return
    made = mapping.dose_from(write.document, session_id, _next(write, order, before))
    if made is None or (before is not None and _same(made, before)):
        return
    if before is not None and before.stopped_at is None and _same(replace(made, stopped_at=None), before):
        made = replace(made, stamp=_next(write, order, before, goes_on=True))
    try:
        check_dose(made, max(write.now, made.started_at, made.stopped_at or made.started_at))
    except InvalidInput as error:
        raise _checked(write, error) from error
    _keep(write, order, made)


# ---- What is part of a session: vital signs and side effects


def note_part(write: ClientWrite) -> None:
    """After an Observation or an AdverseEvent was stored: what it adds to a course. Others add nothing."""
    if write.type == "Observation":
        if not _note_medication(write):
            _note_vital(write)
    elif write.type == "AdverseEvent":
        _note_effect(write)


def _note_medication(write: ClientWrite) -> bool:
    """Whether an Observation is about a change of medication; of an order, it is one of its course."""
    found = course.newest(write.session, MedicationChange, write.id)
    if found is None and not medication_change.is_one(write.document):
        return False
    order = _order_of_change(write, found[0] if found else None)
    if order is None:
        return True
    orders.get(write.session, order.id, lock=True)
    said = medication_change.said_by(write.document)
    if said is None or not medication_change.is_one(write.document):
        _mark_error(write, order, found)
        return True
    day, words = said
    before = found[1] if found else None
    kept = words_of(write.session, before.stamp) if before else ""
    if not (words or kept):
        return True
    stands = before is not None and found is not None and not found[2]
    if stands and before is not None and (before.changed_on, words or kept) == (day, kept):
        return True
    made = MedicationChange(
        id=write.id, changed_on=day, stamp=_next(write, order, before, words=words if words != kept else "")
    )
    try:
        check_medication(made, words or kept, clinic_calendar(write.session).local_date(write.now))
    except InvalidInput as error:
        raise _checked(write, error) from error
    _keep(write, order, made)
    return True


def _order_of_change(write: ClientWrite, known: str | None) -> Order | None:
    """The order that it was recorded under, or is based on; else the only one of the patient in use."""
    named, patient_id = medication_change.order_named(write.document), subject_of(write.document)
    order = orders.find_by_id(write.session, known or named or "")
    if order is None:
        in_use = orders.find(write.session, patient_id=patient_id) if patient_id else []
        order = in_use[0] if len(in_use) == 1 else None
    if order is not None and order.patient_id != patient_id:
        raise TransitionRefused("The order that this belongs to is another patient's.", "Observation.subject")
    return order


def _note_vital(write: ClientWrite) -> None:
    found = course.newest(write.session, Vital, write.id)
    before = found[1] if found else None
    named = _session_of(write)
    if before is not None and (named is None or named[1].id != before.session_id):
        raise TransitionRefused("A vital sign stays with its session.", "Observation.partOf")
    if named is None:
        return
    order, session = named
    made = vital_from(write.document, session.id, _next(write, order, before))
    if made is None:
        _mark_error(write, order, found)
        return
    if before is not None and found is not None and not found[2] and _same(made, before):
        return
    try:
        check_vital(made, max(write.now, made.taken_at))
    except InvalidInput as error:
        raise _checked(write, error) from error
    _keep(write, order, made)


def _note_effect(write: ClientWrite) -> None:
    found = course.newest(write.session, SideEffect, write.id)
    before = found[1] if found else None
    order, session_id = _order_of_effect(write, found[0] if found else None)
    if order is None:
        return
    orders.get(write.session, order.id, lock=True)
    if before is not None and before.session_id != session_id:
        raise TransitionRefused("An adverse event stays with its session.", "AdverseEvent.suspectEntity")
    made = mapping.effect_from(write.document, session_id, _next(write, order, before))
    if made is None or mapping.is_error(write.document):
        wrong = _mark_error(write, order, found)
        if wrong is not None:
            course_events.corrected(write.session, write.actor, order, wrong, wrong, write.now, in_error=True)
        return
    if before is not None and found is not None and not found[2] and _same(made, before):
        return
    _keep(write, order, made)
    if before is None:
        tell(write.session, write.actor, order, made, write.now)
    else:
        course_events.corrected(write.session, write.actor, order, before, made, write.now, in_error=False)


def _order_of_effect(write: ClientWrite, known: str | None) -> tuple[Order | None, str | None]:
    """By its session; else the order that it was recorded under, or the only one of the patient in use."""
    named = _session_of(write)
    if named is not None:
        return named[0], named[1].id
    if known is not None:
        return orders.get(write.session, known), None
    patient_id = subject_of(write.document)
    in_use = orders.find(write.session, patient_id=patient_id) if patient_id else []
    return (in_use[0] if len(in_use) == 1 else None), None
