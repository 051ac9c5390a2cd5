"""The medical director's review list."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.listing import Page, View
from referral.services.find_reviews import ToReview, find_reviews
from referral.storage.db import Session
from referral.web.dependencies import Visitor, staff
from referral.web.policy import Permission
from referral.web.staff.director_lists import REVIEWS, review_cells, review_line
from referral.web.staff.frame import clock_of
from referral.web.staff.lists import show_list
from referral.web.turn import Router

router: Final = Router()
_Review = Annotated[Visitor, staff(Permission.REVIEW)]


@router.get("/reviews")
def show_reviews(request: Request, visitor: _Review) -> Response:
    """Answers that a person has to look at, and clinicians who disagree."""
    clock = clock_of(visitor)

    def find(session: Session, view: View) -> Page[ToReview]:
        return find_reviews(session, visitor.actor, visitor.now, view)

    return show_list(
        request,
        visitor,
        REVIEWS,
        find,
        lambda item: review_line(item, clock),
        lambda item: review_cells(item, clock),
        "reviews",
    )
