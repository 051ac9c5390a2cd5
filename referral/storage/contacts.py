"""Ways to reach clinicians and patients: what is known of each, and what messages have taught."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, overload

import orjson
from sqlalchemy import Text, cast, not_, or_, select, text, true, update
from sqlalchemy.dialects.postgresql import insert

from referral.domain.codes import Channel
from referral.domain.errors import DuplicateRequest
from referral.domain.records import Bar, Contact, Experience, Lesson
from referral.storage.db import Session, member_of
from referral.storage.tables import contact as table

# As many messages are remembered as tell something: a request and its reminders of some months.
_REMEMBERED: Final = 12


_channel = member_of(Channel)

# What messages have taught stays text until somebody asks: whoever delivers reads contacts all the time.
COLUMNS: Final = tuple(
    cast(one, Text).label(one.name) if one is table.c.experience else one for one in table.c
)
_NOTHING: Final = "[]"


def to_contact(row: Any) -> Contact:
    """From the columns COLUMNS."""
    return Contact(
        id=row.id,
        channel=_channel(row.channel),
        address=row.address,
        source=row.source,
        verified_at=row.verified_at,
        last_success_at=row.last_success_at,
        last_failure_at=row.last_failure_at,
        experience=_Remembered(row.experience) if row.experience != _NOTHING else (),
        barred_for=Bar(row.barred_for) if row.barred_for else None,
        barred_at=row.barred_at,
        verified_how=row.verified_how,
    )


class _Remembered(Sequence[Experience]):
    """What messages have taught, made into values when somebody asks."""

    __slots__ = ("_kept", "_values")

    def __init__(self, kept: str) -> None:
        self._kept = kept
        self._values: tuple[Experience, ...] | None = None

    def _all(self) -> tuple[Experience, ...]:
        if self._values is None:
            self._values = tuple(_to_experience(one) for one in orjson.loads(self._kept))
        return self._values

    @overload
    def __getitem__(self, place: int) -> Experience: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Experience]: ...

    def __getitem__(self, place: int | slice) -> Experience | Sequence[Experience]:
        return self._all()[place]

    def __len__(self) -> int:
        return len(self._all())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._all() == tuple(other)

    def __hash__(self) -> int:
        return hash(self._all())


def _to_experience(kept: dict[str, Any]) -> Experience:
    return Experience(
        message_id=kept["m"],
        lesson=Lesson(kept["l"]),
        at=datetime.fromisoformat(kept["at"]),
        hours=kept.get("h"),
    )


def forget_clinicians(session: Session) -> None:
    """After anything about a clinician or a contact was written."""
    for key in [key for key in session.kept if key[0] == "clinician"]:
        del session.kept[key]


def get_many(session: Session, ids: Iterable[str]) -> dict[str, Contact]:
    """By id, whether they are still in use or not: what was sent is shown with where it went."""
    rows = session.connection.execute(
        select(*COLUMNS).where(table.c.clinic_id == session.clinic, table.c.id.in_(list(ids)))
    )
    return {row.id: to_contact(row) for row in rows}


def of_patients(session: Session, patient_ids: Iterable[str]) -> dict[str, tuple[Contact, ...]]:
    """Those in use, by patient; an empty tuple where there is none."""
    found: dict[str, list[Contact]] = {id: [] for id in patient_ids}
    if found:
        rows = session.connection.execute(
            select(*COLUMNS)
            .where(table.c.clinic_id == session.clinic, table.c.patient_id.in_(list(found)), table.c.active)
            .order_by(table.c.channel, table.c.id)
        )
        for row in rows:
            found[row.patient_id].append(to_contact(row))
    return {id: tuple(contacts) for id, contacts in found.items()}


_HOLD: Final = text(
    "SELECT id, experience, last_success_at, last_failure_at FROM contact"
    " WHERE clinic_id = :clinic AND id = ANY (:ids) ORDER BY id FOR NO KEY UPDATE"
)
_LEARN: Final = text(
    "UPDATE contact c SET experience = v.experience, last_success_at = v.last_success_at,"
    " last_failure_at = v.last_failure_at"
    " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS v (id text, experience jsonb,"
    " last_success_at timestamptz, last_failure_at timestamptz)"
    " WHERE c.clinic_id = :clinic AND c.id = ANY (:ids) AND c.id = v.id"
)


def learn(session: Session, contact_id: str, news: Experience) -> None:
    """Remember what became of a message."""
    learn_many(session, [(contact_id, news)])


def learn_many(session: Session, news: Iterable[tuple[str, Experience]]) -> None:
    """Remember what became of messages, by contact, oldest first. Concurrent ones lose nothing.

    The contacts are locked in the order of their ids: two batches never wait for each other in a circle.
    """
    forget_clinicians(session)
    by_contact: dict[str, list[Experience]] = {}
    for contact_id, one in news:
        by_contact.setdefault(contact_id, []).append(one)
    held = session.connection.execute(_HOLD, {"clinic": session.clinic, "ids": list(by_contact)}).all()
    rows = [changed for row in held if (changed := _learnt(row, by_contact[row.id]))]
    if rows:
        given = {"clinic": session.clinic, "ids": list(by_contact), "rows": orjson.dumps(rows).decode()}
        session.connection.execute(_LEARN, given)


def _learnt(row: Any, news: Iterable[Experience]) -> dict[str, Any] | None:
    """The news of a message takes the place of older news of the same one, but never of an answer."""
    kept = list(row.experience)
    values = {"last_success_at": row.last_success_at, "last_failure_at": row.last_failure_at}
    changed = False
    for one in news:
        if any(known["m"] == one.message_id and known["l"] == Lesson.ANSWERED for known in kept):
            continue
        newest: dict[str, Any] = {"m": one.message_id, "l": one.lesson, "at": one.at.isoformat()}
        if one.hours is not None:
            newest["h"] = round(one.hours, 2)
        kept = [newest, *(known for known in kept if known["m"] != one.message_id)][:_REMEMBERED]
        values["last_failure_at" if one.lesson is Lesson.FAILED else "last_success_at"] = one.at
        changed = True
    return {"id": row.id, "experience": kept, **values} if changed else None


def bar(session: Session, contact_id: str, reason: Bar, now: datetime) -> None:
    """It reaches nobody, or somebody else. What a call has found out is not made milder by a bounce."""
    forget_clinicians(session)
    known = table.c.barred_for == Bar.WRONG_RECIPIENT
    session.connection.execute(
        update(table)
        .where(
            table.c.clinic_id == session.clinic,
            table.c.id == contact_id,
            or_(table.c.barred_for.is_(None), not_(known)),
        )
        .values(barred_for=reason, barred_at=now, verified_at=None, verified_by=None, verified_how=None)
    )


def lift_bad_address(session: Session, contact_id: str, until: datetime | None) -> None:
    """Somebody is reached there after all; with `until` only where that was not found out later.

    Who confirmed it before is not known any more: it has to be confirmed again.
    """
    forget_clinicians(session)
    session.connection.execute(
        update(table)
        .where(
            table.c.clinic_id == session.clinic,
            table.c.id == contact_id,
            table.c.barred_for == Bar.BAD_ADDRESS,
            true() if until is None else table.c.barred_at < until,
        )
        .values(barred_for=None, barred_at=None)
    )


def put(session: Session, clinician_id: str, new: Contact, entered_by: str) -> str:
    """Add a contact and return its id. An address that was replaced once starts afresh, under its old id.

    Raises DuplicateRequest where the clinician has this address already.
    """
    forget_clinicians(session)
    fresh = {
        "source": new.source,
        "entered_by": entered_by,
        "active": True,
        "verified_at": None,
        "verified_by": None,
        "verified_how": None,
        "last_success_at": None,
        "last_failure_at": None,
        "experience": [],
        "barred_for": None,
        "barred_at": None,
        "replaced_at": None,
    }
    values = {
        "clinic_id": session.clinic,
        "id": new.id,
        "clinician_id": clinician_id,
        "channel": new.channel,
        "address": new.address,
    }
    statement = insert(table).values(**values, **fresh)
    made = session.connection.scalar(
        statement.on_conflict_do_update(
            index_elements=["clinic_id", "clinician_id", "channel", "address"],
            set_=fresh,
            where=not_(table.c.active),
        ).returning(table.c.id)
    )
    if made is None:
        raise DuplicateRequest("This contact is on file already.", clinician_id)
    return str(made)


def replace(session: Session, contact_id: str, now: datetime) -> None:
    """It is no longer written to; the messages that went there still say so."""
    forget_clinicians(session)
    session.connection.execute(
        update(table)
        .where(table.c.clinic_id == session.clinic, table.c.id == contact_id)
        .values(active=False, replaced_at=now)
    )


def typed_by(session: Session, clinician_id: str, person: str) -> set[str]:
    """The contacts in use of a clinician that this person has typed."""
    rows = session.connection.scalars(
        select(table.c.id).where(
            table.c.clinic_id == session.clinic,
            table.c.clinician_id == clinician_id,
            table.c.entered_by == person,
            table.c.active,
        )
    )
    return set(rows)
