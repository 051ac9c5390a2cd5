"""Letters for tests about what becomes of them: to lay one out takes longer than all else in such a test."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from referral.domain.language import Language
from referral.letters import markup
from referral.letters.content import Letter
from referral.letters.render import RenderedDocument, Renderer, Style


class OneOfEach(Renderer):
    """Lays out the first letter of each kind, and gives all others its pages.

    Their words are put into their template as ever, and no two letters have the same bytes: each ends with a
    comment of its own, behind what readers of PDF read. Who looks at the pages needs a real Renderer.
    """

    def __init__(self, fonts_folder: Path) -> None:
        super().__init__(fonts_folder)
        self._kept: dict[tuple[type[Letter], Language, Style], RenderedDocument] = {}

    def letter(self, letter: Letter, style: Style = "screen") -> RenderedDocument:
        self._require_glyphs(letter)
        words = markup.letter_html(letter, self._fonts, style)
        kind = (type(letter), letter.language, style)
        if kind not in self._kept:
            self._kept[kind] = super().letter(letter, style)
        first = self._kept[kind]
        pdf = first.pdf + b"%" + hashlib.sha256(words.encode()).hexdigest().encode() + b"\n"
        return replace(first, pdf=pdf, sha256=hashlib.sha256(pdf).hexdigest())
