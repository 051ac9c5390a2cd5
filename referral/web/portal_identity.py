"""The portal before the visitor is known: a second factor for an electronic link, then the birth date."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter
from starlette.responses import Response

from referral.domain.language import phrase
from referral.services.answer_on_portal import read_patient_name, read_sender
from referral.services.prove_identity import (
    PAPER,
    SAME_ADDRESS,
    Guess,
    Stage,
    can_be_identified,
    check_birth_date,
    check_letter_code,
    check_one_time_code,
    guess,
)
from referral.services.send_portal_code import send_code, ways_of
from referral.storage import credentials
from referral.web.dependencies import PostedDep
from referral.web.form import Form
from referral.web.portal_guest import Guest, go, guest
from referral.web.visits import BIRTH_DATE_PARTS, typed_birth_date

router: Final = APIRouter(tags=["portal"], include_in_schema=False)

_SecondFactor = Annotated[Guest, guest(Stage.SECOND_FACTOR)]
_BirthDate = Annotated[Guest, guest(Stage.BIRTH_DATE)]
# One sentence for every miss: which part was wrong is nobody's business.
_WRONG: Final = phrase("This does not match our record. Please check it and try again.")


def stopped_page(visitor: Guest, why: str) -> Response:
    """`why` is paused, frozen, no-way or no-birth-date; each says what to do."""
    with visitor.transaction() as session:
        sender = read_sender(session)
    return visitor.page("portal/stopped.html.j2", 403, sender=sender, why=why, token=visitor.found.csrf_token)


def identity_page(visitor: Guest, *, values: dict[str, str] | None = None, problem: str = "") -> Response:
    """The check that comes next."""
    if visitor.credential.frozen_at is not None or visitor.is_paused:
        return stopped_page(visitor, "frozen" if visitor.credential.frozen_at else "paused")
    if visitor.stage is Stage.SECOND_FACTOR:
        return _second_factor_page(visitor, values or {}, problem)
    return _birth_date_page(visitor, values or {}, problem)


def _second_factor_page(visitor: Guest, values: dict[str, str], problem: str) -> Response:
    with visitor.transaction() as session:
        ways, sender = ways_of(session, visitor.credential), read_sender(session)
    if ways.is_empty:
        return stopped_page(visitor, "no-way")
    until = visitor.found.one_time_until
    field = next(iter(values), "one_time_code")
    return visitor.page(
        "portal/second_factor.html.j2",
        400 if problem else 200,
        form=Form(values, {field: problem} if problem else {}, visitor.found.csrf_token),
        sender=sender,
        ways=ways,
        came_by=visitor.credential.channel,
        sent_by=visitor.found.one_time_channel if until and until > visitor.now else None,
        same=SAME_ADDRESS,
    )


def _birth_date_page(visitor: Guest, values: dict[str, str], problem: str) -> Response:
    with visitor.transaction() as session:
        sender = read_sender(session)
        # A letter names the patient. Who came by mail has shown a second factor, and must know which chart.
        names = visitor.credential.channel not in PAPER
        patient = read_patient_name(session, visitor.actor, visitor.credential) if names else ""
    form = Form(values, {BIRTH_DATE_PARTS[0]: problem} if problem else {}, visitor.found.csrf_token)
    return visitor.page(
        "portal/birth_date.html.j2", 400 if problem else 200, form=form, sender=sender, patient=patient
    )


@router.post("/request/send-code")
def send_one_time_code(visitor: _SecondFactor, form: PostedDep) -> Response:
    """Six digits to one of the ways that the page has offered."""
    with visitor.transaction() as session:
        sent = send_code(session, visitor.actor, visitor.found, str(form.get("way", "")), visitor.now)
    if not sent:
        text = visitor.tell(
            "Three codes were sent within the hour. Please use the newest one, or wait a little."
        )
        return identity_page(visitor, problem=text)
    return go("/request")


@router.post("/request/one-time-code")
def give_one_time_code(visitor: _SecondFactor, form: PostedDep) -> Response:
    """The six digits that were sent."""
    typed = str(form.get("one_time_code", "")).strip()
    if not typed:
        text = visitor.tell("Please type the six digits that we sent.")
        return identity_page(visitor, values={"one_time_code": ""}, problem=text)
    result = guess(
        visitor.transaction,
        visitor.actor,
        visitor.found.selector,
        lambda session: check_one_time_code(session, visitor.actor, visitor.found, typed, visitor.now),
        visitor.now,
    )
    return _after(visitor, result, {"one_time_code": typed[:12]})


@router.post("/request/letter-code")
def give_letter_code(visitor: _SecondFactor, form: PostedDep) -> Response:
    """The code printed on a letter about the same request."""
    typed = str(form.get("letter_code", "")).strip()
    if not typed:
        text = visitor.tell("Please type the code from the letter.")
        return identity_page(visitor, values={"letter_code": ""}, problem=text)
    result = guess(
        visitor.transaction,
        visitor.actor,
        visitor.found.selector,
        lambda session: check_letter_code(session, visitor.actor, visitor.found, typed, visitor.now),
        visitor.now,
    )
    return _after(visitor, result, {"letter_code": typed[:20]})


@router.post("/request/birth-date")
def give_birth_date(visitor: _BirthDate, form: PostedDep) -> Response:
    """The last check: the patient's date of birth."""
    values, typed = typed_birth_date(form)
    if typed is None:
        text = visitor.tell("Please give month, day and year in digits, for example 5 / 17 / 1984.")
        return identity_page(visitor, values=values, problem=text)
    with visitor.transaction() as session:
        possible = can_be_identified(session, visitor.actor, visitor.found, visitor.now)
    if not possible:
        return stopped_page(visitor, "no-birth-date")
    result = guess(
        visitor.transaction,
        visitor.actor,
        visitor.found.selector,
        lambda session: check_birth_date(session, visitor.actor, visitor.found, typed, visitor.now),
        visitor.now,
    )
    return _after(visitor, result, values)


def _after(visitor: Guest, result: Guess, values: dict[str, str]) -> Response:
    if result is not Guess.WRONG:
        return go("/request")
    with visitor.transaction() as session:
        counted = credentials.get(session, visitor.found.selector)
    return identity_page(
        replace(visitor, credential=counted or visitor.credential),
        values=values,
        problem=visitor.tell(_WRONG),
    )
