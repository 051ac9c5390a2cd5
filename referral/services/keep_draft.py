"""What a clinician has filled in so far: encrypted, and kept from one visit to the next."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from referral.domain.credential import random_token
from referral.storage import credentials
from referral.storage.credentials import PortalSession
from referral.storage.db import Session

_DECIDED: Final = ("decision", "visit-planned")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What came of signing. `document_id` is None for an answer without an opinion.

    `is_late`: there was an answer already; this one is kept beside it.
    """

    decision: str
    document_id: str | None
    needs_review: bool
    visit_on: str = ""
    is_late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledBy:
    """Who fills in for the clinician, since when (ISO), by which link and from where."""

    name: str
    at: str
    selector: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """`values` by link id. `key` names this state of the draft: signed is what was shown under that key.

    `signed` is set once it was; `asked` are the keys of questions that were sent. `filled_by` is None where
    the clinician fills it in.
    """

    values: dict[str, list[str]] = field(default_factory=dict)
    key: str = ""
    signed: Signed | None = None
    asked: tuple[str, ...] = ()
    filled_by: FilledBy | None = None


def read_draft(session: Session, found: PortalSession) -> Draft:
    """Empty where nothing was saved."""
    sealed = credentials.open_draft(session, found)
    return Draft() if sealed is None else msgspec.json.decode(sealed, type=Draft)


def write_draft(session: Session, found: PortalSession, draft: Draft) -> None:
    """Replace what was saved; sealed for this session only."""
    sealed = credentials.seal_draft(session, found.token_digest, msgspec.json.encode(draft))
    credentials.change_session(session, found.token_digest, sealed_draft=sealed)


def save_values(session: Session, found: PortalSession, values: dict[str, list[str]]) -> Draft:
    """Lay `values` over what was saved before; a new key, because the page to sign reads differently now."""
    before = read_draft(session, credentials.lock_session(session, found.token_digest))
    draft = replace(before, values={**before.values, **values}, key=random_token(size=12), signed=None)
    write_draft(session, found, draft)
    return draft


def take_over_draft(session: Session, found: PortalSession, referral_id: str) -> None:
    """An earlier visit's draft goes on here: the assistant fills it in, the clinician signs.

    What was signed already is not decided again by itself: then only the rest is taken over.
    """
    earlier = credentials.last_draft(session, referral_id)
    if earlier is None or earlier.token_digest == found.token_digest:
        return
    draft = read_draft(session, earlier)
    spent = _DECIDED if draft.signed else ()
    values = {link_id: given for link_id, given in draft.values.items() if link_id not in spent}
    taken = Draft(values=values, key=random_token(size=12), filled_by=draft.filled_by)
    write_draft(session, found, taken)
