"""Which system is calling: a bearer token, what it may do, and a transaction when it needs one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from referral.bootstrap import Runtime
from referral.domain.audit import Actor, AuditEntry
from referral.domain.credential import digest
from referral.domain.errors import NotFound, NotSupported, SignInRequired
from referral.fhir.permit import Permit, permit_of
from referral.services import interactions
from referral.services.access import Access
from referral.services.methods import methods_of
from referral.services.note_attempt import attempts_in
from referral.services.record_provenance import record_provenance
from referral.storage import api_clients, audit
from referral.storage.api_clients import Admitted
from referral.storage.db import Session
from referral.web.dependencies import client_address, marked

# How long a token is believed without being looked up. It is asked about again by the first statement of each
# transaction (api_clients.enter), so one that was taken back ends at once.
BELIEVED_FOR: Final = 5.0
_MOST_TOKENS: Final = 1000
_MEANT: Final = {"c": "create", "r": "read", "u": "update", "d": "delete", "s": "search-type"}
NO_OPERATION: Final = "There is no such operation; see /fhir/metadata for those that are."
_LONGEST_TOKEN: Final = 4096


@dataclass(slots=True)
class Caller:
    """A known client and what its scopes let it do.

    `now` is when the newest transaction began; before the first, when the client was let in.
    """

    runtime: Runtime
    actor: Actor
    permit: Permit
    now: datetime
    request: Request
    # The digest of a token of ours; None for one that the client has signed itself.
    token: bytes | None = None
    _base_url: str | None = None

    @property
    def base_url(self) -> str:
        if self._base_url is None:
            self._base_url = base_url_of(self.request)
        return self._base_url

    @property
    def access(self) -> Access:
        return Access(self.actor, self.permit, self.runtime.outgoing.reach)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Committed when the block ends; an exception rolls it back. What was written has its Provenance.

        What was learnt by a refusal stays in the audit where everything else is taken back.
        Raises SignInRequired where the token was taken back while this process still believes it.
        """
        attempts: list[AuditEntry] = []
        try:
            with self.runtime.transaction() as session:
                if self.token is None:
                    session.enter_clinic(self.actor.clinic_id)
                else:
                    api_clients.enter(session, self.actor.clinic_id, self.actor.id, self.token)
                # A body may have taken minutes to arrive, and no stamp may be older than its transaction:
                # exports rely on it (docs/adr/0017).
                self.now = self.runtime.now()
                try:
                    yield session
                    header = self.request.headers.get("x-provenance")
                    record_provenance(session, self.access, header, self.now)
                except BaseException:
                    attempts = attempts_in(session)
                    raise
        finally:
            if attempts:
                with self.runtime.transaction(self.actor.clinic_id) as session:
                    audit.record(session, self.actor, *attempts)

    def may(self, type: str, interaction: str) -> bool:
        """`interaction` is one letter: c create, r read, u update, d delete, s search."""
        return self.permit.may(type, interaction)

    def require(self, type: str, interaction: str) -> None:
        self.permit.require(type, interaction)


def client(interaction: str) -> Any:
    """A dependency that lets in clients whose scopes allow `interaction` on the type in the path, if any."""

    async def caller(request: Request) -> Caller:
        found = await _signed_in(request)
        if any("\x00" in str(value) for value in request.path_params.values()):
            raise NotFound("There is no such resource.")
        if str(request.path_params.get("id", ""))[:1] in ("_", "$"):
            # Not an id: `_search` with a method that it does not take, or an operation that is not there.
            if methods_of(request.url.path.removeprefix("/fhir")):
                raise NotSupported(f"{request.method} cannot be done here.")
            raise NotFound(NO_OPERATION)
        type = request.path_params.get("type")
        if type is not None and len(interaction) == 1:
            # What nobody can do is said before what this client may not.
            interactions.require(type, _MEANT[interaction])
            found.require(type, interaction)
        return found

    return marked(caller, f"client:{interaction}")


class _KnownTokens:
    """Tokens that were good a moment ago, by their digests."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[float, Admitted]] = {}

    def believed(self, token: str) -> Admitted | None:
        until, found = self._known.get(digest(token), (0.0, None))
        return found if time.monotonic() < until else None

    def find(self, runtime: Runtime, token: str) -> Admitted | None:
        key, moment = digest(token), time.monotonic()
        with runtime.transaction() as session:
            found = api_clients.find_admitted(session, token)
            if found is not None and found.expires_at is None:
                api_clients.note_use(session, found.client_id, runtime.now())
        if found is None:
            self._known.pop(key, None)
            return None
        if len(self._known) >= _MOST_TOKENS:
            self._known.clear()
        self._known[key] = (moment + BELIEVED_FOR, found)
        return found


_TOKENS: Final = _KnownTokens()


def bearer_of(request: Request) -> str:
    """The token of the Authorization header; raises SignInRequired where there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise SignInRequired("A bearer token is needed: Authorization: Bearer ….")
    return token


async def _signed_in(request: Request) -> Caller:
    """In the event loop while the token is known, so that the hot reads change threads once only."""
    runtime: Runtime = request.app.state.runtime
    token = bearer_of(request)
    found = _TOKENS.believed(token)
    if found is None and len(token) <= _LONGEST_TOKEN and token.isprintable():
        found = await run_in_threadpool(_TOKENS.find, runtime, token)
    now = runtime.now()
    if found is None or (found.expires_at is not None and found.expires_at <= now):
        raise SignInRequired("This bearer token is not known, it has run out, or it was revoked.")
    request_id = getattr(request.state, "request_id", None)
    actor = Actor(found.clinic_id, "client", found.client_id, None, client_address(request), request_id)
    request.state.actor = actor
    permit = permit_of(found.scopes, found.client_id)
    return Caller(runtime, actor, permit, now, request, found.token_digest)


def base_url_of(request: Request) -> str:
    """The address under which the client reached /fhir: the public one where a proxy stands before us."""
    configured: str = request.app.state.runtime.settings.base_url
    if configured.startswith("https://"):
        return f"{configured}/fhir"
    try:
        return f"{str(request.base_url).rstrip('/')}/fhir"
    except ValueError:
        # A Host header that is no host.
        return f"{configured}/fhir"
