"""A logo that somebody uploads becomes one that letters may draw, or is refused with what to do about it."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from referral.domain.errors import InvalidInput, Issue
from referral.letters import fonts
from referral.letters.child import Child, ran_out_of_time

MAX_BYTES: Final = 512 * 1024
# Wall-clock seconds; the process has a limit of its own on the time that it computes.
TIMEOUT: Final = 40
_MOST_WRITTEN: Final = 4 * 1024 * 1024
# What the database takes of each part.
_MOST_KEPT: Final = 512 * 1024
_PROGRAM: Final = str(Path(__file__).with_name("logo_child.py"))
_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/svg+xml"})
_PNG: Final = b"\x89PNG\r\n\x1a\n"

REASONS: Final = {
    "not-a-logo": "Choose a PNG, a JPEG or an SVG file.",
    "too-many-bytes": "This file is larger than 512 KB; save the logo smaller.",
    "too-many-pixels": "This picture has more than 16 million pixels; save the logo smaller.",
    "too-small": "This picture is too small to be printed; it needs at least 24 pixels each way.",
    "odd-shape": "This picture is too long and narrow; at most ten times as wide as high.",
    "no-size": "This SVG does not say how large it is; give it a viewBox, or a width and a height.",
    "has-text": "This SVG has text in a font that letters do not have; convert its text to paths (outlines).",
    "has-more-than-shapes": "This SVG has more than shapes and colours in it: a picture, a link, an effect,"
    " or a style that loads something. Save it as plain SVG, or as PNG.",
    "too-many-shapes": "This SVG has more than 3,000 shapes; save the logo as PNG.",
    "empty": "Nothing of this logo can be seen on white paper.",
    "damaged": "This file is damaged and cannot be opened; save the logo again.",
    "too-slow": "This file takes too long to be drawn; save the logo as PNG.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedLogo:
    """Clean bytes with their SHA-256; `fax` is black and white or None, `picture` a PNG for pages."""

    digest: str
    content_type: str
    content: bytes
    fax: bytes | None
    picture: bytes
    width: int
    height: int


def accept_logo(content: bytes) -> AcceptedLogo:
    """Clean and draw it in a process of its own; takes a second or two. Raises InvalidInput on `logo`."""
    if len(content) > MAX_BYTES:
        raise _refused("too-many-bytes")
    environment = {"FONTCONFIG_FILE": str(fonts.install().configuration)}
    ended, written = Child((_PROGRAM,), TIMEOUT, _MOST_WRITTEN, environment).run(content)
    if ended != 0 or len(written) > _MOST_WRITTEN:
        raise _refused("too-slow" if ran_out_of_time(ended) else "damaged")
    try:
        return _accepted(written)
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _refused("damaged") from error


def _refused(reason: str) -> InvalidInput:
    return InvalidInput(Issue(REASONS[reason], ("logo",), "value"))


def _accepted(written: bytes) -> AcceptedLogo:
    """The process read a stranger's file, so what it writes is looked at as well."""
    (length,) = struct.unpack(">I", written[:4])
    head = json.loads(written[4 : 4 + length])
    if "refused" in head:
        raise _refused(head["refused"])
    parts, at = list[bytes](), 4 + length
    for size in head["sizes"]:
        parts.append(written[at : at + size])
        at += size
    content, picture, fax = parts
    pictures = picture.startswith(_PNG) and (not fax or fax.startswith(_PNG))
    if not pictures or head["type"] not in _TYPES or max(map(len, parts)) > _MOST_KEPT:
        raise ValueError("this is no logo")
    return AcceptedLogo(
        digest=hashlib.sha256(content).hexdigest(),
        content_type=head["type"],
        content=content,
        fax=fax or None,
        picture=picture,
        width=int(head["width"]),
        height=int(head["height"]),
    )
