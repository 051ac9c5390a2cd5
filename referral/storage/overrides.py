"""Emergency access: the database's own functions write who asks and decides; the review is a plain row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, func, insert, literal, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from referral.domain.audit import Actor
from referral.domain.codes import OverrideReason
from referral.domain.errors import Forbidden, NotFound, ReferralError, TransitionRefused
from referral.domain.override import REVIEW_WITHIN, OverrideCase
from referral.domain.records import Order
from referral.storage import clinics
from referral.storage.db import Session, one_of, sql_state
from referral.storage.tables import (
    infusion_order,
    override_decision,
    override_request,
    override_review,
    treatment_start,
)


def cases(session: Session) -> Select[Any]:
    """Every request of the clinic with what became of it, newest first."""
    return cases_of(literal(session.clinic, override_request.c.clinic_id.type))


def cases_of(clinic: ColumnElement[Any]) -> Select[Any]:
    """The same of a clinic that a statement binds."""
    asked, said, found, used = override_request, override_decision, override_review, treatment_start
    return (
        select(
            asked.c.id,
            asked.c.patient_id,
            asked.c.order_id,
            asked.c.reason_code,
            asked.c.requested_by,
            asked.c.requested_at,
            said.c.outcome,
            said.c.decided_by,
            said.c.decided_at,
            said.c.expires_at,
            used.c.id.label("start_id"),
            used.c.started_at,
            found.c.justified,
            found.c.reviewed_by,
            found.c.reviewed_at,
        )
        .outerjoin(said, (said.c.clinic_id == asked.c.clinic_id) & (said.c.request_id == asked.c.id))
        .outerjoin(found, (found.c.clinic_id == asked.c.clinic_id) & (found.c.request_id == asked.c.id))
        .outerjoin(used, (used.c.clinic_id == asked.c.clinic_id) & (used.c.override_id == asked.c.id))
        .where(asked.c.clinic_id == clinic)
        .order_by(asked.c.requested_at.desc(), asked.c.id)
    )


# The columns of cases().
NAMES: Final = (
    *("id", "patient_id", "order_id", "reason_code", "requested_by", "requested_at", "outcome"),
    *("decided_by", "decided_at", "expires_at", "start_id", "started_at"),
    *("justified", "reviewed_by", "reviewed_at"),
)


def to_case(row: Any) -> OverrideCase:
    """From the columns of cases() by name."""
    values = dict(row)
    outcome = values.pop("outcome")
    approved = None if outcome is None else outcome == "approved"
    values["reason_code"] = OverrideReason(values["reason_code"])
    return OverrideCase(approved=approved, **values)


def get(session: Session, id: str) -> OverrideCase:
    """Raises NotFound where there is none in this clinic."""
    query = cases(session).where(override_request.c.id == id)
    row = session.connection.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no request for emergency access with id {id}.")
    return to_case(row)


def of_order(session: Session, order_id: str) -> list[OverrideCase]:
    """Newest first."""
    query = cases(session).where(override_request.c.order_id == order_id)
    return [to_case(row) for row in session.connection.execute(query).mappings()]


def _current() -> Select[Any]:
    said = override_decision
    since: BindParameter[Any] = bindparam("since")
    undecided = said.c.outcome.is_(None) & (override_request.c.requested_at > since)
    declined = one_of(said.c.outcome, ["declined"]) & (said.c.decided_at > since)
    unreviewed = one_of(said.c.outcome, ["approved"]) & override_review.c.justified.is_(None)
    return cases_of(bindparam("clinic")).where(undecided | declined | unreviewed)


_CURRENT: Final = _current()


def current(session: Session, since: datetime) -> list[OverrideCase]:
    """What concerns somebody now: undecided or declined since `since`, or not reviewed yet. Newest first."""
    given = {"clinic": session.clinic, "since": since}
    return [to_case(row) for row in session.connection.execute(_CURRENT, given).mappings()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How often since a time; `to_review` and `overdue` are all that wait, whenever they were given."""

    asked: int
    approved: int
    declined: int
    used: int
    justified: int
    unjustified: int
    to_review: int
    overdue: int


def counts(session: Session, since: datetime, now: datetime) -> Counts:
    """Requests made since `since`, by what became of them."""
    case = cases(session).order_by(None).subquery()
    recent, approved = case.c.requested_at >= since, case.c.outcome == "approved"
    open_review = approved & case.c.justified.is_(None)
    row = session.connection.execute(
        select(
            func.count().filter(recent).label("asked"),
            func.count().filter(recent & approved).label("approved"),
            func.count().filter(recent & (case.c.outcome == "declined")).label("declined"),
            func.count().filter(recent & case.c.start_id.is_not(None)).label("used"),
            func.count().filter(recent & case.c.justified).label("justified"),
            func.count().filter(recent & ~case.c.justified).label("unjustified"),
            func.count().filter(open_review).label("to_review"),
            func.count().filter(open_review & (case.c.decided_at <= now - REVIEW_WITHIN)).label("overdue"),
        ).select_from(case)
    ).one()
    return Counts(**row._asdict())


_IN_FORCE: Final = text(
    "SELECT EXISTS (SELECT FROM override_decision WHERE clinic_id = current_clinic() AND order_id = :order_id"
    " AND outcome = 'approved' AND expires_at > clock_timestamp())"
)


def in_force(session: Session, order_id: str) -> bool:
    """Whether a start of this order may come to rest on an override; the gate itself decides."""
    return bool(session.connection.scalar(_IN_FORCE, {"order_id": order_id}))


