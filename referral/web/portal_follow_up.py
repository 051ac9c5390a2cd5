"""One question after a visit was promised: was the patient seen?"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter
from starlette.responses import Response

from referral.domain.errors import CredentialUnusable, InvalidInput, TransitionRefused
from referral.domain.follow_up import OUTCOMES, Outcome
from referral.services.answer_follow_up import answer_visit, read_visit
from referral.services.answer_on_portal import read_sender
from referral.services.prove_identity import Stage
from referral.translation import say
from referral.web.dependencies import PostedDep
from referral.web.form import Form
from referral.web.portal_guest import Guest, go, guest
from referral.web.questions import typed_day
from referral.web.staff.models import Choice

router: Final = APIRouter(tags=["portal"], include_in_schema=False)
_Owner = Annotated[Guest, guest(Stage.IDENTIFIED, even_when_over=True)]


@router.get("/request/follow-up")
def show_question(visitor: _Owner) -> Response:
    """The question, or what was answered."""
    return _page(visitor, Form(token=visitor.found.csrf_token))


@router.post("/request/follow-up")
def answer(visitor: _Owner, form: PostedDep) -> Response:
    """Sent twice, it counts once."""
    typed = {name: str(form.get(name, ""))[:20] for name in ("outcome", "seen_on", "moved_to")}
    name = "moved_to" if typed["outcome"] == Outcome.MOVED else "seen_on"
    try:
        with visitor.transaction() as session:
            day = typed_day(typed[name])
            answer_visit(session, visitor.actor, visitor.found, typed["outcome"], day, visitor.now)
    except InvalidInput as error:
        issue = error.issues[0]
        where = name if issue.expression[:1] == ("day",) else "outcome"
        return _page(visitor, Form(typed, {where: visitor.tell(issue.text)}, visitor.found.csrf_token), 400)
    except TransitionRefused:
        return go("/request/follow-up")
    except CredentialUnusable:
        return go("/request")
    return go("/request/follow-up")


def _page(visitor: Guest, form: Form, status: int = 200) -> Response:
    try:
        with visitor.transaction() as session:
            asked = read_visit(session, visitor.actor, visitor.found)
            sender = read_sender(session)
    except CredentialUnusable:
        return go("/request")
    choices = [
        Choice(code.value, say(visitor.language, text), checked=form.value("outcome") == code)
        for code, text in OUTCOMES.items()
    ]
    said = asked.visit.outcome
    if said is None and asked.visit.moved_to is not None and asked.visit.asked_at is None:
        said = Outcome.MOVED
    back = "/request/standing" if visitor.credential.revoked_at is None else "/request/receipt"
    return visitor.page(
        "portal/follow_up.html.j2",
        status,
        form=form,
        sender=sender,
        visit=asked.visit,
        patient=asked.patient_name,
        choices=choices,
        said=say(visitor.language, OUTCOMES[said]) if said else "",
        back=back if asked.stands else "",
    )
