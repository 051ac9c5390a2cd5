"""What every staff page shares: the shell around it, the notice after a step, the answer to a refusal."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import Request
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, RedirectResponse

from referral.bootstrap import Runtime
from referral.domain.errors import ReferralError
from referral.storage import audit, clinics, waiting
from referral.storage.waiting import Waiting
from referral.web.dependencies import Visitor, cookie_name, is_live, staff
from referral.web.form import Conflict, Form
from referral.web.pages import page as render
from referral.web.policy import Permission
from referral.web.staff.clock import Clock
from referral.web.staff.kept_again import kept_form, with_kept
from referral.web.staff.models import Shell
from referral.web.staff.notices import NOTICES
from referral.web.staff.present import ROLE

# Who may come to a route, as its type.
SignedIn = Annotated[Visitor, staff(Permission.SIGNED_IN)]
SeeWork = Annotated[Visitor, staff(Permission.SEE_WORK)]
Ask = Annotated[Visitor, staff(Permission.ASK)]

# What a page follows that lists what the clinic has.
EVERYTHING: Final = ("*",)
# A fixed namespace: the same showing of a form always makes the same ids.
_KEYS: Final = uuid.UUID("a3b0c4c2-76d5-5f0c-9d7b-6b1d0f7a2e11")
_NOTICE_COOKIE: Final = "referral_notice"
_NOTICE_SECONDS: Final = 60
# What a step answers with on the next page; only the code travels.
_PLACES: Final = {
    "today": Permission.SIGNED_IN,
    "new": Permission.ASK,
    "reviews": Permission.REVIEW,
    "requests": Permission.SEE_WORK,
    "orders": Permission.SEE_WORK,
    "patients": Permission.SEE_WORK,
    "recommendations": Permission.SEE_WORK,
    "bookings": Permission.SEE_WORK,
    "directory": Permission.SEE_WORK,
    "faxes": Permission.SEE_DOCUMENT,
    "outbox": Permission.SEE_WORK,
    "print": Permission.PRINT,
    "calls": Permission.SEE_WORK,
    "policy": Permission.SEE_POLICY,
    "hours": Permission.SEE_POLICY,
    "on-call": Permission.SEE_POLICY,
    "report-policy": Permission.SEE_POLICY,
    "letterhead": Permission.SEE_POLICY,
    "letters": Permission.SEE_POLICY,
    "simulator": Permission.SIGNED_IN,
    "users": Permission.MANAGE_ACCOUNTS,
    "systems": Permission.MANAGE_ACCOUNTS,
    "audit": Permission.SEE_AUDIT,
    "reports": Permission.SEE_WORK,
}


def clock_of(visitor: Visitor) -> Clock:
    """The present, and the time zone of this visitor's clinic."""
    return Clock(ZoneInfo(clinics.current(visitor.session).time_zone), visitor.now)


def show(
    request: Request,
    visitor: Visitor,
    template: str,
    active: str,
    page: Any,
    status: int = 200,
    *,
    counted: Waiting | None = None,
    follows: tuple[str, ...] = (),
) -> HTMLResponse:
    """One staff page in its shell; a waiting notice is shown and forgotten.

    `counted` is what waits, where the page has read it already. `follows` names what it shows ('Type/id', or
    EVERYTHING): it stays up to date by itself, unless it answers a form.
    """
    counted = counted or waiting.read(visitor.session, visitor.now)
    kept = kept_form(request, visitor)
    name = cookie_name(visitor.runtime, _NOTICE_COOKIE)
    notice = NOTICES.get(request.cookies.get(name, ""))
    shell = Shell(
        clinic=clinics.current(visitor.session).name,
        user=visitor.account.name,
        role=ROLE[visitor.account.role],
        token=visitor.account.csrf_token,
        active=active,
        places=tuple(key for key, permission in _PLACES.items() if visitor.may(permission)),
        notice=notice,
        restoring=counted.restoring,
        signs=counted.signs if visitor.may(Permission.SEE_ANSWER) else 0,
        counts=_counts(visitor, counted),
        follows=" ".join(follows if request.method == "GET" and visitor.may(Permission.SEE_WORK) else ()),
        idle_seconds=visitor.account.idle_seconds,
    )
    if kept is not None:
        return with_kept(kept, query_of(request, "kept"), template, shell, page)
    response = render(template, status, shell=shell, page=page)
    if name in request.cookies and not is_live(request):
        set_cookie(response, visitor.runtime, _NOTICE_COOKIE, "", 0)
    return response


