"""The public keys of a client: those that were registered, or what stands at its URL just now.

What was fetched is believed for some minutes and fetched again for a key that is not among them, so that a
client can change its keys by itself; never more often than once a minute, whoever asks.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from referral.channels.outgoing import NotReached, Outgoing
from referral.domain.errors import InvalidInput, Issue, SignInRequired
from referral.domain.outgoing_urls import UnusableUrl
from referral.services.signed_tokens import Keys, read_keys
from referral.storage.api_clients import ApiClient

log = structlog.get_logger(__name__)

# A key that was taken off its URL is believed for this long at most.
FRESH: Final = 300.0
SELDOM: Final = 60.0
TIMEOUT: Final = 5.0
LARGEST: Final = 100_000
_MOST_URLS: Final = 1000


@dataclass(slots=True)
class _Fetched:
    """`keys` are empty where nothing usable came; both times are of a monotonic clock."""

    keys: Keys
    good_at: float
    tried_at: float


class ClientKeys:
    """One per process; shared by its threads. `clock` counts seconds."""

    def __init__(self, outgoing: Outgoing, clock: Callable[[], float] = time.monotonic) -> None:
        self._outgoing = outgoing
        self._clock = clock
        self._fetched: dict[str, _Fetched] = {}
        self._lock = threading.Lock()
        self._fetching: dict[str, threading.Lock] = {}

    def of(self, client: ApiClient, kid: str) -> Keys:
        """The keys by name; `kid` is the one that is looked for. Calls out: ask it outside of transactions.

        Raises SignInRequired where they cannot be had, and tells the caller nothing of the reason.
        """
        if client.jwks_url is None:
            return _registered(client)
        url = client.jwks_url
        known = self._fetched.get(url)
        if known is None or self._is_due(known, kid):
            known = self._fetched_once(client, url, kid, known)
        if not known.keys:
            raise SignInRequired("The keys of this client cannot be had just now.")
        return known.keys

    def _fetched_once(self, client: ApiClient, url: str, kid: str, known: _Fetched | None) -> _Fetched:
        """One thread calls out; the others go on with what is known, and wait only where nothing is."""
        with self._lock:
            turn = self._fetching.setdefault(url, threading.Lock())
        if not turn.acquire(blocking=known is None):
            return known or _Fetched({}, 0.0, 0.0)
        try:
            newest = self._fetched.get(url)
            if newest is None or self._is_due(newest, kid):
                newest = self._fetch(client, url, newest)
            return newest
        finally:
            turn.release()

    def _is_due(self, known: _Fetched, kid: str) -> bool:
        now = self._clock()
        wanted = now - known.good_at >= FRESH or kid not in known.keys
        return wanted and now - known.tried_at >= SELDOM

    def _fetch(self, client: ApiClient, url: str, known: _Fetched | None) -> _Fetched:
        now = self._clock()
        try:
            found = _Fetched(self._read(url), now, now)
        except (NotReached, UnusableUrl, InvalidInput) as error:
            # What was believed stays believed while it is fresh: a short absence does no harm.
            log.warning(
                "oauth.keys_not_fetched", client=client.id, clinic=client.clinic_id, reason=str(error)
            )
            fresh = known is not None and now - known.good_at < FRESH
            found = _Fetched(known.keys if known and fresh else {}, known.good_at if known else now, now)
        with self._lock:
            if len(self._fetched) >= _MOST_URLS:
                self._fetched.clear()
            self._fetched[url] = found
        return found

    def _read(self, url: str) -> Keys:
        accept = {"Accept": "application/jwk-set+json, application/json"}
        answer = self._outgoing.send("GET", url, headers=accept, timeout=TIMEOUT, limit=LARGEST + 1)
        if answer.status != 200:
            raise NotReached(f"status {answer.status}")
        return read_keys(read_jwks(answer.content))


def _registered(client: ApiClient) -> Keys:
    try:
        return read_keys(client.jwks)
    except InvalidInput as error:
        raise SignInRequired("The keys of this client cannot be had just now.") from error


def read_jwks(text: str | bytes) -> dict[str, Any]:
    """A document with keys as JSON; raises InvalidInput. What is in it is looked at by read_keys."""
    if len(text) > LARGEST:
        raise InvalidInput(Issue(f"A JWKS has at most {LARGEST} bytes.", ("jwks",)))
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(Issue("The JWKS is not JSON.", ("jwks",))) from error
    if not isinstance(found, dict):
        raise InvalidInput(Issue("A JWKS is a JSON object with a list `keys`.", ("jwks",)))
    return found
