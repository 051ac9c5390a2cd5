"""Who is on call for safety tasks, in which order, and how long the next one is waited with."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Channel
from referral.domain.errors import InvalidInput, Issue, NotFound, TransitionRefused
from referral.domain.on_call import CHANNELS, MOST_CONTACTS, WAITS, OnCallContact
from referral.fhir.contact_values import normal_address
from referral.services.call_on_duty import call_on_duty
from referral.storage import audit, clinics, on_call, resources
from referral.storage.db import Session, hold

_LONGEST: Final = 80


def add_on_call(
    session: Session, actor: Actor, name: str, channel: str, address: str, now: datetime
) -> OnCallContact:
    """At the end of the list. Where tasks wait already and nobody was told, they are told at once.

    Raises InvalidInput for what is missing or no address, TransitionRefused where the list is full.
    """
    hold(session, "on-call")
    shown, issues = " ".join(name.split()), []
    if not 0 < len(shown) <= _LONGEST:
        text = f"A name or a shift, in at most {_LONGEST} characters."
        issues.append(Issue(text, ("name",), "required"))
    if channel not in CHANNELS:
        issues.append(Issue("By text message, or by e-mail?", ("channel",), "required"))
    if issues:
        raise InvalidInput(*issues)
    found = on_call.contacts(session)
    if len(found) >= MOST_CONTACTS:
        raise TransitionRefused(f"At most {MOST_CONTACTS} are told. Take one off the list first.", "name")
    made = OnCallContact(
        id=resources.new_id(),
        place=max((one.place for one in found), default=0) + 1,
        name=shown,
        channel=Channel(channel),
        address=normal_address(Channel(channel), address, "address"),
    )
    if not on_call.add_contact(session, made, now):
        raise InvalidInput(Issue("This one is on the list already.", ("address",), "duplicate"))
    _record(session, actor, Action.CREATE, made.id)
    call_on_duty(session, now)
    return made


def remove_on_call(session: Session, actor: Actor, id: str, now: datetime) -> None:
    """What waits for them is not sent any more; the next one is told instead. Raises NotFound."""
    hold(session, "on-call")
    if not on_call.end_contact(session, id, now):
        raise NotFound("This contact is not on the list any more.")
    _record(session, actor, Action.DELETE, id)


def tell_first(session: Session, actor: Actor, id: str) -> None:
    """Tell this one first, the others after them in the order they had. Raises NotFound."""
    hold(session, "on-call")
    found = on_call.contacts(session)
    first = [one for one in found if one.id == id]
    if not first:
        raise NotFound("This contact is not on the list any more.")
    for place, one in enumerate([*first, *(one for one in found if one.id != id)], 1):
        on_call.place_contact(session, one.id, place)
    _record(session, actor, Action.UPDATE, id)


def set_wait(session: Session, actor: Actor, minutes: str) -> None:
    """How long the next one is waited with. Raises InvalidInput for what is none of the choices."""
    if minutes not in {str(one) for one in WAITS}:
        raise InvalidInput(Issue("Please choose one of the times.", ("wait",), "required"))
    clinics.change_settings(session, on_call={"wait": int(minutes)})
    _record(session, actor, Action.UPDATE, "", minutes)


def _record(session: Session, actor: Actor, action: Action, contact: str, wait: str = "") -> None:
    entry = AuditEntry(
        action=action, subtype="on-call-changed", detail={"contact": contact or None, "wait": wait or None}
    )
    audit.record(session, actor, entry)
