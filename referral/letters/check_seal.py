"""Asks a process of its own whether a file is sealed under one of our roots and unchanged."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from referral.letters.child import Child

MAX_BYTES: Final = 4 * 1024 * 1024
_SECONDS: Final = 60
_MOST_WRITTEN: Final = 4096
_ROOT: Final = Path(__file__).resolve().parents[2]
_START: Final = (
    f"import sys; sys.path.insert(0, {str(_ROOT)!r}); from referral.letters.verify_child import main; main()"
)


@dataclass(frozen=True, slots=True)
class Checked:
    """`root` is the place of the root under which it is sealed, None for no seal of ours.

    `signed_at` is what the seal itself says.
    """

    root: int | None
    good: bool
    signed_at: datetime | None


NOT_OURS: Final = Checked(None, False, None)


def check_seal(pdf: bytes, roots: Sequence[bytes], now: datetime) -> Checked:
    """Takes a second or two. Never raises for a file: one that breaks the reader has no seal of ours."""
    asked = json.dumps({"roots": [root.decode() for root in roots], "now": now.isoformat()}).encode()
    ended, written = Child(("-c", _START), _SECONDS, _MOST_WRITTEN).run(
        struct.pack(">I", len(asked)) + asked + pdf
    )
    if ended != 0 or len(written) > _MOST_WRITTEN:
        return NOT_OURS
    try:
        said = json.loads(written)
        place, signed = said["root"], said["signed_at"]
        if place is not None and place not in range(len(roots)):
            return NOT_OURS
        return Checked(place, said["good"] is True, datetime.fromisoformat(signed) if signed else None)
    except (ValueError, KeyError, TypeError):
        return NOT_OURS
