"""Staff write down an answer that a clinician gave by telephone, and read it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from referral.domain.answers import check_answers
from referral.domain.audit import Actor
from referral.domain.codes import Strength
from referral.domain.errors import InvalidInput, Issue, TransitionRefused
from referral.domain.language import phrase
from referral.domain.late_answer import CameBy
from referral.services.keep_late_answer import keep_late_answer, takes_late_answers
from referral.services.respond_to_referral import Receipt, Response, respond
from referral.storage import directory, referrals, resources
from referral.storage.db import Session


@dataclass(frozen=True, slots=True)
class Call:
    """Whom staff spoke with and at which number; `read_back`: every answer was read to them and agreed."""

    spoke_with: str
    number: str
    read_back: bool

    def problems(self) -> list[Issue]:
        found = [
            Issue(text, (name,), "required")
            for name, value, text in (
                ("spoke_with", self.spoke_with, "Whom did you speak with?"),
                ("called_number", self.number, "Which number was it?"),
            )
            if len(value.strip()) < 3
        ]
        if not self.read_back:
            text = "Please read every answer back, and tick that they agreed."
            found.append(Issue(text, ("read_back",), "required"))
        return found


def record_answer(
    session: Session,
    actor: Actor,
    referral_id: str,
    values: Mapping[str, list[str]],
    call: Call,
    now: datetime,
    *,
    response_id: str = "",
) -> Receipt | None:
    """`values` are the answers by link id. It counts as clinic policy says for what staff have recorded.

    There is no version to be told: letters leave and arrive while somebody is on the telephone, and nothing
    of that changes what the clinician says.

    `response_id` is what the answer will be called: one of that name is there already where the form was sent
    twice, and nothing is recorded (None).

    Where there is an answer already, that one stands and this one is kept beside it. Raises InvalidInput with
    an issue for each thing that is missing, and TransitionRefused where the request has ended without one.
    """
    referral = referrals.get(session, referral_id, lock=True)
    if response_id and resources.find(session, "QuestionnaireResponse", response_id) is not None:
        return None
    document = {"id": response_id} if response_id else {}
    if not referral.is_open and not takes_late_answers(referral):
        raise TransitionRefused("This request is closed already; what is on record stands.", "Task.status")
    clinician = directory.get_clinician(session, referral.clinician_id)
    today = now.astimezone(ZoneInfo(clinician.time_zone)).date()
    issues = call.problems()
    try:
        answers = check_answers(values, clinician.kind, today)
    except InvalidInput as error:
        raise InvalidInput(*error.issues, *issues) from error
    if issues:
        raise InvalidInput(*issues)
    if not referral.is_open:
        late = keep_late_answer(session, actor, referral, answers, CameBy.CALL, now, document=document)
        return Receipt(late.decision, None, needs_review=late.differs)
    response = Response(
        referral_id=referral.id,
        answers=answers,
        strength=Strength.RECORDED_BY_STAFF,
        selector=None,
        address=actor.address,
        document=document,
        evidence=(
            (phrase("Given by telephone to"), phrase("a member of staff, who wrote it down")),
            (phrase("Spoke with"), call.spoke_with.strip()[:200]),
            (phrase("Number"), call.number.strip()[:40]),
            (phrase("Read back and agreed"), phrase("yes")),
        ),
    )
    return respond(session, actor, response, now)
