"""Turns a queued message into finished bytes: facts are read, the letter is drawn, and both are stored.

That is done at once, whenever it may leave (docs/adr/0005).
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from referral.channels import email, print_batch, texts
from referral.channels.base import Channels
from referral.domain.codes import Channel
from referral.domain.credential import CODE_LIFETIME, LIFETIME, Minted, expires_at, mint
from referral.domain.errors import NotFound
from referral.domain.life import Purpose, Standing, newest_living
from referral.domain.outgoing import (
    REPORTS,
    SWITCHED,
    TO_PATIENT,
    WITH_LETTER,
    WITH_LINK,
    MessageKind,
    MessageState,
)
from referral.domain.records import Clinician, Contact, Patient, Referral
from referral.letters.content import Letter, ReceiptRecord, RequestLetter
from referral.letters.notices import ConversationLetter
from referral.letters.report import ReportLetter
from referral.services.letter_content import (
    Asked,
    Told,
    conversation_letter,
    fax_cover,
    letter_around,
    patient_status_letter,
    reminder_letter,
    request_letter,
)
from referral.services.read_conversation import read_conversation
from referral.services.receipt import receipt_record
from referral.services.report_content import ReportContent, report_content
from referral.storage import (
    accounts,
    clinics,
    course_reports,
    credentials,
    directory,
    documents,
    orders,
    outbox,
    patient_links,
)
from referral.storage.clinics import Clinic
from referral.storage.credentials import NewCredential
from referral.storage.db import Session
from referral.storage.documents import NewDocument
from referral.storage.outbox import Message
from referral.storage.patient_links import NewPatientLink
from referral.translation import long_date

_PAPER: Final = {Channel.FAX: "fax", Channel.POST: "print"}


class Drawn(Protocol):
    @property
    def pdf(self) -> bytes: ...


class Renderer(Protocol):
    """What this service needs of letters.render.Renderer."""

    def letter(self, letter: Letter, style: Any = ...) -> Drawn: ...

    def receipt(self, record: ReceiptRecord) -> Drawn: ...

    def report(self, letter: ReportLetter, fhir: bytes) -> Drawn: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """All that the drawing needs, read in one transaction; None stands where there is no such part.

    A link is of no use after `ends_at`. `reminded_at` is for the letter to a patient.
    """

    told: Told
    minted: Minted | None
    letter: RequestLetter | ConversationLetter | None
    reminded_at: datetime | None
    receipt: ReceiptRecord | None
    receipt_id: str | None
    ends_at: datetime
    words: texts.Words
    report: ReportContent | None = None

    @property
    def is_sealed(self) -> bool:
        """Whether a record goes along that bears the clinic's seal."""
        return self.receipt is not None or self.report is not None


@dataclass(frozen=True, slots=True)
class Recipient:
    """The request of a message, and the clinician and contact it goes to, as just found to be on file.

    `answers` are what was answered to the request, where the kind of message depends on it. `patient` is set
    where it goes to the patient instead.
    """

    referral: Referral
    clinician: Clinician
    contact: Contact
    answers: Sequence[Standing] = ()
    patient: Patient | None = None


