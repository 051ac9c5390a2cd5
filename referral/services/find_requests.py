"""What the page of one request shows; each look leaves its audit row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.calendar import Closure
from referral.domain.codes import POSITIVE, Decision, Strength
from referral.domain.form import BY_LINK_ID
from referral.domain.gate import Recommendation, needs_review
from referral.domain.late_answer import LateAnswer
from referral.domain.policy import Policy
from referral.services.climb import carrier_of, climb_of
from referral.services.find_escalations import Escalation, find_escalations
from referral.services.find_orders import OrderState, states_of
from referral.services.follow_requests import Followed, last_letter
from referral.services.foresee_steps import Foreseen, foresee_steps
from referral.services.hold_ladder import OF_LINKS, what_comes_first
from referral.services.move_ladder import MOVES, is_paused, undoable
from referral.services.read_conversation import Said, read_conversation
from referral.services.receipt import evidence_id
from referral.storage import (
    accounts,
    audit,
    clinics,
    closures,
    documents,
    faxes,
    late_answers,
    orders,
    recommendations,
    referrals,
)
from referral.storage.db import Session
from referral.storage.referrals import ReferralEvent, newest

_LINK_ID_OF = {item.text: link_id for link_id, item in BY_LINK_ID.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The answer as the rule sees it, and what people of the clinic may still decide about it.

    `words` are the given answers by link id in the words of the form, empty for whoever may not read
    narrative. `document_id` is the sealed record, None until it is drawn.
    """

    recommendation: Recommendation
    red_flags: tuple[str, ...]
    document_id: str | None
    words: dict[str, str]
    signer: str
    waits: bool

    @property
    def positive(self) -> bool:
        return self.recommendation.decision in POSITIVE

    def needs_call(self, policy: Policy) -> bool:
        """One channel only, or taken down by staff: a telephone call makes it count."""
        answer = self.recommendation
        weak: Strength = answer.strength
        return not answer.voided and not answer.confirmed_by_phone and weak not in policy.counts_at_once

    def needs_director(self, policy: Policy) -> bool:
        answer = self.recommendation
        conditions = (
            policy.conditions_need_director and answer.decision is Decision.RECOMMENDED_WITH_CONDITIONS
        )
        flags = policy.red_flags_need_director and answer.has_red_flags
        doubted = answer.review is False
        return self.positive and not answer.voided and (conditions or flags or doubted)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView:
    """Everything about one request. `question_words` are by the id of their document.

    `coming` is all that happens by itself from now on; `away` the clinician's absence of now or the next one;
    `undo` the newest change of the plan that can be taken back. `fax_id` is the fax that waits for a reader,
    `first` says what has to be done before reminders may go on ("": nothing). `said` is the conversation.
    `kept_faxes` are those of its events that were not removed yet.
    """

    followed: Followed
    state: OrderState
    policy: Policy
    events: tuple[ReferralEvent, ...]
    users: dict[str, str]
    question_words: dict[str, str]
    answer: Answered | None
    coming: tuple[Foreseen, ...] = ()
    paused: bool = False
    away: Closure | None = None
    undo: ReferralEvent | None = None
    escalations: tuple[Escalation, ...] = ()
    fax_id: str = ""
    first: str = ""
    said: tuple[Said, ...] = ()
    late: tuple[LateAnswer, ...] = ()
    kept_faxes: frozenset[str] = frozenset()


def find_request(
    session: Session, actor: Actor, referral_id: str, now: datetime, *, may_read_answers: bool
) -> RequestView:
    """Raises NotFound. Narrative is decrypted only for those who may read it; the audit row says so."""
    referral = referrals.get(session, referral_id)
    state = states_of(session, [orders.get(session, referral.order_id)], now)[0]
    policy, _ = clinics.policy_in_force(session)
    events = tuple(referrals.events(session, referral_id))
    entry = AuditEntry(
        action=Action.READ,
        subtype="request",
        entity=f"ServiceRequest/{referral_id}",
        patient_id=referral.patient_id,
        detail={"narrative": may_read_answers},
    )
    audit.record(session, actor, entry)
    followed = next(f for f in state.requests if f.referral.id == referral_id)
    return RequestView(
        followed=followed,
        state=state,
        policy=policy,
        events=events,
        users={id: user.name for id, user in accounts.get_users(session).items()},
        question_words=_questions(session, events) if may_read_answers else {},
        answer=_answer(session, referral_id, state, policy, may_read_answers),
        late=tuple(late_answers.of_referral(session, referral_id)),
        said=read_conversation(session, referral_id, words=may_read_answers),
        escalations=_escalations(state, followed, events),
        kept_faxes=frozenset(faxes.still_kept(session, _faxes_of(events))),
        **(_plan(session, followed, events, now) if followed.referral.is_open else {}),
    )


def _escalations(
    state: OrderState, followed: Followed, events: tuple[ReferralEvent, ...]
) -> tuple[Escalation, ...]:
    every = [one.referral for one in state.requests]
    return tuple(find_escalations(every, {followed.referral.id: events}))


def _plan(
    session: Session, followed: Followed, events: tuple[ReferralEvent, ...], now: datetime
) -> dict[str, Any]:
    referral, clinician = followed.referral, followed.clinician
    ladder, calendar = followed.ladder, followed.calendar
    last = carrier_of(last_letter(followed.messages))
    today = calendar.local_date(now)
    fax = faxes.waiting_for(session, [referral.id]).get(referral.id)
    absences = closures.of(session, [clinician.id])[clinician.id]
    return {
        "coming": foresee_steps(climb_of(referral), ladder, calendar, clinician, last, now),
        "paused": is_paused(referral, calendar, now),
        "away": next((closure for closure in absences if closure.last_on >= today), None),
        "undo": undoable(session, referral, newest(events, MOVES)),
        "fax_id": fax.id if fax else "",
        "first": what_comes_first(fax, newest(events, OF_LINKS)),
    }


def _faxes_of(events: tuple[ReferralEvent, ...]) -> set[str]:
    return {str(event.detail["fax"]) for event in events if event.detail.get("fax")}


def has_words(event: ReferralEvent) -> bool:
    """Whether its document are somebody's own words."""
    return event.event.startswith(("asked-", "clinic-")) or event.event in ("withdrawn", "late-settled")


def _questions(session: Session, events: tuple[ReferralEvent, ...]) -> dict[str, str]:
    kept = [str(e.detail["document"]) for e in events if e.detail.get("document") and has_words(e)]
    return {id: documents.get(session, id).content.decode() for id in kept}


def _answer(
    session: Session, referral_id: str, state: OrderState, policy: Policy, may_read: bool
) -> Answered | None:
    row = recommendations.find(session, referral_id=referral_id) if state.answers else None
    if row is None:
        return None
    recommendation = next(answer for answer in state.answers if answer.id == row.id)
    kept = _evidence(session, row.document_id) if may_read and row.document_id else {}
    drawn = documents.sizes(session, [row.document_id]) if row.document_id else {}
    signer = kept.get("signer", {})
    return Answered(
        recommendation=recommendation,
        red_flags=tuple(dict.fromkeys(row.red_flags)),
        document_id=row.document_id if row.document_id in drawn else None,
        words={_LINK_ID_OF.get(question, question): answer for question, answer in kept.get("answers", ())},
        signer=f"{signer.get('name', '')}, {signer.get('credentials', '')}".strip(", "),
        waits=needs_review(recommendation, policy),
    )


def _evidence(session: Session, document_id: str) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(documents.get(session, evidence_id(document_id)).content)
    return kept
