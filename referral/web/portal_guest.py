"""Who visits the portal: one short transaction finds the session, every page then opens its own."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from fastapi import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from referral.bootstrap import Runtime
from referral.domain.audit import Actor
from referral.domain.errors import SignInRequired
from referral.domain.language import Language
from referral.domain.life import Purpose
from referral.services.enter_portal import Caller, is_alive, may_still_save
from referral.services.prove_identity import Stage, stage_of
from referral.storage import credentials
from referral.storage.credentials import Credential, PortalSession
from referral.storage.db import Session
from referral.storage.portal_requests import PortalRequest, find_request
from referral.translation import long_date, say
from referral.web import visits
from referral.web.dependencies import PostedDep, RuntimeDep, check_csrf, client_address, cookie_name, marked
from referral.web.pages import page
from referral.web.reader import know

_COOKIE: Final = "referral_portal"
# How often a busy visit's last use is written: often enough for the idle limit, seldom enough to be free.
_TOUCH_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Guest:
    """A running session of the portal with the link it came by, and the request that this is about.

    Nothing of it is shown to anybody who has not been identified. There is no transaction here: a guess is
    paid for in one that is committed before the next begins.
    """

    runtime: Runtime
    found: PortalSession
    about: PortalRequest
    credential: Credential
    actor: Actor
    now: datetime
    language: Language
    is_asleep: bool = False

    def page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page in the guest's language."""
        return page(template, status, language=self.language, **values)

    def tell(self, text: str, **values: object) -> str:
        """A text of the code in the guest's language."""
        return say(self.language, text, **values)

    def date(self, day: date) -> str:
        """A day as the guest writes it."""
        return long_date(self.language, day)

    def transaction(self) -> AbstractContextManager[Session]:
        return self.runtime.transaction(self.found.clinic_id)

    @property
    def stage(self) -> Stage:
        return stage_of(self.found, self.credential)

    @property
    def is_over(self) -> bool:
        return self.credential.revoked_at is not None or self.credential.frozen_at is not None

    @property
    def is_paused(self) -> bool:
        until = self.credential.paused_until
        return until is not None and until > self.now


def caller_of(request: Request) -> Caller:
    """Where this request comes from, for the audit."""
    return Caller(client_address(request), getattr(request.state, "request_id", None))


def has_cookie(request: Request, runtime: Runtime) -> bool:
    """True for somebody who had a session, running or not."""
    return cookie_name(runtime, _COOKIE) in request.cookies


def find_guest(request: Request, runtime: Runtime, *, even_asleep: bool = False) -> Guest | None:
    """The guest of the cookie, in a transaction that is over before the page begins one."""
    with runtime.transaction() as session:
        return recognize(session, request, runtime, even_asleep=even_asleep)


def recognize(
    session: Session, request: Request, runtime: Runtime, *, even_asleep: bool = False
) -> Guest | None:
    """The guest of the cookie, None where the session is unknown or has ended; notes that it was used.

    Enters the clinic of the guest.
    """
    token = request.cookies.get(cookie_name(runtime, _COOKIE))
    found = credentials.find_session(session, token) if token else None
    if found is None:
        return None
    now = runtime.now()
    asleep = not is_alive(found, now)
    if asleep and not (even_asleep and may_still_save(found, now)):
        return None
    about = find_request(session, found.selector)
    if about is None:
        return None
    if not asleep and now - found.seen_at > _TOUCH_EVERY:
        credentials.change_session(session, found.token_digest, seen_at=now)
    language = know(request, about.asked.language)
    request.state.actor = actor = caller_of(request).actor(about.credential)
    return Guest(runtime, found, about, about.credential, actor, now, language, asleep)


def guest(
    *stages: Stage,
    even_when_over: bool = False,
    even_asleep: bool = False,
    purpose: Purpose | None = None,
) -> Any:
    """A dependency that lets in guests at one of `stages`, and sends everybody else to /request.

    For a POST it also checks the form's CSRF token. A link that was answered or frozen meanwhile is over;
    only pages that say so, and the receipt, are open `even_when_over`. `even_asleep` is for saving what was
    typed into a page that was open for too long. `purpose` None is open to links of every purpose.
    """

    def visitor(request: Request, runtime: RuntimeDep, form: PostedDep) -> Guest:
        found = find_guest(request, runtime, even_asleep=even_asleep)
        if found is None:
            raise SignInRequired("Please open your link again.")
        if request.method == "POST":
            check_csrf(request, form, found.found.csrf_token)
        elsewhere = purpose is not None and found.credential.purpose is not purpose
        if elsewhere or found.stage not in stages or (found.is_over and not even_when_over):
            raise SignInRequired("This step is not open now.")
        return found

    return marked(visitor, f"portal:{'|'.join(stages)}")


def go(path: str) -> Response:
    """See other: a page that can be reloaded without sending anything again."""
    return RedirectResponse(path, 303)


def welcome(runtime: Runtime, token: str) -> Response:
    """Set the session's cookie and drop the secret from the address bar."""
    return visits.welcome(runtime, _COOKIE, token, "/request")


def farewell(runtime: Runtime, path: str) -> Response:
    """Take the cookie away and go on to a page that needs none."""
    return visits.farewell(runtime, _COOKIE, path)
