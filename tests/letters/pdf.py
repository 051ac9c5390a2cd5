"""Reads finished PDFs with poppler and pikepdf, as their receivers would."""

from __future__ import annotations

import html
import io
import re
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import pikepdf
from PIL import Image


class Box(NamedTuple):
    """Inches from the upper left corner of the sheet."""

    left: float
    top: float
    right: float
    bottom: float


def text(pdf: bytes, page: int | None = None) -> str:
    """The text in reading order, white space evened out."""
    pages = ["-f", str(page), "-l", str(page)] if page else []
    return " ".join(_poppler("pdftotext", *pages, "-", "-", pdf=pdf).decode().split())


def words(pdf: bytes, page: int) -> list[tuple[str, Box]]:
    out = _poppler("pdftotext", "-bbox", "-f", str(page), "-l", str(page), "-", "-", pdf=pdf).decode()
    pattern = r'<word xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)">(.*?)</word>'
    return [
        (html.unescape(word), Box(*(float(v) / 72 for v in box))) for *box, word in re.findall(pattern, out)
    ]


def picture(pdf: bytes, page: int, across: int, down: int, *options: str) -> Image.Image:
    """One page in grey, `across` by `down` dots an inch."""
    resolution = ("-rx", str(across), "-ry", str(down), "-f", str(page), "-l", str(page), "-singlefile")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "letter.pdf", Path(folder) / "page"
        source.write_bytes(pdf)
        subprocess.run(["pdftoppm", *resolution, *options, source, target], check=True, capture_output=True)
        (made,) = (file for file in Path(folder).iterdir() if file != source)
        with Image.open(made) as image:
            return image.convert("L")


def problems(pdf: bytes) -> str:
    """What `qpdf --check` complains of."""
    with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
        file.write(pdf)
        file.flush()
        done = subprocess.run(["qpdf", "--check", file.name], check=False, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def attachments(pdf: bytes) -> dict[str, bytes]:
    # The Pdf needs a name of its own: walking the attachments of an unnamed one crashes the process.
    opened = pikepdf.open(io.BytesIO(pdf))
    return {name: spec.get_file().read_bytes() for name, spec in opened.attachments.items()}


def xmp(pdf: bytes) -> dict[str, str]:
    opened = pikepdf.open(io.BytesIO(pdf))
    with opened.open_metadata() as metadata:
        return {"pdf/a": metadata.pdfa_status, "pdf/ua": str(metadata.get("pdfuaid:part", ""))}


def _poppler(program: str, *arguments: str, pdf: bytes) -> bytes:
    return subprocess.run([program, *arguments], input=pdf, check=True, capture_output=True).stdout
