"""The audit trail: rows in the transaction of the act, chained by hash shortly after.

Chaining inside each transaction would make every read of a clinic wait for every other one (docs/adr/0003).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import bindparam, func, insert, select, text

from referral.domain.audit import Action, Actor, AuditEntry
from referral.storage.db import Session, flush
from referral.storage.tables import audit_chain, audit_event

_GENESIS: Final = b"\0" * 32
# What FHIR calls an execution and changes nothing that a page shows.
_LOOKS: Final = ("search", "history", "sign-in", "password-again", "card-feedback", "token")
COLUMNS: Final = (
    *(
        "id",
        "at",
        "actor_kind",
        "actor_id",
        "actor_role",
        "address",
        "request_id",
        "action",
        "subtype",
        "entity",
    ),
    *("patient_id", "outcome", "detail"),
)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One row as it was written; `at` is the database's time, UTC."""

    id: int
    at: datetime
    actor_kind: str
    actor_id: str
    actor_role: str | None
    address: str | None
    request_id: str | None
    action: str
    subtype: str
    entity: str | None
    patient_id: str | None
    outcome: str
    detail: dict[str, Any]


def record(session: Session, actor: Actor, *entries: AuditEntry) -> None:
    """One row per entry, written with the transaction: no row, no act.

    Whatever was done to something is told to the pages that show it.
    """
    for entry in entries:
        looked = entry.action is Action.READ or entry.subtype in _LOOKS
        if not looked and entry.outcome == "0":
            session.late.changed.add(entry.entity or "Organization")
            if entry.patient_id:
                session.late.changed.add(f"Patient/{entry.patient_id}")
    session.late.audit.extend(
        [
            {
                "actor_kind": actor.kind,
                "actor_id": actor.id,
                "actor_role": actor.role,
                "address": actor.address,
                "request_id": actor.request_id,
                "action": entry.action,
                "subtype": entry.subtype,
                "entity": entry.entity,
                "patient_id": entry.patient_id,
                "outcome": entry.outcome,
                "detail": entry.detail,
            }
            for entry in entries
        ]
    )


@dataclass(frozen=True, slots=True)
class Subject:
    """What a form is about: the deeds to an entity or for a patient, of these `subtypes` if any.

    With `names`, the id of a part: only those whose detail names it.
    """

    entity: str | None = None
    patient_id: str | None = None
    subtypes: tuple[str, ...] = ()
    names: str = ""


_NEWEST: Final = select(func.max(audit_event.c.id)).where(audit_event.c.clinic_id == bindparam("clinic"))


def newest(session: Session) -> int:
    """The id of the last row of this clinic, 0 without any; read once a transaction, as every form asks."""
    if ("audit", "newest") not in session.kept:
        last = session.connection.scalar(_NEWEST, {"clinic": session.clinic})
        session.kept["audit", "newest"] = int(last or 0)
    found: int = session.kept["audit", "newest"]
    return found


def deeds_since(
    session: Session, after: int, about: Subject, limit: int, *, not_by: str | None = None
) -> list[AuditRow]:
    """What was done, not only read, after the row with this id, newest first; of others' transactions.

    `not_by` leaves out what this person has done themselves.
    """
    done = [
        audit_event.c.clinic_id == session.clinic,
        audit_event.c.id > after,
        audit_event.c.action != Action.READ,
        audit_event.c.outcome == "0",
    ]
    if about.patient_id is not None:
        done.append(audit_event.c.patient_id == about.patient_id)
    else:
        done.append(audit_event.c.entity.is_not_distinct_from(about.entity))
    if about.subtypes:
        done.append(audit_event.c.subtype.in_(about.subtypes))
    if about.names:
        part = func.jsonb_build_object("id", about.names)
        done.append(func.jsonb_path_exists(audit_event.c.detail, text("'$.* ? (@ == $id)'"), part))
    if not_by is not None:
        done.append(audit_event.c.actor_id != not_by)
    columns = [audit_event.c[name] for name in COLUMNS]
    query = select(*columns).where(*done).order_by(audit_event.c.id.desc()).limit(limit)
    return [AuditRow(*row) for row in session.connection.execute(query)]


