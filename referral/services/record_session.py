"""One session, from the start through the gate to the way home: vital signs, doses, side effects, its end."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from referral.domain.audit import Actor
from referral.domain.course import (
    AbortReason,
    Dose,
    Phase,
    SessionState,
    Severity,
    SideEffect,
    TreatmentSession,
    Vital,
    VitalKind,
)
from referral.domain.course_rules import check_dose, check_session, check_vital, per_kilogram
from referral.domain.errors import InvalidInput, Issue, TransitionRefused
from referral.domain.records import Order
from referral.domain.side_effects import ALWAYS_SERIOUS, BY_CODE
from referral.fhir.course import KETAMINE
from referral.services.course import course_of
from referral.services.keep_course import keep, stamp, tell
from referral.services.treat import start_treatment
from referral.storage import course, orders, resources
from referral.storage.course import Recorded
from referral.storage.db import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured at one time; None for what was not. Units: mm[Hg], /min, %, /min.

    What is sent twice with the same `key` is kept once.
    """

    taken_at: datetime
    phase: Phase
    systolic: int | None = None
    diastolic: int | None = None
    heart_rate: int | None = None
    saturation: int | None = None
    breaths: int | None = None
    key: str = ""

    def id_of(self, kind: VitalKind) -> str:
        """The id of one measurement."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.key}/{kind}")) if self.key else resources.new_id()

    def values(self) -> Iterator[tuple[VitalKind, int, int | None]]:
        """Each measurement by its kind; the two pressures are one."""
        if self.systolic is not None and self.diastolic is not None:
            yield VitalKind.BLOOD_PRESSURE, self.systolic, self.diastolic
        singles = (
            (VitalKind.HEART_RATE, self.heart_rate),
            (VitalKind.OXYGEN_SATURATION, self.saturation),
            (VitalKind.RESPIRATORY_RATE, self.breaths),
        )
        for kind, value in singles:
            if value is not None:
                yield kind, value, None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEffect:
    """A side effect of the pick list; `session_id` is None for what was noticed between two sessions.

    What is sent twice with the same `id` is kept once.
    """

    code: str
    severity: Severity
    serious: bool
    noticed_at: datetime
    session_id: str | None = None
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a session has ended; `words` are the nurse's own, kept encrypted."""

    state: SessionState
    ended_at: datetime
    abort_reason: AbortReason | None
    discharge_met: bool
    ride_home: bool
    words: str = ""


def begin_session(
    session: Session,
    actor: Actor,
    order_id: str,
    supervisor: str,
    now: datetime,
    *,
    id: str = "",
    measured: Measured | None = None,
) -> str:
    """Start an infusion through the gate and note who supervises it; returns the Procedure's id.

    Raises GateClosed as start_treatment() does. `supervisor` is the physician who is present: without one
    nothing starts here. `measured` are the vital signs before.
    """
    name = " ".join(supervisor.split())[:120]
    if not name:
        raise InvalidInput(Issue("Which physician is present throughout?", ("supervisor",), "required"))
    order = orders.get(session, order_id, lock=True)
    if course_of(session, order_id).under_way is not None:
        raise TransitionRefused("A session of this course is still under way. Finish or abort it first.")
    started_id = start_treatment(
        session, actor, order_id, order.patient_id, now, {"id": id or resources.new_id()}
    )
    _, started_at = course.started(session, started_id)
    made = TreatmentSession(
        id=started_id,
        started_at=started_at,
        supervisor=name,
        physician_present=True,
        stamp=stamp(session, actor, order, now),
    )
    keep(session, actor, order, [made], now)
    if measured is not None and any(measured.values()):
        _measure(session, actor, order, started_id, measured, now)
    return started_id


def _order(session: Session, session_id: str) -> Order:
    order_id, _ = course.started(session, session_id)
    return orders.get(session, order_id, lock=True)


def measure(
    session: Session, actor: Actor, session_id: str, measured: Measured, now: datetime
) -> list[Vital]:
    """Vital signs of one moment, also after the session has ended: somebody may write them down later."""
    order = _order(session, session_id)
    issues = []
    if (measured.systolic is None) != (measured.diastolic is None):
        missing = "systolic" if measured.systolic is None else "diastolic"
        issues.append(Issue("Blood pressure has two values.", (missing,), "required"))
    elif not any(measured.values()):
        issues.append(Issue("Fill in at least one value.", ("systolic",), "required"))
    if issues:
        raise InvalidInput(*issues)
    return _measure(session, actor, order, session_id, measured, now)


def _measure(
    session: Session, actor: Actor, order: Order, session_id: str, measured: Measured, now: datetime
) -> list[Vital]:
    made: list[Vital] = []
    issues: list[Issue] = []
    for kind, value, second in measured.values():
        vital = Vital(
            id=measured.id_of(kind),
            session_id=session_id,
            kind=kind,
            value=value,
            diastolic=second,
            phase=measured.phase,
            taken_at=measured.taken_at,
            stamp=stamp(session, actor, order, now),
        )
        try:
            check_vital(vital, now)
        except InvalidInput as error:
            issues += error.issues
        made.append(vital)
    if issues:
        raise InvalidInput(*issues)
    if measured.key and any(course.newest(session, Vital, vital.id) for vital in made):
        return made
    kept: list[Recorded] = [*made]
    keep(session, actor, order, kept, now)
    return made


