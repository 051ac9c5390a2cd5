"""Staff write down what a fax says: it goes the way of every answer, with the scan as its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from referral.domain.answers import Answers, check_answers
from referral.domain.audit import Actor
from referral.domain.codes import Strength
from referral.domain.errors import StaleVersion, TransitionRefused
from referral.domain.fax import FaxState, require_step
from referral.domain.language import phrase
from referral.domain.late_answer import CameBy
from referral.domain.records import Referral
from referral.services.attach_fax import record_fax, release
from referral.services.keep_late_answer import keep_late_answer, takes_late_answers
from referral.services.respond_to_referral import Receipt, Response, respond
from referral.storage import directory, faxes, referrals
from referral.storage.db import Session
from referral.storage.faxes import Fax


def transcribe_fax(
    session: Session,
    actor: Actor,
    fax_id: str,
    version: int,
    values: Mapping[str, list[str]],
    now: datetime,
) -> Receipt:
    """`values` are the answers by link id, as they stand on the page. It counts as clinic policy says for
    what staff have recorded.

    Where the request has its answer already, that one stands and this one is kept beside it. Raises
    InvalidInput with an issue per item, and TransitionRefused where it has ended without an answer.
    """
    fax = faxes.get(session, fax_id)
    require_step("transcribe", fax.state)
    if fax.version != version:
        raise StaleVersion("Somebody else has dealt with this fax. Reload it and look again.")
    referral = referrals.get(session, str(fax.referral_id), lock=True)
    if not referral.is_open and not takes_late_answers(referral):
        raise TransitionRefused(
            "This request is closed already; the fax stays beside what is on record.", "Task.status"
        )
    clinician = directory.get_clinician(session, referral.clinician_id)
    today = now.astimezone(ZoneInfo(clinician.time_zone)).date()
    answers = check_answers(values, clinician.kind, today)
    if referral.is_open:
        receipt = respond(session, actor, _response(referral, fax, answers, actor), now)
    else:
        came_by = CameBy.UPLOAD if fax.meant_for else CameBy.FAX
        late = keep_late_answer(session, actor, referral, answers, came_by, now)
        receipt = Receipt(late.decision, None, needs_review=late.differs)
    done = faxes.change(session, fax, state=FaxState.TRANSCRIBED, handled_by=actor.id, handled_at=now)
    release(session, referrals.get(session, referral.id), done, now)
    referrals.note(session, referral.id, "fax-transcribed", actor.id, now, fax=fax.id)
    record_fax(session, actor, "transcribe-fax", done, referral.patient_id, decision=receipt.decision)
    return receipt


def _response(referral: Referral, fax: Fax, answers: Answers, actor: Actor) -> Response:
    what = phrase("an uploaded letter") if fax.meant_for else phrase("a fax")
    return Response(
        referral_id=referral.id,
        answers=answers,
        strength=Strength.RECORDED_BY_STAFF,
        selector=None,
        address=actor.address,
        evidence=(
            (phrase("Written down from"), what),
            (phrase("Pages"), str(fax.pages)),
            (phrase("Received at"), fax.received_at.isoformat(timespec="seconds")),
            (phrase("Kept as a document"), str(fax.record_id)),
            (
                phrase("SHA-256 of the file"),
                (fax.sha256 or b"").hex() or phrase("known to the provider only"),
            ),
        ),
    )
