"""Emergency access: asking for it, deciding about it, reviewing it, and the report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.errors import InvalidInput, ReferralError
from referral.domain.listing import Page, View
from referral.domain.override import OverrideCase
from referral.services.accounts import confirm_password
from referral.services.find_orders import find_order
from referral.services.find_overrides import OverrideReport, find_override, report_overrides
from referral.services.override_gate import (
    NewOverride,
    ask_override,
    check_words,
    decide_override,
    review_override,
)
from referral.storage import clinics
from referral.storage.db import Session
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.policy import Permission
from referral.web.staff.clock import Clock
from referral.web.staff.director_lists import OVERRIDES, override_cells, override_line
from referral.web.staff.frame import clock_of, form_of, show, texts
from referral.web.staff.list_models import Row
from referral.web.staff.lists import Cell, file_of, list_page, wants_file
from referral.web.staff.override_view import ask_page, override_page, overrides_page, patient_of
from referral.web.staff.steps import Shown, Steps, Typed, take
from referral.web.turn import Router

router: Final = Router()
AskOverride = Annotated[Visitor, staff(Permission.ASK_OVERRIDE)]
# A case with the report that it stands in.
_Told = tuple[OverrideCase, OverrideReport]
DecideOverride = Annotated[Visitor, staff(Permission.DECIDE_OVERRIDE)]


@router.get("/orders/{order_id}/override")
def show_ask(request: Request, order_id: str, visitor: AskOverride) -> Response:
    """The form, where clinic policy and the order allow to ask."""
    return _ask_page(request, visitor, order_id, Shown())


@router.post("/orders/{order_id}/override")
def ask(request: Request, order_id: str, visitor: AskOverride, posted: PostedDep) -> Response:
    """Ask, with the password given once more."""
    wrong = _words_are_missing(order_id, texts(posted)) or _password_is_wrong(visitor, texts(posted))
    if wrong:
        request.state.entity = f"ServiceRequest/{order_id}"
        return _ask_page(request, visitor, order_id, wrong)

    def again(shown: Shown, error: ReferralError) -> Response:  # noqa: ARG001 - the page says it all
        return _ask_page(request, visitor, order_id, shown)

    return take(request, visitor, _ASKING, "override", (f"/orders/{order_id}", order_id), posted, again)


@router.get("/overrides")
def show_report(request: Request, visitor: DecideOverride) -> Response:
    """How often, by whom, and what is still to be reviewed."""
    clock = clock_of(visitor)
    policy, _ = clinics.policy_in_force(visitor.session)
    reports: list[OverrideReport] = []

    def find(session: Session, view: View) -> Page[_Told]:
        reports.append(report_overrides(session, visitor.actor, view, visitor.now))
        return reports[-1].cases.of((case, reports[-1]) for case in reports[-1].cases.rows)

    if wants_file(request):
        return file_of(request, visitor, OVERRIDES, find, lambda told: _cells(told, clock))
    listed = list_page(request, visitor, OVERRIDES, find, lambda told: _line(told, clock))
    page = overrides_page(reports[-1], policy, listed)
    return show(request, visitor, "staff/overrides.html.j2", "reviews", page)


def _line(told: _Told, clock: Clock) -> Row:
    case, report = told
    return override_line(case, patient_of(case, report), report.users, clock)


def _cells(told: _Told, clock: Clock) -> Iterator[Cell]:
    case, report = told
    return override_cells(case, patient_of(case, report), report.users, clock)


@router.get("/overrides/{override_id}")
def show_override(request: Request, override_id: str, visitor: DecideOverride) -> Response:
    """One request, to be decided or reviewed."""
    return _page(request, visitor, override_id, Shown())


@router.post("/overrides/{override_id}/{step}")
def take_step(
    request: Request, override_id: str, step: str, visitor: DecideOverride, posted: PostedDep
) -> Response:
    """Decide, with the password given once more, or review."""
    # Looked up first: a password is not asked for about nothing, and the refusal names the right order.
    case = find_override(visitor.session, visitor.actor, override_id, visitor.now).case
    wrong = None
    if step == "decide":
        wrong = _no_decision(texts(posted)) or _password_is_wrong(visitor, texts(posted))
    if wrong:
        return _page(request, visitor, override_id, wrong)

    def again(shown: Shown, error: ReferralError) -> Response:  # noqa: ARG001 - the page says it all
        return _page(request, visitor, override_id, shown)

    def act(visitor: Visitor, order_id: str, typed: Typed) -> str:  # noqa: ARG001 - it is the case's own
        return _ACTS[step](visitor, override_id, typed)

    steps = dict.fromkeys(_ACTS, (Permission.DECIDE_OVERRIDE, act))
    return take(request, visitor, steps, step, (f"/overrides/{override_id}", case.order_id), posted, again)


def _ask_page(request: Request, visitor: Visitor, order_id: str, shown: Shown) -> Response:
    view = find_order(visitor.session, visitor.actor, order_id, visitor.now)
    form = form_of(visitor, shown.typed, shown.errors, conflict=shown.conflict)
    page = ask_page(view, clock_of(visitor), form)
    return show(request, visitor, "staff/override_ask.html.j2", "orders", page, shown.status)


def _page(request: Request, visitor: Visitor, override_id: str, shown: Shown) -> Response:
    view = find_override(visitor.session, visitor.actor, override_id, visitor.now)
    form = form_of(visitor, shown.typed, shown.errors, conflict=shown.conflict)
    page = override_page(visitor, view, clock_of(visitor), form)
    follows = (f"ServiceRequest/{view.case.order_id}",)
    return show(request, visitor, "staff/override.html.j2", "today", page, shown.status, follows=follows)


def _new(order_id: str, typed: Typed) -> NewOverride:
    return NewOverride(
        order_id=order_id, reason_code=typed.get("reason_code", ""), reason=typed.get("reason", "")
    )


def _words_are_missing(order_id: str, typed: Typed) -> Shown | None:
    """Before the password: nobody's try is spent on a form that is not complete."""
    try:
        check_words(_new(order_id, typed))
    except InvalidInput as error:
        errors = {issue.expression[0]: issue.text for issue in error.issues}
        return Shown(typed, errors, "override", 400)
    return None


