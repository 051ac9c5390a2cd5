"""A real SMTP server on loopback that can also be unfriendly."""

from __future__ import annotations

import email
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from aiosmtpd.controller import Controller


class Mailbox:
    """Keeps what it is given. `answer` replaces the reply to DATA; `drop` breaks the connection after DATA."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.answer: str | None = None
        self.drop = False

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
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def smtp_server() -> Iterator[tuple[Mailbox, int]]:
    """(mailbox, port)"""
    mailbox = Mailbox()
    controller = _FreePort(mailbox, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        yield mailbox, controller.port
    finally:
        controller.stop()
