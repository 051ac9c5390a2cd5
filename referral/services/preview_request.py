"""What sending a new request would do, said before it is done. Writes nothing but the audit row of the look."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from html.parser import HTMLParser
from typing import Final

from jinja2 import Environment, FileSystemLoader

from referral.domain import contacts
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import BusinessStatus, Requirement, TaskStatus
from referral.domain.credential import Minted
from referral.domain.errors import ReferralError
from referral.domain.gate import requirement_sentence
from referral.domain.policy import Policy
from referral.domain.records import Clinician, Contact, Order, Patient, Referral
from referral.domain.reminders import Climb, due_date
from referral.letters.content import RequestLetter, long_date
from referral.letters.form_page import form_page
from referral.letters.markup import TEMPLATES, Address
from referral.services.calendars import calendar_for
from referral.services.letter_content import request_letter
from referral.services.send_new_request import Draft, matching_order, open_requests
from referral.storage import audit, clinics, directory
from referral.storage.db import Session

# Stands where the code of the letter will stand; nobody can know it before the letter is made.
_NO_CODE: Final = Minted("preview", "preview", "the code in the letter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """None and empty where too little was filled in to say.

    `other` is an open request of the same patient with its clinician; `same_clinician` says that it asks the very
    clinician who was chosen. `sends_at` is in the recipient's business hours.
    """

    policy: Policy
    needed: bool | None = None
    need_sentence: str = ""
    unclassified: bool = False
    known_order: Order | None = None
    patient_name: str = ""
    birth_year: int | None = None
    clinician: Clinician | None = None
    eligible: bool = True
    contact: Contact | None = None
    other: tuple[Referral, Clinician] | None = None
    same_clinician: bool = False
    sends_at: datetime | None = None
    due_at: datetime | None = None
    letter: tuple[str, ...] = ()


def preview_request(
    session: Session, actor: Actor, draft: Draft, typed: Clinician | None, base_url: str, now: datetime
) -> Preview:
    """`typed` is a new clinician as far as filled in. Unknown ids are taken as not chosen."""
    policy, ladder = clinics.policy_in_force(session)
    patient = _patient(session, draft)
    clinician = typed or directory.get_clinicians(session, [draft.clinician_id]).get(draft.clinician_id)
    chosen = draft.patient_id if patient else ""
    if chosen:
        _record(session, actor, chosen)
    other, same = _other(session, chosen, clinician)
    asked = draft.indications
    needed = Requirement.RECOMMENDATION in policy.requirements(asked) if asked else None
    calendar = calendar_for(clinics.current(session), clinician.time_zone) if clinician else None
    sends_at = calendar.next_opening(now) if calendar else None
    contact = contacts.best(clinician.contacts) if clinician else None
    due_at = due_date(ladder, calendar, Climb(started_at=sends_at)) if calendar and sends_at else None
    preview = Preview(
        policy=policy,
        needed=needed,
        need_sentence=requirement_sentence(asked, policy) if asked else "",
        unclassified=bool(policy.unclassified(asked)),
        known_order=matching_order(session, chosen, asked) if chosen and asked else None,
        patient_name=patient.name if patient else "",
        birth_year=patient.birth_date.year if patient and patient.birth_date else None,
        clinician=clinician,
        eligible=clinician is None or clinician.kind in policy.eligible,
        contact=contact,
        other=other,
        same_clinician=same,
        sends_at=sends_at,
        due_at=due_at,
    )
    if not (needed and patient and clinician and contact and due_at):
        return preview
    order = Order(
        id="preview",
        patient_id=patient.id,
        status="on-hold",
        indications=asked,
        planned_sessions=draft.infusions,
        first_infusion_on=draft.first_infusion,
        created_at=now,
    )
    words = _letter(session, patient, order, clinician, contact, due_at, base_url, now)
    return _with_letter(preview, words)


def _with_letter(preview: Preview, words: tuple[str, ...]) -> Preview:
    values = {name: getattr(preview, name) for name in Preview.__slots__}
    return Preview(**{**values, "letter": words})


def _patient(session: Session, draft: Draft) -> Patient | None:
    new = draft.new_patient
    if new is None:
        return directory.get_patients(session, [draft.patient_id]).get(draft.patient_id)
    if not (new.given.strip() and new.family.strip()):
        return None
    try:
        born = datetime.fromisoformat(new.birth_date).date()
    except ValueError:
        born = None
    return Patient(id="preview", given=new.given.strip(), family=new.family.strip(), birth_date=born)


def _other(
    session: Session, patient_id: str, clinician: Clinician | None
) -> tuple[tuple[Referral, Clinician] | None, bool]:
    """The open request that is in the way: one to the same clinician before any other."""
    found = open_requests(session, patient_id) if patient_id else []
    if not found:
        return None, False
    same = next((r for r in found if clinician is not None and r.clinician_id == clinician.id), None)
    shown = same or found[0]
    return (shown, directory.get_clinician(session, shown.clinician_id)), same is not None


def _letter(
    session: Session,
    patient: Patient,
    order: Order,
    clinician: Clinician,
    contact: Contact,
    due_at: datetime,
    base_url: str,
    now: datetime,
) -> tuple[str, ...]:
    """The first page in its own words; nothing where it could not be written yet (the sending says why)."""
    clinic = clinics.current(session)
    referral = Referral(
        id="preview",
        number="the request",
        requisition="",
        task_id="",
        patient_id=patient.id,
        order_id=order.id,
        clinician_id=clinician.id,
        status=TaskStatus.REQUESTED,
        business_status=BusinessStatus.SENT,
        status_reason=None,
        version=1,
        created_by="",
        created_at=now,
        started_at=now,
        due_at=due_at,
        delivered_at=None,
        identified_at=None,
        closed_at=None,
        climbed=0,
        shifted_days=0,
        extended_days=0,
        held_at=None,
        next_step_at=None,
    )
    try:
        letter = request_letter(clinic, patient, order, clinician, referral, contact, _NO_CODE, base_url, now)
    except ReferralError:
        return ()
    return _paragraphs(letter)


def _paragraphs(letter: RequestLetter) -> tuple[str, ...]:
    html = (
        _environment()
        .get_template("request.html.j2")
        .render(
            letter=letter,
            clinic=letter.letterhead,
            mark="",
            address=Address(letter.address, ""),
            written_on=long_date(letter.written_on),
            due_on=long_date(letter.due_on),
            form=form_page(letter.clinician_kind),
            reply_code="",
            page_code="",
            tightness=0,
        )
    )
    reader = _FirstPage()
    reader.feed(html)
    return tuple(text for text in reader.paragraphs if text)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )


class _FirstPage(HTMLParser):
    """Collects what stands in paragraphs, headings and list items of the first <main>."""

    _BLOCKS: Final = frozenset({"p", "h1", "h2", "li"})

    def __init__(self) -> None:
        super().__init__()
        self.paragraphs: list[str] = []
        self._inside = False
        self._open = False

    def handle_starttag(self, tag: str, _attributes: list[tuple[str, str | None]]) -> None:
        if tag == "main":
            self._inside = not self.paragraphs
        elif self._inside and tag in self._BLOCKS:
            self.paragraphs.append("")
            self._open = True
        elif tag == "br" and self._open:
            self.paragraphs[-1] += ". "

    def handle_endtag(self, tag: str) -> None:
        if tag == "main":
            self._inside = False
        elif tag in self._BLOCKS:
            self._open = False
            if self._inside and self.paragraphs:
                self.paragraphs[-1] = re.sub(r"\s+", " ", self.paragraphs[-1]).strip()
        elif tag == "b" and self._open and self._follows_label():
            self.paragraphs[-1] += ": "

    def _follows_label(self) -> bool:
        """'Online', 'Fax' and 'Telephone' stand before their sentence without a mark of their own."""
        return self.paragraphs[-1] in ("Online", "Fax", "Telephone")

    def handle_data(self, data: str) -> None:
        if self._inside and self._open:
            self.paragraphs[-1] += data


def _record(session: Session, actor: Actor, patient_id: str) -> None:
    entry = AuditEntry(
        action=Action.READ,
        subtype="preview-request",
        entity=f"Patient/{patient_id}",
        patient_id=patient_id,
    )
    audit.record(session, actor, entry)
