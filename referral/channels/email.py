"""E-mail: constant words with a reference and a link, handed to an SMTP server."""

from __future__ import annotations

import smtplib
import ssl
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Final, Literal

from referral.channels.base import Envelope, Fate, Outcome, Progress, Sent, UnusableAddress

_TIMEOUT_SECONDS: Final = 15
# No such mailbox, moved without a new address, not a valid name (RFC 5321, 4.2.3).
_NO_SUCH_MAILBOX: Final = frozenset({550, 551, 553})


@dataclass(frozen=True, slots=True)
class Mail:
    """`sender` and `recipient` are addresses, possibly with a name; `text` has no personal data in it."""

    sender: str
    recipient: str
    subject: str
    text: str


def compose(mail: Mail, message_id: uuid.UUID, now: datetime) -> bytes:
    """The complete message; the same input gives the same bytes.

    Raises UnusableAddress for a control character in any header and for what is no address of plain letters.
    """
    for value in (mail.sender, mail.recipient, mail.subject):
        if any(ord(character) < 32 or ord(character) == 127 for character in value):
            raise UnusableAddress("The e-mail address holds a control character; please correct the contact.")
    name, address = parseaddr(mail.sender)
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(name, addr_spec=address)
    try:
        recipient = Address(addr_spec=mail.recipient)
    except (ValueError, IndexError, MessageError):
        recipient = Address()
    if not recipient.domain or not mail.recipient.isascii():
        raise UnusableAddress(
            "This is no e-mail address that mail can be sent to; please correct the contact."
        )
    message["To"] = recipient
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{message_id}@{address.partition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message.as_bytes()


class SmtpTransport:
    """One connection per message: a clinic sends few, and a broken connection then concerns only one.

    SMTP has no idempotency key, so a connection that breaks after DATA leaves the outcome unknown.
    """

    name = "smtp"
    is_real = True
    repeatable = False
    at_once = 4

    def __init__(
        self,
        host: str,
        port: int,
        *,
        security: Literal["none", "starttls", "tls"],
        user: str | None,
        password: str | None,
        mail_from: str,
    ) -> None:
        self._host, self._port, self._security = host, port, security
        self._user, self._password = user, password
        self._sender = parseaddr(mail_from)[1]

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=_TIMEOUT_SECONDS, context=context
            )
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=_TIMEOUT_SECONDS)
        try:
            if self._security == "starttls":
                server.starttls(context=context)
            if self._user is not None:
                server.login(self._user, self._password or "")
        except BaseException:
            server.close()
            raise
        return server

    def send(self, envelope: Envelope) -> Sent:
        try:
            server = self._connect()
        except (OSError, smtplib.SMTPException) as error:
            return Sent(Outcome.LATER, reason=f"no SMTP connection ({type(error).__name__})")
        try:
            return self._hand_over(server, envelope)
        finally:
            _quietly(server.quit)

    def look_up(self, envelope: Envelope, since: datetime) -> Sent | None:  # noqa: ARG002 - the protocol's
        """A mail server cannot be asked."""
        return None

    def progress(self, reference: str) -> Progress:  # noqa: ARG002 - the protocol's
        """Bounces come as mail."""
        return Progress(Fate.PENDING)

    def _hand_over(self, server: smtplib.SMTP, envelope: Envelope) -> Sent:
        """MAIL, RCPT and DATA one by one: what fails before DATA was certainly not taken."""
        try:
            server.ehlo_or_helo_if_needed()
            code, _ = server.mail(self._sender)
            if code >= 400:
                # Our own address or sign-in is wrong: that says nothing about the recipient.
                return Sent(Outcome.LATER, reason=f"the mail server answered {code} to the sender")
            code, _ = server.rcpt(envelope.address)
            if code >= 400:
                return _refused(code, "recipient")
        except (OSError, smtplib.SMTPException) as error:
            return Sent(Outcome.LATER, reason=f"SMTP broke off before the message ({type(error).__name__})")
        try:
            code, _ = server.data(envelope.content)
        except smtplib.SMTPDataError as error:
            return _refused(error.smtp_code, "message")
        except (OSError, smtplib.SMTPException) as error:
            return Sent(Outcome.UNKNOWN, reason=f"SMTP broke off during the message ({type(error).__name__})")
        return (
            Sent(Outcome.ACCEPTED, reference=f"smtp:{envelope.key}")
            if code < 400
            else _refused(code, "message")
        )


def _refused(code: int, what: str) -> Sent:
    """4xx means later, 5xx never (RFC 5321, 4.2.1). The server's words may quote the address: not kept."""
    outcome = Outcome.LATER if code < 500 else Outcome.REFUSED
    reason = f"the mail server answered {code} to the {what}"
    return Sent(outcome, reason=reason, bad_address=what == "recipient" and code in _NO_SUCH_MAILBOX)


def _quietly(close: Callable[[], object]) -> None:
    try:
        close()
    except (OSError, smtplib.SMTPException):
        return
