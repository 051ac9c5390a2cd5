"""The one question about a visit, for the office that has promised it: read and answered on the portal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import CredentialUnusable
from referral.domain.follow_up import FollowUp, Outcome
from referral.domain.life import Purpose
from referral.domain.outgoing import MessageKind
from referral.domain.report_rules import recommenders
from referral.services.fill_in_for import require_clinician
from referral.services.follow_up import record_outcome
from referral.services.keep_standing import own_answer
from referral.storage import audit, credentials, directory, follow_ups, outbox, standings
from referral.storage.credentials import PortalSession
from referral.storage.db import Session


def promised_by(session: Session, found: PortalSession) -> FollowUp | None:
    """The visit that came with the answer which this session may look after; None without one.

    The visit outlives the recommendation: who has the link to it says what became of it also where the answer
    does not count any more, unless it has turned out to be nobody's. One that a newer answer has replaced is
    asked about no more.
    """
    credential = credentials.get(session, found.selector)
    if credential is None or found.identified_at is None:
        return None
    if own_answer(session, found) is None:
        usable = credential.revoked_at is None and credential.frozen_at is None
        reads = usable and credential.purpose is Purpose.STANDING
        if not reads or not recommenders(standings.of_referral(session, credential.referral_id)):
            return None
    visit = follow_ups.of_referral(session, credential.referral_id)
    return None if visit is not None and visit.outcome is Outcome.SUPERSEDED else visit


def is_asked_about(session: Session, found: PortalSession) -> bool:
    """Whether this link came with the question about a visit, and there is one: then it leads there."""
    credential = credentials.get(session, found.selector)
    message = outbox.get(session, credential.message_id) if credential is not None else None
    asked = message is not None and message.kind is MessageKind.FOLLOW_UP
    return asked and promised_by(session, found) is not None


def _visit(session: Session, found: PortalSession) -> FollowUp:
    visit = promised_by(session, found)
    if visit is None:
        raise CredentialUnusable("There is no visit to ask about here.")
    return visit


@dataclass(frozen=True, slots=True)
class AskedVisit:
    """The visit, whose it is, and whether there is an answer to go back to."""

    visit: FollowUp
    patient_name: str
    stands: bool


def read_visit(session: Session, actor: Actor, found: PortalSession) -> AskedVisit:
    """Raises CredentialUnusable. The look is recorded."""
    visit = _visit(session, found)
    entry = AuditEntry(
        action=Action.READ,
        subtype="follow-up",
        entity=f"Task/{visit.id}",
        patient_id=visit.patient_id,
        detail={"recipient": f"PractitionerRole/{visit.clinician_id}"},
    )
    audit.record(session, actor, entry)
    name = directory.get_patient(session, visit.patient_id).name
    return AskedVisit(visit, name, own_answer(session, found) is not None)


def answer_visit(
    session: Session, actor: Actor, found: PortalSession, outcome: str, day: date | None, now: datetime
) -> None:
    """As record_outcome(), of the visit that this session may answer for; not by an assistant."""
    require_clinician(found)
    record_outcome(session, actor, _visit(session, found).id, outcome, day, now)
