"""The audit rows of a list: one for each patient whose data it shows, for the search by patient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from referral.domain.audit import Action, Actor, AuditEntry
from referral.storage import audit
from referral.storage.db import Session


def note_shown(
    session: Session,
    actor: Actor,
    what: str,
    patient_ids: Iterable[str] | Counter[str],
    **detail: str | int,
) -> None:
    """`what` is the subtype, `shown` how many lines are about the patient; an empty list leaves one row.

    `patient_ids` has one id for each line, or the counts are given ready.
    """
    shown = Counter(patient_ids)
    entries = [
        AuditEntry(
            action=Action.READ,
            subtype=what,
            entity=f"Patient/{patient_id}",
            patient_id=patient_id,
            detail={**detail, "shown": count},
        )
        for patient_id, count in shown.items()
    ]
    nobody = AuditEntry(action=Action.READ, subtype=what, detail={**detail, "shown": 0})
    audit.record(session, actor, *(entries or [nobody]))
