"""Domain values in the words of the staff pages; times in the clinic's time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

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
from referral.services.find_orders import OrderState
from referral.services.follow_requests import Followed
from referral.storage.outbox import Message
from referral.web.staff.models import Badge, Gate, When

# Written out because strftime follows the locale of the process.
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONG_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

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
    BusinessStatus.LAPSED: Badge("closed", "Voided"),
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
}


@dataclass(frozen=True, slots=True)
class Clock:
    """Says times as people of one clinic read them."""

    zone: ZoneInfo
    now: datetime

    @property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()

    def local(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()

    def date_of(self, moment: datetime) -> str:
        """The day alone, where the hour says nothing."""
        return self.day(self.local(moment)).text

    def _year(self, day: date) -> str:
        return "" if day.year == self.today.year else f", {day.year}"

    def day(self, day: date) -> When:
        """'Tue, Nov 3'; the year only where it is another one."""
        return When(
            f"{_DAYS[day.weekday()]}, {_MONTHS[day.month - 1]} {day.day}{self._year(day)}", day.isoformat()
        )

    def moment(self, moment: datetime) -> When:
        """'Tue, Nov 3, 10:00 AM'."""
        local = moment.astimezone(self.zone)
        text = f"{self.day(local.date()).text}, {self._hour(local)}"
        return When(text, moment.astimezone(UTC).isoformat(timespec="seconds"))

    def soon(self, moment: datetime) -> str:
        """'now', 'today at 9:00 AM', 'on Thursday at 9:00 AM', 'on Thu, Dec 10, at 9:00 AM'."""
        local = moment.astimezone(self.zone)
        days = (local.date() - self.today).days
        if moment <= self.now:
            return "now"
        names = {0: "today", 1: "tomorrow"}
        day = names.get(days) or (
            f"on {_LONG_DAYS[local.weekday()]}" if days < 7 else f"on {self.day(local.date()).text},"
        )
        return f"{day} at {self._hour(local)}"

    @staticmethod
    def _hour(local: datetime) -> str:
        return f"{local.hour % 12 or 12}:{local.minute:02d} {'AM' if local.hour < 12 else 'PM'}"


def born(day: date | None) -> str:
    """'May 17, 1984'."""
    return f"{_MONTHS[day.month - 1]} {day.day}, {day.year}" if day else "date unknown"


def days(count: int, none: str = "since today") -> str:
    """'1 business day', '6 business days'; `none` for zero."""
    return none if count == 0 else f"{count} business day{'' if count == 1 else 's'}"


def titled(clinician: Clinician) -> str:
    """'Chidi Okafor, MD'."""
    return f"{clinician.name}, {clinician.credentials}".rstrip(", ")


def named(patient: Patient) -> str:
    return patient.name or "Patient without a name"


def phone(number: str) -> str:
    """E.164 as it is read aloud here; anything else as it is."""
    if number.startswith("+1") and len(number) == 12:
        return f"{number[2:5]}-{number[5:8]}-{number[8:]}"
    return number


def address_of(contact: Contact) -> str:
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
    return _MESSAGE_STATE[message.state]


def gate_badge(state: OrderState) -> Badge:
    """Open or closed in one word, with what it is about."""
    if state.decision.open:
        return Badge("open", "Open", "unlock")
    waits = state.decision.verdict in (Verdict.REQUESTED, Verdict.ANSWERED_NEEDS_REVIEW)
    return Badge("waiting" if waits else "closed", "Closed", "lock")


def verdict_words(state: OrderState) -> str:
    return _VERDICT[state.decision.verdict]


def status_reason(code: str | None) -> str:
    return _STATUS_REASON.get(code or "", code or "")


def gate(state: OrderState, clock: Clock) -> Gate:
    """The verdict with its reasons; for an open gate, what it rests on."""
    decision = state.decision
    reasons = list(decision.reasons)
    if decision.open:
        reasons = ["The initial consultation has been recorded.", _basis(state, clock)]
    elif story := order_story(state, clock):
        reasons.append(story)
    title = "Open: treatment may start" if decision.open else "Closed: treatment may not start"
    return Gate(decision.open, title, tuple(reasons), clock.moment(decision.as_of))


def _basis(state: OrderState, clock: Clock) -> str:
    answer = state.basis()
    if answer is None or state.decision.verdict is Verdict.NOT_REQUIRED:
        return f"No recommendation is needed for {indications(state.order)}."
    conditions = " with conditions" if answer.decision is Decision.RECOMMENDED_WITH_CONDITIONS else ""
    return (
        f"Recommended{conditions} by a {KIND_LABEL[answer.clinician_kind]} on "
        f"{clock.date_of(answer.answered_at)}; valid until {clock.date_of(answer.valid_until)}."
    )


def order_story(state: OrderState, clock: Clock) -> str:
    """Where the newest open request stands, in one sentence; empty when nobody is being asked."""
    waiting = next((f for f in state.requests if f.referral.is_open), None)
    return story(waiting, clock) if waiting else ""


def order_reason(state: OrderState, clock: Clock) -> str:
    """For a row: the shortest sentence that explains the badge."""
    if state.decision.open:
        return _basis(state, clock)
    missing = (
        ""
        if any("consultation" in r for r in state.decision.reasons[:2]) is False
        else "Consultation not recorded. "
    )
    told = order_story(state, clock)
    verdict = verdict_words(state)
    return (
        f"{missing}{told or verdict + '.'}" if verdict != _VERDICT[Verdict.NOT_REQUIRED] else missing.strip()
    )


def story(followed: Followed, clock: Clock, *, naming: bool = True) -> str:
    """'Asked Chidi Okafor, MD 6 business days ago; next: reminder by fax on Thursday at 9:00 AM.'

    `naming` False where the row has the name already.
    """
    who = f" {titled(followed.clinician)}" if naming else ""
    if followed.letter is not None and followed.letter_at is not None and not _reached(followed):
        by = CHANNEL[followed.letter.channel]
        return f"The letter{' to' + who if who else ''} goes out by {by} {clock.soon(followed.letter_at)}."
    asked = "today" if followed.waited == 0 else f"{days(followed.waited)} ago"
    return f"Asked{who} {asked}; {_what_next(followed, clock)}."


def _reached(followed: Followed) -> bool:
    return any(m.state in (MessageState.ACCEPTED, MessageState.DELIVERED) for m in followed.messages)


def _what_next(followed: Followed, clock: Clock) -> str:
    if followed.referral.held_at is not None:
        return "the clinician waits for the clinic"
    title = next_title(followed)
    if not title or followed.planned_at is None:
        return "nothing more happens by itself"
    return f"next: {title[0].lower()}{title[1:]} {clock.soon(followed.planned_at)}"


def next_title(followed: Followed) -> str:
    """What the next rung does, empty when there is none."""
    if followed.planned is None:
        return ""
    by = f" by {CHANNEL[followed.channel]}" if followed.channel else ""
    return {
        "remind": f"Reminder{by}",
        "remind-other-channel": f"Reminder{by}",
        "call": "You are asked to call",
        "suggest-another": "You are asked to try a second clinician",
        "expire": "The request expires",
    }[followed.planned.step]


# Where asking somebody brings the order on.
ASKABLE: Final = (Verdict.NOT_REQUESTED, Verdict.DECLINED, Verdict.EXPIRED, Verdict.VOIDED, Verdict.REQUESTED)


def ask_href(order: Order) -> str:
    """The New request page with this order's patient and indications chosen."""
    return f"/requests/new?patient={order.patient_id}&order={order.id}"


def is_letter(message: Message) -> bool:
    """Its PDF is a letter of ours; that of a thank-you is the clinician's signed answer."""
    return message.kind in WITH_LINK
