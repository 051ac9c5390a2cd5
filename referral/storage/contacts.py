"""Ways to reach clinicians: what is known of each, and what messages have taught."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Text, bindparam, case, cast, func, literal_column, not_, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH, insert

from referral.domain.codes import Channel
from referral.domain.errors import DuplicateRequest
from referral.domain.records import Bar, Contact, Experience, Lesson
from referral.storage.db import Session
from referral.storage.tables import contact as table

# As many messages are remembered as tell something: a request and its reminders of some months.
_REMEMBERED: Final = 12


def to_contact(row: Any) -> Contact:
    """A row of the table as a value."""
    return Contact(
        id=row.id,
        channel=Channel(row.channel),
        address=row.address,
        source=row.source,
        verified_at=row.verified_at,
        last_success_at=row.last_success_at,
        last_failure_at=row.last_failure_at,
        experience=tuple(_to_experience(one) for one in row.experience),
        barred_for=Bar(row.barred_for) if row.barred_for else None,
        verified_how=row.verified_how,
    )


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
        select(table).where(table.c.clinic_id == session.clinic, table.c.id.in_(list(ids)))
    )
    return {row.id: to_contact(row) for row in rows}


# The news of a message takes the place of older news of the same one.
_OTHERS: Final = func.jsonb_path_query_array(
    table.c.experience,
    literal_column("'$[*] ? (@.m != $m)'::jsonpath", JSONPATH),
    func.jsonb_build_object("m", cast(bindparam("message"), Text)),
)
_LEARN: Final = (
    update(table)
    .where(
        table.c.clinic_id == bindparam("clinic"),
        table.c.id == bindparam("contact"),
        # Nothing is better known than that somebody has answered by it.
        not_(table.c.experience.contains(bindparam("answered", type_=JSONB))),
    )
    .values(
        experience=func.jsonb_path_query_array(
            func.jsonb_build_array(bindparam("news", type_=JSONB)).op("||")(_OTHERS),
            literal_column(f"'$[0 to {_REMEMBERED - 1}]'::jsonpath", JSONPATH),
        ),
        last_success_at=case(
            (bindparam("worked"), bindparam("at", type_=table.c.last_success_at.type)),
            else_=table.c.last_success_at,
        ),
        last_failure_at=case(
            (bindparam("worked"), table.c.last_failure_at),
            else_=bindparam("at", type_=table.c.last_success_at.type),
        ),
    )
)


def learn(session: Session, contact_id: str, news: Experience) -> None:
    """Remember what became of a message. One statement: concurrent messages by one contact lose nothing."""
    forget_clinicians(session)
    kept: dict[str, Any] = {"m": news.message_id, "l": news.lesson, "at": news.at.isoformat()}
    if news.hours is not None:
        kept["h"] = round(news.hours, 2)
    session.connection.execute(
        _LEARN,
        {
            "clinic": session.clinic,
            "contact": contact_id,
            "message": news.message_id,
            "answered": [{"m": news.message_id, "l": Lesson.ANSWERED}],
            "news": kept,
            "worked": news.lesson is not Lesson.FAILED,
            "at": news.at,
        },
    )


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
