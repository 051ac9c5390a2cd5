"""Templates to responses."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from referral.domain.language import Language
from referral.translation import teach
from referral.web.staff.models import ErrorPage, Link

TEMPLATES: Final = Path(__file__).resolve().parents[2] / "templates"


@cache
def environment(language: Language = Language.ENGLISH) -> Environment:
    """The templates in one language. Escaping is always on: select_autoescape() would leave *.html.j2."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["now"] = lambda: datetime.now(UTC)
    return teach(made, language)


def page(
    template: str, status: int = 200, *, language: Language = Language.ENGLISH, **values: Any
) -> HTMLResponse:
    """Render `templates/<template>` in a language."""
    return HTMLResponse(environment(language).get_template(template).render(values), status)


_TITLES: Final = {
    400: ("This could not be used", "Please correct it and send it again."),
    401: ("Please sign in", "Sign in and try again."),
    403: ("This is not open to you", "Go back, or ask somebody who may do it."),
    404: ("Nothing here", "Check the address, or start from the first page."),
    409: ("This exists already", "Open what exists instead of making it twice."),
    412: ("Somebody was faster", "Reload the page, look at what has changed, and try again."),
    413: ("This is too large", "Send less at once: at most 1 MiB."),
    422: ("This step is not possible now", "See the reason above; it says what is missing."),
    429: ("Too many tries", "Please wait a little and try again."),
    503: ("Not available just now", "Nothing was lost."),
}


def is_portal(path: str) -> bool:
    """Pages of the outside clinician, who has nothing to do with the clinic's own sign-in."""
    return path == "/request" or path.startswith(("/r/", "/request/"))


def error_page(
    request: Request, status: int, sentences: tuple[str, ...], reference: str = ""
) -> HTMLResponse:
    """What happened and what to do, in the frame of the portal or of the staff pages."""
    title, advice = _TITLES.get(status, ("Something went wrong", "Please try again in a minute."))
    return page(
        "staff/error.html.j2",
        status,
        page=ErrorPage(
            status=status,
            title=title,
            happened=sentences[0] if sentences else title,
            advice=advice,
            action=Link("Back to the request", "/request")
            if is_portal(request.url.path)
            else Link("Go to Today", "/"),
            reasons=sentences[1:],
            reference=reference,
        ),
    )
