"""A real SMTP server on loopback that can also be unfriendly, and knows TLS, sign-in and DSN."""

from __future__ import annotations

import asyncio
import email
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from aiosmtpd import smtp as smtpd
from aiosmtpd.controller import Controller


class Mailbox:
    """Keeps what it is given. `answer` replaces the reply to DATA, `sender_answer` that to MAIL,
    `recipient_answer` that to RCPT.

    `drop` hangs up after DATA; `hang_up_at_mail` as often as it says at MAIL. `refused` are recipients that
    it does not know. `dsn` says that it sends reports as asked. `options` are what came with MAIL and RCPT,
    `connections` how many there were.
    """

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.senders: list[str] = []
        self.options: list[str] = []
        self.refused: set[str] = set()
        self.answer: str | None = None
        self.sender_answer: str | None = None
        self.recipient_answer: str | None = None
        self.drop = False
        self.dsn = False
        self.hang_up_at_mail = 0
        self.connections: list[Any] = []
        self.encrypted: list[bool] = []

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's names, and it counts the arguments
        self, _server: Any, session: Any, _envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-DSN", responses[-1]] if self.dsn else responses

    async def handle_MAIL(self, *given: Any) -> str:  # noqa: N802 - aiosmtpd's names
        server, session, envelope, address, options = given
        if session not in self.connections:
            self.connections.append(session)
            self.encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        if self.hang_up_at_mail:
            self.hang_up_at_mail -= 1
            server.transport.close()
        envelope.mail_from = address
        self.options += options
        return self.sender_answer or "250 OK"

    async def handle_RCPT(self, *given: Any) -> str:  # noqa: N802 - aiosmtpd's names
        _server, _session, envelope, address, options = given
        if address in self.refused:
            return "550 5.1.1 No such mailbox"
        self.options += options
        if self.recipient_answer is None:
            envelope.rcpt_tos.append(address)
        return self.recipient_answer or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802, ARG002 - aiosmtpd's names
        if self.answer is not None:
            return self.answer
        parsed = email.message_from_bytes(envelope.content, policy=SMTP)
        assert isinstance(parsed, EmailMessage)
        self.messages.append(parsed)
        self.senders.append(envelope.mail_from)
        if self.drop:
            server.transport.close()
        return "250 OK"


class _WithDsn(smtpd.SMTP):
    """Takes the parameters of RFC 3461, which aiosmtpd does not know; its handler sees them all the same."""

    def _getparams(self, params: Sequence[str]) -> Any:
        dsn = ("RET=", "ENVID=", "NOTIFY=", "ORCPT=")
        known = [text for text in params if not (self.event_handler.dsn and text.startswith(dsn))]
        return super()._getparams(known)


class _FreePort(Controller):
    """Lets the system choose the port, and then says which one it is."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.made: list[smtpd.SMTP] = []

    def factory(self) -> smtpd.SMTP:
        made = _WithDsn(self.handler, **self.SMTP_kwargs)
        self.made.append(made)
        return made

    def hang_up(self) -> None:
        """A client may keep its connection for the next message; aiosmtpd would leave it half open."""
        done = threading.Event()

        def close() -> None:
            for one in self.made:
                for transport in (one.transport, one._original_transport):
                    # What lies under an encrypted one: Python 3.11 cannot abort that itself.
                    # One that is closed already has nothing below it, and cannot be aborted either.
                    inner = getattr(transport, "_ssl_protocol", transport)
                    below: Any = inner if inner is transport else getattr(inner, "_transport", None)
                    if below is not None:
                        below.abort()
            self.loop.call_soon(self.loop.call_soon, done.set)

        self.loop.call_soon_threadsafe(close)
        assert done.wait(60)

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd has no types here


def _sign_in(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> smtpd.AuthResult:
    known = smtpd.LoginPassword(b"clinic", b"right horse")
    return smtpd.AuthResult(success=given == known, handled=False)


@contextmanager
def smtp_server(
    mailbox: Mailbox | None = None,
    port: int = 0,
    *,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    sign_in: bool = False,
) -> Iterator[tuple[Mailbox, int]]:
    """(mailbox, port); a mailbox and a port of before make it the same server that comes back.

    With `sign_in` it takes mail only from user `clinic` with password `right horse`.
    """
    mailbox = mailbox or Mailbox()
    options: dict[str, Any] = {"tls_context": starttls, "require_starttls": starttls is not None}
    if sign_in:
        options |= {"authenticator": _sign_in, "auth_required": True, "auth_require_tls": tls is None}
    controller = _FreePort(mailbox, hostname="127.0.0.1", port=port, ssl_context=tls, **options)
    controller.start()
    try:
        yield mailbox, controller.port
    finally:
        controller.hang_up()
        controller.stop()
