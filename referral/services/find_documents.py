"""Letters and sealed records for people of the clinic; each look leaves its audit row."""

from __future__ import annotations

from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import Forbidden, NotFound
from referral.storage import audit, documents
from referral.storage.db import Session
from referral.storage.documents import Document

# A receipt repeats the clinician's narrative. Evidence, mails and notes are not for pages at all.
_OPEN: Final = frozenset({"request-letter"})
_NARRATIVE: Final = frozenset({"receipt"})


def read_document(session: Session, actor: Actor, document_id: str, *, may_read_answers: bool) -> Document:
    """A PDF, byte for byte. NotFound for other kinds, Forbidden for narrative without the right."""
    found = documents.get(session, document_id)
    if found.kind not in _OPEN | _NARRATIVE:
        raise NotFound(f"There is no document with id {document_id}.")
    if found.kind in _NARRATIVE and not may_read_answers:
        raise Forbidden("The signed answer is for clinical staff. The request page says what was decided.")
    entry = AuditEntry(
        action=Action.READ,
        subtype="document",
        entity=f"DocumentReference/{document_id}",
        patient_id=found.patient_id,
        detail={"kind": found.kind, "sha256": found.sha256.hex()},
    )
    audit.record(session, actor, entry)
    return found
