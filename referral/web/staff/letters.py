"""Settings: every letter and message with sample data, so that a clinic sees what it sends."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.errors import NotFound
from referral.domain.language import Language
from referral.letters.preview import Wanted
from referral.letters.samples import REPORTS
from referral.services.letter_content import letterhead_of
from referral.services.sample_messages import sample_messages
from referral.storage import clinics
from referral.web.dependencies import Visitor, staff
from referral.web.policy import Permission
from referral.web.staff.drawn import sample_response
from referral.web.staff.frame import query_of, show
from referral.web.staff.letters_view import LETTERS, STYLES, letters_page
from referral.web.turn import Router

router: Final = Router()
See = Annotated[Visitor, staff(Permission.SEE_POLICY)]


@router.get("/settings/letters")
def show_letters(request: Request, visitor: See) -> Response:
    """All of them in one language and style; the pictures follow when they are drawn."""
    language, style = _asked(request)
    clinic = clinics.current(visitor.session)
    messages = sample_messages(clinic, language, visitor.runtime.settings.base_url)
    sender = (clinic.letterhead["neutral_name"], visitor.runtime.channels.mail_from)
    page = letters_page(messages, language, style, sender)
    return show(request, visitor, "staff/letters.html.j2", "letters", page)


@router.get("/settings/letters/{kind}.{ending}")
def show_sample(request: Request, kind: str, ending: str, visitor: See) -> Response:
    """One of them with the letterhead in force: its PDF, or a picture of its first page."""
    together = next((kinds for kinds in (LETTERS, REPORTS) if kind in kinds), None)
    if together is None or ending not in ("pdf", "png"):
        raise NotFound("There is no such letter.")
    language, style = _asked(request)
    letterhead = letterhead_of(clinics.current(visitor.session))
    wanted = Wanted(letterhead=letterhead, kinds=tuple(together), language=language, style=style)
    return sample_response(wanted, kind, ending)


def _asked(request: Request) -> tuple[Language, str]:
    """What is not offered is English, and a PDF."""
    language, style = query_of(request, "language"), query_of(request, "style")
    return (
        Language(language) if language in set(Language) else Language.ENGLISH,
        style if style in STYLES else "screen",
    )
