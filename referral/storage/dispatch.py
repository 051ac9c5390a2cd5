"""Claims by the batch: what is due is taken together, with its requests, and written back together.

Nobody waits here: rows that somebody else holds are left out and are due the next time. So a batch of many
requests, held in whatever order, cannot be part of a circle of waiting.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

import orjson
from sqlalchemy import ColumnClause, column, text

from referral.domain.codes import Channel
from referral.domain.outgoing import Lane
from referral.domain.records import Referral
from referral.storage import outbox, referrals
from referral.storage.db import Session
from referral.storage.outbox import Message

# Named by their place, so that what SQLAlchemy makes of them once is kept: the names are not all different.
_READ: Final[tuple[ColumnClause[Any], ...]] = tuple(
    column(f"c{n}") for n in range(len(outbox.FIELDS) + len(referrals.FIELDS))
)
_MESSAGE: Final = ", ".join(f"m.{name}" for name in outbox.FIELDS)
_REFERRAL: Final = ", ".join(f"r.{name}" for name in referrals.FIELDS)
_SPLIT: Final = len(outbox.FIELDS)
_FROM: Final = """
  FROM message m
  JOIN referral r ON r.clinic_id = m.clinic_id AND r.id = m.referral_id
  JOIN infusion_order o ON o.clinic_id = r.clinic_id AND o.id = r.order_id
 WHERE m.clinic_id = :clinic"""
_HELD_HERE: Final = "FOR NO KEY UPDATE OF o, r, m SKIP LOCKED"


def _due(condition: str, order: str) -> Any:
    # Asked once per statement: nothing leaves after a restore until the clinic is reopened.
    return text(
        f"SELECT {_MESSAGE}, {_REFERRAL} {_FROM} AND NOT (SELECT is_restoring()) AND {condition}"
        f" ORDER BY {order} LIMIT :limit {_HELD_HERE}"
    ).columns(*_READ)


_TO_DRAW: Final = _due("m.state = 'queued' AND m.lane = :lane AND m.not_before <= :now", "m.not_before")
_TO_SEND: Final = _due("m.state = 'ready' AND m.channel = :channel AND m.not_before <= :now", "m.not_before")
_URGENT: Final = _due(
    "m.state = 'ready' AND m.lane = 'urgent' AND m.channel = :channel AND m.not_before <= :now",
    "m.not_before",
)
_LEFT_DRAWING: Final = _due("m.state = 'rendering' AND m.lease_until < :now", "m.crashes, m.lease_until")
_LEFT_SENDING: Final = _due(
    "m.state = 'sending' AND m.channel = :channel AND m.lease_until < :now", "m.crashes, m.lease_until"
)
_AGAIN: Final = text(
    f"SELECT {_MESSAGE}, {_REFERRAL} {_FROM} AND m.id = ANY (CAST(:ids AS uuid[])) {_HELD_HERE}"
).columns(*_READ)


@dataclass(frozen=True, slots=True)
class Held:
    """A message and its request, both locked by this transaction, and the order with them."""

    message: Message
    referral: Referral


def _held(session: Session, query: Any, **values: Any) -> list[Held]:
    rows = session.connection.execute(query, {"clinic": session.clinic, **values}).all()
    return [Held(outbox.to_message(row[:_SPLIT]), referrals.to_referral(row[_SPLIT:])) for row in rows]


def _array(ids: Iterable[uuid.UUID]) -> str:
    """As PostgreSQL reads it: the driver takes longer over a list than over all the rest."""
    return "{" + ",".join(map(str, ids)) + "}"


def to_draw(session: Session, lane: Lane, now: datetime, limit: int) -> list[Held]:
    """Queued and due, longest first."""
    return _held(session, _TO_DRAW, lane=lane, now=now, limit=limit)


def to_send(session: Session, channel: Channel, now: datetime, limit: int, *, urgent: bool) -> list[Held]:
    """Drawn and due; `urgent` finds those that somebody waits for at this moment, and only them."""
    return _held(session, _URGENT if urgent else _TO_SEND, channel=channel, now=now, limit=limit)


def left_drawing(session: Session, now: datetime, limit: int) -> list[Held]:
    """Those whose worker died while it drew them, the fewest crashes first."""
    return _held(session, _LEFT_DRAWING, now=now, limit=limit)


def left_sending(session: Session, channel: Channel, now: datetime, limit: int) -> list[Held]:
    """Those whose worker died during the call, and those in doubt that are due; the fewest crashes first."""
    return _held(session, _LEFT_SENDING, channel=channel, now=now, limit=limit)


def fewest_crashes(held: Sequence[Held]) -> tuple[int, list[Held]]:
    """Those that have lost the fewest workers, and how many: `held` begins with one of them."""
    crashes = held[0].message.crashes
    return crashes, [one for one in held if one.message.crashes == crashes]


def again(session: Session, ids: Iterable[uuid.UUID]) -> list[Held]:
    """These, as they are now; what somebody else holds is left out."""
    return _held(session, _AGAIN, ids=_array(ids))


def one(session: Session, message: Message) -> Held | None:
    """As again() for one, but waits for whoever holds it: order, request and message, in this order."""
    referral = referrals.get(session, message.referral_id, lock=True)
    current = outbox.get(session, message.id, lock=True)
    return Held(current, referral) if current is not None else None


# ---- What there is to do

_LANES: Final = tuple(Lane)
_WORK: Final = text(
    """
