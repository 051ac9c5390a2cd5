"""One request under a pretend clock: what would be sent, asked of people and ended, and when.

The same rules as in the services decide, in the same order (sweep, then delivery). A test runs the services
themselves on a database through the same scenarios and compares the two timelines, event by event.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from referral.domain import contacts
from referral.domain.calendar import BusinessCalendar
from referral.domain.codes import Channel
from referral.domain.outgoing import (
    AGAIN,
    MAX_TRIES,
    ONLY_WHILE_OPEN,
    REMINDERS,
    SWITCHED,
    WITH_LETTER,
    WITH_LINK,
    MessageKind,
    free_ordinal,
    retry_delay,
)
from referral.domain.records import Bar, Contact, Experience, Lesson
from referral.domain.reminders import (
    PUT_OFF,
    REMINDING,
    Climb,
    Ladder,
    Planned,
    Step,
    advanced,
    after_switch,
    comes_too_early,
    comes_up_at,
    ended_early,
    from_first_delivery,
    next_step,
    paused_until,
    reminder_due,
    resumed,
    stopped,
)

# No request lives longer; a scenario that would is cut off here.
LONGEST: Final = timedelta(days=400)
# Moments at which something happens; a request has some dozens.
_MOST_MOMENTS: Final = 5_000


class Cause(StrEnum):
    """What people and providers do in a scenario."""

    ANSWER = "answer"
    BOUNCE = "bounce"
    CANCEL = "cancel"
    PAUSE = "pause"
    QUESTION = "question"
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class Happening:
    """`channel` is what a bounce came back by; `until` is the last day of a pause."""

    at: datetime
    cause: Cause
    channel: Channel | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """From `start` until before `end` nothing is swept or sent; with a channel, its provider is down."""

    start: datetime
    end: datetime
    channel: Channel | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that was decided at `decided_at`; `sent_at` is None while it has not left."""

    kind: MessageKind
    ordinal: int
    contact: Contact
    decided_at: datetime
    not_before: datetime
    tries: int = 0
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a request stands when the pretend clock starts.

    `handed` are the letters that were handed over, oldest first, without those that failed; `refused` are
    the ids of the contacts that refused one; `stopped` the ordinals of reminders that never left. `calls`:
    somebody has to call already because nothing on file reaches them.
    """

    climb: Climb
    contacts: tuple[Contact, ...]
    waiting: tuple[Letter, ...] = ()
    handed: tuple[Letter, ...] = ()
    refused: frozenset[str] = frozenset()
    stopped: frozenset[int] = frozenset()
    delivered: bool = False
    held_at: datetime | None = None
    paused_until: date | None = None
    calls: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """The rules, where it starts, and what happens.

    The providers of `refusing` take nothing, for good. `fraction` is the jitter of retries, in [0, 1).
    """

    ladder: Ladder
    calendar: BusinessCalendar
    starts_at: datetime
    standing: Standing
    happenings: tuple[Happening, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    refusing: frozenset[Channel] = frozenset()
    fraction: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event, by the name that it has in the timeline of a request, except `try-again`, which is not kept.

    `wanted_at` is when it was due; later than that, `at` says that it had to wait. `until` is the end of a
    pause, or the time of the next try.
    """

    at: datetime
    event: str
    kind: MessageKind | None = None
    channel: Channel | None = None
    ordinal: int | None = None
    skipped: tuple[int, ...] = ()
    wanted_at: datetime | None = None
    until: datetime | None = None


def asked(
    ladder: Ladder, calendar: BusinessCalendar, ways: tuple[Contact, ...], asked_at: datetime
) -> Scenario:
    """A request that is made at this moment to somebody who can be reached in these ways."""
    by = contacts.for_request(ladder, ways)
    first = (Letter(MessageKind.REQUEST, 1, by, asked_at, asked_at),) if by else ()
    climb = Climb(started_at=calendar.next_opening(asked_at))
    standing = Standing(climb=climb, contacts=ways, waiting=first)
    return Scenario(ladder=ladder, calendar=calendar, starts_at=asked_at, standing=standing)


