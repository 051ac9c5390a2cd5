"""Signatures of webhooks. All comparisons take the same time whatever is compared."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime
from typing import Final

# A call that was recorded is worth nothing after this, to either side for clocks that differ.
WINDOW_SECONDS: Final = 300


def twilio_signature(token: str, url: str, fields: Iterable[tuple[str, str]]) -> str:
    """Base64 of HMAC-SHA1 over the public URL and the sorted fields, as Twilio's validators make it.

    `url` is the one that was given to the provider: behind a proxy a request has another.
    """
    text = url + "".join(name + value for name, value in sorted(set(fields)))
    digest = hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def twilio_ok(token: str, url: str, fields: Iterable[tuple[str, str]], signature: str) -> bool:
    """False without a token: a missing setting must not open the door."""
    return bool(token) and _same(twilio_signature(token, url, fields), signature)


def body_signature(secret: str, timestamp: str, body: bytes) -> str:
    """Hex of HMAC-SHA256 over `timestamp.body`; `timestamp` is in seconds since 1970."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def body_ok(secret: str, timestamp: str, body: bytes, signature: str, now: datetime) -> bool:
    """False without a secret, and for a timestamp more than five minutes from `now`."""
    if not secret or not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        return False
    fresh = abs(now.timestamp() - int(timestamp)) <= WINDOW_SECONDS
    return fresh and _same(body_signature(secret, timestamp, body), signature)


def path_token(secret: str, *about: str) -> str:
    """A secret for one address, for providers that know no signature: it opens nothing but that address."""
    return hmac.new(secret.encode(), "/".join(about).encode(), hashlib.sha256).hexdigest()[:32]


def path_ok(secret: str, token: str, *about: str) -> bool:
    """False without a secret."""
    return bool(secret) and _same(path_token(secret, *about), token)


def clinic_secret(secret: str, clinic_id: str) -> str:
    """A key for one clinic: what is signed for it cannot be shown to another. "" without a secret."""
    if not secret:
        return ""
    return hmac.new(secret.encode(), f"clinic/{clinic_id}".encode(), hashlib.sha256).hexdigest()


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
