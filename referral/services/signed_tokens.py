"""Tokens that systems sign with their own key: which keys are usable, and what of a token has to hold.

Shared by CDS Hooks (admit_cds_client) and the token endpoint (issue_token): RS384 or ES384, by a key that the
header names, and never another algorithm, whatever the header says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
from jwt.types import Options

from referral.domain.errors import InvalidInput, Issue, SignInRequired

# SMART Backend Services: at most five minutes. It also bounds how long used tokens have to be remembered.
LONGEST: Final = timedelta(minutes=5)
# How far the clocks of two systems may differ.
LEEWAY: Final = timedelta(seconds=30)
LONGEST_TOKEN: Final = 8192
LONGEST_TEXT: Final = 2000
_MOST_KEYS: Final = 20
_WEAKEST_RSA: Final = 2048
# Which algorithm a key may be used with is the key's property, never the token's.
_ALGORITHMS: Final = {"RSA": "RS384", "EC": "ES384"}
_SECRET_PARTS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

Keys = Mapping[str, jwt.PyJWK]
ALGORITHMS: Final = tuple(_ALGORITHMS.values())


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


# Times are compared with our own clock; iss has led to the key.
_SIGNATURE_ONLY: Final[Options] = {
    "verify_aud": False,
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


def unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims as written, not believed yet; SignInRequired for what is no token at all."""
    if len(token) > LONGEST_TOKEN or not token.isascii():
        raise SignInRequired("This token is too long, or has characters that no token has.")
    try:
        read = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise SignInRequired("This is no signed token (JWT) that can be read.") from error
    return read["header"], read["payload"]


def check_header(header: Mapping[str, Any], jwks_url: str | None) -> str:
    """The kid. Raises SignInRequired for what this service does not know, and for another jku."""
    if "crit" in header or str(header.get("typ", "JWT")).upper() != "JWT":
        raise SignInRequired("The header of this token asks for what this service does not know.")
    jku = header.get("jku")
    if jku is not None and jku != jwks_url:
        raise SignInRequired("The jku of this token is not the one that was registered for its issuer.")
    kid = header.get("kid")
    return kid if isinstance(kid, str) else ""


def verified(token: str, header: Mapping[str, Any], keys: Keys) -> dict[str, Any]:
    """The claims, signed by the key that the header names; raises SignInRequired."""
    kid = header.get("kid")
    key = keys.get(kid) if isinstance(kid, str) else None
    if key is None:
        raise SignInRequired("The kid of this token names no key that was registered for its issuer.")
    if header.get("alg") != key.algorithm_name:
        raise SignInRequired(f"This key signs with {key.algorithm_name} only.")
    try:
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=[key.algorithm_name], options=_SIGNATURE_ONLY
        )
    except jwt.PyJWTError as error:
        raise SignInRequired("The signature of this token does not hold.") from error
    return claims


def check_audience(given: object, audiences: Iterable[str]) -> None:
    """One of the addresses has to be named exactly."""
    listed = given if isinstance(given, list) else [given]
    known = list(audiences)
    if not any(audience in listed for audience in known):
        raise SignInRequired(f"The aud of this token is not this endpoint, {known[0]}.")


def check_times(claims: Mapping[str, Any], now: datetime, *, issued: bool) -> datetime:
    """When it expires: in at most five minutes, and not before it was issued.

    `issued` says that iat has to be there, and that the five minutes are counted from it.
    """
    expires_at = _moment(claims, "exp")
    issued_at = _moment(claims, "iat") if issued or "iat" in claims else None
    starts_at = _moment(claims, "nbf") if "nbf" in claims else None
    if expires_at <= now - LEEWAY:
        raise SignInRequired("The token has expired.")
    if any(moment is not None and moment > now + LEEWAY for moment in (issued_at, starts_at)):
        raise SignInRequired("The token is from the future; compare the clocks.")
    if issued_at is not None and expires_at - issued_at > LONGEST:
        raise SignInRequired("The token lives too long: exp is at most five minutes after iat.")
    if expires_at > now + LONGEST + LEEWAY:
        raise SignInRequired("The token lives too long: exp is at most five minutes ahead.")
    return expires_at


def jti_digest(claims: Mapping[str, Any]) -> bytes:
    """What names the token among those of its issuer."""
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= LONGEST_TEXT:
        raise SignInRequired("The token has no jti.")
    return hashlib.sha256(jti.encode("utf-8", "surrogatepass")).digest()


def _moment(claims: Mapping[str, Any], name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SignInRequired(f"The token has no {name}, in seconds since 1970.")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise SignInRequired(f"The token's {name} is no moment.") from error
