"""In which language a clinician is written to: letters, mails and the pages that their links open."""

from __future__ import annotations

from datetime import datetime

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import InvalidInput, Issue
from referral.domain.language import Language
from referral.services import publish
from referral.storage import audit, directory
from referral.storage.db import Session


def keep_language(session: Session, actor: Actor, clinician_id: str, typed: str, now: datetime) -> None:
    """`typed` is a Language, or "" where it is not known; what it is already changes nothing.

    It is kept in the Practitioner, where a connected system may say it too. What is drawn already stays as
    it is. Raises NotFound, and InvalidInput with the field `language`.
    """
    clinician = directory.get_clinician(session, clinician_id)
    if typed and typed not in set(Language):
        raise InvalidInput(Issue("Choose a language from the list.", ("language",), "value"))
    language = Language(typed) if typed else None
    if language is clinician.language:
        return
    if clinician.practitioner_id is None:
        text = "The record names no person for this clinician, so it cannot keep a language."
        raise InvalidInput(Issue(text, ("language",), "value"))
    publish.clinician_language(session, clinician.practitioner_id, language, now)
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype="set-language",
        entity=f"PractitionerRole/{clinician_id}",
        detail={"language": typed},
    )
    audit.record(session, actor, entry)
