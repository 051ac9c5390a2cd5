"""Answers with everything that was said about them, decided conflicts, and what is due to be asked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import insert, select, text

from referral.domain.codes import ClinicianKind, Decision, Strength
from referral.domain.life import Cause, Conflict, Remark, Standing
from referral.storage import tables
from referral.storage.db import Session, among

_COLUMNS: Final = """
    SELECT r.id, r.patient_id, r.order_id, r.referral_id, r.clinician_id, r.clinician_kind, r.decision,
           r.covers, r.red_flags, r.strength, r.answered_at, r.valid_until, r.response_id, r.document_id,
           r.renews,
           v.made_by AS review_by, v.made_at AS review_at, v.reason AS review_reason, v.accepted,
           f.made_by AS confirmed_by, f.made_at AS confirmed_at, f.spoke_with,
           x.made_by AS void_by, x.made_at AS void_at, x.reason AS void_reason, x.cause
      FROM recommendation r
      LEFT JOIN LATERAL (SELECT * FROM recommendation_review v WHERE v.clinic_id = r.clinic_id
                         AND v.recommendation_id = r.id ORDER BY v.id DESC LIMIT 1) v ON true
      LEFT JOIN LATERAL (SELECT * FROM recommendation_confirmation f WHERE f.clinic_id = r.clinic_id
                         AND f.recommendation_id = r.id ORDER BY f.id DESC LIMIT 1) f ON true
      LEFT JOIN LATERAL (SELECT * FROM recommendation_void x WHERE x.clinic_id = r.clinic_id
                         AND x.recommendation_id = r.id ORDER BY x.id LIMIT 1) x ON true
     WHERE r.clinic_id = :clinic"""
_OF_ORDERS: Final = text(f"{_COLUMNS} AND r.order_id = ANY (:ids) ORDER BY r.answered_at, r.id")
_OF_REFERRALS: Final = text(f"{_COLUMNS} AND r.referral_id = ANY (:ids) ORDER BY r.answered_at, r.id")

_IN_USE: Final = """
      JOIN infusion_order o ON o.clinic_id = r.clinic_id AND o.id = r.order_id
       AND o.status IN ('on-hold', 'active')"""
_POSITIVE: Final = "IN ('recommended', 'recommended-with-conditions')"


def _no(remark: str, about: str = "r") -> str:
    """No such remark on the recommendation `about`."""
    return (
        f"NOT EXISTS (SELECT FROM recommendation_{remark} q"
        f" WHERE q.clinic_id = {about}.clinic_id AND q.recommendation_id = {about}.id)"
    )


def _not_declined(about: str) -> str:
    """The medical director's last word on the recommendation `about` was not no."""
    newest = (
        f"v.clinic_id = {about}.clinic_id AND v.recommendation_id = {about}.id ORDER BY v.id DESC LIMIT 1"
    )
    return f"coalesce((SELECT v.accepted FROM recommendation_review v WHERE {newest}), true)"  # noqa: S608


# Orders in use with an answer that a person of the clinic may have to look at; the rulebook decides which.
_TO_LOOK_AT: Final = text(f"""
    SELECT DISTINCT r.order_id FROM recommendation r {_IN_USE}
     WHERE r.clinic_id = :clinic AND {_no("void")}
       AND (r.decision = 'not-recommended'
            OR (r.valid_until > :now
                AND (((cardinality(r.red_flags) > 0 OR r.decision = 'recommended-with-conditions')
                      AND {_no("review")})
                     OR (r.strength <> ALL (:strong) AND {_no("confirmation")}))))
     ORDER BY r.order_id LIMIT :limit""")  # noqa: S608 - made of constants

# Requests whose recommendation ends soon and has not been asked about since it was given. One that lasts
# longer, by whomever, spares everybody the question.
_TO_RENEW: Final = text(f"""
    SELECT r.referral_id FROM recommendation r {_IN_USE}
     WHERE r.clinic_id = :clinic AND r.valid_until > :now AND r.valid_until <= :soon
       AND r.decision {_POSITIVE} AND {_no("void")} AND {_not_declined("r")}
       AND NOT EXISTS (SELECT FROM recommendation n WHERE n.clinic_id = r.clinic_id
                       AND n.order_id = r.order_id AND n.decision {_POSITIVE} AND n.valid_until > :soon
                       AND {_no("void", "n")} AND {_not_declined("n")})
       AND NOT EXISTS (SELECT FROM message m WHERE m.clinic_id = r.clinic_id
                       AND m.referral_id = r.referral_id AND m.kind = 'renewal'
                       AND m.created_at >= r.answered_at)
     ORDER BY r.valid_until LIMIT :limit""")  # noqa: S608 - made of constants

