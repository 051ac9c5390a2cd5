"""The national register of clinicians, written by the part of a file (migration 0029)."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert

from referral.domain.folding import folded
from referral.domain.nppes import PERSON, Registered
from referral.storage.db import Session
from referral.storage.tables import npi_import, npi_record

# Between the texts of a list on their way through COPY; no name holds it.
_APART: Final = "\x1f"
_STAGE: Final = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS npi_staged (npi TEXT PRIMARY KEY, entity TEXT, family TEXT,"
    " given TEXT, middle TEXT, credentials TEXT, organization TEXT, taxonomies TEXT, kind TEXT,"
    " address TEXT, state TEXT, phone TEXT, fax TEXT, last_updated DATE, deactivated_on DATE,"
    " search_name TEXT, search_place TEXT)"
    " ON COMMIT DELETE ROWS"
)
_COPY: Final = (
    "COPY npi_staged (npi, entity, family, given, middle, credentials, organization, taxonomies, kind,"
    " address, state, phone, fax, last_updated, deactivated_on, search_name, search_place) FROM STDIN"
)
# Of a deactivated NPI nothing else is published: what was known of it stays, so that people see whom it was.
_FILL_IN: Final = text(
    "UPDATE npi_staged s SET entity = r.entity, family = r.family, given = r.given, middle = r.middle,"
    " credentials = r.credentials, organization = r.organization,"
    " taxonomies = array_to_string(r.taxonomies, :apart), kind = r.kind,"
    " address = array_to_string(r.address, :apart), state = r.state, phone = r.phone, fax = r.fax,"
    " last_updated = r.last_updated, search_name = r.search_name, search_place = r.search_place"
    " FROM npi_record r WHERE r.npi = s.npi AND s.entity = '' AND r.entity <> ''"
)
_FORGET_KEYS: Final = text(
    "DELETE FROM npi_key k USING npi_staged s JOIN npi_record r ON r.npi = s.npi,"
    " LATERAL search_keys(r.search_name, r.search_place) AS old (key)"
    " WHERE (r.search_name, r.search_place) <> (s.search_name, s.search_place) AND r.as_of <= :as_of"
    " AND r.entity = '1' AND k.key = old.key AND k.npi = r.npi"
)
# A row that says what is known already is not written: reading a file twice costs no more than reading it.
_MERGE: Final = text(
    """
    WITH changed AS (
        INSERT INTO npi_record AS r (
            npi, as_of,
            entity, family, given, middle, credentials, organization, kind, state, phone, fax,
            last_updated, deactivated_on, search_name, search_place, taxonomies, address)
        SELECT npi, :as_of,
            entity, family, given, middle, credentials, organization, kind, state, phone, fax,
            last_updated, deactivated_on, search_name, search_place,
            coalesce(string_to_array(NULLIF(taxonomies, ''), :apart), '{}'),
            coalesce(string_to_array(NULLIF(address, ''), :apart), '{}')
        FROM npi_staged
        ON CONFLICT (npi) DO UPDATE SET as_of = excluded.as_of,
            entity = excluded.entity, family = excluded.family, given = excluded.given, middle =
            excluded.middle, credentials = excluded.credentials, organization = excluded.organization,
            kind = excluded.kind, state = excluded.state, phone = excluded.phone, fax = excluded.fax,
            last_updated = excluded.last_updated, deactivated_on = excluded.deactivated_on, search_name
            = excluded.search_name, search_place = excluded.search_place, taxonomies =
            excluded.taxonomies, address = excluded.address
        WHERE r.as_of <= excluded.as_of AND (
            r.entity, r.family, r.given, r.middle, r.credentials, r.organization, r.kind, r.state,
            r.phone, r.fax, r.last_updated, r.deactivated_on, r.search_name, r.search_place,
            r.taxonomies, r.address
        ) IS DISTINCT FROM (
            excluded.entity, excluded.family, excluded.given, excluded.middle, excluded.credentials,
            excluded.organization, excluded.kind, excluded.state, excluded.phone, excluded.fax,
            excluded.last_updated, excluded.deactivated_on, excluded.search_name, excluded.search_place,
            excluded.taxonomies, excluded.address)
        RETURNING r.npi, r.entity, r.search_name, r.search_place
    ), keyed AS (
        INSERT INTO npi_key (key, npi)
        SELECT key, npi FROM changed, search_keys(search_name, search_place) AS key WHERE entity = '1'
        ON CONFLICT DO NOTHING
    )
    SELECT count(*) FROM changed
    """
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a file was read. `position` is the byte after the last line of it that is kept."""

    id: str
    position: int = 0
    scanned: int = 0
    kept: int = 0
    changed: int = 0
    bad: int = 0
    finished_at: datetime | None = None


def begin(session: Session, id: str, file_name: str, as_of: date, now: datetime) -> Progress:
    """How far the file with this id was read already; a new one begins at 0."""
    statement = insert(npi_import).values(id=id, file_name=file_name, as_of=as_of, started_at=now)
    session.connection.execute(statement.on_conflict_do_nothing())
    row = session.connection.execute(select(npi_import).where(npi_import.c.id == id)).one()
    return Progress(row.id, row.position, row.scanned, row.kept, row.changed, row.bad, row.finished_at)


def start_again(session: Session, id: str) -> None:
    """Read it from the beginning once more."""
    session.connection.execute(
        update(npi_import)
        .where(npi_import.c.id == id)
        .values(position=0, scanned=0, kept=0, changed=0, bad=0, finished_at=None)
    )


def advance(session: Session, to: Progress) -> None:
    """In the transaction that takes in what was read."""
    session.connection.execute(
        update(npi_import)
        .where(npi_import.c.id == to.id)
        .values(
            position=to.position,
            scanned=to.scanned,
            kept=to.kept,
            changed=to.changed,
            bad=to.bad,
            finished_at=to.finished_at,
        )
    )


def put(session: Session, records: Iterable[Registered], as_of: date) -> int:
    """Add or replace, each NPI once; returns how many were new or different.

    What came from a later day stays. Nothing is taken away from a record by its deactivation.
    """
    connection = session.connection
    connection.exec_driver_sql(_STAGE)
    cursor = connection.connection.cursor()
    with cursor.copy(_COPY) as copy:
        for record in records:
            copy.write_row(_staged(record))
    values = {"apart": _APART, "as_of": as_of}
    connection.execute(_FILL_IN, {"apart": _APART})
    connection.execute(_FORGET_KEYS, {"as_of": as_of})
    return int(connection.scalar(_MERGE, values) or 0)


def _staged(record: Registered) -> tuple[Any, ...]:
    return (
        *record[:7],
        _APART.join(record.taxonomies),
        record.kind.value,
        _APART.join(record.address),
        record.state,
        record.phone,
        record.fax,
        record.last_updated,
        record.deactivated_on,
        folded(f"{record.family} {record.given} {record.middle}") if record.entity == PERSON else "",
        folded(f"{record.city} {record.state}"),
    )


def known_npis(session: Session) -> array[int]:
    """All, sorted: eight bytes each, so that nine million of them fit into memory."""
    found = array("Q")
    rows = session.connection.execution_options(yield_per=50_000).scalars(
        select(npi_record.c.npi).order_by(npi_record.c.npi)
    )
    for some in rows.partitions():
        found.extend(map(int, some))
    return found
