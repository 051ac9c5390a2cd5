"""Letters and sealed records as PDF, shown in the browser; each look is audited."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from referral.services.find_documents import read_document
from referral.web.dependencies import Visitor, staff
from referral.web.policy import Permission
from referral.web.turn import Router

router: Final = Router()
# The viewer of the browser draws the file with styles and an embedded object of its own.
_POLICY: Final = (
    "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; img-src 'self' data: blob:;"
    " frame-ancestors 'self'"
)


@router.get("/documents/{document_id}")
def show_document(
    request: Request, document_id: str, visitor: Annotated[Visitor, staff(Permission.SEE_DOCUMENT)]
) -> Response:
    """The bytes as they were sent; the file's name says nothing about the patient."""
    request.state.entity = f"DocumentReference/{document_id}"
    found = read_document(
        visitor.session,
        visitor.actor,
        document_id,
        may_read_answers=visitor.may(Permission.SEE_ANSWER),
        real=visitor.runtime.channels.real,
    )
    return pdf_response(found.content, found.kind, found.sha256.hex())


def pdf_response(content: bytes, name: str, tag: str = "") -> Response:
    """A PDF that the browser shows; `tag` is the digest by which it knows it again."""
    headers = {
        "Content-Disposition": f'inline; filename="{name}.pdf"',
        "Content-Security-Policy": _POLICY,
        "X-Frame-Options": "SAMEORIGIN",
    }
    return Response(
        content, media_type="application/pdf", headers=headers | ({"ETag": f'"{tag}"'} if tag else {})
    )
