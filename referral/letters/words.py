"""The words of a letter that was drawn here, for the page that shows what a recipient gets."""

from __future__ import annotations

from threading import Lock
from typing import Final

# PDFium knows no threads.
_ONE_AT_A_TIME: Final = Lock()


def words_of(pdf: bytes) -> str:
    """Page by page as it is read. For our own letters alone: what came from elsewhere is not opened here."""
    import pypdfium2

    with _ONE_AT_A_TIME:
        document = pypdfium2.PdfDocument(pdf)
        try:
            pages = [page.get_textpage().get_text_range() for page in document]
        finally:
            document.close()
    return "\n\n".join(page.replace("\r\n", "\n").strip() for page in pages)
