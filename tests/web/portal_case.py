"""One request to one clinician, with links of every kind, and a browser-like client for the portal."""

from __future__ import annotations

import base64
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from referral.domain.codes import Channel, ClinicianKind
from referral.domain.credential import Minted, expires_at, mint
from referral.domain.outgoing import MessageKind
from referral.domain.policy import ICD_10_CM, Indication, Policy
from referral.domain.records import Clinician, Contact, Patient, Referral
from referral.domain.reminders import Ladder
from referral.services.keep_directory import NewClinician, NewPatient, add_clinician, add_patient
from referral.services.queue_message import queue_message
from referral.services.request_recommendation import NewOrder, NewRequest, place_order, request_recommendation
from referral.storage import clinics, credentials, directory, documents, outbox, referrals
from referral.storage.db import Database
from referral.storage.outbox import Message
from referral.web.server import Server
from tests.database import NOW, ClinicFixture, Clock
from tests.services.people import verified_by_a_colleague
from tests.web.client import application

BORN = date(1984, 5, 17)
SMS = "+13035550188"


@dataclass(slots=True)
class Case:
    """A request that is waiting for its answer."""

    clinic: ClinicFixture
    referral: Referral
    patient: Patient
    clinician: Clinician
    clock: Clock = field(default_factory=Clock)

    def link(self, channel: Channel, *, verified: bool = True, expires: datetime | None = None) -> Minted:
        """A credential as a letter to this channel's contact would have carried it."""
        minted = mint()
        contact = self.contact(channel)
        with self.clinic.transaction() as session:
            queue_message(session, self.referral, MessageKind.REMINDER, contact, self.clock.now)
            message = newest(outbox.find(session, referral_id=self.referral.id), MessageKind.REMINDER)
            kept = credentials.NewCredential(
                minted=minted,
                referral_id=self.referral.id,
                message_id=message.id,
                channel=channel,
                contact_verified=verified,
                expires_at=expires or expires_at(self.clock.now, self.referral.due_at),
            )
            credentials.add_many(session, [kept], self.clock.now)
        return minted

    def contact(self, channel: Channel) -> Contact:
        with self.clinic.transaction() as session:
            clinician = directory.get_clinician(session, self.clinician.id)
        return next(contact for contact in clinician.contacts if contact.channel is channel)

    def one_time_code(self) -> str:
        """What the worker would print into the newest code message."""
        with self.clinic.transaction() as session:
            message = newest(outbox.find(session, referral_id=self.referral.id), MessageKind.IDENTITY_CODE)
            wrapped = clinics.current(session).wrapped_key
            sealed = base64.b64decode(str(message.secret_note))
            return session.vault.open(wrapped, sealed, f"code/{self.referral.id}").decode()

    def messages(self, kind: MessageKind) -> list[Message]:
        with self.clinic.transaction() as session:
            return [m for m in outbox.find(session, referral_id=self.referral.id) if m.kind is kind]

    def events(self) -> list[str]:
        with self.clinic.transaction() as session:
            return [event.event for event in referrals.events(session, self.referral.id)]

    def state(self) -> Referral:
        with self.clinic.transaction() as session:
            return referrals.get(session, self.referral.id)

    def credential(self, minted: Minted) -> credentials.Credential:
        with self.clinic.transaction() as session:
            found = credentials.get(session, minted.selector)
        assert found is not None
        return found

    def attach_letter(self, minted: Minted, content: bytes) -> None:
        """The letter that came with this link."""
        with self.clinic.transaction() as session:
            message = outbox.get(session, self.credential(minted).message_id)
            assert message is not None
            letter_id = str(uuid.uuid4())
            documents.add(
                session,
                id=letter_id,
                kind="request-letter",
                content_type="application/pdf",
                content=content,
                now=self.clock.now,
                referral_id=self.referral.id,
            )
            session.connection.exec_driver_sql(
                "UPDATE message SET letter_id = %s WHERE id = %s", (letter_id, message.id)
            )

    def policy(self, **changes: Any) -> None:
        with self.clinic.transaction() as session:
            clinics.add_policy(session, replace(Policy(), **changes), Ladder(), created_by="test")

    @contextmanager
    def browser(self) -> Iterator[Browser]:
        """A browser in front of the portal, where it is as late as the case's clock says."""
        with PORTAL.at(self) as address, httpx.Client(verify=False, base_url=address, timeout=60) as client:
            yield Browser(self, client)


