"""A provider of SMS (Twilio's shape) and fax (Sinch's version 3) on loopback that does what it is told.

It keeps what it has accepted and counts it by key, so that a duplicate can be proven.
`python -m tests.provider --port 8099` runs it alone, for benchmarks and faults. It is then steered by
POST /_script, and tells by GET /_state.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import itertools
import json
import re
import socket
import sys
import threading
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import httpx
import uvicorn

from referral.channels.signatures import body_signature, twilio_signature

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
USER: Final = "AC0123456789abcdef"
PASSWORD: Final = "provider-token"
SECRET: Final = "webhook-secret"
PROJECT: Final = "project-1"
_SMS: Final = re.compile(r"/2010-04-01/Accounts/([^/]+)/Messages(?:/([^/]+))?\.json")
_FAX: Final = re.compile(r"/v3/projects/([^/]+)/faxes(?:/([^/]+?))?(/file\.pdf)?")
# What it can do with a submission. "after": it has been accepted; the caller does not get to know.
BEHAVIOURS: Final = frozenset(
    {
        "accept",
        "reject",  # with `code`
        "throttle",  # 429 with Retry-After of `retry_after` seconds
        "error",  # 500, nothing accepted
        "gateway",  # 502 after accepting
        "hang-before",
        "hang-after",
        "drop-before",
        "drop-after",
        "nonsense",  # 200 and no JSON, after accepting
    }
)


@dataclass(slots=True)
class Accepted:
    """One message. `key` is ours where we gave one; `status` is in the provider's own words."""

    id: str
    kind: str
    key: str
    to: str
    fields: dict[str, str]
    content: bytes
    callback: str
    at: datetime
    status: str = "queued"
    error: int | None = None
    message: str = ""


