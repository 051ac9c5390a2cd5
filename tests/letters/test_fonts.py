"""Letters use our fonts and no others, whatever is installed on the host."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from referral.domain.errors import InvalidInput
from referral.letters import fonts
from referral.letters.content import LetterProblem
from referral.letters.render import Renderer
from tests.letters.samples import CLINIC, letter


def test_only_our_faces_are_in_a_letter_and_all_are_embedded(renderer: Renderer) -> None:
    with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
        file.write(renderer.letter(letter()).pdf)
        file.flush()
        listed = subprocess.run(["pdffonts", file.name], check=True, capture_output=True, text=True).stdout
    rows = listed.splitlines()[2:]
    assert len(rows) == 5
    for row in rows:
        assert "SourceS" in row.replace("-", "")
        assert row.split()[-5] == "yes"


def test_several_processes_may_install_into_one_folder(data_dir: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        sets = list(pool.map(lambda _: fonts.install(data_dir / "fonts"), range(16)))
    files = {file.name for file in (data_dir / "fonts").iterdir()}
    assert {"SourceSansPro-Regular.ttf", "SourceSerifPro-Semibold.ttf", "fonts.conf"} <= files
    assert not any(name.startswith(".new-") or name.endswith(".otf") for name in files)
    assert sets[0].uncovered("José ☐") == frozenset()


def test_the_folder_is_private(data_dir: Path) -> None:
    folder = fonts.install(data_dir / "fonts").folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_host_without_script_fonts_says_what_it_cannot_print(data_dir: Path) -> None:
    bare = fonts.install(data_dir / "fonts", host_folders=())
    assert bare.uncovered("Ana عبد") == frozenset("عبد")
    assert bare.uncovered("Арутюнян Nguyễn ☐") == frozenset()


def test_script_fonts_of_the_host_are_used(data_dir: Path) -> None:
    """A Latin face under the name of an Arabic one: found by its name, wherever it lies."""
    host = data_dir / "host" / "deep"
    host.mkdir(parents=True)
    source = fonts.install(data_dir / "fonts", host_folders=()).folder / "SourceSansPro-Regular.ttf"
    (host / "NotoSansArabic-Regular.ttf").symlink_to(source.resolve())
    found = fonts.install(data_dir / "fonts", host_folders=(data_dir / "host",))
    assert (found.folder / "NotoSansArabic-Regular.ttf").exists()


@pytest.mark.parametrize("accent", ["red", "#12345", "#12345g", "#fff000;}*{display:none", "#88cccc"])
def test_a_colour_must_be_a_colour_and_dark_enough(accent: str) -> None:
    with pytest.raises(InvalidInput):
        replace(CLINIC, accent=accent)


def test_a_letterhead_has_room_for_three_lines() -> None:
    with pytest.raises(LetterProblem, match="3 lines"):
        replace(CLINIC, address_lines=("a", "b", "c", "d"))


def test_measuring_a_line_holds_no_file_open(data_dir: Path) -> None:
    found = fonts.install(data_dir / "fonts", host_folders=())
    assert found.width("Ana", 10) > 0
    assert found.initial_path("A") is not None
    held = (os.path.realpath(file) for file in Path("/proc/self/fd").iterdir())
    assert [file for file in held if "SourceS" in file] == []
