"""A clinic's ladder as people type it and as it is stored; what is wrong with it, and how two differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from referral.domain.codes import Channel
from referral.domain.errors import InvalidInput, Issue
from referral.domain.reminders import REMINDING, Audience, Ladder, Rung, Step

MOST_RUNGS: Final = 12
MOST_DAYS: Final = 60
# What stands for day 0 in stored ladders: [0, "request", channel].
_REQUEST: Final = "request"
# What stands for messages to the patient: [0, "patient", channels, null]; without it they are the usual ones.
_PATIENT: Final = "patient"
# By what a patient can be told, by the value that a form sends; the first is the usual one.
PATIENT_CHANNELS: Final[Mapping[str, tuple[Channel, ...]]] = {
    "email-sms": (Channel.EMAIL, Channel.SMS),
    "email-sms-post": (Channel.EMAIL, Channel.SMS, Channel.POST),
    "email": (Channel.EMAIL,),
    "sms": (Channel.SMS,),
    "post": (Channel.POST,),
    "nobody": (),
}
CHANNEL_WORDS: Final = {
    Channel.EMAIL: "e-mail",
    Channel.FAX: "fax",
    Channel.SMS: "text message",
    Channel.POST: "post",
}
AUDIENCE_WORDS: Final = {
    Audience.FRONT_DESK: "the front desk",
    Audience.CLINICIAN: "a clinician of the clinic",
    Audience.MEDICAL_DIRECTOR: "the medical director",
}
_WORDS: Final = {
    Step.REMIND: "reminder by the same channel",
    Step.REMIND_OTHER_CHANNEL: "reminder by another channel, paper with the form first",
    Step.EXPIRE: "the request expires",
}


def words_of(rung: Rung) -> str:
    """What a rung does, as part of a sentence."""
    if rung.step is Step.REMIND and rung.channel is not None:
        return f"reminder by {CHANNEL_WORDS[rung.channel]} where there is one"
    who = AUDIENCE_WORDS[rung.audience] if rung.audience else ""
    if rung.step is Step.CALL:
        return f"{who} calls the practice"
    if rung.step is Step.SUGGEST_ANOTHER:
        return f"{who} is asked to try a second clinician, and the patient is told"
    if rung.step is Step.ESCALATE:
        return f"{who} is told"
    return _WORDS[rung.step]


# What a rung can be, by the value that a form sends. The end comes last.
CHOICES: Final[Mapping[str, Rung]] = {
    **{
        ":".join(part for part in (step, channel or "", to or "") if part): Rung(0, step, channel, to)
        for step, channel, to in (
            (Step.REMIND, None, None),
            (Step.REMIND_OTHER_CHANNEL, None, None),
            *((Step.REMIND, channel, None) for channel in CHANNEL_WORDS),
            *((Step.CALL, None, to) for to in Audience),
            *((Step.SUGGEST_ANOTHER, None, to) for to in (Audience.FRONT_DESK, Audience.CLINICIAN)),
            *((Step.ESCALATE, None, to) for to in (Audience.MEDICAL_DIRECTOR, Audience.CLINICIAN)),
            (Step.EXPIRE, None, None),
        )
    }
}


@dataclass(frozen=True, slots=True)
class RungDraft:
    """One line of the form: the business day as typed, and a key of CHOICES. Empty lines are left out."""

    day: str
    what: str


def choice_of(rung: Rung) -> str:
    """The key of CHOICES that makes this rung."""
    return ":".join(part for part in (rung.step, rung.channel or "", rung.audience or "") if part)


def draft_of(ladder: Ladder) -> tuple[RungDraft, ...]:
    """The form filled in with a ladder: checked_ladder() makes the same of it again."""
    return tuple(RungDraft(str(rung.business_day), choice_of(rung)) for rung in ladder.rungs)


def checked_ladder(
    request_channel: str,
    lines: Sequence[RungDraft],
    patient_channels: Iterable[Channel] = Ladder().patient_channels,
) -> Ladder:
    """The ladder that was typed. Raises InvalidInput with every issue, at `day_N` or `what_N` (from 1)."""
    issues: list[Issue] = []
    if request_channel and request_channel not in CHANNEL_WORDS:
        issues.append(Issue("Choose a channel from the list.", ("request_channel",), "value"))
    rungs: list[tuple[int, Rung]] = []
    for place, line in enumerate(lines, 1):
        if line.day.strip() or line.what:
            rung = _rung(line, place, issues)
            if rung is not None:
                rungs.append((place, rung))
    if not issues:
        issues.extend(_wrong_together(rungs))
    if issues:
        raise InvalidInput(*issues)
    return Ladder(
        tuple(rung for _, rung in rungs),
        Channel(request_channel) if request_channel else None,
        tuple(patient_channels),
    )


def _rung(line: RungDraft, place: int, issues: list[Issue]) -> Rung | None:
    typed = line.day.strip()
    day = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 4 else -1
    if not 1 <= day <= MOST_DAYS:
        text = f"Write a whole number of business days from 1 to {MOST_DAYS}; day 0 is the request itself."
        issues.append(Issue(text, (f"day_{place}",), "value"))
    if line.what not in CHOICES:
        issues.append(Issue("Choose what happens on this day.", (f"what_{place}",), "required"))
        return None
    made = CHOICES[line.what]
    return Rung(day, made.step, made.channel, made.to)


def _wrong_together(rungs: Sequence[tuple[int, Rung]]) -> Iterator[Issue]:
    """What no single line shows."""
    if len(rungs) > MOST_RUNGS:
        yield Issue(f"These are too many: at most {MOST_RUNGS} steps.", (f"day_{rungs[-1][0]}",), "too-long")
    ends = [(place, rung) for place, rung in rungs if rung.step is Step.EXPIRE]
    if not ends:
        where = f"what_{rungs[-1][0]}" if rungs else "what_1"
        yield Issue(
            "The last step has to end the request. Add one that lets it expire.", (where,), "required"
        )
    for place, _ in ends[:-1]:
        yield Issue("The request can expire only once. Keep the last of these.", (f"what_{place}",), "value")
    if ends and ends[-1][0] != rungs[-1][0]:
        text = "Nothing can follow once the request has expired. Move the end to the last day."
        yield Issue(text, (f"what_{ends[-1][0]}",), "value")
    if not any(rung.step is not Step.EXPIRE for _, rung in rungs):
        text = "Add at least one reminder or call before the end; one letter alone is easily overlooked."
        yield Issue(text, ("what_1",), "required")
    for (_, earlier), (place, rung) in pairwise(rungs):
        if rung.business_day <= earlier.business_day:
            text = f"This has to come after business day {earlier.business_day}: one step a day, in order."
            yield Issue(text, (f"day_{place}",), "value")


# ---- Stored


def to_data(ladder: Ladder) -> list[list[Any]]:
    """As JSON: [business day, step, channel, to], the request as day 0."""
    usual = ladder.patient_channels == Ladder().patient_channels
    return [
        [0, _REQUEST, ladder.request_channel, None],
        *([] if usual else [[0, _PATIENT, list(ladder.patient_channels), None]]),
        *([rung.business_day, rung.step, rung.channel, rung.to] for rung in ladder.rungs),
    ]


def from_data(data: Iterable[Sequence[Any]]) -> Ladder:
    """What to_data() has stored; of older versions, lines that end after the step and have no request."""
    request_channel, patient_channels, rungs = None, Ladder().patient_channels, []
    for line in data:
        day, step, channel, to = (*line, None, None)[:4]
        if step == _REQUEST:
            request_channel = Channel(channel) if channel else None
        elif step == _PATIENT:
            patient_channels = tuple(Channel(name) for name in channel)
        else:
            rungs.append(
                Rung(day, Step(step), Channel(channel) if channel else None, Audience(to) if to else None)
            )
    return Ladder(tuple(rungs), request_channel, patient_channels)


# ---- Compared


def ladder_changes(before: Ladder, after: Ladder) -> tuple[str, ...]:
    """What is different, one sentence each, in the order of days; empty where nothing is."""
    return tuple(_changes(before, after))


def _changes(before: Ladder, after: Ladder) -> Iterator[str]:
    if before.request_channel is not after.request_channel:
        yield f"The request goes out {request_words(after)}, not {request_words(before)}."
    if before.patient_channels != after.patient_channels:
        yield f"The patient is told {patient_words(after)}, not {patient_words(before)}."
    old = {rung.business_day: words_of(rung) for rung in before.rungs}
    new = {rung.business_day: words_of(rung) for rung in after.rungs}
    for day in sorted(old.keys() | new.keys()):
        was, will = old.get(day), new.get(day)
        if was == will:
            continue
        if was is None:
            yield f"Business day {day} is new: {will}."
        elif will is None:
            yield f"Business day {day} goes: {was}."
        else:
            yield f"Business day {day}: {will}, not {was}."


def request_words(ladder: Ladder) -> str:
    """How the first letter travels."""
    if ladder.request_channel is None:
        return "by the best contact on file"
    return f"by {CHANNEL_WORDS[ladder.request_channel]} where there is one"


def patient_words(ladder: Ladder) -> str:
    """By what the patient hears that the clinic still waits."""
    names = [CHANNEL_WORDS[channel] for channel in ladder.patient_channels]
    if not names:
        return "by nobody but the front desk"
    return f"by {names[0]}" if len(names) == 1 else f"by {', '.join(names[:-1])} or {names[-1]}"


def sends_anything(ladder: Ladder) -> int:
    """How many letters at most one request sends by itself, the request among them."""
    return 1 + sum(rung.step in REMINDING for rung in ladder.rungs)
