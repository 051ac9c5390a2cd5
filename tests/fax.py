"""Paper on its way through a fax machine: letters as the bytes that come in."""

from __future__ import annotations

import io
import os
import random
from pathlib import Path

from PIL import Image

from tests.letters import pdf

WIDTH = 1728


def page(letter: bytes, number: int, *, down: int = 196, turn: int = 0, skew: float = 0.0) -> Image.Image:
    """One page of a PDF as a machine scans it: black and white, 204 by `down` dots an inch, dithered.

    `turn` 180 is a sheet fed upside down, `skew` in degrees one fed askew.
    """
    sheet = pdf.picture(letter, number, 204, 204)
    turned = sheet.rotate(turn, expand=True).rotate(skew, Image.Resampling.BICUBIC, fillcolor=255)
    height = turned.height * WIDTH / turned.width
    lines = turned.resize((WIDTH, round(height * down / 204)), Image.Resampling.BOX)
    return lines.convert("1")


def dirty(sheet: Image.Image, seed: int, share: float = 0.004) -> Image.Image:
    """Specks of a worn glass and a bad line, the same for the same seed."""
    chance, marked = random.Random(seed), sheet.copy()
    for _ in range(round(sheet.width * sheet.height * share)):
        spot = chance.randrange(sheet.width), chance.randrange(sheet.height)
        marked.putpixel(spot, 0 if chance.random() < 0.7 else 255)
    return marked


def tiff(*sheets: Image.Image, down: int = 196, compression: str = "group4") -> bytes:
    """As fax machines hand it over: one file, a page after the other, G3 or G4."""
    out = io.BytesIO()
    sheets[0].save(
        out,
        "TIFF",
        compression=compression,
        dpi=(204, down),
        save_all=True,
        append_images=list(sheets[1:]),
    )
    return out.getvalue()


def blank(text_seed: int = 0) -> bytes:
    """A page with nothing on it that we know, and never the same bytes for two seeds."""
    return tiff(dirty(Image.new("1", (WIDTH, 2156), 255), text_seed))


def put(folder: Path, name: str, content: bytes) -> Path:
    """Into a watched folder, as a machine does it: under another name first, and whole when it is renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{name}"
    unfinished.write_bytes(content)
    # A minute ago: nothing is waited for.
    before = unfinished.stat().st_mtime - 60
    os.utime(unfinished, (before, before))
    return unfinished.rename(folder / name)
