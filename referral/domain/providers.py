"""Providers: how many calls each takes at once and in a second, and when one that fails is left alone.

A circuit breaker: closed while calls are answered, open after five failures in a row, then one probe at a
time. While it is open messages wait, and waiting is no try. What is here is pure; storage keeps it in one row
per provider, which all workers share.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

OPENS_AFTER: Final = 5
FIRST_REST: Final = timedelta(seconds=30)
LONGEST_REST: Final = timedelta(minutes=5)
# Where all places are taken, somebody gives one back soon.
_SOON: Final = timedelta(milliseconds=200)
# Where little is sent, failures are few: then their time counts.
_LONG: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Limits:
    """Calls open at once over all workers, and calls begun in a second; None for no such limit.

    SMS providers commonly refuse an account's 101st call at once (Twilio 20429).
    """

    at_once: int = 96
    per_second: float | None = None


_LIMIT: Final = re.compile(r"([a-z][a-z-]*)=([1-9]\d{0,3})(?:@(\d{1,4}(?:\.\d{1,3})?))?")


def read_limits(text: str) -> dict[str, Limits]:
    """`sms=16@20,fax=4`: by provider the calls at once and, after @, in a second. Raises ValueError."""
    found = {}
    for part in (part.strip() for part in text.split(",") if part.strip()):
        match = _LIMIT.fullmatch(part)
        if match is None or (match[3] is not None and float(match[3]) <= 0):
            raise ValueError("must look like sms=16@20,fax=4: calls at once, and after @ in a second")
        found[match[1]] = Limits(int(match[2]), float(match[3]) if match[3] else None)
    return found


class Circuit(StrEnum):
    """CLOSED is the good state. PROBING: the rest is over, and one call at a time shows how it is."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


@dataclass(frozen=True, slots=True)
class Use:
    """Places of one batch, given back when it ends, or at `until` where its worker died."""

    calls: int
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """`failures` and `rests` are in a row, and began at `failing_since`.

    `allowance` is what `per_second` had left at `counted_at`. `uses` are the places in use by their holder, a
    name that is made for each batch.
    """

    name: str
    failures: int = 0
    rests: int = 0
    rests_until: datetime | None = None
    last_error: str | None = None
    allowance: float = 0.0
    counted_at: datetime | None = None
    failing_since: datetime | None = None
    uses: Mapping[str, Use] = field(default_factory=dict)

    def circuit(self, now: datetime) -> Circuit:
        if self.rests_until is None:
            return Circuit.CLOSED
        return Circuit.OPEN if now < self.rests_until else Circuit.PROBING

    def takes_nothing(self, now: datetime) -> bool:
        """Not for a moment: somebody has to see to it, such as a password that is not right."""
        if self.failing_since is None or self.failures < 2:
            return False
        return self.failures >= OPENS_AFTER or now - self.failing_since >= _LONG


@dataclass(frozen=True, slots=True)
class Grant:
    """How many calls may begin; where none may, it is worth asking again at `again_at`."""

    calls: int
    again_at: datetime


def take(
    provider: Provider, limits: Limits, holder: str, wanted: int, now: datetime, lease: timedelta
) -> tuple[Provider, Grant]:
    """Places for up to `wanted` calls; what died holding places has lost them when its lease ran out."""
    uses = {name: use for name, use in provider.uses.items() if use.until > now}
    circuit = provider.circuit(now)
    if circuit is Circuit.OPEN and provider.rests_until is not None:
        return replace(provider, uses=uses), Grant(0, provider.rests_until)
    open_calls = sum(use.calls for use in uses.values())
    most = limits.at_once if circuit is Circuit.CLOSED else 1
    allowance = _allowance(provider, limits, now)
    calls = max(0, min(wanted, most - open_calls, int(allowance)))
    again_at = now + _SOON
    if limits.per_second is not None and allowance < 1:
        again_at = now + timedelta(seconds=(1 - allowance) / limits.per_second)
    if calls:
        uses[holder] = Use(calls, now + lease)
    changed = replace(
        provider,
        uses=uses,
        allowance=allowance - calls if limits.per_second is not None else 0.0,
        counted_at=now,
    )
    return changed, Grant(calls, again_at)


def _allowance(provider: Provider, limits: Limits, now: datetime) -> float:
    """A second's worth at most, and never less than room for one call to build up."""
    if limits.per_second is None:
        return float(limits.at_once)
    full = max(1.0, limits.per_second)
    if provider.counted_at is None:
        return full
    passed = max(0.0, (now - provider.counted_at).total_seconds())
    return min(full, provider.allowance + passed * limits.per_second)


@dataclass(frozen=True, slots=True)
class Answered:
    """What a batch has found: for each call in the order of their ends, whether the provider answered it.

    A refusal is an answer. `retry_after` is the longest that the provider has asked us to stay away.
    """

    calls: Sequence[bool] = ()
    error: str | None = None
    retry_after: timedelta | None = None


def settle(provider: Provider, holder: str, answered: Answered, now: datetime) -> Provider:
    """Give the places back, and open or close the circuit by what was found."""
    uses = dict(provider.uses)
    held = uses.pop(holder, None)
    unused = held.calls - len(answered.calls) if held else 0
    changed = replace(provider, uses=uses, allowance=provider.allowance + max(0, unused))
    for answer in answered.calls:
        changed = _after(changed, answer, answered.error, now)
    if answered.retry_after is not None:
        asked = now + min(answered.retry_after, LONGEST_REST)
        changed = replace(changed, rests_until=max(asked, changed.rests_until or asked))
    return changed


def _after(provider: Provider, answer: bool, error: str | None, now: datetime) -> Provider:
    if answer:
        if not provider.failures and provider.rests_until is None and provider.last_error is None:
            return provider  # as nearly always
        return replace(provider, failures=0, rests=0, rests_until=None, last_error=None, failing_since=None)
    since = provider.failing_since or now
    failed = replace(provider, failures=provider.failures + 1, last_error=error, failing_since=since)
    circuit = provider.circuit(now)
    # What was called before the circuit opened and fails only now says nothing new.
    if circuit is Circuit.OPEN or (circuit is Circuit.CLOSED and failed.failures < OPENS_AFTER):
        return failed
    rest = min(FIRST_REST * 2 ** min(provider.rests, 10), LONGEST_REST)
    return replace(failed, rests=provider.rests + 1, rests_until=now + rest)
