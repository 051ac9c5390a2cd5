"""Calls of providers about messages: is it they, and what do they say?"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

import orjson

from referral.channels import sinch, sms
from referral.channels.base import Progress
from referral.channels.signatures import body_ok, path_ok, path_token, twilio_ok
from referral.domain.outgoing import provider_key

FAX_TIMESTAMP: Final = "x-fax-timestamp"
FAX_SIGNATURE: Final = "x-fax-signature"
_TWILIO_SIGNATURE: Final = "x-twilio-signature"
# A message that people have had sent again more often than this is asked about instead.
_MOST_GENERATIONS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One call. `url` is what the provider was given, and `token` the last part of its path, or "".

    `generation` is 0 where the address names none. Names of headers are lower-case.
    """

    url: str
    clinic_id: str
    message_id: uuid.UUID
    token: str
    headers: Mapping[str, str]
    body: bytes
    generation: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """`at` is None where the provider does not say when, `generation` 0 where it is not known of which."""

    event_id: str
    reference: str
    progress: Progress
    at: datetime | None = None
    generation: int = 0


class AskIt:
    """It says that there is news, in a way that proves nothing: the provider has to be asked."""


class Receiver(Protocol):
    """How one provider calls. Nothing of a call is read before `is_genuine` has said yes."""

    name: str

    def address(self, reports_to: str) -> str:
        """What the provider is given for `…/hooks/NAME/CLINIC/MESSAGE.2`; "" where it is not to call."""
        ...

    def is_genuine(self, hook: Hook, now: datetime) -> bool:
        """Whether it was made by the provider, for this message, and lately where it says when."""
        ...

    def read(self, hook: Hook) -> News | AskIt | None:
        """None for what is not about this message or cannot be understood."""
        ...


class TwilioReceiver:
    """The signature covers the address, and so the message, and says nothing about the time: what is
    replayed is the same event."""

    name = "sms"

    def __init__(self, token: str) -> None:
        self._token = token

    def address(self, reports_to: str) -> str:
        return reports_to

    def is_genuine(self, hook: Hook, now: datetime) -> bool:  # noqa: ARG002 - the protocol's
        fields = _form(hook.body)
        signature = hook.headers.get(_TWILIO_SIGNATURE, "")
        return fields is not None and twilio_ok(self._token, hook.url, fields, signature)

    def read(self, hook: Hook) -> News | AskIt | None:
        said = dict(_form(hook.body) or ())
        reference, status = said.get("MessageSid", ""), said.get("MessageStatus", "")
        if not _is_name(reference) or not _is_name(status):
            return None
        progress = sms.progress_of(status, said.get("ErrorCode"))
        return News(
            event_id=f"{reference}:{status}",
            reference=reference,
            progress=progress,
            generation=hook.generation,
        )


class SignedFaxReceiver:
    """HMAC-SHA256 over the time and the body. The address is not signed: our key in the body binds it."""

    name = "fax"

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def address(self, reports_to: str) -> str:
        return reports_to

    def is_genuine(self, hook: Hook, now: datetime) -> bool:
        stamp, signature = hook.headers.get(FAX_TIMESTAMP, ""), hook.headers.get(FAX_SIGNATURE, "")
        return body_ok(self._secret, stamp, hook.body, signature, now)

    def read(self, hook: Hook) -> News | AskIt | None:
        said = _json(hook.body)
        fax = said.get("fax")
        if not isinstance(fax, dict):
            return None
        generation = _generations(hook.message_id).get(sinch.key_of(fax))
        if generation is None:
            return None
        reference, status = str(fax.get("id", "")), str(fax.get("status", ""))
        if not _is_name(reference) or not _is_name(status):
            return None
        return News(
            event_id=f"{reference}:{status}",
            reference=reference,
            progress=sinch.progress_of(fax),
            at=_moment(said.get("eventTime")),
            generation=generation,
        )


class TokenFaxReceiver:
    """For a provider that signs nothing: a secret in the path, and whatever it says, it is asked."""

    name = "fax"

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def address(self, reports_to: str) -> str:
        clinic_id, about = reports_to.rsplit("/", 2)[1:] if reports_to else ("", "")
        message_id = about.partition(".")[0]
        return f"{reports_to}/{path_token(self._secret, clinic_id, message_id)}" if message_id else ""

    def is_genuine(self, hook: Hook, now: datetime) -> bool:  # noqa: ARG002 - the protocol's
        return path_ok(self._secret, hook.token, hook.clinic_id, str(hook.message_id))

    def read(self, hook: Hook) -> News | AskIt | None:  # noqa: ARG002 - the protocol's
        return AskIt()


class DeafReceiver:
    """No secret is set: nobody is believed, and no address is given to call."""

    def __init__(self, name: str) -> None:
        self.name = name

    def address(self, reports_to: str) -> str:  # noqa: ARG002 - the protocol's
        return ""

    def is_genuine(self, hook: Hook, now: datetime) -> bool:  # noqa: ARG002 - the protocol's
        return False

    def read(self, hook: Hook) -> News | AskIt | None:  # noqa: ARG002 - the protocol's
        return None


def fax_receiver(secret: str, *, signed: bool) -> Receiver:
    """The one that fits what is known of the provider."""
    if not secret:
        return DeafReceiver("fax")
    return SignedFaxReceiver(secret) if signed else TokenFaxReceiver(secret)


def _generations(message_id: uuid.UUID) -> dict[str, int]:
    """By the key that each was sent with."""
    return {str(provider_key(message_id, number)): number for number in range(1, _MOST_GENERATIONS + 1)}


def _form(body: bytes) -> list[tuple[str, str]] | None:
    try:
        return parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return None


def _json(body: bytes) -> dict[str, Any]:
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return read if isinstance(read, dict) else {}


def _is_name(text: str) -> bool:
    """What an id or a state of a provider can look like; it becomes part of a row."""
    return 0 < len(text) <= 64 and text.isascii() and text.replace("_", "").replace("-", "").isalnum()


def _moment(text: object) -> datetime | None:
    try:
        read = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
