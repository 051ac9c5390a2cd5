"""The simulator: a pretend clock over a made-up request, or over a real one from where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.errors import InvalidInput
from referral.domain.scenario_text import Typed
from referral.services.simulate import Asked, Simulated, rules_of, simulate_asked, simulate_request
from referral.web.dependencies import Visitor
from referral.web.form import Form
from referral.web.staff.frame import SeeWork, SignedIn, clock_of, errors_of, show
from referral.web.staff.models import Link
from referral.web.staff.simulator_view import EVENTS, HAPPENINGS, recipients_clock, simulator_page
from referral.web.turn import Router

router: Final = Router()
_Values = Mapping[str, str]
_NAMES: Final = (
    *("start", "at", "time_zone", "closed", "clock"),
    *(f"{field}_{number}" for number in EVENTS for field in ("what", "when", "until")),
)
# The one field in which two moments are typed is two fields here.
_SPANS: Final = frozenset({"pause", "outage", "down"})


@router.get("/simulator")
def show_simulator(request: Request, visitor: SignedIn) -> Response:
    """About nobody: the rules of the clinic, and what is typed. Nothing is sent and nothing is written."""
    rules = rules_of(visitor.session)
    clock = clock_of(visitor)
    values = _values(request)
    if "submitted" not in request.query_params:
        today = visitor.now.astimezone(clock.zone).date().isoformat()
        values = {"start": today, "at": "10:00", "time_zone": rules.time_zone, "ways": "email fax"} | values
    found, errors = None, {}
    try:
        asked = Asked(
            start=f"{values.get('start', '')}T{values.get('at') or '10:00'}",
            time_zone=values.get("time_zone", ""),
            ways=values.get("ways", "").split(),
            closed=values.get("closed", "").replace(",", " ").split(),
            typed=_typed(values),
        )
        found = simulate_asked(rules, asked)
    except InvalidInput as error:
        errors = errors_of(error, _fields(values) | {"ways": "by"}, "start")
    return _page(request, visitor, values, found, errors)


@router.get("/requests/{referral_id}/ahead")
def show_ahead(request: Request, visitor: SeeWork, referral_id: str) -> Response:
    """A real request from where it stands now, with what somebody adds to it."""
    values, typed, errors = _values(request), Typed(), {}
    try:
        typed = _typed(values)
        referral, found = simulate_request(visitor.session, visitor.actor, referral_id, typed, visitor.now)
    except InvalidInput as error:
        errors = errors_of(error, _fields(values), "what_1")
        referral, found = simulate_request(visitor.session, visitor.actor, referral_id, Typed(), visitor.now)
    link = Link(f"Request {referral.number}", f"/requests/{referral.id}")
    return _page(request, visitor, values, found, errors, link)


def _page(
    request: Request,
    visitor: Visitor,
    values: _Values,
    found: Simulated | None,
    errors: Mapping[str, str],
    link: Link | None = None,
) -> Response:
    clock = recipients_clock(found, visitor.now, clock_of(visitor))
    page = simulator_page(Form(values, errors), request.url.path, found, clock, link)
    return show(request, visitor, "staff/simulator.html.j2", "simulator", page, 400 if errors else 200)


def _values(request: Request) -> dict[str, str]:
    """What was typed, cut to what the fields take."""
    asked = request.query_params
    values = {name: asked.get(name, "")[:200].replace("\x00", "") for name in _NAMES if name in asked}
    if "submitted" in asked:
        values["submitted"] = "yes"
    if "submitted" in asked or "by" in asked:
        values["ways"] = " ".join(way[:10] for way in asked.getlist("by")[:8])
    return values


def _typed(values: _Values) -> Typed:
    """The lines of the form as a command line would have them."""
    found: dict[str, list[str]] = {}
    for number in EVENTS:
        what = values.get(f"what_{number}", "")
        if what not in HAPPENINGS:
            continue
        name, _, channel = what.partition(":")
        text = values.get(f"when_{number}", "")
        if name in _SPANS:
            text = f"{text}..{values.get(f'until_{number}', '')}"
        found.setdefault(name, []).append(f"{channel}@{text}" if channel else text)
    arguments: dict[str, Any] = found
    return Typed(**arguments)


def _fields(values: _Values) -> dict[str, str]:
    """Where a refusal is shown: at the first line that chose it."""
    found: dict[str, str] = {}
    for number in EVENTS:
        name = values.get(f"what_{number}", "").partition(":")[0]
        if name:
            found.setdefault(name, f"when_{number}")
            found.setdefault(f"{name}-until", f"until_{number}")
    return found
