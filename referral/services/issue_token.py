"""An access token for a system that proves itself with its key (SMART Backend Services, RFC 7523).

The assertion is signed by a key of the client for this very endpoint, runs out in five minutes at most and is
used once: the database says so, to every process and after every restart (docs/adr/0016).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.credential import random_token
from referral.domain.errors import ReferralError, SignInRequired
from referral.fhir.scopes import granted
from referral.services.client_keys import ClientKeys
from referral.services.signed_tokens import (
    LEEWAY,
    check_audience,
    check_header,
    check_times,
    jti_digest,
    unverified,
    verified,
)
from referral.storage import accounts, api_clients, audit
from referral.storage.api_clients import Admitted, ApiClient
from referral.storage.db import Database

LIFETIME: Final = timedelta(seconds=300)
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# Refusals from one address in an hour; a whole hospital may share an address.
_REFUSALS_PER_ADDRESS: Final = 300
_LONGEST_ID: Final = 100


class TokenRefused(ReferralError):
    """`error` is a code of RFC 6749, 5.2; the text says to the makers of the client what to mend."""

    code = "security"

    def __init__(self, error: str, text: str) -> None:
        super().__init__(text)
        self.error = error


class TooManyTries(TokenRefused):
    """From this address, in this hour."""

    def __init__(self) -> None:
        super().__init__("invalid_client", "Too many refused tries from here. Wait an hour.")


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks from where, and the form: every field at most once, as it was sent."""

    form: Mapping[str, str]
    audience: str
    address: str | None
    request_id: str | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Issued:
    token: str
    scopes: tuple[str, ...]
    client: ApiClient


def issue_token(database: Database, keys: ClientKeys, asked: Asked) -> Issued:
    """Raises TokenRefused. Has transactions of its own: between them the client's keys may be fetched."""
    source = hashlib.sha256(f"oauth/{asked.address}".encode()).hexdigest()
    with database.transaction() as session:
        if accounts.failed_sign_ins(session, source, asked.now) >= _REFUSALS_PER_ADDRESS:
            raise TooManyTries
    try:
        return _issue(database, keys, asked)
    except SignInRequired as error:
        _count(database, source, asked.now)
        raise TokenRefused("invalid_client", str(error)) from error
    except TokenRefused:
        _count(database, source, asked.now)
        raise


def _count(database: Database, source: str, now: datetime) -> None:
    with database.transaction() as session:
        accounts.count_failed_sign_in(session, source, now)


def _issue(database: Database, keys: ClientKeys, asked: Asked) -> Issued:
    assertion = _assertion(asked.form)
    header, claims = unverified(assertion)
    id = _named(claims, asked.form)
    with database.transaction() as session:
        client = api_clients.find_by_id(session, id)
    if client is None:
        raise SignInRequired("The iss of this assertion is no client that is registered here.")
    kid = check_header(header, client.jwks_url)
    proven = verified(assertion, header, keys.of(client, kid))
    check_audience(proven.get("aud"), (asked.audience,))
    expires_at = check_times(proven, asked.now, issued=False) + LEEWAY
    jti = jti_digest(proven)
    with database.statement() as connection:
        if not api_clients.use_assertion(connection, client, jti, expires_at):
            raise SignInRequired("The jti of this assertion was used before; sign a new one for each token.")
    scopes = _scopes(asked.form, client)
    return _give(database, client, scopes, asked)


def _assertion(form: Mapping[str, str]) -> str:
    grant = form.get("grant_type")
    if not grant:
        raise TokenRefused("invalid_request", "grant_type is missing.")
    if grant != "client_credentials":
        raise TokenRefused("unsupported_grant_type", "grant_type has to be client_credentials.")
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise TokenRefused("invalid_request", f"client_assertion_type has to be {ASSERTION_TYPE}.")
    if not form.get("client_assertion"):
        raise TokenRefused("invalid_request", "client_assertion is missing.")
    return form["client_assertion"]


def _named(claims: Mapping[str, Any], form: Mapping[str, str]) -> str:
    """The client that the assertion names; iss and sub agree, and so does client_id where it is sent."""
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or not issuer.isascii() or not issuer.isprintable():
        raise SignInRequired("The iss of this assertion is not the id of a client.")
    if claims.get("sub") != issuer:
        raise SignInRequired("The sub of this assertion has to be the same as its iss.")
    if form.get("client_id", issuer) != issuer:
        raise SignInRequired("client_id is not the iss of the assertion.")
    return issuer[:_LONGEST_ID]


def _scopes(form: Mapping[str, str], client: ApiClient) -> tuple[str, ...]:
    scopes = tuple(str(scope) for scope in granted(form.get("scope", ""), client.scopes))
    if not scopes:
        text = (
            "Nothing of scope is registered for this client and written with the letters of SMART v2, "
            "such as system/Task.rus (not .read or .write)."
        )
        raise TokenRefused("invalid_scope", text)
    return scopes


def _give(database: Database, client: ApiClient, scopes: tuple[str, ...], asked: Asked) -> Issued:
    token = f"rft_{random_token()}"
    with database.transaction(client.clinic_id) as session:
        now_registered = api_clients.find(session, client.id, lock=True)
        if now_registered is None or not _same_keys(now_registered, client):
            raise SignInRequired("The keys of this client were changed just now; try again.")
        given = Admitted(
            clinic_id=client.clinic_id,
            client_id=client.id,
            scopes=scopes,
            token_digest=b"",
            issued_at=asked.now,
            expires_at=asked.now + LIFETIME,
        )
        api_clients.add_token(session, token, given)
        api_clients.note_use(session, client.id, asked.now)
        actor = Actor(client.clinic_id, "client", client.id, None, asked.address, asked.request_id)
        entry = AuditEntry(
            action=Action.EXECUTE,
            subtype="token",
            entity=f"Client/{client.id}",
            detail={"scopes": list(scopes)},
        )
        audit.record(session, actor, entry)
    return Issued(token, scopes, client)


def _same_keys(one: ApiClient, other: ApiClient) -> bool:
    return (one.jwks, one.jwks_url) == (other.jwks, other.jwks_url)


def introspect(database: Database, clinic_id: str, token: str, now: datetime) -> dict[str, Any]:
    """What RFC 7662 says of a token to a client of the same clinic; of any other it is only not active."""
    with database.transaction() as session:
        found = api_clients.find_admitted(session, token)
    if found is None or found.clinic_id != clinic_id:
        return {"active": False}
    if found.expires_at is not None and found.expires_at <= now:
        return {"active": False}
    told: dict[str, Any] = {
        "active": True,
        "scope": " ".join(found.scopes),
        "client_id": found.client_id,
        "sub": found.client_id,
        "token_type": "Bearer",
    }
    for name, moment in (("iat", found.issued_at), ("exp", found.expires_at)):
        if moment is not None:
            told[name] = int(moment.timestamp())
    return told
