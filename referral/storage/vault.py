"""Encryption at rest: one key per clinic, wrapped by a master key that the database never sees."""

from __future__ import annotations

import secrets
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap

_NONCE: Final = 12


class Vault:
    """AES-256-GCM with a key per clinic and the purpose as associated data: a value cannot be moved."""

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != 32:
            raise ValueError("the master key must have 32 bytes")
        self._master_key = master_key
        self._keys: dict[bytes, AESGCM] = {}

    def new_clinic_key(self) -> bytes:
        """A fresh key, wrapped (RFC 3394): what the clinic's row keeps."""
        return aes_key_wrap(self._master_key, AESGCM.generate_key(256))

    def _key(self, wrapped: bytes) -> AESGCM:
        key = self._keys.get(wrapped)
        if key is None:
            key = self._keys[wrapped] = AESGCM(aes_key_unwrap(self._master_key, wrapped))
        return key

    def seal(self, wrapped: bytes, content: bytes, purpose: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._key(wrapped).encrypt(nonce, content, purpose.encode())

    def open(self, wrapped: bytes, sealed: bytes, purpose: str) -> bytes:
        """Raises cryptography's InvalidTag where the content was changed or belongs to another purpose."""
        return self._key(wrapped).decrypt(sealed[:_NONCE], sealed[_NONCE:], purpose.encode())