class Portal:
    """One server for all cases of a process: a link says to which clinic it belongs.

    To make an application takes longer than most tests.
    """

    def __init__(self) -> None:
        self._servers: dict[Database, str] = {}
        self._running = ExitStack()
        self._clock = Clock()

    @contextmanager
    def at(self, case: Case) -> Iterator[str]:
        """Its address; until the block ends it goes by the clock of this case."""
        before, self._clock = self._clock, case.clock
        database = case.clinic.database
        if database not in self._servers:
            app = application(case.clinic, lambda: self._clock.now)
            self._servers[database] = self._running.enter_context(serve(app))
        try:
            yield self._servers[database]
        finally:
            self._clock = before

    def close(self) -> None:
        self._servers.clear()
        self._running.close()


PORTAL = Portal()


@contextmanager
def serve(app: FastAPI, listening: socket.socket | None = None) -> Iterator[str]:
    """The application behind uvicorn on a free port, or at `listening`, until the block ends."""
    # Longer than clients keep a connection: one that both give up at the same moment breaks a request.
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", timeout_keep_alive=60)
    server = Server(config)
    thread = threading.Thread(target=server.run, args=([listening] if listening else None,))
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


def newest(messages: list[Message], kind: MessageKind) -> Message:
    return max((m for m in messages if m.kind is kind), key=lambda m: m.ordinal)


def make_case(
    clinic: ClinicFixture, kind: ClinicianKind = ClinicianKind.PSYCHIATRIST, *, verified: bool = True
) -> Case:
    """Recurrent depression, asked of one clinician with an e-mail address, a fax and a postal address."""
    with clinic.transaction() as session:
        patient = add_patient(
            session,
            clinic.actor,
            NewPatient(given="Maren", family="Quillfeather", birth_date=BORN.isoformat()),
            NOW,
        )
        new = NewClinician(
            given="Hollis",
            family="Brandywine",
            kind=kind,
            credentials="MD",
            npi="9000000015",
            practice="Brandywine Practice",
            address=("7 Example Lane", "Denver, CO 80202"),
            email="desk@brandywine.example",
            fax="303-555-0177",
        )
        clinician = add_clinician(session, clinic.actor, new, NOW)
        if verified:
            clinician = verified_by_a_colleague(session, clinic, clinician)
        depression = Indication(ICD_10_CM, "F33.2", "recurrent severe depression")
        order = place_order(
            session,
            clinic.actor,
            NewOrder(patient_id=patient.id, indications=(depression,), planned_sessions=6),
            NOW,
        )
        (referral,) = request_recommendation(
            session, clinic.actor, NewRequest(order_id=order.id, clinician_ids=(clinician.id,)), NOW
        )
    return Case(clinic, referral, patient, clinician)


class Browser:
    """Follows the portal as a person does: fills in the page's form, keeps its token, takes redirects."""

    def __init__(self, case: Case, client: httpx.Client) -> None:
        self.case = case
        self.client = client
        client.follow_redirects = True
        client.headers.update(
            {"Origin": "null", "Sec-Fetch-Site": "same-origin", "User-Agent": "test browser"}
        )
        self.page = ""

    def open(self, minted: Minted) -> httpx.Response:
        return self.post(f"/r/{minted.selector}/{minted.secret}")

    def get(self, path: str) -> httpx.Response:
        return self._shown(self.client.get(path))

    def post(self, path: str, data: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        """The hidden fields of the page come along, as in a browser."""
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', self.page))
        return self._shown(self.client.post(path, data={**hidden, **(data or {})}, headers=headers))

    def _shown(self, response: httpx.Response) -> httpx.Response:
        self.page = response.text if "html" in response.headers.get("content-type", "") else self.page
        return response

    def give_birth_date(self, born: date = BORN) -> httpx.Response:
        return self.post(
            "/request/birth-date",
            {"birth_month": str(born.month), "birth_day": str(born.day), "birth_year": str(born.year)},
        )

    def identify_by_fax(self) -> Minted:
        """The shortest way in: a faxed letter and the date of birth."""
        minted = self.case.link(Channel.FAX)
        self.open(minted)
        assert "Your recommendation for" in self.give_birth_date().text
        return minted


DETAILS = {
    "last-seen": (NOW - timedelta(days=20)).date().isoformat(),
    "diagnosis-confirmed": "yes",
    "medication": "sertraline",
    **dict.fromkeys(
        (
            *("psychosis", "mania", "substance-use", "suicide-risk"),
            *("hypertension", "pregnancy", "dementia", "interaction"),
        ),
        "no",
    ),
    "continues-care": "yes",
    "next-visit": "4-weeks",
    "medication-adjuster": "we",
    "reports": ["decision", "end-of-course"],
}
SIGNER = {"signer-name": "Hollis Brandywine", "signer-credentials": "MD", "attestation": "yes"}
