"""Domain values in the words of the staff pages; times in the clinic's time zone."""

from __future__ import annotations

from typing import Final

from referral.domain.codes import (
    BusinessStatus,
    Channel,
    ClinicianKind,
    Decision,
    Role,
    Strength,
    TaskStatus,
    Verdict,
)
from referral.domain.gate import who_may_recommend
from referral.domain.npi import KIND_LABEL
from referral.domain.outgoing import WITH_LINK, MessageKind, MessageState
from referral.domain.policy import Policy
from referral.domain.records import Clinician, Contact, Order, Patient, Referral
from referral.domain.report_rules import Occasion, Withheld
from referral.services.find_orders import OrderState
from referral.storage.outbox import Message
from referral.web.staff.models import Badge

ROLE: Final = {
    Role.FRONT_DESK: "Front desk",
    Role.CLINICIAN: "Clinician",
    Role.MEDICAL_DIRECTOR: "Medical director",
    Role.ADMIN: "Administrator",
    Role.AUDITOR: "Auditor",
}
CHANNEL: Final = {
    Channel.EMAIL: "e-mail",
    Channel.FAX: "fax",
    Channel.SMS: "text message",
    Channel.POST: "post",
    Channel.PHONE: "telephone",
}
CHANNEL_ICON: Final = {
    Channel.EMAIL: "mail",
    Channel.FAX: "fax",
    Channel.SMS: "phone",
    Channel.POST: "mail",
    Channel.PHONE: "phone",
}
MESSAGE_KIND: Final = {
    MessageKind.REQUEST: "Request",
    MessageKind.REMINDER: "Reminder",
    MessageKind.IDENTITY_CODE: "Code to prove identity",
    MessageKind.FRESH_LINK: "Fresh link",
    MessageKind.CANCELLED: "Notice that no answer is needed",
    MessageKind.THANK_YOU: "Thanks, with the sealed copy",
    MessageKind.RENEWAL: "Question: still true?",
    MessageKind.WITHDRAWN: "Notice that the answer was taken back",
    MessageKind.NO_LONGER_COUNTS: "Notice that the answer does not count any more",
    MessageKind.PATIENT_STATUS: "Message to the patient: what we wait for",
    MessageKind.PATIENT_LINK: "Fresh link for the patient",
    MessageKind.PATIENT_QUESTIONS: "Questionnaire for the patient",
    MessageKind.PATIENT_VISIT: "Reminder of the next visit, for the patient",
    MessageKind.FOLLOW_UP: "Question: was the patient seen?",
    MessageKind.CONVERSATION: "Notice that the clinic has written",
    MessageKind.REPORT: "Report of the course",
    MessageKind.SAFETY_REPORT: "Report of a serious adverse event",
}
OCCASION: Final = {
    Occasion.DECISION: "decision to treat or not",
    Occasion.MID_COURSE: "mid-course",
    Occasion.END_OF_COURSE: "end of the course",
    Occasion.ADVERSE_EVENT: "serious adverse event",
    Occasion.CLOSURE: "closure",
}
WITHHELD: Final = {
    Withheld.CONSENT: "the patient has not agreed",
    Withheld.NOT_WANTED: "the clinician has not asked for it",
    Withheld.NO_CONTACT: "nothing on file can carry it; please call",
    Withheld.IN_ERROR: "it was recorded in error",
}
DECISION: Final = {
    Decision.RECOMMENDED: Badge("open", "Recommended"),
    Decision.RECOMMENDED_WITH_CONDITIONS: Badge("open", "Recommended with conditions"),
    Decision.NOT_RECOMMENDED: Badge("closed", "Not recommended"),
    Decision.NEEDS_INFORMATION: Badge("waiting", "Sees the patient first"),
    Decision.NOT_MY_PATIENT: Badge("closed", "Not their patient"),
}
STRENGTH: Final = {
    Strength.SINGLE_CHANNEL: "Identity: one mailbox only; counts after a confirming call.",
    Strength.RECORDED_BY_STAFF: "Identity: taken down by staff; counts after a confirming call.",
    Strength.PAPER_TO_VERIFIED_CONTACT: "Identity: letter to a verified contact, and the date of birth.",
    Strength.TWO_CHANNEL: "Identity: two channels, and the date of birth.",
}
_BUSINESS: Final = {
    BusinessStatus.RECOMMENDED: Badge("open", "Recommended"),
    BusinessStatus.RECOMMENDED_WITH_CONDITIONS: Badge("open", "Recommended with conditions"),
    BusinessStatus.NOT_RECOMMENDED: Badge("closed", "Not recommended"),
    BusinessStatus.EXPIRED: Badge("closed", "Expired without an answer"),
    BusinessStatus.LAPSED: Badge("closed", "No longer counts"),
    BusinessStatus.DELIVERY_FAILED: Badge("closed", "Not delivered", "warning"),
    BusinessStatus.AWAITING_INFORMATION: Badge("waiting", "Waiting for information"),
    BusinessStatus.VIEWED: Badge("waiting", "Opened, not answered", "eye"),
    BusinessStatus.SENT: Badge("waiting", "Asked"),
}
_MESSAGE_STATE: Final = {
    MessageState.QUEUED: Badge("waiting", "Being made"),
    MessageState.RENDERING: Badge("waiting", "Being made"),
    MessageState.READY: Badge("waiting", "Waiting for office hours"),
    MessageState.SENDING: Badge("waiting", "Being sent"),
    MessageState.BY_HAND: Badge("waiting", "To be printed and mailed", "mail"),
    MessageState.ACCEPTED: Badge("info", "Sent", "open"),
    MessageState.DELIVERED: Badge("open", "Delivered"),
    MessageState.FAILED: Badge("closed", "Could not be delivered", "warning"),
    MessageState.UNKNOWN: Badge("closed", "Perhaps sent; please check", "warning"),
    MessageState.CANCELLED: Badge("neutral", "Not needed any more"),
    MessageState.DEAD: Badge("closed", "Given up after many tries", "warning"),
}
_VERDICT: Final = {
    Verdict.NOT_REQUIRED: "No recommendation needed",
    Verdict.NOT_REQUESTED: "Nobody asked yet",
    Verdict.REQUESTED: "Waiting for an answer",
    Verdict.ANSWERED_NEEDS_REVIEW: "Answer to review",
    Verdict.SATISFIED: "Recommended",
    Verdict.SATISFIED_WITH_CONDITIONS: "Recommended with conditions",
    Verdict.DECLINED: "Not recommended",
    Verdict.EXPIRED: "Recommendation expired",
    Verdict.VOIDED: "Recommendation voided",
    Verdict.UNCLASSIFIED: "Indication not classified",
    Verdict.OVERRIDDEN: "Emergency access",
}
CANCEL_REASONS: Final = {
    "patient-declined": "The patient does not want the treatment",
    "not-needed": "A recommendation is not needed any more",
    "wrong-clinician": "The wrong clinician was asked",
    "treated-elsewhere": "The patient is treated elsewhere",
    "entered-in-error": "Entered in error",
}
_STATUS_REASON: Final = {
    **CANCEL_REASONS,
    "not-my-patient": "not their patient",
    "expired": "no answer in time",
    "do-not-contact": "asked not to be contacted",
    "handed-over": "somebody else was asked in their place",
    "consent-withdrawn": "the patient has withdrawn consent",
}


