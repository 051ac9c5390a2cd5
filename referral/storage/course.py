"""Courses of treatment. Every row is a version: nothing is rewritten, and what counts is the newest one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

from sqlalchemy import Table, Text, any_, bindparam, func, insert, select
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on

from referral.domain.course import (
    AbortReason,
    Candidacy,
    CandidacyReason,
    ChangeReason,
    Course,
    Decided,
    Dose,
    Ended,
    Ending,
    MedicationChange,
    Phase,
    Plan,
    SessionState,
    Severity,
    SideEffect,
    Stamp,
    StopReason,
    TreatmentSession,
    Vital,
    VitalKind,
)
from referral.domain.errors import NotFound
from referral.domain.records import Order
from referral.storage import tables
from referral.storage.db import Session

_T = TypeVar("_T")

# A recorded value of any kind; what it is decides where it is kept.
Recorded = Plan | Decided | TreatmentSession | Dose | Vital | SideEffect | MedicationChange | Ended
_TABLES: Final[dict[type[Any], Table]] = {
    Plan: tables.course_plan,
    Decided: tables.course_decision,
    TreatmentSession: tables.course_session,
    Dose: tables.course_dose,
    Vital: tables.course_vital,
    SideEffect: tables.course_effect,
    MedicationChange: tables.course_medicine,
    Ended: tables.course_end,
}
_ENUMS: Final[dict[tuple[type[Any], str], type[StrEnum]]] = {
    (Decided, "decision"): Candidacy,
    (Decided, "reason"): CandidacyReason,
    (TreatmentSession, "state"): SessionState,
    (TreatmentSession, "abort_reason"): AbortReason,
    (Vital, "kind"): VitalKind,
    (Vital, "phase"): Phase,
    (SideEffect, "severity"): Severity,
    (Ended, "ending"): Ending,
    (Ended, "reason"): StopReason,
}
_APART: Final = frozenset({"stamp", "id"})


def _names(kind: type[Any]) -> list[str]:
    """The columns that hold what a value says."""
    columns = _TABLES[kind].c
    return [one.name for one in fields(kind) if one.name in columns and one.name not in _APART]


def add(session: Session, order: Order, recorded: Recorded, *, in_error: bool = False) -> None:
    """Keep one version. Two people who correct the same version at once: the second runs into its key."""
    kind = type(recorded)
    stamp = recorded.stamp
    if stamp is None:
        raise ValueError("What is recorded says who has recorded it.")
    row = {name: getattr(recorded, name) for name in _names(kind)}
    row |= {
        "clinic_id": session.clinic,
        "id": getattr(recorded, "id", order.id),
        "version": stamp.version,
        "patient_id": order.patient_id,
        "order_id": order.id,
        "in_error": in_error,
        "words_id": stamp.words_id,
        "why": stamp.why,
        "recorded_by": stamp.recorded_by,
        "recorded_at": stamp.recorded_at,
    }
    session.connection.execute(insert(_TABLES[kind]).inline(), row)


def _newest(table: Table) -> Any:
    """The newest version of each thing of some orders, those in error left out."""
    versions = (
        select(table)
        .where(
            table.c.clinic_id == bindparam("clinic"),
            table.c.order_id == any_(bindparam("ids", type_=ARRAY(Text))),
        )
        .ext(distinct_on(table.c.id))
        .order_by(table.c.id, table.c.version.desc())
        .subquery()
    )
    return select(versions)


_NEWEST: Final = {kind: _newest(table) for kind, table in _TABLES.items()}


def _read(session: Session, kind: type[Any], order_ids: list[str]) -> list[Any]:
    return list(session.connection.execute(_NEWEST[kind], {"clinic": session.clinic, "ids": order_ids}))


def _value(kind: Callable[..., _T], row: Any, **more: Any) -> _T:
    given: dict[str, Any] = {}
    type_: Any = kind
    for name in _names(type_):
        value = getattr(row, name)
        enum = _ENUMS.get((type_, name))
        given[name] = enum(value) if enum is not None and value is not None else value
    if kind not in (Plan, Ended):
        given["id"] = row.id
    return kind(**given, **more, stamp=_stamp(row))


def _stamp(row: Any) -> Stamp:
    return Stamp(
        version=row.version,
        recorded_by=row.recorded_by,
        recorded_at=row.recorded_at,
        why=ChangeReason(row.why) if row.why else None,
        words_id=row.words_id,
    )


def _by_order(rows: Iterable[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        if not row.in_error:
            found[row.order_id].append(row)
    return found


_STARTS: Final = (
    select(
        tables.treatment_start.c.order_id, tables.treatment_start.c.id, tables.treatment_start.c.started_at
    )
    .where(
        tables.treatment_start.c.clinic_id == bindparam("clinic"),
        tables.treatment_start.c.order_id == any_(bindparam("ids", type_=ARRAY(Text))),
    )
    .order_by(tables.treatment_start.c.started_at, tables.treatment_start.c.id)
)
_CONSULTED: Final = (
    select(tables.consultation.c.order_id, func.max(tables.consultation.c.held_at))
    .where(
        tables.consultation.c.clinic_id == bindparam("clinic"),
        tables.consultation.c.order_id == any_(bindparam("ids", type_=ARRAY(Text))),
    )
    .group_by(tables.consultation.c.order_id)
)


def courses(session: Session, placed: Iterable[Order]) -> dict[str, Course]:
    """The courses of these orders, by order, read with ten statements however many there are."""
    of = {order.id: order for order in placed}
    ids = list(of)
    given = {"clinic": session.clinic, "ids": ids}
    consulted = {row[0]: row[1] for row in session.connection.execute(_CONSULTED, given)}
    plans, decided, ended = (_by_order(_read(session, kind, ids)) for kind in (Plan, Decided, Ended))
    effects, changes = (_by_order(_read(session, kind, ids)) for kind in (SideEffect, MedicationChange))
    sessions = _sessions(session, ids, effects)
    found = {}
    for id, order in of.items():
        plan = _last(Plan, plans[id])
        medication = [_value(MedicationChange, row) for row in changes[id]]
        between = [_value(SideEffect, row) for row in effects[id] if row.session_id is None]
        found[id] = Course(
            order_id=id,
            patient_id=order.patient_id,
            planned=plan.planned_sessions if plan else order.planned_sessions,
            spacing_days=plan.spacing_days if plan else None,
            consulted_at=consulted.get(id),
            decision=_last(Decided, sorted(decided[id], key=lambda row: row.recorded_at)),
            sessions=tuple(sessions[id]),
            between=tuple(sorted(between, key=lambda one: (one.noticed_at, one.id))),
            medication=tuple(sorted(medication, key=lambda one: (one.changed_on, one.id))),
            end=_last(Ended, ended[id]),
        )
    return found


def _last(kind: type[_T], rows: list[Any]) -> _T | None:
    return _value(kind, rows[-1]) if rows else None


def _sessions(
    session: Session, ids: list[str], effects: dict[str, list[Any]]
) -> dict[str, list[TreatmentSession]]:
    """Every start that was no error, with what is known of it; by order, oldest first."""
    starts = session.connection.execute(_STARTS, {"clinic": session.clinic, "ids": ids}).all()
    known = {row.id: row for row in _read(session, TreatmentSession, ids)}
    doses, vitals = (
        _by_session(kind, [row for row in _read(session, kind, ids) if not row.in_error], at)
        for kind, at in ((Dose, "started_at"), (Vital, "taken_at"))
    )
    noticed = _by_session(SideEffect, [row for rows in effects.values() for row in rows], "noticed_at")
    found: dict[str, list[TreatmentSession]] = defaultdict(list)
    for start in starts:
        row = known.get(start.id)
        if row is not None and row.in_error:
            continue
        parts = {"doses": doses[start.id], "vitals": vitals[start.id], "effects": noticed[start.id]}
        more = {"started_at": start.started_at, **{name: tuple(rows) for name, rows in parts.items()}}
        one = _value(TreatmentSession, row, **more) if row else TreatmentSession(id=start.id, **more)
        found[start.order_id].append(one)
    return found


def _by_session(kind: type[Any], rows: list[Any], at: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (getattr(row, at), row.id)):
        if row.session_id is not None:
            found[row.session_id].append(_value(kind, row))
    return found


def versions(session: Session, kind: type[_T], id: str) -> list[_T]:
    """Every version of one thing, oldest first; those in error too."""
    table = _TABLES[kind]
    query = select(table).where(table.c.clinic_id == session.clinic, table.c.id == id)
    rows = session.connection.execute(query.order_by(table.c.version)).all()
    more = {"started_at": rows[0].recorded_at} if rows and kind is TreatmentSession else {}
    return [_value(kind, row, **more) for row in rows]


def newest(session: Session, kind: Callable[..., _T], id: str) -> tuple[str, _T, bool] | None:
    """Order id, value and whether it is an error, of the newest version; None where there is none."""
    type_: Any = kind
    table = _TABLES[type_]
    query = select(table).where(table.c.clinic_id == session.clinic, table.c.id == id)
    row = session.connection.execute(query.order_by(table.c.version.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    more = {"started_at": started(session, id)[1]} if type_ is TreatmentSession else {}
    return row.order_id, _value(kind, row, **more), row.in_error


def started(session: Session, id: str) -> tuple[str, datetime]:
    """The order and the time of a treatment start; NotFound where none has this id."""
    table = tables.treatment_start
    row = session.connection.execute(
        select(table.c.order_id, table.c.started_at).where(
            table.c.clinic_id == session.clinic, table.c.id == id
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"There is no session with id {id}.")
    return row.order_id, row.started_at


def consultation_of(session: Session, order_id: str) -> tuple[str, datetime] | None:
    """The Encounter of the newest initial consultation, and when it was held."""
    table = tables.consultation
    row = session.connection.execute(
        select(table.c.encounter_id, table.c.held_at)
        .where(table.c.clinic_id == session.clinic, table.c.order_id == order_id)
        .order_by(table.c.held_at.desc(), table.c.encounter_id)
        .limit(1)
    ).one_or_none()
    return (row.encounter_id, row.held_at) if row else None


def order_of_consultation(session: Session, encounter_id: str) -> str | None:
    """The order whose initial consultation this Encounter is."""
    table = tables.consultation
    found: str | None = session.connection.scalar(
        select(table.c.order_id).where(
            table.c.clinic_id == session.clinic, table.c.encounter_id == encounter_id
        )
    )
    return found


_CANDIDACY: Final = (
    select(tables.course_decision.c.decision)
    .where(
        tables.course_decision.c.clinic_id == bindparam("clinic"),
        tables.course_decision.c.order_id == bindparam("order_id"),
    )
    .order_by(tables.course_decision.c.recorded_at.desc(), tables.course_decision.c.version.desc())
    .limit(1)
)


def candidacy(session: Session, order_id: str) -> Candidacy | None:
    """What was decided last, None where nothing was."""
    given = {"clinic": session.clinic, "order_id": order_id}
    found = session.connection.scalar(_CANDIDACY, given)
    return Candidacy(found) if found else None