def give(
    session: Session,
    actor: Actor,
    session_id: str,
    milligrams: Decimal,
    started_at: datetime,
    now: datetime,
    *,
    kilograms: Decimal | None = None,
    id: str = "",
) -> Dose:
    """Ketamine into a vein. With the weight, the dose per kilogram is worked out. Once for each `id`."""
    order = _order(session, session_id)
    known = course.newest(session, Dose, id) if id else None
    if known is not None:
        return known[1]
    _running(session, order, session_id)
    dose = Dose(
        id=id or resources.new_id(),
        session_id=session_id,
        drug=KETAMINE,
        milligrams=milligrams,
        per_kilogram=per_kilogram(milligrams, kilograms) if kilograms else None,
        started_at=started_at,
        stopped_at=None,
        stamp=stamp(session, actor, order, now),
    )
    check_dose(dose, now)
    keep(session, actor, order, [dose], now)
    return dose


def _running(session: Session, order: Order, session_id: str) -> TreatmentSession:
    found = next((one for one in course_of(session, order.id).sessions if one.id == session_id), None)
    if found is None or found.state is not SessionState.IN_PROGRESS:
        raise TransitionRefused("This session has ended; what was forgotten is added by correcting it.")
    return found


def stop_dose(session: Session, actor: Actor, dose_id: str, stopped_at: datetime, now: datetime) -> Dose:
    """The infusion has run through, or was stopped."""
    found = course.newest(session, Dose, dose_id)
    if found is None or found[2] or found[1].stopped_at is not None:
        raise TransitionRefused("This dose has stopped already.")
    order = orders.get(session, found[0], lock=True)
    dose = replace(
        found[1],
        stopped_at=stopped_at,
        stamp=stamp(session, actor, order, now, before=found[1].stamp),
    )
    check_dose(dose, now)
    keep(session, actor, order, [dose], now)
    return dose


def notice(
    session: Session,
    actor: Actor,
    order_id: str,
    new: NewEffect,
    now: datetime,
) -> SideEffect:
    """In a session or between two; a serious one is told at once."""
    order = orders.get(session, order_id, lock=True)
    known = course.newest(session, SideEffect, new.id) if new.id else None
    if known is not None:
        return known[1]
    if new.code not in BY_CODE:
        raise InvalidInput(Issue("Pick one of the list.", ("effect",), "code-invalid"))
    if new.session_id is not None and course.started(session, new.session_id)[0] != order_id:
        raise TransitionRefused("This session belongs to another order.")
    if new.noticed_at > now:
        raise InvalidInput(Issue("This time has not come yet.", ("noticed_at",), "value"))
    effect = SideEffect(
        id=new.id or resources.new_id(),
        session_id=new.session_id,
        code=new.code,
        severity=new.severity,
        serious=new.serious or new.code in ALWAYS_SERIOUS,
        noticed_at=new.noticed_at,
        stamp=stamp(session, actor, order, now),
    )
    keep(session, actor, order, [effect], now)
    tell(session, actor, order, effect, now)
    return effect


def finish_session(
    session: Session, actor: Actor, session_id: str, said: Finished, now: datetime
) -> TreatmentSession:
    """The session is completed or aborted; what still runs stops with it.

    A session is completed only with a dose, and once the patient has met the criteria for discharge.
    """
    order = _order(session, session_id)
    running = _running(session, order, session_id)
    _check_finish(running, said)
    written = stamp(session, actor, order, now, before=running.stamp, words=said.words)
    done = replace(
        running,
        state=said.state,
        ended_at=said.ended_at,
        abort_reason=said.abort_reason if said.state is SessionState.ABORTED else None,
        discharge_met=said.discharge_met,
        ride_home=said.ride_home,
        stamp=written,
    )
    check_session(done, now)
    made: list[Recorded] = [done]
    for dose in running.doses:
        if dose.stopped_at is None:
            end = max(said.ended_at, dose.started_at)
            made.append(
                replace(dose, stopped_at=end, stamp=stamp(session, actor, order, now, before=dose.stamp))
            )
    keep(session, actor, order, made, now)
    tell(session, actor, order, done, now)
    return done


def _check_finish(running: TreatmentSession, said: Finished) -> None:
    issues = []
    if said.state is SessionState.IN_PROGRESS:
        issues.append(Issue("Was it completed or aborted?", ("state",), "required"))
    if said.state is SessionState.COMPLETED:
        if not running.doses:
            issues.append(Issue("No dose was recorded; without one it is aborted.", ("state",), "value"))
        if not said.discharge_met:
            text = "The patient stays until the criteria for discharge are met."
            issues.append(Issue(text, ("discharge_met",), "value"))
    if issues:
        raise InvalidInput(*issues)
