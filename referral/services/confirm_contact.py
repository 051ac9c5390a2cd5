"""What a call, or whoever was reached, has found out about one of a practice's numbers or addresses."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from referral.domain import contacts as rules
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.calls import CallReason
from referral.domain.codes import BusinessStatus
from referral.domain.errors import InvalidInput, Issue
from referral.domain.outgoing import WITH_LINK, MessageKind, MessageState
from referral.domain.records import Bar, Clinician, Referral
from referral.services import publish
from referral.services.keep_contact import queue_instead, stop_waiting
from referral.services.keep_directory import verify_contact
from referral.services.queue_call import queue_call
from referral.services.queue_message import queue_message
from referral.storage import audit, calls, contacts, credentials, directory, outbox, referrals
from referral.storage.db import Session
from referral.storage.outbox import Message

_LEFT: Final = frozenset({MessageState.ACCEPTED, MessageState.DELIVERED})
_IN_DOUBT: Final = frozenset({MessageState.SENDING, MessageState.UNKNOWN})
_LOST: Final = frozenset(
    {MessageState.FAILED, MessageState.DEAD, MessageState.CANCELLED, MessageState.UNKNOWN}
)


def number_is_right(
    session: Session, actor: Actor, clinician_id: str, contact_id: str, spoke_with: str, now: datetime
) -> None:
    """The practice confirms it. Refuses whoever has typed it (Forbidden), and a missing name."""
    name = " ".join(spoke_with.split())
    if not 2 <= len(name) <= 120:
        raise InvalidInput(Issue("Whom did you speak with?", ("spoke_with",), "required"))
    verify_contact(session, actor, clinician_id, contact_id, now, how=name)
    calls.cancel_about(session, contact_id, now)


def number_is_wrong(
    session: Session, actor: Actor, clinician_id: str, contact_id: str, now: datetime
) -> None:
    """It belongs to somebody else: nothing goes there any more, and its links end.

    Each open request that was sent or was going there goes to the best other contact at once. What has
    reached a stranger is an incident (45 CFR 164.528).
    """
    if not _is_in_use(session, clinician_id, contact_id):
        raise InvalidInput(Issue("There is no such contact.", ("contact",), "not-found"))
    _give_up(session, actor, clinician_id, contact_id, now)


def reached_somebody_else(
    session: Session, actor: Actor, referral: Referral, contact_id: str | None, now: datetime
) -> None:
    """Whoever got this request by a contact says that it is not theirs: nothing goes there any more.

    The caller holds the clinician's open requests (hold_open_requests) and sees to this one, which waits for
    a person; the others go another way at once, as after a call. A contact that was replaced is left alone.
    """
    if contact_id is not None and _is_in_use(session, referral.clinician_id, contact_id):
        _give_up(session, actor, referral.clinician_id, contact_id, now, but=referral.id)


def hold_open_requests(session: Session, clinician_id: str) -> None:
    """Each with its order, in the one order in which everybody takes several of them."""
    for found in referrals.find(session, clinician_id=clinician_id, is_open=True):
        referrals.get(session, found.id, lock=True)


def _is_in_use(session: Session, clinician_id: str, contact_id: str) -> bool:
    return contact_id in {one.id for one in directory.get_clinician(session, clinician_id).contacts}


def _give_up(
    session: Session, actor: Actor, clinician_id: str, contact_id: str, now: datetime, but: str = ""
) -> None:
    """`but` is a request that is seen to already."""
    contacts.bar(session, contact_id, Bar.WRONG_RECIPIENT, now)
    calls.cancel_about(session, contact_id, now)
    detail: dict[str, Any] = {"contact": contact_id}
    entity = f"PractitionerRole/{clinician_id}"
    entry = AuditEntry(action=Action.UPDATE, subtype="wrong-recipient", entity=entity, detail=detail)
    audit.record(session, actor, entry)
    clinician = directory.get_clinician(session, clinician_id)
    for found in referrals.find(session, clinician_id=clinician_id, is_open=True):
        if found.id != but:
            held = referrals.get(session, found.id, lock=True)
            _turn_away(session, actor, held, clinician, contact_id, now)


def _turn_away(
    session: Session, actor: Actor, referral: Referral, clinician: Clinician, contact_id: str, now: datetime
) -> None:
    sent = [m for m in outbox.find(session, referral_id=referral.id) if m.contact_id == contact_id]
    if not sent or not referral.is_open:
        return
    stopped = stop_waiting(session, referral, contact_id, now)
    credentials.revoke_sent_by(session, (message.id for message in sent), "wrong-recipient", now)
    referrals.note(session, referral.id, "wrong-recipient", actor.id, now, channel=sent[0].channel)
    reached = any(_may_have_reached(message) for message in sent)
    if reached:
        _note_misdirected(session, actor, referral, contact_id)
    if (not reached and not stopped) or _has_another_letter(session, referral, contact_id):
        return
    other = rules.best(clinician.contacts)
    if other is not None and stopped:
        queue_instead(session, referral, stopped[0], other, now)
    elif other is not None:
        queue_message(session, referral, MessageKind.REQUEST, other, now)
    else:
        changed = referrals.change(session, referral, business_status=BusinessStatus.DELIVERY_FAILED)
        publish.referral_changed(session, changed, now)
        queue_call(session, changed, CallReason.ONLY_CONTACT, now)


def _may_have_reached(message: Message) -> bool:
    """A stranger has it, or nobody knows. What stayed in the outbox has reached nobody."""
    return message.state in _IN_DOUBT or (message.state in _LEFT and message.sent_for_real)


def _has_another_letter(session: Session, referral: Referral, contact_id: str) -> bool:
    """The clinician has the request by another contact, or is about to get it."""
    return any(
        message.contact_id != contact_id and message.kind in WITH_LINK and message.state not in _LOST
        for message in outbox.find(session, referral_id=referral.id)
    )


def _note_misdirected(session: Session, actor: Actor, referral: Referral, contact_id: str) -> None:
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype="misdirected",
        entity=f"ServiceRequest/{referral.id}",
        patient_id=referral.patient_id,
        detail={"contact": contact_id, "seen": True},
    )
    audit.record(session, actor, entry)
