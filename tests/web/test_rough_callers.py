"""Callers that send what no browser sends: odd bytes, slow forms, wrong lengths; and what a bug answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.types import Message

from referral.domain.codes import Role
from referral.domain.errors import Unavailable
from referral.storage.db import Database
from referral.web.app import create_app
from referral.web.middleware import MAX_BODY
from tests.database import ClinicFixture
from tests.web.client import application, runtime
from tests.web.desk import OpenDesk
from tests.web.portal_case import serve

PROTECTED = {
    "content-security-policy": "frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-request-id": "",
}


def ask(app: FastAPI, method: str, path: str, **more: object) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.request(method, path, **more)  # type: ignore[arg-type]

    return asyncio.run(send())


def broken(app: FastAPI) -> FastAPI:
    """With one route that has a bug."""
    router = APIRouter()

    @router.get("/broken")
    def fail() -> None:
        raise ZeroDivisionError("Maren Quillfeather, born 1984-05-17")

    app.include_router(router)
    return app


@pytest.mark.parametrize(
    ("path", "status"), [("/broken", 500), ("/nothing", 404), ("/sign-in", 200), ("/request", 200)]
)
def test_every_answer_is_protected_that_to_a_bug_too(clinic: ClinicFixture, path: str, status: int) -> None:
    response = ask(broken(application(clinic)), "GET", path)
    assert response.status_code == status
    for name, part in PROTECTED.items():
        assert part in response.headers[name], name
    assert "Quillfeather" not in response.text


def test_who_leaves_while_sending_is_no_bug(clinic: ClinicFixture) -> None:
    came: list[Message] = [
        {"type": "http.disconnect"},
        {"type": "http.request", "body": b"email=a", "more_body": True},
    ]
    answer: list[Message] = []

    async def receive() -> Message:
        return came.pop()

    async def send(message: Message) -> None:
        answer.append(message)

    headers = [(b"content-type", b"application/x-www-form-urlencoded"), (b"content-length", b"100")]
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": "/sign-in"}
    rest = {"raw_path": b"/sign-in", "query_string": b"", "headers": headers, "server": ("testserver", 80)}
    asyncio.run(application(clinic)({**scope, **rest, "client": ("127.0.0.1", 1)}, receive, send))
    assert answer[0]["status"] == 400


@pytest.mark.parametrize("charset", ["utf-7", "unicode_escape", "raw_unicode_escape"])
@pytest.mark.parametrize("path", ["/sign-in", "/request/code", "/request/fresh-link"])
def test_text_that_is_no_unicode_is_refused(clinic: ClinicFixture, path: str, charset: str) -> None:
    lone = b"+2AA-" if charset == "utf-7" else b"\\ud800"
    body = b'--X\r\nContent-Disposition: form-data; name="code"\r\n\r\n' + lone + b"\r\n--X--\r\n"
    headers = {"Content-Type": f"multipart/form-data; boundary=X; charset={charset}"}
    response = ask(application(clinic), "POST", path, content=body, headers=headers)
    assert response.status_code == 400


@pytest.mark.parametrize("length", ["²", "-1", "1e3", "9" * 5000, str(MAX_BODY + 1)])
def test_a_length_that_is_none_is_refused(clinic: ClinicFixture, length: str) -> None:
    headers = [(b"Content-Length", length.encode("latin-1"))]
    response = ask(application(clinic), "POST", "/request/code", content=b"code=1", headers=headers)
    assert response.status_code == 413
    assert "frame-ancestors" in response.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("path", "said", "length"),
    [
        ("/request/upload", "Ocupa más de 16 MB.", b"20000000"),
        ("/uploads/1", "It is larger than 16 MB.", b"20000000"),
        ("/verify", "4 MB", b"20000000"),
        ("/requests/new", "This is too large.", b"20000000"),
        ("/requests/new", "This is too large.", b""),
    ],
)
def test_people_who_send_too_much_are_told_so_on_a_page(
    clinic: ClinicFixture, path: str, said: str, length: bytes
) -> None:
    parts, answer = [b"x" * 4_000_000] * 5, list[Message]()
    headers = [
        (b"accept", b"text/html"),
        (b"accept-language", b"es"),
        (b"content-type", b"application/x-www-form-urlencoded"),
    ]
    headers += [(b"content-length", length)] if length else []

    async def receive() -> Message:
        body = parts.pop()
        return {"type": "http.request", "body": body, "more_body": bool(parts)}

    async def send(message: Message) -> None:
        answer.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "query_string": b"",
        "headers": headers,
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 5),
    }
    asyncio.run(application(clinic)(scope, receive, send))
    text = b"".join(message.get("body", b"") for message in answer).decode()
    assert answer[0]["status"] == 413
    assert "<h1" in text
    assert said in text
    # A browser that is cut off shows nothing of it.
    assert (parts == []) == (path != "/requests/new")


@pytest.mark.parametrize(
    "path",
    ["/documents/%00", "/requests/%00", "/orders/%00", "/patients/%00", "/directory/%00", "/outbox/%00"],
)
def test_an_id_that_no_database_takes_is_not_found(
    clinic: ClinicFixture, open_desk: OpenDesk, path: str
) -> None:
    desk = open_desk(clinic, Role.MEDICAL_DIRECTOR)
    desk.get(path)
    assert desk.status == 404


@pytest.mark.parametrize("path", ["/requests/%00/cancel", "/orders/%00/start"])
def test_a_step_on_such_an_id_is_not_found(clinic: ClinicFixture, open_desk: OpenDesk, path: str) -> None:
    desk = open_desk(clinic, Role.MEDICAL_DIRECTOR)
    desk.get("/")
    desk.post(path)
    assert desk.status == 404


@pytest.fixture
def narrow(clinic: ClinicFixture) -> Iterator[Database]:
    """One connection for everybody."""
    made = Database(clinic.database.url, clinic.database.vault, pool_size=1)
    yield made
    made.close()


@contextmanager
def half_sent_form(address: str, path: str, cookie: str = "") -> Iterator[None]:
    """A caller whose form has begun to be read, and does not come."""
    parts = urlsplit(address)
    with closing(socket.create_connection((parts.hostname, parts.port), 10)) as caller:
        head = (
            f"POST {path} HTTP/1.1",
            f"Host: {parts.netloc}",
            f"Cookie: {cookie}",
            "Content-Type: application/x-www-form-urlencoded",
            "Content-Length: 100",
            "Expect: 100-continue",
        )
        caller.sendall("\r\n".join((*head, "", "")).encode())
        # The server says so when the application asks for the body.
        assert b"100 Continue" in caller.recv(100)
        yield


@pytest.mark.parametrize("path", ["/sign-in", "/request/code", "/requests/new", "/sign-out"])
def test_a_form_that_comes_slowly_holds_no_connection_of_the_pool(
    clinic: ClinicFixture, narrow: Database, path: str
) -> None:
    app = create_app(replace(runtime(clinic), database=narrow))
    with serve(app) as address, half_sent_form(address, path, "referral_staff=x; referral_portal=x"):
        assert httpx.get(f"{address}/sign-in", verify=False).status_code == 200


def test_a_full_pool_is_no_bug_but_unavailable(clinic: ClinicFixture, narrow: Database) -> None:
    with narrow.transaction(clinic.id):
        with pytest.raises(Unavailable), narrow.transaction(clinic.id):
            raise AssertionError("there was a second connection")
        response = ask(create_app(replace(runtime(clinic), database=narrow)), "GET", "/sign-in")
    assert response.status_code == 503


def test_an_exception_of_the_database_does_not_quote_what_was_written(clinic: ClinicFixture) -> None:
    with pytest.raises(Exception, match="NUL") as failed, clinic.transaction() as session:
        session.connection.exec_driver_sql("SELECT %s || %s", ("Quillfeather", "\x00"))
    assert "Quillfeather" not in str(failed.value)
