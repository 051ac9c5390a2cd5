"""What stays in the audit of a transaction that is taken back: what its client has learnt by the refusal.

Whether a condition finds somebody, or whether a `test` of a patch holds, is told by how it fails; a client
could ask again and again without leaving a trace.
"""

from __future__ import annotations

from typing import Final

from referral.domain.audit import AuditEntry
from referral.storage.db import Session

_ATTEMPT: Final = "attempt"


def note_attempt(session: Session, about: str, *entries: AuditEntry) -> None:
    """Rows for whoever takes the transaction back; `about` tells attempts apart."""
    session.kept[_ATTEMPT, about] = entries


def attempts_in(session: Session) -> list[AuditEntry]:
    """All of them; nobody needs them where the transaction is committed."""
    return [entry for key, entries in session.kept.items() if key[0] == _ATTEMPT for entry in entries]
