"""Staff move the ladder of one request: pause, hold, go on, extend, “back on”; each can be undone.

The timeline keeps the plan before and after, and what an undo has to put back.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.calendar import BusinessCalendar, Closure
from referral.domain.errors import InvalidInput, Issue, TransitionRefused
from referral.domain.records import Referral
from referral.domain.reminders import Climb, Ladder, ended_early, extended, paused_until
from referral.services import publish
from referral.services.climb import climb_of, going_on, ladder_and_calendar, replanned
from referral.services.hold_ladder import HeldFor, hold, stop_reminders, what_must_come_first
from referral.services.keep_calendar import add_closure, open_days
from referral.services.replan import plan_of, plan_words
from referral.storage import audit, closures, conversations, referrals
from referral.storage.db import Session
from referral.storage.db import hold as wait_for
from referral.storage.referrals import ReferralEvent

# At once; whoever needs more extends again.
MOST_EXTENDED: Final = 20
LONGEST_PAUSE: Final = 180
_AWAY: Final = "away"
MOVES: Final = ("paused", "held", "resumed", "extended", _AWAY, "undone")
# Words of the audit, where they differ from those of the timeline.
_AUDITED: Final = {
    "paused": "pause",
    "held": "hold",
    "resumed": "resume",
    "extended": "extend",
    "undone": "undo-move",
}
_COLUMNS: Final = ("climbed", "shifted_days", "extended_days", "held_at", "held_for", "paused_until")


def pause_request(
    session: Session, actor: Actor, referral_id: str, version: int, until: date, now: datetime
) -> Referral:
    """Nothing goes out until the business day after `until`; the due date moves along."""
    referral, ladder, calendar = _open(session, referral_id, version)
    _require_free(session, referral)
    if not 0 < (until - calendar.local_date(now)).days <= LONGEST_PAUSE:
        text = "Choose a day after today, at most half a year ahead."
        raise InvalidInput(Issue(text, ("pause_until",), "value"))
    stopped = stop_reminders(session, referral, now)
    climb = paused_until(replace(climb_of(referral), **stopped), calendar, now, until)
    values = {**replanned(climb, ladder, calendar), "held_at": None, "held_for": None, "paused_until": until}
    return _moved(session, actor, referral, "paused", values, now, until=until.isoformat())


def hold_request(session: Session, actor: Actor, referral_id: str, version: int, now: datetime) -> Referral:
    """The ladder stands still, without a date, until somebody lets it go on."""
    referral, ladder, _ = _open(session, referral_id, version)
    if referral.held_at is not None:
        raise TransitionRefused("This request is on hold already.", "Task.status")
    before = plan_of(referral, ladder)
    changed = hold(session, referral, HeldFor.STAFF, now)
    return _tell(session, actor, (referral, changed), "held", before, now)


def resume_request(session: Session, actor: Actor, referral_id: str, version: int, now: datetime) -> Referral:
    """A hold or a pause ends now; the ladder goes on, moved by the business days that it stood still."""
    referral, ladder, calendar = _open(session, referral_id, version)
    _require_free(session, referral)
    if referral.held_at is not None:
        values = going_on(session, referral, now)
    elif is_paused(referral, calendar, now) and referral.paused_until is not None:
        climb = ended_early(climb_of(referral), calendar, referral.paused_until, now)
        values = {**replanned(climb, ladder, calendar), "paused_until": None}
    else:
        raise TransitionRefused("This request is neither on hold nor paused.", "Task.status")
    # Whoever lets it go on has seen to what the clinician had said.
    conversations.settle(session, referral.id, actor.id, now)
    return _moved(session, actor, referral, "resumed", values, now)


def is_paused(referral: Referral, calendar: BusinessCalendar, now: datetime) -> bool:
    """Its newest pause still runs, on the recipient's calendar."""
    return referral.paused_until is not None and calendar.local_date(now) <= referral.paused_until


def extend_request(
    session: Session, actor: Actor, referral_id: str, version: int, days: int, now: datetime
) -> Referral:
    """It expires so many business days later; the other steps stay."""
    referral, ladder, calendar = _open(session, referral_id, version)
    if not 1 <= days <= MOST_EXTENDED:
        text = f"Write how many business days to add, from 1 to {MOST_EXTENDED}."
        raise InvalidInput(Issue(text, ("extend_days",), "value"))
    climb = extended(climb_of(referral), days)
    return _moved(session, actor, referral, "extended", replanned(climb, ladder, calendar), now, days=days)


