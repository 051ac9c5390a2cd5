"""`$evaluate-measure`: one of the measures of this server, counted over a period."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date
from typing import Any, Final

from fastapi import Request
from starlette.responses import Response

from referral.fhir.operation_input import Input, refuse_input
from referral.services.evaluate_measure import LONGEST, evaluate_measure, require_measure
from referral.storage.db import Session
from referral.web.area import Area
from referral.web.fhir_client import Caller
from referral.web.fhir_operations import Anyone, BodyDep, input_of, require_known
from referral.web.fhir_wire import Wanted, WantedDep, resource_response

router: Final = Area(prefix="/fhir", tags=["FHIR"])
_KNOWN: Final = ("periodStart", "periodEnd", "measure", "reportType")
_ABOUT_ONE: Final = ("subject", "practitioner", "lastReceivedOn")
_DATE: Final = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)


@router.get("/Measure/$evaluate-measure")
@router.post("/Measure/$evaluate-measure")
def evaluate(request: Request, caller: Anyone, how: WantedDep, raw: BodyDep) -> Response:
    """The measure that is named by `measure`; nothing is stored."""
    return _evaluate(request, caller, how, raw, None)


@router.get("/Measure/{id}/$evaluate-measure")
@router.post("/Measure/{id}/$evaluate-measure")
def evaluate_this(request: Request, caller: Anyone, how: WantedDep, raw: BodyDep, id: str) -> Response:
    """The same for the measure in the path."""
    return _evaluate(request, caller, how, raw, id)


def _evaluate(request: Request, caller: Caller, how: Wanted, raw: bytes, id: str | None) -> Response:
    given = input_of(request, raw, caller)
    require_known(given, how, *_KNOWN, *_ABOUT_ONE)
    with caller.transaction() as session:
        return resource_response(measure_answer(session, caller, id, given), how)


def measure_answer(session: Session, caller: Caller, id: str | None, given: Input) -> dict[str, Any]:
    """The MeasureReport. Days are the clinic's, both included; a year or month is taken as a whole."""
    for name in _ABOUT_ONE:
        if given.all(name):
            refuse_input(name, "cannot be asked for: measures are counted of all together", "not-supported")
    if given.text("reportType") not in (None, "population"):
        refuse_input("reportType", "can be population only", "not-supported")
    named = id or (given.text("measure") or "").partition("|")[0].rpartition("/")[2]
    if not named:
        refuse_input("measure", "is needed where the path names no measure", "required")
    # Who may not ask, or asks for what is not there, hears that first.
    require_measure(caller.access, named)
    first, last = _day(given, "periodStart", last=False), _day(given, "periodEnd", last=True)
    if first > last or (last - first).days >= LONGEST:
        refuse_input("periodEnd", f"has to lie after periodStart, and at most {LONGEST} days")
    return evaluate_measure(session, caller.access, named, (first, last), caller.now)


def _day(given: Input, name: str, *, last: bool) -> date:
    """The first or the last day of a FHIR date."""
    text = given.text(name)
    if text is None:
        refuse_input(name, "is needed", "required")
    found = _DATE.fullmatch(text)
    try:
        year, month, day = (int(part) if part else 0 for part in found.groups()) if found else (0, 0, 0)
        month = month or (12 if last else 1)
        return date(year, month, day or (monthrange(year, month)[1] if last else 1))
    except ValueError:
        refuse_input(name, "has to be a date such as 2026-03-01")