# Orders in use whose treatment has begun and rests since before `since`, with a recommendation as old as it.
_RESTING: Final = text(f"""
    SELECT o.id, s.last_start FROM infusion_order o
      JOIN LATERAL (SELECT max(t.started_at) AS last_start FROM treatment_start t
                    WHERE t.clinic_id = o.clinic_id AND t.order_id = o.id) s ON s.last_start < :since
     WHERE o.clinic_id = :clinic AND o.status IN ('on-hold', 'active')
       AND EXISTS (SELECT FROM recommendation r WHERE r.clinic_id = o.clinic_id AND r.order_id = o.id
                   AND r.answered_at < :since AND r.valid_until > :now
                   AND r.decision {_POSITIVE} AND {_no("void")})
     ORDER BY o.id LIMIT :limit""")  # noqa: S608 - made of constants


def of_orders(session: Session, order_ids: Iterable[str]) -> list[Standing]:
    """Every answer about these orders, oldest first."""
    ids = list(order_ids)
    if not ids:
        return []
    rows = session.connection.execute(_OF_ORDERS, {"clinic": session.clinic, "ids": ids})
    return [_to_standing(row) for row in rows]


def of_referral(session: Session, referral_id: str) -> list[Standing]:
    """Every answer to this request, oldest first: the first one and its renewals."""
    return of_referrals(session, [referral_id])[referral_id]


def of_referrals(session: Session, referral_ids: Iterable[str]) -> dict[str, list[Standing]]:
    """Every answer to these requests, oldest first, by request; an empty list where there is none."""
    found: dict[str, list[Standing]] = {id: [] for id in referral_ids}
    if found:
        rows = session.connection.execute(_OF_REFERRALS, {"clinic": session.clinic, "ids": list(found)})
        for row in rows:
            found[row.referral_id].append(_to_standing(row))
    return found


def _to_standing(row: Any) -> Standing:
    review = Remark(row.review_by, row.review_at, row.review_reason, accepted=row.accepted)
    void = Remark(row.void_by, row.void_at, row.void_reason, cause=Cause(row.cause)) if row.void_by else None
    return Standing(
        id=row.id,
        patient_id=row.patient_id,
        order_id=row.order_id,
        referral_id=row.referral_id,
        clinician_id=row.clinician_id,
        clinician_kind=ClinicianKind(row.clinician_kind),
        decision=Decision(row.decision),
        covers=frozenset(row.covers),
        red_flags=tuple(dict.fromkeys(row.red_flags)),
        strength=Strength(row.strength),
        answered_at=row.answered_at,
        valid_until=row.valid_until,
        response_id=row.response_id,
        document_id=row.document_id,
        renews=row.renews,
        review=review if row.review_by else None,
        confirmation=Remark(row.confirmed_by, row.confirmed_at, row.spoke_with) if row.confirmed_by else None,
        void=void,
    )


def stands(session: Session, referral_id: str) -> bool:
    """Whether a recommendation that answers this request has not been voided, past its time or not."""
    return is_standing(of_referral(session, referral_id))


def is_standing(answers: Iterable[Standing]) -> bool:
    """As stands(), of answers that were read before."""
    return any(answer.is_living and answer.is_positive for answer in answers)


def to_look_at(session: Session, strong: Iterable[str], now: datetime, limit: int) -> list[str]:
    """Ids of orders in use with answers that may wait for a person; `strong` strengths count at once."""
    values = {"clinic": session.clinic, "strong": list(strong), "now": now, "limit": limit}
    return list(session.connection.scalars(_TO_LOOK_AT, values))


def to_renew(session: Session, now: datetime, soon: datetime, limit: int) -> list[str]:
    """Ids of requests whose clinician is to be asked whether the answer is still true."""
    values = {"clinic": session.clinic, "now": now, "soon": soon, "limit": limit}
    return list(session.connection.scalars(_TO_RENEW, values))


def resting(session: Session, since: datetime, now: datetime, limit: int) -> list[tuple[str, datetime]]:
    """(order, last start) where nothing was started after `since` although treatment had begun."""
    values = {"clinic": session.clinic, "since": since, "now": now, "limit": limit}
    return [(row.id, row.last_start) for row in session.connection.execute(_RESTING, values)]


# ---- Conflicts


def kept_pairs(session: Session, order_ids: Iterable[str]) -> dict[tuple[str, str], Remark]:
    """What the medical director has said of (recommendation, refusal) pairs of these orders."""
    table, ids = tables.conflict_decision, list(order_ids)
    if not ids:
        return {}
    rows = session.connection.execute(
        select(table).where(table.c.clinic_id == session.clinic, among(table.c.order_id, ids))
    )
    return {
        (row.recommendation_id, row.refusal_id): Remark(
            row.made_by, row.made_at, row.reason, accepted=row.kept
        )
        for row in rows
    }


def decide_conflict(
    session: Session, conflict: Conflict, made_by: str, reason: str, now: datetime, *, kept: bool
) -> None:
    """Add the decision. The caller holds the order and has seen that there is none yet."""
    row = {
        "clinic_id": session.clinic,
        "patient_id": conflict.recommendation.patient_id,
        "order_id": conflict.recommendation.order_id,
        "recommendation_id": conflict.recommendation.id,
        "refusal_id": conflict.refusal.id,
        "kept": kept,
        "made_by": made_by,
        "reason": reason,
        "made_at": now,
    }
    session.connection.execute(insert(tables.conflict_decision).inline(), row)
