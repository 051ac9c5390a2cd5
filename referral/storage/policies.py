"""The history of a clinic's policy, and how far its orders have followed the newest version.

A version itself is read and written in clinics.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, or_, select, text, tuple_, update

from referral.domain.policy import Indication, Policy
from referral.storage.db import Session
from referral.storage.orders import USABLE
from referral.storage.tables import (
    clinician,
    infusion_order,
    order_indication,
    policy_rollout,
    policy_version,
    referral,
)

_HOLD_GATES: Final = text("SELECT hold_gates(CAST(:ids AS text[]))")


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionMade:
    """One version as history tells it. `closed` and `opened` count the orders that it has moved so far.

    `finished` is False while orders are still being looked at; True for the first version, which found none.
    """

    version: int
    created_by: str
    created_at: datetime
    reason: str
    closed: int
    opened: int
    finished: bool


def history(session: Session, *, below: int | None = None, limit: int = 20) -> list[VersionMade]:
    """Newest first; `below` goes on from a version that was shown."""
    query = (
        select(
            policy_version.c.version,
            policy_version.c.created_by,
            policy_version.c.created_at,
            policy_version.c.reason,
            func.coalesce(policy_rollout.c.closed, 0).label("closed"),
            func.coalesce(policy_rollout.c.opened, 0).label("opened"),
            or_(policy_rollout.c.version.is_(None), policy_rollout.c.finished_at.is_not(None)).label("done"),
        )
        .outerjoin(
            policy_rollout,
            (policy_rollout.c.clinic_id == policy_version.c.clinic_id)
            & (policy_rollout.c.version == policy_version.c.version),
        )
        .where(policy_version.c.clinic_id == session.clinic)
        .order_by(policy_version.c.version.desc())
        .limit(limit)
    )
    if below is not None:
        query = query.where(policy_version.c.version < below)
    return [
        VersionMade(
            version=row.version,
            created_by=row.created_by,
            created_at=row.created_at,
            reason=row.reason,
            closed=row.closed,
            opened=row.opened,
            finished=row.done,
        )
        for row in session.connection.execute(query)
    ]


@dataclass(frozen=True, slots=True)
class CodeInUse:
    """A code that orders in use have; `order_id` is one of these orders."""

    indication: Indication
    orders: int
    order_id: str


# From one code to the next by the index, past all orders that have it: codes are few, orders are many.
_CODES: Final = text(
    """WITH RECURSIVE seen AS (
    (SELECT i.system, i.code FROM order_indication i WHERE i.clinic_id = :clinic
        ORDER BY i.system, i.code LIMIT 1)
    UNION ALL
    SELECT n.system, n.code FROM seen CROSS JOIN LATERAL (
        SELECT i.system, i.code FROM order_indication i
        WHERE i.clinic_id = :clinic AND (i.system, i.code) > (seen.system, seen.code)
        ORDER BY i.system, i.code LIMIT 1
    ) n
)
SELECT system, code FROM seen"""
)


def unclassified_in_use(session: Session, policy: Policy) -> list[CodeInUse]:
    """Codes of orders in use that the policy does not know, in upper case, the most used first."""
    every = session.connection.execute(_CODES, {"clinic": session.clinic})
    unknown = [(s, c) for s, c in every if policy.classify(Indication(s, c, "")) is None]
    return _in_use(session, unknown) if unknown else []


def _in_use(session: Session, codes: list[tuple[str, str]]) -> list[CodeInUse]:
    code = func.upper(func.btrim(order_indication.c.code)).label("code")
    count = func.count().label("orders")
    query = (
        select(
            order_indication.c.system,
            code,
            func.min(order_indication.c.display).label("display"),
            count,
            func.min(infusion_order.c.id).label("order_id"),
        )
        .join(
            infusion_order,
            (infusion_order.c.clinic_id == order_indication.c.clinic_id)
            & (infusion_order.c.id == order_indication.c.order_id),
        )
        .where(
            infusion_order.c.clinic_id == session.clinic,
            infusion_order.c.status.in_(USABLE),
            tuple_(order_indication.c.system, order_indication.c.code).in_(codes),
        )
        .group_by(order_indication.c.system, code)
        .order_by(count.desc(), code)
    )
    rows = session.connection.execute(query)
    return [CodeInUse(Indication(r.system, r.code, r.display), r.orders, r.order_id) for r in rows]


def count_open_requests(session: Session, kinds: Iterable[str]) -> int:
    """Requests that wait for the answer of a clinician of one of these kinds."""
    query = (
        select(func.count())
        .select_from(referral)
        .join(
            clinician,
            (clinician.c.clinic_id == referral.c.clinic_id) & (clinician.c.id == referral.c.clinician_id),
        )
        .where(
            referral.c.clinic_id == session.clinic,
            referral.c.closed_at.is_(None),
            clinician.c.kind.in_(list(kinds)),
        )
    )
    return int(session.connection.scalar(query) or 0)


# ---- Orders that follow


def in_use(session: Session, *, after: str = "", limit: int) -> dict[str, str]:
    """Statuses of orders in use by id, in the order of their ids."""
    query = (
        select(infusion_order.c.id, infusion_order.c.status)
        .where(
            infusion_order.c.clinic_id == session.clinic,
            infusion_order.c.status.in_(USABLE),
            infusion_order.c.id > after,
        )
        .order_by(infusion_order.c.id)
        .limit(limit)
    )
    return {row.id: row.status for row in session.connection.execute(query)}


def hold_orders(session: Session, ids: Iterable[str]) -> dict[str, str]:
    """Lock these orders as orders.get(lock=True) does, in one order for everybody; their statuses by id."""
    query = (
        select(infusion_order.c.id, infusion_order.c.status)
        .where(infusion_order.c.clinic_id == session.clinic, infusion_order.c.id.in_(list(ids)))
        .order_by(infusion_order.c.id)
        .with_for_update(key_share=True)
    )
    return {row.id: row.status for row in session.connection.execute(query)}


def hold_gates(session: Session, ids: Iterable[str]) -> None:
    """Keep treatments of these orders from starting until the transaction ends; after hold_orders().

    A new version locks the clinic's row, which a start takes after its gate: so do we, or the two would wait
    for each other.
    """
    session.connection.execute(_HOLD_GATES, {"ids": list(ids)})


@dataclass(frozen=True, slots=True)
class Rollout:
    version: int
    reached: str


def take_rollout(session: Session) -> Rollout | None:
    """The newest version, locked, while orders have yet to follow it; None when done, or in other hands."""
    table = policy_rollout
    newest = select(func.max(table.c.version)).where(table.c.clinic_id == session.clinic).scalar_subquery()
    query = (
        select(table.c.version, table.c.reached)
        .where(table.c.clinic_id == session.clinic, table.c.version == newest, table.c.finished_at.is_(None))
        .with_for_update(skip_locked=True)
    )
    row = session.connection.execute(query).one_or_none()
    return Rollout(*row) if row else None


def advance_rollout(
    session: Session,
    version: int,
    *,
    closed: int,
    opened: int,
    reached: str | None = None,
    finished_at: datetime | None = None,
) -> None:
    """Count what was moved. An older version is finished with a newer one: nothing follows it any more."""
    table = policy_rollout
    own = (table.c.clinic_id == session.clinic, table.c.finished_at.is_(None))
    values: dict[str, Any] = {"closed": table.c.closed + closed, "opened": table.c.opened + opened}
    if reached is not None:
        values["reached"] = reached
    session.connection.execute(update(table).where(*own, table.c.version == version).values(**values))
    if finished_at is not None:
        done = update(table).where(*own, table.c.version <= version).values(finished_at=finished_at)
        session.connection.execute(done)
