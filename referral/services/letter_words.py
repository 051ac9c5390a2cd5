"""The first page of a request letter as plain paragraphs, to be read before it is sent."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

from markupsafe import Markup

from referral.letters.content import RequestLetter
from referral.letters.markup import Address, Pictures, words_html


def first_page_words(letter: RequestLetter) -> tuple[str, ...]:
    """What the letter says, from the template that it is made of."""
    html = words_html(
        letter,
        mark=Markup(""),
        address=Address(letter.address, ""),
        pictures=Pictures(),
    )
    reader = _FirstPage()
    reader.feed(html)
    return tuple(text for text in reader.paragraphs if text)


class _FirstPage(HTMLParser):
    """Collects what stands in paragraphs, headings and list items of the first <main>."""

    _BLOCKS: Final = frozenset({"p", "h1", "h2", "li"})

    def __init__(self) -> None:
        super().__init__()
        self.paragraphs: list[str] = []
        self._inside = False
        self._open = False
        self._label = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "main":
            self._inside = not self.paragraphs
        elif self._inside and tag in self._BLOCKS:
            self.paragraphs.append("")
            self._open = True
        elif tag == "b" and ("class", "way") in attributes:
            self._label = True
        elif tag == "br" and self._open:
            self.paragraphs[-1] += ". "

    def handle_endtag(self, tag: str) -> None:
        if tag == "main":
            self._inside = False
        elif tag in self._BLOCKS:
            self._open = False
            if self._inside and self.paragraphs:
                self.paragraphs[-1] = re.sub(r"\s+", " ", self.paragraphs[-1]).strip()
        elif tag == "b" and self._label:
            # 'Online', 'Fax' and 'Telephone' stand before their sentence without a mark of their own.
            self.paragraphs[-1] += ": "
            self._label = False

    def handle_data(self, data: str) -> None:
        if self._inside and self._open:
            self.paragraphs[-1] += data
