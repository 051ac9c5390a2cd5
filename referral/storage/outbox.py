"""Messages: written in the transaction that decided them, claimed by one worker at a time, finished once."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BindParameter,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    func,
    not_,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert

from referral.domain.codes import Channel
from referral.domain.outgoing import (
    NOT_LEFT,
    REACHED,
    TO_PATIENT,
    WITH_LETTER,
    WITH_LINK,
    Lane,
    MessageKind,
    MessageState,
    lane_of,
)
from referral.domain.records import Contact, Referral
from referral.storage import tables
from referral.storage.db import Session, member_of, one_of

_TABLE: Final = tables.message
_TROUBLES: Final = 2000
_WAITING: Final = (MessageState.QUEUED, MessageState.READY)
_HELD: Final = (MessageState.RENDERING, MessageState.SENDING)
# Together they are ON_THEIR_WAY.
_INDEXED: Final = ((MessageState.QUEUED,), (MessageState.READY,), _HELD)


class Message(NamedTuple):
    """One row, which a delivery copies six times: as a tuple in a tenth of the time of a data class.

    `attempts` counts claims and is the fence: whoever finishes a row must hold its newest claim.

    `tries` counts what went wrong and is tried again; waiting for business hours is none. `crashes` counts
    workers that died with it. `in_doubt`: it was handed over and nobody knows whether it arrived, since
    `sending_since`. `patient_id` is set where it goes to the patient and not to the clinician.
    """

    id: uuid.UUID
    referral_id: str
    kind: MessageKind
    ordinal: int
    channel: Channel
    contact_id: str
    state: MessageState
    generation: int
    attempts: int
    tries: int
    crashes: int
    not_before: datetime
    letter_id: str | None
    envelope_id: str | None
    provider_reference: str | None
    last_error: str | None
    secret_note: str | None
    sent_for_real: bool
    created_at: datetime
    finished_at: datetime | None
    lane: Lane = Lane.TEXT
    in_doubt: bool = False
    sending_since: datetime | None = None
    patient_id: str | None = None


FIELDS: Final = Message._fields
_COLUMNS: Final = tuple(_TABLE.c[name] for name in FIELDS)


_kind, _channel = member_of(MessageKind), member_of(Channel)
_state, _lane = member_of(MessageState), member_of(Lane)


def to_message(row: Any) -> Message:
    """From the columns FIELDS in their order."""
    read = Message._make(row)
    return read._replace(
        kind=_kind(read.kind), channel=_channel(read.channel), state=_state(read.state), lane=_lane(read.lane)
    )


_PUT: Final = (
    insert(_TABLE)
    .on_conflict_do_nothing(index_elements=["clinic_id", "referral_id", "kind", "ordinal"])
    .returning(_TABLE.c.id)
)


def put(
    session: Session,
    referral: Referral,
    kind: MessageKind,
    *,
    ordinal: int,
    contact: Contact,
    now: datetime,
    secret_note: str | None = None,
) -> uuid.UUID | None:
    """Queue a message; None when it was queued before (same request, kind and ordinal), which is no error.

    `secret_note` is a value that only the rendering needs (a one-time code), sealed by the caller.
    """
    made = session.connection.scalar(
        _PUT,
        {
            "clinic_id": session.clinic,
            "id": uuid.uuid4(),
            "referral_id": referral.id,
            "kind": kind,
            "ordinal": ordinal,
            "channel": contact.channel,
            "contact_id": contact.id,
            "lane": lane_of(kind),
            "not_before": now,
            "created_at": now,
            "secret_note": secret_note,
            "patient_id": referral.patient_id if kind in TO_PATIENT else None,
        },
    )
    return made if made is None else uuid.UUID(str(made))


def next_ordinal(session: Session, referral_id: str, kind: MessageKind) -> int:
    """One more than the highest of this request and kind; 1 for the first."""
    last = session.connection.scalar(
        select(func.max(_TABLE.c.ordinal)).where(
            _TABLE.c.clinic_id == session.clinic, _TABLE.c.referral_id == referral_id, _TABLE.c.kind == kind
        )
    )
    return int(last or 0) + 1


def move(session: Session, message: Message, state: MessageState, **values: Any) -> bool:
    """Write the next state if this attempt is still the newest; False when somebody else has claimed it."""
    changed = session.connection.execute(
        update(_TABLE)
        .where(
            _TABLE.c.clinic_id == session.clinic,
            _TABLE.c.id == message.id,
            _TABLE.c.attempts == message.attempts,
            _TABLE.c.state.in_((*_WAITING, *_HELD)),
        )
        .values(state=state, **values)
    )
    return changed.rowcount == 1


def settle(session: Session, message: Message, state: MessageState, **values: Any) -> None:
    """Write what a provider has told, whoever holds the row. The caller has locked it, see get()."""
    session.connection.execute(
        update(_TABLE)
        .where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == message.id)
        .values(state=state, lease_until=None, in_doubt=False, **values)
    )


def end_waiting(session: Session, id: uuid.UUID, state: MessageState, **values: Any) -> bool:
    """End the waiting for a person's hand; False when it has ended before. The caller holds the request."""
    changed = session.connection.execute(
        update(_TABLE)
        .where(
            _TABLE.c.clinic_id == session.clinic, _TABLE.c.id == id, _TABLE.c.state == MessageState.BY_HAND
        )
        .values(state=state, **values)
    )
    return changed.rowcount == 1


