"""What the ladder has brought up, in words; what may be said to the patient, who learns no diagnosis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from referral.domain.ladder_draft import AUDIENCE_WORDS
from referral.domain.records import Patient
from referral.domain.reminders import Step
from referral.services.find_escalations import Escalation
from referral.web.staff import present
from referral.web.staff.clock import days
from referral.web.staff.models import Fact
from referral.web.staff.request_models import BroughtUp

# Neither the kind of clinic, nor the illness, nor the treatment, nor whose form it is.
TO_THE_PATIENT: Final = {
    "en": "We are still waiting for one form from another office. Your visit may move until it is here. "
    "You can ask that office to send it.",
    "es": "Todavía esperamos un formulario de otro consultorio. Su cita puede cambiar hasta que llegue. "
    "Usted puede pedir a ese consultorio que lo envíe.",
}


def sentence(item: Escalation) -> str:
    """For a row of the Today board."""
    who = present.titled(item.followed.clinician)
    waited = days(item.followed.waited, none="less than a business day")
    to = AUDIENCE_WORDS[item.to]
    if item.step is Step.SUGGEST_ANOTHER:
        return f"{who} has not answered for {waited}. For {to}: ask a second clinician, and tell the patient."
    return f"{who} has not answered for {waited}. For {to}: please look at it."


def brought_up(items: Iterable[Escalation]) -> BroughtUp | None:
    """For the page of the request; None where nothing is."""
    every = tuple(items)
    if not every:
        return None
    tells = any(item.step is Step.SUGGEST_ANOTHER for item in every)
    patient = every[0].state.patient
    language = "es" if (patient.language or "").lower().startswith("es") else "en"
    return BroughtUp(
        sentences=tuple(sentence(item) for item in every),
        words=TO_THE_PATIENT[language] if tells else "",
        language=language,
        contacts=_contacts(patient) if tells else (),
        ask=present.ask_href(every[0].state.order) if tells else "",
    )


def _contacts(patient: Patient) -> tuple[Fact, ...]:
    found = [("Telephone", patient.telephone), ("E-mail", patient.email)]
    return tuple(Fact(label, value) for label, value in found if value)
