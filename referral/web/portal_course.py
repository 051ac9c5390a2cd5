"""“What happened since”: the course and the reports about it, for whoever has recommended it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter
from starlette.responses import Response

from referral.domain.errors import CredentialUnusable
from referral.domain.life import Purpose
from referral.services.answer_on_portal import read_sender
from referral.services.prove_identity import Stage
from referral.services.read_since import read_report, read_since
from referral.web.form import Form
from referral.web.portal_guest import Guest, go, guest

router: Final = APIRouter(tags=["portal"], include_in_schema=False)

# Whoever has just answered may look, too: the link is spent then, the session is not.
_Owner = Annotated[Guest, guest(Stage.IDENTIFIED, even_when_over=True)]


@router.get("/request/since")
def since(visitor: _Owner) -> Response:
    """The clinic's decision, the sessions, what comes next."""
    try:
        with visitor.transaction() as session:
            course = read_since(session, visitor.actor, visitor.found, visitor.now)
            sender = read_sender(session)
    except CredentialUnusable:
        # A link that came with a report leads here from /request: not back there.
        return go("/request/standing" if visitor.credential.purpose is Purpose.STANDING else "/request")
    form = Form(token=visitor.found.csrf_token)
    back = "/request/standing" if visitor.credential.revoked_at is None else "/request/receipt"
    back = back if course.stands else ""
    return visitor.page("portal/course.html.j2", form=form, sender=sender, course=course, back=back)


@router.get("/request/reports/{report_id}.pdf")
def report(visitor: _Owner, report_id: str) -> Response:
    """A report to this clinician, sealed, for their chart."""
    try:
        with visitor.transaction() as session:
            found = read_report(session, visitor.actor, visitor.found, report_id)
    except CredentialUnusable:
        return go("/request")
    headers = {"Content-Disposition": 'attachment; filename="report.pdf"'}
    return Response(found.content, media_type=found.content_type, headers=headers)
