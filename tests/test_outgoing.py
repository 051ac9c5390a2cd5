"""Calls to addresses of others, over real sockets."""

from __future__ import annotations

import ssl
import threading
import time
from pathlib import Path

import pytest

from referral.channels.outgoing import NotReached, Outgoing, Received
from referral.domain.outgoing_urls import Reach, UnusableUrl, read_networks
from tests.receiver import Receiver, certificate, receiving

DEVELOPMENT = Reach(development=True)
LOOPBACK = Reach(read_networks("127.0.0.0/8"))


def test_what_is_sent_arrives_and_the_answer_comes_back() -> None:
    with receiving(Receiver(status=202, answer=b"thank you")) as receiver:
        got = Outgoing(DEVELOPMENT).send(
            "POST", receiver.url, headers=[("X-Secret", "s")], content=b"{}", timeout=5, limit=100
        )
    assert got == Received(202, b"thank you")
    (call,) = receiver.calls
    assert (call.method, call.path, call.body, call.headers["x-secret"]) == ("POST", "/hook", b"{}", "s")
    assert call.headers["host"] == f"127.0.0.1:{receiver.port}"


def test_redirects_are_answers_and_not_followed() -> None:
    with receiving() as other, receiving(Receiver(status=307, headers={"Location": other.url})) as receiver:
        assert Outgoing(DEVELOPMENT).send("POST", receiver.url, timeout=5).status == 307
    assert other.calls == []


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        Outgoing(DEVELOPMENT).send("GET", receiver.url, timeout=5)
    assert (len(proxy.calls), len(receiver.calls)) == (0, 1)


def test_an_answer_that_is_too_long_is_not_taken() -> None:
    with receiving(Receiver(answer=b"x" * 5000)) as receiver:
        outgoing = Outgoing(DEVELOPMENT)
        with pytest.raises(NotReached, match="longer than 4999 bytes"):
            outgoing.send("GET", receiver.url, timeout=5, limit=4999)
        assert outgoing.send("GET", receiver.url, timeout=5) == Received(200)


@pytest.mark.parametrize("slow", [Receiver(pause=threading.Event()), Receiver(drip=threading.Event())])
def test_the_time_is_for_all_of_it_however_slowly_bytes_arrive(slow: Receiver) -> None:
    started = time.monotonic()
    with receiving(slow) as receiver, pytest.raises(NotReached, match=r"within 0\.3 seconds"):
        Outgoing(DEVELOPMENT).send("GET", receiver.url, timeout=0.3)
    assert time.monotonic() - started < 3


def test_nobody_there_and_a_broken_connection_are_said() -> None:
    with receiving() as receiver:
        pass
    with pytest.raises(NotReached, match="could not be connected"):
        Outgoing(DEVELOPMENT).send("GET", receiver.url, timeout=5)
    with pytest.raises(NotReached, match="no address"):
        Outgoing(Reach(), resolve=lambda *_: []).send("GET", "https://hooks.example.org/", timeout=5)


def test_the_name_is_spoken_and_the_checked_address_connected_to(data_dir: Path) -> None:
    """Certificate, SNI and Host are those of the name, although the connection goes to an address."""
    server, trust = certificate(data_dir, "hooks.example.org")
    spoken: list[str | None] = []

    def hear(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        spoken.append(name)

    server.sni_callback = hear
    with receiving(tls=server) as receiver:
        outgoing = Outgoing(LOOPBACK, trust=trust, resolve=lambda *_: ["127.0.0.1"])
        url = f"https://hooks.example.org:{receiver.port}/hook"
        assert outgoing.send("POST", url, timeout=5).status == 200
        with pytest.raises(NotReached, match="certificate"):
            outgoing.send("POST", f"https://other.example.org:{receiver.port}/hook", timeout=5)
        with pytest.raises(NotReached, match="certificate"):
            Outgoing(LOOPBACK, resolve=lambda *_: ["127.0.0.1"]).send("POST", url, timeout=5)
    assert spoken == ["hooks.example.org", "other.example.org", "hooks.example.org"]
    assert [call.headers["host"] for call in receiver.calls] == [f"hooks.example.org:{receiver.port}"]


@pytest.mark.parametrize(
    "answers",
    [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"], ["169.254.169.254"], ["fe80::1%eth0"]],
)
def test_a_name_that_leads_inside_is_not_connected_to(answers: list[str]) -> None:
    with receiving() as receiver:
        url = f"https://hooks.example.org:{receiver.port}/hook"
        with pytest.raises(UnusableUrl):
            Outgoing(Reach(), resolve=lambda *_: answers).send("POST", url, timeout=5)
    assert receiver.calls == []


def test_a_name_that_leads_elsewhere_by_then_is_not_asked_again() -> None:
    """DNS rebinding: one look-up, and the connection goes to what it said."""
    asked = 0

    def once(host: str, _: int) -> list[str]:
        nonlocal asked
        asked += 1
        return ["127.0.0.2"] if asked == 1 else ["127.0.0.1"]

    with receiving() as receiver, pytest.raises(NotReached):
        # Nobody listens on 127.0.0.2: a second look-up would have found the receiver.
        Outgoing(LOOPBACK, resolve=once).send("POST", f"https://a.example.org:{receiver.port}/", timeout=5)
    assert (asked, receiver.calls) == (1, [])
