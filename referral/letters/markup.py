"""From values to HTML: templates, QR codes, the size of the address. Nothing here draws."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import jinja2
import segno
from markupsafe import Markup

from referral.domain.form import BY_LINK_ID, items_for
from referral.domain.language import Language
from referral.domain.scales import Scale
from referral.letters.content import (
    Letter,
    Letterhead,
    LetterProblem,
    Manifest,
    ReceiptRecord,
    ReminderLetter,
    RequestLetter,
)
from referral.letters.fonts import FontSet
from referral.letters.form_page import form_page
from referral.letters.notices import (
    CancelledLetter,
    ConversationLetter,
    FaxCover,
    NoticeLetter,
    PatientStatusLetter,
    ThankYouLetter,
)
from referral.letters.plot import plot
from referral.letters.report import RANGES, ReportLetter, Series
from referral.translation import long_date, say, teach

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


# Before words that stay English in a letter of another language.
ENGLISH: Final = Markup('<a lang="en">')
# Stands for the bytes of the logo, which the engine is given beside the markup.
LOGO: Final = "asset:logo"


@dataclass(frozen=True, slots=True)
class Address:
    """Lines that fit the window; `size_class` names their size in letter.css."""

    lines: tuple[str, ...]
    size_class: str


@cache
def environment(language: Language) -> jinja2.Environment:
    """One for each language, since macros know nothing of the values of a page."""
    # select_autoescape() would leave *.html.j2 unescaped, so escaping is always on.
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {
        "strong": _strong,
        "isolated": _isolated,
        "link": _link,
        "signed": _signed,
        "most": _most,
        "english": partial(_english, language),
    }
    return teach(made, language)


# Markup that stands inside a translated sentence: the texts of the catalogues are plain.
def _strong(text: object, name: str = "strong") -> Markup:
    return Markup('<b class="{}">{}</b>').format(name, text)


def _isolated(name: str) -> Markup:
    """A name of another script does not turn the rest of its line round."""
    return Markup('<span dir="auto">{}</span>').format(name)


def _link(url: str, text: str) -> Markup:
    return Markup('<a class="link" href="{}">{}</a>').format(url, text)


def _english(language: Language, text: str) -> str:
    """Words that are not translated, marked so that a reader aloud does not take them for the letter's own.

    An <a> without an address, because engine.py can find it again among the tags of the PDF.
    """
    return text if language is Language.ENGLISH else ENGLISH + Markup("{}</a>").format(text)


def _signed(number: int) -> str:
    """With a true minus."""
    return f"{number:+d}".replace("-", "−")


def _most(scale: Scale) -> int:
    return RANGES[scale].most


def stylesheet(style: str, accent: str) -> str:
    """The CSS of one style in one clinic's colour, which has been checked to be six hexadecimal digits."""
    text = "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in STYLES[style])
    return text.replace("ACCENT-PALE", _pale(accent)).replace("ACCENT", accent)


@dataclass(frozen=True, slots=True)
class Layout:
    """How one kind of letter is drawn: its template, the pages it is meant for, and the most it may take."""

    template: str
    pages: int
    at_most: int


EARLIER_TREATMENTS: Final = BY_LINK_ID["prior-treatments"]
LAYOUTS: Final[Mapping[type[Letter], Layout]] = {
    RequestLetter: Layout("request.html.j2", 2, 2),
    ReminderLetter: Layout("reminder.html.j2", 2, 2),
    FaxCover: Layout("fax_cover.html.j2", 1, 1),
    NoticeLetter: Layout("notice.html.j2", 1, 1),
    CancelledLetter: Layout("cancelled.html.j2", 1, 1),
    ThankYouLetter: Layout("thank_you.html.j2", 1, 1),
    ConversationLetter: Layout("conversation.html.j2", 1, 4),
    PatientStatusLetter: Layout("patient_status.html.j2", 1, 1),
    ReportLetter: Layout("report.html.j2", 1, 3),
}


@dataclass(frozen=True, slots=True)
class Tight:
    """Which of a letter's parts are set a little smaller, so that each keeps to its page."""

    letter: bool = False
    form: bool = False


AT_EASE: Final = Tight()


def set_first(letter: Letter) -> Tight:
    """How a letter is tried first: a form that never keeps to its page at ease is not laid out so in vain.

    That is every one in Spanish, and the one that asks about earlier treatments.
    """
    if not isinstance(letter, RequestLetter):
        return AT_EASE
    in_english = letter.language is Language.ENGLISH
    return Tight(form=not in_english or EARLIER_TREATMENTS in items_for(letter.clinician_kind))


