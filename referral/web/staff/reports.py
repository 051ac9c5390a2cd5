"""The reports page and its files."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Final
from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import Response

from referral.domain.listing import day_asked
from referral.fhir.json import encode
from referral.services.measure_figures import find_measures, report_of
from referral.services.report_figures import LONGEST, find_figures, note_taken
from referral.web.staff.clock import Clock
from referral.web.staff.frame import SeeWork, clock_of, query_of, show
from referral.web.staff.lists import csv_response, wants_file
from referral.web.staff.models import Link
from referral.web.staff.report_view import ReportsPage, all_reports
from referral.web.turn import Router

router: Final = Router()
_USUAL: Final = 90


@router.get("/reports")
def show_reports(request: Request, visitor: SeeWork) -> Response:
    """Of the requests of a period, `from` and `to` are its days; 90 days until today without them."""
    clock = clock_of(visitor)
    first, last, error = _period(query_of(request, "from"), query_of(request, "to"), clock.today)
    figures = find_figures(visitor.session, first, last, visitor.now)
    found = all_reports(figures, clock)
    if wants_file(request):
        wanted = next((one for one in found if one.name == query_of(request, "report")), found[0])
        note_taken(visitor.session, visitor.actor, wanted.name)
        name = f"{wanted.name}-{first.isoformat()}-{last.isoformat()}.csv"
        return csv_response(name, wanted.columns, [[list(row) for row in wanted.rows]])
    page = ReportsPage(
        first=first.isoformat(),
        last=last.isoformat(),
        error=error,
        period=f"{clock.day(first).text} to {clock.day(last).text}",
        presets=_presets(clock),
        reports=tuple(
            replace(one, csv_href=_href(first, last, format="csv", report=one.name)) for one in found
        ),
    )
    return show(request, visitor, "staff/reports.html.j2", "reports", page)


@router.get("/reports/measure")
def measure_file(request: Request, visitor: SeeWork) -> Response:
    """One measure as a FHIR MeasureReport; an unknown one is that of the end-of-course reports."""
    first, last, _ = _period(query_of(request, "from"), query_of(request, "to"), clock_of(visitor).today)
    found = find_measures(visitor.session, first, last, visitor.now)
    one = next((one for one in found if one.name == query_of(request, "name")), found[0])
    note_taken(visitor.session, visitor.actor, one.name)
    body = encode(report_of(visitor.session, one, visitor.now))
    name = f"{one.name}-{one.first.isoformat()}-{one.last.isoformat()}.fhir.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body, media_type="application/fhir+json", headers=headers)


def _period(since: str, until: str, today: date) -> tuple[date, date, str]:
    """The days that were asked for; the usual ones, and why, where they are no period."""
    usual = (today - timedelta(days=_USUAL - 1), today)
    if not since and not until:
        return *usual, ""
    first, last = day_asked(since) or usual[0], day_asked(until) or today
    if first > last:
        return *usual, "The first day lies after the last one; these are the last 90 days."
    if (last - first).days >= LONGEST:
        return *usual, f"Choose at most {LONGEST} days; these are the last 90."
    return first, last, ""


def _presets(clock: Clock) -> tuple[Link, ...]:
    today = clock.today
    starts = (
        ("30 days", today - timedelta(days=29)),
        ("90 days", today - timedelta(days=89)),
        ("This year", date(today.year, 1, 1)),
        ("12 months", today - timedelta(days=364)),
    )
    return tuple(Link(label, _href(first, today)) for label, first in starts)


def _href(first: date, last: date, **more: str) -> str:
    return f"/reports?{urlencode({'from': first.isoformat(), 'to': last.isoformat(), **more})}"
