"""Finds the texts that are translated, and adds new ones to the catalogues: `python -m tests.words`.

Which file a new text goes to follows from where it stands first; a text stands in one file only. Files are in
the order of the English texts and name no lines of the code, so that two people can add to them at once.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from referral.domain.language import Language
from referral.translation import CATALOGUES

ROOT: Final = Path(__file__).resolve().parents[1]
TextId = str | tuple[str, str]
_JINJA: Final = {
    "newstyle_gettext": "true",
    "trimmed": "true",
    "trim_blocks": "true",
    "lstrip_blocks": "true",
    "silent": "false",
}
# By the beginning of the path, the first that fits.
_FILES: Final = {
    "templates/letters/": "letters.po",
    "referral/letters/": "letters.po",
    "referral/services/letter_content.py": "letters.po",
    "templates/messages/": "messages.po",
    "templates/sms/": "messages.po",
    "templates/patient/": "patient.po",
    "": "portal.po",
}
_PLURALS: Final = {Language.SPANISH: "nplurals=2; plural=(n != 1);"}
_HEADER: Final = """\
# {name} texts in {language}. `python -m tests.words` adds new ones; a guard test finds what is missing.
"""


def texts() -> dict[TextId, str]:
    """Every text that is marked, alone or as (one, many), and the path of the first file it stands in."""
    found: dict[TextId, str] = {}
    for path, id in sorted(_extracted(), key=lambda pair: _rank(pair[0])):
        found.setdefault(id, path)
    return found


def _extracted() -> Iterator[tuple[str, TextId]]:
    for path, _, id, _, _ in extract_from_dir(
        ROOT / "templates",
        method_map=[("**.j2", "jinja2.ext:babel_extract")],
        options_map={"**.j2": _JINJA},
        keywords={"_": None, "gettext": None, "ngettext": (1, 2)},
    ):
        yield f"templates/{path}", text_id(id)
    for path, _, id, _, _ in extract_from_dir(
        ROOT / "referral",
        method_map=[("**.py", "python")],
        keywords={"phrase": None, "tell": None, "say": (2,), "say_many": (2, 3)},
    ):
        yield f"referral/{path}", text_id(id)


def text_id(id: str | tuple[str, ...] | list[str]) -> TextId:
    """As one hashable value."""
    return id if isinstance(id, str) else (id[0], id[1])


def _rank(path: str) -> tuple[int, str]:
    """Texts of the code and of the portal come before those of letters and mails."""
    return -next(rank for rank, start in enumerate(_FILES) if path.startswith(start)), path


def catalogues(language: Language) -> dict[str, Catalog]:
    """The files of a language by name."""
    found = {}
    for path in sorted((CATALOGUES / language.value).glob("*.po")):
        with path.open("rb") as file:
            found[path.name] = read_po(file, locale=language.value, abort_invalid=True)
    return found


def messages(catalog: Catalog) -> Iterator[Message]:
    """The texts of a file, without its header."""
    return (message for message in catalog if message.id)


def written(catalog: Catalog, name: str, language: Language) -> bytes:
    """A file as it is kept."""
    fresh = Catalog(charset="utf-8", fuzzy=False)
    fresh.header_comment = _HEADER.format(
        name=name.removesuffix(".po").capitalize(), language=language.name.capitalize()
    ).rstrip()
    for message in messages(catalog):
        fresh.add(message.id, message.string, user_comments=message.user_comments)
    out = io.BytesIO()
    write_po(out, fresh, width=110, sort_output=True, no_location=True, omit_header=True)
    head = (
        f'{fresh.header_comment}\nmsgid ""\nmsgstr ""\n'
        '"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Language: {language.value}\\n"\n'
        f'"Plural-Forms: {_PLURALS[language]}\\n"\n\n'
    )
    return head.encode() + out.getvalue().lstrip()


def main() -> None:
    """Add what is missing, with an empty translation, drop what no code says any more, and sort."""
    marked = texts()
    for language in (Language.SPANISH,):
        files = catalogues(language)
        known = {text_id(message.id) for catalog in files.values() for message in messages(catalog)}
        for id, path in marked.items():
            name = next(name for start, name in _FILES.items() if path.startswith(start))
            if id not in known:
                sys.stdout.write(f"{name}: {id}\n")
                files.setdefault(name, Catalog()).add(id)
        for name, catalog in files.items():
            for message in list(messages(catalog)):
                if text_id(message.id) not in marked:
                    sys.stdout.write(f"{name}: no longer said: {message.id}\n")
                    catalog.delete(message.id)
            (CATALOGUES / language.value / name).write_bytes(written(catalog, name, language))


if __name__ == "__main__":
    main()
