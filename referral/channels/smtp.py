"""Hands mail to an SMTP server: encrypted or not at all, and with an address for what comes back."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import threading
import time
import uuid
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from pathlib import Path
from typing import Final, Literal

from referral.channels.base import Envelope, Fate, Outcome, Progress, Sent
from referral.channels.return_address import ReturnAddresses
from referral.domain.outgoing import generation_of

Security = Literal["none", "starttls", "tls"]
# All of a send ends within it: whoever holds a message has a lease on it.
_LONGEST_SECONDS: Final = 18.0
_CONNECT_SECONDS: Final = 5.0
# A connection that rested longer may have been given up by the other side.
_LONGEST_REST: Final = 20.0
_MOST_MESSAGES: Final = 100
# OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED, _HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH.
_BAD_CERTIFICATE: Final = {10: "has expired", 62: "is for another name", 64: "is for another name"}
# No such mailbox, moved without a new address, not a valid name (RFC 5321, 4.2.3).
_NO_SUCH_MAILBOX: Final = frozenset({550, 551, 553})
_REPORTS_TO: Final = re.compile(r"/([0-9a-f-]{36})/([0-9a-f-]{36})(?:\.\d+)?$")


class _HungUpAtSignIn(smtplib.SMTPException):
    """Some servers do that on a wrong password, before smtplib has tried its second way."""


@dataclass(slots=True)
class _Line:
    """An open connection, signed in; how many messages it has carried, and since when it rests."""

    server: smtplib.SMTP
    carried: int = 0
    resting_since: float = 0.0
    ends_at: float = 0.0

    @property
    def is_fresh(self) -> bool:
        return self.carried == 0

    def hurry(self) -> None:
        """What comes next may take as long as is left, and a moment at least."""
        _hurry(self.server, self.ends_at)

    def hang_up(self) -> None:
        """Politely where the server still listens within a second; the socket is closed in any case."""
        _hurry(self.server, time.monotonic() + 1)
        _quietly(self.server.quit)
        self.server.close()


class SmtpTransport:
    """Messages in a row share a connection: signing in costs more than the message.

    A connection that breaks before DATA has delivered nothing, so the message is tried on a new one. SMTP has
    no idempotency key: one that breaks after DATA leaves the outcome unknown. Safe to share between threads.
    """

    name = "smtp"
    is_real = True
    repeatable = False
    at_once = 4
    # For all of a send, in seconds.
    patience = _LONGEST_SECONDS

    def __init__(
        self,
        host: str,
        port: int,
        *,
        security: Security,
        user: str | None,
        password: str | None,
        mail_from: str,
        ca_file: Path | None = None,
        returns: ReturnAddresses | None = None,
    ) -> None:
        """`ca_file`: authorities to trust in place of the system's. `returns` where bounces are read."""
        self._host, self._port, self._security = host, port, security
        self._user, self._password = user, password
        self._sender = parseaddr(mail_from)[1]
        self._trust = None if security == "none" else ssl.create_default_context(cafile=ca_file)
        self._returns = returns
        self._lock = threading.Lock()
        self._resting: list[_Line] = []
        weakref.finalize(self, _hang_up_all, self._resting)

    def token(self, envelope: Envelope) -> str | None:
        """What bounces of this envelope carry; None where nobody reads them."""
        found = _REPORTS_TO.search(envelope.reports_to)
        if self._returns is None or found is None:
            return None
        message_id = uuid.UUID(found[2])
        return self._returns.token(found[1], message_id, generation_of(message_id, envelope.key))

    def send(self, envelope: Envelope) -> Sent:
        ends_at = time.monotonic() + self.patience
        while True:
            try:
                line = self._line(ends_at)
            except (OSError, smtplib.SMTPException) as error:
                return Sent(Outcome.LATER, reason=f"no SMTP connection: {_no_connection(error)}")
            was_fresh = line.is_fresh
            sent = self._on(line, envelope)
            if sent is not None:
                return sent
            if was_fresh:
                return Sent(Outcome.LATER, reason="the mail server hung up before the message")

    def look_up(self, envelope: Envelope, since: datetime) -> Sent | None:  # noqa: ARG002 - the protocol's
        """A mail server cannot be asked."""
        return None

    def progress(self, reference: str) -> Progress:  # noqa: ARG002 - the protocol's
        """Bounces come as mail."""
        return Progress(Fate.PENDING)

    def _line(self, ends_at: float) -> _Line:
        """One that rests, or a new one; raises what smtplib and the system raise."""
        while True:
            with self._lock:
                line = self._resting.pop() if self._resting else None
            if line is None:
                return _Line(self._connect(ends_at), ends_at=ends_at)
            line.ends_at = ends_at
            if time.monotonic() - line.resting_since < _LONGEST_REST and line.carried < _MOST_MESSAGES:
                return line
            line.hang_up()

    def _rest(self, line: _Line) -> None:
        line.carried += 1
        line.resting_since = time.monotonic()
        with self._lock:
            self._resting.append(line)

    def _connect(self, ends_at: float) -> smtplib.SMTP:
        if self._security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=_CONNECT_SECONDS, context=self._trust
            )
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=_CONNECT_SECONDS)
        try:
            _hurry(server, ends_at)
            if self._security == "starttls":
                # Raises where the server does not offer it: nothing goes out in plain text then.
                server.starttls(context=self._trust)
                _hurry(server, ends_at)
            if self._user is not None:
                self._sign_in(server, self._user)
            server.ehlo_or_helo_if_needed()
        except BaseException:
            server.close()
            raise
        return server

    def _sign_in(self, server: smtplib.SMTP, user: str) -> None:
        try:
            server.login(user, self._password or "")
        except smtplib.SMTPServerDisconnected as error:
            raise _HungUpAtSignIn from error

    def _on(self, line: _Line, envelope: Envelope) -> Sent | None:
        """None where the connection broke before the message, which has certainly not been taken then."""
        try:
            sent = self._address(line, envelope)
        except (OSError, smtplib.SMTPException):
            line.server.close()
            return None
        try:
            if sent is not None:
                line.server.rset()
        except (OSError, smtplib.SMTPException):
            line.server.close()
            return sent
        line.hurry()
        sent = sent or _hand_over(line.server, envelope)
        if sent.outcome is Outcome.UNKNOWN:
            line.server.close()
        else:
            self._rest(line)
        return sent

    def _address(self, line: _Line, envelope: Envelope) -> Sent | None:
        """MAIL and RCPT one by one; what the server says against it, else None."""
        server = line.server
        token = self.token(envelope)
        sender, mail_options, rcpt_options = self._sender, [], []
        if token is not None and self._returns is not None:
            sender = self._returns.address(token)
            if server.has_extn("dsn"):
                mail_options = ["RET=HDRS", f"ENVID={token}"]
                rcpt_options = ["NOTIFY=FAILURE,DELAY", f"ORCPT=rfc822;{_xtext(envelope.address)}"]
        line.hurry()
        code, _ = server.mail(sender, mail_options)
        if code >= 400:
            # Our own address or sign-in is wrong: that says nothing about the recipient.
            return Sent(Outcome.LATER, reason=f"the mail server answered {code} to the sender")
        line.hurry()
        code, _ = server.rcpt(envelope.address, rcpt_options)
        return _refused(code, "recipient") if code >= 400 else None


