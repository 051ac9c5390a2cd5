"""A fax finds its request, by its code or by a person, and leaves it again where that was a mistake."""

from __future__ import annotations

import uuid
from datetime import datetime

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Role
from referral.domain.errors import Forbidden, InvalidInput, Issue, StaleVersion
from referral.domain.fax import WAITING, FaxState, MatchedBy, require_step
from referral.domain.records import Referral
from referral.services import publish
from referral.services.climb import going_on
from referral.services.hold_ladder import HeldFor, hold, is_answered, stop_reminders
from referral.services.publish_fax import fax_attached, fax_taken_off
from referral.storage import audit, documents, faxes, referrals
from referral.storage.db import Session
from referral.storage.faxes import Fax


def attach_fax(
    session: Session, actor: Actor, fax: Fax, referral_id: str, by: MatchedBy, now: datetime
) -> Fax:
    """The request gets a copy, its timeline a line, and its reminders stop until a person has read it.

    A closed request gets it all the same, as a late answer: nothing of it is opened again.
    """
    referral = referrals.get(session, referral_id, lock=True)
    record_id = _copy(session, fax, referral, now)
    if referral.is_open:
        _hold(session, referral, now)
    attached = faxes.change(
        session,
        fax,
        state=FaxState.MATCHED,
        referral_id=referral.id,
        record_id=record_id,
        matched_by=by,
        matched_at=now,
        is_late=not referral.is_open,
        handled_by=actor.id,
        handled_at=now,
    )
    event = "fax-received" if referral.is_open else "fax-late"
    referrals.note(session, referral.id, event, actor.id, now, fax=fax.id, by=by, pages=fax.pages)
    record_fax(session, actor, "attach-fax", attached, referral.patient_id, by=by, document=record_id)
    return attached


def assign_fax(
    session: Session, actor: Actor, fax_id: str, version: int, referral_id: str, now: datetime
) -> Fax:
    """A person says which request it belongs to: the same as if its code had said so."""
    fax = _for_step(session, "assign", fax_id, version)
    if not referral_id or referrals.find_by_id(session, referral_id) is None:
        raise InvalidInput(
            Issue("Choose the request that this fax belongs to.", ("referral_id",), "required")
        )
    return attach_fax(session, actor, fax, referral_id, MatchedBy.STAFF, now)


def take_fax_off(session: Session, actor: Actor, fax_id: str, version: int, now: datetime) -> Fax:
    """It was the wrong request: back to the inbox. Its document there is marked as entered in error."""
    fax = _for_step(session, "take-off", fax_id, version)
    referral = referrals.get(session, str(fax.referral_id), lock=True)
    fax_taken_off(session, str(fax.record_id), now)
    off = faxes.change(
        session,
        fax,
        state=FaxState.UNMATCHED,
        referral_id=None,
        record_id=None,
        matched_by=None,
        matched_at=None,
        is_late=False,
        handled_by=actor.id,
        handled_at=now,
    )
    release(session, referral, fax, now)
    referrals.note(session, referral.id, "fax-taken-off", actor.id, now, fax=fax.id)
    record_fax(session, actor, "take-fax-off", off, referral.patient_id)
    return off


def dismiss_fax(session: Session, actor: Actor, fax_id: str, version: int, reason: str, now: datetime) -> Fax:
    """It belongs to nobody here; the reason is kept, and it can be brought back."""
    fax = _for_step(session, "dismiss", fax_id, version)
    values = {"reason": _reason(reason), "handled_by": actor.id, "handled_at": now}
    gone = faxes.change(session, fax, state=FaxState.DISMISSED, **values)
    record_fax(session, actor, "dismiss-fax", gone, None)
    return gone


def restore_fax(session: Session, actor: Actor, fax_id: str, version: int, now: datetime) -> Fax:
    """Back to the inbox."""
    fax = _for_step(session, "restore", fax_id, version)
    state = FaxState.UNREADABLE if fax.problem else FaxState.UNMATCHED
    back = faxes.change(session, fax, state=state, reason=None, handled_by=actor.id, handled_at=now)
    record_fax(session, actor, "restore-fax", back, None)
    return back


