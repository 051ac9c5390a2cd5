"""Guard tests of the translations: nothing is left untranslated, broken or left over."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import jinja2
import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import PoFileError

from referral.domain.language import Language, Phrase, phrase
from referral.translation import CATALOGUES, clock_time, long_date, read_catalogues, say, say_many, teach
from tests.words import catalogues, messages, text_id, texts, written

TRANSLATED = [language for language in Language if language is not Language.ENGLISH]
_PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|%%|%")
_TAG = re.compile(r"</?\w+[^>]*>")


def translated(language: Language) -> list[Message]:
    return [message for catalog in catalogues(language).values() for message in messages(catalog)]


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated_once_and_no_translation_is_left_over(language: Language) -> None:
    found = Counter(text_id(message.id) for message in translated(language))
    assert [id for id, count in found.items() if count > 1] == []
    marked = set(texts())
    assert marked - set(found) == set(), "python -m tests.words adds these"
    assert set(found) - marked == set(), "python -m tests.words drops these"
    assert [message.id for message in translated(language) if not all(_strings(message.string))] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_the_values_and_the_marks_of_its_text(language: Language) -> None:
    for message in translated(language):
        assert not message.fuzzy, message.id
        ids = _strings(message.id)
        for text in _strings(message.string):
            # Of (one, many) the translations may name what either of them names, and must name no more.
            assert _values(text) in [_values(id) for id in ids], message.id
            assert Counter(_TAG.findall(text)) == Counter(_TAG.findall(ids[-1])), message.id
            assert text == text.strip() or ids[0] != ids[0].strip(), message.id


def _strings(one_or_many: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    return (one_or_many,) if isinstance(one_or_many, str) else tuple(one_or_many or ("",))


def _values(text: str) -> Counter[str]:
    return Counter(match.group(1) or match.group(0) for match in _PLACEHOLDER.finditer(text))


@pytest.mark.parametrize("language", TRANSLATED)
def test_catalogues_are_kept_as_they_are_written(language: Language) -> None:
    for name, catalog in catalogues(language).items():
        kept = (CATALOGUES / language.value / name).read_bytes()
        assert kept == written(catalog, name, language), f"python -m tests.words puts {name} in order"


def test_a_phrase_is_english_text_that_can_be_said_in_spanish() -> None:
    sentence = phrase("At most %(most)s characters, these are %(count)s: %(what)s", most=5, count=7, what="X")
    assert sentence == "At most 5 characters, these are 7: X"
    assert say(Language.ENGLISH, sentence) == sentence
    assert say(Language.SPANISH, sentence) == "Como máximo 5 caracteres; aquí hay 7: X"
    assert say(Language.SPANISH, phrase("Main reason")) == "Motivo principal"
    inside = phrase("Please answer: %(what)s", what=Phrase("Main reason", {}))
    assert say(Language.SPANISH, phrase("Please answer: %(what)s", what="Yes")) == "Responda, por favor: Yes"
    assert say(Language.SPANISH, inside) == "Responda, por favor: Motivo principal"
    assert say(Language.SPANISH, "100% unknown") == "100% unknown"
    assert say(Language.SPANISH, "") == ""


def test_templates_of_two_languages_do_not_meet() -> None:
    def said(language: Language, source: str) -> str:
        environment = teach(jinja2.Environment(autoescape=True), language)
        return environment.from_string(source).render(who="<Ann>")

    source = "{% macro m() %}{{ _('Close') }}{% endmacro %}{{ m() }} {{ language }} {{ who }}"
    assert said(Language.ENGLISH, source) == "Close en &lt;Ann&gt;"
    assert said(Language.SPANISH, source) == "Cerrar es &lt;Ann&gt;"


def test_days_and_hours_are_said_as_the_reader_says_them() -> None:
    assert long_date(Language.ENGLISH, date(2026, 12, 6)) == "December 6, 2026"
    assert long_date(Language.SPANISH, date(2026, 12, 6)) == "6 de diciembre de 2026"
    moment = datetime(2026, 12, 6, 14, 5, tzinfo=UTC)
    assert clock_time(Language.ENGLISH, moment) == "2:05 PM"
    assert clock_time(Language.SPANISH, moment) == "2:05 p.m."


def test_the_first_language_that_is_spoken_here_is_taken() -> None:
    assert Language.of(["fr-CA", "es-MX", "en"]) is Language.SPANISH
    assert Language.of(["EN_us"]) is Language.ENGLISH
    assert Language.of(["est", "fr"]) is None


def test_the_files_of_a_language_are_read_together_and_know_its_plurals(data_dir: Path) -> None:
    head = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
    plurals = '"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
    (data_dir / "a.po").write_text(head + plurals + 'msgid "Yes"\nmsgstr "Sí"\n', encoding="utf-8")
    days = 'msgid "a day"\nmsgid_plural "days"\nmsgstr[0] "un día"\nmsgstr[1] "días"\n'
    (data_dir / "b.po").write_text(head + plurals + days, encoding="utf-8")
    read = read_catalogues(data_dir)
    assert read.gettext("Yes") == "Sí"
    assert [read.ngettext("a day", "days", number) for number in (1, 2, 0)] == ["un día", "días", "días"]
    (data_dir / "c.po").write_text(head + 'msgid "No" msgstr "No"\n', encoding="utf-8")
    with pytest.raises(PoFileError):
        read_catalogues(data_dir)


def test_a_number_of_things_is_said() -> None:
    assert say_many(Language.ENGLISH, "%(num)s day", "%(num)s days", 1) == "1 day"
    assert say_many(Language.ENGLISH, "%(num)s day", "%(num)s days", 3) == "3 days"
