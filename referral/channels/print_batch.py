"""Letters on paper: a person of the clinic prints, folds and mails what is joined here.

Stored PDFs are joined as they are, and nothing is drawn again: the same letters give the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from referral.channels.base import Envelope, Fate, Outcome, Progress, Sent

# US Letter in points.
_SHEET: Final = (612, 792)
# The postal code ends the last line of an address: five digits, and often four more.
_POSTAL_CODE: Final = re.compile(r"\b(\d{5})(?:-(\d{4}))?\b")
_LAST: Final = "99999-9999"
SHEETS_OF_AN_ENVELOPE: Final = 6


class PrintTransport:
    """Needs no provider, so it is real wherever there are people: they say when a letter is in the mail."""

    name = "print"
    is_real = True
    repeatable = True
    at_once = 16

    def send(self, envelope: Envelope) -> Sent:  # noqa: ARG002 - the protocol's
        """Puts it on the pile of what a person prints; it is handed over when that person says so."""
        return Sent(Outcome.BY_HAND)

    def look_up(self, envelope: Envelope, since: datetime) -> Sent | None:  # noqa: ARG002 - the protocol's
        """Putting it on the pile again changes nothing."""
        return Sent(Outcome.LATER)

    def progress(self, reference: str) -> Progress:  # noqa: ARG002 - the protocol's
        """The Postal Service tells nothing of a letter; one that comes back is reported by a person."""
        return Progress(Fate.PENDING)


@dataclass(frozen=True, slots=True)
class Sheets:
    """One letter as it is sorted: `key` is ours, `pages` those of its PDF."""

    key: str
    pages: int
    postal_code: str

    @property
    def sheets(self) -> int:
        """Printed on both sides."""
        return (self.pages + 1) // 2


def in_mailing_order(letters: Iterable[Sheets]) -> list[Sheets]:
    """By number of sheets, so that one setting of folder and postage serves a run; then by ZIP code."""
    return sorted(letters, key=lambda one: (one.sheets, one.postal_code or _LAST, one.key))


def postal_code(address: str) -> str:
    """'02114-1931' of a postal address, '' where there is none; house numbers come before it."""
    found = _POSTAL_CODE.findall(address)
    return "-".join(part for part in found[-1] if part) if found else ""


def count_pages(pdf: bytes) -> int:
    """Raises pikepdf.PdfError for what is no PDF."""
    import pikepdf

    with pikepdf.open(io.BytesIO(pdf)) as opened:
        return len(opened.pages)


def join(parts: Sequence[bytes], title: str, *, both_sides: bool = True) -> bytes:
    """One PDF for printing on both sides, where each part begins on a fresh sheet, or for a fax.

    The same parts give the same bytes. Tags for screen readers and links are lost: this is for paper only.
    """
    import pikepdf

    joined = pikepdf.new()
    # Content is copied when the file is written, so the sources stay open until then.
    opened = [pikepdf.open(io.BytesIO(part)) for part in parts]
    for part in opened:
        for page in part.pages:
            # Links, and the invisible field of a seal: nothing on paper.
            if "/Annots" in page.obj:
                del page.obj["/Annots"]
        joined.pages.extend(part.pages)
        if both_sides and len(part.pages) % 2:
            joined.add_blank_page(page_size=_SHEET)
    joined.docinfo["/Title"] = title
    out = io.BytesIO()
    joined.save(out, deterministic_id=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return out.getvalue()