def gather(session: Session, message: Message, to: Recipient, base_url: str, now: datetime) -> Material:
    """What the message is about; whom it goes to is not looked up twice. Nothing is written.

    A text costs no statement of its own.
    """
    clinic = clinics.current(session)
    referral, clinician, contact = to.referral, to.clinician, to.contact
    told = Told(clinic=clinic, clinician=clinician, referral=referral, contact=contact, to_patient=to.patient)
    purpose, ends_at = _use_of_link(to, now)
    printed = message.kind in REPORTS and message.channel in _PAPER
    minted = mint(purpose=purpose) if message.kind in WITH_LINK | TO_PATIENT and not printed else None
    receipt = receipt_id = None
    if message.kind is MessageKind.THANK_YOU:
        receipt_id, receipt = receipt_record(session, clinic, referral, base_url, told.language)
    zone = ZoneInfo(clinician.time_zone)
    words = texts.Words(
        sender_name=clinic.letterhead["neutral_name"],
        request_number=referral.number,
        telephone=clinic.letterhead["telephone"],
        link=_link(to, minted, base_url),
        short_code=minted.short_code if minted and message.channel in _PAPER else "",
        page=f"{base_url}/request",
        reply_by=long_date(told.language, referral.due_at.astimezone(zone).date()),
        code=_one_time_code(session, clinic, message),
        minutes=int(CODE_LIFETIME.total_seconds() // 60),
    )
    return Material(
        told=told,
        minted=minted,
        letter=_letter(session, message, told, minted, base_url, now) if minted else None,
        reminded_at=outbox.last_reminded(session, referral.id)
        if to.patient is not None and message.channel in _PAPER
        else None,
        receipt=receipt,
        receipt_id=receipt_id,
        ends_at=ends_at,
        words=words,
        report=_report(session, message, told, base_url, now) if message.kind in REPORTS else None,
    )


def _report(session: Session, message: Message, told: Told, base_url: str, now: datetime) -> ReportContent:
    """Raises NotFound where the message carries none any more: another has taken its place."""
    report = course_reports.of_message(session, message.id)
    if report is None:
        raise NotFound("This message carries no report any more.")
    return report_content(session, report, _asked(session, told), base_url, now)


def _asked(session: Session, told: Told) -> Asked:
    return Asked(
        clinic=told.clinic,
        patient=directory.get_patient(session, told.referral.patient_id),
        order=orders.get(session, told.referral.order_id),
        clinician=told.clinician,
        referral=told.referral,
        contact=told.contact,
    )


def _letter(
    session: Session, message: Message, told: Told, minted: Minted, base_url: str, now: datetime
) -> RequestLetter | ConversationLetter | None:
    """What names the patient. What was said goes on paper alone: a mail only says that something was."""
    conversation = message.kind is MessageKind.CONVERSATION and message.channel in _PAPER
    if message.kind not in WITH_LETTER and not conversation:
        return None
    asked = _asked(session, told)
    if conversation:
        said = read_conversation(session, told.referral.id, words=True)
        names = {id: user.name for id, user in accounts.get_users(session).items()}
        return conversation_letter(asked, minted, base_url, said, now, names=names)
    write = reminder_letter if message.kind is MessageKind.REMINDER else request_letter
    return write(asked, minted, base_url, now)


def _link(to: Recipient, minted: Minted | None, base_url: str) -> str:
    if minted is None:
        return ""
    return minted.url(base_url) if to.patient is None else minted.patient_url(base_url)


def _use_of_link(to: Recipient, now: datetime) -> tuple[Purpose, datetime]:
    """To answer while the request is open; afterwards to keep or take back what was answered.

    A patient's shows how things stand, for as long as a link lives.
    """
    if to.patient is not None:
        return Purpose.ANSWER, now + LIFETIME
    if to.referral.is_open:
        return Purpose.ANSWER, to.referral.due_at
    standing = newest_living(list(to.answers))
    # A recommendation whose time is over can still be renewed.
    return Purpose.STANDING, max(standing.valid_until if standing else now, now + LIFETIME)


def _one_time_code(session: Session, clinic: Clinic, message: Message) -> str:
    """The code that the portal sealed for this message and nobody else can read."""
    if message.secret_note is None:
        return ""
    sealed = base64.b64decode(message.secret_note)
    return session.vault.open(clinic.wrapped_key, sealed, f"code/{message.referral_id}").decode()


@dataclass(frozen=True, slots=True)
class Finished:
    """Bytes to store: `letter` is a PDF or None, `envelope` is exactly what will be handed over.

    `bundle` is the FHIR document of a report, the same as is attached to its PDF.
    """

    letter: bytes | None = None
    letter_kind: str = "request-letter"
    letter_id: str | None = None
    envelope: bytes = b""
    content_type: str = ""
    bundle: bytes | None = None


def draw(
    message: Message,
    material: Material,
    renderer: Renderer,
    channels: Channels,
    seal_key: bytes,
    now: datetime,
) -> Finished:
    """Render outside of any transaction. Raises LetterProblem where a person has to look."""
    made = _record(message, material, renderer, seal_key, now)
    if message.channel is not Channel.EMAIL and message.channel not in _PAPER:
        short = texts.render_short(message.kind, material.words, material.told.language)
        return replace(made, envelope=short.encode(), content_type="text/plain; charset=utf-8")
    subject, body = texts.render(message.kind, material.words, material.told.language)
    if message.channel is Channel.EMAIL:
        told, returns = material.told, channels.returns
        mail = email.Mail(channels.mail_from, told.contact.address, subject, body)
        name = returns.token(told.clinic.id, message.id, message.generation) if returns else str(message.id)
        return replace(made, envelope=email.compose(mail, name, now), content_type="message/rfc822")
    paper = _on_paper(message, material, renderer, made.letter, (subject, body), now)
    return replace(made, envelope=paper, content_type="application/pdf")


def _record(
    message: Message, material: Material, renderer: Renderer, seal_key: bytes, now: datetime
) -> Finished:
    """What is kept of a message besides its envelope: the letter, or the sealed record."""
    if material.letter is not None:
        style = _PAPER.get(message.channel, "screen")
        kind = "request-letter" if message.kind in WITH_LETTER else "conversation-letter"
        return Finished(renderer.letter(material.letter, style).pdf, kind, str(uuid.uuid4()))
    if material.receipt is not None:
        drawn = renderer.receipt(material.receipt).pdf
        sealed = _sealed(drawn, seal_key, "Record of an answered request", now)
        return Finished(sealed, "receipt", material.receipt_id)
    if material.report is not None:
        bundle = canonical(material.report.bundle)
        drawn = renderer.report(material.report.letter, bundle).pdf
        sealed = _sealed(drawn, seal_key, "Report of a course of treatment", now)
        return Finished(sealed, "course-report", str(uuid.uuid4()), bundle=bundle)
    return Finished()


def _sealed(drawn: bytes, key: bytes, reason: str, now: datetime) -> bytes:
    # Takes long to load; most processes that import this module seal nothing.
    from referral.letters.seal import Sealer

    return Sealer(key).seal(drawn, reason, now)


def _on_paper(
    message: Message,
    material: Material,
    renderer: Renderer,
    letter: bytes | None,
    words: tuple[str, str],
    now: datetime,
) -> bytes:
    """What is printed or faxed: the letter, or one with the record that goes along behind it.

    A fax that names a patient begins with a cover, since it may lie open in a tray.
    """
    told, title = material.told, f"Request {material.told.referral.number}"
    parts = [letter] if letter is not None else []
    if material.report is not None:
        # The sealed one is for the chart; this one is made for paper.
        parts = [renderer.letter(material.report.letter, _PAPER[message.channel]).pdf]
    elif material.letter is None:
        if told.to_patient is None:
            around: Letter = letter_around(message, told, words, material.receipt, now)
        else:
            around = patient_status_letter(
                told,
                told.to_patient,
                message.id,
                material.words.link,
                now,
                reminded_at=material.reminded_at,
            )
        parts.insert(0, renderer.letter(around, _PAPER[message.channel]).pdf)
    if message.channel is not Channel.FAX:
        return parts[0] if len(parts) == 1 else print_batch.join(parts, title)
    if letter is None:
        return parts[0]
    pages = sum(print_batch.count_pages(part) for part in parts)
    again = message.kind is MessageKind.REQUEST and 1 < message.ordinal < SWITCHED
    cover = renderer.letter(fax_cover(told, message.id, pages, now, again=again), "fax").pdf
    return print_batch.join([cover, *parts], title, both_sides=False)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A message with all that was made of it."""

    message: Message
    material: Material
    finished: Finished


def store(session: Session, drawings: Sequence[Drawing], now: datetime) -> list[Message]:
    """Keep bytes and credentials with one statement each; returns what the messages are to become."""
    stored = [(drawing, str(uuid.uuid4())) for drawing in drawings]
    documents.add_many(session, [new for drawing, id in stored for new in _documents(drawing, id)], now)
    made = [credential for drawing in drawings if (credential := _credential(drawing, now))]
    credentials.add_many(session, made, now)
    patient_links.add_many(
        session, [link for drawing in drawings if (link := _patient_link(drawing, now))], now
    )
    return [
        drawing.message._replace(
            state=MessageState.READY,
            letter_id=drawing.finished.letter_id,
            envelope_id=envelope_id,
            secret_note=None,
        )
        for drawing, envelope_id in stored
    ]


def _documents(drawing: Drawing, envelope_id: str) -> list[NewDocument]:
    finished, referral = drawing.finished, drawing.material.told.referral
    about = {"patient_id": referral.patient_id, "referral_id": referral.id}
    envelope = NewDocument(
        id=envelope_id,
        kind="envelope",
        content_type=finished.content_type,
        content=finished.envelope,
        **about,
    )
    if finished.letter is None or finished.letter_id is None:
        return [envelope]
    letter = NewDocument(
        id=finished.letter_id,
        kind=finished.letter_kind,
        content_type="application/pdf",
        content=finished.letter,
        **about,
    )
    if finished.bundle is None:
        return [letter, envelope]
    bundle = NewDocument(
        id=bundle_of(finished.letter_id),
        kind="report-bundle",
        content_type="application/fhir+json",
        content=finished.bundle,
        **about,
    )
    return [letter, envelope, bundle]


def bundle_of(letter_id: str) -> str:
    """The id of the FHIR document that belongs to a report."""
    return f"{letter_id}-fhir"


def _credential(drawing: Drawing, now: datetime) -> NewCredential | None:
    material = drawing.material
    if material.minted is None or material.told.to_patient is not None:
        return None
    return NewCredential(
        minted=material.minted,
        referral_id=material.told.referral.id,
        message_id=drawing.message.id,
        channel=drawing.message.channel,
        contact_verified=material.told.contact.is_verified,
        expires_at=expires_at(now, material.ends_at),
    )


def _patient_link(drawing: Drawing, now: datetime) -> NewPatientLink | None:
    material = drawing.material
    if material.minted is None or material.told.to_patient is None:
        return None
    return NewPatientLink(
        minted=material.minted,
        patient_id=material.told.to_patient.id,
        message_id=drawing.message.id,
        expires_at=expires_at(now, material.ends_at),
    )


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces: the same value gives the same bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
