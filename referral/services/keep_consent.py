"""A patient agrees, refuses or takes back: written down, and what a no stops is stopped at once.

A withdrawal holds all orders of the patient, as whatever sends a message or starts treatment holds its own.
When it has committed, no message is claimed, no start succeeds and no request is made any more. What was
being handed over at that moment cannot be called back; it is named in the audit and to whoever wrote the no.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.consent import ENDED_BY_NO, ConsentDecision, Consented, ConsentScope
from referral.domain.errors import InvalidInput, Issue
from referral.domain.life import Cause
from referral.domain.outgoing import TO_PATIENT, MessageKind, MessageState
from referral.domain.records import Referral
from referral.domain.referral import Event
from referral.services import publish
from referral.services.close_referral import close_referral, stop_messages
from referral.services.refresh_gate import refresh_order
from referral.services.void_recommendation import void
from referral.storage import audit, consents, credentials, directory, orders, outbox, referrals, standings
from referral.storage.db import Session

_WORDS: Final = "The patient has withdrawn consent."
_TO_CLINICIANS: Final = frozenset(MessageKind) - TO_PATIENT
_TO_PATIENTS: Final = TO_PATIENT - {MessageKind.PATIENT_LINK}
_AGAIN: Final = "This is on record already."


@dataclass(frozen=True, slots=True)
class Outcome:
    """`leaving` are messages that were being handed over at this moment."""

    changed: bool
    leaving: tuple[uuid.UUID, ...] = ()


def say_consent(
    session: Session,
    actor: Actor,
    patient_id: str,
    scope: str,
    decision: ConsentDecision,
    source: str,
    now: datetime,
) -> Outcome:
    """What the patient has told the clinic becomes a Consent; InvalidInput where it is on record already."""
    wanted = next((known for known in ConsentScope if known == scope), None)
    if wanted is None:
        raise InvalidInput(Issue("Choose what the patient has agreed to.", ("scope",), "required"))
    patient = directory.get_patient(session, patient_id)
    hold_everything(session, patient.id)
    held = consents.of_patients(session, [patient.id])[patient.id].get(wanted)
    if held is not None and held.decision is decision:
        raise InvalidInput(Issue(_AGAIN, ("scope",), "business-rule"))
    said = Consented(
        consent_id=str(uuid.uuid4()),
        patient_id=patient.id,
        scope=wanted,
        decision=decision,
        made_by=actor.id,
        at=now,
    )
    publish.consent(session, said, source, now)
    return note_consent(session, actor, said, now)


def hold_everything(session: Session, patient_id: str) -> None:
    """All orders of the patient, those included that are being placed at this moment.

    Before them the visits of the portal, which end with a no: whoever signs there has locked theirs first.
    """
    credentials.hold_sessions_about(session, patient_id)
    known = _hold_orders(session, patient_id, set())
    consents.hold_patient(session, patient_id)
    _hold_orders(session, patient_id, known)


def _hold_orders(session: Session, patient_id: str, held: set[str]) -> set[str]:
    ids = {order.id for order in orders.of_patients(session, [patient_id])}
    for id in sorted(ids - held):
        orders.get(session, id, lock=True)
    return ids


def note_consent(session: Session, actor: Actor, said: Consented, now: datetime) -> Outcome:
    """Keep the word and do what follows from it. The caller holds the patient's orders."""
    before = _refuses(session, said)
    consents.add(session, said)
    leaving: tuple[uuid.UUID, ...] = ()
    if not before and _refuses(session, said):
        leaving = _stop(session, actor, said, now)
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype=f"consent-{said.decision}",
        entity=f"Consent/{said.consent_id}",
        patient_id=said.patient_id,
        detail={"scope": said.scope, "leaving": [str(id) for id in leaving]},
    )
    audit.record(session, actor, entry)
    return Outcome(changed=True, leaving=leaving)


def _refuses(session: Session, said: Consented) -> bool:
    return consents.has_withdrawn(session, said.patient_id, said.scope)


def _stop(session: Session, actor: Actor, said: Consented, now: datetime) -> tuple[uuid.UUID, ...]:
    asked = [
        referrals.get(session, one.id, lock=True)
        for one in sorted(
            referrals.find(session, patient_id=said.patient_id), key=lambda one: (one.order_id, one.id)
        )
    ]
    if said.scope is ConsentScope.PATIENT_MESSAGES:
        for referral in asked:
            stop_messages(session, referral, _TO_PATIENTS, now)
        return ()
    _end_recommendations(session, actor, said.patient_id, now)
    for referral in asked:
        _end_request(session, actor, referral, now)
    credentials.end_sessions_of(session, (referral.id for referral in asked), now)
    for order in orders.find(session, patient_id=said.patient_id, limit=1000):
        refresh_order(session, actor, order.id, now)
    return _still_leaving(session, asked)


def _end_recommendations(session: Session, actor: Actor, patient_id: str, now: datetime) -> None:
    """Each is voided, which moves the gate row and so lets no start slip through (safety.md 2)."""
    ids = [order.id for order in orders.of_patients(session, [patient_id])]
    answers = standings.of_orders(session, ids)
    ended = [answer for answer in answers if answer.is_living and answer.is_positive]
    void(session, actor, ended, Cause.CONSENT_WITHDRAWN, _WORDS, now)


def _end_request(session: Session, actor: Actor, referral: Referral, now: datetime) -> None:
    """Nobody is told: that would be one more disclosure. The link says that nothing is needed any more."""
    stop_messages(session, referral, _TO_CLINICIANS, now)
    credentials.revoke_all(session, referral.id, ENDED_BY_NO, now)
    if not referral.is_open:
        return
    current = referrals.get(session, referral.id)
    close_referral(session, current, Event.CANCEL, now, reason=ENDED_BY_NO)
    referrals.note(session, referral.id, ENDED_BY_NO, actor.id, now)


def _still_leaving(session: Session, asked: Iterable[Referral]) -> tuple[uuid.UUID, ...]:
    sent = outbox.of_referrals(session, [referral.id for referral in asked])
    return tuple(one.id for one in sent if one.state is MessageState.SENDING and one.kind in _TO_CLINICIANS)