def _no_decision(typed: Typed) -> Shown | None:
    if typed.get("decision") in ("approve", "decline"):
        return None
    return Shown(typed, {"decision": "Approve it or decline it."}, "decide", 400)


def _password_is_wrong(visitor: Visitor, typed: Typed) -> Shown | None:
    """Outside of the step, so that the count of wrong ones is committed with the page."""
    password = typed.get("password", "")[:1000]
    said = confirm_password(visitor.session, visitor.actor, visitor.account, password, visitor.now)
    return Shown(typed, {"password": said}, "password", 401) if said else None


def _ask(visitor: Visitor, order_id: str, typed: Typed) -> str:
    ask_override(visitor.session, visitor.actor, visitor.account, _new(order_id, typed))
    return "override-asked"


def _decide(visitor: Visitor, override_id: str, typed: Typed) -> str:
    approve = typed["decision"] == "approve"
    decide_override(
        visitor.session, visitor.actor, visitor.account, override_id, approve=approve, now=visitor.now
    )
    return "override-approved" if approve else "override-declined"


def _review(visitor: Visitor, override_id: str, typed: Typed) -> str:
    justified = {"justified": True, "not-justified": False}.get(typed.get("outcome", ""))
    review_override(
        visitor.session, visitor.actor, override_id, justified=justified, note=typed.get("note", "")
    )
    return "override-reviewed"


_ASKING: Final[Steps] = {"override": (Permission.ASK_OVERRIDE, _ask)}
_ACTS: Final = {"decide": _decide, "review": _review}
