"""The same input gives the same bytes, in any process and in any order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from referral.letters.render import Renderer
from tests.letters import golden
from tests.letters.conftest import Drawn
from tests.letters.samples import letter, record

_PROGRAM = """
import sys
from pathlib import Path
from referral.letters.render import Renderer
from referral.letters.samples import sample
from tests.letters import golden
from tests.letters.samples import CLINIC, record
renderer = Renderer(Path(sys.argv[1]))
for kind, language, style in golden.wanted():
    print(renderer.letter(sample(kind, CLINIC, language), style).sha256)
print(renderer.receipt(record()).sha256)
"""


def test_another_process_writes_the_same_letters(drawn: Drawn, renderer: Renderer, data_dir: Path) -> None:
    """It has fonts of its own, another seed for hashing and another zone, and runs at another second."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-W", "error", "-c", _PROGRAM, str(data_dir / "fonts")]
    environment = os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": str(root), "TZ": "Asia/Tokyo"}
    there = subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=240
    ).stdout.split()
    here = [drawn(*one).sha256 for one in golden.wanted()] + [renderer.receipt(record()).sha256]
    assert there == here
    assert len(set(here)) == len(golden.wanted()) + 1


def test_what_was_drawn_before_changes_nothing(renderer: Renderer) -> None:
    before = renderer.letter(letter()).pdf
    renderer.receipt(record())
    renderer.letter(letter(patient_name="Someone Else"), "fax")
    assert renderer.letter(letter()).pdf == before
    assert renderer.letter(letter(patient_name="Someone Else")).pdf != before


def test_importing_the_renderer_does_not_import_weasyprint() -> None:
    """A web process may name the renderer without paying most of a second for it."""
    program = "import sys, referral.letters.render; sys.exit('weasyprint' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
