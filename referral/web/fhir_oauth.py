"""SMART Backend Services: where a system gets its access token, has one looked at, and learns of both."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import parse_qsl

import structlog
from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from referral.bootstrap import Runtime
from referral.domain.codes import ClientKind
from referral.services.client_keys import ClientKeys
from referral.services.issue_token import LIFETIME, Asked, TokenRefused, TooManyTries, introspect, issue_token
from referral.services.scope_presets import every_type, scopes_of
from referral.services.signed_tokens import ALGORITHMS
from referral.web.dependencies import client_address, public
from referral.web.fhir_client import Caller, client

log = structlog.get_logger(__name__)

router: Final = APIRouter(tags=["FHIR"])

TOKEN_PATH: Final = "/fhir/oauth/token"  # noqa: S105 - an address
INTROSPECTION_PATH: Final = "/fhir/oauth/introspect"
_NOT_KEPT: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_MOST_FIELDS: Final = 20
_LONGEST_BODY: Final = 65_536
_FORM: Final = "application/x-www-form-urlencoded"


async def _read_form(request: Request) -> dict[str, str] | None:
    """Every field of the body once; None for anything else (RFC 6749, 3.2)."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != _FORM:
        return None
    body = await request.body()
    if len(body) > _LONGEST_BODY:
        return None
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except (UnicodeError, ValueError):
        return None
    form = dict(pairs)
    usable = len(form) == len(pairs) and not any("\x00" in part for pair in pairs for part in pair)
    return form if usable else None


OAuthForm = Annotated[dict[str, str] | None, Depends(_read_form)]
Anyone = Annotated[Caller, client("any")]


@router.post(TOKEN_PATH, dependencies=[public("the assertion in the form says who is calling")])
def token(request: Request, form: OAuthForm) -> Response:
    """An access token for a signed assertion, client_credentials only."""
    runtime: Runtime = request.app.state.runtime
    keys: ClientKeys = request.app.state.client_keys
    if form is None:
        return _refused("invalid_request", f"Send a form ({_FORM}) in UTF-8, each field once.")
    request_id = getattr(request.state, "request_id", None)
    audience = f"{runtime.settings.base_url}{TOKEN_PATH}"
    asked = Asked(form, audience, client_address(request), request_id, runtime.now())
    try:
        issued = issue_token(runtime.database, keys, asked)
    except TooManyTries as error:
        return _refused(error.error, str(error), 429, {"Retry-After": "3600"})
    except TokenRefused as error:
        log.info("oauth.refused", error=error.error, reason=str(error))
        return _refused(error.error, str(error), 401 if error.error == "invalid_client" else 400)
    answer = {
        "access_token": issued.token,
        "token_type": "bearer",
        "expires_in": int(LIFETIME.total_seconds()),
        "scope": " ".join(issued.scopes),
    }
    return JSONResponse(answer, headers=_NOT_KEPT)


@router.post(INTROSPECTION_PATH)
def look_at_token(request: Request, caller: Anyone, form: OAuthForm) -> Response:
    """RFC 7662, for clients of the clinic whose token it is."""
    if form is None or not form.get("token"):
        return _refused("invalid_request", f"Send the token in a form ({_FORM}), as the field token.")
    runtime: Runtime = request.app.state.runtime
    told = introspect(runtime.database, caller.actor.clinic_id, form["token"], runtime.now())
    return JSONResponse(told, headers=_NOT_KEPT)


def _refused(error: str, text: str, status: int = 400, headers: dict[str, str] | None = None) -> Response:
    body = {"error": error, "error_description": text}
    return JSONResponse(body, status, headers=_NOT_KEPT | (headers or {}))


_REASON: Final = "says how to get a token, nothing about anybody"


@router.get("/fhir/.well-known/smart-configuration", dependencies=[public(_REASON)])
@router.get("/.well-known/smart-configuration", dependencies=[public(_REASON)])
def smart_configuration(request: Request) -> Response:
    """What a system has to know before it has a token."""
    runtime: Runtime = request.app.state.runtime
    return JSONResponse(_configuration(runtime.settings.base_url))


def _configuration(base_url: str) -> dict[str, Any]:
    return {
        "token_endpoint": f"{base_url}{TOKEN_PATH}",
        "introspection_endpoint": f"{base_url}{INTROSPECTION_PATH}",
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "scopes_supported": [*every_type(), *scopes_of(ClientKind.READER)],
        "capabilities": ["client-confidential-asymmetric", "permission-v2"],
    }
