"""The clinic's letterhead and its history; for the administrator a form, a preview, saving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from referral.domain.errors import InvalidInput, NotFound, StaleVersion
from referral.domain.language import Language
from referral.domain.letterhead_draft import changes
from referral.letters.preview import Wanted
from referral.services.change_letterhead import change_letterhead, drafted, keep_logo
from referral.services.find_letterhead import as_values, changed_since, find_letterhead
from referral.storage import clinics, letterheads
from referral.storage.db import attempt
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.policy import Permission
from referral.web.staff.drawn import sample_response
from referral.web.staff.frame import clock_of, done, errors_of, form_of, show, texts, version_of
from referral.web.staff.letterhead_view import (
    draft_from,
    letterhead_form,
    letterhead_page,
    letterhead_preview,
    values_of,
)
from referral.web.turn import Router

router: Final = Router()
See = Annotated[Visitor, staff(Permission.SEE_POLICY)]
Change = Annotated[Visitor, staff(Permission.CHANGE_LETTERHEAD)]
_Typed = Mapping[str, str]
_NONE: Final[Mapping[str, str]] = {}
_FIELDS: Final = {"address_lines": "address"}
_STYLES: Final = frozenset({"screen", "print", "fax"})


@router.get("/settings/letterhead")
def show_letterhead(request: Request, visitor: See) -> Response:
    """How letters look, and who changed what when."""
    view = find_letterhead(visitor.session)
    page = letterhead_page(view, clock_of(visitor), may_change=visitor.may(Permission.CHANGE_LETTERHEAD))
    return show(request, visitor, "staff/letterhead.html.j2", "letterhead", page)


@router.get("/settings/letterhead/logos/{digest}")
def show_logo(digest: str, visitor: See) -> Response:
    """The picture of a logo that was accepted, drawn by us; never the file that was sent."""
    found = letterheads.get_logo(visitor.session, digest)
    return Response(found.picture, media_type="image/png", headers={"ETag": f'"{digest}"'})


@router.get("/settings/letterhead/edit")
def edit_letterhead(request: Request, visitor: Change) -> Response:
    """The form with the version in force."""
    return _form(request, visitor, values_of(clinics.current(visitor.session)), _newest(visitor))


@router.post("/settings/letterhead/edit")
def edit_again(request: Request, visitor: Change, posted: PostedDep) -> Response:
    """Back from the preview, with what was typed."""
    typed = texts(posted)
    return _form(request, visitor, typed, version_of(typed))


@router.post("/settings/letterhead/preview")
def preview(request: Request, visitor: Change, posted: PostedDep) -> Response:
    """What would change, and a letter that looks like it. A chosen logo is checked here."""
    typed = dict(texts(posted))
    if version_of(typed) != _newest(visitor):
        return _stale(request, visitor, typed)
    errors: dict[str, str] = {}
    try:
        typed["logo"] = _chosen_logo(visitor, typed, posted)
    except InvalidInput as error:
        errors = errors_of(error, _FIELDS, "logo")
    try:
        drafted(visitor.session, draft_from(typed), typed.get("logo", ""))
    except InvalidInput as error:
        errors = {**errors_of(error, _FIELDS, "clinic_name"), **errors}
    changed = _changed(visitor, typed)
    if not errors and not changed:
        errors = {"clinic_name": "Nothing is different from the letterhead in force. Change something first."}
    if errors:
        return _form(request, visitor, typed, version_of(typed), errors, 400)
    form = form_of(visitor, typed, version=typed.get("version", ""))
    page = letterhead_preview(form, changed)
    return show(request, visitor, "staff/letterhead_preview.html.j2", "letterhead", page)


def _chosen_logo(visitor: Visitor, typed: _Typed, posted: FormData) -> str:
    """The digest of what is to be the logo: of the new file, of the one there was, or empty for none."""
    file = posted.get("logo_file")
    if isinstance(file, UploadFile) and file.size:
        with attempt(visitor.session):
            return keep_logo(visitor.session, visitor.actor, file.file.read())
    return "" if typed.get("no_logo") else typed.get("logo", "")


def _changed(visitor: Visitor, typed: _Typed) -> tuple[str, ...]:
    clinic, draft = clinics.current(visitor.session), draft_from(typed)
    after = as_values(draft.settled()["clinic_name"], draft.body(), typed.get("logo") or None)
    return changes(as_values(clinic.name, clinic.letterhead), after)


@router.post("/settings/letterhead")
def save_letterhead(request: Request, visitor: Change, posted: PostedDep) -> Response:
    """The preview was agreed to."""
    typed = texts(posted)
    try:
        with attempt(visitor.session):
            change_letterhead(
                visitor.session,
                visitor.actor,
                draft_from(typed),
                typed.get("logo", ""),
                based_on=version_of(typed),
                now=visitor.now,
            )
    except InvalidInput as error:
        errors = errors_of(error, _FIELDS, "clinic_name")
        return _form(request, visitor, typed, version_of(typed), errors, 400)
    except StaleVersion:
        return _stale(request, visitor, typed)
    return done(visitor, "/settings/letterhead", "letterhead-saved")


@router.get("/settings/letterhead/look.{ending}")
def look(request: Request, ending: str, visitor: Change) -> Response:
    """A letter as the draft in the address would make it; changes nothing."""
    typed = {name: value[:2000].replace("\x00", "") for name, value in request.query_params.items()}
    style = typed.get("style", "screen")
    if ending not in ("pdf", "png") or style not in _STYLES:
        raise NotFound("There is no such page.")
    letterhead = drafted(visitor.session, draft_from(typed), typed.get("logo", ""))
    wanted = Wanted(letterhead=letterhead, kinds=("request",), language=Language.ENGLISH, style=style)
    return sample_response(wanted, "request", ending)


def _newest(visitor: Visitor) -> int:
    return letterheads.newest_version(visitor.session)


def _form(
    request: Request,
    visitor: Visitor,
    values: _Typed,
    version: int,
    errors: _Typed = _NONE,
    status: int = 200,
    stale: str = "",
    changed: tuple[str, ...] = (),
) -> Response:
    page = letterhead_form(form_of(visitor, values, errors, version=str(version)), stale, changed)
    return show(request, visitor, "staff/letterhead_edit.html.j2", "letterhead", page, status)


def _stale(request: Request, visitor: Visitor, typed: _Typed) -> Response:
    """What was typed, over the version that is in force now, with what somebody else has changed."""
    text = "Somebody else has changed the letterhead while you were typing. What you typed is still here."
    changed = changed_since(visitor.session, version_of(typed))
    return _form(request, visitor, typed, _newest(visitor), _NONE, 412, text, changed)
