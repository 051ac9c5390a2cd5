"""Faxes that a machine puts into a folder: each is taken once, and its file is moved away afterwards.

A file is taken when it is whole. The machine writes it under a name that begins with a dot or does not end in
.tif, .tiff or .pdf, and renames it; or it writes it in place, and then a file is whole when nothing was
written to it for SETTLED. The row is committed before the file is moved: a crash in between finds the same
bytes again, which are known, and only moves the file.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog

from referral.domain.errors import Unavailable
from referral.domain.fax import FaxSource, FaxState
from referral.letters.scan import MAX_BYTES
from referral.services.take_fax import Arrived, Reading, read_carefully, settle, take_fax
from referral.storage import faxes

log = structlog.get_logger(__name__)
SETTLED: Final = 20.0
_NAMES: Final = (".tif", ".tiff", ".pdf")
# A machine that knows the sender's number may put it first: +13035550120-2026….tif
_SENDER: Final = re.compile(r"\+([0-9]{10,15})(?![0-9])")
# What is kept of a file's own name: more may be too long for the file system with our part before it.
_MOST_OF_NAME: Final = 50


def whole_files(folder: Path, at: float | None = None) -> Iterator[Path]:
    """What can be taken now, oldest first. `at` is in seconds since the epoch, the present if None."""
    present = time.time() if at is None else at
    found = []
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.name.startswith(".") or not entry.name.lower().endswith(_NAMES):
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue  # moved away since
        if stat.S_ISREG(status.st_mode) and present - status.st_mtime >= SETTLED:
            found.append((status.st_mtime, entry.name))
    yield from (folder / name for _, name in sorted(found))


def take_folder(reading: Reading, clinic_id: str, folder: Path) -> int:
    """Take every whole file of the clinic's folder; returns how many. One process at a time does it.

    A file that cannot be read or moved stays where it is, and does not stop the others.
    """
    taken = 0
    with reading.database.alone(f"fax-folder/{clinic_id}") as first:
        if not first:
            return 0
        for path in whole_files(folder):
            try:
                _take(reading, clinic_id, path)
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 - whatever is odd about one file, the next is another fax
                # Neither its name nor its path: a machine may have put a number or a person into them.
                log.warning("fax.file_left", cause=type(error).__name__, clinic=clinic_id)
                continue
            taken += 1
    return taken


def _take(reading: Reading, clinic_id: str, path: Path) -> None:
    content = _read(path)
    digest = hashlib.sha256(content).digest()
    with reading.database.transaction(clinic_id) as session:
        known = faxes.find_by_bytes(session, FaxSource.FOLDER, digest)
    refused = known.state is FaxState.UNREADABLE if known else _add(reading, clinic_id, path, content)
    _move(path, "refused" if refused else "taken", digest)


def _add(reading: Reading, clinic_id: str, path: Path, content: bytes) -> bool:
    """Read it, then commit what was read; True where it cannot be read."""
    outcome = read_carefully(content, attempts=1)
    sender = _SENDER.match(path.name)
    arrived = Arrived(
        source=FaxSource.FOLDER, content=content, from_number=f"+{sender[1]}" if sender else None
    )
    with reading.database.transaction(clinic_id) as session:
        id = take_fax(session, arrived, reading.now())
        fax = faxes.get(session, id) if id else None
        if fax is not None and fax.state is FaxState.RECEIVED:
            fax = settle(session, fax, outcome, reading.now())
    return fax is not None and fax.state is FaxState.UNREADABLE


def _read(path: Path) -> bytes:
    """One byte more than is taken, so that what is too large shows; no link is followed and no pipe read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("It is no file any more.")
        return file.read(MAX_BYTES + 1)


def _move(path: Path, to: str, digest: bytes) -> None:
    """Under a name that no other fax has: machines begin to count again."""
    place = path.parent / to
    place.mkdir(exist_ok=True)
    path.rename(place / f"{digest.hex()[:12]}-{path.stem[:_MOST_OF_NAME]}{path.suffix}")
