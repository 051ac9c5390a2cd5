"""Faxes that a provider brings: signed for this clinic and this minute, once, with their pages or without."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from referral.bootstrap import Runtime
from referral.channels.fax import FaxTransport
from referral.channels.signatures import body_signature, clinic_secret
from referral.domain.codes import Channel
from referral.domain.fax import FaxSource, FaxState
from referral.letters.render import Renderer
from referral.services.take_fax import Reading, read_due
from referral.storage import documents, faxes
from referral.storage.faxes import Fax
from referral.web.app import create_app
from tests import fax as paper
from tests.database import NOW, ClinicFixture, Clock
from tests.provider import PASSWORD, PROJECT, SECRET, USER, FakeProvider, provider_server
from tests.services.conftest import renderer  # noqa: F401 - the fixture
from tests.services.test_incoming_fax import letter_of
from tests.web.client import runtime as runtime_of
from tests.web.portal_case import serve


@dataclass
class Line:
    """A provider that knows the clinic's key, or one that does not."""

    clinic: ClinicFixture
    client: httpx.Client
    provider: FakeProvider
    runtime: Runtime

    def send(
        self,
        body: bytes,
        *,
        kind: str = "application/json",
        secret: str | None = None,
        age: int = 0,
        to: str | None = None,
        signed: bytes | None = None,
    ) -> int:
        stamp = str(int(NOW.timestamp()) - age)
        key = clinic_secret(SECRET, self.clinic.id) if secret is None else secret
        headers = {
            "Content-Type": kind,
            "X-Fax-Timestamp": stamp,
            "X-Fax-Signature": body_signature(key, stamp, signed or body),
        }
        path = f"/hooks/fax-in/{to or self.clinic.id}"
        return self.client.post(path, content=body, headers=headers).status_code

    def read(self) -> list[Fax]:
        transport = self.runtime.channels.transport(Channel.FAX)
        assert isinstance(transport, FaxTransport)
        provider = transport
        reading = Reading(
            database=self.clinic.database, now=Clock(NOW), fetch=lambda name: provider.fetch_file(name, 2**24)
        )
        read_due(reading, self.clinic.id)
        with self.clinic.transaction() as session:
            return faxes.listed(session, tuple(FaxState), limit=20)


@pytest.fixture
def line(clinic: ClinicFixture) -> Iterator[Line]:
    with provider_server() as provider:
        runtime = runtime_of(clinic, fax_url=provider.fax_url)
        with (
            serve(create_app(runtime)) as address,
            httpx.Client(verify=False, base_url=address, timeout=60) as client,
        ):
            yield Line(clinic, client, provider, runtime)


def event(id: str = "01HFAX", file: bytes | None = None, **changes: Any) -> bytes:
    """As Sinch's version 3 tells of a fax that has come in."""
    fax = {
        "id": id,
        "direction": "INBOUND",
        "from": "+13035550120",
        "to": "+13035550143",
        "numberOfPages": 1,
        "status": "COMPLETED",
    }
    said: dict[str, Any] = {"event": "INCOMING_FAX", "eventTime": "2026-11-03T17:00:00Z", "fax": fax}
    if file is not None:
        said |= {"file": base64.b64encode(file).decode(), "fileType": "PDF"}
    return json.dumps(said | changes).encode()


def form(file: bytes, id: str = "01HFORM") -> tuple[bytes, str]:
    fields = {"event": "INCOMING_FAX", "fax": json.dumps({"id": id, "from": "+1 (303) 555-0120"})}
    request = httpx.Request(
        "POST", "http://x", data=fields, files={"file": ("fax.pdf", file, "application/pdf")}
    )
    return request.read(), request.headers["content-type"]


def test_a_pdf_in_json_finds_its_request_by_its_code(
    line: Line,
    renderer: Renderer,  # noqa: F811
) -> None:
    referral, letter = letter_of(line.clinic, renderer)
    assert line.send(event(file=letter)) == 204
    (fax,) = line.read()
    assert (fax.source, fax.provider_reference) == (FaxSource.WEBHOOK, "01HFAX")
    assert (fax.state, fax.referral_id, fax.from_number) == (
        FaxState.MATCHED,
        referral.id,
        "+13035550120",
    )
    with line.clinic.transaction() as session:
        assert documents.get(session, str(fax.record_id)).content == letter


def test_a_tiff_in_a_form_comes_in_byte_for_byte(line: Line) -> None:
    sent = paper.blank(3)
    body, kind = form(sent)
    assert line.send(body, kind=kind) == 204
    (fax,) = line.read()
    assert (fax.state, fax.pages, fax.from_number) == (FaxState.UNMATCHED, 1, "+13035550120")
    with line.clinic.transaction() as session:
        assert documents.get(session, str(fax.document_id)).content == sent


