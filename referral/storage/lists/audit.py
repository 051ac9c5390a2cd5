"""The audit trail as people read it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, select

from referral.domain.listing import Page, View
from referral.storage.audit import COLUMNS, AuditRow
from referral.storage.db import Session
from referral.storage.lists.conditions import equals, one_of
from referral.storage.lists.keyset import CLINIC, Asked, Listing, Sort, read
from referral.storage.tables import audit_event as _TABLE  # noqa: N812 - as in every module of storage

_ACTIONS: Final[dict[str, Any]] = {action: _TABLE.c.action == action for action in ("C", "R", "U", "D", "E")}
_OUTCOMES: Final[dict[str, Any]] = {"done": _TABLE.c.outcome == "0", "refused": _TABLE.c.outcome != "0"}
_KINDS: Final[dict[str, Any]] = {
    kind: _TABLE.c.actor_kind == kind for kind in ("staff", "client", "portal", "system")
}


def _without(asked: Asked) -> ColumnElement[bool]:
    return _TABLE.c.subtype != asked.value


_ROWS: Final = select(*(_TABLE.c[name] for name in COLUMNS)).where(_TABLE.c.clinic_id == CLINIC)


def _since(asked: Asked) -> ColumnElement[bool]:
    return _TABLE.c.at >= datetime.fromisoformat(asked.value)


def _until(asked: Asked) -> ColumnElement[bool]:
    return _TABLE.c.at < datetime.fromisoformat(asked.value)


_TRAIL: Final[Listing[AuditRow]] = Listing(
    query=_ROWS,
    to_row=lambda row: AuditRow(*row[: len(COLUMNS)]),
    sorts={
        "newest": Sort((_TABLE.c.id,), descending=True),
        "oldest": Sort((_TABLE.c.id,)),
    },
    filters={
        "patient": equals(_TABLE.c.patient_id),
        "person": equals(_TABLE.c.actor_id),
        "kind": one_of(_KINDS),
        "action": one_of(_ACTIONS),
        "what": equals(_TABLE.c.subtype),
        "without": _without,
        "outcome": one_of(_OUTCOMES),
        "entity": equals(_TABLE.c.entity),
        "since_moment": _since,
        "until_moment": _until,
    },
)


def listed(session: Session, view: View, now: datetime) -> Page[AuditRow]:
    """By patient, actor, action, word (or all but one), outcome, entity, [since_moment, until_moment)."""
    return read(session, _TRAIL, view, now)
