"""The only module that imports WeasyPrint: HTML in, PDF bytes out, or LetterProblem.

Imported by `render.Renderer` when it is made, so that a process that draws nothing does not pay for it.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any, Final, Literal
from warnings import catch_warnings, simplefilter

from weasyprint import CSS, HTML, Attachment, Document
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from referral.letters import markup
from referral.letters.content import LetterProblem

# A letter is tagged for screen readers; a record is kept for years as well.
Variant = Literal["pdf/ua-1", "pdf/a-3a"]
LETTER: Final = "pdf/ua-1"
RECORD: Final = "pdf/a-3a"

_LOADS_NOTHING: Final = "The letter tried to load something; letters are self-contained."

# WeasyPrint writes one identification. PDF/UA is added to PDF/A, with the extension schema that PDF/A asks
# for on properties it does not know.
_PDFUA: Final = b"".join(
    line.lstrip()
    for line in b"""
    <rdf:Description rdf:about="" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/" pdfuaid:part="1"/>
    <rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
     xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#"
     xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
    <pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
    <pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
    <pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
    <pdfaSchema:schema>PDF/UA identification schema</pdfaSchema:schema>
    <pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
    <pdfaProperty:category>internal</pdfaProperty:category>
    <pdfaProperty:description>PDF/UA version</pdfaProperty:description>
    <pdfaProperty:name>part</pdfaProperty:name><pdfaProperty:valueType>Integer</pdfaProperty:valueType>
    </rdf:li></rdf:Seq></pdfaSchema:property></rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>
    """.splitlines(keepends=True)
)


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """One file inside a record. `at` dates it: without a date WeasyPrint writes the time of rendering."""

    name: str
    description: str
    body: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Asset:
    """What a letter may show: the bytes that stand for an address of its own, such as `asset:logo`."""

    content_type: str
    body: bytes


NO_ASSETS: Final[Mapping[str, Asset]] = {}


@dataclass(frozen=True, slots=True)
class Laid:
    """A letter on its pages, to be looked at and then written or thrown away. Made by `Engine.lay`.

    `assets` are kept because some of them are only asked for while it is written.
    """

    document: Document
    html: str
    assets: Mapping[str, Asset]

    @property
    def pages(self) -> int:
        return len(self.document.pages)

    @property
    def parts(self) -> tuple[int, ...]:
        """The pages on which its main headings stand, the first page being 1."""
        return tuple(
            number
            for number, page in enumerate(self.document.pages, 1)
            for level, *_ in page.bookmarks
            if level == 1
        )


class RefusingFetcher(URLFetcher):  # type: ignore[misc]  # WeasyPrint has no type hints
    """Gives out the assets of the letter that is being drawn and loads nothing: letters are self-contained.

    `refused` is looked at after writing, because an <image> inside inline SVG swallows even fatal errors and
    attachments are only loaded then.
    """

    def __init__(self) -> None:
        super().__init__(timeout=1, allowed_protocols={"asset"}, allow_redirects=False, fail_on_errors=True)
        self.refused = 0
        self.assets = NO_ASSETS

    def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> Any:  # noqa: ARG002  # the shape is WeasyPrint's
        asset = self.assets.get(url)
        if asset is not None:
            return URLFetcherResponse(url, asset.body, {"Content-Type": asset.content_type})
        self.refused += 1
        raise FatalURLFetchingError("letters load nothing")


class _Complaints(logging.Filter):
    """Takes WeasyPrint's warnings and lets none through: they quote what they are about, maybe a name."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        self.messages.append(record.getMessage())
        return False


_COMPLAINTS: Final = _Complaints()
logging.getLogger("weasyprint").addFilter(_COMPLAINTS)


def _finisher(html: str) -> Callable[[Document, Any], None] | None:
    """Only for what has English words in another language: the others have nothing to be looked for."""
    return _mark_english if markup.ENGLISH in html else None


