"""From values to HTML: templates, QR codes, the size of the address. Nothing here draws."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import jinja2
import segno
from markupsafe import Markup, escape

from referral.domain.language import Language
from referral.letters.content import (
    Letterhead,
    LetterProblem,
    Manifest,
    NoticeLetter,
    ReceiptRecord,
    RequestLetter,
    long_date,
)
from referral.letters.fonts import FontSet
from referral.letters.form_page import form_page
from referral.translation import teach

TEMPLATES: Final = Path(__file__).resolve().parents[2] / "templates" / "letters"
STYLES: Final[Mapping[str, tuple[str, ...]]] = {
    "screen": ("letter.css",),
    "print": ("letter.css", "print.css"),
    "fax": ("letter.css", "fax.css"),
    "receipt": ("receipt.css",),
    "manifest": ("manifest.css",),
}
# What always shows in the window of a #10 envelope, wherever the sheet has slid: 3.3 in wide, 0.66 in high.
_ADDRESS_WIDTH: Final = 3.3 * 72
# Lines of an address -> its type size in points; six lines would be smaller than the Postal Service reads.
_ADDRESS_SIZES: Final = {
    2: (10.5, 10.0, 9.2, 8.4),
    3: (10.5, 10.0, 9.2, 8.4),
    4: (10.0, 9.2, 8.4),
    5: (8.4, 8.0),
}


# Stands for the bytes of the logo, which the engine is given beside the markup.
LOGO: Final = "asset:logo"


@dataclass(frozen=True, slots=True)
class Address:
    """Lines that fit the window; `size_class` names their size in letter.css."""

    lines: tuple[str, ...]
    size_class: str


@cache
def environment(language: Language = Language.ENGLISH) -> jinja2.Environment:
    """The templates of letters in one language."""
    # select_autoescape() would leave *.html.j2 unescaped, so escaping is always on.
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    return teach(made, language)


def stylesheet(style: str, accent: str) -> str:
    """The CSS of one style in one clinic's colour, which has been checked to be six hexadecimal digits."""
    text = "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in STYLES[style])
    return text.replace("ACCENT-PALE", _pale(accent)).replace("ACCENT", accent)


def request_html(letter: RequestLetter, fonts: FontSet, *, tightness: int = 0) -> str:
    """Both pages. `tightness` 1 sets the first page a little smaller, 2 both."""
    return (
        environment()
        .get_template("request.html.j2")
        .render(
            letter=letter,
            clinic=letter.letterhead,
            mark=_mark(letter.letterhead, fonts),
            address=fit_address(letter.address, fonts),
            written_on=long_date(letter.written_on),
            due_on=long_date(letter.due_on),
            form=form_page(letter.clinician_kind),
            reply_code=qr_svg(letter.portal_url, "l", "QR code that opens the reply page"),
            page_code=qr_svg(letter.page_code, "q", "QR code with the number of this page"),
            tightness=tightness,
        )
    )


def notice_html(notice: NoticeLetter, fonts: FontSet) -> str:
    """One page in the frame of a request letter."""
    return (
        environment()
        .get_template("notice.html.j2")
        .render(
            notice=notice,
            clinic=notice.letterhead,
            mark=_mark(notice.letterhead, fonts),
            address=fit_address(notice.address, fonts),
            written_on=long_date(notice.written_on),
        )
    )


def manifest_html(manifest: Manifest, fonts: FontSet) -> str:
    """The list on top of a batch. A character in no font is printed as its code point."""
    return (
        environment()
        .get_template("manifest.html.j2")
        .render(
            manifest=manifest,
            made_on=long_date(manifest.made_on),
            shown=lambda text: _shown(text, fonts),
        )
    )


def _shown(text: str, fonts: FontSet) -> str:
    missing = fonts.uncovered(text)
    return "".join(f"[U+{ord(c):04X}]" if c in missing else c for c in text) if missing else text


def receipt_html(record: ReceiptRecord, fonts: FontSet) -> str:
    """The record. A character in no font is printed as its code point: a record must always be writable."""
    return (
        environment()
        .get_template("receipt.html.j2")
        .render(
            record=record,
            clinic=record.letterhead,
            mark=_mark(record.letterhead, fonts),
            answered_on=long_date(record.answered_at.astimezone(ZoneInfo("UTC")).date()),
            shown=lambda text: _shown(text, fonts),
            verify_code=qr_svg(
                record.verify_url, "m", "QR code that opens the page where the seal can be checked"
            ),
        )
    )


def qr_svg(data: str, error: str, title: str) -> Markup:
    """A QR code as inline SVG without a quiet zone; `title` is the alternative text that PDF/UA asks for."""
    out = io.BytesIO()
    code = segno.make(data, error=error, micro=False, boost_error=True)
    code.save(
        out,
        kind="svg",
        xmldecl=False,
        nl=False,
        border=0,
        omitsize=True,
        svgclass=None,
        lineclass=None,
        title=title,
    )
    return Markup(out.getvalue().decode())  # noqa: S704  # segno's own output; the title is a constant


def fit_address(lines: tuple[str, ...], fonts: FontSet) -> Address:
    """Break and size the address for the envelope's window; LetterProblem when no size of it fits."""
    for size in (10.5, 10.0, 9.2, 8.4, 8.0):
        broken = tuple(part for line in lines for part in _break(line, size, fonts))
        fits = all(fonts.width(part, size) <= _ADDRESS_WIDTH for part in broken)
        if fits and size in _ADDRESS_SIZES.get(max(2, len(broken)), ()):
            return Address(broken, f"size-{size:g}".replace(".", "-"))
    raise LetterProblem(
        "recipient_lines does not fit the window of the envelope; shorten a line or leave one out."
    )


def _break(line: str, size: float, fonts: FontSet) -> list[str]:
    parts = [""]
    for word in line.split(" "):
        longer = f"{parts[-1]} {word}".strip()
        if parts[-1] and fonts.width(longer, size) > _ADDRESS_WIDTH:
            parts.append(word)
        else:
            parts[-1] = longer
    return parts


def _pale(accent: str) -> str:
    """A tint for the answer box: one part colour, thirteen parts paper."""
    return "#" + "".join(f"{255 - round((255 - int(accent[i : i + 2], 16)) / 14):02x}" for i in (1, 3, 5))


@lru_cache(maxsize=64)
def _mark(letterhead: Letterhead, fonts: FontSet) -> Markup:
    """The clinic's logo; without one its initial in a disc, as an outline: no stray letter in the text."""
    if letterhead.logo is not None:
        return Markup('<img src="{}" alt="{}">').format(LOGO, f"Logo of {letterhead.clinic_name}")
    outline = fonts.initial_path(letterhead.clinic_name[:1].upper()) if letterhead.clinic_name else None
    if outline is None:
        return Markup("")
    path, width, height = outline
    return Markup(
        '<svg viewBox="0 0 1600 1600"><title>{}</title><circle cx="800" cy="800" r="800" fill="{}"/>'
        '<path transform="translate({} {}) scale(1.25 -1.25)" fill="#ffffff" d="{}"/></svg>'
    ).format(
        escape(f"Mark of {letterhead.clinic_name}"),
        letterhead.accent,
        800 - width * 0.625,
        800 + height * 0.625,
        path,
    )
