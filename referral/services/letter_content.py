"""What a letter says: rows to the values that the renderer takes."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from referral.domain.codes import Channel, ClinicianKind
from referral.domain.conversation import About, Speaker
from referral.domain.credential import Minted
from referral.domain.errors import InvalidInput, Issue
from referral.domain.fax import page_code
from referral.domain.form import BY_LINK_ID
from referral.domain.language import Language, phrase
from referral.domain.outgoing import MessageKind
from referral.domain.records import Clinician, Contact, Order, Patient, Referral
from referral.domain.time_zones import time_zone_of
from referral.letters.content import (
    ClinicianLetter,
    Letterhead,
    Logo,
    ReceiptRecord,
    ReminderLetter,
    RequestLetter,
)
from referral.letters.notices import (
    CancelledLetter,
    ConversationLetter,
    Ending,
    FaxCover,
    NoticeLetter,
    PatientStage,
    PatientStatusLetter,
    ThankYouLetter,
)
from referral.services.read_conversation import Said
from referral.storage.clinics import Clinic
from referral.storage.letterheads import StoredLogo
from referral.storage.outbox import Message
from referral.translation import long_date, say, say_many


def letterhead_of(clinic: Clinic) -> Letterhead:
    """What a clinic has set about itself; every letter and record carries the same."""
    values = {**clinic.letterhead, "address_lines": tuple(clinic.letterhead["address_lines"])}
    logo = logo_of(clinic.logo) if clinic.logo else None
    return Letterhead(clinic_name=clinic.name, **values | {"logo": logo})


def logo_of(kept: StoredLogo) -> Logo:
    """As a letter draws it."""
    return Logo(kept.content_type, kept.content, kept.fax, kept.width, kept.height)


def indication_words(order: Order) -> str:
    """'recurrent depression (F33.2) and chronic pain (G89.4)': a phrase in the middle of a sentence.

    In English in every letter, as the chart and the code sets have it; templates mark it as such.
    """
    *labels, last = [_mid_sentence(indication.label) for indication in order.indications]
    return f"{', '.join(labels)} and {last}" if labels else last


def _mid_sentence(words: str) -> str:
    """A small first letter, as code sets write none; abbreviations such as PTSD stay as they are."""
    return words[:1].lower() + words[1:] if words[1:2].islower() else words


def planned_course(order: Order, language: Language = Language.ENGLISH) -> str:
    """'a course of 6 intravenous ketamine infusions, starting about …'; what is not planned is left out."""
    if order.planned_sessions is None:
        course = say(language, "a course of intravenous ketamine infusions")
    else:
        course = say_many(
            language,
            "a course of %(num)s intravenous ketamine infusion",
            "a course of %(num)s intravenous ketamine infusions",
            order.planned_sessions,
        )
    if order.first_infusion_on is None:
        return course
    day = long_date(language, order.first_infusion_on)
    return say(language, "%(course)s, starting about %(day)s", course=course, day=day)


# As a letter calls them to themselves: "named you as their …".
_ROLES: Final = {
    ClinicianKind.PSYCHIATRIST: phrase("treating psychiatrist"),
    ClinicianKind.PSYCHOLOGIST: phrase("treating psychologist"),
    ClinicianKind.PRIMARY_CARE: phrase("treating family/primary care physician"),
    ClinicianKind.NURSE_PRACTITIONER: phrase("treating nurse practitioner"),
    ClinicianKind.PHYSICIAN_ASSISTANT: phrase("treating physician assistant"),
    ClinicianKind.SOCIAL_WORKER: phrase("treating clinical social worker"),
    ClinicianKind.OTHER: phrase("treating clinician"),
}


def salutation_of(clinician: Clinician, language: Language = Language.ENGLISH) -> str:
    """'Dr. Lee' for doctors, the full name for everybody else: credentials are all that is known."""
    family = clinician.name.split()[-1] if clinician.name.split() else clinician.name
    doctor = any(
        title in clinician.credentials.replace(".", "").upper() for title in ("MD", "DO", "PHD", "PSYD")
    )
    return say(language, "Dr. %(name)s", name=family) if doctor else clinician.name


def recipient_lines(
    clinician: Clinician, contact: Contact, language: Language = Language.ENGLISH
) -> tuple[str, ...]:
    """The postal address; where none is on file, how the letter travels instead."""
    lines = tuple(line for line in (clinician.practice, *clinician.address) if line)
    if clinician.address:
        return lines[:4]
    if contact.channel is Channel.FAX:
        return (*lines[:1], say(language, "By fax: %(number)s", number=contact.address))
    if contact.channel is Channel.EMAIL:
        return (*lines[:1], say(language, "By email: %(address)s", address=contact.address))
    return (*lines[:1], say(language, "By telephone: %(number)s", number=contact.address))


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Whom a letter goes to, about which request, and by which contact it travels.

    `to_patient` is set where it goes to the patient and not to the clinician.
    """

    clinic: Clinic
    clinician: Clinician
    referral: Referral
    contact: Contact
    to_patient: Patient | None = None

    @property
    def language(self) -> Language:
        """The reader's; English where none is known, or one that is not spoken here."""
        if self.to_patient is not None:
            return Language.of([self.to_patient.language or ""]) or Language.ENGLISH
        return self.clinician.language or Language.ENGLISH


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Told):
    """The same for a letter that asks about a patient."""

    patient: Patient
    order: Order


