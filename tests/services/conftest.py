"""What delivery needs of the outside: letters and a mail server, both real."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from referral.letters.render import Renderer
from tests.smtp import Mailbox, smtp_server


@pytest.fixture(scope="session")
def renderer() -> Iterator[Renderer]:
    """One for all tests of a process: the first letter costs as much as five."""
    with tempfile.TemporaryDirectory(prefix="referral-fonts-") as folder:
        yield Renderer(Path(folder))


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    with smtp_server() as served:
        yield served
