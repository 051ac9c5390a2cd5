"""Pictures of every letter that a person has looked at: `make golden` renews them, and then somebody looks.

They are small: grey, 60 dots an inch, sixteen shades. A letter is compared with its picture so that a line
which moves by a dot is noticed, and a newer way of smoothing edges is not.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pypdfium2
from PIL import Image, ImageChops

from referral.domain.language import Language
from referral.letters.content import ReceiptRecord
from referral.letters.render import Renderer, Style
from referral.letters.sample_record import sample_record
from referral.letters.samples import KINDS, sample
from tests.letters.samples import CLINIC, record

FOLDER: Final = Path(__file__).with_name("golden")
DPI: Final = 60
SHADES: Final = 16
# Shades differ by 17 of 255. A dot counts that is lighter or darker by more, and so many may be.
FAR: Final = 60
ALLOWED: Final = 120


def wanted() -> list[tuple[str, Language, Style]]:
    """All kinds in both languages as they are printed, and as a fax what looks different there."""
    printed: list[tuple[str, Language, Style]] = [
        (kind, language, "print") for kind in KINDS if kind != "fax-cover" for language in Language
    ]
    faxed: list[tuple[str, Language, Style]] = [("fax-cover", language, "fax") for language in Language]
    return [*printed, *faxed, ("request", Language.ENGLISH, "fax"), ("report", Language.ENGLISH, "fax")]


def records() -> dict[str, ReceiptRecord]:
    """The sealed record by the name of its picture; there is one style of it."""
    return {"record": record(), "record-es": sample_record(CLINIC, Language.SPANISH)}


def pages(pdf: bytes) -> Iterator[Image.Image]:
    document = pypdfium2.PdfDocument(pdf)
    try:
        for page in document:
            yield page.render(scale=DPI / 72, grayscale=True).to_pil().convert("L")
    finally:
        document.close()


def far_dots(one: Image.Image, other: Image.Image) -> int:
    """How many dots differ; all of them where the sizes do."""
    if one.size != other.size:
        return one.width * one.height
    return sum(ImageChops.difference(one, other).histogram()[FAR + 1 :])


def small(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.quantize(SHADES, dither=Image.Dither.NONE).save(out, "PNG", optimize=True, bits=4)
    return out.getvalue()


def kept(name: str, page: int) -> Image.Image:
    with Image.open(FOLDER / f"{name}-{page}.png") as picture:
        return picture.convert("L")


def name_of(kind: str, language: Language, style: Style) -> str:
    return f"{kind}-{language}" if style == "print" or kind == "fax-cover" else f"{kind}-{language}-{style}"


def main() -> None:
    """Draw all again, say which differ from what was kept, and keep them; what is no longer drawn goes."""
    FOLDER.mkdir(exist_ok=True)
    drawn = set()
    with TemporaryDirectory() as fonts:
        renderer = Renderer(Path(fonts))
        letters = {
            name_of(*one): renderer.letter(sample(one[0], CLINIC, one[1]), one[2]).pdf for one in wanted()
        }
        letters |= {name: renderer.receipt(one).pdf for name, one in records().items()}
    for name, pdf in letters.items():
        for number, picture in enumerate(pages(pdf), 1):
            file = FOLDER / f"{name}-{number}.png"
            drawn.add(file)
            if not file.exists() or far_dots(picture, kept(name, number)) > 0:
                sys.stdout.write(f"look at {file}\n")
                file.write_bytes(small(picture))
    for file in set(FOLDER.glob("*.png")) - drawn:
        sys.stdout.write(f"no longer drawn: {file}\n")
        file.unlink()


if __name__ == "__main__":
    main()
