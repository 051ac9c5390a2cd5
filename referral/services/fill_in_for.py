"""An assistant fills the form in and the clinician signs: the former cannot sign, the record names both."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.credential import random_token
from referral.domain.errors import Forbidden, InvalidInput, Issue
from referral.domain.language import phrase
from referral.services.keep_draft import Draft, FilledBy, read_draft, write_draft
from referral.storage import audit, credentials, referrals
from referral.storage.credentials import PortalSession
from referral.storage.db import Session

_LONGEST: Final = 120


def fill_in_for(session: Session, actor: Actor, found: PortalSession, name: str, now: datetime) -> None:
    """From now on this visit fills in for the clinician, as long as it lasts: that cannot be taken back."""
    named = " ".join(name.split())
    if not 2 <= len(named) <= _LONGEST:
        raise InvalidInput(
            Issue(phrase("Please give your name: it stands on the record."), ("name",), "required")
        )
    fresh = credentials.lock_session(session, found.token_digest)
    credentials.change_session(session, fresh.token_digest, is_assistant=True)
    filled = FilledBy(
        name=named,
        at=now.isoformat(timespec="seconds"),
        selector=found.selector,
        address=actor.address or "unknown",
    )
    draft = replace(read_draft(session, fresh), filled_by=filled, key=random_token(size=12))
    write_draft(session, fresh, draft)
    credential = credentials.get(session, found.selector)
    if credential is None:
        return
    referral = referrals.get(session, credential.referral_id)
    referrals.note(session, referral.id, "assistant-fills", actor.id, now)
    entry = AuditEntry(
        action=Action.EXECUTE,
        subtype="portal-assistant",
        entity=f"ServiceRequest/{referral.id}",
        patient_id=referral.patient_id,
    )
    audit.record(session, actor, entry)


def require_clinician(found: PortalSession) -> None:
    """Raises Forbidden where this visit fills in for somebody else: only the clinician signs."""
    if found.is_assistant:
        raise Forbidden(phrase("You are filling this in for the clinician. Only they can sign it."))


def require_own_name(draft: Draft, signer: str) -> None:
    """Whoever has filled it in is not whoever signs it."""
    filled = draft.filled_by
    if filled is not None and " ".join(signer.split()).casefold() == filled.name.casefold():
        text = phrase("Your name: this is who has filled it in. The clinician signs with their own name.")
        raise InvalidInput(Issue(text, ("signer-name",), "value"))


def both_names(draft: Draft) -> tuple[tuple[str, str], ...]:
    """Lines of the evidence: who filled it in, when, and by what; empty where the clinician did."""
    filled = draft.filled_by
    if filled is None:
        return ()
    return (
        (phrase("Filled in for the clinician by"), filled.name),
        (phrase("Filled in from"), filled.at),
        (phrase("Credential of whoever filled it in"), filled.selector),
        (phrase("Network address of whoever filled it in"), filled.address),
    )
