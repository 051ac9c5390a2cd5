"""One renderer for each test process, since making one takes a second; it draws each letter once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import pytest

from referral.domain.language import Language
from referral.letters.content import Letter, ReceiptRecord
from referral.letters.render import RenderedDocument, Renderer, Style
from referral.letters.samples import sample
from tests.letters.samples import CLINIC

Drawn = Callable[[str, Language, Style], RenderedDocument]


class Draw(Protocol):
    def __call__(self, what: Letter | ReceiptRecord, style: Style = "screen") -> RenderedDocument: ...


@pytest.fixture(scope="session")
def fonts_folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="referral-fonts-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def renderer(fonts_folder: Path) -> Renderer:
    return Renderer(fonts_folder)


@pytest.fixture(scope="session")
def draw(renderer: Renderer) -> Draw:
    """A letter or a record; whoever asks for an equal one again gets the same."""

    @cache
    def once(what: Letter | ReceiptRecord, style: Style) -> RenderedDocument:
        return renderer.receipt(what) if isinstance(what, ReceiptRecord) else renderer.letter(what, style)

    def drawing(what: Letter | ReceiptRecord, style: Style = "screen") -> RenderedDocument:
        return once(what, style)

    return drawing


@pytest.fixture(scope="session")
def drawn(draw: Draw) -> Drawn:
    """The sample of a kind as it leaves."""
    return lambda kind, language, style: draw(sample(kind, CLINIC, language), style)
