"""What the ladder has brought up, in words; what may be said to the patient, who learns no diagnosis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from referral.domain.ladder_draft import AUDIENCE_WORDS
from referral.domain.outgoing import MessageKind, MessageState
from referral.domain.records import Patient
from referral.domain.reminders import Step
from referral.services.find_escalations import Escalation
from referral.services.find_orders import OrderState
from referral.services.follow_requests import Followed
from referral.storage.outbox import Message
from referral.web.staff import present
from referral.web.staff.clock import Clock, days
from referral.web.staff.models import Fact
from referral.web.staff.request_models import BroughtUp

# Neither the kind of clinic, nor the illness, nor the treatment, nor whose form it is.
TO_THE_PATIENT: Final = {
    "en": "We are still waiting for one form from another office. Your visit may move until it is here. "
    "You can ask that office to send it.",
    "es": "Todavía esperamos un formulario de otro consultorio. Su cita puede cambiar hasta que llegue. "
    "Usted puede pedir a ese consultorio que lo envíe.",
}


def sentence(item: Escalation, followed: Followed) -> str:
    """For a row of the Today board; `followed` is the request that it is about."""
    who = present.titled(followed.clinician)
    waited = days(followed.waited, none="less than a business day")
    to = AUDIENCE_WORDS[item.to]
    if item.step is Step.SUGGEST_ANOTHER:
        return f"{who} has not answered for {waited}. For {to}: ask a second clinician."
    return f"{who} has not answered for {waited}. For {to}: please look at it."


def brought_up(
    items: Iterable[Escalation], followed: Followed, state: OrderState, clock: Clock
) -> BroughtUp | None:
    """For the page of the request; None where nothing is."""
    every = tuple(items)
    if not every:
        return None
    tells = any(item.step is Step.SUGGEST_ANOTHER for item in every)
    language = "es" if (state.patient.language or "").lower().startswith("es") else "en"
    return BroughtUp(
        sentences=tuple(sentence(item, followed) for item in every),
        words=TO_THE_PATIENT[language] if tells else "",
        language=language,
        told=_told(followed.messages, clock) if tells else "",
        contacts=_contacts(state.patient) if tells else (),
        ask=present.ask_href(state.order) if tells else "",
    )


_FATE: Final = {
    **dict.fromkeys((MessageState.FAILED, MessageState.DEAD), "could not be delivered; please call them"),
    MessageState.CANCELLED: "was stopped",
    MessageState.UNKNOWN: "may not have arrived; please call them",
}


def _told(messages: Iterable[Message], clock: Clock) -> str:
    """What became of the newest message to the patient about this."""
    found = next((one for one in messages if one.kind is MessageKind.PATIENT_STATUS), None)
    if found is None:
        return "Nothing was sent to the patient: please tell them."
    by = f"by {present.CHANNEL[found.channel]}"
    if found.state in _FATE:
        return f"The message to the patient {by} {_FATE[found.state]}."
    if found.finished_at is None:
        return f"The patient is being told {by}; it leaves in their business hours."
    sent = f"The patient was told {by} {clock.moment(found.finished_at).text}."
    return sent if found.sent_for_real else "The message to the patient was kept here: please tell them."


def _contacts(patient: Patient) -> tuple[Fact, ...]:
    found = [("Telephone", patient.telephone), ("E-mail", patient.email)]
    return tuple(Fact(label, value) for label, value in found if value)
