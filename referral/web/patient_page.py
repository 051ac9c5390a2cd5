"""The patient's own page: /p/… is the door of a link, /status everything after it, in English or Spanish."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from referral.bootstrap import Runtime
from referral.domain.audit import Actor
from referral.domain.errors import PortalClosed, SignInRequired
from referral.domain.language import Language
from referral.domain.scales import Form as ScaleForm
from referral.domain.scales import Scale, name_of
from referral.services.answer_on_portal import read_sender
from referral.services.enter_portal import is_alive
from referral.services.fill_scale import fill_in, needs_help, open_scale, scales_to_fill
from referral.services.prove_identity import Guess
from referral.services.visit_as_patient import (
    actor_of,
    can_be_identified,
    choose_messages,
    enter,
    guess_birth_date,
    language_of,
    leave,
    read_status,
    send_fresh_link,
)
from referral.storage import mode, patient_links
from referral.storage.db import Session
from referral.storage.patient_links import PatientLink, PatientVisit
from referral.web.dependencies import (
    PostedDep,
    RuntimeDep,
    check_csrf,
    check_origin,
    cookie_name,
    marked,
    public,
)
from referral.web.form import Form
from referral.web.pages import environment, page
from referral.web.portal_guest import caller_of
from referral.web.questions import questions_of, typed_answers
from referral.web.reader import know, spoken_page
from referral.web.visits import BIRTH_DATE_PARTS, farewell, may_look, typed_birth_date, welcome

_COOKIE: Final = "referral_patient"


def _is_open(request: Request, runtime: RuntimeDep) -> None:
    """After a restore nobody comes in; the constant first page of a link stays."""
    if request.url.path.startswith("/p/") and request.method != "POST":
        return
    with runtime.transaction() as session:
        if mode.restoring(session):
            raise PortalClosed("The page is closed for the moment.")


router: Final = APIRouter(tags=["patient"], include_in_schema=False, dependencies=[Depends(_is_open)])


@dataclass(frozen=True, slots=True)
class Patient:
    """A running visit with its link; `language` is the record's, unless the visitor has chosen another."""

    runtime: Runtime
    visit: PatientVisit
    link: PatientLink
    actor: Actor
    language: Language
    now: datetime

    def transaction(self) -> AbstractContextManager[Session]:
        return self.runtime.transaction(self.visit.clinic_id)

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        with self.transaction() as session:
            sender = read_sender(session)
        given = {"sender": sender, "token": self.visit.csrf_token, **values}
        return page(f"patient/{template}.html.j2", status, language=self.language, **given)


def _find(request: Request, runtime: Runtime) -> Patient | None:
    token, now = request.cookies.get(cookie_name(runtime, _COOKIE)), runtime.now()
    if not token:
        return None
    with runtime.transaction() as session:
        visit = patient_links.find_visit(session, token)
        link = patient_links.get(session, visit.selector) if visit is not None else None
        if visit is None or link is None or not is_alive(visit, now):
            return None
        patient_links.change_visit(session, visit.token_digest, seen_at=now)
        spoken = language_of(session, link)
    request.state.actor = actor = actor_of(caller_of(request), link)
    return Patient(runtime, visit, link, actor, know(request, spoken), now)


def _patient(*, identified: bool) -> Any:
    def visitor(request: Request, runtime: RuntimeDep, form: PostedDep) -> Patient:
        found = _find(request, runtime)
        if found is None:
            raise SignInRequired("Please open your link again.")
        if request.method == "POST":
            check_csrf(request, form, found.visit.csrf_token)
        if found.link.revoked_at is not None or (identified and found.visit.identified_at is None):
            raise SignInRequired("This step is not open now.")
        return found

    return marked(visitor, f"patient:{'identified' if identified else 'visiting'}")


_Visiting = Annotated[Patient, _patient(identified=False)]
_Identified = Annotated[Patient, _patient(identified=True)]


# ---- The door


@cache
def _door() -> bytes:
    """In both languages, since nothing is known of whoever opens it."""
    return environment().get_template("patient/door.html.j2").render().encode()


@router.api_route(
    "/p/{selector}/{secret}",
    methods=["GET", "HEAD"],
    dependencies=[public("one constant page for every link of a patient; reads and writes nothing")],
)
def door(selector: str, secret: str) -> Response:  # noqa: ARG001 - whatever they are, the page is the same
    """Mail scanners open links and run scripts: nothing here depends on the link."""
    return HTMLResponse(_door())


@router.post(
    "/p/{selector}/{secret}",
    dependencies=[public("opens a visit for whoever holds the patient's link, nothing more")],
)
def come_in(request: Request, runtime: RuntimeDep, selector: str, secret: str) -> Response:
    """A visit for a good link; for every other one the same words."""
    check_origin(request)
    with runtime.transaction() as session:
        token = enter(session, caller_of(request), selector, secret, runtime.now())
    if token is None:
        return spoken_page(request, "patient/unusable.html.j2", 403, selector=selector)
    return welcome(runtime, _COOKIE, token, "/status")


