"""The clinic speaks: answers what the clinician has asked, or asks itself; a message brings a fresh link."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from referral.domain import contacts
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.conversation import LONGEST, About, Speaker
from referral.domain.errors import InvalidInput, Issue, TransitionRefused
from referral.domain.outgoing import MessageKind
from referral.domain.records import Contact, Referral
from referral.services import publish
from referral.services.ask_clinic import say
from referral.services.climb import going_on
from referral.services.hold_ladder import HeldFor, belongs_elsewhere, what_must_come_first
from referral.services.queue_message import queue_message
from referral.storage import audit, conversations, directory, outbox, referrals, standings
from referral.storage.db import Session

# What words answer; a call is answered by calling, and an exit by sending the request where it belongs.
_ANSWERED: Final = (About.QUESTION, About.REPLY)


def write_to_clinician(
    session: Session, actor: Actor, referral_id: str, version: int, text: str, now: datetime
) -> Referral:
    """The words are narrative: kept encrypted, shown at the portal and never in a mail.

    Where the clinician was waiting for it, the reminders go on. Raises InvalidInput for no words or too many,
    and TransitionRefused where the clinician has nothing to look after any more, cannot be reached, or has
    said that the request is not for them.
    """
    words = text.strip()
    if not words or len(words) > LONGEST:
        sentence = f"At most {LONGEST} characters, these are {len(words)}." if words else "Please write it."
        raise InvalidInput(Issue(sentence, ("reply",), "required"))
    referral = _held(session, referral_id, version)
    if not referral.is_open and not standings.stands(session, referral.id):
        raise TransitionRefused("This request is closed: nobody reads its page any more.", "Task.status")
    _require_right_person(session, referral)
    last = outbox.last_letter(session, referral.id)
    contact = _reached_by(session, referral, last.contact_id if last else None)
    answers = any(turn.waits for turn in conversations.of_referral(session, referral.id))
    about = About.REPLY if answers else About.QUESTION
    kept = publish.keep_words(session, referral, words, now)
    say(session, actor, referral, about, kept, now, speaker=Speaker.CLINIC)
    changed = _settled(session, actor, referral, now)
    queue_message(session, changed, MessageKind.CONVERSATION, contact, now)
    referrals.note(session, referral.id, f"clinic-{about}", actor.id, now, document=kept)
    _record(session, actor, f"clinic-{about}", changed)
    return changed


def _reached_by(session: Session, referral: Referral, last: str | None) -> Contact:
    known = directory.get_clinician(session, referral.clinician_id).contacts
    sure = tuple(one for one in known if contacts.may_carry(one, MessageKind.CONVERSATION))
    contact = contacts.to_tell(sure, last)
    if contact is None and known:
        text = "Nobody has confirmed their fax number yet. Please call, confirm it, and send this again."
        raise TransitionRefused(text, "Task.status")
    if contact is None:
        raise TransitionRefused("There is no way on file to tell them. Please call.", "Task.status")
    return contact


def see_to(session: Session, actor: Actor, referral_id: str, version: int, now: datetime) -> Referral:
    """What the clinician has said needs no words back; the reminders go on."""
    referral = _held(session, referral_id, version)
    if not any(turn.waits for turn in conversations.of_referral(session, referral.id)):
        raise TransitionRefused("Somebody has seen to it already.", "Task.status")
    _require_right_person(session, referral)
    conversations.settle(session, referral.id, actor.id, now)
    changed = _go_on(session, referral, now)
    referrals.note(session, referral.id, "seen-to", actor.id, now)
    _record(session, actor, "seen-to", changed)
    return changed


def _require_right_person(session: Session, referral: Referral) -> None:
    """What the clinic writes, and every reminder after it, names the patient to whoever gets it."""
    if first := belongs_elsewhere(session, referral):
        raise TransitionRefused(first, "Task.status")


def _held(session: Session, referral_id: str, version: int) -> Referral:
    referral = referrals.get(session, referral_id, lock=True)
    referrals.require_version(referral, version)
    # The version moves, so that a second click on the same page is told that the first one counted.
    return referrals.change(session, referral)


def _settled(session: Session, actor: Actor, referral: Referral, now: datetime) -> Referral:
    conversations.settle(session, referral.id, actor.id, now, _ANSWERED)
    if any(turn.waits for turn in conversations.of_referral(session, referral.id)):
        return referral
    return _go_on(session, referral, now)


def _go_on(session: Session, referral: Referral, now: datetime) -> Referral:
    """Only what the conversation has stopped; a fax that waits for its reader goes on waiting."""
    held = referral.held_at is not None and referral.held_for == HeldFor.QUESTION
    if not referral.is_open or not held or what_must_come_first(session, referral):
        return referral
    changed = referrals.change(session, referral, **going_on(session, referral, now))
    publish.referral_changed(session, changed, now)
    return changed


def _record(session: Session, actor: Actor, what: str, referral: Referral) -> None:
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype=what,
        entity=f"ServiceRequest/{referral.id}",
        patient_id=referral.patient_id,
    )
    audit.record(session, actor, entry)
