"""The trust list of CDS Hooks, tokens that were used up, cards that were shown, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import orjson
from sqlalchemy import Connection, any_, insert, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from referral.domain.errors import DuplicateRequest
from referral.storage.db import Session
from referral.storage.orders import FactsOfOrder, facts_from
from referral.storage.tables import cds_card, cds_client, cds_feedback


@dataclass(frozen=True, slots=True, kw_only=True)
class CdsClient:
    """A system whose signed tokens are believed. `jwks` are its public keys, `origins` those of its pages."""

    clinic_id: str
    id: str
    name: str
    issuer: str
    tenant: str
    jwks: dict[str, Any]
    jwks_url: str | None
    origins: tuple[str, ...]


_FIELDS: Final = tuple(CdsClient.__slots__)


def _to_client(row: Any) -> CdsClient:
    values = dict(zip(_FIELDS, row, strict=True))
    values |= {"clinic_id": str(values["clinic_id"]), "origins": tuple(values["origins"])}
    return CdsClient(**values)


def add_client(session: Session, client: CdsClient, now: datetime) -> None:
    """Raises DuplicateRequest where issuer and tenant lead to a client already, of whichever clinic."""
    values = {name: getattr(client, name) for name in _FIELDS}
    try:
        with session.connection.begin_nested():
            session.connection.execute(
                insert(cds_client), {**values, "origins": list(client.origins), "created_at": now}
            )
    except IntegrityError as error:
        text = "This issuer (with this tenant) is on a trust list already; remove that client first."
        raise DuplicateRequest(text, client.id) from error


def clients(session: Session) -> list[CdsClient]:
    """The clinic's trust list, by name."""
    rows = session.connection.execute(
        select(*(cds_client.c[name] for name in _FIELDS))
        .where(cds_client.c.clinic_id == session.clinic, cds_client.c.removed_at.is_(None))
        .order_by(cds_client.c.name, cds_client.c.id)
    )
    return [_to_client(row) for row in rows]


def remove_client(session: Session, id: str, now: datetime) -> None:
    """Its tokens are not believed any more; the row stays, because feedback names it."""
    session.connection.execute(
        update(cds_client)
        .where(cds_client.c.clinic_id == session.clinic, cds_client.c.id == id)
        .values(removed_at=now)
    )


def find_client(session: Session, issuer: str, tenant: str) -> CdsClient | None:
    """The client whose tokens name this issuer and tenant; enters its clinic."""
    session.show_key(f"{issuer} {tenant}")
    row = session.connection.execute(
        select(*(cds_client.c[name] for name in _FIELDS)).where(
            cds_client.c.issuer == issuer, cds_client.c.tenant == tenant, cds_client.c.removed_at.is_(None)
        )
    ).one_or_none()
    if row is None:
        return None
    found = _to_client(row)
    session.enter_clinic(found.clinic_id)
    return found


def knows_origin(session: Session, origin: str) -> bool:
    """Whether pages of this origin belong to a client of any clinic."""
    session.show_key(origin)
    query = select(cds_client.c.id).where(
        literal(origin) == any_(cds_client.c.origins), cds_client.c.removed_at.is_(None)
    )
    return session.connection.execute(query.limit(1)).first() is not None


_USE: Final = text("SELECT cds_use_token(CAST(:clinic AS uuid), :client, :jti, :expires_at, :now)")


def use_token(
    connection: Connection, client: CdsClient, jti_digest: bytes, expires_at: datetime, now: datetime
) -> bool:
    """False where it was used before; one statement of its own (see Database.statement).

    So a call that fails afterwards has used its token up all the same.
    """
    first: bool = connection.scalar(
        _USE,
        {
            "clinic": client.clinic_id,
            "client": client.id,
            "jti": jti_digest,
            "expires_at": expires_at,
            "now": now,
        },
    )
    return first


# ---- What a call is about


@dataclass(frozen=True, slots=True)
class OrderAtHand:
    """An order in use with all that a card about it needs.

    `body` is its ServiceRequest as JSON, `request_id` the open request, `cards` those that were shown before.
    """

    id: str
    found: FactsOfOrder
    body: str
    request_id: str | None
    cards: frozenset[str]


_READ: Final = text(
    "SELECT CAST(cds_read(:patient, :born, CAST(:systems AS text[]), CAST(:values AS text[])) AS text)"
)