@router.post("/status/fresh-link", dependencies=[public("the same words whether the link existed or not")])
def fresh_link(request: Request, runtime: RuntimeDep, form: PostedDep) -> Response:
    """To the contact on file, if there is something to send it for."""
    check_origin(request)
    if may_look(request, runtime):
        with runtime.transaction() as session:
            send_fresh_link(session, caller_of(request), str(form.get("selector", "")), runtime.now())
    return spoken_page(request, "patient/fresh_link.html.j2")


# ---- The page


@router.get(
    "/status", dependencies=[public("says to open the link; shows nothing but to a visit that was checked")]
)
def status(request: Request, runtime: RuntimeDep) -> Response:
    """The check, or how things stand."""
    found = _find(request, runtime)
    if found is None:
        return spoken_page(request, "patient/closed.html.j2")
    if found.link.revoked_at is not None:
        return found.page("stopped", 403, why="ended")
    if found.visit.identified_at is None:
        return _check_page(found)
    with found.transaction() as session:
        known = read_status(session, found.actor, found.link, found.now)
    to_fill = [(name_of(scale, found.language), f"/status/questions/{scale}") for scale in known.scales]
    filled = request.query_params.get("filled") == "yes"
    return found.page("status", known=known, to_fill=to_fill, filled=filled)


def _check_page(visitor: Patient, values: dict[str, str] | None = None, problem: bool = False) -> Response:
    if visitor.link.frozen_at is not None:
        return visitor.page("stopped", 403, why="frozen")
    if visitor.link.is_paused(visitor.now):
        return visitor.page("stopped", 403, why="paused")
    with visitor.transaction() as session:
        if not can_be_identified(session, visitor.link):
            return visitor.page("stopped", 403, why="no-birth-date")
    form = Form(values or {}, {BIRTH_DATE_PARTS[0]: "wrong"} if problem else {}, visitor.visit.csrf_token)
    return visitor.page("birth_date", 400 if problem else 200, form=form)


@router.post("/status/birth-date")
def give_birth_date(visitor: _Visiting, form: PostedDep) -> Response:
    """The one check."""
    values, typed = typed_birth_date(form)
    if typed is None:
        return _check_page(visitor, values, problem=True)
    found = guess_birth_date(visitor.transaction, visitor.actor, visitor.visit, typed, visitor.now)
    if found is not Guess.WRONG:
        return RedirectResponse("/status", 303)
    with visitor.transaction() as session:
        link = patient_links.get(session, visitor.link.selector) or visitor.link
    after = Patient(visitor.runtime, visitor.visit, link, visitor.actor, visitor.language, visitor.now)
    return _check_page(after, values, problem=True)


# ---- Questions


@router.get("/status/questions/{scale}")
def show_scale(visitor: _Identified, scale: str) -> Response:
    """One scale on one page, without a script."""
    with visitor.transaction() as session:
        form = open_scale(session, visitor.actor, visitor.link, scale)
    return _scale_page(visitor, form, Form(token=visitor.visit.csrf_token))


@router.post("/status/questions/{scale}")
def fill_scale(visitor: _Identified, form: PostedDep, scale: str) -> Response:
    """Keep the answers, then the next scale; after a sign of self-harm, the crisis line first."""
    with visitor.transaction() as session:
        asked = open_scale(session, visitor.actor, visitor.link, scale)
    typed = typed_answers(form, asked)
    open_ = [question.link_id for question in asked.questions if question.link_id not in typed.answers]
    if not typed.answers or (open_ and form.get("anyway") != "yes"):
        shown = Form(typed.values, dict.fromkeys(open_, "missing"), visitor.visit.csrf_token)
        return _scale_page(visitor, asked, shown, 400)
    with visitor.transaction() as session:
        fill_in(session, visitor.actor, visitor.link, scale, typed.answers, visitor.now)
        rest = scales_to_fill(session, visitor.link)
        helped = needs_help(session, visitor.link)
    return RedirectResponse(
        "/status?filled=yes" if helped or not rest else f"/status/questions/{rest[0]}", 303
    )


def _scale_page(visitor: Patient, asked: ScaleForm, form: Form, status: int = 200) -> Response:
    known = {
        "title": name_of(asked.scale, visitor.language),
        "intro": asked.intro.said(visitor.language),
        "href": f"/status/questions/{asked.scale}",
        "questions": questions_of(asked, form, visitor.language),
        "numbers": asked.scale is Scale.PAIN,
    }
    return visitor.page("scale", status, form=form, known=known)


@router.post("/status/messages")
def choose(visitor: _Identified, form: PostedDep) -> Response:
    """The patient lets the clinic write, or not."""
    with visitor.transaction() as session:
        wanted = form.get("wanted") == "yes"
        choose_messages(session, visitor.actor, visitor.link, wanted=wanted, now=visitor.now)
    return RedirectResponse("/status", 303)


@router.post("/status/leave")
def close(visitor: _Visiting) -> Response:
    """Ends the visit on this device."""
    with visitor.transaction() as session:
        leave(session, visitor.visit, visitor.now)
    return farewell(visitor.runtime, _COOKIE, "/status")