def file_fax(session: Session, actor: Actor, fax_id: str, version: int, reason: str, now: datetime) -> Fax:
    """Nothing of it has to be written down: it stays with its request, and the reminders go on."""
    fax = _for_step(session, "file", fax_id, version)
    if fax.state is FaxState.DIFFERS and actor.role is not Role.MEDICAL_DIRECTOR:
        raise Forbidden("The medical director decides what becomes of an answer that differs.")
    referral = referrals.get(session, str(fax.referral_id), lock=True)
    values = {"reason": _reason(reason), "handled_by": actor.id, "handled_at": now}
    filed = faxes.change(session, fax, state=FaxState.FILED, **values)
    release(session, referral, fax, now)
    referrals.note(session, referral.id, "fax-filed", actor.id, now, fax=fax.id)
    record_fax(session, actor, "file-fax", filed, referral.patient_id)
    return filed


def note_difference(session: Session, actor: Actor, fax_id: str, version: int, now: datetime) -> Fax:
    """It says something else than the answer on record, which stands: the medical director looks at both."""
    fax = _for_step(session, "differ", fax_id, version)
    referral = referrals.get(session, str(fax.referral_id), lock=True)
    if referral.is_open:
        raise InvalidInput(
            Issue("There is no answer on record yet: please write down what the fax says.", ("differ",))
        )
    differing = faxes.change(session, fax, state=FaxState.DIFFERS, handled_by=actor.id, handled_at=now)
    referrals.note(session, referral.id, "fax-differs", actor.id, now, fax=fax.id)
    record_fax(session, actor, "fax-differs", differing, referral.patient_id)
    return differing


def _for_step(session: Session, step: str, fax_id: str, version: int) -> Fax:
    """As it was shown to the person who decided; `version` is that of the page."""
    fax = faxes.get(session, fax_id)
    require_step(step, fax.state)
    if fax.version != version:
        raise StaleVersion("Somebody else has dealt with this fax. Reload it and look again.")
    return fax


def _reason(given: str) -> str:
    if len(given.strip()) < 3:
        raise InvalidInput(Issue("Please say why in a few words.", ("reason",), "required"))
    return given.strip()[:300]


def _copy(session: Session, fax: Fax, referral: Referral, now: datetime) -> str:
    original = documents.get(session, str(fax.document_id))
    record_id = str(uuid.uuid4())
    documents.add(
        session,
        id=record_id,
        kind="fax",
        content_type=original.content_type,
        content=original.content,
        now=now,
        patient_id=referral.patient_id,
        referral_id=referral.id,
    )
    fax_attached(session, referral, documents.get(session, record_id), now)
    return record_id


def _hold(session: Session, referral: Referral, now: datetime) -> None:
    """Whoever has answered is not reminded. A hold for another reason stays that reason's."""
    if referral.held_at is None:
        held = hold(session, referral, HeldFor.FAX, now)
        publish.referral_changed(session, held, now)
    else:
        stop_reminders(session, referral, now)


def release(session: Session, referral: Referral, fax: Fax, now: datetime) -> Referral:
    """The ladder goes on where it was this fax, or one before it, that stopped it. The caller holds both.

    Also where a question had stopped it that was answered while the fax still waited.
    """
    others = [other for other in faxes.of_referral(session, referral.id) if other.id != fax.id]
    waits = any(other.state in WAITING for other in others)
    held = referral.held_at is not None and (
        referral.held_for == HeldFor.FAX or is_answered(session, referral)
    )
    if not referral.is_open or not held or waits:
        return referral
    freed = referrals.change(session, referral, **going_on(session, referral, now))
    publish.referral_changed(session, freed, now)
    return freed


def record_fax(
    session: Session, actor: Actor, what: str, fax: Fax, patient_id: str | None, **detail: str
) -> None:
    """The audit row of a step; of a look see find_faxes."""
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype=what,
        entity=f"DocumentReference/{fax.record_id or fax.document_id}",
        patient_id=patient_id,
        detail={"fax": fax.id, **detail},
    )
    audit.record(session, actor, entry)
