"""Exports as rows: one worker at a time holds one, and what it has written counts only as a whole."""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, case, delete, func, insert, not_, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from referral.domain.exports import LEASE, ExportState
from referral.storage import clinics
from referral.storage.db import Session
from referral.storage.tables import bulk_export, bulk_export_part, bulk_export_patient

_E: Final = bulk_export.c
_P: Final = bulk_export_part.c
_OPEN: Final = (ExportState.QUEUED, ExportState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a client asks for. `types` in the order of the files; `only_patients`: what belongs to patients,
    to those in `patients` where there are any. `elements` are kept of each resource, all without any.
    `scopes` are those of the token that asked: more does not go out, whatever the client may otherwise.
    """

    client_id: str
    scopes: tuple[str, ...]
    request: str
    types: tuple[str, ...]
    only_patients: bool = False
    patients: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    since: datetime | None = None
    address: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One row. `attempts` counts claims and is the fence; `transaction_time` is that of the newest claim."""

    id: str
    wish: Wish
    state: ExportState
    attempts: int
    crashes: int
    resources: int
    polls: int
    created_at: datetime
    transaction_time: datetime | None
    expires_at: datetime
    error: str | None


@dataclass(frozen=True, slots=True)
class File:
    """`size` in plain bytes."""

    number: int
    type: str
    resources: int
    size: int
    parts: int


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a file in plain NDJSON, and how many resources in it are about which patient."""

    file: int
    number: int
    type: str
    resources: int
    content: bytes
    patients: Mapping[str, int]


_WISH: Final = tuple(Wish.__slots__)
_LISTS: Final = frozenset({"scopes", "types", "patients", "elements"})
_OWN: Final = tuple(name for name in Export.__slots__ if name != "wish")
_COLUMNS: Final = tuple(_E[name] for name in (*_OWN, *_WISH))


def _to_export(row: Any) -> Export:
    values = dict(zip((*_OWN, *_WISH), row, strict=True))
    wish: dict[str, Any] = {
        name: tuple(values.pop(name)) if name in _LISTS else values.pop(name) for name in _WISH
    }
    values["state"] = ExportState(values["state"])
    return Export(wish=Wish(**wish), **values)


def add(session: Session, wish: Wish, now: datetime, expires_at: datetime) -> str:
    """Queue it; returns its id. A worker hears the bell."""
    id = str(uuid.uuid4())
    values = {name: getattr(wish, name) for name in _WISH} | {
        name: list(getattr(wish, name)) for name in _LISTS
    }
    row = {"clinic_id": session.clinic, "id": id, "created_at": now, "expires_at": expires_at, **values}
    session.connection.execute(insert(bulk_export).inline(), row)
    return id


def count(session: Session, client_id: str, now: datetime) -> tuple[int, int]:
    """(those of this client that have not ended, all that are not over)."""
    found = session.connection.execute(
        select(func.count().filter(_E.state.in_(_OPEN)), func.count()).where(
            _E.clinic_id == session.clinic, _E.client_id == client_id, _E.expires_at > now
        )
    ).one()
    return int(found[0]), int(found[1])


def find(session: Session, id: str, client_id: str, now: datetime) -> Export | None:
    """None where this client has no such export, or it is over."""
    try:
        uuid.UUID(id)
    except ValueError:
        return None
    row = session.connection.execute(
        select(*_COLUMNS).where(
            _E.clinic_id == session.clinic, _E.id == id, _E.client_id == client_id, _E.expires_at > now
        )
    ).one_or_none()
    return _to_export(row) if row else None


def note_poll(session: Session, id: str) -> None:
    """The client has asked once more."""
    session.connection.execute(_of(session, id).values(polls=_E.polls + 1))


def remove(session: Session, id: str) -> None:
    """With everything that was written for it; a worker that is at it notices with its next part."""
    session.connection.execute(delete(bulk_export).where(_E.clinic_id == session.clinic, _E.id == id))


def remove_old(session: Session, now: datetime) -> int:
    """Those that are over; returns how many."""
    old = delete(bulk_export).where(_E.clinic_id == session.clinic, _E.expires_at <= now)
    return session.connection.execute(old).rowcount


def _due(session: Session, now: datetime) -> Any:
    return and_(
        _E.clinic_id == session.clinic,
        # As for messages: nothing leaves after a restore until the clinic is reopened.
        not_(select(func.is_restoring()).scalar_subquery()),
        _E.expires_at > now,
        or_(_E.state == ExportState.QUEUED, and_(_E.state == ExportState.RUNNING, _E.lease_until < now)),
    )


def is_due(session: Session, now: datetime) -> bool:
    """Whether there is anything to claim."""
    return bool(session.connection.scalar(select(select(_E.id).where(_due(session, now)).exists())))


def claim(session: Session, now: datetime, settled: datetime) -> Export | None:
    """Take the oldest that is due, with a lease, and begin it anew; None when there is none.

    It tells of everything that was written until `settled`, or until it was asked for, whichever is later.
    """
    due = select(_E.id).where(_due(session, now)).order_by(_E.created_at, _E.id).limit(1)
    taken = due.with_for_update(skip_locked=True).cte("due")
    row = session.connection.execute(
        update(bulk_export)
        .where(_E.clinic_id == session.clinic, _E.id == taken.c.id)
        .values(
            state=ExportState.RUNNING,
            attempts=_E.attempts + 1,
            crashes=_E.crashes + case((_E.state == ExportState.RUNNING, 1), else_=0),
            resources=0,
            lease_until=now + LEASE,
            transaction_time=func.greatest(_E.created_at, settled),
        )
        .returning(*_COLUMNS)
    ).one_or_none()
    if row is None:
        return None
    export = _to_export(row)
    for table in (bulk_export_part, bulk_export_patient):
        left = (table.c.clinic_id == session.clinic, table.c.export_id == export.id)
        session.connection.execute(delete(table).where(*left))
    return export


def _of(session: Session, id: str) -> Any:
    return update(bulk_export).where(_E.clinic_id == session.clinic, _E.id == id)


def _held(session: Session, export: Export) -> Any:
    """Only while this claim holds the row."""
    return _of(session, export.id).where(_E.attempts == export.attempts, _E.state == ExportState.RUNNING)


def keep(session: Session, export: Export, now: datetime, resources: int) -> bool:
    """Renew the lease; False when the export was deleted or somebody else has it now."""
    kept = _held(session, export).values(lease_until=now + LEASE, resources=resources)
    return bool(session.connection.execute(kept).rowcount == 1)


def write(session: Session, export: Export, part: Part) -> None:
    """Keep a part, packed and encrypted. The caller has renewed the lease in this transaction."""
    key = {"clinic_id": session.clinic, "export_id": export.id, "attempt": export.attempts}
    wrapped = clinics.current(session).wrapped_key
    packed = zlib.compress(part.content, 6)
    place = {"file": part.file, "part": part.number}
    row = {"type": part.type, "resources": part.resources, "size": len(part.content)}
    sealed = session.vault.seal(wrapped, packed, _purpose(export, part.file, part.number))
    session.connection.execute(
        insert(bulk_export_part).inline(), {**key, **place, **row, "sealed_content": sealed}
    )
    if part.patients:
        new = upsert(bulk_export_patient)
        added = new.on_conflict_do_update(
            index_elements=list(bulk_export_patient.primary_key.columns),
            set_={"resources": bulk_export_patient.c.resources + new.excluded.resources},
        )
        counts = [{**key, "patient_id": id, "resources": many} for id, many in sorted(part.patients.items())]
        session.connection.execute(added, counts)


def _purpose(export: Export, file: int, part: int) -> str:
    return f"bulk-export/{export.id}/{export.attempts}/{file}/{part}"


def end(
    session: Session, export: Export, state: ExportState, expires_at: datetime, error: str | None = None
) -> bool:
    """Completed or failed; False when this claim does not hold the row any more."""
    values = {"state": state, "expires_at": expires_at, "lease_until": None, "error": error}
    return bool(session.connection.execute(_held(session, export).values(**values)).rowcount == 1)


_DISCLOSE: Final = text("""
INSERT INTO audit_event (clinic_id, actor_kind, actor_id, actor_role, address, request_id, action, subtype,
                         entity, patient_id, outcome, detail)
SELECT clinic_id, 'client', :client, NULL, :address, :request, 'R', 'export', 'Patient/' || patient_id,
       patient_id, '0', jsonb_build_object('export', export_id, 'count', resources)
FROM bulk_export_patient WHERE clinic_id = :clinic AND export_id = :id AND attempt = :attempt
""")


def disclose(session: Session, export: Export) -> int:
    """One audit row for each patient whose data is in it, in the name of the client; returns how many."""
    values = {
        "clinic": session.clinic,
        "id": export.id,
        "attempt": export.attempts,
        "client": export.wish.client_id,
        "address": export.wish.address,
        "request": export.wish.request_id,
    }
    return session.connection.execute(_DISCLOSE, values).rowcount


def files(session: Session, export: Export) -> list[File]:
    """What the newest attempt has written."""
    rows = session.connection.execute(
        select(_P.file, _P.type, func.sum(_P.resources), func.sum(_P.size), func.count())
        .where(*_newest(session, export))
        .group_by(_P.file, _P.type)
        .order_by(_P.file)
    )
    return [File(row[0], row[1], int(row[2]), int(row[3]), int(row[4])) for row in rows]


def read_part(session: Session, export: Export, file: int, number: int) -> bytes | None:
    """One part as plain NDJSON; None where there is none (any more)."""
    sealed = session.connection.scalar(
        select(_P.sealed_content).where(*_newest(session, export), _P.file == file, _P.part == number)
    )
    if sealed is None:
        return None
    wrapped = clinics.current(session).wrapped_key
    return zlib.decompress(session.vault.open(wrapped, sealed, _purpose(export, file, number)))


def _newest(session: Session, export: Export) -> tuple[Any, ...]:
    return (_P.clinic_id == session.clinic, _P.export_id == export.id, _P.attempt == export.attempts)
