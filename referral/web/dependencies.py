"""What a route is given: the runtime, one transaction, and who is calling."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartParser

from referral.bootstrap import Runtime
from referral.domain.audit import Actor
from referral.domain.errors import Forbidden, InvalidInput, Issue, NotFound, SessionLocked, SignInRequired
from referral.domain.language import phrase
from referral.services.lock_session import has_ended, is_locked
from referral.storage import accounts, kept_forms
from referral.storage.accounts import StaffSession
from referral.storage.db import Session
from referral.web.policy import Permission, may
from referral.web.turn import Opening, opens_in_turn

STAFF_COOKIE: Final = "referral_staff"
# How often a busy session's last use is written: often enough for the idle limit, seldom enough to be free.
_TOUCH_EVERY: Final = timedelta(minutes=1)
# What is uploaded stays in memory, up to the limit of its body: nothing of it lies in a temporary file.
MultiPartParser.spool_max_size = 17 * 1024 * 1024


async def get_runtime(request: Request) -> Runtime:
    """What create_app() was given; at once, where a plain function would be called in another thread."""
    runtime: Runtime = request.app.state.runtime
    return runtime


RuntimeDep = Annotated[Runtime, Depends(get_runtime)]


async def posted(request: Request) -> AsyncIterator[FormData]:
    """The submitted form; empty for a GET. Refuses text that is no Unicode, as odd charsets can make it.

    Files that came with it are gone when the request ends.
    """
    if request.method != "POST":
        yield FormData()
        return
    form = await request.form(max_files=4, max_fields=200)
    try:
        if any(not _is_text(part) for item in form.multi_items() for part in item):
            raise InvalidInput(Issue("This form is not written in UTF-8.", code="structure"))
        yield form
    finally:
        await form.close()


def _is_text(part: object) -> bool:
    """False for lone surrogates, which no database and no digest takes."""
    try:
        return not isinstance(part, str) or bool(part.encode()) or not part
    except UnicodeEncodeError:
        return False


PostedDep = Annotated[FormData, Depends(posted)]


@opens_in_turn
async def get_session(runtime: RuntimeDep, _: PostedDep) -> Opening:
    """One transaction per request, committed before the response leaves; an exception rolls it back.

    The form has arrived before: whoever sends one slowly must not hold a connection of the pool meanwhile.
    """
    return runtime.transaction


SessionDep = Annotated[Session, Depends(get_session)]


def cookie_name(runtime: Runtime, name: str) -> str:
    """`__Host-` binds a cookie to this host and to https; plain http on one's own machine cannot have it."""
    return f"__Host-{name}" if runtime.settings.secure_cookies else name