def _frame(told: Told, letter_id: str, now: datetime) -> dict[str, Any]:
    """What every letter to a clinician carries; see letters.content.ClinicianLetter."""
    clinician, language = told.clinician, told.language
    return {
        "letter_id": f"{told.referral.number}-{letter_id[:4]}",
        "request_number": told.referral.number,
        "written_at": now,
        "letterhead": letterhead_of(told.clinic),
        "recipient_lines": recipient_lines(clinician, told.contact, language),
        "clinician_name": f"{clinician.name}, {clinician.credentials}".rstrip(", "),
        "time_zone": ZoneInfo(clinician.time_zone),
        "language": language,
    }


def notice_letter(told: Told, message_id: uuid.UUID, subject: str, body: str, now: datetime) -> NoticeLetter:
    """The words of a mail as a letter; they name no patient. Its end, who writes, keeps its lines."""
    blocks = [block.splitlines() for block in body.strip().split("\n\n")]
    values = _frame(told, str(message_id), now)
    patient = told.to_patient
    if patient is not None:
        zone = ZoneInfo(time_zone_of(patient.address, told.clinic.time_zone))
        lines = patient.address[:4] or (told.contact.address,)
        values |= {"recipient_lines": lines, "clinician_name": patient.name, "time_zone": zone}
    return NoticeLetter(
        **values,
        title=subject.removesuffix(f" ({told.referral.number})"),
        paragraphs=(*((" ".join(lines),) for lines in blocks[:-1]), tuple(blocks[-1])),
    )


def letter_around(
    message: Message, told: Told, words: tuple[str, str], record: ReceiptRecord | None, now: datetime
) -> ClinicianLetter:
    """The letter of a message that carries none about the request: of its own kind, or the words of its mail.

    `record` goes along behind it where there is one.
    """
    if message.kind is MessageKind.CANCELLED:
        return cancelled_letter(told, message.id, now)
    if message.kind is MessageKind.THANK_YOU and record is not None:
        return thank_you_letter(told, message.id, record, now)
    return notice_letter(told, message.id, *words, now)


def patient_status_letter(
    told: Told,
    patient: Patient,
    message_id: uuid.UUID,
    status_url: str,
    now: datetime,
    *,
    reminded_at: datetime | None,
) -> PatientStatusLetter:
    """What the clinic waits for. The clinician by name alone: a title or a practice could tell an illness."""
    zone, referral = ZoneInfo(time_zone_of(patient.address, told.clinic.time_zone)), told.referral
    return PatientStatusLetter(
        letter_id=f"{referral.number}-{str(message_id)[:4]}",
        request_number=referral.number,
        written_at=now,
        letterhead=letterhead_of(told.clinic),
        recipient_lines=patient.address[:4] or (told.contact.address,),
        time_zone=zone,
        language=told.language,
        patient_name=patient.name,
        clinician_name=told.clinician.name,
        stage=PatientStage.WAITING if referral.is_open else PatientStage.CLOSED,
        asked_on=_asked_at(referral).astimezone(zone).date(),
        due_on=referral.due_at.astimezone(zone).date(),
        reminded_on=reminded_at.astimezone(zone).date() if reminded_at else None,
        status_url=status_url,
    )


def fax_cover(told: Told, message_id: uuid.UUID, pages: int, now: datetime, *, again: bool) -> FaxCover:
    """`pages` without the cover itself; `again` that the same was sent before."""
    return FaxCover(
        **_frame(told, str(message_id), now),
        fax_number=told.contact.address,
        pages=pages + 1,
        again=again,
    )


def cancelled_letter(told: Told, message_id: uuid.UUID, now: datetime) -> CancelledLetter:
    """The reason that staff typed stays in the house: it may say more than a stranger is to know."""
    referral = told.referral
    endings = {"not-needed": Ending.ANSWERED_BY_ANOTHER, "expired": Ending.TIME_OVER}
    zone = ZoneInfo(told.clinician.time_zone)
    return CancelledLetter(
        **_frame(told, str(message_id), now),
        salutation=salutation_of(told.clinician, told.language),
        asked_on=_asked_at(referral).astimezone(zone).date(),
        ending=endings.get(referral.status_reason or "", Ending.WITHDRAWN),
    )


