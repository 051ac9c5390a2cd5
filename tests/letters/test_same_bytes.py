"""The same input gives the same bytes, in any process and in any order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from referral.letters.render import Renderer
from tests.letters.samples import letter, record

_PROGRAM = """
import sys
from pathlib import Path
from referral.letters.render import Renderer
from tests.letters.samples import letter, record
renderer = Renderer(Path(sys.argv[1]))
for document in (
    renderer.letter(letter()), renderer.letter(letter(), "print"), renderer.letter(letter(), "fax"),
    renderer.receipt(record()),
):
    print(document.sha256)
"""


def test_two_processes_write_the_same_letters(data_dir: Path) -> None:
    """Each has fonts of its own and another seed for hashing, and they run at different seconds."""
    root = Path(__file__).resolve().parents[2]
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _PROGRAM, str(data_dir / seed)],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(root), "TZ": zone},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    ]
    first, second = (process.communicate(timeout=120)[0].split() for process in running)
    assert [process.returncode for process in running] == [0, 0]
    assert first == second
    assert len(set(first)) == 4


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
