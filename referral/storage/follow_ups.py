"""Follow-up visits that clinicians have promised."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from sqlalchemy import Integer, bindparam, exists, literal_column, select, text, update
from sqlalchemy.dialects.postgresql import insert

from referral.domain.follow_up import WITHIN, FollowUp, Outcome
from referral.domain.life import Cause
from referral.storage.db import Session
from referral.storage.tables import follow_up as _TABLE  # noqa: N812 - as in every module of storage
from referral.storage.tables import recommendation_void as _VOID  # noqa: N812

_FIELDS: Final = tuple(FollowUp.__slots__)
# What came with an answer that was nobody's was never promised; no other end of a recommendation ends it.
_PROMISED: Final = select(*(_TABLE.c[name] for name in _FIELDS)).where(
    ~exists().where(
        _VOID.c.clinic_id == _TABLE.c.clinic_id,
        _VOID.c.recommendation_id == _TABLE.c.recommendation_id,
        _VOID.c.cause.in_((Cause.DENIED, Cause.ENTERED_IN_ERROR)),
    )
)


def _to_follow_up(row: Any) -> FollowUp:
    values = dict(zip(_FIELDS, row, strict=True))
    outcome = values["outcome"]
    return FollowUp(**{**values, "outcome": Outcome(outcome) if outcome else None})


def add(session: Session, new: FollowUp) -> bool:
    """False where this request has a promise already."""
    added: Any = session.connection.execute(
        insert(_TABLE)
        .values(clinic_id=session.clinic, **{name: getattr(new, name) for name in _FIELDS})
        .on_conflict_do_nothing(
            index_elements=["clinic_id", "referral_id"],
            index_where=text("outcome IS DISTINCT FROM 'superseded'"),
        )
        .returning(literal_column("1"))
    )
    return added.one_or_none() is not None


def of_order(session: Session, order_id: str) -> list[FollowUp]:
    """Oldest promise first."""
    rows = session.connection.execute(
        _PROMISED.where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.order_id == order_id).order_by(
            _TABLE.c.promised_at, _TABLE.c.id
        )
    )
    return [_to_follow_up(row) for row in rows]


def of_patient(session: Session, patient_id: str) -> list[FollowUp]:
    """Of all orders, the oldest day first."""
    rows = session.connection.execute(
        _PROMISED.where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.patient_id == patient_id).order_by(
            _TABLE.c.due_on, _TABLE.c.id
        )
    )
    return [_to_follow_up(row) for row in rows]


def of_referral(session: Session, referral_id: str) -> FollowUp | None:
    """The promise that came with the answer to this request."""
    row = session.connection.execute(
        _PROMISED.where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.referral_id == referral_id)
    ).one_or_none()
    return _to_follow_up(row) if row else None


def find(session: Session, id: str, *, lock: bool = False) -> FollowUp | None:
    """By the id of its Task."""
    query = _PROMISED.where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == id)
    row = session.connection.execute(query.with_for_update(key_share=True) if lock else query).one_or_none()
    return _to_follow_up(row) if row else None


_OPEN: Final = _PROMISED.where(
    _TABLE.c.clinic_id == bindparam("clinic"),
    _TABLE.c.settled_at.is_(None),
    _TABLE.c.due_on <= bindparam("last"),
).order_by(_TABLE.c.due_on, _TABLE.c.id)
_SOME_OPEN: Final = _OPEN.limit(bindparam("most", type_=Integer))


def open_until(session: Session, last: date, limit: int) -> list[FollowUp]:
    """Those that go on and whose day is not after `last`, the oldest day first."""
    given = {"clinic": session.clinic, "last": last, "most": limit}
    return [_to_follow_up(row) for row in session.connection.execute(_SOME_OPEN, given)]


def unasked_until(session: Session, last: date) -> list[FollowUp]:
    """All of them whose office was not asked yet: however many do not answer, they hide nobody."""
    given = {"clinic": session.clinic, "last": last}
    rows = session.connection.execute(_OPEN.where(_TABLE.c.asked_at.is_(None)), given)
    return [_to_follow_up(row) for row in rows]


def change(session: Session, id: str, **values: Any) -> None:
    """Write new values of named columns."""
    session.connection.execute(
        update(_TABLE).where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == id).values(**values)
    )


_COUNT: Final = text("""
    WITH base AS (
      SELECT f.id, f.due_on,
             coalesce(f.moved_to,
                      (coalesce((SELECT CASE WHEN NOT e.in_error THEN e.ended_at END FROM course_end e
                                  WHERE e.clinic_id = :clinic AND e.order_id = :order
                                  ORDER BY e.version DESC LIMIT 1),
                                (SELECT max(s.started_at) FROM treatment_start s
                                  WHERE s.clinic_id = :clinic AND s.order_id = :order))
                       AT TIME ZONE :zone)::date
                      + CAST(CAST(:days AS jsonb) ->> f.within AS integer)) AS counted
        FROM follow_up f WHERE f.clinic_id = :clinic AND f.order_id = :order AND f.settled_at IS NULL)
    UPDATE follow_up f
       SET due_on = base.counted,
           reminded_at = CASE WHEN base.counted > f.due_on THEN NULL ELSE f.reminded_at END,
           asked_at = CASE WHEN base.counted > f.due_on THEN NULL ELSE f.asked_at END
      FROM base
     WHERE f.clinic_id = :clinic AND f.id = base.id AND base.counted IS DISTINCT FROM base.due_on
    RETURNING f.id""")


def count_days(session: Session, order_id: str, zone: str) -> list[str]:
    """Count the days of an order's visits that go on anew, in the clinic's zone; the ids of those that moved.

    From the end of the course, else from the last session, unless the office has named a day. A day that has
    moved on is reminded of and asked about again.
    """
    days = "{" + ", ".join(f'"{name}": {count}' for name, count in WITHIN.items()) + "}"
    given = {"clinic": session.clinic, "order": order_id, "zone": zone, "days": days}
    return list(session.connection.scalars(_COUNT, given))
