"""Takes in mail that comes back, by SMTP, and only that: into the Maildir from which it is read."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress
from typing import Any, Final

import structlog
from aiosmtpd.smtp import SMTP

from referral.channels.maildir import Maildir
from referral.channels.return_address import ReturnAddresses

log = structlog.get_logger(__name__)
# aiosmtpd writes down who sends to whom.
logging.getLogger("mail.log").setLevel(logging.ERROR)
# A letter that comes back whole is smaller; a larger report could not come back at all.
_LARGEST: Final = 8 * 1024 * 1024
_MOST_CONNECTIONS: Final = 40
_MOST_RECIPIENTS: Final = 10
_PATIENCE_SECONDS: Final = 60.0
# A server that brings a mail is done long before, and each command says something only so often.
_LONGEST_SECONDS: Final = 300.0
_MOST_COMMANDS: Final = 40


class _Taker:
    """aiosmtpd calls these. A mail is acknowledged when it is on the disk, and else has to come again."""

    def __init__(self, maildir: Maildir, returns: ReturnAddresses) -> None:
        self._maildir, self._returns = maildir, returns

    async def handle_RCPT(self, *given: Any) -> str:  # noqa: N802 - aiosmtpd's names
        _server, _session, envelope, address, _options = given
        if not self._returns.is_ours(address):
            return "550 5.1.1 Only mail that was returned is taken here"
        if len(envelope.rcpt_tos) >= _MOST_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - as above
        content = bytes(envelope.content)
        try:
            if not await asyncio.to_thread(self._maildir.has_room):
                log.error("returned-mail.no-room")
                return "452 4.3.1 Too much waits here already; please try again later"
            for address in envelope.rcpt_tos:
                mail = b"Delivered-To: " + address.encode("ascii") + b"\r\n" + content
                await asyncio.to_thread(self._maildir.deliver, mail)
        except OSError as error:
            log.error("returned-mail.not-kept", cause=type(error).__name__)
            return "451 4.3.0 It cannot be kept just now; please try again"
        return "250 2.0.0 Kept"


class _Full(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(b"421 4.3.2 Too many connections; please try again later\r\n")
            transport.close()


async def listen(host: str, port: int, maildir: Maildir, returns: ReturnAddresses) -> asyncio.Server:
    """A server that is listening; raises OSError where it cannot. Port 0 takes a free one."""
    taker, open_ones = _Taker(maildir, returns), set[SMTP]()

    def answer() -> asyncio.Protocol:
        if len(open_ones) >= _MOST_CONNECTIONS:
            return _Full()
        return _Counted(
            open_ones,
            taker,
            hostname=returns.domain,
            ident="Returned mail",
            data_size_limit=_LARGEST,
            timeout=_PATIENCE_SECONDS,
            command_call_limit=_MOST_COMMANDS,
            loop=asyncio.get_running_loop(),
        )

    return await asyncio.get_running_loop().create_server(answer, host, port)


class _Counted(SMTP):
    """Counts itself among the open ones while its connection lasts."""

    # Longer than a line may be: what is returned was written by anybody, and nobody would send it once more.
    line_length_limit = 1024 * 1024

    def __init__(self, open_ones: set[SMTP], taker: _Taker, **options: Any) -> None:
        super().__init__(taker, **options)
        self._open_ones = open_ones
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        self._open_ones.add(self)
        super().connection_made(transport)
        self._end = asyncio.get_running_loop().call_later(_LONGEST_SECONDS, transport.abort)

    def connection_lost(self, error: Exception | None) -> None:
        self._open_ones.discard(self)
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(error)


async def listen_until_told_to_stop(address: str, maildir: Maildir, returns: ReturnAddresses) -> None:
    """`address` is HOST:PORT. Returns after SIGTERM or SIGINT; raises OSError where it cannot listen."""
    host, _, port = address.rpartition(":")
    maildir.make()
    server = await listen(host.strip("[]"), int(port), maildir, returns)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    log.info("returned-mail.listening", port=server.sockets[0].getsockname()[1])
    async with server:
        await stop.wait()
    with suppress(asyncio.CancelledError):
        await server.wait_closed()
