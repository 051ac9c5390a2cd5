"""The languages that people are spoken to in, and texts that have a translation."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, Self


class Language(StrEnum):
    """Values are language tags of BCP 47. English is what every text is written in first."""

    ENGLISH = "en"
    SPANISH = "es"

    @classmethod
    def of(cls, tags: Iterable[str]) -> Language | None:
        """The first of some language tags ("es-MX") that is spoken here, None where none is."""
        for tag in tags:
            found = _BY_TAG.get(tag.strip().replace("_", "-").partition("-")[0].casefold())
            if found is not None:
                return found
        return None


_BY_TAG: Final = {language.value: language for language in Language}


class Phrase(str):
    """An English text, filled in, that remembers what it was filled in from, so that it can be translated.

    It is an ordinary string to everybody who shows English alone. A value that is a Phrase is translated as
    well, any other is left as it is: `Phrase(item.text, {})`.
    """

    __slots__ = ("source", "values")
    source: str
    values: dict[str, object]

    def __new__(cls, source: str, values: dict[str, object]) -> Self:
        made = super().__new__(cls, source % values if values else source)
        made.source, made.values = source, values
        return made


def phrase(source: str, **values: object) -> str:
    """Mark a text for the catalogues and fill it in: `phrase("At most %(most)s characters.", most=5)`.

    `source` is written out where this is called, never put together: the catalogues are made by reading the
    code. Without values it is returned as it is, being its own key; with values, a per cent sign is written
    twice.
    """
    return Phrase(source, values) if values else source
