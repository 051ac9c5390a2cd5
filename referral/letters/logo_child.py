"""Reads and cleans a logo in a process of its own: bytes on standard input, the logo on standard output.

Somebody uploads these bytes, and they go into every letter. So this program imports nothing of ours, is given
no settings and no secret, ends at its limits of memory and time, and draws the logo as letters do, once.
"""

from __future__ import annotations

import io
import json
import re
import resource
import struct
import sys
from typing import Any, Final
from xml.etree import ElementTree as ET

MAX_PIXELS: Final = 16_000_000
MAX_ELEMENTS: Final = 3_000
MEMORY: Final = 1536 * 1024 * 1024
CPU_SECONDS: Final = 5
# As large as a letter needs it: 1.5 inches high and 4 wide at 300 dots an inch.
_WIDEST: Final = 1200
_HIGHEST: Final = 450
_LEAST_SIDE: Final = 24
_LONGEST: Final = 10.0
_SVG: Final = "{http://www.w3.org/2000/svg}"
# Shapes and paint. No text, which needs fonts, no pictures inside, nothing that moves or leads elsewhere.
_ALLOWED: Final = frozenset(
    {
        *("svg", "g", "defs", "symbol", "use", "path", "rect", "circle", "ellipse", "line", "polyline"),
        *("polygon", "clipPath", "mask", "linearGradient", "radialGradient", "stop", "pattern", "style"),
    }
)
_LEFT_OUT: Final = frozenset({"title", "desc", "metadata"})
_TEXT: Final = frozenset({"text", "tspan", "textPath", "foreignObject"})
# As dark as this or darker is black on a fax.
_BLACK_BELOW: Final = 150
_LEAST_BLACK: Final = 0.005


class Refused(Exception):
    """The code of a reason; see REASONS in letters/logo.py."""


