"""A clinic's letterhead and how it came to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from referral.domain.letterhead_draft import changes
from referral.storage import accounts, clinics, letterheads
from referral.storage.clinics import Clinic
from referral.storage.db import Session
from referral.storage.letterheads import LetterheadVersion

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class LetterheadStep:
    """One version: who made it (a name, empty for the program), and what it changed."""

    made: LetterheadVersion
    by: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LetterheadView:
    """`version` is in force and is what `clinic` shows."""

    clinic: Clinic
    version: int
    history: tuple[LetterheadStep, ...]


def as_values(name: str, body: Mapping[str, Any], logo: str | None = None) -> dict[str, Any]:
    """One version as `letterhead_draft.changes` compares it."""
    return {**body, "clinic_name": name, "logo": logo or body.get("logo")}


def find_letterhead(session: Session) -> LetterheadView:
    """Names of staff, and what every recipient of a letter sees: no audit row is written."""
    found = letterheads.history(session, _SHOWN + 1)
    names = {id: user.name for id, user in accounts.get_users(session).items()}
    steps = []
    for place, made in enumerate(found[:_SHOWN]):
        older = found[place + 1] if place + 1 < len(found) else None
        changed = (
            changes(as_values(older.name, older.body, older.logo), as_values(made.name, made.body, made.logo))
            if older
            else ()
        )
        steps.append(LetterheadStep(made, names.get(made.created_by, ""), changed))
    return LetterheadView(clinics.current(session), found[0].version if found else 0, tuple(steps))


def changed_since(session: Session, version: int) -> tuple[str, ...]:
    """What others have changed since a version that somebody worked from; empty for one that never was."""
    by_number = {made.version: made for made in letterheads.history(session, _SHOWN)}
    old, new = by_number.get(version), by_number.get(max(by_number, default=0))
    if old is None or new is None:
        return ()
    return changes(as_values(old.name, old.body, old.logo), as_values(new.name, new.body, new.logo))
