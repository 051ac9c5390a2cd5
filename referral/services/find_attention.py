"""What stays still until a person acts: found among the orders in use, and in what has come in."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator
from datetime import datetime
from typing import Final

from referral.domain.codes import POSITIVE, BusinessStatus, TaskStatus, Verdict
from referral.domain.conversation import About
from referral.domain.fax import WAITING as WAITING_FAXES
from referral.domain.fax import FaxState
from referral.domain.gate import Recommendation, needs_call
from referral.domain.life import ASK_AHEAD, find_conflicts
from referral.domain.outgoing import MessageState
from referral.domain.policy import Policy
from referral.domain.reminders import Step
from referral.services.attention import Attention, Reason
from referral.services.find_bookings import seats_of
from referral.services.find_course_troubles import late_reports, overdue_visits
from referral.services.find_escalations import BROUGHT_UP, find_escalations
from referral.services.find_orders import OrderState, States, Watched, basis_of
from referral.services.follow_requests import Followed
from referral.services.hold_ladder import FROZEN, OF_LINKS, HeldFor
from referral.storage import (
    bookings,
    clinics,
    conversations,
    faxes,
    late_answers,
    outbox,
    policies,
    referrals,
    standings,
)
from referral.storage import calls as call_tasks
from referral.storage.db import Session
from referral.storage.outbox import Message
from referral.storage.referrals import Told, newest

_RELEASES: Final = 30
_FAXES: Final = 50
_TURNS: Final = 100
NOT_DELIVERED: Final = (MessageState.FAILED, MessageState.UNKNOWN, MessageState.DEAD)

# By the id of the request: why, since when.
_LockedOut = dict[str, tuple[Reason, datetime]]


def find_attention(
    session: Session, states: States, watched: Iterable[Watched], calling: Container[str], now: datetime
) -> list[Attention]:
    """The oldest first. `calling` are the requests that are on the list of calls."""
    policy, _ = clinics.policy_in_force(session)
    found = [
        *_of_orders(session, states, list(watched), calling, policy, now),
        *_of_codes(session, states, policy),
        *_of_faxes(session, states),
        *_of_late_answers(session, states),
        *_of_turns(session, states, calling),
        *overdue_visits(session, states, now),
        *late_reports(session, states, now),
        *_of_releases(session, states),
    ]
    return sorted(found, key=lambda item: item.since)


# ---- The orders in use


def _of_orders(
    session: Session,
    states: States,
    watched: list[Watched],
    calling: Container[str],
    policy: Policy,
    now: datetime,
) -> Iterator[Attention]:
    """What the gate, the answers and the timelines of these say. Most orders say nothing."""
    waiting = [request.id for one in watched for request in one.requests if request.is_open]
    stuck = {message.referral_id: message for message in outbox.stuck(session, NOT_DELIVERED)}
    told = referrals.newest_of_each(session, waiting, (*OF_LINKS, _NO_BIRTH_DATE, *BROUGHT_UP))
    not_reached = call_tasks.not_reached(session, waiting)
    troubled = stuck.keys() | told.keys() | not_reached.keys()
    near = states.find(one.order.id for one in watched if _may_say(one, troubled, now))
    locked_out = _locked_out(near.values(), told, not_reached)
    for state in near.values():
        yield from _of_order(state, stuck, locked_out, policy)
    yield from _of_answers(session, near, now)
    yield from _of_ladders(near.values(), told)
    yield from _asked_before(session, near.values(), calling)


def _may_say(watched: Watched, troubled: Container[str], now: datetime) -> bool:
    """Nothing else is looked at more closely: whatever _of_orders() yields has to pass here."""
    return (
        watched.decision.verdict in _TELLING
        or any(one.is_open and (one.held_at is not None or one.id in troubled) for one in watched.requests)
        or _contradicted(watched)
        or _expires_soon(watched, now)
    )


_NO_BIRTH_DATE: Final = "portal-no-birth-date"


def _locked_out(states: Iterable[OrderState], told: Told, not_reached: dict[str, datetime]) -> _LockedOut:
    """Open requests whose clinician wants to answer and cannot, or is not reached, until a person helps."""
    found: _LockedOut = {id: (Reason.NOT_REACHED, given_up_at) for id, given_up_at in not_reached.items()}
    patients = {f.referral.id: state.patient for state in states for f in state.requests}
    for id, events in told.items():
        link = newest(events, OF_LINKS)
        if link is not None and link.event == FROZEN:
            found[id] = (Reason.LINK_FROZEN, link.at)
        birth_date = newest(events, (_NO_BIRTH_DATE,))
        if birth_date is not None and patients[id].birth_date is None:
            found[id] = (Reason.NO_BIRTH_DATE, birth_date.at)
    return found


def _of_order(
    state: OrderState,
    stuck: dict[str, Message],
    locked_out: _LockedOut,
    policy: Policy,
) -> Iterator[Attention]:
    for followed in state.requests:
        referral = followed.referral
        if referral.id in stuck:
            message = stuck[referral.id]
            since = message.finished_at or message.created_at
            yield Attention(
                reason=Reason.NOT_DELIVERED, state=state, since=since, followed=followed, message=message
            )
        if referral.id in locked_out:
            reason, since = locked_out[referral.id]
            yield Attention(reason=reason, state=state, since=since, followed=followed)
    about_order = _about_order(state, policy)
    if about_order is not None:
        yield about_order


_OF_STEP: Final = {Step.SUGGEST_ANOTHER: Reason.SUGGEST_ANOTHER, Step.ESCALATE: Reason.ESCALATED}


def _of_ladders(states: Collection[OrderState], told: Told) -> Iterator[Attention]:
    asked = {f.referral.id: (f, state) for state in states for f in state.requests}
    for item in find_escalations([f.referral for f, _ in asked.values()], told):
        followed, state = asked[item.referral_id]
        yield Attention(
            reason=_OF_STEP[item.step], state=state, since=item.since, followed=followed, escalation=item
        )


def _asked_before(
    session: Session, states: Iterable[OrderState], calling: Container[str]
) -> Iterator[Attention]:
    """Questions of the time before conversations were kept: nothing else shows that reminders stand still."""
    held = {
        followed.referral.id: (state, followed, followed.question)
        for state in states
        for followed in state.requests
        if followed.question is not None and followed.referral.held_for == HeldFor.QUESTION
    }
    kept = conversations.have_said(session, held) if held else frozenset()
    for id, (state, followed, asked) in held.items():
        if id not in kept and not (asked.event == "asked-call" and id in calling):
            yield Attention(reason=Reason.QUESTION, state=state, since=asked.at, followed=followed)


def _of_answers(session: Session, states: dict[str, OrderState], now: datetime) -> Iterator[Attention]:
    """Clinicians who disagree, and recommendations whose time is nearly over."""
    near = {id: state for id, state in states.items() if _contradicted(state) or _expires_soon(state, now)}
    answers = standings.of_orders(session, near)
    for conflict in find_conflicts(answers, standings.kept_pairs(session, near), now):
        state = near[conflict.recommendation.order_id]
        followed = _request(state, conflict.recommendation.referral_id)
        yield Attention(reason=Reason.CONFLICT, state=state, since=conflict.since, followed=followed)
    for answer in answers:
        basis = basis_of(near[answer.order_id])
        if basis is not None and basis.id == answer.id and _expires_soon(near[answer.order_id], now):
            followed = _request(near[answer.order_id], answer.referral_id)
            since = answer.valid_until - ASK_AHEAD
            yield Attention(
                reason=Reason.EXPIRING, state=near[answer.order_id], since=since, followed=followed
            )


def _contradicted(state: Watched | OrderState) -> bool:
    living = [answer.decision in POSITIVE for answer in state.answers if not answer.voided]
    return True in living and False in living


def _expires_soon(state: Watched | OrderState, now: datetime) -> bool:
    basis = basis_of(state)
    return basis is not None and basis.valid_until - now <= ASK_AHEAD


def _request(state: OrderState, referral_id: str) -> Followed | None:
    return next((f for f in state.requests if f.referral.id == referral_id), None)


_OF_VERDICT: Final = {
    Verdict.ANSWERED_NEEDS_REVIEW: Reason.REVIEW,
    Verdict.DECLINED: Reason.DECLINED,
    Verdict.EXPIRED: Reason.EXPIRED_ANSWER,
    Verdict.VOIDED: Reason.VOIDED,
}
# Where nobody is asked, it may be that nobody is asked any more.
_TELLING: Final = frozenset({*_OF_VERDICT, Verdict.NOT_REQUESTED})


def _about_order(state: OrderState, policy: Policy) -> Attention | None:
    """At most one per order: what its verdict asks for, unless somebody else is still being asked."""
    verdict = state.decision.verdict
    newest = state.requests[0] if state.requests else None
    if verdict in _OF_VERDICT:
        answered = _answered(state)
        since = max((a.answered_at for a in state.answers), default=state.order.created_at)
        reason = _OF_VERDICT[verdict]
        if reason is Reason.REVIEW and any(_waits_for_call(answer, policy) for answer in state.answers):
            reason = Reason.CONFIRM
        return Attention(reason=reason, state=state, since=since, followed=answered)
    if verdict is Verdict.NOT_REQUESTED and newest is not None and newest.referral.closed_at is not None:
        ended = _ended(newest)
        if ended:
            return Attention(reason=ended, state=state, since=newest.referral.closed_at, followed=newest)
    return None


def _waits_for_call(answer: Recommendation, policy: Policy) -> bool:
    counts = answer.decision in POSITIVE and not answer.voided and answer.review is not False
    return counts and needs_call(answer, policy)


def _answered(state: OrderState) -> Followed | None:
    return next((f for f in state.requests if f.referral.status is TaskStatus.COMPLETED), None)


def _ended(followed: Followed) -> Reason | None:
    if followed.referral.status is TaskStatus.REJECTED:
        return Reason.GIVEN_BACK
    if followed.referral.business_status is BusinessStatus.EXPIRED:
        return Reason.EXPIRED_REQUEST
    return None


# ---- What has come in


def _of_codes(session: Session, states: States, policy: Policy) -> list[Attention]:
    """One for each code that keeps orders closed, however many they are and however far ahead."""
    waiting = policies.unclassified_in_use(session, policy)
    by_order = states.find(code.order_id for code in waiting)
    return [
        Attention(
            reason=Reason.UNCLASSIFIED,
            state=by_order[code.order_id],
            since=by_order[code.order_id].order.created_at,
            code=code,
        )
        for code in waiting
    ]


def _of_faxes(session: Session, states: States) -> list[Attention]:
    """One for each fax that has found its request and that nobody has written down or filed yet."""
    waiting = faxes.listed(session, WAITING_FAXES, limit=_FAXES)
    asked = states.about({str(fax.referral_id) for fax in waiting})
    found = []
    for fax in waiting:
        followed, state = asked[str(fax.referral_id)]
        reason = Reason.FAX if followed.referral.is_open else Reason.FAX_LATE
        if fax.state is FaxState.DIFFERS:
            reason = Reason.FAX_DIFFERS
        since = fax.handled_at or fax.received_at
        found.append(Attention(reason=reason, state=state, since=since, followed=followed, fax=fax))
    return found


def _of_late_answers(session: Session, states: States) -> Iterator[Attention]:
    """What says something else than the answer that stands, until the medical director has read both."""
    waiting = late_answers.waiting(session, limit=_TURNS)
    asked = states.about({late.referral_id for late in waiting})
    for late in waiting:
        followed, state = asked[late.referral_id]
        yield Attention(reason=Reason.LATE_ANSWER, state=state, since=late.received_at, followed=followed)


_OF_TURN: Final = {
    About.COLLEAGUE: Reason.COLLEAGUE,
    About.LEFT: Reason.LEFT,
    About.WRONG_ADDRESS: Reason.WRONG_ADDRESS,
}


def _of_turns(session: Session, states: States, calling: Container[str]) -> Iterator[Attention]:
    """One for each request whose clinician has said what waits for the clinic; a call is on its own list."""
    newest = {turn.referral_id: turn for turn in conversations.waiting(session, limit=_TURNS)}
    asked = states.about(newest)
    for turn in newest.values():
        if turn.about is About.CALL and turn.referral_id in calling:
            continue
        followed, state = asked[turn.referral_id]
        reason = _OF_TURN.get(turn.about, Reason.QUESTION)
        yield Attention(reason=reason, state=state, since=turn.said_at, followed=followed)


def _of_releases(session: Session, states: States) -> Iterator[Attention]:
    for seat in seats_of(session, bookings.unnoted_releases(session, _RELEASES), states):
        yield Attention(reason=Reason.RELEASED, state=seat.state, since=seat.booking.changed_at, seat=seat)
