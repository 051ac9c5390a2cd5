"""Providers that take nothing: a wrong password, an account without money. Only a person can mend that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from referral.domain.codes import Channel
from referral.storage import providers
from referral.storage.db import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """`channels` are those that wait for the provider; `error` is a technical sentence about no person."""

    provider: str
    channels: tuple[Channel, ...]
    since: datetime
    error: str


def find_provider_troubles(session: Session, names: Mapping[Channel, str], now: datetime) -> list[Trouble]:
    """`names` are the providers of this installation; one that is not used any more is nobody's trouble."""
    return [
        Trouble(
            provider=one.name,
            channels=tuple(channel for channel, name in names.items() if name == one.name),
            since=one.failing_since,
            error=one.last_error or "it does not answer",
        )
        for one in providers.every(session)
        if one.name in names.values() and one.failing_since is not None and one.takes_nothing(now)
    ]