def letter_html(letter: Letter, fonts: FontSet, style: str = "screen", *, tight: Tight = AT_EASE) -> str:
    """The whole letter."""
    return words_html(
        letter,
        mark=_mark(letter.letterhead, fonts, letter.language),
        address=fit_address(letter.address, fonts),
        tight=tight,
        pictures=_pictures(letter, style),
    )


def words_html(
    letter: Letter, *, mark: Markup, address: Address, pictures: Pictures, tight: Tight = AT_EASE
) -> str:
    """The same from parts that are measured or drawn already, for who only wants the words."""
    return (
        environment(letter.language)
        .get_template(LAYOUTS[type(letter)].template)
        .render(
            letter=letter,
            clinic=letter.letterhead,
            mark=mark,
            address=address,
            form=form_page(letter.clinician_kind) if isinstance(letter, RequestLetter) else None,
            tight=tight,
            pictures=pictures,
        )
    )


_NOTHING: Final = Markup("")


@dataclass(frozen=True, slots=True)
class Pictures:
    """What is drawn into a letter; empty where its kind has no such thing."""

    reply_code: Markup = _NOTHING
    page_code: Markup = _NOTHING
    plots: tuple[tuple[Series, Markup], ...] = ()


def _pictures(letter: Letter, style: str) -> Pictures:
    language = letter.language
    if isinstance(letter, ReportLetter):
        accent = "#000000" if style == "fax" else letter.letterhead.accent
        sessions = max(letter.given, letter.planned or 0)
        return Pictures(plots=tuple((one, plot(one, sessions, accent, language)) for one in letter.series))
    url, title = _reply_page(letter)
    page = letter.page_code if isinstance(letter, RequestLetter) else ""
    return Pictures(
        reply_code=qr_svg(url, "l", title) if url else _NOTHING,
        page_code=qr_svg(page, "q", say(language, "QR code with the number of this page"))
        if page
        else _NOTHING,
    )


def _reply_page(letter: Letter) -> tuple[str, str]:
    """What the larger code of a letter opens, "" where it has none, and what a reader aloud says of it."""
    if isinstance(letter, RequestLetter | ConversationLetter):
        return letter.portal_url, say(letter.language, "QR code that opens the reply page")
    if isinstance(letter, PatientStatusLetter):
        return letter.status_url, say(letter.language, "QR code that opens your page")
    return "", ""


def manifest_html(manifest: Manifest, fonts: FontSet) -> str:
    """The list on top of a batch. A character in no font is printed as its code point."""
    return (
        environment(Language.ENGLISH)
        .get_template("manifest.html.j2")
        .render(
            manifest=manifest,
            made_on=long_date(Language.ENGLISH, manifest.made_on),
            shown=lambda text: _shown(text, fonts),
        )
    )


def _shown(text: str, fonts: FontSet) -> str:
    missing = fonts.uncovered(text)
    return "".join(f"[U+{ord(c):04X}]" if c in missing else c for c in text) if missing else text


def receipt_html(record: ReceiptRecord, fonts: FontSet) -> str:
    """The record. A character in no font is printed as its code point: a record must always be writable."""
    language = record.language
    code = say(language, "QR code that opens the page where the seal can be checked")

    def shown(text: str) -> str:
        return _shown(text, fonts)

    def answered(text: str) -> str:
        return _english(language, shown(text)) if record.answered_in is Language.ENGLISH else shown(text)

    return (
        environment(language)
        .get_template("receipt.html.j2")
        .render(
            record=record,
            clinic=record.letterhead,
            mark=_mark(record.letterhead, fonts, language),
            answered_on=long_date(language, record.answered_at.astimezone(ZoneInfo("UTC")).date()),
            shown=shown,
            answered=answered,
            verify_code=qr_svg(record.verify_url, "m", code),
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
def _mark(letterhead: Letterhead, fonts: FontSet, language: Language) -> Markup:
    """The clinic's logo; without one its initial in a disc, as an outline: no stray letter in the text."""
    if letterhead.logo is not None:
        return Markup('<img src="{}" alt="{}">').format(
            LOGO, say(language, "Logo of %(clinic)s", clinic=letterhead.clinic_name)
        )
    outline = fonts.initial_path(letterhead.clinic_name[:1].upper()) if letterhead.clinic_name else None
    if outline is None:
        return Markup("")
    path, width, height = outline
    return Markup(
        '<svg viewBox="0 0 1600 1600"><title>{}</title><circle cx="800" cy="800" r="800" fill="{}"/>'
        '<path transform="translate({} {}) scale(1.25 -1.25)" fill="#ffffff" d="{}"/></svg>'
    ).format(
        say(language, "Mark of %(clinic)s", clinic=letterhead.clinic_name),
        letterhead.accent,
        800 - width * 0.625,
        800 + height * 0.625,
        path,
    )