def counted(count: int, one: str) -> str:
    """'1 order', '1,200 orders'."""
    return f"{count:,} {one}{'' if count == 1 else 's'}"


def titled(clinician: Clinician) -> str:
    """'Chidi Okafor, MD'."""
    return f"{clinician.name}, {clinician.credentials}".rstrip(", ")


def named(patient: Patient) -> str:
    """A system may have sent a patient without a name."""
    return patient.name or "Patient without a name"


def phone(number: str) -> str:
    """E.164 as it is read aloud here, with its extension; anything else as it is."""
    line, _, extension = number.partition(";ext=")
    if line.startswith("+1") and len(line) == 12:
        line = f"{line[2:5]}-{line[5:8]}-{line[8:]}"
    return f"{line}, extension {extension}" if extension else line


def address_of(contact: Contact) -> str:
    """Numbers as they are read aloud."""
    return (
        phone(contact.address)
        if contact.channel in (Channel.FAX, Channel.SMS, Channel.PHONE)
        else contact.address
    )


def telephone_of(clinician: Clinician) -> str:
    """The number to call, empty where the directory has none; a fax answers no questions."""
    found = next((c for c in clinician.contacts if c.channel is Channel.PHONE), None)
    return phone(found.address) if found else ""


def order_number(order: Order) -> str:
    """The beginning of the id: enough for people to tell orders apart."""
    return f"O-{order.id[:8].upper()}"


