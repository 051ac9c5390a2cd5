"""What happens by itself on one request, and why it may be nothing: in sentences, with dates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Final

from referral.domain.outgoing import MessageState
from referral.services.find_requests import RequestView
from referral.services.follow_requests import Followed
from referral.services.foresee_steps import Foreseen
from referral.services.hold_ladder import HeldFor
from referral.web.staff import present, story
from referral.web.staff.clock import Clock
from referral.web.staff.ladder_models import DatedStep
from referral.web.staff.ladder_view import ICONS
from referral.web.staff.models import Badge
from referral.web.staff.request_models import PlanCard

_WAITS_FOR: Final = {
    HeldFor.QUESTION: "The clinician has asked something and waits for the clinic.",
    HeldFor.GUESSING: "Wrong tries have locked the link. Call the practice, then send the request again.",
    HeldFor.FAX: "An answer has come by fax and waits for somebody to write it down.",
    HeldFor.STAFF: "It is on hold until somebody lets it go on.",
    HeldFor.COLLEAGUE: "A colleague should answer: ask them, and this request ends.",
    HeldFor.LEFT: "The clinician has left: ask another one, or correct the contact.",
    HeldFor.WRONG_ADDRESS: "It did not reach the right person: correct the contact and send it again.",
}
# What an undo takes back, by the word of the timeline.
_UNDO: Final = {
    "paused": "Undo the pause",
    "held": "Undo the hold",
    "resumed": "Undo “go on”",
    "extended": "Undo the extension",
    "away": "Undo “back on”",
}
# The next step in the middle of a sentence.
_STEP: Final = {
    "remind": "reminder",
    "remind-other-channel": "reminder by another channel",
    "call": "call",
    "suggest-another": "a second clinician is suggested",
    "escalate": "a person of the clinic is told",
    "expire": "it expires",
}


def plan_card(view: RequestView, clock: Clock, *, may_act: bool) -> PlanCard | None:
    """None for a request that has ended: nothing is to come."""
    followed = view.followed
    if not followed.referral.is_open:
        return None
    steps = tuple(_steps(view, clock))
    return PlanCard(
        steps=steps,
        still="" if view.coming else _why_none(followed),
        badge=_badge(view, clock),
        note=_note(followed, clock),
        undo=_UNDO.get(view.undo.event, "") if view.undo and may_act else "",
    )


def _steps(view: RequestView, clock: Clock) -> Iterator[DatedStep]:
    letter, at = view.followed.letter, view.followed.letter_at
    if letter is not None and at is not None:
        text = f"{present.MESSAGE_KIND[letter.kind]} goes out by {present.CHANNEL[letter.channel]}"
        if letter.state is MessageState.BY_HAND:
            text = f"{present.MESSAGE_KIND[letter.kind]} waits to be printed and mailed"
        yield DatedStep(clock.moment(at), text, present.CHANNEL_ICON[letter.channel])
    for step in view.coming:
        yield dated(step, clock)


def dated(step: Foreseen, clock: Clock) -> DatedStep:
    """One coming step; what an outage leaves out is said."""
    skipped = len(step.planned.skipped)
    note = f"{skipped} earlier step{'' if skipped == 1 else 's'} left out" if skipped else ""
    text = story.step_title(step.planned.rung, step.channel)
    icon = present.CHANNEL_ICON[step.channel] if step.channel else ICONS[step.planned.step]
    return DatedStep(clock.moment(step.at), text, icon, note)


def _why_none(followed: Followed) -> str:
    held = followed.referral.held_for
    if followed.referral.held_at is not None:
        why = _WAITS_FOR[HeldFor(held)] if held in set(HeldFor) else "It waits for the clinic."
        return f"{why} No reminder goes out, and it does not expire, until then."
    return "The ladder has been climbed to its end."


def _badge(view: RequestView, clock: Clock) -> Badge | None:
    referral = view.followed.referral
    if referral.held_at is not None:
        return Badge("waiting", f"On hold since {clock.date_of(referral.held_at)}", "pause")
    if view.paused and referral.paused_until is not None:
        return Badge("waiting", f"Paused until {clock.day(referral.paused_until).text}", "pause")
    if view.away is not None:
        until = clock.day(view.away.last_on).text
        began = view.away.first_on <= clock.today
        since = "" if began else f" from {clock.day(view.away.first_on).text}"
        return Badge("waiting", f"Away{since} until {until}", "pause")
    return None


def _note(followed: Followed, clock: Clock) -> str:
    zone = followed.clinician.time_zone
    city = zone.split("/")[-1].replace("_", " ")
    there = "" if zone == clock.zone.key else f" Their clock is that of {city}."
    return f"Counted in the office’s business days; letters leave in its hours only.{there}"


# ---- Plans on the timeline


def plans(detail: dict[str, Any], clock: Clock) -> str:
    """'Before: reminder Thu, Nov 5, 9:00 AM, due Wed, Nov 18. Now: …'; empty where nothing is kept."""
    if "before" not in detail or "after" not in detail:
        return ""
    return f"Before: {_plan(detail['before'], clock)}. Now: {_plan(detail['after'], clock)}."


def _plan(plan: dict[str, Any], clock: Clock) -> str:
    due = clock.date_of(datetime.fromisoformat(plan["due"]))
    if plan["at"] is None:
        return f"nothing by itself, due {due}"
    at = clock.moment(datetime.fromisoformat(plan["at"])).text
    return f"{_STEP.get(plan['step'], 'next step')} {at}, due {due}"


def on_day(detail: dict[str, Any], name: str, words: str, clock: Clock) -> str:
    """'until Fri, Nov 13'."""
    return f"{words} {clock.day(date.fromisoformat(detail[name])).text}"
