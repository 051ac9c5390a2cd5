"""Calls in the words of the staff pages: why, what to say, what to ask, what came of it."""

from __future__ import annotations

from typing import Final

from referral.domain.calls import CallOutcome, CallReason
from referral.web.staff.models import Badge

WHY: Final = {
    CallReason.LADDER: Badge("waiting", "No answer yet", "phone"),
    CallReason.ASKED: Badge("waiting", "Asks to be called", "phone"),
    CallReason.ONLY_CONTACT: Badge("waiting", "Only reached by telephone", "phone"),
    CallReason.CONFIRM_NUMBER: Badge("waiting", "Contact to be confirmed", "shield"),
    CallReason.OWN: Badge("waiting", "To call again", "phone"),
}
# What a person chooses, with what follows from it.
OUTCOME: Final = {
    CallOutcome.WILL_ANSWER: ("Reached: they will answer", "The reminders go on as planned."),
    CallOutcome.OTHER_CHANNEL: ("They want it another way", "The request goes out again with a new link."),
    CallOutcome.ANSWER_GIVEN: ("They answered on the telephone", "Next, you write down what was said."),
    CallOutcome.BACK_ON: ("Will be back on a day", "Nothing goes out before, and the due date moves."),
    CallOutcome.NO_ANSWER: (
        "Nobody was reached",
        "It comes up again on the next business day, three times in all.",
    ),
    CallOutcome.WRONG_NUMBER: ("The number is wrong", "It is marked, and the call stays on the list."),
    CallOutcome.NOT_THEIR_PATIENT: ("Not their patient", "The request ends; you can ask another clinician."),
    CallOutcome.DO_NOT_CONTACT: ("Asked not to be contacted", "The request ends, and nothing more goes out."),
    CallOutcome.NUMBER_RIGHT: ("It is right", "The contact is verified, with your name."),
    CallOutcome.NUMBER_WRONG: ("It is wrong", "Nothing goes there any more; what was sent goes another way."),
}
# What came of it, on the timeline.
CALLED: Final = {
    **{outcome: words[0] for outcome, words in OUTCOME.items()},
    CallOutcome.NOT_REACHED: "Nobody was reached, for the third time",
    CallOutcome.NUMBER_RIGHT: "the contact is right",
    CallOutcome.NUMBER_WRONG: "the contact is wrong",
}


def what_to_say(clinic: str, telephone: str, number: str) -> tuple[str, ...]:
    """Nothing about the patient: whoever picks up may be anybody."""
    return (
        f"“Good day, this is {clinic}. I am calling about request {number}.”",
        f"“You can call us back at {telephone}.”",
    )


CAUTION: Final = (
    "Say no name and nothing about treatment to a voice mailbox or to anybody whose practice you have not "
    "heard. The patient’s name only to the practice, if it is asked for."
)
ASK: Final = {
    CallReason.LADDER: (
        "Has the request arrived, and with whom is it?",
        "When may we expect the answer?",
        "Shall we send it again, by fax, e-mail or post?",
    ),
    CallReason.ASKED: (
        "What can we tell you about the request?",
        "Can you answer now, or shall the link be sent again?",
    ),
    CallReason.ONLY_CONTACT: (
        "May we send you a request for your opinion, by fax, e-mail or post? To which address?",
        "Or would you rather answer now? It takes about two minutes.",
    ),
    CallReason.CONFIRM_NUMBER: (
        "Is this number or address right for confidential mail to the clinician?",
        "Who picks it up there?",
    ),
    CallReason.OWN: ("Has the request arrived?", "When may we expect the answer?"),
}
