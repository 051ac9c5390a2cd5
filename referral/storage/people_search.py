"""Which patients and clinicians somebody means by what they type."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    Text,
    all_,
    bindparam,
    false,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from referral.storage import tables
from referral.storage.db import Session
from referral.storage.search_keys import Query, behind, key_range, last_of, read_query


def matching(session: Session, table: Table, words: str) -> tuple[ColumnElement[bool], ...]:
    """Conditions on `patient` or `clinician` for what people type; none for nothing.

    Every word begins one of the words of the name, accents and case apart, in any order. A date among them is
    a date of birth, ten digits are an NPI: a patient has none, nor the directory a date, so they mean nobody.
    """
    asked = read_query(words)
    if _means_nobody(table, asked):
        return (false(),)
    found = [table.c.birth_date == day for day in asked.days] if table is tables.patient else []
    found += [table.c.npi == npi for npi in asked.npis] if table is tables.clinician else []
    if asked.tokens:
        key = tables.search_key
        keys = select(key.c.id).where(
            key.c.clinic_id == session.clinic, key.c.kind == table.name, *key_range(key.c.key, asked.tokens)
        )
        found.append(table.c.id.in_(keys))
    return tuple(found)


def _means_nobody(table: Table, asked: Query) -> bool:
    return bool(asked.npis if table is tables.patient else asked.days)


def _by_key(table: Table) -> Select[Any]:
    key = tables.search_key
    return (
        select(table)
        .join(key, (key.c.clinic_id == table.c.clinic_id) & (key.c.id == table.c.id))
        .where(
            table.c.clinic_id == bindparam("clinic"),
            table.c.active,
            key.c.clinic_id == bindparam("clinic"),
            key.c.kind == literal_column(f"'{table.name}'"),
            key.c.key >= bindparam("first"),
            key.c.key < bindparam("last"),
            key.c.key.op("LIKE", is_comparison=True)(all_(bindparam("others", type_=ARRAY(Text)))),
        )
        .order_by(key.c.key, key.c.id)
        .limit(bindparam("most"))
    )


_BY_KEY: Final = {table.name: _by_key(table) for table in (tables.patient, tables.clinician)}


# In a city everybody lives there: a range of that many keys is as good as any larger one.
_COUNTED: Final = 1000
_RAREST: Final = text(
    """
SELECT t.place
  FROM unnest(CAST(:firsts AS text[]), CAST(:lasts AS text[])) WITH ORDINALITY AS t (first, last, place),
       LATERAL (SELECT count(*) AS size
                  FROM (SELECT FROM search_key k
                         WHERE k.clinic_id = :clinic AND k.kind = :kind
                           AND k.key >= t.first AND k.key < t.last
                         LIMIT :counted) AS begun) AS s
 ORDER BY s.size, t.place
 LIMIT 1"""
)


def _rarest_first(session: Session, table: Table, tokens: list[str]) -> list[str]:
    """The word that the fewest begin with is looked for: the longest one may be where everybody lives."""
    if len(tokens) < 2:
        return tokens
    given = {
        "clinic": session.clinic,
        "kind": table.name,
        "counted": _COUNTED,
        "firsts": tokens,
        "lasts": [last_of(token) for token in tokens],
    }
    rarest = tokens[session.connection.execute(_RAREST, given).scalar_one() - 1]
    return [rarest, *(token for token in tokens if token is not rarest)]


def closest(session: Session, table: Table, words: str, limit: int) -> tuple[Select[Any], dict[str, Any]]:
    """People whose words begin so, in the order of the index: it reads what it shows, and not all that match.

    A statement and its values. Somebody may come twice, by two words that begin alike.
    """
    asked = read_query(words)
    if asked.tokens and not asked.days and not asked.npis:
        first, *others = _rarest_first(session, table, asked.tokens)
        return _BY_KEY[table.name], {
            "clinic": session.clinic,
            "first": first,
            "last": last_of(first),
            "others": [behind(token) for token in others],
            "most": 2 * limit,
        }
    return _closest(session, table, asked, limit), {}


def _closest(session: Session, table: Table, asked: Query, limit: int) -> Select[Any]:
    """With a date of birth or an NPI, or without a word."""
    key = tables.search_key
    statement = select(table).where(table.c.clinic_id == session.clinic, table.c.active)
    if _means_nobody(table, asked):
        return statement.where(false())
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
