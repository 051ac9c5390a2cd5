"""The one question about a visit, for the office that has promised it: read and answered on the portal."""

from __future__ import annotations

from datetime import date, datetime

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import CredentialUnusable
from referral.domain.follow_up import FollowUp
from referral.services.fill_in_for import require_clinician
from referral.services.follow_up import record_outcome
from referral.services.keep_standing import own_answer
from referral.storage import audit, credentials, directory, follow_ups
from referral.storage.credentials import PortalSession
from referral.storage.db import Session


def promised_by(session: Session, found: PortalSession) -> FollowUp | None:
    """The visit that came with the answer which this session may look after; None without one."""
    credential = credentials.get(session, found.selector)
    if credential is None or own_answer(session, found) is None:
        return None
    return follow_ups.of_referral(session, credential.referral_id)


def _visit(session: Session, found: PortalSession) -> FollowUp:
    visit = promised_by(session, found)
    if visit is None:
        raise CredentialUnusable("There is no visit to ask about here.")
    return visit


def read_visit(session: Session, actor: Actor, found: PortalSession) -> tuple[FollowUp, str]:
    """The visit and the patient's name. Raises CredentialUnusable. The look is recorded."""
    visit = _visit(session, found)
    entry = AuditEntry(
        action=Action.READ,
        subtype="follow-up",
        entity=f"Task/{visit.id}",
        patient_id=visit.patient_id,
        detail={"recipient": f"PractitionerRole/{visit.clinician_id}"},
    )
    audit.record(session, actor, entry)
    return visit, directory.get_patient(session, visit.patient_id).name


def answer_visit(
    session: Session, actor: Actor, found: PortalSession, outcome: str, day: date | None, now: datetime
) -> None:
    """As record_outcome(), of the visit that this session may answer for; not by an assistant."""
    require_clinician(found)
    record_outcome(session, actor, _visit(session, found).id, outcome, day, now)