def _mark_english(_: Document, pdf: Any) -> None:
    """Write the language of English words into the tags, which WeasyPrint leaves out.

    They stand in an <a> that leads nowhere: a Link without the reference to an annotation that others have.
    """
    for tag in pdf.objects:
        if (
            isinstance(tag, dict)
            and tag.get("S") == "/Link"
            and all(isinstance(kid, int) for kid in tag["K"])
        ):
            tag |= {"S": "/Span", "Lang": "(en-US)"}


class Engine:
    """One font configuration for the life of the process: a new one for every letter is slower and leaks.

    Pango hangs when two threads share one, so letters are drawn one at a time; more cores need more
    processes.
    """

    _one_at_a_time: Final = Lock()

    def __init__(self) -> None:
        self._fonts = FontConfiguration()
        self._fetcher = RefusingFetcher()

    def stylesheet(self, text: str) -> CSS:
        """Parsed once and kept by the caller. A mistake in it is a LetterProblem."""
        with self._refusing():
            return CSS(string=text, font_config=self._fonts, url_fetcher=self._fetcher)

    def lay(
        self, html: str, css: CSS, assets: Mapping[str, Asset] = NO_ASSETS, variant: Variant = LETTER
    ) -> Laid:
        """Two thirds of the work: whoever tries several settings writes only the one that is taken.

        `variant` is the way in which it will be written: LETTER by `write`, RECORD by `write_record`.
        """
        with self._refusing(assets):
            source = HTML(string=html, url_fetcher=self._fetcher, base_url=None)
            document = source.render(
                stylesheets=[css], font_config=self._fonts, cache={}, pdf_variant=variant
            )
            return Laid(document, html, assets)

    def write(self, laid: Laid) -> bytes:
        """A tagged PDF/UA-1.

        Without a file identifier, which PDF/UA does not ask for: writing one compresses every stream twice.
        """
        with self._refusing(laid.assets):
            written: bytes = laid.document.write_pdf(pdf_variant=LETTER, finisher=_finisher(laid.html))
            return written

    def write_record(self, laid: Laid, identifier: bytes, attached: AttachedFile) -> bytes:
        """A PDF/A-3a that is PDF/UA-1 as well, with one file attached.

        `identifier` is the file's, which PDF/A asks for; WeasyPrint's own would differ each time.
        """
        with self._refusing(laid.assets):
            metadata = laid.document.metadata
            write_xmp = metadata.generate_rdf_metadata
            metadata.generate_rdf_metadata = lambda *a: write_xmp(*a).replace(
                b"</rdf:RDF>", _PDFUA + b"</rdf:RDF>"
            )
            metadata.attachments = [
                Attachment(
                    file_obj=io.BytesIO(attached.body),
                    name=attached.name,
                    description=attached.description,
                    created=attached.at,
                    modified=attached.at,
                    relationship="Source",
                )
            ]
            with catch_warnings():
                # WeasyPrint leaves the file of the colour profile to the garbage collector.
                simplefilter("ignore", ResourceWarning)
                written: bytes = laid.document.write_pdf(
                    pdf_variant=RECORD, pdf_identifier=identifier, finisher=_finisher(laid.html)
                )
            return written

    @contextmanager
    def _refusing(self, assets: Mapping[str, Asset] = NO_ASSETS) -> Iterator[None]:
        """Around laying out and writing: missing glyphs and some refused loads only come up while writing."""
        with self._one_at_a_time:
            self._fetcher.refused, self._fetcher.assets = 0, assets
            _COMPLAINTS.messages.clear()
            try:
                yield
            # A BaseException: "except Exception" would miss it and the worker would die of it.
            except FatalURLFetchingError:
                raise LetterProblem(_LOADS_NOTHING) from None
            refused, complaints = self._fetcher.refused, list(_COMPLAINTS.messages)
        if refused:
            raise LetterProblem(_LOADS_NOTHING)
        if any("notdef" in message for message in complaints):
            raise LetterProblem("A character of the letter is in none of the installed fonts.")
        if complaints:
            raise LetterProblem("The letter could not be laid out as it is written.")
