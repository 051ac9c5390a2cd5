"""The page that shows every component once, with its states."""

from __future__ import annotations

from typing import Final

from fastapi import Request
from starlette.responses import Response

from referral.web.staff.design_view import design_page
from referral.web.staff.frame import SignedIn, clock_of, show
from referral.web.turn import Router

router: Final = Router()


@router.get("/design")
def show_design(request: Request, visitor: SignedIn) -> Response:
    """Nothing on it is about anybody."""
    return show(request, visitor, "staff/design.html.j2", "", design_page(clock_of(visitor)))
