"""The page of a patient, and the accounting of what left the clinic about them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from referral.domain.codes import Channel
from referral.domain.consent import ConsentDecision, Consented, ConsentScope
from referral.domain.contacts import FAILING, health
from referral.domain.outgoing import MessageKind
from referral.domain.records import Contact, Patient
from referral.services.account_disclosures import Accounting, Disclosure
from referral.services.find_people import PatientView
from referral.services.tell_patient import Telling, Untold
from referral.storage.clinics import Clinic
from referral.storage.outbox import Message
from referral.web.form import Form
from referral.web.staff import present
from referral.web.staff.clock import Clock, born
from referral.web.staff.escalation_view import TO_THE_PATIENT
from referral.web.staff.models import (
    AccountingPage,
    Badge,
    ConsentCard,
    ConsentChoice,
    DisclosureRow,
    Fact,
    Link,
    MessageRow,
    PatientPage,
    TellingCard,
    When,
)
from referral.web.staff.rows import order_row, request_row

LANGUAGES: Final = {
    "en": "English",
    "es": "Spanish",
    "zh": "Chinese",
    "tl": "Tagalog",
    "vi": "Vietnamese",
    "ar": "Arabic",
    "fr": "French",
    "ko": "Korean",
    "ru": "Russian",
}
_TITLE: Final = {
    ConsentScope.RECOMMENDER: "Asking other clinicians",
    ConsentScope.PATIENT_MESSAGES: "Messages to the patient",
}
# Nothing said, agreed, refused.
_SENTENCE: Final = {
    ConsentScope.RECOMMENDER: (
        "Nothing is on record. Disclosure for treatment needs no written consent (45 CFR 164.506(c)).",
        "The patient agrees that the clinicians who treat them are asked.",
        "The patient does not want anybody to be asked. Nothing about them goes out.",
    ),
    ConsentScope.PATIENT_MESSAGES: (
        "Nothing is on record: the patient is written to as the ladder says.",
        "The patient agrees to be written to.",
        "The patient does not want to be written to. Please call instead.",
    ),
}
_WARNING: Final = {
    ConsentScope.RECOMMENDER: (
        "Open requests end at once, their links close, recommendations that were given stop counting, and "
        "treatment that needs one is blocked. Nobody is told. A later consent brings none of it back."
    ),
    ConsentScope.PATIENT_MESSAGES: "What waits to leave for the patient is stopped. Nothing else changes.",
}
_AGREED: Final = {
    ConsentScope.RECOMMENDER: (
        "It is kept with the day. Where this clinic reports only with a patient's consent, what comes due "
        "from now on is sent."
    ),
    ConsentScope.PATIENT_MESSAGES: "It is kept with the day. Nothing else changes.",
}
_KEPT: Final = {
    None: Badge("neutral", "Nothing on record"),
    ConsentDecision.GRANTED: Badge("open", "Agreed"),
    ConsentDecision.WITHDRAWN: Badge("closed", "Refused"),
}


def patient_page(view: PatientView, clock: Clock, form: Form) -> PatientPage:
    """As the front desk sees it."""
    id, numbers = view.patient.id, {f.referral.id: f.referral.number for f in view.requests}
    return PatientPage(
        name=present.named(view.patient),
        born=born(view.patient.birth_date),
        facts=_facts(view.patient),
        orders=tuple(order_row(state, clock) for state in view.orders),
        requests=tuple(request_row(f, present.titled(f.clinician), clock) for f in view.requests),
        new_request=f"/requests/new?patient={id}",
        href=f"/patients/{id}",
        contacts=tuple(_contact(one) for one in view.contacts),
        consents=tuple(_consent(scope, view.consented.get(scope), clock) for scope in ConsentScope),
        messages=tuple(_message(one, view.contacts, numbers, clock) for one in view.messages),
        accounting=f"/patients/{id}/disclosures",
        form=form,
        telling=_telling(view.telling, view.patient),
    )


def mobile_of(view: PatientView) -> str:
    """The number for text messages, as it is shown in the form; '' where there is none."""
    return next((present.address_of(one) for one in view.contacts if one.channel is Channel.SMS), "")


_WHY_NOT: Final = {
    Untold.REFUSED: "The patient does not want to be written to. Please call instead.",
    Untold.NO_CONTACT: "Nothing is known to reach the patient in writing. Ask for a mobile number, or call.",
    Untold.TOLD_LATELY: "The patient has been written to within the last three days. Please call instead.",
}


def _telling(found: Telling | Untold, patient: Patient) -> TellingCard | None:
    if not isinstance(found, Telling):
        return TellingCard(why_not=_WHY_NOT[found]) if found in _WHY_NOT else None
    language = "es" if (patient.language or "").lower().startswith("es") else "en"
    contact = found.contact
    way = {Channel.SMS: "As a text message", Channel.POST: "As a letter"}.get(contact.channel, "By e-mail")
    return TellingCard(
        words=TO_THE_PATIENT[language],
        language=language,
        how=f"{way} to {present.address_of(contact)}, in {LANGUAGES[language]}, in the patient’s daytime. It "
        f"carries the number {found.referral.number} and a link to their own page, and names no illness.",
        contact=contact.id,
    )


def _facts(patient: Patient) -> tuple[Fact, ...]:
    language = patient.language or ""
    return (
        Fact("Born", born(patient.birth_date)),
        Fact("Language", LANGUAGES.get(language.split("-")[0], language or "not given")),
    )


def _contact(one: Contact) -> Fact:
    label = {Channel.SMS: "Text message", Channel.POST: "Post"}.get(one.channel)
    failing = " (nothing gets through)" if health(one) in FAILING else ""
    return Fact(label or present.CHANNEL[one.channel].capitalize(), f"{present.address_of(one)}{failing}")


def _consent(scope: ConsentScope, held: Consented | None, clock: Clock) -> ConsentCard:
    decision = held.decision if held is not None else None
    place = 2 if decision is ConsentDecision.WITHDRAWN else 1 if held is not None else 0
    since = f" Since {clock.date_of(held.at)}." if held is not None else ""
    return ConsentCard(
        scope=scope,
        title=_TITLE[scope],
        badge=_KEPT[decision],
        sentence=_SENTENCE[scope][place] + since,
        choices=_choices(scope, decision),
    )


def _choices(scope: ConsentScope, decision: ConsentDecision | None) -> tuple[ConsentChoice, ...]:
    """What was not said yet; a clinic may need a yes on record before it reports (docs/adr/0037)."""
    no = ConsentChoice(ConsentDecision.WITHDRAWN, "The patient refuses", _WARNING[scope])
    if decision is ConsentDecision.WITHDRAWN:
        text = "What was ended stays ended; ask again where it is needed."
        return (ConsentChoice(ConsentDecision.GRANTED, "The patient agrees again", text),)
    if decision is ConsentDecision.GRANTED:
        return (no,)
    return (ConsentChoice(ConsentDecision.GRANTED, "The patient agrees", _AGREED[scope]), no)


def _message(
    one: Message, contacts: tuple[Contact, ...], numbers: dict[str, str], clock: Clock
) -> MessageRow:
    contact = next((known for known in contacts if known.id == one.contact_id), None)
    number = numbers.get(one.referral_id)
    return MessageRow(
        kind=present.MESSAGE_KIND[one.kind],
        channel=f"By {present.CHANNEL[one.channel]}",
        icon=present.CHANNEL_ICON[one.channel],
        to=present.address_of(contact) if contact is not None else "an address no longer on file",
        when=clock.moment(one.finished_at or one.created_at),
        badge=present.message_badge(one),
        href=f"/outbox/{one.id}",
        about=Link(number, f"/requests/{one.referral_id}") if number else None,
    )


# ---- Accounting of disclosures

_ASKED: Final = "Name, year of birth, indication, planned course"
_RECOMMENDATION: Final = "Treatment: asking for a recommendation"
# What a message says, and what for; a message in words alone carries a request number and nothing else.
_OF_KIND: Final = {
    MessageKind.REQUEST: (_ASKED, _RECOMMENDATION),
    MessageKind.REMINDER: (_ASKED, _RECOMMENDATION),
    MessageKind.THANK_YOU: ("The record of their own answer", "Treatment: a copy for their chart"),
    MessageKind.PATIENT_STATUS: ("That the clinic waits for a form", "To tell the patient"),
    MessageKind.PATIENT_LINK: ("A link to the patient's own page", "Asked for by the patient"),
    MessageKind.PATIENT_VISIT: ("That the next visit is due", "So that follow-up takes place"),
    MessageKind.PATIENT_QUESTIONS: ("A link to questions for the patient", "To see how treatment goes"),
}
# On paper the report itself; a mail only leads to the page, whose look is a row of its own.
_REPORT: Final = (
    "Name, year of birth, sessions, scores, medication, what happened",
    "Treatment: follow-up by whom recommended it",
)
_WORDS_ALONE: Final = ("A request number, without a name", _RECOMMENDATION)
# On paper it is the letter that says whom it is about and repeats the words; mails only lead to the page.
_LETTER: Final = ("Name, year of birth, and what was asked and answered", _RECOMMENDATION)
_LETTERS: Final[dict[MessageKind | None, tuple[str, str]]] = {
    MessageKind.CONVERSATION: _LETTER,
    MessageKind.REPORT: _REPORT,
    MessageKind.SAFETY_REPORT: _REPORT,
}
_PAPER: Final = frozenset({Channel.FAX, Channel.POST})
_OF_LOOK: Final = {
    "portal-patient-name": ("Name", _RECOMMENDATION),
    "portal-request": (_ASKED, _RECOMMENDATION),
    "portal-letter": ("The letter that was sent", _RECOMMENDATION),
    "portal-receipt": ("The record of their own answer", "Treatment: a copy for their chart"),
    "portal-standing": ("Their own answer", "Treatment: keeping it up to date"),
    "portal-conversation": ("What they and the clinic have written to each other", _RECOMMENDATION),
    "portal-report": _REPORT,
    "follow-up": ("Name, and when the next visit was due", "Treatment: follow-up by whom recommended it"),
    "portal-course": ("How the treatment goes", "Treatment: to whom recommended it"),
    "misdirected": (_ASKED, "By mistake: it came to somebody else"),
    "everything": ("The record as a whole", "Asked for by a connected system"),
    "docref": ("Documents", "Asked for by a connected system"),
    "export": ("The record as a whole", "Asked for by a connected system"),
}


def accounting_page(found: Accounting, clinic: Clinic, clock: Clock, *, sees_patient: bool) -> AccountingPage:
    """To be printed: date, recipient with address, what, and what for (164.528(b)(2)).

    `sees_patient` False: the way here is the audit, and like there nothing says who it is.
    """
    head, id = clinic.letterhead, found.patient.id
    name, date_of_birth = present.named(found.patient), born(found.patient.birth_date)
    way = (("Patients", "/patients"), (name, f"/patients/{id}"))
    if not sees_patient:
        way = (("Audit", "/audit"), ("All of this patient", f"/audit?patient={id}"))
        name, date_of_birth = f"Patient/{id}", ""
    return AccountingPage(
        name=name,
        born=date_of_birth,
        way=way,
        clinic=(clinic.name, *head["address_lines"], head["telephone"]),
        since=clock.date_of(found.since),
        made=clock.date_of(clock.now),
        rows=tuple(_disclosure(one, clock) for one in found.rows),
        more=found.more,
    )


def _disclosure(one: Disclosure, clock: Clock) -> DisclosureRow:
    other = _LETTERS.get(one.kind, _WORDS_ALONE) if one.channel in _PAPER else _WORDS_ALONE
    what, why = _OF_LOOK.get(one.what) or _OF_KIND.get(one.kind or MessageKind.CANCELLED, other)
    by = f" by {present.CHANNEL[one.channel]}" if one.channel is not None else ", on a secure page"
    if one.system:
        by = ""
    return DisclosureRow(
        when=_full(one.at, clock), who=_who(one), where=_where(one), what=f"{what}{by}", why=why
    )


def _full(moment: datetime, clock: Clock) -> When:
    """With its year: the list goes back for six."""
    local = moment.astimezone(clock.zone)
    return When(f"{local:%b} {local.day}, {local.year}, {local:%H:%M}", local.isoformat())


def _who(one: Disclosure) -> str:
    if one.clinician is not None:
        return present.titled(one.clinician)
    if one.what == "misdirected":
        return "Somebody who was not meant"
    return one.system or "The patient"


def _where(one: Disclosure) -> str:
    if one.clinician is None:
        return one.address
    lines = (one.clinician.practice, *one.clinician.address)
    return ", ".join(line for line in lines if line) or one.address
