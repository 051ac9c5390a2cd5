"""In which language a page is read: as was chosen on it, as is known of the person, as the browser asks."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import Scope

from referral.domain.language import Language
from referral.web.dependencies import cookie_name
from referral.web.pages import page

COOKIE: Final = "referral_language"
_YEAR: Final = 365 * 24 * 3600
_MOST_TAGS: Final = 20


def chosen(request: Request) -> Language | None:
    """What was chosen on a page: just now (`?language=es`), or earlier and kept in a cookie."""
    kept = request.cookies.get(cookie_name(request.app.state.runtime, COOKIE), "")
    return Language.of((request.query_params.get("language", ""), kept))


def language_of(request: Request, known: Language | None = None) -> Language:
    """`known` is what the reader is known to read; it gives way to their choice, not to their browser."""
    known = known or getattr(request.state, "reads", None)
    accepted = Language.of(_accepted(request.headers.get("accept-language", "")))
    return chosen(request) or known or accepted or Language.ENGLISH


def _accepted(header: str) -> list[str]:
    """The language tags of RFC 9110 12.5.4 in the order of their weights; nonsense counts as nothing."""
    weighed = []
    for part in header[:1000].split(",")[:_MOST_TAGS]:
        tag, _, rest = part.strip().partition(";")
        try:
            weight = float(rest.strip().removeprefix("q=")) if rest else 1.0
        except ValueError:
            continue
        if weight > 0:
            weighed.append((weight, tag))
    return [tag for _, tag in sorted(weighed, key=lambda pair: -pair[0])]


def know(request: Request, known: Language | None) -> Language:
    """The same, remembered for whatever answers this request: an error page, too."""
    request.state.reads = known
    return language_of(request)


def spoken_page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page for somebody who is not known yet."""
    return page(template, status, language=language_of(request), **values)


def kept_choice(scope: Scope) -> tuple[bytes, bytes] | None:
    """The header that keeps a choice made by this request, for the answer to it, whatever that is.

    Not `Strict`: a link in a mail is opened from elsewhere, and the choice is no secret.
    """
    if b"language=" not in scope["query_string"]:
        return None
    request = Request(scope)
    choice = Language.of([request.query_params.get("language", "")])
    if choice is None:
        return None
    runtime = request.app.state.runtime
    secure = "; Secure" if runtime.settings.secure_cookies else ""
    name = cookie_name(runtime, COOKIE)
    cookie = f"{name}={choice.value}; Path=/; Max-Age={_YEAR}; HttpOnly; SameSite=Lax{secure}"
    return b"set-cookie", cookie.encode()
