"""Which patients and clinicians somebody means by what they type."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, Table, select

from referral.storage import tables
from referral.storage.db import Session
from referral.storage.search_keys import key_range, read_query


def matching(session: Session, table: Table, words: str) -> tuple[ColumnElement[bool], ...]:
    """Conditions on `patient` or `clinician` for what people type; none for nothing.

    Every word begins one of the words of the name, accents and case apart, in any order. A date among them is
    a date of birth, ten digits are an NPI.
    """
    asked = read_query(words)
    found = [table.c.birth_date == day for day in asked.days] if table is tables.patient else []
    found += [table.c.npi == npi for npi in asked.npis] if table is tables.clinician else []
    if asked.tokens:
        key = tables.search_key
        keys = select(key.c.id).where(
            key.c.clinic_id == session.clinic, key.c.kind == table.name, *key_range(key.c.key, asked.tokens)
        )
        found.append(table.c.id.in_(keys))
    return tuple(found)


def closest(session: Session, table: Table, words: str, limit: int) -> Select[Any]:
    """People whose words begin so, in the order of the index: it reads what it shows, and not all that match.

    Somebody may come twice, by two words that begin alike.
    """
    asked, key = read_query(words), tables.search_key
    statement = select(table).where(table.c.clinic_id == session.clinic, table.c.active)
    if table is tables.patient and asked.days:
        statement = statement.where(table.c.birth_date.in_(asked.days))
    if table is tables.clinician and asked.npis:
        statement = statement.where(table.c.npi.in_(asked.npis))
    if not asked.tokens:
        return statement.order_by(table.c.search_name, table.c.id).limit(limit)
    beginning = key_range(key.c.key, asked.tokens)
    return (
        statement.join(key, (key.c.clinic_id == table.c.clinic_id) & (key.c.id == table.c.id))
        .where(key.c.clinic_id == session.clinic, key.c.kind == table.name, *beginning)
        .order_by(key.c.key, key.c.id)
        .limit(2 * limit)
    )
