"""Refusals as responses: a page for people, an OperationOutcome for systems."""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response

from referral.bootstrap import Runtime
from referral.domain import errors
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.language import phrase
from referral.fhir import problems
from referral.fhir.json_patch import PatchConflict
from referral.fhir.operation_outcome import located, operation_outcome
from referral.services.conditional_references import TargetMissing
from referral.services.lock_session import keep_form
from referral.services.methods import methods_of
from referral.services.write_bundle import EntryRefused
from referral.services.write_resources import SeveralMatches
from referral.storage import audit, orders
from referral.storage.kept_forms import KeptForm
from referral.web.fhir_wire import FHIR_JSON, FHIR_XML, Wanted, answers_in_xml, resource_response
from referral.web.kept import page_of
from referral.web.middleware import protect
from referral.web.pages import error_page, is_for_guests, is_patients, is_portal
from referral.web.reader import language_of, spoken_page

log = structlog.get_logger(__name__)

STATUS: Final[dict[type[errors.ReferralError], int]] = {
    errors.InvalidInput: 400,
    errors.NotFound: 404,
    errors.Forbidden: 403,
    errors.SignInRequired: 401,
    errors.SessionLocked: 401,
    errors.CredentialUnusable: 403,
    errors.StaleVersion: 412,
    errors.DuplicateRequest: 409,
    errors.SlotTaken: 409,
    errors.TransitionRefused: 422,
    errors.GateClosed: 422,
    errors.Throttled: 429,
    errors.Unavailable: 503,
    errors.PortalClosed: 503,
    errors.NotSupported: 405,
    SeveralMatches: 412,
    PatchConflict: 409,
    TargetMissing: 412,
    problems.TooLarge: 413,
}
# To a system that sent what FHIR allows and we cannot accept, 422 says more than 400 (fhir.md 7).
_READABLE: Final = (problems.Unreadable, problems.InvalidSearch, problems.TooLarge)
_SYSTEMS: Final = ("/fhir", "/cds-services", "/health", "/metrics")


def cause_of(error: errors.ReferralError) -> errors.ReferralError:
    """What was refused, of an entry of a Bundle too."""
    return error.cause if isinstance(error, EntryRefused) else error


def status_for_system(error: errors.ReferralError) -> int:
    """As `status_of`, but 422 for business rules, and for resources of types that are unknown."""
    error = cause_of(error)
    if isinstance(error, errors.InvalidInput) and not isinstance(error, _READABLE):
        unknown = all(issue.code == "not-supported" for issue in error.issues)
        return 400 if isinstance(error, problems.InvalidResource) and not unknown else 422
    return status_of(error)


def status_of(error: errors.ReferralError) -> int:
    """By the nearest class that has one; a refusal without any is a bug, hence 500."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500


def _for_system(request: Request) -> bool:
    return request.url.path.startswith(_SYSTEMS)


def _answer(request: Request, status: int, issues: tuple[errors.Issue, ...]) -> Response:
    if _for_system(request):
        headers = {"WWW-Authenticate": _challenge(request)} if status == 401 else {}
        if status == 405 and (allowed := methods_of(request.url.path.removeprefix("/fhir"))):
            # RFC 9110 15.5.6: what can be done instead.
            headers["Allow"] = ", ".join(allowed)
        outcome = operation_outcome(located(issues, _place_of(request, status)))
        return resource_response(outcome, _how(request), status, **headers)
    path = request.url.path
    language = language_of(request) if is_for_guests(path) else None
    return error_page(path, status, tuple(issue.text for issue in issues), language)


# Where a refusal points that names no element: the part of the request that would have to be another one.
_PLACES: Final = {
    401: "http.Authorization",
    403: "http.Authorization",
    405: "http.method",
    406: "http.Accept",
    409: "http.body",
    413: "http.body",
    415: "http.Content-Type",
}


def _place_of(request: Request, status: int) -> str:
    if status == 412:
        named = (name for name in ("If-Match", "If-None-Exist") if name in request.headers)
        return f"http.{next(named, 'query')}"
    return _PLACES.get(status, "http.path")


def _challenge(request: Request) -> str:
    """RFC 6750, 3: a token that was shown and is not good is named as what is wrong."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    shown = scheme.lower() == "bearer" and token.strip()
    return 'Bearer error="invalid_token"' if shown else "Bearer"


