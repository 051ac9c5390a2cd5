"""What a report says: the course as it stood when it was to be drawn, as a letter and as a FHIR document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from referral.domain.course import Course, Severity
from referral.domain.course_words import ENDING, STOP_REASON
from referral.domain.errors import NotFound
from referral.domain.follow_up import FollowUp, Outcome
from referral.domain.language import Language, phrase
from referral.domain.report_rules import Occasion
from referral.domain.scales import FORMS, Scale, ScaleScore
from referral.domain.side_effects import worded
from referral.fhir.course_report import Part, ReportDocument, Total, document_bundle
from referral.fhir.elements import reference
from referral.fhir.questionnaire import answers_from_response
from referral.letters.report import (
    MOST_CHANGES,
    RANGES,
    CourseEnd,
    MedicationChange,
    NextVisit,
    ReportLetter,
    Score,
    Series,
    Visiting,
)
from referral.services.course import course_of, words_of, words_of_each
from referral.services.letter_content import Asked, about_patient, indication_words
from referral.services.publish import clinic_ref
from referral.storage import course_reports, follow_ups, resources, scales, standings
from referral.storage.course_reports import CourseReport
from referral.storage.db import Session
from referral.translation import long_date, say

_TITLES: Final = {
    Occasion.DECISION: "Decision on ketamine infusions",
    Occasion.MID_COURSE: "Ketamine infusions: report at mid-course",
    Occasion.END_OF_COURSE: "Ketamine infusions: report at the end of the course",
    Occasion.ADVERSE_EVENT: "Ketamine infusions: serious adverse event",
    Occasion.CLOSURE: "Ketamine infusions: closing report",
}
_SEVERITY: Final = {
    Severity.MILD: phrase("Mild."),
    Severity.MODERATE: phrase("Moderate."),
    Severity.SEVERE: phrase("Severe."),
}
_NEVER_WAS: Final = phrase("What we told you of was recorded in error: there was no such event.")
_NOT_SERIOUS: Final = phrase("We told you of this as a serious event; it was not serious.")
# Of the clinic's own words: what a letter has room for.
_LONGEST: Final = 1500
_WITHIN: Final = {
    "2-weeks": phrase("%(who)s, within 2 weeks"),
    "4-weeks": phrase("%(who)s, within 4 weeks"),
    "3-months": phrase("%(who)s, within 3 months"),
}


@dataclass(frozen=True, slots=True)
class ReportContent:
    """The letter to be drawn, and the FHIR document that goes into its file, as canonical JSON."""

    report: CourseReport
    letter: ReportLetter
    bundle: dict[str, object]


def report_content(
    session: Session, report: CourseReport, asked: Asked, base_url: str, now: datetime
) -> ReportContent:
    """Raises InvalidInput for a patient without a full date of birth, as every letter that names one does."""
    zone, as_of = ZoneInfo(asked.clinic.time_zone), report.queue_at
    found = course_of(session, asked.order.id)
    given = [one.started_at.astimezone(zone).date() for one in found.given if one.started_at <= as_of]
    totals = _totals(session, asked.order.id, as_of)
    letter = ReportLetter(
        **about_patient(asked, report.id, now),
        occasion=report.occasion,
        indication=indication_words(asked.order),
        given=len(given),
        planned=found.planned,
        first_on=given[0] if given else None,
        last_on=given[-1] if given else None,
        series=_all_series(totals, zone),
        medication=_medication(session, found, as_of.astimezone(zone).date()),
        next_visit=_next_visit(session, asked, now.astimezone(zone).date()),
        end=_end(found, as_of, zone),
        treats=report.treats,
        replaces=_replaces(session, report, zone),
        event=_event(session, report, found, asked.language, zone),
        summary=_words_of_end(session, found) if report.occasion is Occasion.END_OF_COURSE else "",
    )
    return ReportContent(report, letter, _bundle(session, report, asked, letter, totals, base_url, now))


def _totals(session: Session, order_id: str, as_of: datetime) -> tuple[ScaleScore, ...]:
    """Of the scales that a report shows, oldest first."""
    every = scales.of_order(session, order_id)
    return tuple(one for one in every if one.scale in RANGES and one.taken_at <= as_of)


def _all_series(totals: Iterable[ScaleScore], zone: ZoneInfo) -> tuple[Series, ...]:
    by_scale: dict[Scale, list[Score]] = {}
    for one in totals:
        score = Score(after_sessions=one.sessions, on=one.taken_at.astimezone(zone).date(), total=one.total)
        by_scale.setdefault(one.scale, []).append(score)
    return tuple(Series(scale=scale, scores=tuple(by_scale[scale])) for scale in RANGES if scale in by_scale)


def _event(session: Session, report: CourseReport, found: Course, language: Language, zone: ZoneInfo) -> str:
    """What happened, out of the record: the finding, how severe, when, and the clinic's own words."""
    if report.occasion is not Occasion.ADVERSE_EVENT:
        return ""
    event = next((one for one in found.effects if one.id == report.about), None)
    if event is None:
        if report.corrects is None:
            raise NotFound("This event was recorded in error.")
        return say(language, _NEVER_WAS)
    noticed = event.noticed_at.astimezone(zone)
    when = f"{long_date(language, noticed.date())}, {noticed:%H:%M}"
    place = next((n for n, one in enumerate(found.sessions, 1) if one.id == event.session_id), None)
    said = [f"{worded(event.code)}. {say(language, _SEVERITY[event.severity])}", when]
    if place is not None:
        said.append(say(language, "During infusion number %(number)s", number=place))
    else:
        said.append(say(language, "Between two infusions"))
    if not event.serious:
        said.append(say(language, _NOT_SERIOUS))
    return "\n".join([*said, words_of(session, event.stamp)]).strip()[:_LONGEST]


