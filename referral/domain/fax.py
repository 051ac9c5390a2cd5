"""Faxes that come in: what the codes on their pages say, and what may become of them."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from referral.domain.errors import TransitionRefused


class FaxSource(StrEnum):
    """The way in. UPLOAD: staff have uploaded a letter; PORTAL: the clinician has."""

    WEBHOOK = "webhook"
    FOLDER = "folder"
    UPLOAD = "upload"
    PORTAL = "portal"


class FaxState(StrEnum):
    """Where a fax stands.

    `announced`: the provider has it, its bytes are still to be fetched. `received`: to be read by a worker.
    `matched`: it waits for a person to write down what it says. `differs`: it says something else than the
    answer on record, which the medical director looks at. `filed`: kept with its request, nothing left to do.
    """

    ANNOUNCED = "announced"
    RECEIVED = "received"
    UNREADABLE = "unreadable"
    UNMATCHED = "unmatched"
    MATCHED = "matched"
    DIFFERS = "differs"
    TRANSCRIBED = "transcribed"
    FILED = "filed"
    DISMISSED = "dismissed"


class MatchedBy(StrEnum):
    """Who said which request a fax belongs to."""

    BARCODE = "barcode"
    STAFF = "staff"
    UPLOAD = "upload"


# What nobody has placed yet: the inbox, and the count in the menu.
IN_INBOX: Final = (FaxState.UNMATCHED, FaxState.UNREADABLE)
# What is with its request and waits for a person.
WAITING: Final = (FaxState.MATCHED, FaxState.DIFFERS)
# Nothing is left to do: its request has a copy, or it was nobody's.
DEALT_WITH: Final = (FaxState.TRANSCRIBED, FaxState.FILED, FaxState.DISMISSED)
ON_THE_WAY: Final = (FaxState.ANNOUNCED, FaxState.RECEIVED)

_FROM: Final = {
    "assign": (FaxState.UNMATCHED,),
    "dismiss": IN_INBOX,
    "restore": (FaxState.DISMISSED,),
    "take-off": (FaxState.MATCHED, FaxState.DIFFERS, FaxState.FILED),
    "transcribe": (FaxState.MATCHED,),
    "file": WAITING,
    "differ": (FaxState.MATCHED,),
}
_SPOKEN: Final = {
    FaxState.ANNOUNCED: "it has not arrived yet",
    FaxState.RECEIVED: "it is still being read",
    FaxState.UNREADABLE: "it cannot be read",
    FaxState.UNMATCHED: "it has no request yet",
    FaxState.MATCHED: "it is with its request already",
    FaxState.DIFFERS: "it waits for the medical director",
    FaxState.TRANSCRIBED: "what it says has been written down",
    FaxState.FILED: "it is filed with its request",
    FaxState.DISMISSED: "it was set aside",
}


def require_step(step: str, state: FaxState) -> None:
    """Raises TransitionRefused where the state of the fax does not allow this step."""
    if state not in _FROM[step]:
        raise TransitionRefused(f"This step is not possible for this fax: {_SPOKEN[state]}.", "state")


# 16 characters of URL-safe base64 are the 96 bits of a link's public selector.
_PAGE_CODE: Final = re.compile(r"R:([A-Za-z0-9_-]{16}):2")
_LINK: Final = re.compile(r"https?://[^/\s]+/r/([A-Za-z0-9_-]{16})/\S+")


def page_code(selector: str) -> str:
    """What the form page's code says: which letter it is part of, and nothing that opens anything."""
    return f"R:{selector}:2"


def selector_in(code: str) -> str | None:
    """The public selector in a code of ours, None in anybody else's.

    The code of page 1 is the link with its secret; only the selector is taken out of it.
    """
    found = _PAGE_CODE.fullmatch(code) or _LINK.fullmatch(code)
    return found[1] if found else None


def digits_of(number: str | None) -> str:
    """The ten digits of an American number, whatever stands between them; '' for none."""
    digits = re.sub(r"\D", "", number or "")
    return digits[-10:] if len(digits) >= 10 else ""
