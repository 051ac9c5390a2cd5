"""Versions of a clinic's letterhead and its logos; none is ever changed.

The newest version is read with the clinic (clinics.py): the database puts it there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from referral.domain.errors import NotFound
from referral.storage.db import Session
from referral.storage.tables import letterhead_logo, letterhead_version


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLogo:
    """`content` as letters draw it, `fax` in black and white or None, `picture` for pages."""

    digest: str
    content_type: str
    content: bytes
    fax: bytes | None
    picture: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterheadVersion:
    """`body` as it stands with the clinic, without name and logo; `created_by` is a user's id or 'system'."""

    version: int
    name: str
    body: dict[str, Any]
    logo: str | None
    created_by: str
    created_at: datetime


def add_logo(session: Session, logo: StoredLogo, created_by: str) -> None:
    """Keep it under its digest; a second time changes nothing."""
    values = {name: getattr(logo, name) for name in StoredLogo.__slots__}
    session.connection.execute(
        upsert(letterhead_logo)
        .values(clinic_id=session.clinic, created_by=created_by, **values)
        .on_conflict_do_nothing()
    )


# A logo never changes, so a process may keep it; a few clinics' are enough.
_KEPT: Final[dict[tuple[str, str], StoredLogo]] = {}
_MOST_KEPT: Final = 64


def get_logo(session: Session, digest: str) -> StoredLogo:
    """One of this clinic's. Raises NotFound."""
    key = (session.clinic, digest)
    found = _KEPT.get(key)
    if found is not None:
        return found
    row = session.connection.execute(
        select(letterhead_logo).where(
            letterhead_logo.c.clinic_id == session.clinic, letterhead_logo.c.digest == digest
        )
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such logo.")
    if len(_KEPT) >= _MOST_KEPT:
        _KEPT.clear()
    found = _KEPT[key] = StoredLogo(**{name: getattr(row, name) for name in StoredLogo.__slots__})
    return found


def forget_unused_logos(session: Session, before: datetime) -> None:
    """Those that were looked at in a preview and never saved."""
    used = select(letterhead_version.c.logo).where(
        letterhead_version.c.clinic_id == session.clinic, letterhead_version.c.logo.is_not(None)
    )
    session.connection.execute(
        delete(letterhead_logo).where(
            letterhead_logo.c.clinic_id == session.clinic,
            letterhead_logo.c.created_at < before,
            letterhead_logo.c.digest.not_in(used),
        )
    )


def newest_version(session: Session) -> int:
    """The number of the version in force."""
    number = session.connection.scalar(
        select(func.max(letterhead_version.c.version)).where(letterhead_version.c.clinic_id == session.clinic)
    )
    return int(number or 0)


def add_version(session: Session, new: LetterheadVersion) -> None:
    """Put it in force; the database dates it, and refuses a number that does not follow the newest."""
    session.connection.execute(
        insert(letterhead_version).inline(),
        {
            "clinic_id": session.clinic,
            "version": new.version,
            "name": new.name,
            "body": new.body,
            "logo": new.logo,
            "created_by": new.created_by,
        },
    )
    session.kept.pop(("clinic", session.clinic), None)


def history(session: Session, limit: int = 20) -> list[LetterheadVersion]:
    """Newest first."""
    rows = session.connection.execute(
        select(letterhead_version)
        .where(letterhead_version.c.clinic_id == session.clinic)
        .order_by(letterhead_version.c.version.desc())
        .limit(limit)
    )
    return [
        LetterheadVersion(**{name: getattr(row, name) for name in LetterheadVersion.__slots__})
        for row in rows
    ]
