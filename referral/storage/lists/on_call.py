"""Messages to whoever is on call: the other half of the outbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, and_, or_, select

from referral.domain.codes import Channel
from referral.domain.listing import Page, View
from referral.domain.outgoing import MessageState
from referral.storage import tables
from referral.storage.db import Session
from referral.storage.lists.conditions import one_of, words_of
from referral.storage.lists.keyset import CLINIC, Asked, Listing, Sort, read
from referral.storage.on_call import CALL_COLUMNS, CalledContact, to_called

_CALL: Final = tables.safety_call
_CONTACT: Final = tables.on_call_contact


_TO_CONTACT: Final = and_(_CONTACT.c.clinic_id == _CALL.c.clinic_id, _CONTACT.c.id == _CALL.c.contact_id)
_ROWS: Final = select(*CALL_COLUMNS).join(_CONTACT, _TO_CONTACT).where(_CALL.c.clinic_id == CLINIC)


def _search(asked: Asked) -> ColumnElement[bool] | None:
    """By name or address of a contact."""
    found = [
        or_(
            _CONTACT.c.name.icontains(word, autoescape=True),
            _CONTACT.c.address.contains(word, autoescape=True),
        )
        for word in words_of(asked.value)
    ]
    return and_(*found) if found else None


def _channel(asked: Asked) -> ColumnElement[bool] | None:
    return _CONTACT.c.channel == asked.value if asked.value in set(Channel) else None


def listed(
    session: Session, view: View, states: Mapping[str, Iterable[MessageState]], now: datetime
) -> Page[CalledContact]:
    """By state (the names of `states`), channel, and words; newest first."""
    of_state = one_of({name: _CALL.c.state.in_(list(found)) for name, found in states.items() if name})
    listing: Listing[CalledContact] = Listing(
        query=_ROWS,
        to_row=lambda row: to_called(row[: len(CALL_COLUMNS)]),
        sorts={
            "newest": Sort((_CALL.c.created_at, _CALL.c.id), descending=True),
            "oldest": Sort((_CALL.c.created_at, _CALL.c.id)),
        },
        filters={"state": of_state, "channel": _channel, "q": _search},
    )
    return read(session, listing, view, now)