def find(
    session: Session,
    *,
    patient_id: str | None = None,
    entity: str | None = None,
    id: int | None = None,
    before: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 50,
) -> list[AuditRow]:
    """Newest first; `before` is the id where the page before ended, [since, until) an interval of time."""
    flush(session)
    query = select(*(audit_event.c[name] for name in COLUMNS)).where(
        audit_event.c.clinic_id == session.clinic
    )
    for column, value in (("patient_id", patient_id), ("entity", entity), ("id", id)):
        if value is not None:
            query = query.where(audit_event.c[column] == value)
    if before is not None:
        query = query.where(audit_event.c.id < before)
    if since is not None:
        query = query.where(audit_event.c.at >= since)
    if until is not None:
        query = query.where(audit_event.c.at < until)
    rows = session.connection.execute(query.order_by(audit_event.c.id.desc()).limit(limit))
    return [AuditRow(*row) for row in rows]


def disclosures(
    session: Session, patient_id: str, subtypes: Iterable[str], since: datetime, limit: int
) -> list[AuditRow]:
    """What was done of these kinds about a patient, newest first; what was refused is none."""
    flush(session)
    query = (
        select(*(audit_event.c[name] for name in COLUMNS))
        .where(
            audit_event.c.clinic_id == session.clinic,
            audit_event.c.patient_id == patient_id,
            audit_event.c.at >= since,
            audit_event.c.subtype.in_(list(subtypes)),
            audit_event.c.outcome == "0",
        )
        .order_by(audit_event.c.at.desc(), audit_event.c.id.desc())
        .limit(limit)
    )
    return [AuditRow(*row) for row in session.connection.execute(query)]


def author_of(session: Session, entity: str, subtype: str) -> str | None:
    """The person of the clinic who first did this to an entity; None where no person did."""
    flush(session)
    found: str | None = session.connection.scalar(
        select(audit_event.c.actor_id)
        .where(
            audit_event.c.clinic_id == session.clinic,
            audit_event.c.entity == entity,
            audit_event.c.subtype == subtype,
            audit_event.c.actor_kind == "staff",
        )
        .order_by(audit_event.c.id)
        .limit(1)
    )
    return found


def _hash(previous: bytes, row: Any) -> bytes:
    # In UTC, or a server with another time zone of its own would find a broken chain.
    canonical = msgspec.json.encode(
        [value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value for value in row],
        order="sorted",
    )
    return hashlib.sha256(previous + canonical).digest()


def chain(session: Session, limit: int = 5000) -> int:
    """Append committed rows to the clinic's chain; returns how many.

    Safe to run twice: an advisory lock orders runs.
    Rows of transactions that are still open may have smaller ids than chained ones; they are chained later,
    since the order of the chain is its own.
    """
    flush(session)
    session.connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(session.clinic))))
    last = session.connection.execute(
        select(audit_chain.c.position, audit_chain.c.hash)
        .where(audit_chain.c.clinic_id == session.clinic)
        .order_by(audit_chain.c.position.desc())
        .limit(1)
    ).one_or_none()
    position, previous = (last.position, last.hash) if last else (0, _GENESIS)
    chained = select(audit_chain.c.event_id).where(
        audit_chain.c.clinic_id == audit_event.c.clinic_id, audit_chain.c.event_id == audit_event.c.id
    )
    rows = session.connection.execute(
        select(*(audit_event.c[name] for name in COLUMNS))
        .where(audit_event.c.clinic_id == session.clinic, ~chained.exists())
        .order_by(audit_event.c.id)
        .limit(limit)
    ).all()
    links = []
    for row in rows:
        position += 1
        previous = _hash(previous, row)
        links.append(
            {"clinic_id": session.clinic, "position": position, "event_id": row.id, "hash": previous}
        )
    if links:
        session.connection.execute(insert(audit_chain).inline(), links)
    return len(links)


def verify(session: Session) -> tuple[int, int | None]:
    """Recompute the clinic's chain: (links that hold, position of the first that does not or None)."""
    flush(session)
    rows = session.connection.execute(
        select(audit_chain.c.position, audit_chain.c.hash, *(audit_event.c[name] for name in COLUMNS))
        .join_from(
            audit_chain,
            audit_event,
            (audit_event.c.clinic_id == audit_chain.c.clinic_id)
            & (audit_event.c.id == audit_chain.c.event_id),
        )
        .where(audit_chain.c.clinic_id == session.clinic)
        .order_by(audit_chain.c.position)
    )
    previous, count = _GENESIS, 0
    for position, expected, *row in rows:
        previous = _hash(previous, row)
        if position != count + 1 or previous != expected:
            return count, position
        count += 1
    return count, None