def indications(order: Order) -> str:
    """'Depression (F33.2), chronic pain (G89.4)'."""
    return ", ".join(indication.label for indication in order.indications)


def ineligible(kind: ClinicianKind, policy: Policy) -> str:
    """Why a recommendation from this kind does not count, empty when it does."""
    if kind in policy.eligible:
        return ""
    return (
        f"Clinic policy does not accept a recommendation from a {KIND_LABEL[kind]}; it needs a "
        f"{who_may_recommend(policy)}."
    )


def request_badge(referral: Referral) -> Badge:
    """Where a request stands, or how it ended."""
    if referral.business_status is BusinessStatus.LAPSED:
        return _BUSINESS[BusinessStatus.LAPSED]
    if referral.status is TaskStatus.REJECTED:
        return DECISION[Decision.NOT_MY_PATIENT]
    if referral.business_status is BusinessStatus.EXPIRED:
        return _BUSINESS[BusinessStatus.EXPIRED]
    if referral.status is TaskStatus.CANCELLED:
        return Badge("neutral", "Cancelled")
    return _BUSINESS.get(referral.business_status or BusinessStatus.SENT, Badge("waiting", "Asked"))


def message_badge(message: Message) -> Badge:
    """What was never meant to leave is not called sent."""
    if message.state in (MessageState.ACCEPTED, MessageState.DELIVERED) and not message.sent_for_real:
        return Badge("neutral", "Kept here, not sent", "outbox")
    if message.state in (MessageState.QUEUED, MessageState.READY) and message.last_error:
        return Badge("waiting", "To be tried again")
    return _MESSAGE_STATE[message.state]


def gate_badge(state: OrderState) -> Badge:
    """Open or closed in one word, with what it is about."""
    if state.decision.settled:
        return Badge("open", "Open", "unlock")
    if state.decision.open:
        return Badge("waiting", "Emergency access", "unlock")
    waits = state.decision.verdict in (Verdict.REQUESTED, Verdict.ANSWERED_NEEDS_REVIEW)
    return Badge("waiting" if waits else "closed", "Closed", "lock")


def verdict_words(state: OrderState) -> str:
    """What became of the recommendation, in a few words."""
    if state.decision.verdict is Verdict.DECLINED and not is_refused(state):
        return "Answer not accepted"
    return _VERDICT[state.decision.verdict]


def is_refused(state: OrderState) -> bool:
    """A clinician does not recommend it; otherwise the clinic does not accept what one has said."""
    return any(one.decision is Decision.NOT_RECOMMENDED and not one.voided for one in state.answers)


def status_reason(code: str | None) -> str:
    """Why a request ended, in words; a code that we do not know as it is."""
    return _STATUS_REASON.get(code or "", code or "")


# Where asking somebody brings the order on.
ASKABLE: Final = (
    Verdict.NOT_REQUESTED,
    Verdict.DECLINED,
    Verdict.EXPIRED,
    Verdict.VOIDED,
    Verdict.REQUESTED,
    Verdict.OVERRIDDEN,
)


def ask_href(order: Order) -> str:
    """The New request page with this order's patient and indications chosen."""
    return f"/requests/new?patient={order.patient_id}&order={order.id}"


def is_letter(message: Message) -> bool:
    """Its PDF is a letter of ours; that of a thank-you is the clinician's signed answer."""
    return message.kind in WITH_LINK
