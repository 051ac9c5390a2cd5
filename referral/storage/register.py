"""The national register of clinicians as people look for them (migration 0029): the same for every clinic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select, union_all

from referral.domain.codes import ClinicianKind
from referral.domain.nppes import Registered
from referral.storage.db import Session
from referral.storage.search_keys import key_range, read_query
from referral.storage.tables import npi_key, npi_record


def _to_registered(row: Any) -> Registered:
    city, _, _ = row.address[-1].rpartition(",") if row.address else ("", "", "")
    return Registered(
        row.npi,
        row.entity,
        row.family,
        row.given,
        row.middle,
        row.credentials,
        row.organization,
        tuple(row.taxonomies),
        ClinicianKind(row.kind),
        tuple(row.address),
        city,
        row.state,
        row.phone,
        row.fax,
        row.last_updated,
        row.deactivated_on,
    )


def get(session: Session, npi: str) -> Registered | None:
    """None for an NPI that is not on file."""
    row = session.connection.execute(select(npi_record).where(npi_record.c.npi == npi)).one_or_none()
    return _to_registered(row) if row else None


def get_many(session: Session, npis: Iterable[str]) -> dict[str, Registered]:
    """By NPI; what is not on file is missing from the result."""
    rows = session.connection.execute(select(npi_record).where(npi_record.c.npi.in_(list(npis))))
    return {row.npi: _to_registered(row) for row in rows}


def is_empty(session: Session) -> bool:
    """Nothing has been imported yet."""
    return session.connection.scalar(select(npi_record.c.npi).limit(1)) is None


def find(session: Session, words: str, limit: int) -> list[Registered]:
    """People by the beginnings of parts of their names, cities and states, or by NPI; best match first."""
    asked = read_query(words)
    wanted = asked.tokens
    if asked.npis or not wanted:
        return list(get_many(session, asked.npis).values())[:limit]
    # Keys begin with the words of names alone, so each word has to be tried there. Somebody whose name has
    # two words that begin alike has two keys; as much again is room enough for that.
    tries = [
        select(npi_key.c.key, npi_key.c.npi)
        .where(*key_range(npi_key.c.key, [token, *(other for other in wanted if other != token)]))
        .order_by(npi_key.c.key, npi_key.c.npi)
        .limit(2 * limit)
        .subquery()
        for token in wanted
    ]
    keys = session.connection.execute(union_all(*(select(one.c.key, one.c.npi) for one in tries)))
    ordered = list(dict.fromkeys(npi for _, npi in sorted(map(tuple, keys))))[:limit]
    records = get_many(session, ordered)
    return [records[npi] for npi in ordered if npi in records]