def client_address(request: Request) -> str | None:
    """The address of the connection, None for a Unix socket; a proxy is resolved by the server before."""
    return request.client.host if request.client else None


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in member of staff with the transaction of this request."""

    runtime: Runtime
    session: Session
    account: StaffSession
    actor: Actor
    now: datetime

    def may(self, permission: Permission) -> bool:
        return may(self.account.role, permission)


def check_origin(request: Request) -> None:
    """A form must come from our own pages: browsers say where from in Origin and in Sec-Fetch-Site.

    Origin is `null` on our own forms, because the pages send no referrer; then only the other one tells.
    """
    origin = request.headers.get("origin")
    elsewhere = request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
    foreign = origin not in (None, "null") and str(origin).split("://")[-1] != request.headers.get("host")
    if elsewhere or foreign:
        raise Forbidden(phrase("This form was sent from another site. Nothing was changed."))


def check_csrf(request: Request, form: FormData, expected: str) -> None:
    """Raises Forbidden for a form of another site, of another session, or without a token."""
    check_origin(request)
    given = form.get("csrf_token")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Forbidden(phrase("This page was open for too long. Please go back, reload it and try again."))


def staff(permission: Permission) -> Any:
    """A dependency that lets in staff who hold `permission`; a POST needs the CSRF token of its form.

    It gives a Visitor with the transaction of the request, which the route opens in its turn.
    """

    @contextmanager
    def admit(request: Request, runtime: Runtime, form: FormData) -> Iterator[Visitor]:
        with runtime.transaction() as session:
            yield _admitted(request, runtime, session, form, permission)

    @opens_in_turn
    async def visitor(request: Request, runtime: RuntimeDep, form: PostedDep) -> Opening:
        return partial(admit, request, runtime, form)

    return _marked(visitor, f"staff:{permission}")


def staff_without_transaction(permission: Permission) -> Any:
    """The same check, committed before the route begins: for one that asks somebody outside.

    It gives the Actor; what the route writes needs a transaction of its own.
    """

    def actor(request: Request, runtime: RuntimeDep, form: PostedDep) -> Actor:
        with runtime.transaction() as session:
            return _admitted(request, runtime, session, form, permission).actor

    return _marked(actor, f"staff:{permission}")


def _admitted(
    request: Request, runtime: Runtime, session: Session, form: FormData, permission: Permission
) -> Visitor:
    account = admit_session(request, runtime, session, form)
    request.state.actor = actor = Actor(
        account.clinic_id,
        "staff",
        account.user_id,
        account.role,
        client_address(request),
        getattr(request.state, "request_id", None),
    )
    if request.method == "POST":
        check_csrf(request, form, account.csrf_token)
        if isinstance(kept := form.get("kept_form"), str):
            # It is being sent now; where it is refused, this is undone with everything else.
            kept_forms.remove(session, account.user_id, kept)
    if any("\x00" in str(value) for value in request.path_params.values()):
        raise NotFound("There is no such page.")
    if not may(account.role, permission):
        raise Forbidden("Your role may not do this. Ask the clinic's administrator if it should.")
    return Visitor(runtime, session, account, actor, runtime.now())


def is_live(request: Request) -> bool:
    """Whether a page asks by itself because something has changed (static/live.js): nobody has done it."""
    return request.headers.get("referral-live") == "1"


def session_runs(request: Request, runtime: Runtime) -> bool:
    """Whether the session of the cookie still runs; to ask is no use of it."""
    with runtime.transaction() as session:
        return signed_in(request, runtime, session) is not None


def admit_session(
    request: Request, runtime: Runtime, session: Session, form: FormData | None = None
) -> StaffSession:
    """The session of the cookie, which was used just now; enters its clinic.

    What a page asks by itself is no use: a session that nobody uses locks, whatever happens around it.

    Raises SessionLocked, with what was sent where it came from a page of this session, or SignInRequired.
    """
    found = found_session(request, runtime, session)
    if found is None:
        raise SignInRequired("Please sign in.")
    now = runtime.now()
    if (ended := has_ended(found, now)) or is_locked(found, now):
        fields = None
        if form is not None and request.method == "POST":
            check_csrf(request, form, found.csrf_token)
            fields = _to_keep(request, form)
        raise SessionLocked(found.clinic_id, found.user_id, fields, ended=ended)
    if now - found.seen_at > _TOUCH_EVERY and not is_live(request):
        accounts.touch_session(session, found.token_digest, now)
    return found


def signed_in(request: Request, runtime: Runtime, session: Session) -> StaffSession | None:
    """The session of the cookie where it would be admitted; using it is for who admits it."""
    found = found_session(request, runtime, session)
    now = runtime.now()
    return None if found is None or has_ended(found, now) or is_locked(found, now) else found


def _to_keep(request: Request, form: FormData) -> tuple[tuple[str, str], ...] | None:
    """What a person has sent; what a script asks for meanwhile is nothing to come back to."""
    if request.headers.get("sec-fetch-mode", "navigate") != "navigate":
        return None
    return tuple((name, value) for name, value in form.multi_items() if isinstance(value, str))


def found_session(request: Request, runtime: Runtime, session: Session) -> StaffSession | None:
    """That of the cookie, locked or not, or None; enters its clinic."""
    token = request.cookies.get(cookie_name(runtime, STAFF_COOKIE))
    return accounts.find_session(session, token) if token else None


def _marked(dependency: Callable[..., Any], policy: str) -> Any:
    """Depends(dependency), with the policy written on it where the guard test reads it."""
    dependency.access_policy = policy  # type: ignore[attr-defined]
    return Depends(dependency)


def public(reason: str) -> Any:
    """For a route that anybody may call; the reason is read by people and by the guard test."""

    async def nobody() -> None:
        return None

    return _marked(nobody, f"public: {reason}")


marked = _marked
