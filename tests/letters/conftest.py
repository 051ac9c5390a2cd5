"""One renderer for each test process: making one takes a second."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from referral.letters.render import Renderer


@pytest.fixture(scope="session")
def fonts_folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="referral-fonts-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def renderer(fonts_folder: Path) -> Renderer:
    return Renderer(fonts_folder)
