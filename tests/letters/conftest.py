"""One renderer for each test process, since making one takes a second; each sample is drawn once by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from referral.domain.language import Language
from referral.letters.render import RenderedDocument, Renderer, Style
from referral.letters.samples import sample
from tests.letters.samples import CLINIC

Drawn = Callable[[str, Language, Style], RenderedDocument]


@pytest.fixture(scope="session")
def fonts_folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="referral-fonts-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def renderer(fonts_folder: Path) -> Renderer:
    return Renderer(fonts_folder)


@pytest.fixture(scope="session")
def drawn(renderer: Renderer) -> Drawn:
    """The sample of a kind as it leaves; whoever asks for it again gets the same."""

    @cache
    def draw(kind: str, language: Language, style: Style) -> RenderedDocument:
        return renderer.letter(sample(kind, CLINIC, language), style)

    return draw
