"""All resources of a type, one after the other and never all in memory: what an export is made of."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, Text, cast, func, or_, select

from referral.storage.db import Session
from referral.storage.resources import Stored
from referral.storage.search import Match
from referral.storage.tables import resource, search_entry

# Rows that the server sends at a time.
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """`since` is itself outside. `patients` empty means all of them, where `only_patients` is set.

    `belongs` are the search parameters that say whose a resource is.
    """

    type: str
    since: datetime | None = None
    only_patients: bool = False
    patients: tuple[str, ...] = ()
    belongs: tuple[str, ...] = ()


def stream(session: Session, selection: Selection) -> Generator[Match]:
    """The current versions, oldest first, read with a cursor of the server: use it up, or close it."""
    named = _whose(session, selection).with_only_columns(func.min(func.substr(search_entry.c.value, 9)))
    columns = (
        resource.c.id,
        resource.c.version,
        resource.c.last_updated,
        # Whose it is where its own column does not say, such as a Provenance of a patient's resource.
        func.coalesce(resource.c.patient_id, named.scalar_subquery()).label("patient_id"),
        cast(resource.c.body, Text).label("body"),
    )
    statement = (
        select(*columns)
        .where(resource.c.clinic_id == session.clinic, resource.c.type == selection.type)
        .order_by(resource.c.last_updated, resource.c.id)
    )
    if selection.since is not None:
        statement = statement.where(resource.c.last_updated > selection.since)
    if selection.only_patients:
        statement = statement.where(_of_patients(session, selection))
    with session.connection.execute(statement, execution_options={"yield_per": _AT_ONCE}) as rows:
        for row in rows:
            stored = Stored(selection.type, row.id, row.version, row.last_updated, row.body)
            yield Match(stored, row.patient_id)


def _whose(session: Session, selection: Selection) -> Select[Any]:
    """The entries that name a patient whose resource it is."""
    return select(search_entry.c.value).where(
        search_entry.c.clinic_id == session.clinic,
        search_entry.c.type == selection.type,
        search_entry.c.id == resource.c.id,
        search_entry.c.parameter.in_(selection.belongs),
        search_entry.c.value.like("Patient/%"),
    )


def _of_patients(session: Session, selection: Selection) -> Any:
    own = resource.c.id if selection.type == "Patient" else resource.c.patient_id
    about = _whose(session, selection)
    if not selection.patients:
        return or_(own.is_not(None), about.exists())
    references = [f"Patient/{id}" for id in selection.patients]
    named = about.where(search_entry.c.value.in_(references))
    return or_(own.in_(selection.patients), named.exists())
