"""Letters on paper: what waits to be printed, batches, and what people say became of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.audit import Actor
from referral.domain.errors import Forbidden, ReferralError
from referral.domain.listing import Page, View
from referral.letters.render import Renderer
from referral.services.find_paper import find_batch, find_pile, list_batches
from referral.services.print_letters import (
    FOR_CLINICAL_STAFF,
    close_batch,
    confirm_mailed,
    make_batch,
    print_letters,
    print_one,
    put_back,
)
from referral.services.take_returned_letter import take_returned_letter
from referral.storage import accounts
from referral.storage.db import Session, attempt
from referral.storage.print_batches import Batch, PaperFate
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.errors import status_of
from referral.web.policy import Permission
from referral.web.staff.documents import pdf_response
from referral.web.staff.frame import EVERYTHING, clock_of, done, form_of, key_id, new_key, show, texts
from referral.web.staff.lists import show_list
from referral.web.staff.paper_view import batch_page, pile_page
from referral.web.staff.plain_lists import BATCHES, batch_cells, batch_line
from referral.web.staff.steps import Shown, Steps, Typed, take
from referral.web.turn import Router

router: Final = Router()
_Counted = tuple[Batch, dict[PaperFate, int]]
Print = Annotated[Visitor, staff(Permission.PRINT)]


@cache
def _renderer(fonts: Path) -> Renderer:
    """Made by the first batch that is printed: a process that prints none does not pay for it."""
    return Renderer(fonts)


def _users(visitor: Visitor) -> dict[str, str]:
    return {id: user.name for id, user in accounts.get_users(visitor.session).items()}


@router.get("/print")
def show_pile(request: Request, visitor: Print) -> Response:
    """What waits to be printed, and the newest batches."""
    return _pile(request, visitor, Shown())


@router.get("/print/batches")
def show_batches(request: Request, visitor: Print) -> Response:
    """Every batch with what became of its letters."""
    clock, users = clock_of(visitor), _users(visitor)

    def find(session: Session, view: View) -> Page[_Counted]:
        return list_batches(session, visitor.actor, view, visitor.now)

    return show_list(
        request,
        visitor,
        BATCHES,
        find,
        lambda item: batch_line(*item, users, clock),
        lambda item: batch_cells(*item, users, clock),
        "print",
    )


@router.post("/print")
def make(request: Request, visitor: Print, posted: PostedDep) -> Response:
    """One batch of all that waits; a second click of the same page leads to the same batch.

    Letters with narrative are a batch of their own, for who may read answers.
    """
    typed = texts(posted)
    narrative = bool(typed.get("answers"))
    if narrative and not visitor.may(Permission.SEE_ANSWER):
        raise Forbidden(FOR_CLINICAL_STAFF)
    batch_id = key_id(visitor, "print-answers" if narrative else "print", typed.get("form_key", ""))
    try:
        with attempt(visitor.session):
            batch = make_batch(visitor.session, visitor.actor, batch_id, visitor.now, narrative=narrative)
    except ReferralError as error:
        shown = Shown(errors={"batch": str(error)}, failed="batch", status=status_of(error))
        return _pile(request, visitor, shown)
    return done(visitor, f"/print/{batch.id}", "")


def _pile(request: Request, visitor: Visitor, shown: Shown) -> Response:
    form = form_of(visitor, {}, shown.errors, key=new_key())
    may_read = visitor.may(Permission.SEE_ANSWER)
    page = pile_page(find_pile(visitor.session), form, _users(visitor), clock_of(visitor), may_read=may_read)
    return show(request, visitor, "staff/print.html.j2", "print", page, shown.status, follows=EVERYTHING)


@router.get("/print/{batch_id}")
def show_batch(request: Request, batch_id: str, visitor: Print) -> Response:
    """One batch: print it, mail it, say so."""
    return _batch(request, visitor, batch_id, Shown())


def _batch(request: Request, visitor: Visitor, batch_id: str, shown: Shown) -> Response:
    opened = find_batch(visitor.session, batch_id)
    form = form_of(visitor, {}, shown.errors, conflict=shown.conflict)
    may_read = visitor.may(Permission.SEE_ANSWER)
    page = batch_page(opened, form, _users(visitor), clock_of(visitor), may_read=may_read)
    follows = (f"print-batch/{batch_id}",)
    return show(request, visitor, "staff/print_batch.html.j2", "print", page, shown.status, follows=follows)


@router.post("/print/{batch_id}/pdf")
def print_all(request: Request, batch_id: str, visitor: Print) -> Response:
    """The whole batch as one PDF; asked for again, it is the same."""
    request.state.entity = f"print-batch/{batch_id}"
    renderer = _renderer(visitor.runtime.settings.data_dir / "fonts")
    may_read = visitor.may(Permission.SEE_ANSWER)
    batch, pdf = print_letters(
        visitor.session, visitor.actor, batch_id, renderer, visitor.now, may_read_answers=may_read
    )
    return pdf_response(pdf, f"batch-{batch.number}")


@router.post("/print/{batch_id}/letters/{message_id}/pdf")
def print_again(request: Request, batch_id: str, message_id: str, visitor: Print) -> Response:
    """One letter that jammed: its stored bytes."""
    request.state.entity = f"Communication/{message_id}"
    may_read = visitor.may(Permission.SEE_ANSWER)
    letter = print_one(visitor.session, visitor.actor, batch_id, message_id, may_read_answers=may_read)
    return pdf_response(letter, "letter")


@router.post("/print/{batch_id}/letters/{message_id}/put-back")
def not_mailed(request: Request, batch_id: str, message_id: str, visitor: Print) -> Response:
    """One letter waits for another batch."""
    return _about_one(request, visitor, (batch_id, message_id), put_back, "letter-put-back")


@router.post("/print/{batch_id}/letters/{message_id}/came-back")
def came_back(request: Request, batch_id: str, message_id: str, visitor: Print) -> Response:
    """One letter lies in the clinic's own letter box again."""
    return _about_one(request, visitor, (batch_id, message_id), take_returned_letter, "letter-returned")