def test_a_fax_without_its_file_is_fetched_by_its_name(line: Line, renderer: Renderer) -> None:  # noqa: F811
    referral, letter = letter_of(line.clinic, renderer)
    with httpx.Client(verify=False, base_url=line.provider.url, auth=(USER, PASSWORD)) as there:
        kept = there.post(
            f"/v3/projects/{PROJECT}/faxes",
            data={"to": "+13035550143"},
            files={"file": ("fax.pdf", letter, "application/pdf")},
        ).json()
    assert line.send(event(id=kept["id"])) == 204
    (fax,) = line.read()
    assert (fax.state, fax.referral_id) == (FaxState.MATCHED, referral.id)


def test_the_same_event_twice_is_one_fax(line: Line) -> None:
    sent = event(file=paper.blank(4))
    assert [line.send(sent), line.send(sent)] == [204, 204]
    # The provider tells it again in other words: its name of the fax is what counts.
    assert line.send(event(file=paper.blank(4), eventTime="2026-11-03T17:01:00Z")) == 204
    assert len(line.read()) == 1


def test_who_is_not_the_provider_of_this_clinic_is_refused_and_leaves_nothing(
    line: Line, other_clinic: ClinicFixture
) -> None:
    sent = event(file=paper.blank(5))
    refused = [
        line.send(sent, secret="a-guess"),
        line.send(sent, secret=""),
        line.send(sent, secret=SECRET),  # the key of no clinic
        line.send(sent, secret=clinic_secret(SECRET, other_clinic.id)),
        line.send(sent, to=other_clinic.id),  # what was signed for us, shown to another
        line.send(sent, signed=sent + b" "),
        line.send(sent, age=301),
        line.send(sent, age=-301),
        line.send(sent, to="00000000-0000-0000-0000-000000000000"),
        line.client.post(f"/hooks/fax-in/{line.clinic.id}", content=sent).status_code,
    ]
    assert refused == [403] * len(refused)
    nobody = "11111111-1111-4111-8111-111111111111"
    assert line.send(sent, to=nobody, secret=clinic_secret(SECRET, nobody)) == 403
    assert line.read() == []
    with other_clinic.transaction() as session:
        assert faxes.listed(session, tuple(FaxState), limit=5) == []


def test_without_a_secret_nobody_gets_in(clinic: ClinicFixture) -> None:
    with provider_server() as provider:
        url = provider.fax_url.replace(f"secret={SECRET}&", "")
        for app in (
            create_app(runtime_of(clinic)),
            create_app(runtime_of(clinic, fax_url=url)),
        ):
            with serve(app) as address, httpx.Client(verify=False, base_url=address, timeout=60) as client:
                assert Line(clinic, client, provider, runtime_of(clinic)).send(event(), secret="") == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"event": "INCOMING_FAX"}',
        b'{"event": "INCOMING_FAX", "fax": "{"}',
        event(id="../../etc"),
        event(id=""),
        event(event="FAX_COMPLETED"),
        event(fax={"id": "1", "status": "FAILURE"}),
        event().replace(b"}}", b'}, "file": "no base64!"}'),
        b"[" * 100_000,
    ],
)
def test_what_is_no_fax_is_left_alone_without_a_word(line: Line, body: bytes) -> None:
    assert line.send(body) == 204
    assert line.read() == []


def test_a_form_that_is_none_is_left_alone(line: Line) -> None:
    assert line.send(b"--x--", kind="multipart/form-data") == 204
    assert line.send(b"garbage", kind="multipart/form-data; boundary=x") == 204
    assert line.read() == []


def test_a_large_fax_is_taken_and_one_without_end_is_not(line: Line) -> None:
    """Beyond the megabyte that other doors take."""
    large = b"II*\0" + bytes(8 * 1024 * 1024)
    assert line.send(event(file=large)) == 204
    assert line.send(b"x" * (25 * 1024 * 1024)) == 413
    assert [fax.state for fax in line.read()] == [FaxState.UNREADABLE]


def test_callers_who_send_nothing_do_not_keep_out_a_fax(line: Line) -> None:
    """Anybody may open a connection and promise a body: only what has arrived takes room."""
    where = (line.client.base_url.host, line.client.base_url.port)
    promised = (
        f"POST /hooks/fax-in/{line.clinic.id} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 20000000\r\n\r\n{"
    )
    with ExitStack() as crowd:
        for _ in range(8):
            slow = crowd.enter_context(socket.create_connection(where, timeout=20))
            slow.sendall(promised.encode())
        # They have been heard: a later call on one of them would be answered after this one.
        assert line.client.get("/health/live").status_code < 500
        assert line.send(event(file=paper.blank(3))) == 204
        assert len(line.read()) == 1


@pytest.mark.parametrize("name", ["..", ".", "-", "../../v1/accounts", "a/b"])
def test_a_name_that_would_lead_elsewhere_at_the_provider_is_none(line: Line, name: str) -> None:
    assert line.send(event(name)) == 204
    assert line.read() == []
