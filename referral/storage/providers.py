"""What all workers know of the providers: one row each, changed in short transactions of their own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from referral.domain import providers as rules
from referral.domain.providers import Answered, Grant, Limits, Provider, Use
from referral.storage import tables
from referral.storage.db import Session

_TABLE: Final = tables.provider
_FIELDS: Final = tuple(Provider.__slots__)
_SELECT: Final = select(*(_TABLE.c[name] for name in _FIELDS)).order_by(_TABLE.c.name)


def _to_provider(row: Any) -> Provider:
    values = dict(zip(_FIELDS, row, strict=False))
    uses = {name: Use(calls, datetime.fromisoformat(until)) for name, (calls, until) in row.uses.items()}
    return Provider(**{**values, "uses": uses})


def every(session: Session) -> list[Provider]:
    """All that were ever called, by name; for people and metrics. Needs no clinic to have been entered."""
    return [_to_provider(row) for row in session.connection.execute(_SELECT)]


# These transactions need not wait for the disk: what a crash of the database takes back is found out anew.
_HOLD: Final = (
    _SELECT.add_columns(func.set_config("synchronous_commit", "off", True))
    .where(_TABLE.c.name == bindparam("held"))
    .with_for_update()
)
_WRITE: Final = (
    update(_TABLE)
    .where(_TABLE.c.name == bindparam("held"))
    .values({name: bindparam(name) for name in _FIELDS if name != "name"})
)


def _hold(session: Session, name: str) -> Provider:
    row = session.connection.execute(_HOLD, {"held": name}).one_or_none()
    if row is None:
        new = {"name": name, "allowance": 0.0, "uses": {}}
        session.connection.execute(insert(_TABLE).on_conflict_do_nothing(), new)
        row = session.connection.execute(_HOLD, {"held": name}).one()
    return _to_provider(row)


def _write(session: Session, before: Provider, after: Provider) -> None:
    if after == before:
        return
    values = {name: getattr(after, name) for name in _FIELDS if name != "name"}
    values["uses"] = {name: (use.calls, use.until.isoformat()) for name, use in after.uses.items()}
    session.connection.execute(_WRITE, {"held": after.name, **values})


@dataclass(frozen=True, slots=True)
class Ended:
    """A batch whose last call has ended: its places are free, and what its provider was like is known."""

    name: str
    holder: str
    answered: Answered


def take(
    session: Session,
    name: str,
    limits: Limits,
    holder: str,
    wanted: int,
    now: datetime,
    lease: timedelta,
    ended: Iterable[Ended] = (),
) -> Grant:
    """See domain.providers.take, after those batches of this provider that have ended.

    The transaction must be short and hold nothing else: others wait for it.
    """
    before = _hold(session, name)
    after, grant = rules.take(_settled(before, ended, now), limits, holder, wanted, now, lease)
    _write(session, before, after)
    return grant


def settle(session: Session, name: str, ended: Iterable[Ended], now: datetime) -> Provider:
    """See domain.providers.settle. The transaction must be short and hold nothing else."""
    before = _hold(session, name)
    after = _settled(before, ended, now)
    _write(session, before, after)
    return after


def _settled(provider: Provider, ended: Iterable[Ended], now: datetime) -> Provider:
    for one in ended:
        provider = rules.settle(provider, one.holder, one.answered, now)
    return provider
