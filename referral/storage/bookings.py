"""Chairs and their bookings: rows that the database keeps apart in time (docs/adr/0010)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BindParameter, DateTime, Integer, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from referral.domain.booking import HOLDS_CHAIR, LONGEST, OPEN, RELEASED, Booking, BookingStatus, Chair
from referral.domain.errors import NotFound, SlotTaken, StaleVersion
from referral.storage import tables
from referral.storage.db import Session, hold, one_of, sql_state
from referral.storage.versioned import over

_TABLE: Final = tables.booking
FIELDS: Final = tuple(Booking.__slots__)
_SELECT: Final = select(*(_TABLE.c[name] for name in FIELDS))
_ORDER: Final = tables.infusion_order
# An exclusion constraint was violated.
_EXCLUDED: Final = "23P01"
_CHAIR_TAKEN: Final = "This chair is taken at that time; choose another chair or another time."
_PATIENT_TAKEN: Final = "The patient has another booking at that time; move or cancel it first."


# ---- Chairs


def add_chair(session: Session, chair: Chair, now: datetime) -> None:
    """The caller has made sure of the name; a second chair of this name is a bug here."""
    row = {"id": chair.id, "name": chair.name, "active": chair.active}
    session.connection.execute(insert(tables.chair), {"clinic_id": session.clinic, "created_at": now, **row})


_CHAIRS: Final = (
    select(tables.chair.c.id, tables.chair.c.name, tables.chair.c.active)
    .where(tables.chair.c.clinic_id == bindparam("clinic"))
    .order_by(func.length(tables.chair.c.name), tables.chair.c.name, tables.chair.c.id)
)


def chairs(session: Session) -> list[Chair]:
    """Every chair, those that are out of use too, by name."""
    rows = session.connection.execute(_CHAIRS, {"clinic": session.clinic})
    return [Chair(id=row.id, name=row.name, active=row.active) for row in rows]


def set_chair_active(session: Session, chair_id: str, active: bool) -> None:
    """NotFound for an unknown chair."""
    table = tables.chair
    changed = session.connection.execute(
        update(table).where(table.c.clinic_id == session.clinic, table.c.id == chair_id).values(active=active)
    )
    if changed.rowcount != 1:
        raise NotFound("There is no such chair.")


# ---- Writing bookings


def hold_plan(session: Session) -> None:
    """Wait for whoever is placing or moving a booking, and keep others waiting until the transaction ends.

    Taken after the lock of the order. Whoever comes second then sees what is taken, and is refused before
    writing: two rows that exclude each other and are written at once would wait for each other in a circle.
    """
    hold(session, "bookings")


def add(session: Session, new: Booking) -> None:
    """Raises SlotTaken where chair or patient is booked at that time. The caller has called hold_plan()."""
    _require_free(session, new)
    row = {"clinic_id": session.clinic, **{name: getattr(new, name) for name in FIELDS}}
    _write(session, insert(_TABLE).values(row))


def change(session: Session, before: Booking, now: datetime, **values: Any) -> Booking:
    """Write new values over the version that was read; StaleVersion if somebody else was first.

    Raises SlotTaken as add() does; whoever changes chair or times has called hold_plan().
    """
    after = {**{name: getattr(before, name) for name in FIELDS}, **values}
    moved = any(values.get(name, after[name]) != getattr(before, name) for name in _PLACE)
    if moved:
        _require_free(session, Booking(**after))
    statement = over(session, _TABLE, before, changed_at=now, **values)
    row = _write(session, statement.returning(*(_TABLE.c[name] for name in FIELDS))).one_or_none()
    if row is None:
        raise StaleVersion("Somebody else has changed this booking. Reload it and try again.")
    return to_booking(row)


_PLACE: Final = ("chair_id", "starts_at", "ends_at")


def _write(session: Session, statement: Any) -> Any:
    """In a part of its own, so that a refusal leaves the transaction usable."""
    try:
        with session.connection.begin_nested():
            return session.connection.execute(statement)
    except IntegrityError as error:
        if sql_state(error) != _EXCLUDED:
            raise
        name = getattr(getattr(error.orig, "diag", None), "constraint_name", "")
        raise _taken(chair=name == "ex_booking_chair") from error


def _require_free(session: Session, wanted: Booking) -> None:
    """The exclusion constraints would say the same, later and with more waiting."""
    either = _TABLE.c.patient_id == wanted.patient_id
    if wanted.chair_id is not None:  # without a chair there is none to be taken
        either = or_(either, _TABLE.c.chair_id == wanted.chair_id)
    query = _overlapping(session, wanted.starts_at, wanted.ends_at).where(_TABLE.c.id != wanted.id, either)
    found = session.connection.execute(query.order_by(_TABLE.c.starts_at)).first()
    if found is not None:
        raise _taken(chair=found.patient_id != wanted.patient_id)


def _taken(*, chair: bool) -> SlotTaken:
    if chair:
        return SlotTaken(_CHAIR_TAKEN, "Appointment.participant")
    return SlotTaken(_PATIENT_TAKEN, "Appointment.start")


def _overlapping(session: Session, starts_at: datetime, ends_at: datetime) -> Any:
    return _SELECT.where(
        _TABLE.c.clinic_id == session.clinic,
        _TABLE.c.status.in_(HOLDS_CHAIR),
        *_meets(starts_at, ends_at),
    )


def _meets(start: datetime | BindParameter[datetime], end: datetime | None = None) -> tuple[Any, ...]:
    """Bookings that have some of this time; none is longer than LONGEST, so the index finds them."""
    begun = () if end is None else (_TABLE.c.starts_at < end,)
    return (_TABLE.c.starts_at > start - LONGEST, _TABLE.c.ends_at > start, *begun)


# ---- Reading bookings


def to_booking(row: Any) -> Booking:
    """From FIELDS in their order."""
    values = dict(zip(FIELDS, row, strict=True))
    values["status"] = BookingStatus(values["status"])
    return Booking(**values)


def find_by_id(session: Session, id: str, *, lock: bool = False) -> Booking | None:
    """None where there is none in this clinic. For `lock` the caller holds its order, see get()."""
    query = _SELECT.where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == id)
    row = session.connection.execute(query.with_for_update() if lock else query).one_or_none()
    return to_booking(row) if row else None


def get(session: Session, id: str, *, lock: bool = False) -> Booking:
    """As find_by_id(), but raises NotFound; `lock` takes the order first, which everybody locks first."""
    found = find_by_id(session, id)
    if found is not None and lock:
        of_order = and_(_ORDER.c.clinic_id == session.clinic, _ORDER.c.id == found.order_id)
        session.connection.execute(select(_ORDER.c.id).where(of_order).with_for_update(key_share=True))
        found = find_by_id(session, id, lock=True)
    if found is None:
        raise NotFound(f"There is no booking with id {id[:64]}.")
    return found


def of_order(
    session: Session, order_id: str, statuses: Iterable[BookingStatus] | None = None, *, lock: bool = False
) -> list[Booking]:
    """Earliest first; only those in one of `statuses` where given. `lock`: the order or its gate is held."""
    query = _SELECT.where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.order_id == order_id)
    if statuses is not None:
        query = query.where(_TABLE.c.status.in_(list(statuses)))
    query = query.order_by(_TABLE.c.starts_at, _TABLE.c.id)
    rows = session.connection.execute(query.with_for_update() if lock else query)
    return [to_booking(row) for row in rows]


def between(session: Session, start: datetime, end: datetime) -> list[Booking]:
    """What holds a chair in this time, and who did not come; earliest first."""
    rows = session.connection.execute(
        _SELECT.where(
            _TABLE.c.clinic_id == session.clinic,
            _TABLE.c.status.in_([*HOLDS_CHAIR, BookingStatus.NO_SHOW]),
            *_meets(start, end),
        ).order_by(_TABLE.c.starts_at, _TABLE.c.id)
    )
    return [to_booking(row) for row in rows]


_COMING: Final = (
    _SELECT.where(
        _TABLE.c.clinic_id == bindparam("clinic"),
        one_of(_TABLE.c.status, OPEN),
        *_meets(bindparam("now", type_=DateTime(timezone=True))),
    )
    .order_by(_TABLE.c.starts_at, _TABLE.c.id)
    .limit(bindparam("most", type_=Integer))
)


def coming(session: Session, now: datetime, limit: int) -> list[Booking]:
    """Open bookings that have not ended, nearest first."""
    given = {"clinic": session.clinic, "now": now, "most": limit}
    return [to_booking(row) for row in session.connection.execute(_COMING, given)]


def taken_chairs(session: Session, starts_at: datetime, ends_at: datetime) -> set[str]:
    """Ids of the chairs that are held at some moment of this time."""
    rows = session.connection.execute(_overlapping(session, starts_at, ends_at))
    return {row.chair_id for row in rows if row.chair_id}


def is_chair_needed(session: Session, chair_id: str, now: datetime) -> bool:
    """Whether an open booking of this chair lies ahead."""
    query = select(_TABLE.c.id).where(
        _TABLE.c.clinic_id == session.clinic,
        _TABLE.c.chair_id == chair_id,
        _TABLE.c.status.in_(OPEN),
        *_meets(now),
    )
    return session.connection.scalar(query.limit(1)) is not None


_RELEASES: Final = (
    _SELECT.where(
        _TABLE.c.clinic_id == bindparam("clinic"),
        one_of(_TABLE.c.reason, [RELEASED]),
        _TABLE.c.noted_at.is_(None),
        one_of(_TABLE.c.status, [BookingStatus.CANCELLED]),
    )
    .order_by(_TABLE.c.changed_at.desc(), _TABLE.c.id)
    .limit(bindparam("most", type_=Integer))
)


def unnoted_releases(session: Session, limit: int) -> list[Booking]:
    """Bookings that were released and that nobody has taken note of, newest first."""
    rows = session.connection.execute(_RELEASES, {"clinic": session.clinic, "most": limit})
    return [to_booking(row) for row in rows]


# ---- What the sweep looks at


def orders_due(session: Session, now: datetime, limit: int) -> list[str]:
    """Orders with a tentative booking whose time is up, longest overdue first."""
    rows = session.connection.execute(
        select(_TABLE.c.order_id)
        .where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.release_at <= now)
        .group_by(_TABLE.c.order_id)
        .order_by(func.min(_TABLE.c.release_at))
        .limit(limit)
    )
    return list(rows.scalars())


def orders_out_of_step(session: Session, now: datetime, limit: int) -> list[str]:
    """Orders whose bookings ahead do not say what the order says: a safety net for whatever forgot them."""
    pending, booked = _TABLE.c.status == BookingStatus.PENDING, _TABLE.c.status == BookingStatus.BOOKED
    active, held = _ORDER.c.status == "active", _ORDER.c.status == "on-hold"
    ended = _ORDER.c.status.not_in(("active", "on-hold"))
    rows = session.connection.execute(
        select(_TABLE.c.order_id)
        .join(_ORDER, and_(_ORDER.c.clinic_id == _TABLE.c.clinic_id, _ORDER.c.id == _TABLE.c.order_id))
        .where(
            _TABLE.c.clinic_id == session.clinic,
            _TABLE.c.starts_at > now,
            or_(and_(pending, active), and_(booked, held), and_(or_(pending, booked), ended)),
        )
        .distinct()
        .limit(limit)
    )
    return list(rows.scalars())
