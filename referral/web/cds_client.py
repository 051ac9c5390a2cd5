"""Which system calls CDS Hooks: a token that it has signed itself, or one of ours as at /fhir."""

from __future__ import annotations

import time
from typing import Any, Final

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from referral.bootstrap import Runtime
from referral.domain.audit import Actor
from referral.domain.errors import SignInRequired
from referral.fhir.permit import permit_of
from referral.services.admit_cds_client import (
    TrustedClient,
    check_token,
    find_trusted,
    named_in,
)
from referral.storage import cds
from referral.web.dependencies import client_address, marked
from referral.web.fhir_client import BELIEVED_FOR, Caller, bearer_of, client

# Advice is read out of orders; a CDS client has no other business here.
_SCOPES: Final = ("system/ServiceRequest.r",)
_FEEDBACK: Final = "/feedback"
_MOST_CLIENTS: Final = 1000


def cds_client() -> Any:
    """A dependency that lets in CDS clients of a trust list, and clients with a bearer token of ours."""
    by_token = client("any").dependency

    async def caller(request: Request) -> Caller:
        token = bearer_of(request)
        # Ours are random letters; a signed token has a header, claims and a signature.
        if token.count(".") != 2:
            found: Caller = await by_token(request)
            return found
        return await run_in_threadpool(_admit, request, token)

    return marked(caller, "client:cds")


def _admit(request: Request, token: str) -> Caller:
    """Outside the event loop: checking a signature and noting the token take a millisecond or two."""
    runtime: Runtime = request.app.state.runtime
    now = runtime.now()
    trusted = _TRUSTED.find(runtime, *named_in(token))
    if trusted is None:
        raise SignInRequired("The iss of this token is not on the trust list.")
    admission = check_token(token, trusted, _audiences(request), now)
    with runtime.database.statement() as connection:
        first = cds.use_token(connection, trusted.client, admission.jti_digest, admission.expires_at, now)
    if not first:
        raise SignInRequired("This token was used before; sign a new one for each call.")
    request_id = getattr(request.state, "request_id", None)
    found = trusted.client
    actor = Actor(found.clinic_id, "client", found.id, None, client_address(request), request_id)
    request.state.actor = actor
    return Caller(runtime, actor, permit_of(_SCOPES), now, request)


def _audiences(request: Request) -> tuple[str, ...]:
    """The address of the service, as clients know it; feedback may name its own address or the service's."""
    runtime: Runtime = request.app.state.runtime
    address = f"{runtime.settings.base_url}{request.url.path}"
    service = address.removesuffix(_FEEDBACK)
    return (address,) if service == address else (address, service)


class _KnownClients:
    """Clients that were on a trust list a moment ago, by issuer and tenant."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[float, TrustedClient]] = {}

    def find(self, runtime: Runtime, issuer: str, tenant: str) -> TrustedClient | None:
        key, moment = (issuer, tenant), time.monotonic()
        until, believed = self._known.get(key, (0.0, None))
        if moment < until:
            return believed
        with runtime.transaction() as session:
            found = find_trusted(session, issuer, tenant)
        if found is None:
            self._known.pop(key, None)
            return None
        if len(self._known) >= _MOST_CLIENTS:
            self._known.clear()
        self._known[key] = (moment + BELIEVED_FOR, found)
        return found


_TRUSTED: Final = _KnownClients()
