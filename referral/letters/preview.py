"""Samples of letters, drawn outside of the process that asks, which shows pages and draws no letters.

Whoever asks waits a few seconds the first time; what was drawn is kept for a while.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from referral.domain.language import Language
from referral.letters.child import Child
from referral.letters.content import Letterhead, LetterProblem

# Every kind of letter in turn, on a machine that is busy.
_SECONDS: Final = 120
_MOST_WRITTEN: Final = 32 * 1024 * 1024
_SETS_KEPT: Final = 12
_ROOT: Final = Path(__file__).resolve().parents[2]
_START: Final = (
    f"import sys; sys.path.insert(0, {str(_ROOT)!r}); from referral.letters.preview_child import main; main()"
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A letter as PDF, and its first page as a PNG of 850 pixels width."""

    pdf: bytes
    picture: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`kinds` are drawn together, in one language and style."""

    letterhead: Letterhead
    kinds: Sequence[str]
    language: Language
    style: str

    def as_json(self) -> bytes:
        """What the drawing process is given."""
        values = asdict(self.letterhead)
        if self.letterhead.logo is not None:
            logo = values["logo"]
            for part in ("content", "fax"):
                logo[part] = base64.b64encode(logo[part]).decode() if logo[part] else None
        given = {"kinds": list(self.kinds), "language": self.language, "style": self.style}
        return json.dumps({"letterhead": values, **given}, sort_keys=True).encode()


_kept: Final[OrderedDict[str, dict[str, Drawn | str]]] = OrderedDict()
_one_at_a_time: Final = threading.Lock()


def draw(wanted: Wanted, kind: str) -> Drawn:
    """One of the wanted kinds; the others are then there as well. LetterProblem where it cannot be drawn."""
    given = wanted.as_json()
    key = hashlib.sha256(given).hexdigest()
    with _one_at_a_time:
        found = _kept.get(key)
        if found is None:
            found = _kept[key] = _run(given)
            while len(_kept) > _SETS_KEPT:
                _kept.popitem(last=False)
        _kept.move_to_end(key)
    made = found[kind]
    if isinstance(made, str):
        raise LetterProblem(made)
    return made


def _run(given: bytes) -> dict[str, Drawn | str]:
    here = {name: os.environ[name] for name in ("HOME", "XDG_CACHE_HOME") if name in os.environ}
    ended, written = Child(("-c", _START), _SECONDS, _MOST_WRITTEN, here).run(given)
    if ended != 0 or len(written) > _MOST_WRITTEN:
        raise LetterProblem("The letters could not be drawn; `referral doctor` may say why.")
    (length,) = struct.unpack(">I", written[:4])
    head: dict[str, Any] = json.loads(written[4 : 4 + length])
    at, found = 4 + length, dict[str, Drawn | str]()
    for kind, said in head.items():
        if isinstance(said, str):
            found[kind] = said
            continue
        parts = []
        for size in said:
            parts.append(written[at : at + size])
            at += size
        found[kind] = Drawn(*parts)
    return found