def run_out(session: Session, now: datetime, limit: int = 50) -> list[str]:
    """The ids of orders that say active although their override is past and nothing else opens them."""
    decided = override_decision
    ended = select(decided.c.order_id).where(
        decided.c.clinic_id == session.clinic, decided.c.outcome == "approved", decided.c.expires_at <= now
    )
    refused = func.cardinality(text("(gate_check(infusion_order.id, :at)).refusals").bindparams(at=now)) > 0
    query = select(infusion_order.c.id).where(
        infusion_order.c.clinic_id == session.clinic,
        infusion_order.c.status == "active",
        infusion_order.c.id.in_(ended),
        refused,
    )
    return list(session.connection.scalars(query.order_by(infusion_order.c.id).limit(limit)))


# ---- What people say about it


def words(session: Session, id: str) -> tuple[str, str]:
    """Why it was asked for, and what the review found (empty before it). Decrypted."""
    asked, found = override_request, override_review
    row = session.connection.execute(
        select(asked.c.sealed_reason, found.c.sealed_note)
        .outerjoin(found, (found.c.clinic_id == asked.c.clinic_id) & (found.c.request_id == asked.c.id))
        .where(asked.c.clinic_id == session.clinic, asked.c.id == id)
    ).one()
    return _opened(session, row.sealed_reason, f"override/{id}"), _opened(
        session, row.sealed_note, f"override-review/{id}"
    )


def _opened(session: Session, sealed: bytes | None, purpose: str) -> str:
    wrapped = clinics.current(session).wrapped_key
    return session.vault.open(wrapped, sealed, purpose).decode() if sealed is not None else ""


def _sealed(session: Session, words: str, purpose: str) -> bytes:
    return session.vault.seal(clinics.current(session).wrapped_key, words.encode(), purpose)


# ---- Asking and deciding

_SENTENCES: Final[dict[str, tuple[type[ReferralError], str]]] = {
    "off": (TransitionRefused, "Clinic policy does not allow emergency access."),
    "not-needed": (TransitionRefused, "The gate is open: emergency access is not needed."),
    "not-enough": (
        TransitionRefused,
        "Emergency access can stand in for the recommendation only, and more than that is missing.",
    ),
    "asked-already": (
        TransitionRefused,
        "Somebody has asked for emergency access to this order already; a medical director decides first.",
    ),
    "decided-already": (TransitionRefused, "This request has been decided already."),
    "lapsed": (TransitionRefused, "This request is more than 60 minutes old. It has to be asked for again."),
    "same-person": (
        Forbidden,
        "Whoever asks for emergency access cannot approve it. Another medical director has to.",
    ),
    "not-allowed": (Forbidden, "Your role may not do this. Ask the clinic's administrator if it should."),
    "not-reauthenticated": (Forbidden, "Please give your password once more; it counts for five minutes."),
    "order-unknown": (NotFound, "There is no such infusion order of this patient."),
    "request-unknown": (NotFound, "There is no such request for emergency access."),
}
_ASK: Final = text(
    "SELECT override_ask(:id, :order_id, :patient_id, :token, :reason_code, :sealed, :address, :request_id)"
)
_DECIDE: Final = text("SELECT override_decide(:id, :token, :approve, :address, :request_id)")


def _call(session: Session, statement: Any, **values: Any) -> datetime | None:
    try:
        with session.connection.begin_nested():
            at: datetime | None = session.connection.scalar(statement, values)
            return at
    except DBAPIError as error:
        raise _refusal(error) from error


def _refusal(error: DBAPIError) -> Exception:
    """A refusal of the database's functions, or somebody else who holds the gate; anything else is a bug."""
    state = sql_state(error)
    if state == "RG002":
        code = getattr(getattr(error.orig, "diag", None), "message_detail", None) or ""
        kind, sentence = _SENTENCES[code]
        return kind(sentence)
    if state == "55P03":
        return TransitionRefused("Somebody is changing this order at this moment. Please try again.")
    return error


def ask(
    session: Session,
    actor: Actor,
    token_digest: bytes,
    *,
    id: str,
    order: Order,
    reason_code: OverrideReason,
    reason: str,
) -> None:
    """The person of this session asks; the database checks role, password, policy and gate, and audits it.

    Raises TransitionRefused and Forbidden with the sentences above.
    """
    _call(
        session,
        _ASK,
        id=id,
        order_id=order.id,
        patient_id=order.patient_id,
        token=token_digest,
        reason_code=reason_code,
        sealed=_sealed(session, reason, f"override/{id}"),
        address=actor.address,
        request_id=actor.request_id,
    )


def decide(session: Session, actor: Actor, token_digest: bytes, id: str, *, approve: bool) -> datetime | None:
    """The person of this session approves or declines; returns until when a start may use it.

    Raises as ask().
    """
    return _call(
        session,
        _DECIDE,
        id=id,
        token=token_digest,
        approve=approve,
        address=actor.address,
        request_id=actor.request_id,
    )


def review(session: Session, case: OverrideCase, by: str, *, justified: bool, note: str) -> None:
    """What was found afterwards, once. Raises TransitionRefused where somebody was faster."""
    try:
        with session.connection.begin_nested():
            session.connection.execute(
                insert(override_review).values(
                    clinic_id=session.clinic,
                    request_id=case.id,
                    requested_by=case.requested_by,
                    justified=justified,
                    sealed_note=_sealed(session, note, f"override-review/{case.id}"),
                    reviewed_by=by,
                    reviewed_at=func.clock_timestamp(),
                )
            )
    except IntegrityError as error:
        if sql_state(error) != "23505":
            raise
        raise TransitionRefused("This has been reviewed already.") from error
