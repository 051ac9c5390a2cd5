"""The Today board: the next infusions, what waits for a person, whom to call. A look leaves audit rows."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from referral.domain.audit import Actor
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
from referral.services.calendars import clinic_calendar
from referral.services.find_bookings import Seat, seats_of
from referral.services.find_calls import Call, find_calls
from referral.services.find_course_troubles import late_reports, overdue_visits
from referral.services.find_escalations import BROUGHT_UP, find_escalations
from referral.services.find_orders import OrderState, states_of, with_orders
from referral.services.find_overrides import Emergency, emergencies
from referral.services.find_scales import Sign, signs_waiting
from referral.services.follow_requests import Followed
from referral.services.hold_ladder import FROZEN, OF_LINKS, HeldFor
from referral.services.note_shown import note_shown
from referral.storage import (
    bookings,
    clinics,
    conversations,
    faxes,
    late_answers,
    orders,
    outbox,
    policies,
    referrals,
    standings,
    waiting,
)
from referral.storage import calls as call_tasks
from referral.storage.db import Session
from referral.storage.outbox import Message
from referral.storage.referrals import Told, newest
from referral.storage.waiting import Waiting

_CHAIRS: Final = 15
_RELEASES: Final = 30
# Counting ends here; the board says "or more".
COUNTED: Final = 10_000
# More orders in use than this, and the board shows those with the nearest infusions.
_WATCHED: Final = 300
_FAXES: Final = 50
_TURNS: Final = 100
NOT_DELIVERED: Final = (MessageState.FAILED, MessageState.UNKNOWN, MessageState.DEAD)


_OF_STEP: Final = {Step.SUGGEST_ANOTHER: Reason.SUGGEST_ANOTHER, Step.ESCALATE: Reason.ESCALATED}


@dataclass(frozen=True, slots=True)
class Coming:
    """A booking of a chair, or an order that has none yet (`seat` None)."""

    state: OrderState
    seat: Seat | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    infusions: tuple[Coming, ...]
    attention: tuple[Attention, ...]
    calls: tuple[Call, ...]
    requests_open: int
    blocked: int
    ready: int
    messages_waiting: int
    waiting: Waiting
    emergencies: tuple[Emergency, ...] = ()
    signs: tuple[Sign, ...] = ()


def find_today(session: Session, actor: Actor, today: date, now: datetime) -> Today:
    """`today` is the clinic's date. Booked chairs and planned infusions from today on, nearest first, then
    orders without a date.

    The oldest trouble comes first.
    """
    states = states_of(session, orders.find(session, limit=_WATCHED), now)
    seats = seats_of(session, bookings.coming(session, now, _CHAIRS), now, states)
    released = seats_of(session, bookings.unnoted_releases(session, _RELEASES), now, states)
    stuck = {message.referral_id: message for message in outbox.stuck(session, NOT_DELIVERED)}
    told = _told(session, states)
    locked_out = _locked_out(session, states, told)
    calls = find_calls(session, now, states)
    calling = {call.followed.referral.id for call in calls}
    policy, _ = clinics.policy_in_force(session)
    attention = [item for state in states for item in _attention(state, stuck, locked_out, policy)]
    attention += _of_answers(session, states, now)
    attention += _of_codes(session, policy, now)
    attention += [
        Attention(
            reason=_OF_STEP[item.step],
            state=item.state,
            since=item.since,
            followed=item.followed,
            escalation=item,
        )
        for item in find_escalations(session, states, told)
    ]
    attention += _of_faxes(session, states, now)
    attention += _of_late_answers(session, states, now)
    attention += _of_turns(session, states, calling, now)
    attention += overdue_visits(session, states, now)
    attention += late_reports(session, states, now)
    attention += [
        Attention(reason=Reason.RELEASED, state=seat.state, since=seat.booking.changed_at, seat=seat)
        for seat in released
    ]
    board = Today(
        infusions=_coming(session, states, seats, today),
        attention=tuple(sorted(attention, key=lambda item: item.since)),
        calls=tuple(call for call in calls if call.task.due_at <= now),
        waiting=waiting.read(session, now),
        requests_open=referrals.count_open(session, at_most=COUNTED),
        blocked=sum(not state.decision.open for state in states),
        ready=sum(state.decision.open for state in states),
        messages_waiting=outbox.count_on_their_way(session),
        emergencies=tuple(emergencies(session, actor, states, now)),
        signs=tuple(signs_waiting(session)),
    )
    shown = [coming.state for coming in board.infusions]
    shown += [item.state for item in board.attention] + [call.state for call in board.calls]
    shown += [emergency.state for emergency in board.emergencies]
    about = [state.order.patient_id for state in shown] + [sign.patient.id for sign in board.signs]
    note_shown(session, actor, "today", about)
    return board


def _coming(session: Session, states: list[OrderState], seats: list[Seat], today: date) -> tuple[Coming, ...]:
    """The next ones, nearest first; an order with an open booking is shown by its bookings alone."""
    calendar = clinic_calendar(session)
    booked = {seat.state.order.id for seat in seats}
    found: list[tuple[tuple[bool, date, datetime], OrderState, Seat | None]] = [
        ((False, calendar.local_date(seat.booking.starts_at), seat.booking.starts_at), seat.state, seat)
        for seat in seats
    ]
    for state in states:
        day = state.order.first_infusion_on
        if state.order.id not in booked and (day is None or day >= today):
            found.append(((day is None, day or date.max, _LAST), state, None))
    # Of one day, booked chairs come first; orders without a date keep their own order.
    found.sort(key=lambda item: item[0])
    return tuple(Coming(state, seat) for _, state, seat in found[:_CHAIRS])


_LAST: Final = datetime.max.replace(tzinfo=UTC)


def _of_codes(session: Session, policy: Policy, now: datetime) -> list[Attention]:
    """One for each code that keeps orders closed, however many they are and however far ahead."""
    waiting = policies.unclassified_in_use(session, policy)
    if not waiting:
        return []
    states = states_of(session, orders.get_many(session, {c.order_id for c in waiting}).values(), now)
    by_order = {state.order.id: state for state in states}
    return [
        Attention(
            reason=Reason.UNCLASSIFIED,
            state=by_order[code.order_id],
            since=by_order[code.order_id].order.created_at,
            code=code,
        )
        for code in waiting
    ]


def _of_faxes(session: Session, states: list[OrderState], now: datetime) -> list[Attention]:
    """One for each fax that has found its request and that nobody has written down or filed yet."""
    waiting = faxes.listed(session, WAITING_FAXES, limit=_FAXES)
    asked = with_orders(session, {str(fax.referral_id) for fax in waiting}, now, states)
    found = []
    for fax in waiting:
        followed, state = asked[str(fax.referral_id)]
        reason = Reason.FAX if followed.referral.is_open else Reason.FAX_LATE
        if fax.state is FaxState.DIFFERS:
            reason = Reason.FAX_DIFFERS
        since = fax.handled_at or fax.received_at
        found.append(Attention(reason=reason, state=state, since=since, followed=followed, fax=fax))
    return found


def _of_late_answers(session: Session, states: list[OrderState], now: datetime) -> Iterator[Attention]:
    """What says something else than the answer that stands, until the medical director has read both."""
    waiting = late_answers.waiting(session, limit=_TURNS)
    asked = with_orders(session, {late.referral_id for late in waiting}, now, states)
    for late in waiting:
        followed, state = asked[late.referral_id]
        yield Attention(reason=Reason.LATE_ANSWER, state=state, since=late.received_at, followed=followed)


_OF_TURN: Final = {
    About.COLLEAGUE: Reason.COLLEAGUE,
    About.LEFT: Reason.LEFT,
    About.WRONG_ADDRESS: Reason.WRONG_ADDRESS,
}


def _of_turns(
    session: Session, states: list[OrderState], calling: Container[str], now: datetime
) -> Iterator[Attention]:
    """One for each request whose clinician has said what waits for the clinic; a call is on its own list."""
    newest = {turn.referral_id: turn for turn in conversations.waiting(session, limit=_TURNS)}
    asked = with_orders(session, newest, now, states)
    for turn in newest.values():
        if turn.about is About.CALL and turn.referral_id in calling:
            continue
        followed, state = asked[turn.referral_id]
        reason = _OF_TURN.get(turn.about, Reason.QUESTION)
        yield Attention(reason=reason, state=state, since=turn.said_at, followed=followed)
    yield from _asked_before(session, states, calling)


def _asked_before(session: Session, states: list[OrderState], calling: Container[str]) -> Iterator[Attention]:
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


_NO_BIRTH_DATE: Final = "portal-no-birth-date"


def _told(session: Session, states: list[OrderState]) -> Told:
    """What timelines of open requests say of links and of the ladder."""
    open_ids = [f.referral.id for state in states for f in state.requests if f.referral.is_open]
    return referrals.newest_of_each(session, open_ids, (*OF_LINKS, _NO_BIRTH_DATE, *BROUGHT_UP))


def _locked_out(session: Session, states: list[OrderState], told: Told) -> dict[str, tuple[Reason, datetime]]:
    """Open requests whose clinician wants to answer and cannot, or is not reached, until a person helps."""
    open_ids = {f.referral.id: state for state in states for f in state.requests if f.referral.is_open}
    found: dict[str, tuple[Reason, datetime]] = {}
    for id, given_up_at in call_tasks.not_reached(session, list(open_ids)).items():
        found[id] = (Reason.NOT_REACHED, given_up_at)
    for id, events in told.items():
        link = newest(events, OF_LINKS)
        if link is not None and link.event == FROZEN:
            found[id] = (Reason.LINK_FROZEN, link.at)
        birth_date = newest(events, (_NO_BIRTH_DATE,))
        if birth_date is not None and open_ids[id].patient.birth_date is None:
            found[id] = (Reason.NO_BIRTH_DATE, birth_date.at)
    return found


def _attention(
    state: OrderState,
    stuck: dict[str, Message],
    locked_out: dict[str, tuple[Reason, datetime]],
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


def _of_answers(session: Session, states: list[OrderState], now: datetime) -> Iterator[Attention]:
    """Clinicians who disagree, and recommendations whose time is nearly over. Most orders have neither."""
    near = {state.order.id: state for state in states if _contradicted(state) or _expires_soon(state, now)}
    answers = standings.of_orders(session, near)
    for conflict in find_conflicts(answers, standings.kept_pairs(session, near), now):
        state = near[conflict.recommendation.order_id]
        followed = _request(state, conflict.recommendation.referral_id)
        yield Attention(reason=Reason.CONFLICT, state=state, since=conflict.since, followed=followed)
    for answer in answers:
        basis = near[answer.order_id].basis()
        if basis is not None and basis.id == answer.id and _expires_soon(near[answer.order_id], now):
            followed = _request(near[answer.order_id], answer.referral_id)
            since = answer.valid_until - ASK_AHEAD
            yield Attention(
                reason=Reason.EXPIRING, state=near[answer.order_id], since=since, followed=followed
            )


def _contradicted(state: OrderState) -> bool:
    living = [answer.decision in POSITIVE for answer in state.answers if not answer.voided]
    return True in living and False in living


def _expires_soon(state: OrderState, now: datetime) -> bool:
    basis = state.basis()
    return basis is not None and basis.valid_until - now <= ASK_AHEAD


def _request(state: OrderState, referral_id: str) -> Followed | None:
    return next((f for f in state.requests if f.referral.id == referral_id), None)


_OF_VERDICT: Final = {
    Verdict.ANSWERED_NEEDS_REVIEW: Reason.REVIEW,
    Verdict.DECLINED: Reason.DECLINED,
    Verdict.EXPIRED: Reason.EXPIRED_ANSWER,
    Verdict.VOIDED: Reason.VOIDED,
}


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
