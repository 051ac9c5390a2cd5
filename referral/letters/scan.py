"""Scanned pages as values: their codes, and pictures that a browser may be shown."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from referral.domain.errors import ReferralError
from referral.letters.child import Child, ran_out_of_time

MAX_BYTES: Final = 16 * 1024 * 1024
# Wall-clock seconds; the process has a limit of its own on the time that it computes.
TIMEOUT: Final = 75
# What the process writes at most: its pictures, and the texts of their codes.
MOST_WRITTEN: Final = 72 * 1024 * 1024
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PROGRAM: Final = str(Path(__file__).with_name("scan_child.py"))

REASONS: Final = {
    "not-a-fax": "It is neither a TIFF nor a PDF.",
    "too-many-bytes": "It is larger than 16 MB.",
    "too-many-pages": "It has more than 60 pages.",
    "too-large-page": "A page of it is too large to be shown.",
    "locked": "It is a PDF that is locked with a password.",
    "damaged": "It is damaged: a page of it cannot be opened.",
    "too-slow": "It takes too long to be read.",
    "not-fetched": "The fax provider does not hand it over.",
}


class ScanRefused(ReferralError):
    """The file cannot be read, or is not safe to be read; `reason` is a key of REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(REASONS[reason])
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Scan:
    """Pages in their order: the texts of the codes of each, and each as PNG, upright where a code told."""

    codes: tuple[tuple[str, ...], ...]
    pictures: tuple[bytes, ...]


def kind_of(content: bytes) -> str | None:
    """The content type by the first bytes, None for what is no fax; nothing is parsed."""
    if content[:4] in (b"II*\0", b"MM\0*"):
        return "image/tiff"
    return "application/pdf" if b"%PDF-" in content[:1024] else None


def read_scan(content: bytes) -> Scan:
    """Read a TIFF or a PDF in a process of its own. Raises ScanRefused; takes up to TIMEOUT seconds."""
    if len(content) > MAX_BYTES:
        raise ScanRefused("too-many-bytes")
    if kind_of(content) is None:
        raise ScanRefused("not-a-fax")
    ended, written = Child((_PROGRAM,), TIMEOUT, MOST_WRITTEN).run(content)
    if len(written) > MOST_WRITTEN:
        raise ScanRefused("damaged")
    if ended != 0:
        # Ended at its limit of time or memory, or by what the file did to a library.
        raise ScanRefused("too-slow" if ran_out_of_time(ended) else "damaged")
    try:
        return _scan(written)
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ScanRefused("damaged") from error


def _scan(written: bytes) -> Scan:
    (length,) = struct.unpack(">I", written[:4])
    head = json.loads(written[4 : 4 + length])
    if "refused" in head:
        raise ScanRefused(head["refused"])
    pictures, at = [], 4 + length
    for size in head["sizes"]:
        picture = written[at : at + size]
        if not picture.startswith(_PNG):
            raise ValueError("a page is no picture")
        pictures.append(picture)
        at += size
    if len(pictures) != len(head["pages"]):
        raise ValueError("pages and pictures differ")
    return Scan(tuple(tuple(page["codes"]) for page in head["pages"]), tuple(pictures))


def turned(picture: bytes, degrees: int) -> bytes:
    """One of our own pictures of a page, turned anticlockwise by a multiple of 90."""
    from PIL import Image

    out = io.BytesIO()
    Image.open(io.BytesIO(picture), formats=["PNG"]).rotate(degrees, expand=True).save(out, "PNG")
    return out.getvalue()