def _replaces(session: Session, report: CourseReport, zone: ZoneInfo) -> date | None:
    """The day on which its recipient got, or was told, what this report corrects."""
    if report.corrects is None:
        return None
    old = course_reports.followed(session, report.corrects)
    return (old.finished_at or old.report.told_at or old.report.queue_at).astimezone(zone).date()


def _words_of_end(session: Session, found: Course) -> str:
    """What the clinic has written when the course ended."""
    return words_of(session, found.end.stamp)[:_LONGEST] if found.end is not None else ""


def _medication(session: Session, found: Course, until: date) -> tuple[MedicationChange, ...]:
    """The newest, as many as a report has room for."""
    changes = [one for one in found.medication if one.changed_on <= until][-MOST_CHANGES:]
    words = words_of_each(session, (one.stamp for one in changes))
    return tuple(
        MedicationChange(on=one.changed_on, what=what) for one, what in zip(changes, words, strict=True)
    )


def _end(found: Course, as_of: datetime, zone: ZoneInfo) -> CourseEnd | None:
    end = found.end
    if end is None or end.ended_at > as_of:
        return None
    return CourseEnd(ending=end.ending, reason=end.reason, on=end.ended_at.astimezone(zone).date())


def _next_visit(session: Session, asked: Asked, today: date) -> NextVisit | None:
    """Who sees the patient next, as the clinician has committed to in the form, or has said since."""
    visit = follow_ups.of_referral(session, asked.referral.id)
    if visit is not None and visit.outcome is Outcome.SUPERSEDED:
        same = [
            v for v in follow_ups.of_order(session, visit.order_id) if v.clinician_id == visit.clinician_id
        ]
        visit = same[-1]
    if visit is not None:
        return _promised(visit, asked, today)
    answers = [one for one in standings.of_referral(session, asked.referral.id) if one.is_positive]
    kept = resources.find(session, "QuestionnaireResponse", answers[-1].response_id) if answers else None
    raw = answers_from_response(kept.document) if kept is not None else {}
    if raw.get("continues-care") != ["yes"]:
        return None
    who, within = asked.clinician.name, next(iter(raw.get("next-visit", [])), "")
    text = say(asked.language, _WITHIN[within], who=who) if within in _WITHIN else who
    return NextVisit(who=text, on=None, state=Visiting.PLANNED)


def _promised(visit: FollowUp, asked: Asked, today: date) -> NextVisit | None:
    """None for an office that does not treat this patient any more, or promises nothing now."""
    who = asked.clinician.name
    if visit.outcome in (Outcome.NOT_OURS, Outcome.SUPERSEDED):
        return None
    if visit.outcome is Outcome.LOST:
        return NextVisit(who=who, on=None, state=Visiting.LOST)
    if visit.outcome_on is not None:
        return NextVisit(who=who, on=visit.outcome_on, state=Visiting.SEEN)
    if visit.due_on is not None and visit.due_on < today:
        return NextVisit(who=who, on=visit.due_on, state=Visiting.PASSED)
    if visit.moved_to is not None:
        return NextVisit(who=who, on=visit.moved_to, state=Visiting.AGREED)
    text = say(asked.language, _WITHIN[visit.within], who=who)
    return NextVisit(who=text, on=visit.due_on, state=Visiting.BY if visit.due_on else Visiting.PLANNED)


