"""Why a gate is open or closed and where its requests stand, in sentences."""

from __future__ import annotations

from typing import Final

from referral.domain.codes import Channel, Decision, Verdict
from referral.domain.npi import KIND_LABEL
from referral.domain.outgoing import MessageState
from referral.domain.reminders import Audience, Rung, Step
from referral.services.find_orders import OrderState, basis_of
from referral.services.follow_requests import Followed
from referral.services.hold_ladder import HeldFor
from referral.web.staff.clock import Clock, days
from referral.web.staff.models import Gate
from referral.web.staff.present import CHANNEL, indications, titled, verdict_words


def gate(state: OrderState, clock: Clock) -> Gate:
    """The verdict with its reasons; for an open gate, what it rests on."""
    decision = state.decision
    reasons = list(decision.reasons)
    if decision.open:
        reasons = ["The initial consultation has been recorded.", *_bases(state, clock)]
    elif story := of_order(state, clock):
        reasons.append(story)
    title = "Open: treatment may start" if decision.open else "Closed: treatment may not start"
    if decision.open and not decision.settled:
        title = "Emergency access: one infusion may start"
    return Gate(decision.open, title, tuple(reasons), clock.moment(decision.as_of))


def _bases(state: OrderState, clock: Clock) -> list[str]:
    """What an open gate rests on; with emergency access, what is missing all the same."""
    override = state.decision.override
    if override is None:
        return [_basis(state, clock)]
    return [
        state.decision.remark,
        f"Two people of the clinic allow it; this ends {clock.soon(override.expires_at)}.",
    ]


def _basis(state: OrderState, clock: Clock) -> str:
    if state.decision.override is not None:
        until = clock.soon(state.decision.override.expires_at)
        return f"One infusion may start without the recommendation; this ends {until}."
    answer = basis_of(state)
    if answer is None or state.decision.verdict is Verdict.NOT_REQUIRED:
        return f"No recommendation is needed for {indications(state.order)}."
    conditions = " with conditions" if answer.decision is Decision.RECOMMENDED_WITH_CONDITIONS else ""
    return (
        f"Recommended{conditions} by a {KIND_LABEL[answer.clinician_kind]} on "
        f"{clock.date_of(answer.answered_at)}; valid until {clock.date_of(answer.valid_until)}."
    )


def of_order(state: OrderState, clock: Clock) -> str:
    """Where the newest open request stands, in one sentence; empty when nobody is being asked."""
    waiting = next((f for f in state.requests if f.referral.is_open), None)
    return of_request(waiting, clock) if waiting else ""


def reason(state: OrderState, clock: Clock) -> str:
    """For a row: the shortest sentence that explains the badge."""
    if state.decision.open:
        return _basis(state, clock)
    missing = "" if state.decision.requirements[0].satisfied else "Consultation not recorded. "
    if state.decision.verdict is Verdict.NOT_REQUIRED:
        return missing.strip()
    return f"{missing}{of_order(state, clock) or verdict_words(state) + '.'}"


def of_request(followed: Followed, clock: Clock, *, naming: bool = True) -> str:
    """'Asked Chidi Okafor, MD 6 business days ago; next: reminder by fax on Thursday at 9:00 AM.'

    `naming` False where the row has the name already.
    """
    who = f" {titled(followed.clinician)}" if naming else ""
    if followed.letter is not None and followed.letter_at is not None and not _reached(followed):
        letter = f"The letter{' to' + who if who else ''}"
        if followed.letter.state is MessageState.BY_HAND:
            return f"{letter} waits to be printed and mailed."
        return f"{letter} goes out by {CHANNEL[followed.letter.channel]} {clock.soon(followed.letter_at)}."
    asked = "today" if followed.waited == 0 else f"{days(followed.waited)} ago"
    return f"Asked{who} {asked}; {_what_next(followed, clock)}."


def _reached(followed: Followed) -> bool:
    return any(m.state in (MessageState.ACCEPTED, MessageState.DELIVERED) for m in followed.messages)


_HELD: Final[dict[str, str]] = {
    HeldFor.GUESSING: "wrong tries have locked the link: call, then send it again",
    HeldFor.FAX: "answered by fax; please write down what it says",
    HeldFor.STAFF: "on hold until somebody lets it go on",
    HeldFor.COLLEAGUE: "a colleague should answer in their place",
    HeldFor.LEFT: "they have left the practice",
    HeldFor.WRONG_ADDRESS: "it did not reach the right person",
}


def _what_next(followed: Followed, clock: Clock) -> str:
    if followed.referral.held_at is not None:
        if followed.question is not None and followed.referral.held_for not in _HELD:
            return "the clinician waits for the clinic"
        return _HELD.get(followed.referral.held_for or "", "it waits for the clinic")
    title = next_title(followed)
    if not title or followed.planned_at is None:
        return "nothing more happens by itself"
    return f"next: {title[0].lower()}{title[1:]} {clock.soon(followed.planned_at)}"


def next_title(followed: Followed) -> str:
    """What the next rung does, empty when there is none."""
    if followed.planned is None:
        return ""
    return step_title(followed.planned.rung, followed.channel)


_WHO: Final = {
    Audience.FRONT_DESK: "The front desk",
    Audience.CLINICIAN: "A clinician of the clinic",
    Audience.MEDICAL_DIRECTOR: "The medical director",
}


def step_title(rung: Rung, channel: Channel | None) -> str:
    """What a rung does, as a title."""
    by = f" by {CHANNEL[channel]}" if channel else ""
    who = _WHO[rung.audience] if rung.audience else ""
    return {
        Step.REMIND: f"Reminder{by}",
        Step.REMIND_OTHER_CHANNEL: f"Reminder{by}",
        Step.CALL: f"{who} is asked to call",
        Step.SUGGEST_ANOTHER: f"{who} is asked to try a second clinician, and the patient is told",
        Step.ESCALATE: f"{who} is told",
        Step.EXPIRE: "The request expires",
    }[rung.step]
