"""Reads a scanned file in a process of its own: bytes on standard input, pages on standard output.

Whoever sends a fax chooses these bytes, and the libraries that read them are written in C. So this program
imports nothing of ours, is given no settings and no secret, and ends at its limits of memory and time.
"""

from __future__ import annotations

import io
import json
import resource
import struct
import sys
from collections.abc import Iterator
from typing import Any, Final

MAX_PAGES: Final = 60
MAX_PIXELS: Final = 24_000_000
MAX_SIDE: Final = 12_000
MAX_OUTPUT: Final = 64 * 1024 * 1024
MEMORY: Final = 1536 * 1024 * 1024
CPU_SECONDS: Final = 45
# Fine resolution of a fax; what is wider is shown at this width.
DOTS_PER_INCH: Final = 204
_WIDTH_SHOWN: Final = 1728


class Refused(Exception):
    """The code of a reason; see REASONS in letters/scan.py."""


def limit() -> None:
    """Whatever the file does, it ends with this process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def pages_of(content: bytes) -> Iterator[Any]:
    """Each page as a picture with square pixels, black on white."""
    if content[:4] in (b"II*\0", b"MM\0*"):
        yield from _of_tiff(content)
    elif b"%PDF-" in content[:1024]:
        yield from _of_pdf(content)
    else:
        raise Refused("not-a-fax")


def _of_tiff(content: bytes) -> Iterator[Any]:
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # checked here, before anything is unpacked
    try:
        picture = Image.open(io.BytesIO(content), formats=["TIFF"])
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, TypeError) as error:
        raise Refused("damaged") from error
    for number in range(MAX_PAGES + 1):
        try:
            picture.seek(number)
        except EOFError:
            return
        if number == MAX_PAGES:
            raise Refused("too-many-pages")
        _require_size(*picture.size)
        try:
            picture.load()
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise Refused("damaged") from error
        yield _square(picture.copy() if picture.mode == "1" else picture.convert("L"), picture)


def _square(page: Any, picture: Any) -> Any:
    """A fax has 204 dots across and 98 or 196 down the inch; barcodes and people want both alike."""
    from PIL import Image

    across, down = (float(value or 0) for value in (picture.tag_v2.get(282), picture.tag_v2.get(283)))
    if not across or not down:
        # Without a resolution, a page of a fax's width that is wider than high was sent in the coarse one.
        across, down = (204.0, 98.0) if page.width == _WIDTH_SHOWN and page.height < 1500 else (1.0, 1.0)
    if 0.95 < across / down < 1.05:
        return page
    height = round(page.height * across / down)
    _require_size(page.width, height)
    return page.resize((page.width, height), Image.Resampling.NEAREST)


def _of_pdf(content: bytes) -> Iterator[Any]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        raise Refused("locked" if "password" in str(error).lower() else "damaged") from error
    if len(document) > MAX_PAGES:
        raise Refused("too-many-pages")
    for number in range(len(document)):
        try:
            page = document[number]
            scale = DOTS_PER_INCH / 72
            _require_size(*(round(side * scale) for side in page.get_size()))
            yield page.render(scale=scale, grayscale=True).to_pil().convert("L")
        except pypdfium2.PdfiumError as error:
            raise Refused("damaged") from error


def _require_size(width: int, height: int) -> None:
    if width < 1 or height < 1 or max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise Refused("too-large-page")


def codes_of(page: Any) -> list[Any]:
    """Every QR code, in any orientation; where there is none, the page is looked at again without dirt."""
    import zxingcpp

    read: Any = zxingcpp.read_barcodes
    for look in _looks(page.convert("L")):
        found = read(look, formats=zxingcpp.BarcodeFormat.QRCode)
        if found:
            return list(found)
    return []


def _looks(grey: Any) -> Iterator[Any]:
    from PIL import ImageFilter

    yield grey
    yield grey.filter(ImageFilter.MedianFilter(3))
    yield grey.filter(ImageFilter.GaussianBlur(1.5))


def _picture(page: Any, turn: int) -> bytes:
    from PIL import Image

    if page.width > _WIDTH_SHOWN:
        height = round(page.height * _WIDTH_SHOWN / page.width)
        page = page.convert("L").resize((_WIDTH_SHOWN, height), Image.Resampling.BOX)
    if turn:
        page = page.rotate(turn, expand=True)
    if page.mode == "L":
        page = page.quantize(16)
    out = io.BytesIO()
    page.save(out, "PNG")
    return out.getvalue()


def scan(content: bytes) -> tuple[list[dict[str, Any]], list[bytes]]:
    """What stands in the codes of each page, and the pages upright as PNG.

    A page without a code is turned as the nearest one before it that has a code, or else the first after it:
    sheets are fed in one stack.
    """
    pages: list[dict[str, Any]] = []
    pictures: list[bytes] = []
    turn: int | None = None
    for page in pages_of(content):
        codes = codes_of(page)
        if codes:
            upright = round(codes[0].orientation / 90) * 90 % 360
            if turn is None:
                pictures = [_turned(picture, upright) for picture in pictures]
            turn = upright
        pages.append({"codes": [code.text[:300] for code in codes]})
        pictures.append(_picture(page, turn or 0))
        if sum(map(len, pictures)) > MAX_OUTPUT:
            raise Refused("too-large-page")
    if not pages:
        raise Refused("damaged")
    return pages, pictures


def _turned(picture: bytes, turn: int) -> bytes:
    from PIL import Image

    return _picture(Image.open(io.BytesIO(picture)), turn) if turn else picture


def main() -> None:
    """A length in four bytes, that many bytes of JSON, then the pictures."""
    limit()
    content = sys.stdin.buffer.read()
    head: dict[str, Any] = {}
    pictures: list[bytes] = []
    try:
        head["pages"], pictures = scan(content)
    except Refused as refusal:
        head = {"refused": str(refusal)}
    except MemoryError:
        head = {"refused": "too-large-page"}
    head["sizes"] = [len(picture) for picture in pictures]
    written = json.dumps(head).encode()
    sys.stdout.buffer.write(struct.pack(">I", len(written)) + written + b"".join(pictures))


if __name__ == "__main__":
    main()
