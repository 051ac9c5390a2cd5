"""An export as its client sees it: asked for, looked after, fetched file by file, deleted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from referral.domain.audit import Action, AuditEntry
from referral.domain.errors import Forbidden, NotFound, Throttled
from referral.domain.exports import (
    MAX_KEPT,
    MAX_RUNNING,
    RETRY_AFTER,
    WAITS_AT_MOST,
    ExportState,
    asks_too_often,
)
from referral.fhir.bulk_data import PATIENT_TYPES, TYPES, Asked
from referral.services.access import Access
from referral.storage import audit, exports, resources
from referral.storage.db import Session, hold
from referral.storage.exports import Export, File, Wish

# When one that runs may have ended.
_LATER: Final = 60


@dataclass(frozen=True, slots=True)
class KickOff:
    """`request` is the URL that was called; `patient_level` is that of Patient/$export."""

    asked: Asked
    request: str
    patient_level: bool


def start_export(session: Session, by: Access, kick_off: KickOff, now: datetime) -> str:
    """Queue it for a worker; returns its id.

    Raises Forbidden for types that the client may not read, NotFound for patients that do not exist, and
    Throttled while the client has as many as it may have.
    """
    asked = kick_off.asked
    wish = Wish(
        client_id=by.actor.id,
        scopes=by.permit.scopes,
        request=kick_off.request,
        types=_types(by, kick_off),
        only_patients=kick_off.patient_level,
        patients=asked.patients,
        elements=asked.elements,
        since=asked.since,
        address=by.actor.address,
        request_id=by.actor.request_id,
    )
    _require_patients(session, by, asked.patients)
    _require_room(session, by.actor.id, now)
    id = exports.add(session, wish, now, now + WAITS_AT_MOST)
    _note(session, by, Action.EXECUTE, "export-started", id, types=list(wish.types))
    return id


def _types(by: Access, kick_off: KickOff) -> tuple[str, ...]:
    """Those that were named have to be allowed; without names, those that are."""
    for type in kick_off.asked.types:
        by.permit.require(type, "r")
    possible = PATIENT_TYPES if kick_off.patient_level else TYPES
    types = kick_off.asked.types or tuple(type for type in possible if by.permit.may(type, "r"))
    if not types:
        raise Forbidden("This client's scopes do not allow it to read anything that is exported.")
    return types


def _require_patients(session: Session, by: Access, ids: Iterable[str]) -> None:
    """What the client may not read does not exist for it. One by one: a resource may be large."""
    for id in ids:
        found = resources.find(session, "Patient", id)
        if found is None or not by.permit.allows(found, "r"):
            raise NotFound(f"There is no Patient with id {id[:64]}.")


def _require_room(session: Session, client_id: str, now: datetime) -> None:
    """One kick-off of a client after the other, so that two at once cannot both find room."""
    hold(session, f"bulk-export/{client_id}")
    running, kept = exports.count(session, client_id, now)
    if running >= MAX_RUNNING:
        text = f"{running} exports of this client are not finished yet; wait for one, or delete one."
        raise Throttled(text, _LATER)
    if kept >= MAX_KEPT:
        raise Throttled(f"{kept} exports of this client are kept here; delete one that was fetched.", _LATER)


def look_at_export(session: Session, by: Access, id: str, now: datetime) -> Export:
    """How far it is; raises NotFound for one of another client, and Throttled for a client in a hurry."""
    export = _own(session, by, id, now)
    if export.state in (ExportState.QUEUED, ExportState.RUNNING):
        if asks_too_often(export.polls, export.created_at, now):
            raise Throttled(f"Ask again after {RETRY_AFTER} seconds, as Retry-After says.", RETRY_AFTER)
        exports.note_poll(session, id)
    return export


def _own(session: Session, by: Access, id: str, now: datetime) -> Export:
    found = exports.find(session, id, by.actor.id, now)
    if found is None:
        raise NotFound("There is no such export, or it is over.")
    return found


def files_of(session: Session, export: Export) -> list[File]:
    """What there is to fetch."""
    return exports.files(session, export)


def remove_export(session: Session, by: Access, id: str, now: datetime) -> None:
    """Stop it where it runs, and delete its files."""
    export = _own(session, by, id, now)
    exports.remove(session, export.id)
    _note(session, by, Action.DELETE, "export-removed", export.id)


def open_file(session: Session, by: Access, id: str, number: int, now: datetime) -> tuple[Export, File]:
    """A file that is about to be fetched, by `read_part` of it; raises NotFound and Forbidden."""
    export = _own(session, by, id, now)
    found = [file for file in exports.files(session, export) if file.number == number]
    if not found or export.state is not ExportState.COMPLETED:
        raise NotFound("There is no such file.")
    file = found[0]
    # It holds what the token that asked for it could read: one with less does not get more this way.
    # A Binary goes with what it stands under: all of Binary alone does not tell.
    whole = file.type != "Binary" and by.permit.is_whole(file.type, "r")
    wide_enough = whole or set(export.wish.scopes) <= set(by.permit.scopes)
    if not wide_enough:
        raise Forbidden("Fetch this with a token of the scopes that the export was asked for with.")
    _note(session, by, Action.READ, "export-fetched", id, types=[file.type], count=file.resources)
    return export, file


def read_part(session: Session, export: Export, file: File, number: int) -> bytes:
    """One part in plain NDJSON; raises NotFound where the export was deleted meanwhile."""
    part = exports.read_part(session, export, file.number, number)
    if part is None:
        raise NotFound("The export was deleted.")
    return part


def _note(
    session: Session, by: Access, action: Action, subtype: str, id: str, **detail: list[str] | int
) -> None:
    audit.record(
        session, by.actor, AuditEntry(action=action, subtype=subtype, detail={"export": id, **detail})
    )
