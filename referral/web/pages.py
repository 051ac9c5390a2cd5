"""Templates to responses."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from referral.domain.language import Language, phrase
from referral.translation import say, teach
from referral.web.assets import static
from referral.web.icons import icon
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
    made.globals["static"] = static
    made.filters["icon"] = icon
    made.globals["now"] = lambda: datetime.now(UTC)
    return teach(made, language)


def page(
    template: str, status: int = 200, *, language: Language = Language.ENGLISH, **values: Any
) -> HTMLResponse:
    """Render `templates/<template>` in a language."""
    return HTMLResponse(environment(language).get_template(template).render(values), status)


# For guests in their language; staff read them as they stand here.
_TITLES: Final = {
    400: (phrase("This could not be used"), phrase("Please correct it and send it again.")),
    401: (phrase("Please sign in"), phrase("Sign in and try again.")),
    403: (phrase("This is not open to you"), phrase("Go back, or ask somebody who may do it.")),
    404: (phrase("Nothing here"), phrase("Check the address, or start from the first page.")),
    409: (phrase("This exists already"), phrase("Open what exists instead of making it twice.")),
    412: (phrase("Somebody was faster"), phrase("Reload the page, look at what has changed, and try again.")),
    413: (phrase("This is too large"), phrase("Please send less at once.")),
    422: (phrase("This step is not possible now"), phrase("See the reason above; it says what is missing.")),
    429: (phrase("Too many tries"), phrase("Please wait a little and try again.")),
    503: (phrase("Not available just now"), phrase("Nothing was lost.")),
}
_UNKNOWN: Final = (phrase("Something went wrong"), phrase("Please try again in a minute."))


def is_portal(path: str) -> bool:
    """Pages of the outside clinician, who has nothing to do with the clinic's own sign-in."""
    return path == "/request" or path.startswith(("/r/", "/request/"))


def is_patients(path: str) -> bool:
    """The patient's own page, see web/patient_page."""
    return path == "/status" or path.startswith(("/p/", "/status/"))


def is_for_guests(path: str) -> bool:
    """Pages in the reader's language: of outside clinicians and of patients."""
    return (
        is_portal(path) or path in ("/status", "/verify") or path.startswith(("/p/", "/status/", "/verify/"))
    )


def error_page(path: str, status: int, sentences: tuple[str, ...], language: Language | None) -> HTMLResponse:
    """What happened and what to do. `language` is that of a guest, None for pages of staff."""
    said = partial(say, language or Language.ENGLISH)
    title, advice = map(said, _TITLES.get(status, _UNKNOWN))
    shown = ErrorPage(
        status=status,
        title=title,
        happened=said(sentences[0]) if sentences else title,
        advice=advice,
        action=Link(said(phrase("Back to your page")), "/status")
        if is_patients(path)
        else Link(said(phrase("Back to the request")), "/request")
        if is_portal(path)
        else Link(said(phrase("Check a sealed record")), "/verify")
        if is_for_guests(path)
        else Link("Go to Today", "/"),
        reasons=tuple(map(said, sentences[1:])),
    )
    if language is None:
        return page("staff/error.html.j2", status, page=shown)
    return page("portal/error.html.j2", status, language=language, page=shown)
