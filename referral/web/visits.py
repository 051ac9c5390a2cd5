"""What the doors of clinicians and of patients share: a cookie, the date of birth, counted look-ups."""

from __future__ import annotations

from datetime import date
from typing import Final

from fastapi import Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from referral.bootstrap import Runtime
from referral.domain.credential import digest
from referral.storage import credentials
from referral.web.dependencies import client_address, cookie_name

BIRTH_DATE_PARTS: Final = ("birth_month", "birth_day", "birth_year")


def welcome(runtime: Runtime, cookie: str, token: str, path: str) -> Response:
    """Set the cookie of a visit and drop the secret from the address bar."""
    response = RedirectResponse(path, 303)
    response.set_cookie(
        cookie_name(runtime, cookie),
        token,
        path="/",
        httponly=True,
        samesite="strict",
        secure=runtime.settings.secure_cookies,
    )
    return response


def farewell(runtime: Runtime, cookie: str, path: str) -> Response:
    """Take the cookie away and go on to a page that needs none."""
    response = RedirectResponse(path, 303)
    response.delete_cookie(
        cookie_name(runtime, cookie),
        path="/",
        httponly=True,
        samesite="strict",
        secure=runtime.settings.secure_cookies,
    )
    return response


def typed_birth_date(form: FormData) -> tuple[dict[str, str], date | None]:
    """What was typed by field, and the day that it means; None where it means none."""
    values = {name: str(form.get(name, "")).strip()[:4] for name in BIRTH_DATE_PARTS}
    try:
        return values, date(*(int(values[name]) for name in ("birth_year", "birth_month", "birth_day")))
    except ValueError:
        return values, None


def may_look(request: Request, runtime: Runtime) -> bool:
    """Count this look-up by the address, in a transaction of its own that a refusal does not undo."""
    source = digest(client_address(request) or "unknown").hex()
    with runtime.transaction() as session:
        return credentials.has_misses_left(session, source, runtime.now())