def limit() -> None:
    """Whatever the file does, it ends with this process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def cleaned(content: bytes) -> tuple[str, bytes, float]:
    """(content type, bytes, width by height) of what letters may draw."""
    if content.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        return _raster(content)
    if b"<svg" in content[:4096]:
        return _vector(content)
    raise Refused("not-a-logo")


def _raster(content: bytes) -> tuple[str, bytes, float]:
    """Its pixels alone, no larger than a letter needs: what else was in the file is gone."""
    from PIL import Image, ImageFile, ImageOps

    # WeasyPrint tells the whole process to take what is cut off; a logo has to be whole.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    Image.MAX_IMAGE_PIXELS = None  # checked here, before anything is unpacked
    try:
        opened = Image.open(io.BytesIO(content), formats=["PNG", "JPEG"])
        if opened.width * opened.height > MAX_PIXELS:
            raise Refused("too-many-pixels")
        picture = ImageOps.exif_transpose(opened)
    except (OSError, ValueError, SyntaxError, EOFError, TypeError) as error:
        raise Refused("damaged") from error
    _require_shape(picture.width, picture.height)
    see_through = "A" in picture.getbands() or "transparency" in picture.info
    fresh = picture.convert("RGBA" if see_through else "RGB")
    fresh.thumbnail((_WIDEST, _HIGHEST), Image.Resampling.LANCZOS)
    fresh = Image.frombytes(fresh.mode, fresh.size, fresh.tobytes())
    made = _saved(fresh, "PNG", optimize=True)
    if not see_through and len(made) > 120_000:
        return "image/jpeg", _saved(fresh, "JPEG", quality=90), fresh.width / fresh.height
    return "image/png", made, fresh.width / fresh.height


def _require_shape(width: float, height: float) -> None:
    if width <= 0 or height <= 0 or not 1 / _LONGEST <= width / height <= _LONGEST:
        raise Refused("odd-shape")
    if min(width, height) < _LEAST_SIDE:
        raise Refused("too-small")


def _saved(picture: Any, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def _vector(content: bytes) -> tuple[str, bytes, float]:
    """Shapes and paint alone, written anew."""
    import py_svg_hush

    try:
        # Its output is written anew and declares nothing, so there is no entity left to be resolved.
        root = ET.fromstring(py_svg_hush.filter_svg(content))  # noqa: S314 - see above
    except (ValueError, ET.ParseError, RecursionError) as error:
        raise Refused("damaged") from error
    if root.tag != f"{_SVG}svg":
        raise Refused("not-a-logo")
    _require_plain(root)
    width, height = _size(root)
    _require_shape(width * 100 / height, 100)
    root.set("viewBox", root.get("viewBox") or f"0 0 {width:g} {height:g}")
    root.set("width", f"{450 * width / height:.0f}")
    root.set("height", "450")
    ET.register_namespace("", _SVG.strip("{}"))
    return "image/svg+xml", ET.tostring(root, encoding="utf-8"), width / height


def _require_plain(root: Any) -> None:
    elements = list(root.iter())
    if len(elements) > MAX_ELEMENTS:
        raise Refused("too-many-shapes")
    for parent in elements:
        for child in list(parent):
            name = child.tag.removeprefix(_SVG) if isinstance(child.tag, str) else ""
            if name in _TEXT:
                raise Refused("has-text")
            if name in _LEFT_OUT or "{" in name or not name:
                parent.remove(child)
            elif name not in _ALLOWED:
                raise Refused("has-more-than-shapes")
        if parent.tag == f"{_SVG}style" and re.search(r"[@\\]|//|url\(\s*[^#\s]", parent.text or ""):
            raise Refused("has-more-than-shapes")


def _size(root: Any) -> tuple[float, float]:
    try:
        box = [float(part) for part in re.split(r"[\s,]+", root.get("viewBox", "").strip()) if part]
        if len(box) == 4 and box[2] > 0 and box[3] > 0:
            return box[2], box[3]
        width, height = (
            float(re.sub(r"(px|pt|mm|cm|in)$", "", root.get(s, ""))) for s in ("width", "height")
        )
    except ValueError as error:
        raise Refused("no-size") from error
    if width <= 0 or height <= 0:
        raise Refused("no-size")
    return width, height


def drawn(content: bytes, content_type: str, ratio: float) -> Any:
    """The logo on white, drawn as letters draw it."""
    import pypdfium2
    import weasyprint
    from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

    class Fetcher(URLFetcher):  # type: ignore[misc]  # WeasyPrint has no type hints
        def fetch(self, url: str, headers: Any = None) -> Any:  # noqa: ARG002  # the shape is WeasyPrint's
            if url != "asset:logo":
                raise FatalURLFetchingError("nothing else is loaded")
            return URLFetcherResponse(url, content, {"Content-Type": content_type})

    height = min(_HIGHEST, _WIDEST / ratio) / 4
    style = (
        f"@page{{size:{height * ratio:.2f}px {height:.2f}px;margin:0}}*{{margin:0}}"
        "img{display:block;width:100%}"
    )
    html = f"<style>{style}</style><img src='asset:logo' alt=''>"
    try:
        fetcher = Fetcher(allowed_protocols={"asset"}, allow_redirects=False, fail_on_errors=True)
        pdf = weasyprint.HTML(string=html, url_fetcher=fetcher, base_url=None).write_pdf()
    except FatalURLFetchingError as error:
        raise Refused("has-more-than-shapes") from error
    document = pypdfium2.PdfDocument(pdf)
    return document[0].render(scale=4 * 96 / 72).to_pil().convert("RGB")


def black_on_white(picture: Any) -> bytes | None:
    """For a fax, which has no grey. None where so little is dark that nobody would know it."""
    grey = picture.convert("L")
    two = grey.point(lambda tone: 0 if tone < _BLACK_BELOW else 255, "1")
    black = two.histogram()[0] / (two.width * two.height)
    return _saved(two, "PNG", optimize=True) if _LEAST_BLACK < black < 1 - _LEAST_BLACK else None


def accept(content: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """What there is to say of it, and the logo, its picture for pages, and its fax (empty for none)."""
    content_type, clean, ratio = cleaned(content)
    picture = drawn(clean, content_type, ratio)
    lowest, highest = picture.convert("L").getextrema()
    if lowest == highest:
        raise Refused("empty")
    shown = picture.copy()
    shown.thumbnail((600, 225))
    parts = [clean, _saved(shown, "PNG", optimize=True), black_on_white(picture) or b""]
    return {"type": content_type, "width": picture.width, "height": picture.height}, parts


def main() -> None:
    """A length in four bytes, that many bytes of JSON, then the parts."""
    limit()
    content = sys.stdin.buffer.read()
    head: dict[str, Any] = {}
    parts: list[bytes] = []
    try:
        head, parts = accept(content)
    except Refused as refusal:
        head = {"refused": str(refusal)}
    except (MemoryError, RecursionError):
        head = {"refused": "too-slow"}
    head["sizes"] = [len(part) for part in parts]
    written = json.dumps(head).encode()
    sys.stdout.buffer.write(struct.pack(">I", len(written)) + written + b"".join(parts))


if __name__ == "__main__":
    main()