def _hand_over(server: smtplib.SMTP, envelope: Envelope) -> Sent:
    try:
        code, _ = server.data(envelope.content)
    except smtplib.SMTPDataError as error:
        return _refused(error.smtp_code, "message")
    except (OSError, smtplib.SMTPException) as error:
        return Sent(Outcome.UNKNOWN, reason=f"SMTP broke off during the message ({type(error).__name__})")
    return (
        Sent(Outcome.ACCEPTED, reference=f"smtp:{envelope.key}") if code < 400 else _refused(code, "message")
    )


def _no_connection(error: Exception) -> str:
    """What a person has to mend, in words that quote nothing of the server's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        what = _BAD_CERTIFICATE.get(error.verify_code, "is from no authority that is trusted here")
        return f"the mail server's certificate {what}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"the mail server does not accept the user name or password ({error.smtp_code})"
    for kind, words in _TROUBLE.items():
        if isinstance(error, kind):
            return words
    return type(error).__name__


_TROUBLE: Final[dict[type[Exception], str]] = {
    ssl.SSLError: "TLS with the mail server failed",
    smtplib.SMTPNotSupportedError: (
        "the mail server does not offer the encryption or the sign-in that is set; nothing was sent without"
    ),
    socket.gaierror: "the mail server's name has no address",
    _HungUpAtSignIn: "the mail server hung up at the sign-in; are user name and password right?",
    TimeoutError: "the mail server did not answer in time",
    ConnectionRefusedError: "nothing listens where the mail server should",
}


def _refused(code: int, what: str) -> Sent:
    """4xx means later, 5xx never (RFC 5321, 4.2.1). The server's words may quote the address: not kept."""
    outcome = Outcome.LATER if code < 500 else Outcome.REFUSED
    return Sent(
        outcome,
        reason=f"the mail server answered {code} to the {what}",
        bad_address=what == "recipient" and code in _NO_SUCH_MAILBOX,
        # Greylisting and full mailboxes are the recipient's.
        about_provider=code == 421,
    )


def _xtext(address: str) -> str:
    """RFC 3461, 4: what a parameter may not hold is written in hexadecimal."""
    return "".join(c if "!" <= c <= "~" and c not in "+=" else f"+{ord(c):02X}" for c in address)


def _hurry(server: smtplib.SMTP, ends_at: float) -> None:
    if server.sock is not None:
        server.sock.settimeout(max(ends_at - time.monotonic(), 0.5))


def _hang_up_all(lines: list[_Line]) -> None:
    while lines:
        lines.pop().hang_up()


def _quietly(close: Callable[[], object]) -> None:
    try:
        close()
    except (OSError, smtplib.SMTPException):
        return