def _counts(visitor: Visitor, counted: Waiting) -> dict[str, int]:
    """What waits for a person, for the navigation of who may see to it."""
    letters = letters_for(visitor, counted)
    found = {"faxes": counted.faxes, "calls": counted.calls, "print": letters}
    return {place: count for place, count in found.items() if count and visitor.may(_PLACES[place])}


def letters_for(visitor: Visitor, counted: Waiting) -> int:
    """Letters that this visitor may print: those with narrative only who may read answers."""
    return counted.letters + (counted.answers if visitor.may(Permission.SEE_ANSWER) else 0)


def done(visitor: Visitor, href: str, notice: str) -> RedirectResponse:
    """To the next page, which says what was done; a reload there repeats nothing."""
    return announce(visitor.runtime, href, notice)


def announce(runtime: Runtime, href: str, notice: str) -> RedirectResponse:
    """The same for a route without a transaction."""
    response = RedirectResponse(href, 303)
    set_cookie(response, runtime, _NOTICE_COOKIE, notice, _NOTICE_SECONDS)
    return response


def set_cookie(response: Any, runtime: Runtime, name: str, value: str, seconds: int | None = None) -> None:
    """For this host alone, out of reach of scripts; `seconds` None ends it with the browser."""
    response.set_cookie(
        cookie_name(runtime, name),
        value,
        max_age=seconds,
        path="/",
        secure=runtime.settings.secure_cookies,
        httponly=True,
        samesite="lax",
    )


def texts(form: FormData) -> dict[str, str]:
    """The first text of each field; files are not text."""
    values: dict[str, str] = {}
    for name, value in form.multi_items():
        if isinstance(value, str):
            values.setdefault(name, value.replace("\x00", ""))
    return values


def new_key() -> str:
    """Marks one showing of a form that makes something."""
    return secrets.token_urlsafe(18)


def key_id(visitor: Visitor, what: str, key: str) -> str:
    """The id that one showing of a form gives to what it makes; without a key, a fresh one."""
    stem = f"{visitor.actor.clinic_id}/{visitor.actor.id}/{what}/{key or new_key()}"
    return str(uuid.uuid5(_KEYS, stem))


def form_of(
    visitor: Visitor,
    values: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    version: str = "",
    key: str = "",
    conflict: Conflict | None = None,
) -> Form:
    """A form that this visitor may send: their token comes along."""
    token, mark = visitor.account.csrf_token, str(audit.newest(visitor.session))
    return Form(values or {}, errors or {}, token, version, key, mark, conflict)


def errors_of(error: ReferralError, names: Mapping[str, str], rest: str) -> dict[str, str]:
    """Sentences by field: `names` translates where a refusal comes from, `rest` takes what is left."""
    found: dict[str, str] = {}
    for issue in error.issues:
        where = issue.expression[0] if issue.expression else rest
        field = names.get(where, where if where.isidentifier() else rest)
        found[field] = f"{found[field]} {issue.text}" if field in found else issue.text
    return found


def version_of(form: Mapping[str, str]) -> int:
    """The version that the page showed; 0, which nothing has, where it is missing or not a number."""
    text = form.get("version", "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def page_number(request: Request) -> int:
    """Which page of a document is asked for; anything odd is the first."""
    text = request.query_params.get("page", "1")
    return max(1, int(text)) if text.isdecimal() and len(text) < 6 else 1


def query_of(request: Request, name: str) -> str:
    """One search parameter, cut to what a search box takes."""
    return request.query_params.get(name, "")[:100].replace("\x00", "")