def _about_one(
    request: Request,
    visitor: Visitor,
    ids: tuple[str, str],
    act: Callable[[Session, Actor, str, str, datetime], None],
    notice: str,
) -> Response:
    """`ids` are those of the batch and of the message."""
    batch_id, message_id = ids
    request.state.entity = f"Communication/{message_id}"
    try:
        with attempt(visitor.session):
            act(visitor.session, visitor.actor, batch_id, message_id, visitor.now)
    except ReferralError as error:
        shown = Shown(errors={"letters": str(error)}, failed="letters", status=status_of(error))
        return _batch(request, visitor, batch_id, shown)
    return done(visitor, f"/print/{batch_id}", notice)


@router.post("/print/{batch_id}/{step}")
def take_step(request: Request, batch_id: str, step: str, visitor: Print, posted: PostedDep) -> Response:
    """Say that the letters are mailed, or close a batch of which nothing is left."""

    def again(shown: Shown, _error: ReferralError) -> Response:
        return _batch(request, visitor, batch_id, shown)

    about = (f"/print/{batch_id}", batch_id)
    return take(request, visitor, _STEPS, step, about, posted, again, type="print-batch")


def _mailed(visitor: Visitor, batch_id: str, typed: Typed) -> str:
    confirm_mailed(visitor.session, visitor.actor, batch_id, typed.get("seen", ""), visitor.now)
    return "batch-mailed"


def _close(visitor: Visitor, batch_id: str, typed: Typed) -> str:  # noqa: ARG001 - every step takes them
    close_batch(visitor.session, visitor.actor, batch_id, visitor.now)
    return "batch-closed"


_STEPS: Final[Steps] = {"mailed": (Permission.PRINT, _mailed), "close": (Permission.PRINT, _close)}
