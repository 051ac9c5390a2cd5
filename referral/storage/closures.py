"""Hours and closed days of the clinic and of outside clinicians."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, time
from typing import Any, Final

from sqlalchemy import Boolean, Text, and_, any_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from referral.domain.calendar import Closure, Hours
from referral.domain.errors import NotFound
from referral.storage import tables
from referral.storage.db import Session

_TABLE: Final = tables.closure
_COLUMNS: Final = tuple(_TABLE.c[name] for name in ("id", "first_on", "last_on", "words", "clinician_id"))


def hours_from(data: dict[str, Any]) -> Hours:
    """As stored; times are HH:MM."""
    return Hours(
        opens=time.fromisoformat(data["opens"]),
        closes=time.fromisoformat(data["closes"]),
        sends=time.fromisoformat(data["sends"]),
        closed_weekdays=frozenset(data["closed_weekdays"]),
    )


def _to_data(hours: Hours) -> dict[str, Any]:
    return {
        "opens": f"{hours.opens:%H:%M}",
        "closes": f"{hours.closes:%H:%M}",
        "sends": f"{hours.sends:%H:%M}",
        "closed_weekdays": sorted(hours.closed_weekdays),
    }


def set_clinic_hours(session: Session, settings: dict[str, Any], hours: Hours) -> None:
    """Into the clinic's `settings`, which the caller has just read."""
    session.kept.pop(("clinic", session.clinic), None)
    session.connection.execute(
        update(tables.clinic)
        .where(tables.clinic.c.clinic_id == session.clinic)
        .values(settings={**settings, "hours": _to_data(hours)})
    )


def set_clinician_hours(session: Session, clinician_id: str, hours: Hours | None) -> None:
    """None: those of the clinic."""
    session.kept.pop(("clinician", clinician_id), None)
    session.connection.execute(
        update(tables.clinician)
        .where(tables.clinician.c.clinic_id == session.clinic, tables.clinician.c.id == clinician_id)
        .values(hours=_to_data(hours) if hours else None)
    )


def count_ahead(session: Session, clinician_id: str | None, today: date) -> int:
    """How many closures that are not over one office has; None: the clinic."""
    whose = _TABLE.c.clinician_id.is_not_distinct_from(clinician_id)
    ahead = select(func.count()).where(_TABLE.c.clinic_id == session.clinic, whose, _TABLE.c.last_on >= today)
    return int(session.connection.scalar(ahead) or 0)


def add(session: Session, new: Closure, created_by: str, now: datetime) -> None:
    """A closure of the clinic, or of one clinician's office."""
    _forget(session)
    session.connection.execute(
        insert(_TABLE),
        {
            "clinic_id": session.clinic,
            **{column.name: getattr(new, column.name) for column in _COLUMNS},
            "created_by": created_by,
            "created_at": now,
        },
    )


def get(session: Session, id: str) -> Closure:
    """Raises NotFound where there is none in this clinic; holds it until the transaction ends."""
    row = (
        session.connection.execute(
            select(*_COLUMNS).where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == id).with_for_update()
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise NotFound("There are no such closed days.")
    return Closure(**row)


def end(session: Session, closure: Closure, last_on: date) -> Closure | None:
    """It ends earlier, after `last_on`; None where nothing is left of it, which removes it."""
    _forget(session)
    mine = (_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == closure.id)
    if last_on < closure.first_on:
        session.connection.execute(delete(_TABLE).where(*mine))
        return None
    session.connection.execute(update(_TABLE).where(*mine).values(last_on=last_on))
    return replace(closure, last_on=last_on)


def _forget(session: Session) -> None:
    for key in [key for key in session.kept if key[0] == "closures"]:
        del session.kept[key]


_OF: Final = (
    select(*_COLUMNS)
    .where(
        _TABLE.c.clinic_id == bindparam("clinic"),
        or_(
            _TABLE.c.clinician_id == any_(bindparam("ids", type_=ARRAY(Text))),
            and_(bindparam("own", type_=Boolean), _TABLE.c.clinician_id.is_(None)),
        ),
    )
    .order_by(_TABLE.c.first_on, _TABLE.c.id)
)


def of(session: Session, clinician_ids: Iterable[str]) -> dict[str, tuple[Closure, ...]]:
    """By clinician, those of the clinic under ''; earliest first. Read once a transaction."""
    wanted = {"", *clinician_ids}
    missing = {id for id in wanted if ("closures", id) not in session.kept}
    if missing:
        found: dict[str, list[Closure]] = {id: [] for id in missing}
        ids = [id for id in missing if id]
        given = {"clinic": session.clinic, "ids": ids, "own": "" in missing}
        for row in session.connection.execute(_OF, given).mappings():
            found[row["clinician_id"] or ""].append(Closure(**row))
        session.kept.update({("closures", id): tuple(closures) for id, closures in found.items()})
    return {id: session.kept["closures", id] for id in wanted}