def simulate(scenario: Scenario) -> tuple[Entry, ...]:
    """What happens from the start on, in the order of time, until nothing more happens by itself."""
    return _Run.of(scenario).to_the_end()


@dataclass(slots=True)
class _Run:
    scenario: Scenario
    climb: Climb
    contacts: dict[str, Contact]
    waiting: list[Letter]
    handed: list[Letter]
    refused: set[str]
    stopped: set[int]
    delivered: bool
    held_at: datetime | None
    paused_until: date | None
    calls: bool
    next_step_at: datetime | None = None
    is_open: bool = True
    entries: list[Entry] = field(default_factory=list)

    @classmethod
    def of(cls, scenario: Scenario) -> _Run:
        standing = scenario.standing
        run = cls(
            scenario=scenario,
            climb=standing.climb,
            contacts={contact.id: contact for contact in standing.contacts},
            waiting=list(standing.waiting),
            handed=list(standing.handed),
            refused=set(standing.refused),
            stopped=set(standing.stopped),
            delivered=standing.delivered,
            held_at=standing.held_at,
            paused_until=standing.paused_until,
            calls=standing.calls,
        )
        run._replan(standing.climb)
        return run

    def to_the_end(self) -> tuple[Entry, ...]:
        coming = sorted(self.scenario.happenings, key=lambda happening: happening.at)
        last = self.scenario.starts_at + LONGEST
        for _ in range(_MOST_MOMENTS):
            now = self._next_moment(coming)
            if now is None or now > last:
                return tuple(self.entries)
            while coming and coming[0].at <= now:
                self._happen(coming.pop(0), now)
            if not self._is_down(now):
                self._sweep(now)
                self._deliver(now)
        raise RuntimeError("the rules of this scenario come up again and again without doing anything")

    def _next_moment(self, coming: list[Happening]) -> datetime | None:
        own = [letter.not_before for letter in self.waiting]
        if self.is_open and self.next_step_at is not None:
            own.append(self.next_step_at)
        start = self.scenario.starts_at
        moments = [self._after_trouble(max(moment, start)) for moment in own]
        if self.is_open and coming:
            moments.append(max(coming[0].at, start))
        return min(moments, default=None)

    def _is_down(self, now: datetime, channel: Channel | None = None) -> bool:
        return any(t.start <= now < t.end for t in self.scenario.troubles if t.channel == channel)

    def _after_trouble(self, moment: datetime) -> datetime:
        for trouble in sorted(self.scenario.troubles, key=lambda trouble: trouble.start):
            if trouble.channel is None and trouble.start <= moment < trouble.end:
                moment = trouble.end
        return moment

    def _note(self, at: datetime, event: str, letter: Letter | None = None, **values: object) -> None:
        about: dict[str, object] = {}
        if letter is not None:
            about = {"kind": letter.kind, "channel": letter.contact.channel, "ordinal": letter.ordinal}
        self.entries.append(Entry(at=at, event=event, **(about | values)))  # type: ignore[arg-type]

    # ---------- what people and providers do ----------

    def _happen(self, happening: Happening, now: datetime) -> None:
        if not self.is_open:
            return
        if happening.cause is Cause.BOUNCE:
            self._bounce(happening.channel, now)
        elif happening.cause is Cause.ANSWER:
            self._close(now, "answered", MessageKind.THANK_YOU)
        elif happening.cause is Cause.CANCEL:
            self._close(now, "cancelled", MessageKind.CANCELLED)
        elif happening.cause is Cause.RESUME:
            self._go_on(now)
        else:
            self._stand_still(happening, now)

    def _go_on(self, now: datetime) -> None:
        """A hold or a pause ends; nothing where there is neither."""
        calendar, until = self.scenario.calendar, self.paused_until
        if self.held_at is not None:
            self._replan(resumed(self.climb, calendar, self.held_at, now))
        elif until is not None and calendar.local_date(now) <= until:
            self.paused_until = None
            self._replan(ended_early(self.climb, calendar, until, now))
        else:
            return
        self._note(now, "resumed")

    def _stand_still(self, happening: Happening, now: datetime) -> None:
        """Reminders that have not left stay here, and come again when it goes on."""
        ordinals = {letter.ordinal for letter in self.waiting if letter.kind is MessageKind.REMINDER}
        self.stopped |= ordinals
        self.climb = stopped(self.climb, (ordinal % AGAIN for ordinal in ordinals))
        self._drop(REMINDERS)
        if happening.until is not None:
            calendar = self.scenario.calendar
            self.paused_until = happening.until
            self._replan(paused_until(self.climb, calendar, now, happening.until))
            self._note(now, "paused", until=calendar.at(happening.until, calendar.closes))
        else:
            self.held_at = now
            self._replan(replace(self.climb, held=True))
            self._note(now, "asked-question")

    def _bounce(self, channel: Channel | None, now: datetime) -> None:
        """The newest letter that was handed over by this channel comes back: nobody is reached there."""
        sent = [letter for letter in self.handed if letter.contact.channel == channel]
        if sent:
            self.handed.remove(sent[-1])
            self.delivered = bool(self.handed)
            contact = self.contacts[sent[-1].contact.id]
            barred = replace(contact, barred_for=Bar.BAD_ADDRESS, barred_at=now, verified_at=None)
            self.contacts[contact.id] = barred
            self._failed(sent[-1], now, "failed-after-all")

    def _failed(self, letter: Letter, now: datetime, event: str = "not-delivered") -> None:
        self._learn(letter, Lesson.FAILED, now)
        self.refused.add(letter.contact.id)
        self._note(now, event, letter)
        if letter.kind in WITH_LINK and self.is_open:
            self._switch(letter, now)

    def _switch(self, letter: Letter, now: datetime) -> None:
        """Another way at once, but never as the second letter of a day."""
        ways, calendar = tuple(self.contacts.values()), self.scenario.calendar
        other = contacts.after_refusal(ways, self.refused, letter.contact.channel)
        rest = [one for one in (*self.waiting, *self.handed) if one.contact.id not in self.refused]
        is_letter = letter.kind in WITH_LETTER
        if other is None:
            self._has_to_call(now, wanted=is_letter)
            return
        if is_letter and any(self._goes_today(one, now) for one in rest):
            return
        self._queue(letter.kind, letter.ordinal + SWITCHED, other, now)
        taken = after_switch(self.climb, self.scenario.ladder, calendar, now) if is_letter else None
        if taken is not None:
            self._replan(taken)
            self._note(now, "step-taken", ordinal=taken.climbed)

    def _goes_today(self, letter: Letter, now: datetime) -> bool:
        """On the recipient's day on which what is queued now would leave."""
        calendar = self.scenario.calendar
        leaves = letter.sent_at or calendar.next_opening(max(letter.not_before, now))
        today = calendar.local_date(calendar.next_opening(now))
        return letter.kind in WITH_LETTER and calendar.local_date(leaves) == today

    def _close(self, now: datetime, event: str, told: MessageKind) -> None:
        self.is_open, self.next_step_at = False, None
        self._drop(ONLY_WHILE_OPEN)
        self._note(now, event)
        last, ways = self._last(), tuple(self.contacts.values())
        contact = contacts.to_tell(ways, last[0]) if last else None
        if contact is not None:
            self._queue(told, 1, contact, now)

    # ---------- what the service does by itself ----------

    def _sweep(self, now: datetime) -> None:
        if not self.is_open or self.next_step_at is None or self.next_step_at > now:
            return
        rules = self.climb, self.scenario.ladder, self.scenario.calendar
        planned = reminder_due(*rules, now)
        if planned is None:
            self.next_step_at = comes_up_at(*rules, now)
        elif comes_too_early(planned, delivered=self.delivered, letter_waits=self._letter_waits()):
            self.next_step_at = now + PUT_OFF
        elif planned.step is Step.EXPIRE:
            self._close(now, "expired", MessageKind.CANCELLED)
        else:
            self._climb(planned, now)

    def _letter_waits(self) -> bool:
        return any(letter.kind in WITH_LETTER for letter in self.waiting)

    def _climb(self, planned: Planned, now: datetime) -> None:
        self._replan(advanced(self.climb, planned))
        self._note(
            now,
            f"step-{planned.step}",
            ordinal=planned.ordinal,
            skipped=planned.skipped,
            wanted_at=planned.due_at,
        )
        contact = contacts.for_step(planned.rung, tuple(self.contacts.values()), self._last())
        if contact is not None:
            ordinal = free_ordinal(planned.ordinal, self.stopped)
            self._queue(MessageKind.REMINDER, ordinal, contact, now)
        self._has_to_call(now, wanted=contact is None and planned.step in REMINDING)

    def _has_to_call(self, now: datetime, *, wanted: bool) -> None:
        """Nothing on file is left that a letter could go by: one call is made of it."""
        if wanted and not self.calls:
            self.calls = True
            self._note(now, "call-queued")

    def _deliver(self, now: datetime) -> None:
        for letter in [letter for letter in self.waiting if letter.not_before <= now]:
            self.waiting.remove(letter)
            calendar, ways = self.scenario.calendar, tuple(self.contacts.values())
            contact = self.contacts[letter.contact.id]
            if contacts.should_turn(ways, contact, letter.kind, letter.decided_at):
                self._failed(letter, now)
            elif not calendar.is_open(now):
                self.waiting.append(replace(letter, not_before=calendar.next_opening(now)))
            elif self._is_down(now, letter.contact.channel):
                self._try_again(letter, now)
            elif letter.contact.channel in self.scenario.refusing:
                self._failed(letter, now)
            else:
                self._handed_over(letter, now)

    def _try_again(self, letter: Letter, now: datetime) -> None:
        tries = letter.tries + 1
        if tries >= MAX_TRIES:
            self._note(now, "not-delivered", letter)
            return
        later = replace(letter, tries=tries, not_before=now + retry_delay(tries, self.scenario.fraction))
        self.waiting.append(later)
        self._note(now, "try-again", letter, until=later.not_before)

    def _handed_over(self, letter: Letter, now: datetime) -> None:
        if letter.kind in WITH_LINK:
            self.handed.append(replace(letter, sent_at=now))
            moved = None if self.delivered else from_first_delivery(self.climb, self.scenario.calendar, now)
            self.delivered = True
            if moved is not None and self.is_open:
                self._replan(moved)
        self._learn(letter, Lesson.SENT, now)
        self._note(now, "sent", letter, wanted_at=letter.decided_at)

    def _learn(self, letter: Letter, lesson: Lesson, now: datetime) -> None:
        """The newest news of a message takes the place of the older, as in storage/contacts.learn()."""
        contact, message = self.contacts[letter.contact.id], f"{letter.kind}:{letter.ordinal}"
        others = (one for one in contact.experience if one.message_id != message)
        news = Experience(message_id=message, lesson=lesson, at=now)
        self.contacts[contact.id] = replace(contact, experience=(news, *others))

    # ---------- where it stands ----------

    def _last(self) -> tuple[str, Channel] | None:
        """The contact of the newest letter that was handed over."""
        if not self.handed:
            return None
        newest = max(self.handed, key=lambda letter: (letter.decided_at, letter.ordinal))
        return newest.contact.id, newest.contact.channel

    def _queue(self, kind: MessageKind, ordinal: int, contact: Contact, now: datetime) -> None:
        self.waiting.append(Letter(kind, ordinal, contact, decided_at=now, not_before=now))

    def _drop(self, kinds: Iterable[MessageKind]) -> None:
        self.waiting = [letter for letter in self.waiting if letter.kind not in kinds]

    def _replan(self, climb: Climb) -> None:
        planned = next_step(climb, self.scenario.ladder, self.scenario.calendar)
        self.climb, self.next_step_at = climb, planned.due_at if planned else None
        if not climb.held:
            self.held_at = None