def thank_you_letter(
    told: Told, message_id: uuid.UUID, record: ReceiptRecord, now: datetime
) -> ThankYouLetter:
    """What lies on top of the sealed record."""
    return ThankYouLetter(
        **_frame(told, str(message_id), now),
        salutation=salutation_of(told.clinician, told.language),
        patient_name=record.patient_name,
        birth_year=record.birth_year,
        decision=_decision(record),
        answered_at=record.answered_at,
        reports=_reports_wanted(record),
    )


def _decision(record: ReceiptRecord) -> str:
    """As the form has it, from the words of whichever language it was shown in."""
    options = (option.text for option in BY_LINK_ID["decision"].options)
    said = (text for text in options if record.decision == say(record.answered_in, text))
    return next(said, record.decision)


def _reports_wanted(record: ReceiptRecord) -> tuple[str, ...]:
    """Which reports were asked for, out of a record in whichever language the form was shown."""
    item = BY_LINK_ID["reports"]
    asked = {say(language, item.text) for language in Language}
    given = " ".join(one.answer for one in record.answers if one.question in asked)
    return tuple(
        option.text
        for option in item.options
        if any(say(language, option.text) in given for language in Language)
    )


def conversation_letter(
    asked: Asked,
    minted: Minted,
    base_url: str,
    said: Sequence[Said],
    now: datetime,
    *,
    names: Mapping[str, str],
) -> ConversationLetter:
    """The clinic's newest words, behind the question that they answer; refuses what a request refuses.

    `names` are those of staff by id: whoever has written it signs it.
    """
    ours = max(place for place, one in enumerate(said) if one.turn.speaker is Speaker.CLINIC)
    before = [one for one in said[:ours] if one.turn.speaker is Speaker.CLINICIAN and one.words]
    # A turn of the clinic in between has answered it already.
    question = before[-1] if before and said[ours].turn.about is About.REPLY else None
    values = about_patient(asked, minted.selector, now)
    zone: ZoneInfo = values["time_zone"]
    return ConversationLetter(
        **values,
        **_portal(minted, base_url),
        answer=said[ours].words,
        answered_by=names.get(said[ours].turn.said_by, asked.clinic.name),
        question=question.words if question else "",
        asked_on=question.turn.said_at.astimezone(zone).date() if question else None,
    )


def _asked_at(referral: Referral) -> datetime:
    """When the first letter was to go out."""
    return referral.started_at or referral.created_at


def request_letter(asked: Asked, minted: Minted, base_url: str, now: datetime) -> RequestLetter:
    """Raises InvalidInput for a patient without a full date of birth: letter and identity check need it."""
    return RequestLetter(**_request(asked, minted, base_url, now))


def reminder_letter(asked: Asked, minted: Minted, base_url: str, now: datetime) -> ReminderLetter:
    """The same once more; refuses what a request refuses."""
    values = _request(asked, minted, base_url, now)
    zone: ZoneInfo = values["time_zone"]
    return ReminderLetter(**values, asked_on=_asked_at(asked.referral).astimezone(zone).date())


def _request(asked: Asked, minted: Minted, base_url: str, now: datetime) -> dict[str, Any]:
    clinician, referral = asked.clinician, asked.referral
    values = about_patient(asked, minted.selector, now)
    language, zone = values["language"], values["time_zone"]
    return {
        **values,
        **_portal(minted, base_url),
        "clinician_role": _ROLES[clinician.kind],
        "clinician_kind": clinician.kind,
        "indication": indication_words(asked.order),
        "planned_course": planned_course(asked.order, language),
        "due_on": referral.due_at.astimezone(zone).date(),
        "page_code": page_code(minted.selector),
    }


def about_patient(asked: Asked, letter_id: str, now: datetime) -> dict[str, Any]:
    """What every letter to a clinician about a patient carries; InvalidInput without a date of birth."""
    patient = asked.patient
    if patient.birth_date is None:
        raise InvalidInput(Issue("The patient's date of birth is missing.", ("birth_date",), "required"))
    return {
        **_frame(asked, letter_id, now),
        "salutation": salutation_of(asked.clinician, asked.language),
        "patient_name": patient.name,
        "birth_year": patient.birth_date.year,
    }


def _portal(minted: Minted, base_url: str) -> dict[str, Any]:
    return {
        "short_code": minted.short_code,
        "portal_url": minted.url(base_url),
        "portal_display": f"{urlsplit(base_url).netloc}/request",
    }
