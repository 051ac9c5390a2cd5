"""A letter in the clinician's own words is uploaded: by staff, or by the clinician at the portal.

It goes the way of a fax: kept encrypted, read in a process of its own, written down by a person.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import InvalidInput, Issue, TransitionRefused
from referral.domain.fax import FaxSource
from referral.domain.language import phrase
from referral.letters.scan import MAX_BYTES, kind_of
from referral.services import publish
from referral.services.hold_ladder import HeldFor, hold, stop_reminders
from referral.services.keep_late_answer import takes_late_answers
from referral.services.take_fax import Arrived, take_fax
from referral.storage import audit, faxes, referrals
from referral.storage.db import Session

# Each is up to 16 MB, and a person has to read it.
_A_DAY: Final = 5
_PROBLEMS: Final = {
    "not-a-fax": phrase("It is neither a TIFF nor a PDF."),
    "too-many-bytes": phrase("It is larger than 16 MB."),
}
_DAY: Final = timedelta(days=1)


def take_letter(
    session: Session, actor: Actor, referral_id: str, content: bytes, source: FaxSource, now: datetime
) -> str:
    """The id of its row, of the same letter if it came before. Reminders stop until somebody has read it.

    Raises InvalidInput for what is no PDF or TIFF, is too large, or is the sixth within a day.
    """
    referral = referrals.get(session, referral_id, lock=True)
    if not referral.is_open and not takes_late_answers(referral):
        raise TransitionRefused("This request has ended; ask again if it is needed.", "Task.status")
    problem = "too-many-bytes" if len(content) > MAX_BYTES else "" if kind_of(content) else "not-a-fax"
    if problem:
        raise InvalidInput(
            Issue(_PROBLEMS[problem] if content else phrase("Choose a file."), ("letter",), "value")
        )
    mine = [fax for fax in faxes.meant_for(session, referral_id) if now - fax.received_at < _DAY]
    if len(mine) >= _A_DAY:
        raise InvalidInput(
            Issue(phrase("Five letters have come within a day. Please call instead."), ("letter",))
        )
    arrived = Arrived(source=source, content=content, meant_for=referral_id)
    id = take_fax(session, arrived, now)
    if id is None:
        return next(fax.id for fax in faxes.meant_for(session, referral_id) if fax.is_of(content))
    if referral.is_open and referral.held_at is None:
        publish.referral_changed(session, hold(session, referral, HeldFor.FAX, now), now)
    elif referral.is_open:
        stop_reminders(session, referral, now)
    referrals.note(session, referral_id, "letter-uploaded", actor.id, now, fax=id, by=source)
    entry = AuditEntry(
        action=Action.CREATE,
        subtype="upload-letter",
        entity=f"ServiceRequest/{referral_id}",
        patient_id=referral.patient_id,
        detail={"fax": id, "by": source},
    )
    audit.record(session, actor, entry)
    return id
