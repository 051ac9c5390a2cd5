"""A mailed letter that came back: the Postal Service reports by putting it into the clinic's letter box."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from referral.channels.base import Fate
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import NotFound, TransitionRefused
from referral.services.find_paper import find_batch
from referral.services.take_report import Report, take_report
from referral.storage import audit
from referral.storage.db import Session
from referral.storage.print_batches import PaperFate

_REASON: Final = "the letter came back by post"


def take_returned_letter(
    session: Session, actor: Actor, batch_id: str, message_id: str, now: datetime
) -> None:
    """As every failure that is told late: the address comes last, and the letter goes another way at once.

    Raises NotFound, and TransitionRefused for one that was never mailed or has come back before.
    """
    opened = find_batch(session, batch_id)
    letter = next((one for one in opened.letters if str(one.message.id) == message_id), None)
    if letter is None or letter.item is None:
        raise NotFound(f"There is no letter with id {message_id} in this batch.")
    report = Report(
        provider="print",
        event_id=f"returned:{message_id}",
        message_id=letter.message.id,
        fate=Fate.FAILED,
        reason=_REASON,
        at=now,
        bad_address=True,
    )
    if letter.item.fate is not PaperFate.MAILED or not take_report(session, report, now):
        raise TransitionRefused(
            "This letter was not mailed, or has come back before.", "Communication.status"
        )
    entry = AuditEntry(
        action=Action.EXECUTE,
        subtype="letter-returned",
        entity=f"Communication/{message_id}",
        patient_id=letter.referral.patient_id,
    )
    audit.record(session, actor, entry)
