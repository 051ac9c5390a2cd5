"""What patients have agreed to: every word is kept, the newest that was no error holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import insert, select, text

from referral.domain.consent import ConsentDecision, Consented, ConsentScope
from referral.storage.db import Session
from referral.storage.tables import consent_decision as table
from referral.storage.tables import patient

_HOLDS: Final = text("""
    SELECT DISTINCT ON (c.patient_id, c.scope)
           c.consent_id, c.patient_id, c.scope, c.decision, c.made_by, c.at
      FROM (SELECT DISTINCT ON (d.consent_id, d.scope) d.* FROM consent_decision d
             WHERE d.clinic_id = :clinic AND d.patient_id = ANY (:patients)
             ORDER BY d.consent_id, d.scope, d.id DESC) c
     WHERE c.decision <> 'undone'
     ORDER BY c.patient_id, c.scope, c.id DESC""")


def _to_consented(row: Any) -> Consented:
    return Consented(
        consent_id=row.consent_id,
        patient_id=row.patient_id,
        scope=ConsentScope(row.scope),
        decision=ConsentDecision(row.decision),
        made_by=row.made_by,
        at=row.at,
    )


def add(session: Session, new: Consented) -> None:
    """One more word; nothing is ever rewritten."""
    session.connection.execute(
        insert(table).inline(),
        {
            "clinic_id": session.clinic,
            "consent_id": new.consent_id,
            "patient_id": new.patient_id,
            "scope": new.scope,
            "decision": new.decision,
            "made_by": new.made_by,
            "at": new.at,
        },
    )


def of_patients(session: Session, patient_ids: Iterable[str]) -> dict[str, dict[ConsentScope, Consented]]:
    """What holds now, by patient and scope; nothing where nobody has said anything."""
    ids = list(dict.fromkeys(patient_ids))
    found: dict[str, dict[ConsentScope, Consented]] = {id: {} for id in ids}
    if ids:
        for row in session.connection.execute(_HOLDS, {"clinic": session.clinic, "patients": ids}):
            one = _to_consented(row)
            found[one.patient_id][one.scope] = one
    return found


def withdrawn(session: Session, patient_ids: Iterable[str]) -> dict[str, frozenset[ConsentScope]]:
    """The scopes that each patient has said no to."""
    return {
        id: frozenset(s for s, one in held.items() if one.decision is ConsentDecision.WITHDRAWN)
        for id, held in of_patients(session, patient_ids).items()
    }


def has_withdrawn(session: Session, patient_id: str, scope: ConsentScope) -> bool:
    """As withdrawn(), for one."""
    return scope in withdrawn(session, [patient_id])[patient_id]


def newest_word(session: Session, consent_id: str, scope: ConsentScope) -> ConsentDecision | None:
    """What was noted last for this Consent and scope; None where nothing was."""
    said = session.connection.scalar(
        select(table.c.decision)
        .where(table.c.clinic_id == session.clinic, table.c.consent_id == consent_id, table.c.scope == scope)
        .order_by(table.c.id.desc())
        .limit(1)
    )
    return ConsentDecision(said) if said else None


def hold_patient(session: Session, patient_id: str) -> None:
    """Nobody places an order for this patient until the transaction ends: its row would point to this one.

    Orders are held first, as everybody does (orders.get with lock).
    """
    session.connection.execute(
        select(patient.c.id)
        .where(patient.c.clinic_id == session.clinic, patient.c.id == patient_id)
        .with_for_update()
    )
