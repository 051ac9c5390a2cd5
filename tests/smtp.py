"""A real SMTP server on loopback that can also be unfriendly."""

from __future__ import annotations

import asyncio
import email
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from aiosmtpd.controller import Controller


class Mailbox:
    """Keeps what it is given. `answer` replaces the reply to DATA, `sender_answer` that to MAIL,
    `recipient_answer` that to RCPT. `drop` hangs up after DATA.
    """

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.answer: str | None = None
        self.sender_answer: str | None = None
        self.recipient_answer: str | None = None
        self.drop = False

    async def handle_MAIL(self, *given: Any) -> str:  # noqa: N802 - aiosmtpd's names
        _server, _session, envelope, address, _options = given
        envelope.mail_from = address
        return self.sender_answer or "250 OK"

    async def handle_RCPT(self, *given: Any) -> str:  # noqa: N802 - aiosmtpd's names
        _server, _session, envelope, address, _options = given
        if self.recipient_answer is None:
            envelope.rcpt_tos.append(address)
        return self.recipient_answer or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802, ARG002 - aiosmtpd's names
        if self.answer is not None:
            return self.answer
        parsed = email.message_from_bytes(envelope.content, policy=SMTP)
        assert isinstance(parsed, EmailMessage)
        self.messages.append(parsed)
        if self.drop:
            server.transport.close()
        return "250 OK"


class _FreePort(Controller):
    """Lets the system choose the port, and then says which one it is."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd has no types here


@contextmanager
def smtp_server(mailbox: Mailbox | None = None, port: int = 0) -> Iterator[tuple[Mailbox, int]]:
    """(mailbox, port); a mailbox and a port of before make it the same server that comes back."""
    mailbox = mailbox or Mailbox()
    controller = _FreePort(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield mailbox, controller.port
    finally:
        controller.stop()