def cancel_waiting(
    session: Session,
    referral_id: str,
    now: datetime,
    kinds: Iterable[MessageKind],
    *,
    contact_id: str | None = None,
) -> list[uuid.UUID]:
    """Stop what has not left yet and return its ids; with a contact only what goes there.

    The caller holds the request, see referrals.get().
    """
    changed = session.connection.scalars(
        update(_TABLE)
        .where(
            _TABLE.c.clinic_id == session.clinic,
            _TABLE.c.referral_id == referral_id,
            _TABLE.c.kind.in_(list(kinds)),
            _TABLE.c.state.in_(NOT_LEFT),
            true() if contact_id is None else _TABLE.c.contact_id == contact_id,
        )
        .values(state=MessageState.CANCELLED, finished_at=now)
        .returning(_TABLE.c.id)
    )
    return list(changed)


def get(session: Session, id: uuid.UUID | str, *, lock: bool = False) -> Message | None:
    """None where there is none in this clinic, and for what is no id."""
    try:
        id = uuid.UUID(str(id))
    except ValueError:
        return None
    query = select(*_COLUMNS).where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id == id)
    row = session.connection.execute(query.with_for_update(key_share=True) if lock else query).one_or_none()
    return to_message(row) if row else None


def get_many(session: Session, ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Message]:
    """By id; what does not exist is missing."""
    query = select(*_COLUMNS).where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.id.in_(list(ids)))
    return {row.id: to_message(row) for row in session.connection.execute(query)}


def find(
    session: Session,
    *,
    referral_id: str | None = None,
    states: Iterable[MessageState] | None = None,
    channels: Iterable[Channel] | None = None,
    before: datetime | None = None,
    limit: int = 100,
) -> list[Message]:
    """Newest first; with `before` those that were decided until then."""
    query = select(*_COLUMNS).where(_TABLE.c.clinic_id == session.clinic)
    if referral_id is not None:
        query = query.where(_TABLE.c.referral_id == referral_id)
    if states is not None:
        query = query.where(_TABLE.c.state.in_(list(states)))
    if channels is not None:
        query = query.where(_TABLE.c.channel.in_(list(channels)))
    if before is not None:
        query = query.where(_TABLE.c.created_at <= before)
    rows = session.connection.execute(query.order_by(_TABLE.c.created_at.desc(), _TABLE.c.id).limit(limit))
    return [to_message(row) for row in rows]


def last_letter(session: Session, referral_id: str) -> Message | None:
    """The newest message with a link that has been handed over; None while none has."""
    sent = find(session, referral_id=referral_id, states=REACHED)
    return next((message for message in sent if message.kind in WITH_LINK), None)


def last_reminded(session: Session, referral_id: str) -> datetime | None:
    """When the newest reminder reached the clinician's side; None while none has."""
    sent = find(session, referral_id=referral_id, states=REACHED)
    return max(
        (one.finished_at for one in sent if one.kind is MessageKind.REMINDER and one.finished_at),
        default=None,
    )


def stopped_reminders(session: Session, referral_id: str) -> frozenset[int]:
    """Ordinals of the reminders of a request that were cancelled before they left."""
    found = session.connection.scalars(
        select(_TABLE.c.ordinal).where(
            _TABLE.c.clinic_id == session.clinic,
            _TABLE.c.referral_id == referral_id,
            _TABLE.c.kind == MessageKind.REMINDER,
            _TABLE.c.state == MessageState.CANCELLED,
        )
    )
    return frozenset(found)


def with_letter(session: Session, referral_ids: Iterable[str]) -> frozenset[str]:
    """Those of these requests of which a message with a link has been handed over."""
    found = session.connection.scalars(
        select(_TABLE.c.referral_id)
        .distinct()
        .where(
            _TABLE.c.clinic_id == session.clinic,
            _TABLE.c.referral_id.in_(list(referral_ids)),
            _TABLE.c.state.in_(REACHED),
            _TABLE.c.kind.in_(list(WITH_LINK)),
        )
    )
    return frozenset(found)


def references(session: Session, referral_ids: Iterable[str]) -> dict[str, uuid.UUID]:
    """The providers' names for what was sent about these requests, and whose they are."""
    rows = session.connection.execute(
        select(_TABLE.c.provider_reference, _TABLE.c.id).where(
            _TABLE.c.clinic_id == session.clinic,
            _TABLE.c.referral_id.in_(list(referral_ids)),
            _TABLE.c.provider_reference.is_not(None),
        )
    )
    return {row.provider_reference: row.id for row in rows}


