"""Believes a token that a CDS client has signed, or says in a sentence why not.

After CDS Hooks 2.0, "Trusting CDS Clients": a JWT in the Authorization header, signed with ES384 or RS384 by
a key of the trust list, for this endpoint, valid for minutes, used once. Keys are those that were registered:
nothing is fetched, whatever a header says (docs/adr/0007).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
from jwt.types import Options

from referral.domain.errors import InvalidInput, Issue, SignInRequired
from referral.storage import cds
from referral.storage.cds import CdsClient
from referral.storage.db import Session

# SMART Backend Services: at most five minutes. It also bounds how long used tokens have to be remembered.
LONGEST: Final = timedelta(minutes=5)
# How far the clocks of two systems may differ.
LEEWAY: Final = timedelta(seconds=30)
LONGEST_TOKEN: Final = 8192
_LONGEST_TEXT: Final = 2000
_MOST_KEYS: Final = 20
_WEAKEST_RSA: Final = 2048
# Which algorithm a key may be used with is the key's property, never the token's.
_ALGORITHMS: Final = {"RSA": "RS384", "EC": "ES384"}
_SECRET_PARTS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

Keys = Mapping[str, jwt.PyJWK]


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


def read_keys(jwks: object) -> Keys:
    """The keys of a JWKS by `kid`.

    Raises InvalidInput where there is none, one is secret, weak or unusable, or two have one name.
    """
    listed = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(listed, list) or not 1 <= len(listed) <= _MOST_KEYS:
        raise _unusable(f"A JWKS has 1 to {_MOST_KEYS} keys in its list `keys`.")
    found: dict[str, jwt.PyJWK] = {}
    for place, item in enumerate(listed):
        kid, key = _read_key(item, place)
        if kid in found:
            raise _unusable(f"Two keys have the same kid {kid[:64]}.")
        found[kid] = key
    return found


def _read_key(item: object, place: int) -> tuple[str, jwt.PyJWK]:
    where = f"Key {place + 1}"
    kid = item.get("kid") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(kid, str) or not kid:
        raise _unusable(f"{where} has no kid.")
    if _SECRET_PARTS & item.keys():
        raise _unusable(f"{where} is a secret key. Ask for the public one, and have this one replaced.")
    algorithm = _ALGORITHMS.get(str(item.get("kty")))
    if algorithm is None or (item.get("kty") == "EC" and item.get("crv") != "P-384"):
        raise _unusable(f"{where} is neither RSA nor EC P-384.")
    if item.get("use", "sig") != "sig" or item.get("alg", algorithm) != algorithm:
        raise _unusable(f"{where} is not for signing with {algorithm}.")
    try:
        key = jwt.PyJWK(item, algorithm=algorithm)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise _unusable(f"{where} cannot be read.") from error
    if getattr(key.key, "key_size", 0) < (_WEAKEST_RSA if algorithm == "RS384" else 0):
        raise _unusable(f"{where} has fewer than {_WEAKEST_RSA} bits.")
    return kid, key


def _unusable(text: str) -> InvalidInput:
    return InvalidInput(Issue(text, ("jwks",)))


def named_in(token: str) -> tuple[str, str]:
    """(issuer, tenant) that the token names, not believed yet; the tenant is empty where there is none.

    Raises SignInRequired for what is no token at all.
    """
    _, claims = _unverified(token)
    issuer, tenant = claims.get("iss"), claims.get("tenant", "")
    if not isinstance(issuer, str) or not isinstance(tenant, str):
        raise SignInRequired("The token has no iss, or a tenant that is no text.")
    # NUL is in no row, and no database takes it in a question.
    if len(issuer) + len(tenant) > _LONGEST_TEXT or not f"{issuer}{tenant}".isprintable():
        raise SignInRequired("The iss of this token is not on the trust list.")
    return issuer, tenant


def find_trusted(session: Session, issuer: str, tenant: str) -> TrustedClient | None:
    """The client of the trust list, of whichever clinic; enters that clinic."""
    found = cds.find_client(session, issuer, tenant)
    return TrustedClient(found, read_keys(found.jwks)) if found else None


def check_token(token: str, trusted: TrustedClient, audiences: tuple[str, ...], now: datetime) -> Admission:
    """Raises SignInRequired for anything wrong: signature, key, address, time."""
    header, _ = _unverified(token)
    key = _key_of(header, trusted)
    try:
        claims = jwt.decode(token, key, algorithms=[key.algorithm_name], options=_SIGNATURE_ONLY)
    except jwt.PyJWTError as error:
        raise SignInRequired("The signature of this token does not hold.") from error
    _check_audience(claims.get("aud"), audiences)
    expires_at = _check_times(claims, now)
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= _LONGEST_TEXT:
        raise SignInRequired("The token has no jti.")
    digest = hashlib.sha256(jti.encode("utf-8", "surrogatepass")).digest()
    return Admission(digest, expires_at + LEEWAY)


# Times are compared with our own clock below; iss has led to the key.
_SIGNATURE_ONLY: Final[Options] = {
    "verify_aud": False,
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


def _unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims as written."""
    try:
        read = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise SignInRequired("This is no signed token (JWT) that can be read.") from error
    return read["header"], read["payload"]


def _key_of(header: Mapping[str, Any], trusted: TrustedClient) -> jwt.PyJWK:
    if "crit" in header or str(header.get("typ", "JWT")).upper() != "JWT":
        raise SignInRequired("The header of this token asks for what this service does not know.")
    jku = header.get("jku")
    if jku is not None and jku != trusted.client.jwks_url:
        raise SignInRequired("The jku of this token is not the one that was registered for its issuer.")
    kid = header.get("kid")
    key = trusted.keys.get(kid) if isinstance(kid, str) else None
    if key is None:
        raise SignInRequired("The kid of this token names no key that was registered for its issuer.")
    if header.get("alg") != key.algorithm_name:
        raise SignInRequired(f"This key signs with {key.algorithm_name} only.")
    return key


def _check_audience(given: object, audiences: tuple[str, ...]) -> None:
    listed = given if isinstance(given, list) else [given]
    if not any(audience in listed for audience in audiences):
        raise SignInRequired(f"The aud of this token is not this endpoint, {audiences[0]}.")


def _check_times(claims: Mapping[str, Any], now: datetime) -> datetime:
    """When it expires; both times have to be there, in order, and close to now."""
    issued_at, expires_at = _moment(claims, "iat"), _moment(claims, "exp")
    starts_at = _moment(claims, "nbf") if "nbf" in claims else issued_at
    if expires_at <= now - LEEWAY:
        raise SignInRequired("The token has expired.")
    if issued_at > now + LEEWAY or starts_at > now + LEEWAY:
        raise SignInRequired("The token is from the future; compare the clocks.")
    if expires_at - issued_at > LONGEST:
        raise SignInRequired("The token lives too long: exp is at most five minutes after iat.")
    return expires_at


def _moment(claims: Mapping[str, Any], name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SignInRequired(f"The token has no {name}, in seconds since 1970.")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise SignInRequired(f"The token's {name} is no moment.") from error
