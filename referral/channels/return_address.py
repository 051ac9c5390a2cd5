"""Where mail comes back to: an address that says which message it is about, and that nobody else can make up.

`bounce+<what>-<mac>@<domain>`, at most 64 characters before the @ (RFC 5321, 4.5.3.1.1). The same token is
the envelope id of a delivery status notification and stands in Message-ID: whichever comes back is enough.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import uuid
from dataclasses import dataclass
from typing import Final

_PREFIX: Final = "bounce+"
# Part of the clinic's id: enough to find it among the clinics, and it leaves room for the rest.
_CLINIC_BYTES: Final = 4
_MAC_LETTERS: Final = 20  # 100 bits
_KEY_PURPOSE: Final = b"referral return address 1"
# Base32 in small letters: servers on the way may change the case of an address.
_TOKEN: Final = re.compile(r"(?<![a-z2-7])([a-z2-7]{34})-([a-z2-7]{20})(?![a-z2-7])", re.IGNORECASE)
_ADDRESS: Final = re.compile(re.escape(_PREFIX) + r"[a-z2-7]{34}-[a-z2-7]{20}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Returned:
    """Which try of which message came back. `clinic_tag` is how the clinic's id begins, in hexadecimal.

    `generation` is 0 where it was not known when the mail left.
    """

    clinic_tag: str
    message_id: uuid.UUID
    generation: int

    def is_of(self, clinic_id: str) -> bool:
        return clinic_id.replace("-", "").startswith(self.clinic_tag)


class ReturnAddresses:
    """Makes and reads the tokens of one installation; the key comes from its master key."""

    def __init__(self, master_key: bytes, domain: str) -> None:
        self._key = hmac.digest(master_key, _KEY_PURPOSE, "sha256")
        self.domain = domain

    def token(self, clinic_id: str, message_id: uuid.UUID, generation: int) -> str:
        """54 letters, digits and a hyphen."""
        tag = uuid.UUID(clinic_id).bytes[:_CLINIC_BYTES]
        return self._signed(tag + message_id.bytes + bytes([generation if generation < 256 else 0]))

    def address(self, token: str) -> str:
        return f"{_PREFIX}{token}@{self.domain}"

    def read(self, text: str) -> Returned | None:
        """What the first genuine token in a text says; None where there is none."""
        for found in _TOKEN.finditer(text):
            what = _decoded(found[1])
            if what is not None and hmac.compare_digest(self._signed(what), found[0].lower()):
                tag, message, generation = what[:_CLINIC_BYTES], what[_CLINIC_BYTES:-1], what[-1]
                return Returned(tag.hex(), uuid.UUID(bytes=message), generation)
        return None

    def is_ours(self, address: str) -> bool:
        """Whether mail to this address is to be taken in."""
        local, _, domain = address.rpartition("@")
        ours = domain.lower() == self.domain.lower() and _ADDRESS.fullmatch(local) is not None
        return ours and self.read(local) is not None

    def _signed(self, what: bytes) -> str:
        mac = base64.b32encode(hmac.digest(self._key, what, "sha256")).decode().lower()
        return f"{base64.b32encode(what).decode().lower().rstrip('=')}-{mac[:_MAC_LETTERS]}"


def looks_like_one(text: str) -> bool:
    """Whether a text holds what could be a token, genuine or not."""
    return _TOKEN.search(text) is not None


def _decoded(letters: str) -> bytes | None:
    try:
        return base64.b32decode(letters.upper() + "=" * 6)
    except binascii.Error:
        return None
