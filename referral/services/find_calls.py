"""Whom to call, about what, and by which number; a look leaves audit rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.calls import CallState
from referral.domain.errors import NotFound
from referral.domain.ids import is_uuid
from referral.domain.listing import Page, View
from referral.domain.quick import quick
from referral.domain.records import Contact
from referral.services.find_orders import OrderState, States
from referral.services.follow_requests import Followed
from referral.services.log_call import number_to_call
from referral.services.note_shown import note_shown
from referral.storage import audit, calls
from referral.storage.calls import CallTask
from referral.storage.db import Session
from referral.storage.lists import calls as listed_calls

# More calls than anybody makes in a day; the others come up when these are made.
_MOST: Final = 300
_ALL: Final = View()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call with the request that it is about. `number` is the one to ring, None where none is on file.

    `contact` is what has to be confirmed, None for a call about the request itself.
    """

    task: CallTask
    followed: Followed
    state: OrderState
    number: Contact | None
    contact: Contact | None = None


def find_calls(session: Session, states: States) -> list[Call]:
    """Open calls, by the date of the first infusion, then who waited longest. The caller notes the look."""
    return sorted(_about(calls.find_open(session, _MOST), states), key=_urgency)


def _urgency(call: Call) -> tuple[date, int, datetime]:
    return call.state.order.first_infusion_on or date.max, -call.followed.waited, call.task.due_at


def _about(tasks: list[CallTask], states: States) -> list[Call]:
    asked = states.about({task.referral_id for task in tasks if task.referral_id})
    return [_one(task, *asked[task.referral_id]) for task in tasks if task.referral_id in asked]


def _one(task: CallTask, followed: Followed, state: OrderState) -> Call:
    people = followed.clinician.contacts
    return Call(
        task=task,
        followed=followed,
        state=state,
        number=number_to_call(followed.clinician),
        contact=next((contact for contact in people if contact.id == task.contact_id), None),
    )


def list_calls(session: Session, actor: Actor, now: datetime, view: View = _ALL) -> Page[Call]:
    """Open calls, the nearest infusion first, then who has waited longest; with the audit rows of a look."""
    page = listed_calls.listed(session, view, now)
    found = _about(list(page.rows), States(session, now))
    shown = (call.state.order.patient_id for call in found)
    note_shown(session, actor, view.noted("calls"), shown, list="calls")
    return page.of(found)


def open_call(session: Session, actor: Actor, call_id: str, now: datetime) -> Call:
    """Raises NotFound, for another clinic's call and for one that has been made as well."""
    task = calls.get(session, call_id) if is_uuid(call_id) else None
    found = _about([task], States(session, now)) if task and task.state is CallState.OPEN else []
    if not found:
        raise NotFound("This call is not to be made any more. The page of its request says what came of it.")
    entry = AuditEntry(
        action=Action.READ,
        subtype="call",
        entity=f"ServiceRequest/{found[0].followed.referral.id}",
        patient_id=found[0].state.order.patient_id,
    )
    audit.record(session, actor, entry)
    return found[0]
