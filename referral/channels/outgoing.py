"""Calls to addresses that others have given: to the address that was checked, within a time, and no further.

No redirects are followed, no proxy of the environment is used, and of an answer no more than asked is read.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

import httpcore
import httpx

from referral.domain.outgoing_urls import Address, Reach, Target, UnusableUrl, check_url, refuse_address

Resolve = Callable[[str, int], list[str]]
_MOST_ADDRESSES: Final = 4


class NotReached(Exception):
    """Nothing usable came back; the sentence holds no secret and no part of the answer."""


@dataclass(frozen=True, slots=True)
class Received:
    """`content` as far as it was asked for."""

    status: int
    content: bytes = b""


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, as the machine's resolver gives them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in found))


class Outgoing:
    """One per process; safe to share between threads. Each call has a connection of its own."""

    def __init__(
        self, reach: Reach, *, trust: ssl.SSLContext | None = None, resolve: Resolve = resolve
    ) -> None:
        self.reach = reach
        self._trust = trust
        self._resolve = resolve

    def check(self, url: str) -> Target:
        """As it is written, without looking anything up; raises UnusableUrl."""
        return check_url(url, self.reach)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Iterable[tuple[str, str]] | Mapping[str, str] = (),
        content: bytes = b"",
        timeout: float,
        limit: int = 0,
    ) -> Received:
        """`timeout` is for all of it, in seconds. `limit` bytes of the body are read, none for 0.

        Raises UnusableUrl, before anything is connected, and NotReached.
        """
        deadline = time.monotonic() + timeout
        target = check_url(url, self.reach)
        backend = _Checked(target, self._addresses(target), deadline)
        if self._trust is None:
            # Made once, on first use: reading the authorities takes some hundredths of a second.
            self._trust = httpx.create_ssl_context()
        pool = httpcore.ConnectionPool(
            ssl_context=self._trust, network_backend=backend, max_connections=1, max_keepalive_connections=0
        )
        try:
            with (
                pool,
                pool.stream(
                    method, url, headers=_raw(headers, target), content=content, extensions=_waits(timeout)
                ) as answer,
            ):
                return Received(answer.status, _body(answer, limit) if limit else b"")
        except httpcore.TimeoutException as error:
            raise NotReached(f"It did not answer within {timeout:g} seconds.") from error
        except ssl.SSLCertVerificationError as error:
            raise NotReached("Its certificate is not valid for this host.") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise NotReached("Its certificate is not valid for this host.") from error
            raise NotReached("It could not be connected to, or the connection broke.") from error

    def _addresses(self, target: Target) -> list[str]:
        """All have to be allowed: which of them is connected to is not ours to choose for long."""
        if target.address is not None:
            return [str(target.address)]
        try:
            found = self._resolve(target.host, target.port)
        except (OSError, UnicodeError) as error:
            raise NotReached("Its host has no address just now.") from error
        for text in found:
            refuse_address(_address(text), target, self.reach)
        if not found:
            raise NotReached("Its host has no address just now.")
        return found[:_MOST_ADDRESSES]


def _address(text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError:
        raise UnusableUrl("Its host has an address of a kind that is not known.") from None


def _raw(headers: Iterable[tuple[str, str]] | Mapping[str, str], target: Target) -> list[tuple[bytes, bytes]]:
    given = list(headers.items() if isinstance(headers, Mapping) else headers)
    usual = target.port == (443 if target.scheme == "https" else 80)
    host = f"[{target.host}]" if ":" in target.host else target.host
    return [
        (b"Host", (host if usual else f"{host}:{target.port}").encode("ascii")),
        (b"Connection", b"close"),
        *((name.encode("ascii"), value.encode("latin-1")) for name, value in given),
    ]


def _waits(timeout: float) -> dict[str, Any]:
    """For each step; the deadline of the whole is kept below, in the connection."""
    return {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout)}


def _body(answer: httpcore.Response, limit: int) -> bytes:
    received = bytearray()
    for chunk in answer.iter_stream():
        received += chunk
        if len(received) > limit:
            raise NotReached(f"Its answer is longer than {limit} bytes.")
    return bytes(received)


class _Checked(httpcore.NetworkBackend):
    """Connects to the addresses that were checked, whatever the name leads to by now."""

    def __init__(self, target: Target, addresses: list[str], deadline: float) -> None:
        self._target = target
        self._addresses = addresses
        self._deadline = deadline
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline of the whole counts
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        if (host.strip("[]"), port) != (self._target.host, self._target.port):
            raise httpcore.ConnectError("another host than the one that was checked")
        broken: Exception = httpcore.ConnectError("no address")
        for address in self._addresses:
            try:
                stream = self._plain.connect_tcp(
                    address, port, _left(self._deadline), local_address, socket_options
                )
                return _InTime(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                broken = error
        raise broken


class _InTime(httpcore.NetworkStream):
    """A connection that ends at a moment, however slowly single bytes arrive."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - see connect_tcp
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - see connect_tcp
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - see connect_tcp
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _InTime(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("out of time")
    return left
