"""The fault proxy does to connections what it says: otherwise the other tests here would prove nothing."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.proxy import FaultProxy, fault_proxy
from tests.processes import eventually


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while True:
            try:
                chunk = self.request.recv(1024)
            except ConnectionError:
                return
            if not chunk:
                return
            self.request.sendall(chunk)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


class _UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextmanager
def served(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(params=["tcp", "unix"])
def proxy(request: pytest.FixtureRequest, data_dir: Path) -> Iterator[FaultProxy]:
    path = str(data_dir / "echo")
    if request.param == "unix":
        with served(_UnixServer(path, _Echo)), fault_proxy(path) as made:
            yield made
    else:
        server = _Server(("127.0.0.1", 0), _Echo)
        port = server.socket.getsockname()[1]
        with served(server), fault_proxy(("127.0.0.1", port)) as made:
            yield made


@contextmanager
def connected(proxy: FaultProxy, seconds: float = 20) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), seconds) as connection:
        yield connection


def echoes(connection: socket.socket, word: bytes = b"hello") -> bool:
    connection.sendall(word)
    return connection.recv(100) == word


def is_reset(connection: socket.socket) -> bool:
    try:
        return connection.recv(100) == b""
    except ConnectionError:
        return True


def test_what_is_sent_passes_both_ways(proxy: FaultProxy) -> None:
    with connected(proxy) as one, connected(proxy) as two:
        assert echoes(one)
        assert echoes(two)
        assert proxy.connections == 2
    eventually(lambda: proxy.connections == 0)


def test_a_cut_resets_what_is_connected_and_lets_others_in(proxy: FaultProxy) -> None:
    with connected(proxy) as one:
        assert echoes(one)
        assert proxy.cut() == 1
        assert is_reset(one)
    with connected(proxy) as other:
        assert echoes(other)


def test_who_comes_while_it_refuses_is_hung_up_on(proxy: FaultProxy) -> None:
    proxy.refusing = True
    with connected(proxy) as one:
        assert is_reset(one)
    proxy.refusing = False
    with connected(proxy) as one:
        assert echoes(one)


def test_a_stalled_connection_is_silent_and_a_new_one_is_not(proxy: FaultProxy) -> None:
    with connected(proxy) as one:
        assert echoes(one)
        assert proxy.stall() == 1
        one.sendall(b"lost?")
        with connected(proxy) as other:
            assert echoes(other)
        one.settimeout(0.3)
        with pytest.raises(TimeoutError):
            one.recv(100)
        one.settimeout(20)
        proxy.move()
        assert one.recv(100) == b"lost?"


def test_a_delay_is_at_least_that(proxy: FaultProxy) -> None:
    with connected(proxy) as one:
        assert echoes(one)
        proxy.delay = 0.15
        begun = time.monotonic()
        assert echoes(one)
        assert time.monotonic() - begun >= 0.3  # there and back


def test_a_connection_is_cut_after_so_many_bytes(proxy: FaultProxy) -> None:
    proxy.cut_after = 8
    with connected(proxy) as one:
        assert echoes(one, b"12345678")
        one.sendall(b"9")
        assert is_reset(one)
