"""Names in any script are printed as they are or refused; nothing in a name is ever obeyed."""

from __future__ import annotations

import logging
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from referral.letters import fonts
from referral.letters.content import LetterProblem, ShownAnswer, printable, printable_text
from referral.letters.render import Renderer
from tests.letters import pdf
from tests.letters.conftest import Draw
from tests.letters.samples import CLINIC, letter, record


def letters_of(text: str) -> list[str]:
    """A right-to-left name comes out of the PDF in another order and sometimes in presentation forms."""
    return sorted(c for c in unicodedata.normalize("NFKC", text) if c.isalpha() or unicodedata.combining(c))


# In one letter each, since every drawing takes a while.
LATIN_CYRILLIC_GREEK = (
    *("O’Neil-D’Arcy", "José Ramírez", "Nguyễn Thị Ánh", "Łukasz Żółć", "Ōkubo Ḥasan"),
    *("Арутюнян Гаянэ", "Γεώργιος"),
)
OTHER_SCRIPTS = (
    *("عبد الرحمن", "שרה כהן", "Արամ Հարությունյան", "नीता शर्मा"),
    *("ธนากร", "გიორგი", "王小明", "김민준"),
)


def test_the_text_faces_print_latin_cyrillic_and_greek(draw: Draw) -> None:
    shown = pdf.text(draw(letter(patient_name=", ".join(LATIN_CYRILLIC_GREEK))).pdf)
    assert [name for name in LATIN_CYRILLIC_GREEK if shown.count(name) != 2] == []


def test_other_scripts_are_printed_where_the_host_has_fonts_and_refused_where_not(
    draw: Draw, fonts_folder: Path
) -> None:
    """Which of the two is decided by the fonts, never by luck: an empty box is never printed."""
    installed = fonts.install(fonts_folder)
    printed = [name for name in OTHER_SCRIPTS if not installed.uncovered(name)]
    for name in set(OTHER_SCRIPTS) - set(printed):
        with pytest.raises(LetterProblem, match="patient_name has a character that is in none"):
            draw(letter(patient_name=name))
    shown = pdf.text(draw(letter(patient_name=", ".join(["Zoe", *printed]))).pdf, page=2)
    line = shown[shown.index("617-555-0143") + 12 : shown.index("born 1986")]
    assert letters_of(line) == letters_of("Zoe" + "".join(printed))


def test_a_name_without_glyphs_is_refused_and_neither_quoted_nor_logged(
    renderer: Renderer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(LetterProblem, match="patient_name") as refusal:
        renderer.letter(letter(patient_name="Zyx 😀 Wvut"))
    assert "Zyx" not in str(refusal.value)
    assert "😀" not in str(refusal.value)
    assert "Zyx" not in caplog.text


def test_a_glyph_that_is_missed_while_drawing_is_refused_as_well(
    renderer: Renderer, caplog: pytest.LogCaptureFixture
) -> None:
    """The second line of defence: what the check of the names let pass."""
    engine = renderer._engine
    laid = engine.lay("<html lang=en><title>x</title><h1>Zyx 😀</h1>", engine.stylesheet(""))
    with pytest.raises(LetterProblem, match="in none of the installed fonts"):
        engine.write(laid)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        ("Ana \u202eevil\u202c Lee", "Ana evil Lee"),
        ("Ana\x00\x1b[31m Lee\u200b", "Ana[31m Lee"),
        ("Ana\n\tLee\u2028", "Ana Lee"),
        ("Jose\u0301", "José"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\ud800Lee", "Lee"),
    ],
)
def test_control_characters_are_dropped_and_joiners_kept(given: str, printed: str) -> None:
    assert printable(given) == printed
    assert letter(patient_name=given + " Q").patient_name == f"{printed} Q"


def test_free_text_keeps_its_lines() -> None:
    assert printable_text(" one\r\ntwo \u202e \n\nthree\x07 ") == "one\ntwo\n\nthree"


HOSTILE = [
    "<img src=file:///etc/passwd> Lee",
    "</b><script>alert(1)</script>",
    "{{ 7*7 }} {% include 'x' %}",
    '" onclick="x" style="background:url(http://127.0.0.1:9/x)',
    "&lt;b&gt; &amp; &#x41;",
    "<svg><image href='file:///etc/passwd'/></svg>",
]


def test_markup_in_a_text_is_printed_and_not_obeyed(draw: Draw) -> None:
    fields = ("patient_name", "planned_course", "indication", "clinician_role", "salutation")
    hostile = letter(
        **dict(zip(fields, HOSTILE, strict=False)), letterhead=replace(CLINIC, tagline=HOSTILE[-1])
    )
    answers = tuple(ShownAnswer(question=text, answer=text) for text in HOSTILE)
    for what in (hostile, record(patient_name=HOSTILE[0], answers=answers)):
        shown = pdf.text(draw(what).pdf).replace(" ", "")
        assert [text for text in HOSTILE if text.replace(" ", "") not in shown] == []


def test_a_field_that_is_too_long_is_refused_by_name_only() -> None:
    with pytest.raises(LetterProblem, match="patient_name is longer than the 120") as refusal:
        letter(patient_name="Zyxwvut " * 20)
    assert "Zyxwvut" not in str(refusal.value)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "ask.example/r/1", ""])
def test_a_link_leads_to_a_web_page_only(url: str) -> None:
    with pytest.raises(LetterProblem, match="portal_url"):
        letter(portal_url=url)
    with pytest.raises(LetterProblem, match="verify_url"):
        record(verify_url=url)
