"""Faxes by an e-mail-to-fax gateway."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from referral.channels.base import Envelope, Outcome, Progress, Sent
from referral.channels.email import Fax, compose_fax
from referral.channels.smtp import SmtpTransport


class FaxMailTransport:
    """`number@gateway` through the mail server. The weakest of the ways: a gateway tells little."""

    name = "fax-mail"
    is_real = True
    repeatable = False
    at_once = 2

    def __init__(self, smtp: SmtpTransport, gateway: str, mail_from: str) -> None:
        """`gateway` is a mail domain."""
        self._smtp, self._gateway, self._mail_from = smtp, gateway, mail_from

    def send(self, envelope: Envelope) -> Sent:
        number = "".join(character for character in envelope.address if character.isdecimal())
        if len(number) == 10:
            number = f"1{number}"
        if not number.isascii() or len(number) != 11 or not number.startswith("1"):
            return Sent(Outcome.REFUSED, reason="this is no fax number of North America")
        address = f"{number}@{self._gateway}"
        token = self._smtp.token(envelope) or str(envelope.key)
        fax = Fax(sender=self._mail_from, recipient=address, content=envelope.content)
        mail = compose_fax(fax, token, datetime.now(UTC))
        return self._smtp.send(
            replace(envelope, address=address, content=mail, content_type="message/rfc822")
        )

    def look_up(self, envelope: Envelope, since: datetime) -> Sent | None:
        return self._smtp.look_up(envelope, since)

    def progress(self, reference: str) -> Progress:
        return self._smtp.progress(reference)