def note_back_on(
    session: Session, actor: Actor, referral_id: str, version: int, back_on: date, now: datetime
) -> Referral:
    """The clinician is away and back on this day: closed until then, for every request to them."""
    wait_for(session, "calendar")
    referral, ladder, calendar = _open(session, referral_id, version)
    today = calendar.local_date(now)
    if not 0 < (back_on - today).days <= LONGEST_PAUSE:
        text = "Choose the day they are back: after today, at most half a year ahead."
        raise InvalidInput(Issue(text, ("back_on",), "value"))
    before = plan_of(referral, ladder)
    closure = Closure(
        id=str(uuid.uuid4()),
        first_on=today,
        last_on=back_on - timedelta(days=1),
        words="Away",
        clinician_id=referral.clinician_id,
    )
    stopped = stop_reminders(session, referral, now)
    if stopped:
        referrals.change(session, referral, **stopped)
    add_closure(session, actor, closure, now)
    changed = referrals.get(session, referral_id)
    pair = (changed, changed)
    return _tell(session, actor, pair, _AWAY, before, now, until=back_on.isoformat(), closure=closure.id)


# ---- Undo


def last_move(session: Session, referral: Referral) -> ReferralEvent | None:
    """The newest move that can still be undone: nothing has changed the plan since."""
    return undoable(session, referral, referrals.latest_among(session, [referral.id], MOVES).get(referral.id))


def undoable(session: Session, referral: Referral, event: ReferralEvent | None) -> ReferralEvent | None:
    """This newest move, one of MOVES, where it can still be undone."""
    if event is None or not referral.is_open or event.event == "undone":
        return None
    if event.event == "held" and what_must_come_first(session, referral):
        return None
    if event.event == _AWAY:
        known = closures.of(session, [referral.clinician_id])[referral.clinician_id]
        return event if any(closure.id == event.detail.get("closure") for closure in known) else None
    return event if event.detail.get("set") == _state(referral) else None


def undo_move(session: Session, actor: Actor, referral_id: str, version: int, now: datetime) -> Referral:
    """Put back what the newest move changed, as if it had not been. Refuses where the plan has gone on."""
    wait_for(session, "calendar")
    referral, ladder, calendar = _open(session, referral_id, version)
    move = last_move(session, referral)
    if move is None:
        raise TransitionRefused("There is nothing to undo: the request has gone on since.", "Task.status")
    if move.event == _AWAY:
        before = plan_of(referral, ladder)
        open_days(session, actor, str(move.detail["closure"]), now)
        changed = referrals.get(session, referral_id)
        return _tell(session, actor, (changed, changed), "undone", before, now, undone=move.event)
    if move.event == "resumed":
        conversations.unsettle(session, referral.id, move.at)
    old = move.detail["undo"]
    climb = Climb(
        started_at=referral.started_at,
        # A reminder that the move has stopped before it left is still to come.
        climbed=min(old["climbed"], referral.climbed),
        shifted_days=old["shifted_days"],
        extended_days=old["extended_days"],
        held=old["held_at"] is not None,
    )
    values = {
        **replanned(climb, ladder, calendar),
        "held_at": datetime.fromisoformat(old["held_at"]) if old["held_at"] else None,
        "held_for": old["held_for"],
        "paused_until": date.fromisoformat(old["paused_until"]) if old["paused_until"] else None,
    }
    return _moved(session, actor, referral, "undone", values, now, undone=move.event)


# ---- What every move shares


def _open(session: Session, referral_id: str, version: int) -> tuple[Referral, Ladder, BusinessCalendar]:
    referral = referrals.get(session, referral_id, lock=True)
    referrals.require_version(referral, version)
    if not referral.is_open:
        raise TransitionRefused("A closed request has no next steps to move.", "Task.status")
    return referral, *ladder_and_calendar(session, referral)


def _require_free(session: Session, referral: Referral) -> None:
    if first := what_must_come_first(session, referral):
        raise TransitionRefused(first, "Task.status")


def _moved(
    session: Session,
    actor: Actor,
    referral: Referral,
    what: str,
    values: dict[str, Any],
    now: datetime,
    **detail: Any,
) -> Referral:
    ladder, _ = ladder_and_calendar(session, referral)
    before = plan_of(referral, ladder)
    changed = referrals.change(session, referral, **values)
    return _tell(session, actor, (referral, changed), what, before, now, **detail)


def _tell(
    session: Session,
    actor: Actor,
    pair: tuple[Referral, Referral],
    what: str,
    before: dict[str, Any],
    now: datetime,
    **detail: Any,
) -> Referral:
    was, changed = pair
    ladder, calendar = ladder_and_calendar(session, changed)
    after = plan_words(climb_of(changed), ladder, calendar)
    publish.referral_changed(session, changed, now)
    plans = {"before": before, "after": after, "undo": _state(was), "set": _state(changed)}
    referrals.note(session, changed.id, what, actor.id, now, **detail, **plans)
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype=_AUDITED.get(what, what),
        entity=f"ServiceRequest/{changed.id}",
        patient_id=changed.patient_id,
        detail=detail,
    )
    audit.record(session, actor, entry)
    return changed


def _state(referral: Referral) -> dict[str, Any]:
    """What a move changes and an undo puts back, as JSON."""
    values = {name: getattr(referral, name) for name in _COLUMNS}
    return {name: v.isoformat() if isinstance(v, (date, datetime)) else v for name, v in values.items()}