def letters_of(session: Session, referral_id: str) -> list[Message]:
    """All letters about the request itself, in whatever state, newest first."""
    rows = session.connection.execute(
        select(*_COLUMNS)
        .where(
            _TABLE.c.clinic_id == session.clinic,
            _TABLE.c.referral_id == referral_id,
            _TABLE.c.kind.in_(list(WITH_LETTER)),
        )
        .order_by(_TABLE.c.created_at.desc(), _TABLE.c.ordinal.desc())
    )
    return [to_message(row) for row in rows]


def to_patient(session: Session, patient_id: str, limit: int = 50) -> list[Message]:
    """Everything that was to go to this patient, newest first."""
    rows = session.connection.execute(
        select(*_COLUMNS)
        .where(_TABLE.c.clinic_id == session.clinic, _TABLE.c.patient_id == patient_id)
        .order_by(_TABLE.c.created_at.desc(), _TABLE.c.ordinal.desc(), _TABLE.c.id)
        .limit(limit)
    )
    return [to_message(row) for row in rows]


_OF_REFERRALS: Final = (
    select(*_COLUMNS)
    .where(
        _TABLE.c.clinic_id == bindparam("clinic"),
        _TABLE.c.referral_id == any_(bindparam("ids", type_=ARRAY(Text))),
    )
    .order_by(_TABLE.c.created_at.desc(), _TABLE.c.ordinal.desc(), _TABLE.c.id)
)


def of_referrals(session: Session, referral_ids: Iterable[str]) -> list[Message]:
    """All messages of these requests, newest first."""
    given = {"clinic": session.clinic, "ids": list(referral_ids)}
    return [to_message(row) for row in session.connection.execute(_OF_REFERRALS, given).all()]


def _same(left: Any, right: Any) -> Any:
    return and_(left == right, left.table.c.clinic_id == right.table.c.clinic_id)


@cache
def _stuck(states: tuple[MessageState, ...]) -> Select[Any]:
    clinic: BindParameter[Any] = bindparam("clinic")
    newer, letters = _TABLE.alias("newer"), sorted(WITH_LINK)
    troubled = (
        select(*_COLUMNS)
        .where(_TABLE.c.clinic_id == clinic, one_of(_TABLE.c.state, states), one_of(_TABLE.c.kind, letters))
        .order_by(_TABLE.c.created_at.desc())
        .limit(_TROUBLES)
        .subquery()
    )
    followed = (
        select(newer.c.id)
        .where(
            newer.c.clinic_id == clinic,
            newer.c.referral_id == troubled.c.referral_id,
            one_of(newer.c.kind, letters),
            tuple_(newer.c.created_at, newer.c.ordinal) > tuple_(troubled.c.created_at, troubled.c.ordinal),
        )
        .exists()
    )
    asked = tables.referral
    return (
        select(*(troubled.c[name] for name in FIELDS))
        .join(asked, and_(asked.c.clinic_id == clinic, asked.c.id == troubled.c.referral_id))
        .where(asked.c.closed_at.is_(None), not_(followed))
        .order_by(troubled.c.created_at)
    )


def stuck(session: Session, states: tuple[MessageState, ...]) -> list[Message]:
    """The newest letter of each open request, where it has ended in one of `states`; oldest first.

    Looks at the newest 2,000 that ended so: what went wrong before them belongs to requests of long ago.
    """
    rows = session.connection.execute(_stuck(states), {"clinic": session.clinic})
    return [to_message(row) for row in rows]


def _count_on_their_way() -> Select[Any]:
    # Each has an index of its own; asked for together, they are looked for among all that have ever left.
    clinic: BindParameter[Any] = bindparam("clinic")
    counts = [
        select(func.count())
        .where(_TABLE.c.clinic_id == clinic, one_of(_TABLE.c.state, states))
        .scalar_subquery()
        for states in _INDEXED
    ]
    return select(sum(counts[1:], counts[0]))


_COUNT_ON_THEIR_WAY: Final = _count_on_their_way()


def count_on_their_way(session: Session) -> int:
    """Messages of the entered clinic that will leave by themselves."""
    return int(session.connection.scalar(_COUNT_ON_THEIR_WAY, {"clinic": session.clinic}) or 0)


def depth(session: Session, now: datetime) -> tuple[int, float]:
    """(messages that are due and not sent, age of the oldest in seconds): for the metrics."""
    count, oldest = session.connection.execute(
        select(func.count(), func.min(_TABLE.c.not_before)).where(
            _TABLE.c.clinic_id == session.clinic,
            # Each arm has an index of its own.
            or_(
                and_(_TABLE.c.state == MessageState.QUEUED, _TABLE.c.not_before <= now),
                and_(_TABLE.c.state == MessageState.READY, _TABLE.c.not_before <= now),
                and_(_TABLE.c.state.in_(_HELD), _TABLE.c.not_before <= now),
            ),
        )
    ).one()
    return int(count), (now - oldest).total_seconds() if oldest else 0.0
