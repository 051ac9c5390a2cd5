"""Letters and sealed records for people of the clinic; each look leaves its audit row."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Channel
from referral.domain.errors import Forbidden, NotFound
from referral.services.find_messages import is_for_recipient_alone
from referral.storage import audit, credentials, documents, outbox
from referral.storage.db import Session
from referral.storage.documents import Document

# A receipt repeats the clinician's narrative. Evidence, mails and notes are not for pages at all.
_OPEN: Final = frozenset({"request-letter"})
_NARRATIVE: Final = frozenset({"receipt", "conversation-letter"})


def read_document(
    session: Session, actor: Actor, document_id: str, *, may_read_answers: bool, real: Container[Channel]
) -> Document:
    """A PDF, byte for byte. NotFound for other kinds, Forbidden for narrative without the right.

    A letter that has left or is going to leave by a provider (`real` are the channels that have one) is
    Forbidden while its link is alive: whoever reads here must not be able to answer in the clinician's place.
    Where no provider sends it, people of the clinic do, and need it.
    """
    found = documents.get(session, document_id)
    if found.kind not in _OPEN | _NARRATIVE:
        raise NotFound(f"There is no document with id {document_id}.")
    if found.kind in _NARRATIVE and not may_read_answers:
        raise Forbidden("The signed answer is for clinical staff. The request page says what was decided.")
    if _carries_living_link(session, found, real):
        raise Forbidden(
            "This letter carries the clinician's link and code. It opens when the request is closed."
        )
    entry = AuditEntry(
        action=Action.READ,
        subtype="document",
        entity=f"DocumentReference/{document_id}",
        patient_id=found.patient_id,
        detail={"kind": found.kind, "sha256": found.sha256.hex()},
    )
    audit.record(session, actor, entry)
    return found


def _carries_living_link(session: Session, letter: Document, real: Container[Channel]) -> bool:
    if letter.referral_id is None:
        return False
    messages = outbox.find(session, referral_id=letter.referral_id)
    gone = {m.id for m in messages if m.letter_id == letter.id and is_for_recipient_alone(m, real)}
    links = credentials.of_referral(session, letter.referral_id)
    return any(link.message_id in gone and link.revoked_at is None for link in links)
