"""Letters look as they did when a person last looked at them."""

from __future__ import annotations

import pytest
from PIL import Image, ImageChops

from referral.domain.language import Language
from referral.letters.render import Style
from tests.letters import golden
from tests.letters.conftest import Draw, Drawn


@pytest.mark.parametrize(("kind", "language", "style"), golden.wanted())
def test_a_letter_looks_as_it_was_approved(drawn: Drawn, kind: str, language: Language, style: Style) -> None:
    _compare(golden.name_of(kind, language, style), drawn(kind, language, style).pdf)


@pytest.mark.parametrize("name", golden.records())
def test_the_record_of_an_answer_looks_as_it_was_approved(draw: Draw, name: str) -> None:
    _compare(name, draw(golden.records()[name]).pdf)


def _compare(name: str, pdf: bytes) -> None:
    pictures = list(golden.pages(pdf))
    assert len(pictures) == len(list(golden.FOLDER.glob(f"{name}-[0-9].png")))
    for number, picture in enumerate(pictures, 1):
        far = golden.far_dots(picture, golden.kept(name, number))
        assert far <= golden.ALLOWED, f"page {number}: look at it, and if it is right: make golden"


def test_nothing_is_kept_that_is_not_drawn() -> None:
    names = {golden.name_of(*one) for one in golden.wanted()} | set(golden.records())
    assert {file.stem.rpartition("-")[0] for file in golden.FOLDER.glob("*.png")} == names


@pytest.mark.parametrize("name", ["cancelled-en", "request-es", "report-en", "fax-cover-es", "notice-en"])
def test_a_line_that_moves_by_a_dot_is_noticed(name: str) -> None:
    """The shortest paragraph of each, one dot lower: a sixtieth of an inch."""
    picture = golden.kept(name, 1)
    moved = picture.copy()
    top, bottom = _a_line(picture)
    moved.paste(ImageChops.offset(picture.crop((0, top - 1, picture.width, bottom + 1)), 0, 1), (0, top - 1))
    assert golden.far_dots(picture, moved) > golden.ALLOWED
    assert golden.far_dots(picture, picture.point(lambda shade: max(0, shade - 17))) == 0


def _a_line(picture: Image.Image) -> tuple[int, int]:
    """The first line of text below the middle of the page that is as long as a sentence."""
    dark = picture.point(lambda shade: 255 if shade < 128 else 0)
    top = None
    for y in range(picture.height * 2 // 5, picture.height):
        row = dark.crop((0, y, picture.width, y + 1)).getbbox()
        if row is not None and top is None:
            top = y
        elif row is None and top is not None:
            box = dark.crop((0, top, picture.width, y)).getbbox()
            if y - top > 3 and box is not None and box[2] - box[0] > 200:
                return top, y
            top = None
    raise AssertionError("the page has no such line")
