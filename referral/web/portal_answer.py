"""The portal for an identified clinician: the request, five answers, the questions, signing, the record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from referral.domain.answers import check_answers
from referral.domain.codes import Decision
from referral.domain.errors import (
    CredentialUnusable,
    Forbidden,
    InvalidInput,
    NotFound,
    StaleVersion,
    TransitionRefused,
)
from referral.domain.language import Language, phrase
from referral.domain.life import Purpose
from referral.services.answer_on_portal import (
    Card,
    Signature,
    leave,
    read_card,
    read_letter,
    read_receipt,
    read_sender,
    read_thread,
    sign,
)
from referral.services.keep_draft import Draft, read_draft, save_values
from referral.services.keep_standing import has_withdrawn, own_answer
from referral.services.prove_identity import Stage
from referral.storage.db import Session
from referral.web.dependencies import PostedDep
from referral.web.form import Form
from referral.web.portal_guest import Guest, farewell, go, guest
from referral.web.portal_questions import (
    SIGNATURE,
    SIGNATURE_ITEMS,
    Values,
    asked,
    attestation,
    decision_of,
    decision_words,
    decisions,
    errors_of,
    lines,
    posted_values,
    roles,
    sections,
    to_check,
)

router: Final = APIRouter(tags=["portal"], include_in_schema=False)

Identified = Annotated[Guest, guest(Stage.IDENTIFIED, purpose=Purpose.ANSWER)]
_Asleep = Annotated[Guest, guest(Stage.IDENTIFIED, even_asleep=True, purpose=Purpose.ANSWER)]
_AnyTime = Annotated[Guest, guest(Stage.IDENTIFIED, even_when_over=True)]
# Whoever was signing when another answer came is not sent away: theirs is kept beside it.
_Signing = Annotated[Guest, guest(Stage.IDENTIFIED, even_when_over=True, purpose=Purpose.ANSWER)]
_Leaving = Annotated[Guest, guest(*Stage, even_when_over=True)]


def _read(visitor: Guest) -> tuple[Card, Draft, dict[str, Any]]:
    """The request, the draft, and what every page of an identified visitor shows."""
    with visitor.transaction() as session:
        return _look(session, visitor)


def _look(session: Session, visitor: Guest) -> tuple[Card, Draft, dict[str, Any]]:
    card = read_card(session, visitor.actor, visitor.about, visitor.found, visitor.now, visitor.language)
    draft, sender = read_draft(session, visitor.found), read_sender(session)
    return card, draft, {"card": card, "sender": sender, "due_on": visitor.date(card.due_on)}


def read_request(session: Session, visitor: Guest) -> dict[str, Any]:
    """What the first page of an identified visitor shows: the request and five large answers.

    In the transaction that has recognized the visitor: this page is opened more often than all others.
    """
    _, draft, frame = _look(session, visitor)
    has_turns = visitor.about.has_turns
    return {
        "thread": read_thread(session, visitor.actor, visitor.about) if has_turns else (),
        "is_assistant": visitor.found.is_assistant,
        "form": Form(token=visitor.found.csrf_token),
        "decisions": decisions(draft.values, visitor.language),
        **frame,
    }


def request_page(visitor: Guest, values: dict[str, Any]) -> Response:
    """What was read, drawn after the transaction: a page is no reason to keep a connection."""
    return visitor.page("portal/request.html.j2", **values)


@router.post("/request/decision")
def decide(visitor: Identified, form: PostedDep) -> Response:
    """One of the five answers; it can be changed until it is signed."""
    chosen = decision_of({"decision": [str(form.get("decision", ""))]})
    if chosen is None:
        return go("/request")
    with visitor.transaction() as session:
        save_values(session, visitor.found, {"decision": [chosen]})
    return go("/request/details")


@router.get("/request/details")
def details(visitor: Identified) -> Response:
    """The questions that fit the answer and the discipline."""
    card, draft, frame = _read(visitor)
    decision = decision_of(draft.values)
    if decision is None:
        return go("/request")
    if not asked(card.kind, decision):
        return go("/request/review")
    return _details_page(visitor, decision, draft.values, {}, frame)


def _details_page(
    visitor: Guest, decision: Decision, values: Values, errors: dict[str, str], frame: dict[str, Any]
) -> Response:
    card: Card = frame["card"]
    return visitor.page(
        "portal/details.html.j2",
        400 if errors else 200,
        form=Form({}, errors, visitor.found.csrf_token),
        decision=decision_words(decision, visitor.language),
        sections=sections(card.kind, decision, values, visitor.language),
        today=card.today.isoformat(),
        **frame,
    )


@router.post("/request/details")
def fill_in(visitor: _Asleep, form: PostedDep) -> Response:
    """Whatever was typed is kept first, then looked at. After 15 minutes it is kept, and nothing is shown."""
    card, draft, frame = _read(visitor)
    decision = decision_of(draft.values)
    if decision is None:
        return go("/request")
    items = asked(card.kind, decision)
    with visitor.transaction() as session:
        draft = save_values(session, visitor.found, posted_values(form, items))
        if visitor.is_asleep:
            return go("/request")
        if form.get("action") == "save":
            leave(session, visitor.found, visitor.now)
            return farewell(visitor.runtime, "/request/saved")
    errors = _detail_errors(card, decision, draft.values, visitor.language)
    if errors:
        return _details_page(visitor, decision, draft.values, errors, frame)
    return go("/request/review")


def _detail_errors(
    card: Card, decision: Decision, values: Values, language: Language = Language.ENGLISH
) -> dict[str, str]:
    try:
        check_answers(to_check(card.kind, decision, values), card.kind, card.today)
    except InvalidInput as refusal:
        return errors_of(refusal, tuple(item.link_id for item in asked(card.kind, decision)), language)
    return {}


@router.get("/request/review")
def review(visitor: Identified) -> Response:
    """Everything in words, as it will be signed."""
    card, draft, frame = _read(visitor)
    decision = decision_of(draft.values)
    if decision is None or _detail_errors(card, decision, draft.values):
        return go("/request/details")
    return _review_page(visitor, draft, frame, card.signature, {})


def _review_page(
    visitor: Guest,
    draft: Draft,
    frame: dict[str, Any],
    typed: Mapping[str, str],
    errors: dict[str, str],
    notice: str = "",
) -> Response:
    card: Card = frame["card"]
    decision = decision_of(draft.values)
    if decision is None:
        return go("/request")
    return visitor.page(
        "portal/review.html.j2",
        400 if errors else 200,
        form=Form(typed, errors, visitor.found.csrf_token, key=draft.key),
        decision=decision_words(decision, visitor.language),
        lines=lines(card.kind, decision, draft.values, visitor.language),
        has_details=bool(asked(card.kind, decision)),
        attestation=attestation(visitor.language),
        prefilled=card.signature,
        roles=roles(visitor.language),
        notice=notice,
        filled_by=draft.filled_by.name if draft.filled_by else "",
        is_assistant=visitor.found.is_assistant,
        **frame,
    )


@router.post("/request/sign")
def sign_answer(request: Request, visitor: _Signing, form: PostedDep) -> Response:
    """Sent twice, it is signed once: the second one is shown the receipt of the first."""
    card, draft, frame = _read(visitor)
    decision = decision_of(draft.values)
    if decision is None or _detail_errors(card, decision, draft.values):
        return go("/request/details")
    typed = posted_values(form, SIGNATURE_ITEMS)
    signature = Signature(
        key=str(form.get("key", "")),
        values=to_check(card.kind, decision, {**draft.values, **typed}),
        shown=bytes(_review_page(visitor, draft, frame, card.signature, {}).body),
        user_agent=request.headers.get("user-agent", ""),
        language=visitor.language,
    )
    try:
        with visitor.transaction() as session:
            sign(session, visitor.actor, visitor.found, signature, visitor.now)
    except InvalidInput as refusal:
        errors = errors_of(refusal, SIGNATURE, visitor.language)
        if not errors:
            return go("/request/details")
        values = {link_id: given[0] for link_id, given in typed.items() if given}
        return _review_page(visitor, draft, frame, values, errors)
    except StaleVersion as refusal:
        return _review_page(visitor, draft, frame, card.signature, {}, notice=visitor.tell(str(refusal)))
    except (CredentialUnusable, TransitionRefused, Forbidden):
        return go("/request")
    return go("/request/receipt")


@router.get("/request/receipt")
def receipt(visitor: _AnyTime) -> Response:
    """Thanks, what happens now, and the sealed record as soon as a worker has made it."""
    with visitor.transaction() as session:
        signed, sender = read_draft(session, visitor.found).signed, read_sender(session)
        if signed is None:
            return go("/request")
        drawn = None
        if signed.document_id is not None:
            drawn = read_receipt(session, visitor.actor, visitor.found, signed.document_id)
        stands = own_answer(session, visitor.found) is not None
        withdrawn = has_withdrawn(session, visitor.found)
    if withdrawn:
        return go("/request/withdrawn")
    return visitor.page(
        "portal/receipt.html.j2",
        form=Form(token=visitor.found.csrf_token),
        sender=sender,
        signed=signed,
        decision=decision_words(signed.decision, visitor.language),
        visit_on=visitor.date(date.fromisoformat(signed.visit_on)) if signed.visit_on else "",
        is_drawn=drawn is not None,
        is_single_channel=visitor.found.strength == "single-channel",
        is_over=visitor.is_over,
        renewed=visitor.credential.purpose is Purpose.STANDING,
        stands=stands,
    )


@router.get("/request/receipt.pdf")
def receipt_file(visitor: _AnyTime) -> Response:
    """The sealed record of this session's own answer."""
    with visitor.transaction() as session:
        signed = read_draft(session, visitor.found).signed
        drawn = None
        if signed is not None and signed.document_id is not None:
            drawn = read_receipt(session, visitor.actor, visitor.found, signed.document_id)
    if drawn is None:
        raise NotFound(phrase("The record is not ready yet. Please reload in a moment."))
    return _file(drawn.content, drawn.content_type, "record.pdf", disposition="attachment")


@router.get("/request/letter")
def letter(visitor: Identified) -> Response:
    """The letter that this link came with."""
    with visitor.transaction() as session:
        found = read_letter(session, visitor.actor, visitor.found)
    return _file(found.content, found.content_type, "letter.pdf", disposition="inline")


def _file(content: bytes, content_type: str, name: str, *, disposition: str) -> Response:
    headers = {"Content-Disposition": f'{disposition}; filename="{name}"'}
    return Response(content, media_type=content_type, headers=headers)


@router.post("/request/leave")
def go_away(visitor: _Leaving) -> Response:
    """End the session, as on a computer that others use."""
    with visitor.transaction() as session:
        leave(session, visitor.found, visitor.now)
    return farewell(visitor.runtime, "/request/left")
