"""Short messages through Twilio's REST API: constant words with a link or a code, nothing about a patient.

It knows no idempotency key. What is in doubt is looked for among the messages to that number by its words.
Two notices about one request may have the same: all that are found are told, newest first, and whoever asks
passes over those that are known to be other messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from referral.channels.base import Envelope, Fate, Outcome, Progress, Sent, UnusableAddress
from referral.channels.http_provider import Answer, Call, InDoubt, NotSent, Provider, not_now, not_ours
from referral.channels.numbers import e164

_FORM: Final = (("Content-Type", "application/x-www-form-urlencoded"),)
_PAGES: Final = 4
_CLOCKS_DIFFER: Final = timedelta(minutes=5)
# Its codes about the recipient's number, as its error dictionary explains them: (words, is it a bad number?).
# All others of 4xx are about our account or our request, and say nothing about the recipient.
_REFUSED: Final = {
    21211: ("this is no valid number", True),
    21214: ("this number cannot be reached", True),
    21217: ("this is no valid number", True),
    21265: ("this number cannot be a short code", True),
    21610: ("the recipient has written STOP", False),
    21612: ("this number cannot be reached from ours", False),
    21614: ("this is no mobile number", True),
    21635: ("this is a landline", True),
}
_UNDELIVERED: Final = {
    30003: ("the telephone is switched off or out of reach", False),
    30004: ("the recipient or the carrier blocks it", False),
    30005: ("this number is unknown", True),
    30006: ("this is a landline, or its carrier takes no messages", True),
    30007: ("the carrier has filtered it out", False),
    21610: ("the recipient has written STOP", False),
}
_FATES: Final = {
    "delivered": Fate.DELIVERED,
    "read": Fate.DELIVERED,
    "undelivered": Fate.FAILED,
    "failed": Fate.FAILED,
    "canceled": Fate.FAILED,
}


def progress_of(status: str, code: str | int | None) -> Progress:
    """What its words for a state mean; those of a message on its way are no news."""
    fate = _FATES.get(status, Fate.PENDING)
    if fate is not Fate.FAILED:
        return Progress(fate)
    said = "" if code is None else str(code)
    number = int(said) if said.isdecimal() and len(said) < 7 else 0
    words, bad = _UNDELIVERED.get(number, ("the SMS provider could not deliver it", False))
    return Progress(fate, f"{words} ({number})" if number else words, bad_address=bad)


class TwilioSms:
    """`sender` is a number of ours, or the id of a messaging service (MG…).

    `account_sid` is needed where we sign in by a key of the account. `address` makes of where reports are
    wanted what the provider is given.
    """

    name = "sms"
    is_real = True
    at_once = 48

    def __init__(
        self,
        provider: Provider,
        *,
        sender: str,
        account_sid: str | None = None,
        repeatable: bool = False,
        address: Callable[[str], str] = str,
    ) -> None:
        self._provider, self._sender, self.repeatable = provider, sender, repeatable
        self._address = address
        account = quote(account_sid or provider.account.user, safe="")
        self._messages = f"/2010-04-01/Accounts/{account}/Messages"

    def send(self, envelope: Envelope) -> Sent:
        """429, 5xx and no connection: later. A known code about the number: refused."""
        if not envelope.content_type.startswith("text/plain"):
            return Sent(Outcome.REFUSED, reason="only words can be sent as SMS")
        try:
            call = self._submission(envelope)
        except UnusableAddress as error:
            return Sent(Outcome.REFUSED, reason=str(error), bad_address=True)
        try:
            return _taken(self._provider.call(call))
        except NotSent as error:
            return Sent(Outcome.LATER, reason=f"SMS: {error}")
        except InDoubt as error:
            return Sent(Outcome.UNKNOWN, reason=f"SMS: {error}")

    def _submission(self, envelope: Envelope) -> Call:
        fields = {"To": e164(envelope.address), "Body": _words(envelope)}
        fields["MessagingServiceSid" if self._sender.startswith("MG") else "From"] = self._sender
        if reports_to := self._address(envelope.reports_to):
            fields["StatusCallback"] = reports_to
        headers = (*_FORM, ("Idempotency-Key", str(envelope.key)))
        return Call("POST", f"{self._messages}.json", headers=headers, content=urlencode(fields).encode())

    def look_up(self, envelope: Envelope, since: datetime) -> Sent | None:
        """Read newest first until what is older than `since`.

        Not filtered by DateSent: a message that waits in its queue has none yet.
        """
        try:
            names = [
                str(found["sid"])
                for found in self._messages_to(e164(envelope.address), since - _CLOCKS_DIFFER)
                if found.get("body") == _words(envelope) and found.get("sid")
            ]
        except UnusableAddress:
            return Sent(Outcome.LATER, reason="nothing can have been sent to this number")
        except _TooMany:
            return None
        except (NotSent, InDoubt) as error:
            return Sent(Outcome.UNKNOWN, reason=f"SMS: {error}")
        if not names:
            return Sent(Outcome.LATER, reason="the SMS provider does not know it")
        return Sent(Outcome.ACCEPTED, reference=names[0], others=tuple(names[1:]))

    def _messages_to(self, number: str, oldest: datetime) -> Iterator[dict[str, Any]]:
        """Newest first; _TooMany where those since `oldest` are more than are looked through."""
        deadline = self._provider.deadline()
        query = {"To": number, "PageSize": "200"}
        for _ in range(_PAGES):
            answer = self._provider.call(Call("GET", f"{self._messages}.json", query), deadline=deadline)
            if answer.status != 200 or not isinstance(answer.json.get("messages"), list):
                raise InDoubt(f"it answered {answer.status}")
            for row in (row for row in answer.json["messages"] if isinstance(row, dict)):
                created = _moment(row.get("date_created"))
                if created is not None and created < oldest:
                    return
                yield row
            following = answer.json.get("next_page_uri")
            if not following:
                return
            query = dict(parse_qsl(urlsplit(str(following)).query))
        raise _TooMany

    def progress(self, reference: str) -> Progress:
        """PENDING also where it cannot be asked just now."""
        try:
            answer = self._provider.call(Call("GET", f"{self._messages}/{quote(reference, safe='')}.json"))
        except (NotSent, InDoubt):
            return Progress(Fate.PENDING)
        if answer.status != 200:
            return Progress(Fate.PENDING)
        return progress_of(str(answer.json.get("status")), answer.json.get("error_code"))


class _TooMany(Exception):
    """More messages to one number than are looked through."""


def _words(envelope: Envelope) -> str:
    return envelope.content.decode().strip()


def _taken(answer: Answer) -> Sent:
    delayed = not_now(answer, "SMS")
    if delayed is not None:
        return delayed
    said = answer.json
    if answer.status < 300:
        if said.get("sid"):
            return Sent(Outcome.ACCEPTED, reference=str(said["sid"])[:64])
        return Sent(
            Outcome.UNKNOWN, reason=f"the SMS provider answered {answer.status} without a name for it"
        )
    code = said.get("code")
    if isinstance(code, int) and code in _REFUSED:
        words, bad = _REFUSED[code]
        return Sent(Outcome.REFUSED, reason=f"{words} ({code})", bad_address=bad)
    detail = f", code {code}" if isinstance(code, int) else ""
    return not_ours(answer, "SMS", detail)


def _moment(text: object) -> datetime | None:
    try:
        return parsedate_to_datetime(str(text))
    except ValueError:
        return None
