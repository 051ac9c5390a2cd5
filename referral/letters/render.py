"""Letters and records as finished PDF; the same input gives the same bytes on the same machine.

Importing this is cheap. WeasyPrint is imported, and fonts are set up, when a Renderer is made.
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from referral.domain.language import Language
from referral.letters import fonts, markup
from referral.letters.content import (
    DEFAULT_ACCENT,
    Letter,
    Letterhead,
    LetterProblem,
    Manifest,
    ReceiptRecord,
)
from referral.letters.report import ReportLetter
from referral.letters.samples import CLINIC, sample

if TYPE_CHECKING:
    from referral.letters.engine import Engine, Laid

Style = Literal["screen", "print", "fax"]

RECEIPT_PAGES_AT_MOST: Final = 20
MANIFEST_PAGES_AT_MOST: Final = 40
ATTACHMENT_NAME: Final = "recommendation.fhir.json"
REPORT_ATTACHMENT: Final = "report.fhir.json"
# A host of many clinics has as many colours; a few parsed style sheets are kept and the rest parsed again.
_SHEETS_KEPT: Final = 32


@dataclass(frozen=True, slots=True)
class RenderedDocument:
    """Store `pdf` and send these bytes: a newer library or font draws the same input differently."""

    pdf: bytes
    sha256: str
    pages: int


class Renderer:
    """Draws letters. One per process is enough; calls from several threads wait for each other."""

    def __init__(self, fonts_folder: Path | None = None) -> None:
        """`fonts_folder` is made and filled when missing; None is a private folder in the user's cache."""
        self._fonts = fonts.install(fonts_folder)
        # Imported here: it takes most of a second, and fontconfig must have been told of our fonts before.
        from referral.letters.engine import Engine

        self._engine: Engine = Engine()
        self._sheets: dict[tuple[str, str], Any] = {}

    def letter(self, letter: Letter, style: Style = "screen") -> RenderedDocument:
        """Any kind of letter, PDF/UA-1.

        `print` has no ink near the edge, `fax` only black. Raises LetterProblem when a name cannot be printed
        with the installed fonts, the address does not fit the envelope, or the letter is longer than its kind
        may be.
        """
        self._require_glyphs(letter)
        letter = replace(letter, letterhead=_in_style(letter.letterhead, style))
        sheet, assets = self._sheet(style, letter.letterhead.accent), self._assets(letter.letterhead)

        def lay(tight: markup.Tight) -> Laid:
            html = markup.letter_html(letter, self._fonts, style, tight=tight)
            return self._engine.lay(html, sheet, assets)

        laid = _fitting(lay, markup.LAYOUTS[type(letter)], markup.set_first(letter))
        return _rendered(self._engine.write(laid), laid.pages)

    def manifest(self, manifest: Manifest) -> RenderedDocument:
        """The list on top of a batch of letters; some hundred letters take a few pages."""
        html = markup.manifest_html(manifest, self._fonts)
        laid = self._engine.lay(html, self._sheet("manifest", DEFAULT_ACCENT))
        if laid.pages > MANIFEST_PAGES_AT_MOST:
            raise LetterProblem(f"The list takes {laid.pages} pages; make smaller batches.")
        return _rendered(self._engine.write(laid), laid.pages)

    def receipt(self, record: ReceiptRecord) -> RenderedDocument:
        """The record of an answer, PDF/A-3a and PDF/UA-1, its FHIR document attached; not yet sealed."""
        from referral.letters.engine import RECORD, AttachedFile

        html = markup.receipt_html(record, self._fonts)
        attached = AttachedFile(
            ATTACHMENT_NAME, "The answer as FHIR R4 JSON", record.fhir, record.answered_at.astimezone(UTC)
        )
        sheet = self._sheet("receipt", record.letterhead.accent)
        laid = self._engine.lay(html, sheet, self._assets(record.letterhead), RECORD)
        if laid.pages > RECEIPT_PAGES_AT_MOST:
            raise LetterProblem(
                f"The record takes {laid.pages} pages; at most {RECEIPT_PAGES_AT_MOST} are drawn."
            )
        return _rendered(
            self._engine.write_record(laid, _identifier(html, record.fhir), attached), laid.pages
        )

    def report(self, letter: ReportLetter, fhir: bytes) -> RenderedDocument:
        """A report for a chart, PDF/A-3a and PDF/UA-1, its FHIR document attached; not yet sealed.

        Raises LetterProblem as letter() does.
        """
        from referral.letters.engine import RECORD, AttachedFile

        self._require_glyphs(letter)
        attached = AttachedFile(REPORT_ATTACHMENT, "The report as FHIR R4 JSON", fhir, letter.written_at)
        sheet, assets = self._sheet("screen", letter.letterhead.accent), self._assets(letter.letterhead)

        def lay(tight: markup.Tight) -> Laid:
            html = markup.letter_html(letter, self._fonts, tight=tight)
            return self._engine.lay(html, sheet, assets, RECORD)

        laid = _fitting(lay, markup.LAYOUTS[ReportLetter], markup.AT_EASE)
        return _rendered(self._engine.write_record(laid, _identifier(laid.html, fhir), attached), laid.pages)

    def warm_up(self) -> None:
        """Draw one letter and throw it away, so that the first real one is as quick as the others.

        What is in memory afterwards is left out of full garbage collections, which would otherwise take a
        tenth of the time of every letter. Call it once, early, and before a process forks workers that draw.
        """
        self.letter(sample("request", CLINIC, Language.ENGLISH))
        gc.collect()
        gc.freeze()

    def _sheet(self, style: str, accent: str) -> Any:
        sheet = self._sheets.pop((style, accent), None)
        if sheet is None:
            sheet = self._engine.stylesheet(markup.stylesheet(style, accent))
            if len(self._sheets) >= _SHEETS_KEPT:
                del self._sheets[next(iter(self._sheets))]
        self._sheets[style, accent] = sheet
        return sheet

    def _assets(self, letterhead: Letterhead) -> dict[str, Any]:
        """What the markup of a letter may show besides words."""
        from referral.letters.engine import Asset

        logo = letterhead.logo
        return {markup.LOGO: Asset(logo.content_type, logo.content)} if logo else {}

    def _require_glyphs(self, letter: Letter) -> None:
        """Checked before drawing, so that the refusal can say which field it is."""
        for field, text in texts_of(letter):
            if self._fonts.uncovered(text):
                raise LetterProblem(f"{field} has a character that is in none of the installed fonts.")


