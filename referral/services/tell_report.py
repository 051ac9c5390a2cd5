"""Somebody has told a recommender by voice what a report says, because it has not arrived."""

from __future__ import annotations

from datetime import datetime

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import NotFound, TransitionRefused
from referral.domain.outgoing import NOT_LEFT, REACHED
from referral.services.still_wanted import cancel
from referral.storage import audit, course_reports, orders, outbox, referrals
from referral.storage.db import Session


def tell_report(session: Session, actor: Actor, order_id: str, report_id: str, now: datetime) -> None:
    """It is late no more, and what has not left of it is stopped: nobody hears the same twice.

    Refuses what has arrived, and what a patient or the clinician does not want told. Twice is harmless.
    """
    orders.get(session, order_id, lock=True)
    known = course_reports.get(session, report_id)
    if known is None or known.order_id != order_id:
        raise NotFound("There is no such report of this order.")
    referral = referrals.get(session, known.referral_id, lock=True)
    report = course_reports.get(session, report_id, lock=True) or known
    if report.told_at is not None:
        return
    if not report.may_be_told:
        raise TransitionRefused("This report is not to be told to this clinician.", "told")
    message = outbox.get(session, report.message_id, lock=True) if report.message_id else None
    if message is not None and message.state in REACHED:
        raise TransitionRefused("This report has arrived meanwhile.", "told")
    if message is not None and message.state in NOT_LEFT:
        cancel(session, [message], now)
    course_reports.change(session, report.id, told_at=now, told_by=actor.id)
    referrals.note(session, referral.id, "report-told", actor.id, now, occasion=report.occasion)
    entry = AuditEntry(
        action=Action.EXECUTE,
        subtype="report-told",
        entity=f"ServiceRequest/{referral.id}",
        patient_id=report.patient_id,
        detail={"occasion": report.occasion, "recipient": f"PractitionerRole/{referral.clinician_id}"},
    )
    audit.record(session, actor, entry)
