"""The lists of the medical director: reviews, recommendations, emergency access."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.life import Standing
from referral.domain.listing import Page, View
from referral.domain.override import OverrideCase
from referral.services.find_reviews import ToReview
from referral.services.list_recommendations import ListedAnswer, list_recommendations
from referral.storage.db import Session
from referral.web.staff import override_view, present
from referral.web.staff.clock import Clock
from referral.web.staff.frame import SeeWork, clock_of
from referral.web.staff.life_view import review_row
from referral.web.staff.list_models import NEWEST_FIRST, Empty, Filter, Row, Shape
from referral.web.staff.lists import Cell, show_list
from referral.web.staff.models import Badge, Link
from referral.web.turn import Router

router: Final = Router()

REVIEWS: Final = Shape(
    path="/reviews",
    one="answer",
    title="Reviews",
    intro="Answers that do not count before somebody has looked, and clinicians who disagree.",
    columns=("Since", "Patient", "First infusion", "Why", "What was said"),
    sorts=(("", "Oldest first"), ("newest", "Newest first")),
    empty=Empty(
        title="Nothing waits for a review.",
        text="Answers with red flags or conditions, answers that came by one channel only, and refusals"
        " beside a recommendation appear here.",
    ),
    actions=(Link("Recommendations", "/recommendations"), Link("Emergency access", "/overrides")),
)


def review_line(item: ToReview, clock: Clock) -> Row:
    """One primary action each."""
    shown = review_row(item, clock)
    return Row(
        title=shown.patient,
        href=shown.href,
        lead=shown.since,
        detail=shown.infusion,
        badges=shown.badges,
        sentence=shown.sentence,
        action=shown.action,
    )


def review_cells(item: ToReview, clock: Clock) -> Iterator[Cell]:
    """As REVIEWS.columns; how many red flags, not which."""
    shown, day = review_row(item, clock), item.state.order.first_infusion_on
    yield from (shown.since.iso, shown.patient, day.isoformat() if day else "")
    yield from ("; ".join(badge.text for badge in shown.badges), shown.sentence)


RECOMMENDATIONS: Final = Shape(
    path="/recommendations",
    one="answer",
    title="Recommendations",
    intro="What clinicians have answered, and until when it counts.",
    columns=("Patient", "Clinician", "Request", "Answer", "Answered", "Valid until", "State"),
    search="Patient or clinician",
    filters=(
        Filter(
            name="state",
            label="Show",
            options=(
                ("", "Ending within 30 days"),
                ("valid", "Valid"),
                ("expired", "Too old to count"),
                ("voided", "Voided or withdrawn"),
                ("refused", "Not recommended"),
                ("all", "All"),
            ),
            main=True,
        ),
    ),
    sorts=(("", "Ending first"), ("newest", "Newest answer first")),
    empty=Empty(
        title="No recommendation ends within 30 days.",
        text="Their clinicians are asked by themselves whether the answer is still true.",
    ),
    no_match="Look for fewer letters, or choose another state.",
)


@router.get("/recommendations")
def show_recommendations(request: Request, visitor: SeeWork) -> Response:
    """Those that end soon, unless others are asked for."""
    clock = clock_of(visitor)

    def find(session: Session, view: View) -> Page[ListedAnswer]:
        return list_recommendations(session, visitor.actor, view, visitor.now)

    return show_list(
        request,
        visitor,
        RECOMMENDATIONS,
        find,
        lambda item: answer_line(item, clock),
        lambda item: answer_cells(item, clock),
        "recommendations",
    )


def _standing(answer: Standing, clock: Clock) -> Badge:
    if answer.void is not None:
        return Badge("closed", "Voided")
    if not answer.is_positive:
        return Badge("closed", "Counts against it")
    if answer.is_declined:
        return Badge("closed", "Not accepted")
    if answer.valid_until <= clock.now:
        return Badge("closed", "Too old")
    left = (clock.local(answer.valid_until) - clock.today).days
    if left <= 30:
        return Badge("waiting", "Ends today" if left == 0 else f"Ends in {present.counted(left, 'day')}")
    return Badge("open", "Valid")


def answer_line(item: ListedAnswer, clock: Clock) -> Row:
    """By when it ends; the question whether it is still true is one click away."""
    answer, href = item.answer, f"/requests/{item.referral.id}"
    shown = _standing(answer, clock)
    soon = shown.state == "waiting"
    return Row(
        title=present.named(item.patient),
        href=href,
        lead=clock.day(clock.local(answer.valid_until if answer.is_positive else answer.answered_at)),
        lead_before="Until" if answer.is_positive else "Answered",
        detail=f"{present.titled(item.clinician)} · {item.referral.number}",
        badges=(present.DECISION[answer.decision], shown),
        sentence=f"Answered {clock.date_of(answer.answered_at)}.",
        action=Link("Still true?", f"{href}#renewal") if soon else Link("See request", href),
        about=f"{present.named(item.patient)}, {item.referral.number}",
    )


def answer_cells(item: ListedAnswer, clock: Clock) -> Iterator[Cell]:
    """As RECOMMENDATIONS.columns; no words of the answer."""
    answer = item.answer
    yield from (present.named(item.patient), present.titled(item.clinician), item.referral.number)
    yield present.DECISION[answer.decision].text
    yield clock.local(answer.answered_at).isoformat()
    yield clock.local(answer.valid_until).isoformat() if answer.is_positive else ""
    yield _standing(answer, clock).text


OVERRIDES: Final = Shape(
    path="/overrides",
    one="request for emergency access",
    many="requests for emergency access",
    title="Emergency access",
    columns=(
        *("Asked", "Patient", "Reason", "State", "Review", "Asked by", "Decided by", "Decided"),
        *("Used", "Reviewed by", "Reviewed"),
    ),
    filters=(
        Filter(
            name="state",
            label="State",
            options=(
                ("", "All"),
                ("asked", "Undecided"),
                ("approved", "Approved"),
                ("declined", "Declined"),
                ("to-review", "To be reviewed"),
                ("overdue", "Review overdue"),
                ("unjustified", "Found not justified"),
            ),
            main=True,
        ),
        Filter(
            name="reason",
            label="Reason",
            options=(
                ("", "Any"),
                *((code.value, words) for code, words in override_view.REASON.items()),
            ),
        ),
    ),
    sorts=NEWEST_FIRST,
    empty=Empty(title="Nobody has asked for emergency access."),
    no_match="Choose another state or reason.",
)


def override_line(case: OverrideCase, patient: str, users: Mapping[str, str], clock: Clock) -> Row:
    """What became of it, and its review."""
    href = f"/overrides/{case.id}"
    shown = override_view.row(case, patient, users, clock, href)
    action = "Decide" if case.waits(clock.now) else "Review" if case.to_review else "Open"
    return Row(
        title=shown.title,
        href=shown.href,
        lead=shown.asked,
        detail=shown.reason,
        badges=(shown.badge, *((shown.review,) if shown.review else ())),
        sentence=shown.sentence,
        action=Link(action, href),
        about=f"{patient}, {shown.asked.text}",
    )


def override_cells(
    case: OverrideCase, patient: str, users: Mapping[str, str], clock: Clock
) -> Iterator[Cell]:
    """As OVERRIDES.columns; the reasons in words stay here."""
    shown = override_view.row(case, patient, users, clock, "")

    def name(id: str | None) -> str:
        return users.get(id or "", "")

    yield from (shown.asked.iso, patient, shown.reason, shown.badge.text)
    yield shown.review.text if shown.review else ""
    yield from (name(case.requested_by), name(case.decided_by))
    yield clock.moment(case.decided_at).iso if case.decided_at else ""
    yield clock.moment(case.started_at).iso if case.started_at else ""
    yield name(case.reviewed_by)
    yield clock.moment(case.reviewed_at).iso if case.reviewed_at else ""
