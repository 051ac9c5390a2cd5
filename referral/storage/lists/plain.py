"""Short lists of the clinic's own: batches of letters, connected systems."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, func, or_, select

from referral.domain.listing import Page, View
from referral.storage import api_clients, print_batches, tables
from referral.storage.api_clients import ApiClient
from referral.storage.db import Session
from referral.storage.lists.conditions import one_of, words_of
from referral.storage.lists.keyset import CLINIC, Asked, Listing, Sort, read
from referral.storage.print_batches import Batch

_BATCH: Final = tables.print_batch
_CLIENT: Final = tables.api_client


_OUR_BATCHES: Final = select(*print_batches.BATCH_COLUMNS).where(_BATCH.c.clinic_id == CLINIC)


_OPEN: Final = _BATCH.c.closed_at.is_(None)
_BATCHES: Final[Listing[Batch]] = Listing(
    query=_OUR_BATCHES,
    to_row=lambda row: print_batches.to_batch(row[: len(print_batches.BATCH_COLUMNS)]),
    sorts={
        "newest": Sort((_BATCH.c.number,), descending=True),
        "oldest": Sort((_BATCH.c.number,)),
    },
    filters={"state": one_of({"open": _OPEN, "done": ~_OPEN})},
)


def batches(session: Session, view: View, now: datetime) -> Page[Batch]:
    """By whether anything in them waits still."""
    return read(session, _BATCHES, view, now)


_LIVING: Final = and_(_CLIENT.c.clinic_id == CLINIC, _CLIENT.c.revoked_at.is_(None))
_OUR_SYSTEMS: Final = select(*api_clients.COLUMNS).where(_LIVING)


def _called(asked: Asked) -> Any:
    words = words_of(asked.value)
    name = func.lower(_CLIENT.c.name)
    return and_(*(or_(name.contains(word, autoescape=True)) for word in words)) if words else None


_SYSTEMS: Final[Listing[ApiClient]] = Listing(
    query=_OUR_SYSTEMS,
    to_row=lambda row: api_clients.to_client(row[: len(api_clients.COLUMNS)]),
    sorts={
        "name": Sort((_CLIENT.c.name, _CLIENT.c.id)),
        "newest": Sort((_CLIENT.c.created_at, _CLIENT.c.id), descending=True),
    },
    filters={
        "q": _called,
        "way": one_of(
            {
                "token": _CLIENT.c.token_digest.is_not(None),
                "keys": _CLIENT.c.jwks.is_not(None),
                "url": _CLIENT.c.jwks_url.is_not(None),
            }
        ),
    },
)


def systems(session: Session, view: View, now: datetime) -> Page[ApiClient]:
    """Those that are let in, by name and by how they prove who they are."""
    return read(session, _SYSTEMS, view, now)
