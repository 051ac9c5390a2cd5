"""Portal credentials and codes: mint and check. Only digests are kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from referral.domain.life import Purpose

LIFETIME: Final = timedelta(days=14)
PAUSE_AFTER: Final = 5
PAUSE: Final = timedelta(minutes=15)
FREEZE_AFTER: Final = 10
SESSION_IDLE: Final = timedelta(minutes=15)
SESSION_LIFETIME: Final = timedelta(minutes=60)
CODE_LIFETIME: Final = timedelta(minutes=10)
# Crockford's alphabet: no I, L, O or U, so a code survives a fax and a telephone.
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD: Final = str.maketrans({"I": "1", "L": "1", "O": "0", "U": "V", "-": "", " ": ""})
_CODE_LENGTH: Final = 10

# What a selector can look like: anything else is no key to search by.
_SELECTOR: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

RandomBytes = Callable[[int], bytes]


def digest(secret: str) -> bytes:
    """SHA-256: the secrets are random and long, so no slow hash is needed."""
    return hashlib.sha256(secret.encode()).digest()


def matches(secret: str, expected: bytes) -> bool:
    """Compared in constant time, so that the time taken does not tell how much of a guess was right."""
    return hmac.compare_digest(digest(secret), expected)


def is_selector(text: str) -> bool:
    """Whether this can be the public half of a link."""
    return _SELECTOR.fullmatch(text) is not None


def random_token(random_bytes: RandomBytes = secrets.token_bytes, size: int = 32) -> str:
    """`size` random bytes in URL-safe base64 without padding."""
    return urlsafe_b64encode(random_bytes(size)).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True, repr=False)
class Minted:
    """What the letter carries. The secret and the short code exist only here and on paper."""

    selector: str
    secret: str
    short_code: str
    purpose: Purpose = Purpose.ANSWER

    @property
    def secret_digest(self) -> bytes:
        return digest(self.secret)

    @property
    def code_digest(self) -> bytes:
        return digest(normal_code(self.short_code))

    def url(self, base_url: str) -> str:
        return f"{base_url}/r/{self.selector}/{self.secret}"

    def patient_url(self, base_url: str) -> str:
        """The page of the patient, which is another one, behind a link that is kept elsewhere."""
        return f"{base_url}/p/{self.selector}/{self.secret}"


def mint(random_bytes: RandomBytes = secrets.token_bytes, purpose: Purpose = Purpose.ANSWER) -> Minted:
    """A public 96-bit selector, a 256-bit secret, and a 50-bit code that can be typed."""
    letters = [_ALPHABET[byte % 32] for byte in random_bytes(_CODE_LENGTH)]
    code = f"{''.join(letters[:5])}-{''.join(letters[5:])}"
    return Minted(random_token(random_bytes, 12), random_token(random_bytes), code, purpose)


def normal_code(typed: str) -> str:
    """A typed code as it was meant: case, spaces, dashes and look-alikes do not matter."""
    return typed.strip().upper().translate(_MISREAD)


def six_digits(random_bytes: RandomBytes = secrets.token_bytes) -> str:
    """A one-time code for a second channel."""
    return f"{int.from_bytes(random_bytes(8)) % 1_000_000:06d}"


def expires_at(now: datetime, due_at: datetime) -> datetime:
    """14 days or the due date, whichever is first, but at least a day: a late reminder can still be used."""
    return max(min(now + LIFETIME, due_at), now + timedelta(days=1))
