"""Communication: each attempt to reach a clinician or the patient, and what clinician and clinic said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from referral.domain.codes import Channel
from referral.domain.conversation import Speaker, Turn
from referral.domain.outgoing import TO_PATIENT, MessageKind, MessageState
from referral.domain.records import Referral
from referral.fhir.elements import Ref, Resource, concept, instant, reference
from referral.fhir.systems import (
    COMMUNICATION_CATEGORY,
    COMMUNICATION_NOT_DONE,
    DEFAULT,
    LOINC,
    PARTICIPATION_MODE,
    LocalSystems,
)

_MEDIUM: Final = {
    Channel.EMAIL: concept(PARTICIPATION_MODE, "EMAILWRIT", "email"),
    Channel.FAX: concept(PARTICIPATION_MODE, "FAXWRIT", "telefax"),
    Channel.PHONE: concept(PARTICIPATION_MODE, "PHONE", "telephone"),
    Channel.POST: concept(PARTICIPATION_MODE, "MAILWRIT", "mail"),
}
_CATEGORY: Final = {
    MessageKind.REQUEST: concept(COMMUNICATION_CATEGORY, "instruction", "Instruction"),
    MessageKind.REMINDER: concept(COMMUNICATION_CATEGORY, "reminder", "Reminder"),
}
_NOTIFICATION: Final = concept(COMMUNICATION_CATEGORY, "notification", "Notification")
# A relay's acceptance is all that is ever known of most mail, so it counts as done; delivery adds `received`.
_STATUS: Final = {
    MessageState.QUEUED: "preparation",
    MessageState.RENDERING: "preparation",
    MessageState.READY: "preparation",
    MessageState.SENDING: "in-progress",
    MessageState.BY_HAND: "preparation",
    MessageState.ACCEPTED: "completed",
    MessageState.DELIVERED: "completed",
    MessageState.FAILED: "not-done",
    MessageState.UNKNOWN: "unknown",
    MessageState.CANCELLED: "not-done",
    MessageState.DEAD: "not-done",
}
NOTE: Final = concept(LOINC, "34109-9", "Note")
_ELECTRONIC: Final = concept(PARTICIPATION_MODE, "ELECTRONIC", "electronic data")
_NO_LONGER: Final = {"text": "No longer needed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One message on its way. `failure` is HL7's code for why not; `letter` is "DocumentReference/id"."""

    id: str
    kind: MessageKind
    channel: Channel
    state: MessageState
    sent_at: datetime | None = None
    received_at: datetime | None = None
    failure: str = "system-error"
    failure_text: str | None = None
    letter: str | None = None


def to_fhir(
    attempt: Attempt, referral: Referral, *, sender: Ref | None = None, local: LocalSystems = DEFAULT
) -> Resource:
    """The Communication about a request; `failure_text` must name nobody."""
    resource: Resource = {
        "resourceType": "Communication",
        "id": attempt.id,
        "identifier": [local.identifier("message", attempt.id)],
        "basedOn": [{"reference": f"ServiceRequest/{referral.id}"}],
        "category": [_CATEGORY.get(attempt.kind, _NOTIFICATION)],
        "medium": [_MEDIUM.get(attempt.channel) or local.concept("communication-medium", "sms")],
        "subject": {"reference": f"Patient/{referral.patient_id}"},
        "topic": {"text": attempt.kind.value},
        "about": [
            {"reference": f"Task/{referral.task_id}"},
            {"reference": f"ServiceRequest/{referral.id}"},
        ],
        "recipient": [{"reference": recipient_of(attempt.kind, referral)}],
    }
    resource.update({name: value for name, value in changes(attempt).items() if value is not None})
    if sender is not None:
        resource["sender"] = reference(sender)
    if attempt.letter is not None:
        resource["payload"] = [{"contentReference": {"reference": attempt.letter}}]
    return resource


def recipient_of(kind: MessageKind, referral: Referral) -> str:
    """Whom a message of this kind goes to, as 'Type/id'."""
    return (
        f"Patient/{referral.patient_id}"
        if kind in TO_PATIENT
        else f"PractitionerRole/{referral.clinician_id}"
    )


def changes(attempt: Attempt) -> Resource:
    """What changes while it travels, to be laid over the Communication; None takes an element away."""
    return {
        "status": _STATUS[attempt.state],
        "statusReason": _why_not(attempt),
        "sent": instant(attempt.sent_at) if attempt.sent_at else None,
        "received": instant(attempt.received_at) if attempt.received_at else None,
    }


def _why_not(attempt: Attempt) -> Resource | None:
    if attempt.state is MessageState.CANCELLED:
        return _NO_LONGER
    if _STATUS[attempt.state] != "not-done":
        return None
    return concept(COMMUNICATION_NOT_DONE, attempt.failure, None, attempt.failure_text)


def said(
    turn: Turn,
    referral: Referral,
    *,
    clinic: Ref,
    in_response_to: str | None = None,
    local: LocalSystems = DEFAULT,
) -> Resource:
    """What a clinician or the clinic has said at the portal; the words are the DocumentReference's."""
    clinician = reference(f"PractitionerRole/{referral.clinician_id}")
    sides = (clinician, reference(clinic))
    sender, recipient = sides if turn.speaker is Speaker.CLINICIAN else reversed(sides)
    resource: Resource = {
        "resourceType": "Communication",
        "id": turn.id,
        "identifier": [local.identifier("conversation", turn.id)],
        "basedOn": [{"reference": f"ServiceRequest/{referral.id}"}],
        "status": "completed",
        "category": [_NOTIFICATION],
        "medium": [_ELECTRONIC],
        "subject": {"reference": f"Patient/{referral.patient_id}"},
        "topic": {"text": turn.about.value},
        "about": [
            {"reference": f"Task/{referral.task_id}"},
            {"reference": f"ServiceRequest/{referral.id}"},
        ],
        "sent": instant(turn.said_at),
        "recipient": [recipient],
        "sender": sender,
    }
    if in_response_to is not None:
        resource["inResponseTo"] = [{"reference": f"Communication/{in_response_to}"}]
    if turn.words_id is not None:
        resource["payload"] = [{"contentReference": {"reference": f"DocumentReference/{turn.words_id}"}}]
    return resource
