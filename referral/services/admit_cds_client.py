"""Believes a token that a CDS client has signed, or says in a sentence why not.

After CDS Hooks 2.0, "Trusting CDS Clients": a JWT in the Authorization header, signed with ES384 or RS384 by
a key of the trust list, for this endpoint, valid for minutes, used once. Keys are those that were registered:
nothing is fetched, whatever a header says (docs/adr/0007).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from referral.domain.errors import SignInRequired
from referral.services.signed_tokens import (
    LEEWAY,
    LONGEST_TEXT,
    Keys,
    check_audience,
    check_header,
    check_times,
    jti_digest,
    read_keys,
    unverified,
    verified,
)
from referral.storage import cds
from referral.storage.cds import CdsClient
from referral.storage.db import Session


@dataclass(frozen=True, slots=True)
class TrustedClient:
    """A client of the trust list with its keys by `kid`, ready for use."""

    client: CdsClient
    keys: Keys


@dataclass(frozen=True, slots=True)
class Admission:
    """A token that holds. `jti_digest` names it among those of its client until `expires_at`."""

    jti_digest: bytes
    expires_at: datetime


def named_in(token: str) -> tuple[str, str]:
    """(issuer, tenant) that the token names, not believed yet; the tenant is empty where there is none.

    Raises SignInRequired for what is no token at all.
    """
    _, claims = unverified(token)
    issuer, tenant = claims.get("iss"), claims.get("tenant", "")
    if not isinstance(issuer, str) or not isinstance(tenant, str):
        raise SignInRequired("The token has no iss, or a tenant that is no text.")
    # NUL is in no row, and no database takes it in a question.
    if len(issuer) + len(tenant) > LONGEST_TEXT or not f"{issuer}{tenant}".isprintable():
        raise SignInRequired("The iss of this token is not on the trust list.")
    return issuer, tenant


def find_trusted(session: Session, issuer: str, tenant: str) -> TrustedClient | None:
    """The client of the trust list, of whichever clinic; enters that clinic."""
    found = cds.find_client(session, issuer, tenant)
    return TrustedClient(found, read_keys(found.jwks)) if found else None


def check_token(token: str, trusted: TrustedClient, audiences: tuple[str, ...], now: datetime) -> Admission:
    """Raises SignInRequired for anything wrong: signature, key, address, time."""
    header, _ = unverified(token)
    check_header(header, trusted.client.jwks_url)
    claims = verified(token, header, trusted.keys)
    check_audience(claims.get("aud"), audiences)
    expires_at = check_times(claims, now, issued=True)
    return Admission(jti_digest(claims), expires_at + LEEWAY)
