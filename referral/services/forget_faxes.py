"""Removes what came in by fax and has been dealt with: its request keeps the copy that it was given.

What was nobody's is about a stranger, and is kept only as long as somebody may still bring it back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from referral.services.take_fax import page_id
from referral.storage import documents, faxes
from referral.storage.db import Session

KEPT: Final = timedelta(days=90)
_AT_ONCE: Final = 200


def forget_faxes(session: Session, now: datetime) -> int:
    """Row, bytes and pages of those that were dealt with 90 days ago or earlier; returns how many are gone.

    Two hundred at a time. Running it twice is harmless.
    """
    gone = faxes.forget(session, now - KEPT, _AT_ONCE)
    pages = [page_id(fax.id, number) for fax in gone for number in range(1, fax.pages + 1)]
    documents.remove(session, [*pages, *(fax.document_id for fax in gone if fax.document_id)])
    return len(gone)