def _how(request: Request) -> Wanted:
    """Only /fhir speaks XML."""
    asked = request.query_params.get("_format", "") if request.url.path.startswith("/fhir") else "json"
    xml = answers_in_xml(request.headers.get("accept", ""), asked)
    return Wanted(FHIR_XML if xml else FHIR_JSON)


def note_refusal(request: Request, error: errors.ReferralError, status: int) -> None:
    """A refused start or a forbidden look keeps its audit row although its transaction was rolled back.

    A start is noted in the record of the patient whose order it was.
    """
    error = cause_of(error)
    actor: Actor | None = getattr(request.state, "actor", None)
    if actor is None or not isinstance(error, errors.GateClosed | errors.Forbidden):
        return
    entry = AuditEntry(
        action=Action.EXECUTE,
        subtype="refused",
        entity=getattr(request.state, "entity", None),
        outcome="8",
        detail={"code": error.code, "status": status, "route": request.scope["route"].path_format},
    )
    with request.app.state.runtime.transaction(actor.clinic_id) as session:
        if isinstance(error, errors.GateClosed):
            order = orders.find_by_id(session, error.order_id)
            patient_id = order.patient_id if order else None
            entry = replace(entry, entity=f"ServiceRequest/{error.order_id}", patient_id=patient_id)
        audit.record(session, actor, entry)


def _sign_in(request: Request) -> str:
    """Back to the same page afterwards, without what was searched for; a step is not repeated."""
    wanted = request.url.path if request.method == "GET" else "/"
    return "/sign-in" if wanted == "/" else f"/sign-in?next={quote(wanted)}"


def _unlock(request: Request, error: errors.SessionLocked) -> str:
    """The door that asks for what is missing; behind it the page of the form that was sent, if one was."""
    door = "/sign-in" if error.ended else "/sign-in/unlock"
    wanted = request.url.path if request.method == "GET" else "/"
    if error.fields is not None:
        runtime: Runtime = request.app.state.runtime
        actor = Actor(error.clinic_id, "staff", error.user_id, request_id=request.state.request_id)
        form = KeptForm(request.url.path, error.fields)
        with runtime.transaction(error.clinic_id) as session:
            kept = keep_form(session, actor, form, runtime.now())
        wanted = page_of(request.app, form.path) + (f"?kept={kept}" if kept else "")
    return door if wanted == "/" else f"{door}?next={quote(wanted, safe='/')}"


def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.ReferralError)  # noqa: S101 - registered for this class only
    status = status_for_system(error) if _for_system(request) else status_of(error)
    if isinstance(error, errors.SignInRequired) and not _for_system(request):
        if is_patients(request.url.path):
            return RedirectResponse("/status", 303)
        if isinstance(error, errors.SessionLocked):
            return RedirectResponse(_unlock(request, error), 303)
        return RedirectResponse("/request" if is_portal(request.url.path) else _sign_in(request), 303)
    if isinstance(error, errors.PortalClosed):
        return spoken_page(request, "portal/not_now.html.j2", status)
    note_refusal(request, error, status)
    answer = _answer(request, status, error.issues)
    if isinstance(error, errors.Throttled):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    texts = {
        404: phrase("There is no such page."),
        405: phrase("This cannot be done here."),
        413: phrase("This is too large."),
    }
    code = {
        404: "not-found",
        405: "not-supported",
        406: "not-supported",
        413: "too-long",
        415: "not-supported",
    }.get(error.status_code, "processing")
    text = texts.get(error.status_code, str(error.detail))
    return _answer(request, error.status_code, (errors.Issue(text, code=code),))


def _unreadable(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    issues = tuple(
        errors.Issue(f"{item['msg']}.", (".".join(str(part) for part in item["loc"]),), "value")
        for item in error.errors()
    )
    return _answer(request, 400, issues)


def _gone(_: Request, __: Exception) -> Response:
    """Who left while sending reads no answer; it is no bug of ours either."""
    return Response(status_code=400)


def _bug(request: Request, error: Exception) -> Response:
    log.error("request.failed", kind=type(error).__name__, exc_info=error)
    text = phrase(
        "Something went wrong on our side; nothing was changed. Please try again, or tell us the time."
    )
    answer = _answer(request, 500, (errors.Issue(text, code="exception"),))
    protect(answer.raw_headers, request.url.path, getattr(request.state, "request_id", "-"))
    return answer


def register(app: FastAPI) -> None:
    """Every refusal and every bug of `app` gets one of the answers above."""
    app.add_exception_handler(errors.ReferralError, _refusal)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _bug)
