"""What becomes of a message to whoever is on call; where it has reached nobody, the next is told at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.outgoing import REACHED, MessageState
from referral.services.call_on_duty import call_on_duty
from referral.storage import audit, on_call
from referral.storage.db import Session
from referral.storage.on_call import SafetyCall


def end_safety_call(
    session: Session, call: SafetyCall, state: MessageState, error: str | None, now: datetime, **values: Any
) -> bool:
    """Once; False where somebody else has ended `call` meanwhile. `values` are more columns of its row."""
    values = {"finished_at": now, **values}
    if not on_call.change(session, call, state=state, last_error=error, **values):
        return False
    entry = AuditEntry(
        action=Action.EXECUTE,
        subtype="safety-called",
        entity=f"Task/{call.task_id}",
        detail={"step": call.step, "state": state, "contact": call.contact_id},
    )
    audit.record(session, Actor(session.clinic, "system", "worker"), entry)
    if state not in REACHED:
        call_on_duty(session, now, {call.task_id})
    return True
