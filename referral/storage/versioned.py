"""What people edit: written over the version that they have read, and over no other."""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import Table, Update, update

from referral.storage.db import Session


class Read(Protocol):
    """A row as it was read."""

    @property
    def id(self) -> str: ...

    @property
    def version(self) -> int: ...


def over(session: Session, table: Table, before: Read, **values: Any) -> Update:
    """The statement that writes the next version; it touches no row where somebody else was first."""
    return (
        update(table)
        .where(
            table.c.clinic_id == session.clinic, table.c.id == before.id, table.c.version == before.version
        )
        .values(version=before.version + 1, **values)
    )
