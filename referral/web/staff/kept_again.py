"""A page on which somebody finds what they had sent while their session was locked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from fastapi import Request
from starlette.responses import HTMLResponse

from referral.services.lock_session import find_kept
from referral.storage.kept_forms import KeptForm
from referral.web.dependencies import Visitor
from referral.web.kept import ANCHOR, fill_in, told
from referral.web.pages import page as render
from referral.web.staff.models import Fact, Link, Notice, Shell

# Above a form that was sent from a session that had locked.
_KEPT: Final = Notice(
    "waiting",
    "Nothing was sent yet",
    "The session had locked. What you had typed is filled in again: look at it, then send it."
    " Passwords and files have to be given anew.",
    Link("Go to what you had typed", f"#{ANCHOR}"),
)
_NO_PLACE: Final = Notice(
    "waiting",
    "Nothing was sent",
    "The session had locked, and this page has no form like it any more. What you had typed stands below.",
)


def kept_form(request: Request, visitor: Visitor) -> KeptForm | None:
    """What this visitor had sent while their session was locked, where the address asks for it."""
    id = request.query_params.get("kept", "")[:100].replace("\x00", "") if request.method == "GET" else ""
    return find_kept(visitor.session, visitor.account.user_id, id, visitor.now) if id else None


def with_kept(kept: KeptForm, id: str, template: str, shell: Shell, page: Any) -> HTMLResponse:
    """The page with its form filled in; where it has none like it, what was typed, to be copied."""
    response = render(template, shell=replace(shell, notice=_KEPT), page=page)
    filled = fill_in(bytes(response.body).decode(), kept, id)
    if filled is not None:
        return HTMLResponse(filled)
    typed = tuple(Fact(name.replace("_", " ").capitalize(), text) for name, text in told(kept))
    return render(template, shell=replace(shell, notice=_NO_PLACE, kept=typed), page=page)
