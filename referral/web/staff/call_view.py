"""The pages of calls: the list, and one call with what to say and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from referral.domain.calls import CallReason, outcomes_of
from referral.domain.contacts import in_order
from referral.domain.records import Clinician
from referral.services.find_calls import Call
from referral.storage.clinics import Clinic
from referral.web.form import Form
from referral.web.staff import present
from referral.web.staff.call_words import ASK, CAUTION, OUTCOME, WHY, what_to_say
from referral.web.staff.clock import Clock, days
from referral.web.staff.models import Badge, CallRow, Choice, Fact, Link


@dataclass(frozen=True, slots=True)
class CallChoices:
    """What may have come of a call, and by what a request can be sent again."""

    outcomes: tuple[Choice, ...]
    channels: tuple[Choice, ...]
    asks_name: bool = False


@dataclass(frozen=True, slots=True)
class CallPage:
    form: Form
    href: str
    clinician: str
    patient: str
    request: Link
    phone: str
    why: Badge
    facts: tuple[Fact, ...]
    say: tuple[str, ...]
    caution: str
    ask: tuple[str, ...]
    # Where another address is written down; empty where the call is about one only.
    contact: str
    choices: CallChoices


def call_row(call: Call, clock: Clock) -> CallRow:
    """One call in a list."""
    infusion = call.state.order.first_infusion_on
    return CallRow(
        clinician=present.titled(call.followed.clinician),
        phone=present.phone(call.number.address) if call.number else "",
        patient=present.named(call.state.patient),
        href=f"/calls/{call.task.id}",
        waiting=f"Waiting {days(call.followed.waited)}",
        infusion=clock.day(infusion) if infusion else None,
        action=Link("Call and log", f"/calls/{call.task.id}"),
        why=WHY[call.task.why],
        later=clock.soon(call.task.due_at) if call.task.due_at > clock.now else "",
    )


def call_page(call: Call, clinic: Clinic, form: Form, clock: Clock) -> CallPage:
    """What to say, what to ask, and what may come of it."""
    referral, clinician = call.followed.referral, call.followed.clinician
    letterhead = clinic.letterhead
    return CallPage(
        form=form,
        href=f"/calls/{call.task.id}",
        clinician=present.titled(clinician),
        patient=present.named(call.state.patient),
        request=Link(f"Request {referral.number}", f"/requests/{referral.id}"),
        phone=present.phone(call.number.address) if call.number else "",
        why=WHY[call.task.why],
        facts=_facts(call, clock),
        say=what_to_say(letterhead["neutral_name"], letterhead["telephone"], referral.number),
        caution=CAUTION,
        ask=ASK[call.task.why],
        contact=f"/requests/{referral.id}#contact" if call.contact is None else "",
        choices=call_choices(call.task.why, clinician, form.values),
    )


def _facts(call: Call, clock: Clock) -> tuple[Fact, ...]:
    followed, infusion = call.followed, call.state.order.first_infusion_on
    practice = followed.clinician.practice or "none on file"
    facts = [
        Fact("Practice", practice, f"/directory/{followed.clinician.id}"),
        Fact("Asked", clock.moment(followed.referral.created_at).text),
        Fact("Waited", days(followed.waited, none="less than a business day")),
        Fact("First infusion", clock.day(infusion).text if infusion else "no date yet"),
    ]
    if call.contact is not None:
        by = present.CHANNEL[call.contact.channel].capitalize()
        facts.insert(0, Fact("To be confirmed", f"{by}: {present.address_of(call.contact)}"))
    if call.task.tries:
        facts.append(Fact("Tried", f"{call.task.tries} of 3 times"))
    return tuple(facts)


def call_choices(why: CallReason, clinician: Clinician, typed: Mapping[str, str]) -> CallChoices:
    """As they were ticked, where a form came back."""
    chosen = typed.get("call_channel")
    channels = dict.fromkeys(contact.channel for contact in in_order(clinician.contacts))
    return CallChoices(
        outcomes=tuple(
            Choice(outcome, *OUTCOME[outcome], checked=typed.get("call_outcome") == outcome)
            for outcome in outcomes_of(why)
        ),
        channels=tuple(
            Choice(channel, present.CHANNEL[channel].capitalize(), checked=channel == chosen)
            for channel in channels
        ),
        asks_name=why is CallReason.CONFIRM_NUMBER,
    )