# ---- The same for machines


def _bundle(
    session: Session,
    report: CourseReport,
    asked: Asked,
    letter: ReportLetter,
    totals: Sequence[ScaleScore],
    base_url: str,
    now: datetime,
) -> dict[str, object]:
    patient = resources.read(session, "Patient", asked.patient.id).document
    made = tuple(
        Total(
            FORMS[one.scale].total,
            FORMS[one.scale].total_name,
            FORMS[one.scale].title,
            one.total,
            one.taken_at,
        )
        for one in totals
    )
    document = ReportDocument(
        id=report.id,
        occasion=report.occasion,
        title=_TITLES[report.occasion],
        written_at=now,
        first_on=letter.first_on,
        last_on=letter.last_on,
        order_id=asked.order.id,
        corrects=report.corrects,
        patient=patient,
        clinic=dict(reference(clinic_ref(session))),
        ending=letter.end.ending if letter.end else None,
        stop_reason=letter.end.reason if letter.end else None,
        parts=tuple(_parts(letter, made)),
    )
    return document_bundle(document, f"{base_url}/fhir")


def _parts(letter: ReportLetter, totals: Sequence[Total]) -> Iterable[Part]:
    if letter.event:
        yield Part("55109-3", "Complications Document", "What happened", tuple(letter.event.split("\n")))
    if letter.treats is not None:
        said = "We have decided to treat." if letter.treats else "We have decided not to treat."
        yield Part("51847-2", "Evaluation + Plan note", "Decision", (said,))
    said_of_course = (_given(letter), *([_ended(letter.end)] if letter.end else []))
    yield Part("47519-4", "History of Procedures Document", "Infusions given", said_of_course)
    if letter.series:
        said_of = tuple(_series(one) for one in letter.series)
        yield Part("47420-5", "Functional status assessment note", "Scores", said_of, tuple(totals))
    changes = tuple(f"{_day(one.on)}: {one.what}" for one in letter.medication)
    yield Part(
        "10160-0", "History of Medication use Narrative", "Medication changes", changes or (_NONE_KNOWN,)
    )
    yield Part("18776-5", "Plan of care note", "Next visit", (_next(letter.next_visit),))
    if letter.summary:
        yield Part("34109-9", "Note", "In our words", tuple(letter.summary.split("\n")))


_NONE_KNOWN: Final = "None that we know of."


def _day(day: date) -> str:
    return long_date(Language.ENGLISH, day)


def _given(letter: ReportLetter) -> str:
    count = f"{letter.given}" if letter.planned is None else f"{letter.given} of {letter.planned} planned"
    if letter.first_on is None or letter.last_on is None:
        return f"{count}."
    return f"{count}, from {_day(letter.first_on)} to {_day(letter.last_on)}."


def _ended(end: CourseEnd) -> str:
    why = f" Reason: {STOP_REASON[end.reason]}." if end.reason else ""
    return f"{ENDING[end.ending]} on {_day(end.on)}.{why}"


def _series(series: Series) -> str:
    first, last = series.scores[0], series.scores[-1]
    if len(series.scores) == 1:
        return f"{series.name}: {first.total} on {_day(first.on)}, measured once."
    return f"{series.name}: {first.total} on {_day(first.on)}, {last.total} on {_day(last.on)}."


def _next(visit: NextVisit | None) -> str:
    if visit is None:
        return "Nobody yet."
    day = _day(visit.on) if visit.on else ""
    return {
        Visiting.PLANNED: f"{visit.who}; no day agreed yet.",
        Visiting.BY: f"{visit.who}, by {day}.",
        Visiting.AGREED: f"{visit.who}, {day}.",
        Visiting.PASSED: f"{visit.who}, until {day}; not known whether the patient was seen.",
        Visiting.SEEN: f"{visit.who}; patient seen on {day}.",
        Visiting.LOST: f"{visit.who}, who has lost contact with the patient.",
    }[visit.state]
