"""The exported stream of one clinic: JSON lines in files outside the database, chained by hash.

`<directory>/<clinic>/<position of the first line>.jsonl`. A line holds its position, the event, and the
SHA-256 of the line before; ids and codes only. A line without its end is a write that was cut short, and is
ignored.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from referral.storage.safety_events import SafetyEvent

_SEGMENT_BYTES: Final = 4_000_000
_TAIL_BYTES: Final = 65_536
_FIRST: Final = "0" * 64
_NOTE: Final = "place"


class StreamBroken(Exception):
    """A line is not what was written there, or follows another one than it says."""


class _Line(msgspec.Struct):
    previous: str
    event: SafetyEvent


class Stream:
    """`directory` is that of all clinics; nothing is made before something is written."""

    def __init__(self, directory: Path, clinic_id: str) -> None:
        self.folder = directory / clinic_id

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the stream: one process writes at a time."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def head(self) -> SafetyEvent | None:
        """The newest line, None for an empty stream."""
        return next((_read(line).event for line in self._last_lines()), None)

    def _last_lines(self) -> Iterator[bytes]:
        """Complete lines, newest first, as far as the end of each file tells."""
        for path in reversed(self._segments()):
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
                lines = file.read().split(b"\n")[:-1]
            yield from reversed([line for line in lines if line])

    def read(self) -> Iterator[SafetyEvent]:
        """Every line, oldest first. Raises StreamBroken where the chain does not hold."""
        previous, position = _FIRST, 0
        for path in self._segments():
            *lines, _ = path.read_bytes().split(b"\n")
            for raw in lines:
                line = _read(raw)
                if line.previous != previous or line.event.position <= position:
                    raise StreamBroken(
                        f"{path.name}: the line at position {line.event.position} is not in order"
                    )
                previous, position = _hash(raw), line.event.position
                yield line.event

    def append(self, events: Iterable[SafetyEvent]) -> int:
        """Write, and wait until it is on disk; returns how many. Within `writing()` only."""
        rows = list(events)
        if not rows:
            return 0
        last = next(self._last_lines(), None)
        previous, lines = _hash(last) if last is not None else _FIRST, []
        for event in rows:
            line = msgspec.json.encode(_Line(previous, event), order="sorted")
            lines.append(line + b"\n")
            previous = _hash(line)
        segments = self._segments()
        path = segments[-1] if segments else None
        if path is None or path.stat().st_size > _SEGMENT_BYTES:
            path = self.folder / f"{rows[0].position:012d}.jsonl"
        _write(path, b"".join(lines))
        return len(rows)

    def replace_with(self, other: Stream) -> None:
        """Take over the files of another directory; what was here is set aside beside it."""
        if self.folder.exists():
            number = len(list(self.folder.parent.glob(f"{self.folder.name}.aside-*"))) + 1
            self.folder.rename(self.folder.with_name(f"{self.folder.name}.aside-{number}"))
        self.folder.mkdir(mode=0o700, parents=True)
        for path in other._segments():
            _write(self.folder / path.name, path.read_bytes())

    def _segments(self) -> list[Path]:
        return sorted(self.folder.glob("*.jsonl"))


def _write(path: Path, content: bytes) -> None:
    """Over what a write that was cut short has left at the end."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        whole = file.read().rfind(b"\n") + 1
        file.seek(whole)
        file.truncate()
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(line: bytes) -> _Line:
    try:
        return msgspec.json.decode(line, type=_Line)
    except msgspec.DecodeError as error:
        raise StreamBroken("a line of the stream cannot be read") from error


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def is_missing(directory: Path) -> bool:
    """Whether nothing was ever exported to this directory."""
    return not (directory / _NOTE).exists()


def is_copy(directory: Path) -> bool:
    """Whether this directory was copied: a note in it holds its own number, which its copy does not have."""
    note = directory / _NOTE
    try:
        return note.read_text(encoding="ascii") != str(note.stat().st_ino)
    except FileNotFoundError:
        return False


def settle(directory: Path) -> None:
    """From now on this directory is the original."""
    if not is_missing(directory) and not is_copy(directory):
        return
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    (directory / _NOTE).unlink(missing_ok=True)
    with (directory / _NOTE).open("w", encoding="ascii") as file:
        file.write(str(os.fstat(file.fileno()).st_ino))
        file.flush()
        os.fsync(file.fileno())
