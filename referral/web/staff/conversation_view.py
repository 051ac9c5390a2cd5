"""What clinician and clinic have said to each other, as the page of the request shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from referral.domain.conversation import About, Speaker
from referral.services.find_requests import RequestView
from referral.services.read_conversation import Said
from referral.web.staff import present
from referral.web.staff.clock import Clock
from referral.web.staff.models import Fact, Link
from referral.web.staff.request_models import Conversation, Utterance

_SAYS: Final = {
    About.QUESTION: "asks",
    About.REPLY: "writes",
    About.CALL: "wants to be called",
    About.COLLEAGUE: "says that a colleague should answer",
    About.LEFT: "has left this practice",
    About.WRONG_ADDRESS: "did not get it: it reached somebody else",
}
_OWED: Final = {
    About.QUESTION: "The clinician waits for your answer. Reminders stand still until then.",
    About.REPLY: "The clinician has written. Reminders stand still until somebody has seen it.",
    About.CALL: "The clinician wants to be called. Reminders stand still until then.",
    About.COLLEAGUE: "Call the colleague, then ask them: they get their own link, and this request ends.",
    About.LEFT: "Find out who treats the patient now and ask them; this request then ends.",
    About.WRONG_ADDRESS: "Find the right number or address and send it there. The links are closed.",
}


def conversation(view: RequestView, clock: Clock, *, may_read: bool) -> Conversation | None:
    """None where nothing was said."""
    if not view.said:
        return None
    waiting = next((one.turn for one in reversed(view.said) if one.turn.waits), None)
    return Conversation(
        said=tuple(_utterance(one, view, clock, may_read=may_read) for one in view.said),
        owed=_OWED[waiting.about] if waiting else "",
        action=next_action(waiting.about, view) if waiting else None,
    )


def next_action(about: About, view: RequestView) -> Link | None:
    """The one thing to do about it; None where the form for words stands below."""
    if about is About.CALL:
        return Link("Log the call", "#call")
    if about is About.WRONG_ADDRESS:
        return Link("Correct the contact", "#contact")
    if about in (About.COLLEAGUE, About.LEFT):
        label = "Ask the colleague" if about is About.COLLEAGUE else "Ask another clinician"
        return Link(label, present.ask_href(view.state.order))
    return None


def _utterance(one: Said, view: RequestView, clock: Clock, *, may_read: bool) -> Utterance:
    turn, ours = one.turn, one.turn.speaker is Speaker.CLINIC
    name = view.users.get(turn.said_by, "The clinic") if ours else present.titled(view.followed.clinician)
    return Utterance(
        who=f"{name} {_SAYS[turn.about]}",
        when=clock.moment(turn.said_at),
        words=one.words,
        is_ours=ours,
        facts=tuple(_facts(one)),
        hidden="" if may_read or turn.words_id is None else "The words are for clinical staff.",
    )


def _facts(one: Said) -> Iterator[Fact]:
    named = (("Who", one.reach.name), ("Reached at", one.reach.telephone), ("When", one.reach.when))
    return (Fact(label, text) for label, text in named if text)
