"""Faxes through an HTTP provider. What differs between providers is in FaxProvider; the rest is here."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from referral.channels.base import Envelope, Fate, Outcome, Progress, Sent, UnusableAddress
from referral.channels.http_provider import Answer, Call, InDoubt, NotSent, Provider, not_now
from referral.channels.numbers import e164

_PAGES: Final = 4
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Fax:
    """`to` is E.164. `key` comes back with everything that the provider tells of it."""

    to: str
    pdf: bytes
    key: uuid.UUID
    reports_to: str


class FaxProvider(Protocol):
    """The calls of one provider, and what its answers mean. Nothing here goes out by itself."""

    name: str
    repeatable: bool

    def submission(self, fax: Fax) -> Call:
        """Hand over one fax."""
        ...

    def taken(self, answer: Answer) -> Sent:
        """What an answer below 500, other than 429, to a submission means."""
        ...

    def search(self, to: str, since: datetime, page: int) -> Call:
        """The faxes to a number, pages counted from 1."""
        ...

    def found(self, answer: Answer, key: uuid.UUID) -> tuple[str | None, bool]:
        """(its name for the fax with this key or None, whether there is another page)."""
        ...

    def status(self, reference: str) -> Call:
        """Ask for one fax."""
        ...

    def progress(self, answer: Answer) -> Progress:
        """What became of it."""
        ...

    def file(self, reference: str) -> Call:
        """The pages of a fax that has come in."""
        ...


class FaxTransport:
    """A Transport over one provider; `address` makes of where reports are wanted what it is given."""

    is_real = True
    at_once = 4

    def __init__(self, provider: Provider, adapter: FaxProvider, address: Callable[[str], str] = str) -> None:
        self._provider, self._adapter, self._address = provider, adapter, address
        self.name, self.repeatable = adapter.name, adapter.repeatable

    def send(self, envelope: Envelope) -> Sent:
        try:
            to = e164(envelope.address)
        except UnusableAddress as error:
            return Sent(Outcome.REFUSED, reason=str(error), bad_address=True)
        if not envelope.content.startswith(b"%PDF"):
            return Sent(Outcome.REFUSED, reason="only a PDF can be faxed")
        reports_to = self._address(envelope.reports_to)
        call = self._adapter.submission(Fax(to, envelope.content, envelope.key, reports_to))
        try:
            answer = self._provider.call(call)
        except NotSent as error:
            return Sent(Outcome.LATER, reason=f"fax: {error}")
        except InDoubt as error:
            return Sent(Outcome.UNKNOWN, reason=f"fax: {error}")
        return not_now(answer, "fax") or self._adapter.taken(answer)

    def look_up(self, envelope: Envelope, since: datetime) -> Sent | None:
        """By our key, among the faxes to this number."""
        try:
            to, deadline = e164(envelope.address), self._provider.deadline()
            for page in range(1, _PAGES + 1):
                call = self._adapter.search(to, since - _CLOCKS_DIFFER, page)
                answer = self._provider.call(call, deadline=deadline)
                if answer.status != 200:
                    raise InDoubt(f"it answered {answer.status}")
                reference, more = self._adapter.found(answer, envelope.key)
                if reference:
                    return Sent(Outcome.ACCEPTED, reference=reference)
                if not more:
                    return Sent(Outcome.LATER, reason="the fax provider does not know it")
        except UnusableAddress:
            return Sent(Outcome.LATER, reason="nothing can have been sent to this number")
        except (NotSent, InDoubt) as error:
            return Sent(Outcome.UNKNOWN, reason=f"fax: {error}")
        return None

    def progress(self, reference: str) -> Progress:
        """PENDING also where it cannot be asked just now."""
        try:
            answer = self._provider.call(self._adapter.status(reference))
        except (NotSent, InDoubt):
            return Progress(Fate.PENDING)
        return self._adapter.progress(answer) if answer.status == 200 else Progress(Fate.PENDING)

    def fetch_file(self, reference: str, limit: int) -> bytes:
        """The pages of a fax that has come in, as the provider keeps them; raises NotSent and InDoubt.

        More than `limit` bytes are not read.
        """
        answer = self._provider.call(self._adapter.file(reference), limit=limit)
        if answer.status != 200:
            raise InDoubt(f"the fax provider answered {answer.status}")
        return answer.content
