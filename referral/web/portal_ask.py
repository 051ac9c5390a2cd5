"""What a clinician tells the clinic beside the form: a question, a reply, a call, and the honest ways out.

All of them stop the reminders. Whoever says that they are not the one to answer needs no check before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from referral.domain.conversation import LONGEST, LONGEST_REACH, About, Reach
from referral.domain.credential import random_token
from referral.domain.errors import TransitionRefused
from referral.domain.language import phrase
from referral.domain.life import Purpose
from referral.letters.content import printable_text
from referral.services.answer_on_portal import Message, read_sender, read_thread, tell_clinic
from referral.services.prove_identity import Stage
from referral.web.dependencies import PostedDep, public
from referral.web.form import Form
from referral.web.portal_answer import Identified
from referral.web.portal_guest import Guest, farewell, go, guest
from referral.web.reader import spoken_page

router: Final = APIRouter(tags=["portal"], include_in_schema=False)

_Anyone = Annotated[Guest, guest(*Stage, purpose=Purpose.ANSWER)]
_Known = Annotated[Guest, guest(Stage.IDENTIFIED)]


@dataclass(frozen=True, slots=True)
class Box:
    """One field of a form: what is said where it is left empty, "" where it may be."""

    name: str
    missing: str = ""
    longest: int = LONGEST_REACH


_WORDS: Final = Box("text", longest=LONGEST)
# What can be told, and its fields in the order of the page.
_ASKS: Final = {
    About.QUESTION: (Box("text", phrase("Please write your question."), LONGEST),),
    About.CALL: (Box("telephone", phrase("Please give a telephone number.")), Box("when"), _WORDS),
    About.COLLEAGUE: (
        Box("name", phrase("Please say who should answer.")),
        Box("telephone", phrase("Please say how we reach them: a telephone number is enough.")),
        _WORDS,
    ),
}
_NOT_FOR_ME: Final[dict[About, tuple[Box, ...]]] = {
    About.LEFT: (Box("name"), Box("telephone")),
    About.WRONG_ADDRESS: (),
}
_EVERY: Final = {**_ASKS, **_NOT_FOR_ME}


def _about(text: str, among: dict[About, tuple[Box, ...]]) -> About | None:
    return next((about for about in among if about == text), None)


def _ask_page(visitor: Guest, about: About, values: dict[str, str], errors: dict[str, str]) -> Response:
    with visitor.transaction() as session:
        sender = read_sender(session)
    return visitor.page(
        "portal/ask.html.j2",
        400 if errors else 200,
        form=Form(values, errors, visitor.found.csrf_token, key=random_token(size=12)),
        sender=sender,
        about=about.value,
        action=f"/request/{'ask' if about in _ASKS else 'not-for-me'}/{about}",
        longest=LONGEST,
        longest_reach=LONGEST_REACH,
    )


@router.get("/request/ask/{about}")
def ask_form(visitor: Identified, about: str) -> Response:
    """A box for the words; `about` is question, call or colleague."""
    found = _about(about, _ASKS)
    return _ask_page(visitor, found, {}, {}) if found else go("/request")


@router.post("/request/ask/{about}")
def send_question(visitor: Identified, form: PostedDep, about: str) -> Response:
    """Tell the clinic; naming a colleague closes this link."""
    found = _about(about, _ASKS)
    return _told(visitor, found, form, _ASKS[found]) if found else go("/request")


@router.get("/request/not-for-me/{about}")
def not_for_me_form(visitor: _Anyone, about: str) -> Response:
    """Asks once more; `about` is left or wrong-address. Who was not meant cannot pass a check before it."""
    found = _about(about, _NOT_FOR_ME)
    return _ask_page(visitor, found, {}, {}) if found else go("/request")


@router.post("/request/not-for-me/{about}")
def not_for_me(visitor: _Anyone, form: PostedDep, about: str) -> Response:
    """The links close, and the clinic finds out where the request belongs."""
    found = _about(about, _NOT_FOR_ME)
    return _told(visitor, found, form, _NOT_FOR_ME[found]) if found else go("/request")


def _told(visitor: Guest, about: About, form: Any, boxes: tuple[Box, ...]) -> Response:
    values = {box.name: printable_text(str(form.get(box.name, ""))) for box in boxes}
    found = {box.name: _problem(box, values[box.name]) for box in boxes}
    errors = {name: visitor.tell(problem) for name, problem in found.items() if problem}
    if errors:
        return _ask_page(visitor, about, values, errors)
    message = Message(
        about=about,
        text=values.pop("text", ""),
        key=str(form.get("key", "")),
        reach=Reach(**values),
    )
    try:
        with visitor.transaction() as session:
            tell_clinic(session, visitor.actor, visitor.found, message, visitor.now)
    except TransitionRefused:
        return go("/request")
    if about in (About.QUESTION, About.CALL):
        return go(f"/request/asked/{about}")
    return farewell(visitor.runtime, f"/request/asked/{about}")


def _problem(box: Box, text: str) -> str:
    if not text:
        return box.missing
    if len(text) <= box.longest:
        return ""
    return phrase("At most %(most)s characters, these are %(count)s.", most=box.longest, count=len(text))


@router.get("/request/asked/{about}", dependencies=[public("says only that a message has arrived")])
def asked(request: Request, about: str) -> Response:
    """What happens now."""
    known = _about(about, _EVERY)
    return spoken_page(request, "portal/asked.html.j2", about=about) if known else go("/request")


# ---- The conversation


@router.get("/request/conversation")
def conversation(visitor: _Known) -> Response:
    """What both sides have said, and a box to reply."""
    return _conversation_page(visitor, {}, {})


def _conversation_page(visitor: Guest, values: dict[str, str], errors: dict[str, str]) -> Response:
    with visitor.transaction() as session:
        sender, thread = read_sender(session), read_thread(session, visitor.actor, visitor.about)
    return visitor.page(
        "portal/conversation.html.j2",
        400 if errors else 200,
        form=Form(values, errors, visitor.found.csrf_token, key=random_token(size=12)),
        sender=sender,
        thread=thread,
        longest=LONGEST,
    )


@router.post("/request/conversation")
def reply(visitor: _Known, form: PostedDep) -> Response:
    """One more turn; a request that has ended meanwhile takes none."""
    text = printable_text(str(form.get("text", "")))
    problem = _problem(Box("text", phrase("Please write your message."), LONGEST), text)
    if problem:
        return _conversation_page(visitor, {"text": text}, {"text": visitor.tell(problem)})
    message = Message(about=About.REPLY, text=text, key=str(form.get("key", "")))
    try:
        with visitor.transaction() as session:
            tell_clinic(session, visitor.actor, visitor.found, message, visitor.now)
    except TransitionRefused:
        return go("/request")
    return go("/request/conversation")
