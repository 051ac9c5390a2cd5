"""Why a gate is open or closed and where its requests stand, in sentences."""

from __future__ import annotations

from referral.domain.codes import Decision, Verdict
from referral.domain.npi import KIND_LABEL
from referral.domain.outgoing import MessageState
from referral.services.attach_fax import HELD_FOR as HELD_FOR_FAX
from referral.services.find_orders import OrderState
from referral.services.follow_requests import Followed
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
    answer = state.basis()
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
        by = CHANNEL[followed.letter.channel]
        return f"The letter{' to' + who if who else ''} goes out by {by} {clock.soon(followed.letter_at)}."
    asked = "today" if followed.waited == 0 else f"{days(followed.waited)} ago"
    return f"Asked{who} {asked}; {_what_next(followed, clock)}."


def _reached(followed: Followed) -> bool:
    return any(m.state in (MessageState.ACCEPTED, MessageState.DELIVERED) for m in followed.messages)


def _what_next(followed: Followed, clock: Clock) -> str:
    if followed.referral.held_at is not None:
        if followed.referral.held_for == HELD_FOR_FAX:
            return "answered by fax; please write down what it says"
        waits = "the clinician waits for the clinic"
        return waits if followed.question else "wrong tries have locked the link: call, then send it again"
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
