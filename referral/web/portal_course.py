"""“What happened since”: the course, for whoever has recommended it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter
from starlette.responses import Response

from referral.domain.errors import CredentialUnusable
from referral.services.answer_on_portal import read_sender
from referral.services.prove_identity import Stage
from referral.services.read_course import read_course
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
            course = read_course(session, visitor.actor, visitor.found, visitor.now)
            sender = read_sender(session)
    except CredentialUnusable:
        return go("/request")
    form = Form(token=visitor.found.csrf_token)
    back = "/request/standing" if visitor.credential.revoked_at is None else "/request/receipt"
    return visitor.page("portal/course.html.j2", form=form, sender=sender, course=course, back=back)
