"""Messages that were decided: the outbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, and_, select

from referral.domain.codes import Channel
from referral.domain.listing import Page, View
from referral.domain.outgoing import MessageState
from referral.storage import tables
from referral.storage.db import Session
from referral.storage.lists.conditions import every_word, numbers, one_of, people_named
from referral.storage.lists.keyset import CLINIC, Asked, Condition, Listing, Sort, read
from referral.storage.outbox import FIELDS, Message, to_message

_TABLE: Final = tables.message
_REFERRAL: Final = tables.referral


_ROWS: Final = select(*(_TABLE.c[name] for name in FIELDS)).where(_TABLE.c.clinic_id == CLINIC)


def _search(asked: Asked) -> ColumnElement[bool] | None:
    """Of a request by its number, or to a clinician by name, or to an address that holds the word."""
    own = _TABLE.c.clinic_id == asked.session.clinic
    of_request = and_(_REFERRAL.c.clinic_id == _TABLE.c.clinic_id, _REFERRAL.c.id == _TABLE.c.referral_id)
    contact = tables.contact
    went_to = and_(contact.c.clinic_id == _TABLE.c.clinic_id, contact.c.id == _TABLE.c.contact_id)
    ids = select(_TABLE.c.id)
    return every_word(
        asked,
        _TABLE.c.id,
        lambda word: ids.join(_REFERRAL, of_request).where(own, _REFERRAL.c.number.in_(numbers(asked, word))),
        lambda word: ids.join(_REFERRAL, of_request).where(
            own, _REFERRAL.c.clinician_id.in_(people_named(asked, tables.clinician, word))
        ),
        lambda word: ids.where(own, _TABLE.c.patient_id.in_(people_named(asked, tables.patient, word))),
        lambda word: ids.join(contact, went_to).where(own, contact.c.address.ilike(f"%{word}%")),
    )


def _channel(asked: Asked) -> ColumnElement[bool] | None:
    return _TABLE.c.channel == asked.value if asked.value in set(Channel) else None


def _states(states: Mapping[str, Iterable[MessageState]]) -> Condition:
    """'' is every state, which needs no condition."""
    return one_of({name: _TABLE.c.state.in_(list(found)) for name, found in states.items() if name})


def listed(
    session: Session, view: View, states: Mapping[str, Iterable[MessageState]], now: datetime
) -> Page[Message]:
    """By state (the names of `states`), channel, and words; newest first."""
    listing: Listing[Message] = Listing(
        query=_ROWS,
        to_row=lambda row: to_message(row[: len(FIELDS)]),
        sorts={
            "newest": Sort((_TABLE.c.created_at, _TABLE.c.id), descending=True),
            "oldest": Sort((_TABLE.c.created_at, _TABLE.c.id)),
        },
        filters={"state": _states(states), "channel": _channel, "q": _search},
    )
    return read(session, listing, view, now)
