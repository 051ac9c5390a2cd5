"""Rendered letters, mails and evidence: the bytes that were sent are the bytes that are kept, encrypted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Text, any_, bindparam, delete, insert, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from referral.domain.errors import NotFound
from referral.storage import clinics
from referral.storage.db import PLANNED_ANEW, Session
from referral.storage.tables import document


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """`kind` is request-letter, mail, receipt …; `content` is the plain bytes and `sha256` theirs."""

    id: str
    kind: str
    content_type: str
    content: bytes
    sha256: bytes
    patient_id: str | None
    referral_id: str | None
    created_at: datetime


def add(
    session: Session,
    *,
    id: str,
    kind: str,
    content_type: str,
    content: bytes,
    now: datetime,
    patient_id: str | None = None,
    referral_id: str | None = None,
) -> str:
    """Keep one document under an id of the caller's; returns its SHA-256 in hex."""
    digest = hashlib.sha256(content)
    wrapped = clinics.get(session, session.clinic).wrapped_key
    session.connection.execute(
        insert(document).inline(),
        {
            "clinic_id": session.clinic,
            "id": id,
            "kind": kind,
            "patient_id": patient_id,
            "referral_id": referral_id,
            "content_type": content_type,
            "sha256": digest.digest(),
            "size": len(content),
            "sealed_content": session.vault.seal(wrapped, content, f"document/{id}"),
            "created_at": now,
        },
    )
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDocument:
    """As Document, before it is kept."""

    id: str
    kind: str
    content_type: str
    content: bytes
    patient_id: str | None
    referral_id: str | None


_ADD_MANY: Final = text(
    "INSERT INTO document (clinic_id, id, kind, content_type, patient_id, referral_id, sha256, size,"
    " sealed_content, created_at)"
    " SELECT :clinic, d.*, :now FROM unnest(CAST(:ids AS text[]), CAST(:kinds AS text[]),"
    " CAST(:types AS text[]), CAST(:patients AS text[]), CAST(:referrals AS text[]),"
    " CAST(:digests AS bytea[]), CAST(:sizes AS integer[]), CAST(:contents AS bytea[])) AS d"
)


def add_many(session: Session, new: Iterable[NewDocument], now: datetime) -> None:
    """As add() for many, in one statement."""
    made = list(new)
    if not made:
        return
    wrapped = clinics.get(session, session.clinic).wrapped_key
    given = {
        "clinic": session.clinic,
        "now": now,
        "ids": [one.id for one in made],
        "kinds": [one.kind for one in made],
        "types": [one.content_type for one in made],
        "patients": [one.patient_id for one in made],
        "referrals": [one.referral_id for one in made],
        "digests": [hashlib.sha256(one.content).digest() for one in made],
        "sizes": [len(one.content) for one in made],
        "contents": [session.vault.seal(wrapped, one.content, f"document/{one.id}") for one in made],
    }
    session.connection.execute(_ADD_MANY, given)


def get(session: Session, id: str) -> Document:
    """Decrypted. Raises NotFound, and InvalidTag where the bytes were changed."""
    found = get_many(session, [id])
    if id not in found:
        raise NotFound(f"There is no document with id {id}.")
    return found[id]


_GET: Final = select(document).where(
    document.c.clinic_id == bindparam("clinic_id"), document.c.id == any_(bindparam("ids", type_=ARRAY(Text)))
)


def get_many(session: Session, ids: Iterable[str]) -> dict[str, Document]:
    """Decrypted, by id; what does not exist is missing. Raises InvalidTag where bytes were changed."""
    given = {"clinic_id": session.clinic, "ids": list(ids)}
    # A plan that was made while there were few documents reads all of them for ever.
    rows = session.connection.execute(_GET, given, execution_options=PLANNED_ANEW).all()
    return {row.id: _opened(session, row) for row in rows}


def _opened(session: Session, row: Any) -> Document:
    wrapped = clinics.get(session, session.clinic).wrapped_key
    content = session.vault.open(wrapped, row.sealed_content, f"document/{row.id}")
    return Document(
        id=row.id,
        kind=row.kind,
        content_type=row.content_type,
        content=content,
        sha256=row.sha256,
        patient_id=row.patient_id,
        referral_id=row.referral_id,
        created_at=row.created_at,
    )


def sizes(session: Session, ids: Iterable[str]) -> dict[str, int]:
    """Plain bytes of those documents that exist, by id; nothing is decrypted."""
    rows = session.connection.execute(
        select(document.c.id, document.c.size).where(
            document.c.clinic_id == session.clinic, document.c.id.in_(list(ids))
        )
    )
    return {row.id: row.size for row in rows}


def remove(session: Session, ids: Iterable[str]) -> int:
    """Gone for good. The database refuses it for everything but the bytes and pages of a fax that came in."""
    gone = session.connection.execute(
        delete(document).where(document.c.clinic_id == session.clinic, document.c.id.in_(list(ids)))
    )
    return gone.rowcount
