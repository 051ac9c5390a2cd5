"""What all workers know of the providers: one row each, changed in short transactions of their own."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert

from referral.domain import providers as rules
from referral.domain.providers import Answered, Grant, Limits, Provider, Use
from referral.storage import tables
from referral.storage.db import Session

_TABLE: Final = tables.provider
_FIELDS: Final = tuple(Provider.__slots__)
_SELECT: Final = select(*(_TABLE.c[name] for name in _FIELDS)).order_by(_TABLE.c.name)


def _to_provider(row: Any) -> Provider:
    values = dict(zip(_FIELDS, row, strict=True))
    uses = {name: Use(calls, datetime.fromisoformat(until)) for name, (calls, until) in row.uses.items()}
    return Provider(**{**values, "uses": uses})


def every(session: Session) -> list[Provider]:
    """All that were ever called, by name; for people and metrics. Needs no clinic to have been entered."""
    return [_to_provider(row) for row in session.connection.execute(_SELECT)]


# These transactions need not wait for the disk: what a crash of the database takes back is found out anew.
_NO_WAIT: Final = text("SET LOCAL synchronous_commit = off")


def _hold(session: Session, name: str) -> Provider:
    session.connection.execute(_NO_WAIT)
    held = _SELECT.where(_TABLE.c.name == name).with_for_update()
    row = session.connection.execute(held).one_or_none()
    if row is None:
        new = {"name": name, "allowance": 0.0, "uses": {}}
        session.connection.execute(insert(_TABLE).on_conflict_do_nothing(), new)
        row = session.connection.execute(held).one()
    return _to_provider(row)


def _write(session: Session, before: Provider, after: Provider) -> None:
    if after == before:
        return
    values = asdict(after)
    values["uses"] = {name: (use.calls, use.until.isoformat()) for name, use in after.uses.items()}
    session.connection.execute(update(_TABLE).where(_TABLE.c.name == after.name).values(**values))


def take(
    session: Session, name: str, limits: Limits, holder: str, wanted: int, now: datetime, lease: timedelta
) -> Grant:
    """See domain.providers.take. The transaction must be short and hold nothing else: others wait for it."""
    before = _hold(session, name)
    after, grant = rules.take(before, limits, holder, wanted, now, lease)
    _write(session, before, after)
    return grant


def settle(session: Session, name: str, holder: str, answered: Answered, now: datetime) -> Provider:
    """See domain.providers.settle. The transaction must be short and hold nothing else."""
    before = _hold(session, name)
    after = rules.settle(before, holder, answered, now)
    _write(session, before, after)
    return after
