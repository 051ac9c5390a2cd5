"""Settings: which reports recommenders get, by when, and what each looks like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.errors import InvalidInput, StaleVersion
from referral.domain.report_rules import ALWAYS, LONGEST, Occasion, ReportPolicy
from referral.services.change_report_policy import change_report_policy, name
from referral.services.report_back import report_policy
from referral.storage.audit import Subject
from referral.storage.db import attempt
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.form import Conflict, Form
from referral.web.policy import Permission
from referral.web.staff import present
from referral.web.staff.conflict import CONFLICT, conflict_of, refuse_if_changed
from referral.web.staff.frame import clock_of, done, errors_of, form_of, show, texts
from referral.web.turn import Router

router: Final = Router()
See = Annotated[Visitor, staff(Permission.SEE_POLICY)]
Change = Annotated[Visitor, staff(Permission.CHANGE_POLICY)]
_NONE: Final[Mapping[str, str]] = {}
_ABOUT: Final = Subject(subtypes=("report-policy",))
_WHEN: Final = {
    Occasion.DECISION: "Whether the clinic treats, after the initial consultation.",
    Occasion.MID_COURSE: "After the session in the middle, with the scores so far.",
    Occasion.END_OF_COURSE: "When the course is completed or stopped, with scores before and after.",
    Occasion.ADVERSE_EVENT: "Goes first in every queue. It waits for the night, never for a closed office.",
    Occasion.CLOSURE: "When it is known who sees the patient next, or that nobody does.",
}


@dataclass(frozen=True, slots=True)
class OccasionRow:
    """`on` and `days` are the names of its fields; one that is obliged has no field `on`."""

    title: str
    text: str
    on: str
    is_on: bool
    obliged: bool
    days: str
    within: int
    most: int
    sample: str


@dataclass(frozen=True, slots=True)
class ReportPolicyPage:
    rows: tuple[OccasionRow, ...]
    policy: ReportPolicy
    form: Form
    may: bool


@router.get("/settings/reports")
def show_report_policy(request: Request, visitor: See) -> Response:
    """The five occasions, as the clinic has set them."""
    return _page(request, visitor, _NONE, _NONE)


@router.post("/settings/reports")
def save_report_policy(request: Request, visitor: Change, posted: PostedDep) -> Response:
    """What is owed from now on follows it."""
    typed = texts(posted)
    try:
        with attempt(visitor.session):
            refuse_if_changed(visitor, typed, _ABOUT)
            change_report_policy(visitor.session, visitor.actor, _typed_policy(typed), visitor.now)
    except InvalidInput as error:
        return _page(request, visitor, typed, errors_of(error, {}, "mid_course_from"), 400)
    except StaleVersion as error:
        conflict = conflict_of(visitor, clock_of(visitor), error, typed, _ABOUT)
        return _page(request, visitor, typed, _NONE, CONFLICT, conflict)
    return done(visitor, "/settings/reports", "report-policy-saved")


def _page(
    request: Request,
    visitor: Visitor,
    typed: Mapping[str, str],
    errors: Mapping[str, str],
    status: int = 200,
    conflict: Conflict | None = None,
) -> Response:
    policy = report_policy(visitor.session)
    page = ReportPolicyPage(
        rows=tuple(_row(one, policy) for one in Occasion),
        policy=policy,
        form=form_of(visitor, typed or _values(policy), errors, conflict=conflict),
        may=visitor.may(Permission.CHANGE_POLICY),
    )
    return show(request, visitor, "staff/report_policy.html.j2", "report-policy", page, status)


def _row(occasion: Occasion, policy: ReportPolicy) -> OccasionRow:
    words = present.OCCASION[occasion]
    return OccasionRow(
        title=f"{words[:1].upper()}{words[1:]}",
        text=_WHEN[occasion],
        on=f"on_{name(occasion)}",
        is_on=occasion in policy.unasked,
        obliged=occasion in ALWAYS,
        days=f"days_{name(occasion)}",
        within=policy.within[occasion],
        most=LONGEST[occasion],
        sample=f"/settings/letters/report-{occasion}",
    )


def _values(policy: ReportPolicy) -> dict[str, str]:
    ticked = {f"on_{name(one)}": "yes" for one in policy.unasked}
    days = {f"days_{name(one)}": str(policy.within[one]) for one in Occasion}
    consent = {"needs_consent": "yes"} if policy.needs_consent else {}
    return {**ticked, **days, **consent, "mid_course_from": str(policy.mid_course_from)}


def _typed_policy(typed: Mapping[str, str]) -> ReportPolicy:
    """What was typed on the page; what is no number is 0, which is out of range."""
    return ReportPolicy(
        unasked=frozenset(one for one in Occasion if one in ALWAYS or typed.get(f"on_{name(one)}")),
        within={
            one: _whole(typed.get(f"days_{name(one)}", "")) if LONGEST[one] > 1 else 1 for one in Occasion
        },
        mid_course_from=_whole(typed.get("mid_course_from", "")),
        needs_consent=bool(typed.get("needs_consent")),
    )


def _whole(text: str) -> int:
    stripped = text.strip()
    return int(stripped) if stripped.isascii() and stripped.isdecimal() and len(stripped) < 4 else 0