@dataclass
class FakeProvider:
    """`script` is for the next submissions one by one; then `behaviour` holds. Both may be changed.

    `idempotent`: a key that it has accepted is answered with the same id, and not accepted again.
    `lean`: keeps counts only, for benchmarks. `latency` in seconds, for each submission. `callbacks` are told
    by itself after each acceptance, for example ("delivered",), or ("failed", "delivered", "delivered").
    """

    behaviour: str = "accept"
    script: deque[str] = field(default_factory=deque)
    code: int = 21211
    retry_after: int = 7
    idempotent: bool = False
    lean: bool = False
    latency: float = 0.0
    callbacks: tuple[str, ...] = ()
    accepted: dict[str, Accepted] = field(default_factory=dict)
    per_key: Counter[str] = field(default_factory=Counter)
    submissions: int = 0
    in_hand: int = 0
    unauthorized: int = 0
    lookups: int = 0
    connections: set[tuple[str, int]] = field(default_factory=set)
    port: int = 0
    # Set when it has done with a submission what it was told, before any answer; a test waits for it.
    reached: threading.Event = field(default_factory=threading.Event, repr=False)

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._by_key: dict[str, str] = {}
        self._released = threading.Event()
        self._telling: set[asyncio.Task[None]] = set()

    # ---- What tests ask and tell

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sms_url(self) -> str:
        """As a setting."""
        return f"twilio+http://{USER}:{PASSWORD}@127.0.0.1:{self.port}?from=%2B13035550100"

    @property
    def fax_url(self) -> str:
        """As a setting."""
        host = f"sinch+http://{USER}:{PASSWORD}@127.0.0.1:{self.port}"
        return f"{host}/v3/projects/{PROJECT}?secret={SECRET}&from=%2B13035550143"

    @property
    def duplicates(self) -> int:
        """How many acceptances were one too many."""
        return sum(count - 1 for count in self.per_key.values())

    def release(self) -> None:
        """Calls that hang are dropped."""
        self._released.set()

    def set(self, id: str, status: str, error: int | None = None, message: str = "") -> None:
        """What it will say when it is asked about one message."""
        one = self.accepted[id]
        one.status, one.error, one.message = status, error, message

    def tell(self, id: str, status: str, **how: Any) -> int:
        """Call back about one message; returns the answer's status. See callback() for `how`."""
        url, headers, body = self.callback(id, status, **how)
        with httpx.Client(verify=False, trust_env=False, timeout=60) as client:
            return client.post(url, headers=headers, content=body).status_code

    def callback(
        self,
        id: str,
        status: str,
        *,
        error: int | None = None,
        message: str = "",
        to: str | None = None,
        secret: str | None = None,
        age: int = 0,
        at: datetime | None = None,
    ) -> tuple[str, dict[str, str], bytes]:
        """(url, headers, body), truly signed. `secret` is that of a forger; `age` in seconds makes it old.

        `to` is another address than it is signed for, and than it was asked to call.
        """
        one = self.accepted[id]
        one.status, one.error, one.message = status, error, message
        if one.kind == "sms":
            form = {"MessageSid": id, "MessageStatus": status, "To": one.to, "AccountSid": USER}
            if error is not None:
                form["ErrorCode"] = str(error)
            signature = twilio_signature(secret or PASSWORD, one.callback, form.items())
            headers = {
                "Content-Type": "application/x-www-form-urlencoded",
                "X-Twilio-Signature": signature,
            }
            return to or one.callback, headers, urlencode(form).encode()
        told = {"event": "FAX_COMPLETED", "eventTime": _iso(at or datetime.now(UTC)), "fax": _fax(one)}
        body = json.dumps(told).encode()
        stamp = str(int((at or datetime.now(UTC)).timestamp()) - age)
        headers = {
            "Content-Type": "application/json",
            "X-Fax-Timestamp": stamp,
            "X-Fax-Signature": body_signature(secret or SECRET, stamp, body),
        }
        return to or one.callback, headers, body

    # ---- The application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        body = await _read(receive)
        if body is None:
            return
        if scope.get("client"):
            self.connections.add(tuple(scope["client"]))
        await self._route(scope, body, send)

    async def _route(self, scope: Scope, body: bytes, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        if path == "/_state":
            await _json(send, 200, self._state())
        elif path == "/_script" and method == "POST":
            self._steer(json.loads(body))
            await _json(send, 200, {})
        elif not self._signed_in(scope):
            self.unauthorized += 1
            await _json(send, 401, {"code": 20003, "message": "Authenticate"})
        elif match := _SMS.fullmatch(path):
            query = dict(parse_qsl(scope["query_string"].decode()))
            await self._sms(scope, match, query, body, send)
        elif match := _FAX.fullmatch(path):
            query = dict(parse_qsl(scope["query_string"].decode()))
            await self._faxes(scope, match, query, body, send)
        else:
            await _json(send, 404, {})

    def _signed_in(self, scope: Scope) -> bool:
        expected = b"Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode())
        return _header(scope, b"authorization") == expected

    async def _sms(
        self, scope: Scope, match: re.Match[str], query: dict[str, str], body: bytes, send: Send
    ) -> None:
        if scope["method"] == "POST":
            form = dict(parse_qsl(body.decode()))
            one = self._new("sms", scope, form, form.get("Body", "").encode(), form.get("StatusCallback", ""))
            await self._submitted(one, send)
        elif match[2]:
            found = self.accepted.get(match[2])
            await _json(send, 200 if found else 404, _message(found) if found else {"code": 20404})
        else:
            self.lookups += 1
            rows = [one for one in self.accepted.values() if one.kind == "sms" and one.to == query.get("To")]
            size, page = int(query.get("PageSize", 50)), int(query.get("Page", 0))
            rows = sorted(rows, key=lambda one: one.at, reverse=True)
            more = len(rows) > size * (page + 1)
            following = f"{scope['path']}?{urlencode({**query, 'Page': str(page + 1)})}" if more else None
            shown = [_message(one) for one in rows[size * page : size * (page + 1)]]
            await _json(send, 200, {"messages": shown, "next_page_uri": following})

    async def _faxes(
        self, scope: Scope, match: re.Match[str], query: dict[str, str], body: bytes, send: Send
    ) -> None:
        if scope["method"] == "POST":
            fields, pdf = _multipart(_header(scope, b"content-type").decode(), body)
            one = self._new("fax", scope, fields, pdf, fields.get("callbackUrl", ""))
            await self._submitted(one, send)
        elif match[2]:
            found = self.accepted.get(match[2])
            if found and match[3]:
                await _answer(send, 200, b"application/pdf", found.content)
                return
            await _json(send, 200 if found else 404, _fax(found) if found else {})
        else:
            self.lookups += 1
            since = query.get("createTime>", "")
            rows = [
                _fax(one)
                for one in self.accepted.values()
                if one.kind == "fax" and one.to == query.get("to") and _iso(one.at) >= since
            ]
            await _json(send, 200, {"faxes": rows, "pageNumber": 1, "totalPages": 1})

    def _new(
        self, kind: str, scope: Scope, fields: dict[str, str], content: bytes, callback: str
    ) -> Accepted:
        key = _header(scope, b"idempotency-key").decode()
        prefix = "SM" if kind == "sms" else "FX"
        to = fields.get("To") or fields.get("to") or ""
        id = f"{prefix}{next(self._numbers):032x}"
        return Accepted(id, kind, key, to, fields, content, callback, datetime.now(UTC))

    async def _submitted(self, one: Accepted, send: Send) -> None:
        self.submissions += 1
        self.in_hand += 1
        try:
            await self._dealt_with(one, send)
        finally:
            self.in_hand -= 1

    async def _dealt_with(self, one: Accepted, send: Send) -> None:
        how = self.script.popleft() if self.script else self.behaviour
        if how not in BEHAVIOURS:
            raise ValueError(f"it does not know how to {how}")
        if self.latency:
            await asyncio.sleep(self.latency)
        if how == "reject":
            await _json(send, 400, self._rejection(one.kind))
        elif how == "throttle":
            await _json(send, 429, {"code": 20429}, (b"retry-after", str(self.retry_after).encode()))
        elif how == "error":
            await _json(send, 500, {})
        elif how in ("hang-before", "drop-before"):
            self.reached.set()
            await self._leave(how, send)
        else:
            accepted = self._accept(one)
            self.reached.set()
            await self._answer_accepted(accepted, how, send)

    async def _answer_accepted(self, one: Accepted, how: str, send: Send) -> None:
        if how == "gateway":
            await _json(send, 502, {})
        elif how == "nonsense":
            await _answer(send, 200, b"text/html", b"<html>")
        elif how != "accept":
            await self._leave(how, send)
        else:
            await _json(send, 201 if one.kind == "sms" else 200, _shown(one))
        if self.callbacks and one.callback:
            task = asyncio.create_task(self._call_back(one))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _leave(self, how: str, send: Send) -> None:
        """No answer: the connection is cut, at once or when the test says so."""
        if how.startswith("hang"):
            await asyncio.to_thread(self._released.wait)
        # ASGI has no word for this; `send` is a method of what uvicorn knows of the request.
        send.__self__.transport.abort()  # type: ignore[attr-defined]

    def _accept(self, one: Accepted) -> Accepted:
        known = self._by_key.get(one.key) if self.idempotent and one.key else None
        if known is not None:
            return self.accepted[known]
        self.per_key[one.key] += 1
        if not self.lean:
            self.accepted[one.id] = one
            self._by_key[one.key] = one.id
        return one

    def _rejection(self, kind: str) -> dict[str, Any]:
        if kind == "sms":
            return {"code": self.code, "message": "about +13035550120", "status": 400}
        return {"error": "Bad Request", "details": [{"field": "to", "message": "about +13035550120"}]}

    async def _call_back(self, one: Accepted) -> None:
        self.accepted.setdefault(one.id, one)
        for status in self.callbacks:
            url, headers, body = self.callback(one.id, status)
            async with httpx.AsyncClient(verify=False, trust_env=False, timeout=30) as client:
                await client.post(url, headers=headers, content=body)

    def _state(self) -> dict[str, Any]:
        return {
            "accepted": sum(self.per_key.values()),
            "keys": len(self.per_key),
            "duplicates": self.duplicates,
            "submissions": self.submissions,
            "in_hand": self.in_hand,
            "unauthorized": self.unauthorized,
            "lookups": self.lookups,
            "connections": len(self.connections),
            "per_key": {} if self.lean else dict(self.per_key),
        }

    def _steer(self, told: dict[str, Any]) -> None:
        """The attributes by name; `script` is a list, and `forget` empties what was counted."""
        if told.pop("forget", False):
            self.accepted.clear()
            self.per_key.clear()
            self._by_key.clear()
            self.submissions = self.lookups = self.unauthorized = 0
        if told.pop("release", False):
            self.release()
        if "script" in told:
            self.script = deque(told.pop("script"))
        for name, value in told.items():
            setattr(self, name, tuple(value) if name == "callbacks" else value)


def _shown(one: Accepted) -> dict[str, Any]:
    return _message(one) if one.kind == "sms" else _fax(one)


def _message(one: Accepted) -> dict[str, Any]:
    return {
        "sid": one.id,
        "to": one.to,
        "body": one.content.decode(),
        "status": one.status,
        "error_code": one.error,
        "date_created": format_datetime(one.at),
        "date_sent": None if one.status == "queued" else format_datetime(one.at),
    }


def _fax(one: Accepted) -> dict[str, Any]:
    return {
        "id": one.id,
        "direction": "OUTBOUND",
        "to": one.to,
        "status": one.status.upper(),
        "errorCode": one.error,
        "errorMessage": one.message,
        "labels": json.loads(one.fields.get("labels", "{}")),
        "createTime": _iso(one.at),
    }


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _multipart(content_type: str, body: bytes) -> tuple[dict[str, str], bytes]:
    """(fields, the file's bytes)."""
    boundary = b"--" + content_type.partition("boundary=")[2].encode()
    fields: dict[str, str] = {}
    file = b""
    for part in body.split(boundary)[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").removesuffix(b"\r\n").partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)
        if name is None:
            continue
        if b"filename=" in head:
            file = content
        else:
            fields[name[1].decode()] = content.decode()
    return fields, file


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


async def _read(receive: Receive) -> bytes | None:
    """None where it broke off: whoever died between its head and its end has asked for nothing."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _json(send: Send, status: int, body: dict[str, Any], *headers: tuple[bytes, bytes]) -> None:
    await _answer(send, status, b"application/json", json.dumps(body).encode(), *headers)


async def _answer(
    send: Send, status: int, content_type: bytes, body: bytes, *headers: tuple[bytes, bytes]
) -> None:
    head = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def provider_server(provider: FakeProvider | None = None) -> Iterator[FakeProvider]:
    """Runs it in a thread; `provider.port`, and its urls, are known inside the block."""
    provider = provider or FakeProvider()
    listener = socket.create_server(("127.0.0.1", provider.port), backlog=512)
    provider.port = listener.getsockname()[1]
    server = uvicorn.Server(_config(provider))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.release()
        server.should_exit = True
        thread.join(timeout=20)
        listener.close()
        assert not thread.is_alive()


def _config(provider: FakeProvider) -> uvicorn.Config:
    return uvicorn.Config(
        provider,
        log_level="critical",
        access_log=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,
        http="httptools",
        ws="none",
    )


def main() -> None:
    """Runs it until it is ended."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--behaviour", default="accept", choices=sorted(BEHAVIOURS))
    options.add_argument("--latency", type=float, default=0.0)
    options.add_argument("--idempotent", action="store_true")
    options.add_argument("--lean", action="store_true")
    options.add_argument("--callbacks", default="", help="statuses with commas between them")
    given = options.parse_args()
    provider = FakeProvider(
        behaviour=given.behaviour,
        latency=given.latency,
        idempotent=given.idempotent,
        lean=given.lean,
        callbacks=tuple(filter(None, given.callbacks.split(","))),
    )
    listener = socket.create_server(("127.0.0.1", given.port), backlog=512)
    provider.port = listener.getsockname()[1]
    sys.stdout.write(f"listening on {provider.port}\n")
    sys.stdout.flush()
    uvicorn.Server(_config(provider)).run(sockets=[listener])


if __name__ == "__main__":
    main()