def read_orders(
    session: Session, patient_id: str, born: date | None, identifiers: Sequence[tuple[str, str]]
) -> tuple[list[str], list[OrderAtHand]]:
    """(our ids of the patient, their orders in use), in one statement; both empty for somebody unknown.

    Identifiers (system, value) count before the id, which may be another server's and somebody else's here:
    a date of birth that is known on both sides has to agree. Several ids are one person registered twice.
    """
    parameters = {
        "patient": patient_id,
        "born": born,
        "systems": [system for system, _ in identifiers],
        "values": [value for _, value in identifiers],
    }
    read = orjson.loads(session.connection.scalar(_READ, parameters) or "")
    return read["patients"], [
        OrderAtHand(
            id=row["id"],
            found=facts_from(row["facts"]),
            body=row["document"],
            request_id=row["request"],
            cards=frozenset(row["cards"]),
        )
        for row in read["orders"]
    ]


# ---- Cards and what became of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A card, by the id that its feedback names; no order where a draft led to none of ours."""

    id: str
    hook: str
    topic: str
    patient_id: str | None
    order_id: str | None


def note_cards(session: Session, cards: Iterable[Shown], now: datetime) -> None:
    """Remember cards by their ids; those that were shown before stay as they are."""
    rows = [
        {
            "clinic_id": session.clinic,
            "id": card.id,
            "hook": card.hook,
            "topic": card.topic,
            "patient_id": card.patient_id,
            "order_id": card.order_id,
            "first_shown_at": now,
        }
        for card in cards
    ]
    if rows:
        # In one order, so that two calls about the same orders do not wait for each other in a circle.
        rows.sort(key=lambda row: str(row["id"]))
        session.connection.execute(upsert(cds_card).on_conflict_do_nothing(), rows)


def find_cards(session: Session, ids: Iterable[str]) -> dict[str, Shown]:
    """By id; what this clinic was never shown is missing from the result."""
    fields = ("id", "hook", "topic", "patient_id", "order_id")
    rows = session.connection.execute(
        select(*(cds_card.c[name] for name in fields)).where(
            cds_card.c.clinic_id == session.clinic, cds_card.c.id.in_(list(ids))
        )
    )
    return {row.id: Shown(**row._asdict()) for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What a person did with a card. `comment` is free text and may be about the patient."""

    id: str
    card_id: str
    client_id: str
    outcome: str
    outcome_at: datetime
    suggestions: tuple[str, ...] = ()
    reason_system: str | None = None
    reason_code: str | None = None
    reason_text: str | None = None
    comment: str | None = None


_FEEDBACK: Final = tuple(Feedback.__slots__)


def add_feedback(session: Session, feedback: Feedback, now: datetime) -> bool:
    """False where the same client has said the same before: clients repeat what was not confirmed."""
    values = {name: getattr(feedback, name) for name in _FEEDBACK}
    values |= {"clinic_id": session.clinic, "suggestions": list(feedback.suggestions), "received_at": now}
    statement = upsert(cds_feedback).values(values).on_conflict_do_nothing().returning(cds_feedback.c.id)
    return session.connection.scalar(statement) is not None


@dataclass(frozen=True, slots=True)
class Answered:
    """Feedback with the card that it is about, and who sent it; a bearer client has no name here."""

    card: Shown
    feedback: Feedback
    client: str | None


def feedback_of_order(session: Session, order_id: str, limit: int = 50) -> list[Answered]:
    """Newest first."""
    card = [cds_card.c[name].label(f"card_{name}") for name in ("hook", "topic", "patient_id", "order_id")]
    rows = session.connection.execute(
        select(*(cds_feedback.c[name] for name in _FEEDBACK), *card, cds_client.c.name.label("client"))
        .join_from(
            cds_feedback,
            cds_card,
            (cds_card.c.clinic_id == cds_feedback.c.clinic_id) & (cds_card.c.id == cds_feedback.c.card_id),
        )
        .outerjoin(
            cds_client,
            (cds_client.c.clinic_id == cds_feedback.c.clinic_id)
            & (cds_client.c.id == cds_feedback.c.client_id),
        )
        .where(cds_card.c.clinic_id == session.clinic, cds_card.c.order_id == order_id)
        .order_by(cds_feedback.c.outcome_at.desc(), cds_feedback.c.id)
        .limit(limit)
    )
    return [
        Answered(
            Shown(
                id=row.card_id,
                hook=row.card_hook,
                topic=row.card_topic,
                patient_id=row.card_patient_id,
                order_id=row.card_order_id,
            ),
            Feedback(
                **{name: getattr(row, name) for name in _FEEDBACK if name != "suggestions"},
                suggestions=tuple(row.suggestions),
            ),
            row.client,
        )
        for row in rows
    ]
