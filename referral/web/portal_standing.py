"""The portal after the answer: read it again, renew it with one tap, take it back."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from referral.domain.codes import Decision
from referral.domain.errors import CredentialUnusable, TransitionRefused
from referral.domain.language import Language, phrase
from referral.domain.life import Purpose
from referral.letters.content import printable_text
from referral.services.answer_follow_up import promised_by
from referral.services.answer_on_portal import read_card, read_sender
from referral.services.keep_standing import Tap, has_withdrawn, own_answer, read_standing, renew, withdraw
from referral.services.prove_identity import Stage
from referral.translation import say
from referral.web.dependencies import PostedDep
from referral.web.form import Form
from referral.web.portal_guest import Guest, go, guest
from referral.web.portal_questions import attestation, decision_words, lines

router: Final = APIRouter(tags=["portal"], include_in_schema=False)

_Standing = Annotated[Guest, guest(Stage.IDENTIFIED, purpose=Purpose.STANDING)]
# Whoever has just answered may take it back, too: the link is spent then, the session is not.
_Owner = Annotated[Guest, guest(Stage.IDENTIFIED, even_when_over=True)]
_LONGEST: Final = 2000


@router.get("/request/standing")
def standing(visitor: _Standing) -> Response:
    """The answer as it was given, and the two things that can be done with it."""
    try:
        return _standing_page(visitor)
    except CredentialUnusable:
        return _gone(visitor)


def _standing_page(visitor: Guest, problem: str = "") -> Response:
    with visitor.transaction() as session:
        read = read_standing(session, visitor.actor, visitor.found, visitor.now)
        card = read_card(session, visitor.actor, visitor.about, visitor.found, visitor.now, visitor.language)
        sender = read_sender(session)
        visit = promised_by(session, visitor.found)
    return visitor.page(
        "portal/standing.html.j2",
        409 if problem else 200,
        form=Form(token=visitor.found.csrf_token),
        card=card,
        sender=sender,
        standing=read,
        problem=problem,
        visit_asked=visit is not None and visit.asked_at is not None and visit.settled_at is None,
        decision=decision_words(read.decision, visitor.language),
        lines=lines(card.kind, Decision(read.decision), read.values, visitor.language),
        answered_on=visitor.date(read.answered_on),
        valid_until=visitor.date(read.valid_until),
        renewed_until=visitor.date(read.renewed_until),
        attestation=_attestation(visitor.language),
    )


def _attestation(language: Language) -> str:
    """What is agreed to by the tap."""
    again = say(language, "My earlier answer is still true.")
    return f"{again} {attestation(language)}"


def _gone(visitor: Guest) -> Response:
    """Nothing is left to look after: taken back, or ended by the clinic."""
    with visitor.transaction() as session:
        if has_withdrawn(session, visitor.found):
            return go("/request/withdrawn")
        sender = read_sender(session)
    return visitor.page("portal/closed.html.j2", sender=sender, token=visitor.found.csrf_token)


@router.post("/request/renew")
def still_true(request: Request, visitor: _Standing) -> Response:
    """One tap; sent twice, it counts once."""
    try:
        tap = Tap(
            shown=bytes(_standing_page(visitor).body),
            attestation=_attestation(visitor.language),
            user_agent=request.headers.get("user-agent", ""),
            language=visitor.language,
        )
        with visitor.transaction() as session:
            renew(session, visitor.actor, visitor.found, tap, visitor.now)
    except TransitionRefused as refusal:
        return _standing_page(visitor, visitor.tell(str(refusal)))
    except CredentialUnusable:
        return go("/request")
    return go("/request/receipt")


@router.get("/request/withdraw")
def ask_to_withdraw(visitor: _Owner) -> Response:
    """Says what follows, and asks once more."""
    return _withdraw_page(visitor, "", "")


def _withdraw_page(visitor: Guest, text: str, problem: str) -> Response:
    with visitor.transaction() as session:
        sender, mine = read_sender(session), own_answer(session, visitor.found)
    if mine is None:
        return go("/request")
    form = Form({"text": text}, {"text": problem} if problem else {}, visitor.found.csrf_token)
    back = "/request/standing" if visitor.credential.revoked_at is None else "/request/receipt"
    return visitor.page(
        "portal/withdraw.html.j2",
        400 if problem else 200,
        form=form,
        sender=sender,
        longest=_LONGEST,
        back=back,
    )


@router.post("/request/withdraw")
def take_back(visitor: _Owner, form: PostedDep) -> Response:
    """From this moment on the recommendation does not count; sent twice, it is taken back once."""
    text = printable_text(str(form.get("text", "")))
    if len(text) > _LONGEST:
        return _withdraw_page(
            visitor,
            text,
            visitor.tell(
                phrase("At most %(most)s characters, these are %(count)s.", most=_LONGEST, count=len(text))
            ),
        )
    try:
        with visitor.transaction() as session:
            withdraw(session, visitor.actor, visitor.found, text, visitor.now)
    except CredentialUnusable:
        return go("/request")
    return go("/request/withdrawn")


@router.get("/request/withdrawn")
def withdrawn(visitor: _Owner) -> Response:
    """That it was taken back, for whoever did it."""
    with visitor.transaction() as session:
        if not has_withdrawn(session, visitor.found):
            return go("/request")
        sender = read_sender(session)
    return visitor.page("portal/withdrawn.html.j2", form=Form(token=visitor.found.csrf_token), sender=sender)
