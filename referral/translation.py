"""Texts in the reader's language: catalogues, what is said from them, days and hours as they are said.

English texts are the keys. The catalogues are `templates/locale/<language>/*.po`, read once for each process;
`python -m tests.words` adds new texts to them. The language is always an argument: threads serve readers of
different languages at once.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.dates import format_date, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from jinja2 import Environment

from referral.domain.language import Language, Phrase

CATALOGUES: Final = Path(__file__).resolve().parents[1] / "templates" / "locale"
# The languages as they are spoken in the United States: the order of a date and the clock of twelve hours.
_LOCALES: Final = {Language.ENGLISH: "en_US", Language.SPANISH: "es_US"}


@cache
def translations(language: Language) -> NullTranslations:
    """What the library of the language itself needs to translate; English needs no catalogue."""
    if language is Language.ENGLISH:
        return NullTranslations()
    return read_catalogues(CATALOGUES / language.value)


def read_catalogues(folder: Path) -> NullTranslations:
    """The files of a language, each text in exactly one of them; raises PoFileError at a broken line."""
    whole = NullTranslations()
    for path in sorted(folder.glob("*.po")):
        compiled = BytesIO()
        with path.open("rb") as file:
            write_mo(compiled, read_po(file, abort_invalid=True))
        compiled.seek(0)
        whole.add_fallback(GNUTranslations(compiled))
    return whole


def say(language: Language, text: str, **values: object) -> str:
    """A text of the code in a language: a literal English sentence with its values, or a Phrase.

    `say(language, "At most %(most)s characters.", most=5)`; without values nothing is filled in.
    """
    if isinstance(text, Phrase):
        values = {**text.values, **values}
        text = text.source
    # The library answers "" with the head of the catalogue.
    said = translations(language).gettext(text) if text else ""
    return said % _said(language, values) if values else said


def say_many(language: Language, one: str, many: str, num: int, **values: object) -> str:
    """The same for a number of things: `say_many(language, "%(num)s day", "%(num)s days", 3)`."""
    said = translations(language).ngettext(one, many, num)
    return said % _said(language, {**values, "num": num})


def _said(language: Language, values: dict[str, object]) -> dict[str, object]:
    return {
        name: say(language, value) if isinstance(value, Phrase) else value for name, value in values.items()
    }


@lru_cache(maxsize=1024)
def long_date(language: Language, day: date) -> str:
    """December 6, 2026; 6 de diciembre de 2026."""
    return format_date(day, "long", locale=_LOCALES[language])


def clock_time(language: Language, moment: datetime) -> str:
    """2:05 PM; 2:05 p.m. In the zone that the moment carries, with ordinary spaces."""
    said = format_time(moment, "short", locale=_LOCALES[language])
    return said.replace("\u202f", " ").replace("\xa0", " ")


def teach(environment: Environment, language: Language) -> Environment:
    """Let the templates of this environment speak one language: {% trans %}, _() and the filters below.

    `text | said` translates a text of the code, `day | long_date` and `moment | clock_time` write a time.
    There is one environment for each language, since macros know nothing of the values of a page.
    """
    environment.add_extension("jinja2.ext.i18n")
    environment.policies["ext.i18n.trimmed"] = True
    # The extension adds this method when it is loaded.
    install = environment.install_gettext_translations  # type: ignore[attr-defined]
    install(translations(language), newstyle=True)
    environment.globals["language"] = language
    environment.filters["said"] = lambda text: say(language, text)
    environment.filters["long_date"] = lambda day: long_date(language, day)
    environment.filters["clock_time"] = lambda moment: clock_time(language, moment)
    return environment
