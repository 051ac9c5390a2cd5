"""Writes exports that are due: one moment of the clinic, streamed into encrypted parts of NDJSON files.

The worker that holds the row renews its lease with every part. If it dies, another begins anew when the lease
has run out; parts of an attempt that was given up are never read (docs/adr/0017).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import Unavailable
from referral.domain.exports import KEPT, MAX_CRASHES, SETTLE, ExportState
from referral.fhir.bulk_data import elements_of
from referral.fhir.compartment import PATIENT_COMPARTMENT
from referral.fhir.json import encode
from referral.fhir.permit import Permit
from referral.fhir.subset import subset
from referral.services import published
from referral.services.search_resources import owner_seen
from referral.services.smart_clients import permit_of
from referral.storage import audit, exports
from referral.storage.db import Database, Session
from referral.storage.export_source import Selection, stream
from referral.storage.exports import Export, Part
from referral.storage.resources import Stored
from referral.storage.search import Match

log = structlog.get_logger(__name__)
# A part is what is held in memory; a file is what a client gets at once.
PART_BYTES: Final = 1024 * 1024
FILE_RESOURCES: Final = 50_000
# A lease is renewed at least this often, where a restriction lets almost nothing through.
_LOOKED_AT: Final = 5000
# What is still being written is waited for this long, well within the lease, and looked for this often.
_PATIENCE_SECONDS: Final = 60
_LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporting:
    """What exporting needs; one per worker process."""

    database: Database
    now: Callable[[], datetime]
    settle: timedelta = SETTLE
    part_bytes: int = PART_BYTES
    file_resources: int = FILE_RESOURCES


class Stopped(Exception):
    """The export was deleted, or another worker has it."""


def remove_old_exports(session: Session, now: datetime) -> bool:
    """Files of exports that are over go; returns whether there is an export to run."""
    exports.remove_old(session, now)
    return exports.is_due(session, now)


def run_exports(exporting: Exporting, clinic_id: str) -> int:
    """Work off what is due in one clinic; returns how many exports were taken. Safe to run twice.

    One at a time in the whole installation: the other processes of a worker are there for letters.
    """
    taken = 0
    with exporting.database.alone("bulk-export") as first:
        if not first:
            return taken
        while True:
            now = exporting.now()
            with exporting.database.transaction(clinic_id) as session:
                export = exports.claim(session, now, now - exporting.settle)
            if export is None:
                return taken
            _run_safely(exporting, clinic_id, export)
            taken += 1


def _run_safely(exporting: Exporting, clinic_id: str, export: Export) -> None:
    """One export's trouble is not another's: the row stays as it is and is begun anew after its lease."""
    try:
        permit = _permit(exporting, clinic_id, export)
        if permit is None:
            _fail(exporting, clinic_id, export, "The client that asked for it was revoked.")
        elif export.crashes >= MAX_CRASHES:
            _fail(exporting, clinic_id, export, "It was begun several times and never came to its end.")
        else:
            _run(exporting, clinic_id, export, permit)
    except Stopped:
        log.info("export.stopped", export=export.id)
    except Unavailable:
        log.warning("export.postponed", export=export.id)
    except Exception:
        log.exception("export.left", export=export.id)


def _permit(exporting: Exporting, clinic_id: str, export: Export) -> Permit | None:
    """What the token that asked and its client are good for now; None where the client is gone."""
    with exporting.database.transaction(clinic_id) as session:
        return permit_of(session, export.wish.client_id, export.wish.scopes)


def _run(exporting: Exporting, clinic_id: str, export: Export, permit: Permit) -> None:
    _settle(exporting, export)
    writing = _Writing(exporting, clinic_id, export)
    with exporting.database.snapshot(clinic_id) as source:
        for type in export.wish.types:
            elements = elements_of(export.wish.elements, type)
            with closing(_selected(source, export, type)) as found:
                for match in found:
                    writing.looked_at()
                    if _may_go_out(source, permit, match.stored):
                        writing.add(match, elements)
            writing.end_file()
    _complete(exporting, clinic_id, export)


def _settle(exporting: Exporting, export: Export) -> None:
    """Wait until what was being written when the export was asked for, and stamped before, is there."""
    time.sleep(exporting.settle.total_seconds())
    until = time.monotonic() + _PATIENCE_SECONDS
    unfinished = exporting.database.running()
    while unfinished and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        unfinished &= exporting.database.running()
    if unfinished:
        log.warning("export.unsettled", export=export.id, transactions=len(unfinished))


def _may_go_out(source: Session, permit: Permit, stored: Stored) -> bool:
    """As a read would answer it: a Binary goes with the resource that it stands under."""
    return permit.allows(stored, "r") and (stored.type != "Binary" or owner_seen(source, permit, stored))


def _selected(source: Session, export: Export, type: str) -> Generator[Match]:
    """What is published here itself comes before what is stored."""
    wish = export.wish
    for stored in published.all_of(type):
        if wish.since is None or stored.last_updated > wish.since:
            yield Match(stored, None)
    selection = Selection(
        type=type,
        since=wish.since,
        only_patients=wish.only_patients,
        patients=wish.patients,
        belongs=PATIENT_COMPARTMENT.get(type, ()),
    )
    with closing(stream(source, selection)) as found:
        yield from found


@dataclass(slots=True)
class _Writing:
    """The part that is being filled, and how far the export is."""

    exporting: Exporting
    clinic_id: str
    export: Export
    file: int = 1
    part: int = 0
    in_file: int = 0
    done: int = 0
    looked: int = 0
    type: str = ""
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    patients: Counter[str] = field(default_factory=Counter)

    def looked_at(self) -> None:
        self.looked += 1
        if self.looked % _LOOKED_AT == 0:
            with self.exporting.database.transaction(self.clinic_id) as session:
                self._keep(session)

    def add(self, match: Match, elements: tuple[str, ...]) -> None:
        line = _line(match.stored, elements)
        self.type = match.stored.type
        self.lines.append(line)
        self.size += len(line)
        if match.patient_id is not None:
            self.patients[match.patient_id] += 1
        if self.in_file + len(self.lines) >= self.exporting.file_resources:
            self.end_file()
        elif self.size >= self.exporting.part_bytes:
            self._end_part()

    def end_file(self) -> None:
        self._end_part()
        if self.in_file:
            self.file, self.part, self.in_file = self.file + 1, 0, 0

    def _end_part(self) -> None:
        if not self.lines:
            return
        content = b"".join(self.lines)
        part = Part(self.file, self.part, self.type, len(self.lines), content, self.patients)
        self.done += len(self.lines)
        with self.exporting.database.transaction(self.clinic_id) as session:
            self._keep(session)
            exports.write(session, self.export, part)
        self.in_file += len(self.lines)
        self.part += 1
        self.lines, self.size, self.patients = [], 0, Counter()

    def _keep(self, session: Session) -> None:
        if not exports.keep(session, self.export, self.exporting.now(), self.done):
            raise Stopped


def _line(stored: Stored, elements: tuple[str, ...]) -> bytes:
    """What a read gives, on one line: neither PostgreSQL nor the encoder breaks one."""
    body = encode(subset(stored.document, elements=elements)) if elements else stored.body.encode()
    return body + b"\n"


def _complete(exporting: Exporting, clinic_id: str, export: Export) -> None:
    """From now on it can be fetched, and whose data it holds is noted in the same moment."""
    wish = export.wish
    actor = Actor(clinic_id, "client", wish.client_id, None, wish.address, wish.request_id)
    with exporting.database.transaction(clinic_id) as session:
        if not exports.end(session, export, ExportState.COMPLETED, exporting.now() + KEPT):
            raise Stopped
        patients = exports.disclose(session, export)
        written = exports.files(session, export)
        resources = sum(file.resources for file in written)
        entry = AuditEntry(
            action=Action.READ,
            subtype="export",
            detail={
                "export": export.id,
                "patients": patients,
                "count": resources,
                "types": sorted({file.type for file in written}),
            },
        )
        audit.record(session, actor, entry)
    log.info("export.completed", export=export.id, resources=resources, patients=patients)


def _fail(exporting: Exporting, clinic_id: str, export: Export, error: str) -> None:
    with exporting.database.transaction(clinic_id) as session:
        exports.end(session, export, ExportState.FAILED, exporting.now() + KEPT, error)
