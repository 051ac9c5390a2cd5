"""Where anybody checks the seal of a record: by the reference that is printed on it, or by the file."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from referral.bootstrap import Runtime
from referral.domain.credential import digest
from referral.domain.errors import NotFound, Throttled
from referral.domain.ids import is_uuid
from referral.domain.language import phrase
from referral.letters.check_seal import MAX_BYTES
from referral.services.verify_seal import Verdict, certificate_of, find_record, verify_file
from referral.storage import credentials
from referral.web.dependencies import PostedDep, RuntimeDep, check_origin, client_address, public
from referral.web.form import Form
from referral.web.reader import spoken_page

router: Final = APIRouter(include_in_schema=False)
_WHY: Final = public("says whether a sealed record is unchanged, and nothing about whom it concerns")
_AN_HOUR: Final = 3600
_TEMPLATE: Final = "portal/verify.html.j2"


@router.get("/verify", dependencies=[_WHY])
def ask_for_file(request: Request) -> Response:
    """The form; reads nothing."""
    return spoken_page(request, _TEMPLATE, form=Form(), known=None, verified=None, asked=False)


@router.get("/verify/{reference}", dependencies=[_WHY])
def show_record(request: Request, runtime: RuntimeDep, reference: str) -> Response:
    """What the code on a record leads to: whose seal it is, when it was made, and the form."""
    _count(request, runtime)
    known = None
    if is_uuid(reference):
        with runtime.transaction() as session:
            known = find_record(session, reference.lower())
    status = 200 if known else 404
    return spoken_page(request, _TEMPLATE, status, form=Form(), known=known, verified=None, asked=True)


@router.get("/verify/{reference}/seal.pem", dependencies=[_WHY])
def show_certificate(request: Request, runtime: RuntimeDep, reference: str) -> Response:
    """The certificate that any program for PDF signatures can check the record by."""
    _count(request, runtime)
    with runtime.transaction() as session:
        found = certificate_of(session, reference.lower()) if is_uuid(reference) else None
    if found is None:
        raise NotFound(phrase("There is no record with this reference."))
    headers = {"Content-Disposition": 'attachment; filename="seal.pem"'}
    return Response(found, media_type="application/x-pem-file", headers=headers)


@router.post("/verify", dependencies=[_WHY])
def check_file(request: Request, runtime: RuntimeDep, form: PostedDep) -> Response:
    """Unchanged, changed or unknown. The file is read in a process of its own and kept nowhere."""
    check_origin(request)
    _count(request, runtime)
    file = form.get("file")
    content = file.file.read(MAX_BYTES + 1) if isinstance(file, UploadFile) else b""
    if not content:
        return _refused(request, phrase("Choose the PDF of the record first."))
    if len(content) > MAX_BYTES:
        return _refused(request, phrase("This file is larger than 4 MB; a sealed record is smaller."), 413)
    verified = verify_file(runtime.transaction, content, runtime.now())
    status = 200 if verified.verdict is not Verdict.UNKNOWN else 422
    return spoken_page(request, _TEMPLATE, status, form=Form(), known=None, verified=verified, asked=False)


def _refused(request: Request, problem: str, status: int = 400) -> Response:
    form = Form(errors={"file": problem})
    return spoken_page(request, _TEMPLATE, status, form=form, known=None, verified=None, asked=False)


def _count(request: Request, runtime: Runtime) -> None:
    """So many an hour from one address, counted in a transaction of its own that a refusal does not undo."""
    source = digest(f"verify/{client_address(request) or 'unknown'}").hex()
    with runtime.transaction() as session:
        if not credentials.has_misses_left(session, source, runtime.now()):
            raise Throttled(phrase("Too many were checked from here. Please wait an hour."), _AN_HOUR)
