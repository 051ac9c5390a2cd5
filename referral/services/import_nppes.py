"""Reads a file of the national register (CMS NPPES) by parts, so that it can go on where it broke off."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Final

from referral.domain.nppes import BadRow, Layout, Registered, cells_of, read_row
from referral.services.nppes_file import NppesFile
from referral.storage import register_import
from referral.storage.db import Session
from referral.storage.register_import import Progress

# What one transaction takes in; and after how many lines it notes how far it is, where few are kept.
_ROWS: Final = 10_000
_LINES: Final = 250_000
_MOST_NAMED: Final = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records are kept: those who practise in one of `states` and have a NUCC code with one of these
    beginnings; all where nothing is said. Deactivations are always kept: CMS takes everything else off them.
    """

    states: frozenset[str] = frozenset()
    taxonomies: tuple[str, ...] = ()

    @property
    def everything(self) -> bool:
        return not self.states and not self.taxonomies

    def takes(self, record: Registered) -> bool:
        if self.states and record.state not in self.states:
            return False
        return not self.taxonomies or any(code.startswith(self.taxonomies) for code in record.taxonomies)


@dataclass(slots=True)
class Part:
    """Some lines of the file, and where the next one begins. `bad` are line numbers and reasons."""

    records: dict[str, Registered] = field(default_factory=dict)
    lines: int = 0
    position: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)
    bad_rows: int = 0


def begin(
    session: Session, file: NppesFile, wanted: Wanted, as_of: date, now: datetime, *, again: bool
) -> Progress:
    """How far this file was read with these wishes; `again` starts from its beginning."""
    wishes = f"{file.id} {sorted(wanted.states)} {sorted(wanted.taxonomies)}"
    id = hashlib.sha256(wishes.encode()).hexdigest()
    if again:
        register_import.start_again(session, id)
    return register_import.begin(session, id, file.name, as_of, now)


def parts(
    file: NppesFile, wanted: Wanted, progress: Progress, known: array[int] | None = None
) -> Iterator[Part]:
    """What is left of the file; touches no database. `known` are the NPIs on file, sorted.

    Those are taken whatever is wished for: whoever has moved away must not stay here with an old address.
    """
    line_number = progress.scanned
    part = Part(position=max(progress.position, file.start))
    choose = _Choice(file.layout, wanted, known)
    for line in file.lines(progress.position):
        part.lines += 1
        part.position += len(line)
        try:
            if choose.may_want(line):
                record = read_row(file.layout, cells_of(file.layout, line))
                if choose.wants(record):
                    part.records[record.npi] = record
        except BadRow as error:
            part.bad_rows += 1
            if len(part.bad) < _MOST_NAMED:
                part.bad.append((line_number + part.lines, str(error)))
        if len(part.records) >= _ROWS or part.lines >= _LINES:
            yield part
            line_number += part.lines
            part = Part(position=part.position)
    yield part


class _Choice:
    """Looks at a line before it is taken apart: of most, one column is enough to see that nobody wants it."""

    def __init__(self, layout: Layout, wanted: Wanted, known: array[int] | None) -> None:
        self._wanted = wanted
        self._known = known
        self._everything = wanted.everything or layout.is_report
        self._states = {state.encode() for state in wanted.states}
        self._state_at = layout.place.get("state", 0)

    def may_want(self, line: bytes) -> bool:
        """True also where that cannot be told so cheaply."""
        if self._everything or not self._states:
            return True
        start = line.split(b'","', self._state_at + 1)
        if len(start) < self._state_at + 2 or not start[1]:
            return True
        return start[self._state_at] in self._states or self._is_known(start[0][1:])

    def wants(self, record: Registered) -> bool:
        return (
            self._everything
            or not record.entity
            or self._wanted.takes(record)
            or self._is_known(record.npi.encode())
        )

    def _is_known(self, npi: bytes) -> bool:
        if not self._known or not npi.isdigit():
            return False
        number = int(npi)
        place = bisect_left(self._known, number)
        return place < len(self._known) and self._known[place] == number


def take(session: Session, progress: Progress, part: Part, as_of: date) -> Progress:
    """Write what a part says, and that it was read, in one transaction."""
    changed = register_import.put(session, part.records.values(), as_of) if part.records else 0
    further = replace(
        progress,
        position=part.position,
        scanned=progress.scanned + part.lines,
        kept=progress.kept + len(part.records),
        changed=progress.changed + changed,
        bad=progress.bad + part.bad_rows,
    )
    register_import.advance(session, further)
    return further


def finish(session: Session, progress: Progress, now: datetime) -> Progress:
    """The file was read to its end."""
    done = replace(progress, finished_at=now)
    register_import.advance(session, done)
    return done
