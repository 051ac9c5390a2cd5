"""The medical director's review list."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from referral.services.find_reviews import find_reviews
from referral.web.dependencies import Visitor, staff
from referral.web.policy import Permission
from referral.web.staff.frame import clock_of, show
from referral.web.staff.life_view import reviews_page

router: Final = APIRouter()
_Review = Annotated[Visitor, staff(Permission.REVIEW)]


@router.get("/reviews")
def show_reviews(request: Request, visitor: _Review) -> Response:
    """Answers that a person has to look at, and clinicians who disagree."""
    found = find_reviews(visitor.session, visitor.actor, visitor.now)
    return show(request, visitor, "staff/reviews.html.j2", "reviews", reviews_page(found, clock_of(visitor)))
