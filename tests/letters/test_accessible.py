"""Every kind of letter is a sound, tagged PDF that a screen reader can read in the right language."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Final

import outloud  # type: ignore[import-untyped]  # it has no type hints
import pikepdf
import pytest

from referral.domain.language import Language
from referral.letters.render import Renderer, Style
from referral.letters.samples import KINDS
from tests.letters import golden, pdf
from tests.letters.conftest import Draw, Drawn
from tests.letters.samples import record

EVERY: Final = [(kind, language) for kind in KINDS for language in Language]
# It complains of the corner of a table whose rows have heads too; veraPDF accepts a TH with its scope.
SKIPPED: Final = ("TBL-002",)
# A table of questions and answers has one head for each answer and two above: more heads than cells.
SKIPPED_IN_RECORDS: Final = (*SKIPPED, "TBL-010")


def broken_rules(body: bytes, folder: Path, skipped: tuple[str, ...] = SKIPPED) -> set[str]:
    """Of PDF/UA-1 and beyond it; what is only a warning is left out."""
    file = folder / "letter.pdf"
    file.write_bytes(body)
    result = outloud.check(str(file), skip=skipped)
    assert result.error is None
    return {found.rule for found in result.findings if found.severity == "error"}


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_it_is_a_sound_pdf_in_its_language_whose_properties_name_nobody(
    drawn: Drawn, kind: str, language: Language
) -> None:
    body = drawn(kind, language, "print").pdf
    opened = pikepdf.open(io.BytesIO(body))
    assert opened.check_pdf_syntax() == []
    assert pdf.problems(body) == ""
    assert pdf.xmp(body)["pdf/ua"] == "1"
    assert pdf.attachments(body) == {}
    assert opened.Root.Lang == f"{language}-US"
    hidden = " ".join(str(value) for value in opened.docinfo.values()) + str(
        opened.Root.Metadata.read_bytes()
    )
    assert "Harbor Light" in hidden
    for name in ("Maria", "Nguy", "Okafor", "F33", "etamin"):
        assert name not in hidden


@pytest.mark.parametrize(("kind", "language", "style"), golden.wanted())
def test_it_can_be_read_aloud(
    drawn: Drawn, data_dir: Path, kind: str, language: Language, style: Style
) -> None:
    assert broken_rules(drawn(kind, language, style).pdf, data_dir) == set()


@pytest.mark.parametrize("name", golden.records())
def test_the_record_of_an_answer_can_be_read_aloud(draw: Draw, data_dir: Path, name: str) -> None:
    assert broken_rules(draw(golden.records()[name]).pdf, data_dir, SKIPPED_IN_RECORDS) == set()


def languages(body: bytes, kind: str) -> list[str]:
    """What each structure element of one kind says of its language, "" where it says nothing."""
    # The file needs a name of its own: of an unnamed one nothing is left.
    opened = pikepdf.open(io.BytesIO(body))
    found = (one for one in opened.objects if isinstance(one, pikepdf.Dictionary) and one.get("/S") == kind)
    return [str(one.get("/Lang", "")) for one in found]


def spoken(body: bytes) -> list[str]:
    """Languages of words that differ from that of the file."""
    return [language for language in languages(body, "/Span") if language]


@pytest.mark.parametrize("kind", ["request", "report"])
def test_words_that_stay_english_are_not_read_as_spanish(drawn: Drawn, kind: str) -> None:
    assert set(spoken(drawn(kind, Language.SPANISH, "print").pdf)) == {"en-US"}
    assert spoken(drawn(kind, Language.ENGLISH, "print").pdf) == []


def test_only_what_leads_nowhere_is_taken_for_words_of_another_language(renderer: Renderer) -> None:
    words = '<p>uno <a lang="en">two</a> <a href="https://three.example/">tres</a>'
    engine = renderer._engine
    page = f"<html lang=es><title>x</title><h1>x</h1>{words}"
    made = engine.write(engine.lay(page, engine.stylesheet("")))
    assert spoken(made) == ["en-US"]
    assert languages(made, "/Link") == [""]


def test_an_answer_in_english_is_marked_in_a_spanish_record(draw: Draw) -> None:
    """Staff have written it down for somebody who reads Spanish."""
    taken = replace(record(), language=Language.SPANISH)
    assert set(spoken(draw(taken).pdf)) == {"en-US"}
    # What was shown in Spanish is not: the indication alone stays English.
    shown = spoken(draw(golden.records()["record-es"]).pdf)
    assert 0 < len(shown) < len(spoken(draw(taken).pdf))


@pytest.mark.parametrize(
    ("markup", "rule"),
    [
        ("<h2>First</h2><p>x", "HDG-002"),
        ("<h1>x</h1><svg viewBox='0 0 9 9'><circle r='4'/></svg>", "FIG-001"),
        ("<h1>x</h1><table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>", "TBL-001"),
    ],
)
def test_the_check_notices_what_a_screen_reader_would_stumble_over(
    renderer: Renderer, data_dir: Path, markup: str, rule: str
) -> None:
    engine = renderer._engine
    page = f"<html lang=en><title>x</title>{markup}"
    made = engine.write(engine.lay(page, engine.stylesheet("")))
    assert rule in broken_rules(made, data_dir)
