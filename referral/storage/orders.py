"""Infusion orders, what the gate looks at, and treatment starts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    Date,
    Integer,
    Text,
    any_,
    bindparam,
    exists,
    func,
    insert,
    literal_column,
    not_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError

from referral.domain.audit import Actor
from referral.domain.codes import ClinicianKind, Decision, Strength
from referral.domain.errors import GateClosed, NotFound, TransitionRefused
from referral.domain.gate import RESTORING, GateFacts, Override, Recommendation
from referral.domain.policy import ICD_10_CM, Indication
from referral.domain.quick import quick
from referral.domain.records import Order
from referral.storage import tables
from referral.storage.db import GATE_CLOSED, Session, among, one_of, sql_state

USABLE: Final = ("on-hold", "active")
# The planned day as a key that is never NULL: without one an order comes after all others. No plan reaches
# this day, and the driver cannot read PostgreSQL's own "infinity". The same expression is indexed.
DAY: Final = func.coalesce(
    tables.infusion_order.c.first_infusion_on, literal_column("DATE '9999-12-31'", Date()), type_=Date()
)


# Statements of the busiest paths are made once: making one costs as much as sending it.
_ADD: Final = insert(tables.infusion_order).inline()
_ADD_INDICATION: Final = insert(tables.order_indication).inline()


def add(session: Session, order: Order, created_by: str) -> None:
    """The order with its indications; the gate of an order is made by the database (trigger make_gate)."""
    session.connection.execute(
        _ADD,
        {
            "clinic_id": session.clinic,
            "id": order.id,
            "patient_id": order.patient_id,
            "status": order.status,
            "planned_sessions": order.planned_sessions,
            "first_infusion_on": order.first_infusion_on,
            "created_by": created_by,
            "created_at": order.created_at,
        },
    )
    add_indications(session, order.id, order.indications)
    session.kept["infusion_order", order.id] = order


def add_indications(
    session: Session, order_id: str, indications: Iterable[Indication], first: int = 0
) -> None:
    """Indications are only ever added: one more can close the gate, none can be taken away to open it."""
    session.kept.pop(("infusion_order", order_id), None)
    rows = [
        {
            "clinic_id": session.clinic,
            "order_id": order_id,
            "system": indication.system,
            "code": indication.code,
            "display": indication.display,
            "position": first + place,
        }
        for place, indication in enumerate(indications)
    ]
    if rows:
        session.connection.execute(_ADD_INDICATION, rows)


_INDICATIONS: Final = (
    select(*(tables.order_indication.c[name] for name in ("order_id", "system", "code", "display")))
    .where(
        tables.order_indication.c.clinic_id == bindparam("clinic"),
        tables.order_indication.c.order_id == any_(bindparam("ids", type_=ARRAY(Text))),
    )
    .order_by(tables.order_indication.c.order_id, tables.order_indication.c.position)
)


def to_orders(session: Session, rows: Iterable[Any]) -> list[Order]:
    """The orders of these rows, in their order, with their indications."""
    found = list(rows)
    if not found:
        return []
    indications: dict[str, list[Indication]] = {row.id: [] for row in found}
    given = {"clinic": session.clinic, "ids": list(indications)}
    for row in session.connection.execute(_INDICATIONS, given).all():
        indications[row.order_id].append(Indication(row.system, row.code, row.display))
    return [
        Order(
            id=row.id,
            patient_id=row.patient_id,
            status=row.status,
            indications=tuple(indications[row.id]),
            planned_sessions=row.planned_sessions,
            first_infusion_on=row.first_infusion_on,
            created_at=row.created_at,
        )
        for row in found
    ]


_ONE: Final = select(tables.infusion_order).where(
    tables.infusion_order.c.clinic_id == bindparam("clinic"), tables.infusion_order.c.id == bindparam("id")
)
_HELD: Final = _ONE.with_for_update(key_share=True)


def get(session: Session, id: str, *, lock: bool = False) -> Order:
    """Raises NotFound where there is none in this clinic. `lock` comes before any other, see referrals.get().

    What only points to the order, such as a treatment start, does not wait for the lock.
    """
    # Kept only while nobody else can change it: this transaction has made it, or holds its lock.
    kept: Order | None = session.kept.get(("infusion_order", id))
    if kept is not None:
        return kept
    given = {"clinic": session.clinic, "id": id}
    row = session.connection.execute(_HELD if lock else _ONE, given).one_or_none()
    if row is None:
        raise NotFound(f"There is no infusion order with id {id}.")
    order = to_orders(session, [row])[0]
    if lock:
        session.kept["infusion_order", id] = order
    return order


def find_by_id(session: Session, id: str) -> Order | None:
    """As get(), but None where there is none."""
    kept: Order | None = session.kept.get(("infusion_order", id))
    if kept is not None:
        return kept
    rows = session.connection.execute(_ONE, {"clinic": session.clinic, "id": id})
    return next(iter(to_orders(session, rows)), None)


_IN_USE: Final = (
    select(tables.infusion_order)
    .where(
        tables.infusion_order.c.clinic_id == bindparam("clinic"),
        one_of(tables.infusion_order.c.status, USABLE),
    )
    .order_by(DAY, tables.infusion_order.c.created_at, tables.infusion_order.c.id)
    .limit(bindparam("most", type_=Integer))
)


def find(
    session: Session, *, patient_id: str | None = None, from_day: date | None = None, limit: int = 50
) -> list[Order]:
    """Orders in use, those with the nearest planned infusion first, then those without a date."""
    table, query = tables.infusion_order, _IN_USE
    if patient_id is not None:
        query = query.where(table.c.patient_id == patient_id)
    if from_day is not None:
        query = query.where(table.c.first_infusion_on >= from_day)
    rows = session.connection.execute(query, {"clinic": session.clinic, "most": limit})
    return to_orders(session, rows.all())


def of_patients(session: Session, patient_ids: Iterable[str]) -> list[Order]:
    """All orders of these patients, newest first."""
    table = tables.infusion_order
    rows = session.connection.execute(
        select(table)
        .where(table.c.clinic_id == session.clinic, among(table.c.patient_id, patient_ids))
        .order_by(table.c.created_at.desc(), table.c.id)
    )
    return to_orders(session, rows)


_MANY: Final = select(tables.infusion_order).where(
    tables.infusion_order.c.clinic_id == bindparam("clinic"),
    tables.infusion_order.c.id == any_(bindparam("ids", type_=ARRAY(Text))),
)


def get_many(session: Session, ids: Iterable[str]) -> dict[str, Order]:
    """By id; what does not exist is missing from the result."""
    rows = session.connection.execute(_MANY, {"clinic": session.clinic, "ids": list(ids)})
    return {order.id: order for order in to_orders(session, rows)}


def with_code(session: Session, indication: Indication) -> list[str]:
    """The ids of the orders in use that have this code, or one that a rule for it would cover."""
    table, order = tables.order_indication, tables.infusion_order
    written, code = func.upper(func.btrim(table.c.code)), indication.code.strip().upper()
    longer = indication.system == ICD_10_CM and len(code) > 2
    matches = written.startswith(code, autoescape=True) if longer else written == code
    query = (
        select(order.c.id)
        .join(table, (table.c.clinic_id == order.c.clinic_id) & (table.c.order_id == order.c.id))
        .where(
            order.c.clinic_id == session.clinic,
            order.c.status.in_(USABLE),
            table.c.system == indication.system,
            matches,
        )
        .distinct()
        .order_by(order.c.id)
    )
    return list(session.connection.scalars(query))


def past_validity(session: Session, now: datetime, limit: int = 50) -> list[str]:
    """The ids of active orders that have had recommendations, none of which is valid at `now`."""
    table, given = tables.infusion_order, tables.recommendation
    answers = select(given.c.id).where(given.c.clinic_id == table.c.clinic_id, given.c.order_id == table.c.id)
    # Two conditions instead of the last of all times: so the search may begin where there are fewer, at the
    # orders that are active or at the answers whose time is over.
    query = select(table.c.id).where(
        table.c.clinic_id == session.clinic,
        table.c.status == "active",
        exists(answers.where(given.c.valid_until <= now)),
        not_(exists(answers.where(given.c.valid_until > now))),
    )
    return list(session.connection.scalars(query.order_by(table.c.id).limit(limit)))


def consulted_at(session: Session, order_id: str) -> datetime | None:
    """When the newest initial consultation of this order was held."""
    table = tables.consultation
    held: datetime | None = session.connection.scalar(
        select(func.max(table.c.held_at)).where(
            table.c.clinic_id == session.clinic, table.c.order_id == order_id
        )
    )
    return held


def set_status(session: Session, id: str, status: str) -> bool:
    """True when the status was another one before. The caller holds the order.

    An order is active while its gate is open: whoever listens to gates is told (docs/adr/0015).
    """
    session.kept.pop(("infusion_order", id), None)
    table, before = tables.infusion_order, tables.infusion_order.alias("before")
    was: str | None = session.connection.scalar(
        update(table)
        .where(
            table.c.clinic_id == session.clinic,
            table.c.id == id,
            table.c.status != status,
            before.c.clinic_id == table.c.clinic_id,
            before.c.id == table.c.id,
        )
        .values(status=status)
        .returning(before.c.status)
    )
    if "active" in (was, status) and was is not None:
        session.late.noticed.gates[id] = None
    return was is not None


# ---- What the gate looks at


@quick
@dataclass(frozen=True, slots=True)
class FactsOfOrder:
    patient_id: str
    policy_version: int | None
    facts: GateFacts


def facts_from(document: dict[str, Any]) -> FactsOfOrder:
    """The document of the database's gate_facts() as the rulebook's values."""
    recommendations = tuple(
        Recommendation(
            id=item["id"],
            decision=Decision(item["decision"]),
            clinician_kind=ClinicianKind(item["kind"]),
            strength=Strength(item["strength"]),
            answered_at=datetime.fromisoformat(item["answered_at"]),
            valid_until=datetime.fromisoformat(item["valid_until"]),
            covers=frozenset(item["covers"]),
            has_red_flags=item["has_red_flags"],
            confirmed_by_phone=item["confirmed"],
            review=item["review"],
            voided=item["voided"],
        )
        for item in document["recommendations"]
    )
    facts = GateFacts(
        indications=tuple(Indication(*parts) for parts in document["indications"]),
        consulted=document["consulted"],
        recommendations=recommendations,
        overrides=tuple(
            Override(
                id=item["id"],
                expires_at=datetime.fromisoformat(item["expires_at"]),
                used=item["used"],
            )
            for item in document["overrides"] or ()
        ),
        open_requests=document["open_requests"],
        order_usable=document["status"] in USABLE,
        restoring=document.get("restoring", False),
    )
    return FactsOfOrder(document["patient_id"], document["policy"], facts)


_FACTS: Final = text("SELECT gate_facts(:order_id)")
_FACTS_OF_MANY: Final = text("SELECT id, gate_facts(id) AS facts FROM unnest(CAST(:ids AS text[])) AS id")


def facts(session: Session, order_id: str) -> FactsOfOrder:
    """What the gate looks at, read in one statement; raises NotFound."""
    document = session.connection.scalar(_FACTS, {"order_id": order_id})
    if document is None:
        raise NotFound(f"There is no infusion order with id {order_id}.")
    return facts_from(document)


def facts_of_many(session: Session, ids: Iterable[str]) -> dict[str, FactsOfOrder]:
    """As facts(), by id; what does not exist is missing from the result."""
    rows = session.connection.execute(_FACTS_OF_MANY, {"ids": list(ids)}).all()
    return {row.id: facts_from(row.facts) for row in rows if row.facts is not None}


def add_consultation(
    session: Session, *, encounter_id: str, order: Order, held_at: datetime, recorded_by: str
) -> None:
    """The initial consultation was held; the gate looks at it from now on."""
    session.connection.execute(
        insert(tables.consultation).inline(),
        {
            "clinic_id": session.clinic,
            "encounter_id": encounter_id,
            "patient_id": order.patient_id,
            "order_id": order.id,
            "held_at": held_at,
            "recorded_by": recorded_by,
        },
    )


@dataclass(frozen=True, slots=True)
class TreatmentStart:
    id: str
    recommendation_id: str | None
    started_by: str
    started_at: datetime
    override_id: str | None = None


def starts(session: Session, order_id: str) -> list[TreatmentStart]:
    """Treatment starts of an order, newest first."""
    table = tables.treatment_start
    rows = session.connection.execute(
        select(
            table.c.id, table.c.recommendation_id, table.c.started_by, table.c.started_at, table.c.override_id
        )
        .where(table.c.clinic_id == session.clinic, table.c.order_id == order_id)
        .order_by(table.c.started_at.desc(), table.c.id)
    )
    return [TreatmentStart(*row) for row in rows]


_START: Final = text(
    "SELECT started_at, override_id"
    " FROM gate_start(:start, :order_id, :patient_id, :kind, :actor, :role, :address, :request_id)"
)
_SENTENCES: Final = {
    "order-unknown": "There is no such infusion order of this patient.",
    "order-not-in-use": "The infusion order is not in use (revoked, completed or entered in error).",
    "consultation-missing": "The initial consultation has not been recorded.",
    "policy-missing": "The clinic has no policy in force.",
    "indication-unclassified": "An indication of the order is not classified.",
    "recommendation-missing": "There is no valid recommendation.",
    "override-not-used": "A start that rests on emergency access has to use it up.",
    "restore-mode": RESTORING,
}


@dataclass(frozen=True, slots=True)
class Started:
    """`at` is the database's time; `override_id` is the override that this start has used up."""

    at: datetime
    override_id: str | None