def _identifier(html: str, fhir: bytes) -> bytes:
    """Of a file, from its content: a random one would make every drawing differ."""
    return hashlib.sha256(html.encode() + b"\0" + fhir).hexdigest()[:32].encode()


def _rendered(pdf: bytes, pages: int) -> RenderedDocument:
    return RenderedDocument(pdf, hashlib.sha256(pdf).hexdigest(), pages)


def _fitting(lay: Callable[[markup.Tight], Laid], layout: markup.Layout, tight: markup.Tight) -> Laid:
    """As it is set first where it takes the pages that it is meant for, else tighter where that helps."""
    first = lay(tight)
    if first.pages <= layout.pages:
        return first
    tighter = lay(_tighter(tight, first.pages, first.parts))
    if tighter.pages <= layout.pages:
        return tighter
    if first.pages > layout.at_most:
        raise LetterProblem(
            f"The letter takes {first.pages} pages instead of {layout.at_most}; shorten its longest text."
        )
    return first


def _tighter(tight: markup.Tight, pages: int, parts: tuple[int, ...]) -> markup.Tight:
    """With the part that takes more than its one page set smaller. A form begins on a page of its own."""
    form_begins = parts[1] if len(parts) > 1 else pages + 1
    return markup.Tight(letter=form_begins > 2, form=tight.form or form_begins < pages)


def texts_of(value: Any, name: str = "letter") -> Iterator[tuple[str, str]]:
    """Every text inside a content, however deep, with the name of its field."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, tuple):
        for part in value:
            yield from texts_of(part, name)
    elif is_dataclass(value):
        for field in fields(value):
            yield from texts_of(getattr(value, field.name), field.name)


def _in_style(letterhead: Letterhead, style: Style) -> Letterhead:
    """A fax has no grey: the logo in black and white, or the initial in its place."""
    logo = letterhead.logo
    if style != "fax" or logo is None:
        return letterhead
    return replace(
        letterhead, logo=replace(logo, content_type="image/png", content=logo.fax) if logo.fax else None
    )