SELECT 'draw', l.lane FROM unnest(CAST(:lanes AS text[])) AS l (lane)
 WHERE EXISTS (SELECT FROM message m WHERE m.clinic_id = :clinic AND m.state = 'queued' AND m.lane = l.lane
               AND m.not_before <= :now)
UNION ALL
SELECT 'urgent', c.channel FROM unnest(CAST(:channels AS text[])) AS c (channel)
 WHERE EXISTS (SELECT FROM message m WHERE m.clinic_id = :clinic AND m.state = 'ready' AND m.lane = 'urgent'
               AND m.channel = c.channel AND m.not_before <= :now)
UNION ALL
SELECT 'send', c.channel FROM unnest(CAST(:channels AS text[])) AS c (channel)
 WHERE EXISTS (SELECT FROM message m WHERE m.clinic_id = :clinic AND m.state = 'ready'
               AND m.channel = c.channel AND m.not_before <= :now)
UNION ALL
SELECT 'left-' || m.state, m.channel FROM message m
 WHERE m.clinic_id = :clinic AND m.state IN ('rendering', 'sending') AND m.lease_until < :now
 GROUP BY m.state, m.channel
"""
)


@dataclass(frozen=True, slots=True)
class Work:
    """What is due in a clinic, each by one look at an index; the channels are those with such messages."""

    draw: frozenset[Lane]
    urgent: frozenset[Channel]
    send: frozenset[Channel]
    left_drawing: bool
    left_sending: frozenset[Channel]


def work(session: Session, now: datetime) -> Work:
    """Looks only, locks nothing."""
    found: dict[str, set[str]] = {}
    given = {"clinic": session.clinic, "now": now, "lanes": list(_LANES), "channels": list(Channel)}
    for what, which in session.connection.execute(_WORK, given):
        found.setdefault(what, set()).add(which)

    def channels(what: str) -> frozenset[Channel]:
        return frozenset(Channel(name) for name in found.get(what, ()))

    return Work(
        draw=frozenset(Lane(name) for name in found.get("draw", ())),
        urgent=channels("urgent"),
        send=channels("send"),
        left_drawing="left-rendering" in found,
        left_sending=channels("left-sending"),
    )


# ---- Writing back

# Columns that a batch writes, with their types.
_TYPES: Final = {
    "state": "text",
    "attempts": "integer",
    "tries": "integer",
    "crashes": "integer",
    "letter_id": "text",
    "envelope_id": "text",
    "provider_reference": "text",
    "last_error": "text",
    "secret_note": "text",
    "sent_for_real": "boolean",
    "finished_at": "timestamptz",
    "in_doubt": "boolean",
    "sending_since": "timestamptz",
}
_LEASE: Final = {"lease_until": "timestamptz"}
# The bell rings for whoever writes a due time.
_DUE: Final = {"not_before": "timestamptz"}
_values: Final = attrgetter(*_TYPES)


@lru_cache(maxsize=64)
def _update(names: frozenset[str], *, postpone: bool) -> Any:
    columns = _LEASE | (_DUE if postpone else {}) | {name: _TYPES[name] for name in _TYPES if name in names}
    assigned = ", ".join(f"{name} = v.{name}" for name in columns)
    given = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    return text(
        f"UPDATE message m SET {assigned}"  # noqa: S608 - made of constants
        f" FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS v (id uuid, fence integer, {given})"
        # The ids once more, as a list: else the whole table is read where it is not yet large.
        " WHERE m.clinic_id = :clinic AND m.id = ANY (CAST(:ids AS uuid[]))"
        " AND m.id = v.id AND m.attempts = v.fence"
        " AND m.state IN ('queued', 'rendering', 'ready', 'sending')"
    )


@dataclass(frozen=True, slots=True)
class Change:
    """What a message is to become.

    `before` is the row as this transaction holds it, with the fence. `lease_until` None gives the lease up.
    """

    before: Message
    after: Message
    lease_until: datetime | None = None


def write(session: Session, changes: Sequence[Change], *, postpone: bool = False) -> int:
    """Write them in one statement; returns how many were still held by their claims.

    Only columns that differ for one of them are written, and the due time only with `postpone`.
    """
    if not changes:
        return 0
    names = frozenset(name for change in changes for name in _changed(change))
    rows = [
        {
            "id": change.before.id,
            "fence": change.before.attempts,
            "lease_until": change.lease_until,
            **{name: getattr(change.after, name) for name in names},
            **({"not_before": change.after.not_before} if postpone else {}),
        }
        for change in changes
    ]
    given = {
        "clinic": session.clinic,
        "ids": _array(change.before.id for change in changes),
        "rows": orjson.dumps(rows, default=str).decode(),
    }
    return session.connection.execute(_update(names, postpone=postpone), given).rowcount


def _changed(change: Change) -> Iterable[str]:
    values = zip(_TYPES, _values(change.before), _values(change.after), strict=True)
    return (name for name, before, after in values if before is not after and before != after)
