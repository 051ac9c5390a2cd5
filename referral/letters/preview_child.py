"""Draws samples in a process of its own: JSON on standard input, PDFs and pictures on standard output."""

from __future__ import annotations

import base64
import io
import json
import struct
import sys
from typing import Any, Final

from referral.domain.language import Language
from referral.letters.content import Letterhead, LetterProblem, Logo
from referral.letters.render import Renderer, Style
from referral.letters.sample_record import RECORD, sample_record
from referral.letters.samples import sample

_WIDTH: Final = 850


def _letterhead(values: dict[str, Any]) -> Letterhead:
    logo = values.pop("logo")
    if logo is not None:
        for part in ("content", "fax"):
            logo[part] = base64.b64decode(logo[part]) if logo[part] else None
        logo = Logo(**logo)
    return Letterhead(**{**values, "address_lines": tuple(values["address_lines"])}, logo=logo)


def _drawn(renderer: Renderer, kind: str, letterhead: Letterhead, language: Language, style: Style) -> bytes:
    if kind == RECORD:
        return renderer.receipt(sample_record(letterhead, language)).pdf
    return renderer.letter(sample(kind, letterhead, language), style).pdf


def _picture(pdf: bytes) -> bytes:
    import pypdfium2

    page = pypdfium2.PdfDocument(pdf)[0]
    picture = page.render(scale=_WIDTH / page.get_width()).to_pil().convert("RGB").quantize(48)
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def main() -> None:
    """A length in four bytes, that many bytes of JSON, then the parts of each kind that could be drawn."""
    given = json.load(sys.stdin.buffer)
    letterhead, language = _letterhead(given["letterhead"]), Language(given["language"])
    renderer, head, parts = Renderer(), dict[str, Any](), list[bytes]()
    for kind in given["kinds"]:
        try:
            pdf = _drawn(renderer, kind, letterhead, language, given["style"])
        except LetterProblem as problem:
            head[kind] = str(problem)
            continue
        made = [pdf, _picture(pdf)]
        head[kind] = [len(part) for part in made]
        parts += made
    written = json.dumps(head).encode()
    sys.stdout.buffer.write(struct.pack(">I", len(written)) + written + b"".join(parts))
