"""What was sent from a session that had locked, encrypted, until its author has given the password again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import delete, insert, select

from referral.storage import clinics
from referral.storage.db import Session
from referral.storage.tables import kept_form

Fields = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class KeptForm:
    """`path` is where the form was sent to; `fields` in the order of the form, a name may come again."""

    path: str
    fields: tuple[tuple[str, str], ...]


def add(session: Session, id: str, user_id: str, form: KeptForm, now: datetime) -> None:
    """Whoever signs in as somebody else does not find it."""
    content = orjson.dumps(form.fields)
    sealed = session.vault.seal(clinics.current(session).wrapped_key, content, _purpose(user_id, id))
    session.connection.execute(
        insert(kept_form).inline(),
        {
            "clinic_id": session.clinic,
            "id": id,
            "user_id": user_id,
            "path": form.path,
            "sealed_fields": sealed,
            "kept_at": now,
        },
    )


def find(session: Session, id: str, user_id: str, since: datetime) -> KeptForm | None:
    """One of this user's own that was kept after `since`."""
    row = session.connection.execute(
        select(kept_form.c.path, kept_form.c.sealed_fields).where(
            kept_form.c.clinic_id == session.clinic,
            kept_form.c.id == id,
            kept_form.c.user_id == user_id,
            kept_form.c.kept_at > since,
        )
    ).one_or_none()
    if row is None:
        return None
    wrapped = clinics.current(session).wrapped_key
    content = orjson.loads(session.vault.open(wrapped, row.sealed_fields, _purpose(user_id, id)))
    return KeptForm(row.path, tuple((name, value) for name, value in content))


def remove(session: Session, user_id: str, id: str | None = None) -> None:
    """One of somebody's, or all of them."""
    own = delete(kept_form).where(kept_form.c.clinic_id == session.clinic, kept_form.c.user_id == user_id)
    session.connection.execute(own if id is None else own.where(kept_form.c.id == id))


def keep_newest(session: Session, user_id: str, most: int) -> None:
    """Whoever sends again and again from a locked session fills nothing."""
    newest = (
        select(kept_form.c.id)
        .where(kept_form.c.clinic_id == session.clinic, kept_form.c.user_id == user_id)
        .order_by(kept_form.c.kept_at.desc(), kept_form.c.id)
        .offset(most)
    )
    session.connection.execute(
        delete(kept_form).where(kept_form.c.clinic_id == session.clinic, kept_form.c.id.in_(newest))
    )


def forget(session: Session, before: datetime) -> int:
    """Those of this clinic that were kept before; how many they were."""
    gone = session.connection.execute(
        delete(kept_form).where(kept_form.c.clinic_id == session.clinic, kept_form.c.kept_at < before)
    )
    return gone.rowcount


def _purpose(user_id: str, id: str) -> str:
    return f"kept-form/{user_id}/{id}"
