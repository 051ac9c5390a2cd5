"""What search reads, made again from the stored resources: after an upgrade that searches by more."""

from __future__ import annotations

from typing import Final, NamedTuple

from referral.storage import resources
from referral.storage.db import Session

BATCH: Final = 500


class Place(NamedTuple):
    """Up to where a clinic has been done; the beginning is before every type and id."""

    type: str = ""
    id: str = ""


def reindex_some(session: Session, after: Place) -> Place | None:
    """The next BATCH resources of the clinic that was entered; None when there are no more.

    Writers wait for the batch, so it is one transaction. Doing it twice changes nothing.
    """
    done = resources.make_entries_again(session, after, BATCH)
    return Place(*done) if done is not None else None