# Two starts with one override under an isolation level that does not see the other's.
_ONE_START: Final = "uq_treatment_start_override"


def start_treatment(session: Session, actor: Actor, start_id: str, order_id: str, patient_id: str) -> Started:
    """Ask the database to start; returns when it did.

    Raises GateClosed with the reasons, also when the gate stays locked, and TransitionRefused for a second
    start with the same id. Either is the end of the transaction: whoever wants to go on in it begins a
    savepoint before (storage.db.attempt). Where the gate closes before the commit, that raises GateClosed.
    """
    try:
        row = session.connection.execute(
            _START,
            {
                "start": start_id,
                "order_id": order_id,
                "patient_id": patient_id,
                "kind": actor.kind,
                "actor": actor.id,
                "role": actor.role,
                "address": actor.address,
                "request_id": actor.request_id,
            },
        ).one()
    except DBAPIError as error:
        raise _refusal(error, order_id) from error
    session.at_commit = partial(_refusal, order_id=order_id)
    return Started(row.started_at, row.override_id)


def _refusal(error: DBAPIError, order_id: str) -> Exception:
    """A closed gate, a gate that somebody else holds, or a bug: only the last is passed on as it is."""
    state = sql_state(error)
    if state == GATE_CLOSED:
        detail = getattr(getattr(error.orig, "diag", None), "message_detail", None) or "unknown"
        reasons = tuple(_SENTENCES.get(code, "The gate could not be read.") for code in detail.split())
        return GateClosed(reasons, order_id=order_id)
    if state == "55P03":
        reasons = ("Somebody is changing this order at this moment. Please try again.",)
        return GateClosed(reasons, order_id=order_id)
    if state == "23505" and getattr(getattr(error.orig, "diag", None), "constraint_name", "") == _ONE_START:
        return GateClosed((_SENTENCES["recommendation-missing"],), order_id=order_id)
    if state == "23505":
        return TransitionRefused("This treatment has been started already.", "Procedure.status")
    return error
