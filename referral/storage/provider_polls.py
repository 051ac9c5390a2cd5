"""Messages that a provider has taken and told nothing of since, also those to whoever is on call."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import and_, delete, func, literal, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from referral.domain.codes import Channel
from referral.domain.outgoing import MessageState
from referral.domain.polling import FIRST_ASKED, GIVEN_UP
from referral.storage import tables
from referral.storage.db import Session

_TABLE: Final = tables.provider_poll
_MESSAGE: Final = tables.message
_CALL: Final = tables.safety_call
# As the partial index has it; a parameter in its place would keep a prepared statement from using it.
_NO_NEWS: Final = text(
    "message.state = 'accepted' AND message.sent_for_real AND message.channel IN ('fax', 'sms')"
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """`asked` counts the questions so far."""

    message_id: uuid.UUID
    channel: Channel
    reference: str
    asked: int
    generation: int


def due(session: Session, channels: Iterable[Channel], now: datetime, limit: int) -> list[Waiting]:
    """Those of these channels that are to be asked about now, whoever has waited longest first."""
    asked = func.coalesce(_TABLE.c.asked, 0)
    since = func.coalesce(_TABLE.c.next_at, _MESSAGE.c.finished_at)
    of_message = and_(_TABLE.c.clinic_id == _MESSAGE.c.clinic_id, _TABLE.c.message_id == _MESSAGE.c.id)
    rows = session.connection.execute(
        select(_MESSAGE.c.id, _MESSAGE.c.channel, _MESSAGE.c.provider_reference, asked, _MESSAGE.c.generation)
        .outerjoin(_TABLE, of_message)
        .where(
            _MESSAGE.c.clinic_id == session.clinic,
            _NO_NEWS,
            _MESSAGE.c.channel.in_(list(channels)),
            _MESSAGE.c.provider_reference.is_not(None),
            _MESSAGE.c.finished_at > now - GIVEN_UP,
            or_(
                _TABLE.c.next_at <= now,
                and_(_TABLE.c.next_at.is_(None), _MESSAGE.c.finished_at <= now - FIRST_ASKED),
            ),
        )
        .order_by(since)
        .limit(limit)
    )
    return [Waiting(row[0], Channel(row[1]), *row[2:]) for row in rows]


def due_calls(session: Session, channels: Iterable[Channel], now: datetime, limit: int) -> list[Waiting]:
    """The same of messages to whoever is on call. Each is asked about again as note_call_asked() says."""
    contact = tables.on_call_contact
    since = func.coalesce(_CALL.c.ask_at, _CALL.c.finished_at)
    to_contact = and_(contact.c.clinic_id == _CALL.c.clinic_id, contact.c.id == _CALL.c.contact_id)
    rows = session.connection.execute(
        select(_CALL.c.id, contact.c.channel, _CALL.c.provider_reference, _CALL.c.asked)
        .join(contact, to_contact)
        .where(
            _CALL.c.clinic_id == session.clinic,
            text("safety_call.state = 'accepted' AND safety_call.sent_for_real"),
            contact.c.channel.in_(list(channels)),
            _CALL.c.provider_reference.is_not(None),
            _CALL.c.finished_at > now - GIVEN_UP,
            or_(
                _CALL.c.ask_at <= now,
                and_(_CALL.c.ask_at.is_(None), _CALL.c.finished_at <= now - FIRST_ASKED),
            ),
        )
        .order_by(since)
        .limit(limit)
    )
    return [Waiting(row[0], Channel(row[1]), row[2], row[3], 1) for row in rows]


def note_call_asked(session: Session, call_id: uuid.UUID, next_at: datetime) -> None:
    """As note_asked(), of a message to whoever is on call."""
    asked = update(_CALL).where(_CALL.c.clinic_id == session.clinic, _CALL.c.id == call_id)
    session.connection.execute(asked.values(asked=_CALL.c.asked + 1, ask_at=next_at))


def note_asked(session: Session, message_id: uuid.UUID, next_at: datetime) -> None:
    """It is being asked about now, and again at `next_at` if there is no news."""
    values = {"clinic_id": session.clinic, "message_id": message_id, "asked": 1, "next_at": next_at}
    statement = insert(_TABLE).values(values)
    session.connection.execute(
        statement.on_conflict_do_update(
            index_elements=["clinic_id", "message_id"],
            set_={"asked": _TABLE.c.asked + 1, "next_at": next_at},
        )
    )


def forget(session: Session, before: datetime) -> int:
    """What nobody will ask about any more: its fate is known, or it was sent before then."""
    gone = session.connection.execute(
        delete(_TABLE).where(
            _TABLE.c.clinic_id == session.clinic,
            _MESSAGE.c.clinic_id == _TABLE.c.clinic_id,
            _MESSAGE.c.id == _TABLE.c.message_id,
            or_(_MESSAGE.c.state != MessageState.ACCEPTED, _MESSAGE.c.finished_at <= before),
        )
    )
    return gone.rowcount


def ask_now(session: Session, message_id: uuid.UUID, now: datetime) -> bool:
    """The next poll asks about it; False where there is no such message in this clinic.

    Also one to whoever is on call.
    """
    columns = (_MESSAGE.c.clinic_id, _MESSAGE.c.id, literal(0), literal(now, _TABLE.c.next_at.type))
    there = select(*columns).where(_MESSAGE.c.clinic_id == session.clinic, _MESSAGE.c.id == message_id)
    statement = insert(_TABLE).from_select(["clinic_id", "message_id", "asked", "next_at"], there)
    changed = session.connection.execute(
        statement.on_conflict_do_update(index_elements=["clinic_id", "message_id"], set_={"next_at": now})
    )
    if changed.rowcount == 1:
        return True
    called = update(_CALL).where(_CALL.c.clinic_id == session.clinic, _CALL.c.id == message_id)
    return session.connection.execute(called.values(ask_at=now)).rowcount == 1
