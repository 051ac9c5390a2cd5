"""What the pages of a course say: of the course, of one session, and of what was recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from referral.domain import course_words
from referral.domain.course import (
    Candidacy,
    ChangeReason,
    Course,
    Decided,
    Dose,
    Ending,
    MedicationChange,
    Phase,
    SessionState,
    SideEffect,
    Stamp,
    TreatmentSession,
    Vital,
    VitalKind,
)
from referral.domain.side_effects import PICKS, worded
from referral.services.find_orders import OrderView
from referral.web.form import Form
from referral.web.staff import present, story
from referral.web.staff.clock import Clock
from referral.web.staff.course_models import (
    ChangeRow,
    CoursePage,
    DoseRow,
    EffectRow,
    SessionPage,
    SessionRow,
    Version,
    VitalCell,
    VitalRow,
)
from referral.web.staff.models import Badge, Choice, Fact, Link
from referral.web.staff.second_start import started_today

COLUMNS: Final = (
    (VitalKind.BLOOD_PRESSURE, "Blood pressure"),
    (VitalKind.HEART_RATE, "Heart rate"),
    (VitalKind.OXYGEN_SATURATION, "SpO₂"),
    (VitalKind.RESPIRATORY_RATE, "Breaths"),
)
_BADGE: Final = {
    SessionState.IN_PROGRESS: Badge("waiting", "In progress", "play"),
    SessionState.COMPLETED: Badge("open", "Completed"),
    SessionState.ABORTED: Badge("closed", "Aborted"),
}
_NOT_SAID: Final = "not said yet"


def choices(words: Mapping[Any, str], chosen: str = "") -> tuple[Choice, ...]:
    """The options of one code in words."""
    return tuple(Choice(str(code), text, checked=str(code) == chosen) for code, text in words.items())


def picks(chosen: str = "") -> tuple[Choice, ...]:
    """The pick list of side effects."""
    return tuple(Choice(pick.code, pick.text, checked=pick.code == chosen) for pick in PICKS)


def changes() -> tuple[Choice, ...]:
    """Why somebody changes what was recorded; what a system says of itself is not among them."""
    return choices(
        {code: text for code, text in course_words.CHANGE_REASON.items() if code != ChangeReason.SENT_ANEW}
    )


def _yes(value: bool | None) -> str:
    return _NOT_SAID if value is None else ("Yes" if value else "No")


def course_page(
    view: OrderView, course: Course, clock: Clock, form: Form, actions: tuple[str, ...]
) -> CoursePage:
    """The whole course, as somebody may see it who may see answers."""
    order = view.state.order
    running = course.under_way
    return CoursePage(
        patient=Link(present.named(view.state.patient), f"/patients/{order.patient_id}"),
        order=Link(f"Order {present.order_number(order)}", f"/orders/{order.id}"),
        href=f"/orders/{order.id}/course",
        badge=_state(course),
        progress=_progress(course),
        facts=_facts(course, clock),
        decision=_decision(course.decision, clock),
        decided=course.decision is not None,
        consulted=course.consulted_at is not None,
        gate=story.gate(view.state, clock),
        sessions=tuple(_row(order.id, n, one, clock) for n, one in enumerate(course.sessions, 1)),
        started_today=started_today(view.starts, clock),
        between=effect_rows(course.between, clock),
        under_way=Link("Go to the session", session_href(order.id, running.id)) if running else None,
        form=form,
        actions=actions,
        candidacy=choices(course_words.CANDIDACY, form.value("decision")),
        reasons=choices(course_words.CANDIDACY_REASON),
        changes=changes(),
        endings=choices(course_words.ENDING, form.value("ending")),
        stops=choices(course_words.STOP_REASON),
        picks=picks(),
        severities=choices(course_words.SEVERITY),
    )


def session_href(order_id: str, session_id: str) -> str:
    """The page of one session."""
    return f"/orders/{order_id}/sessions/{session_id}"


def record_href(kind: str, id: str) -> str:
    """Where one thing is corrected."""
    return f"/records/{kind}/{id}"


def _state(course: Course) -> Badge:
    if course.end is not None:
        done = course.end.ending is Ending.COMPLETED
        return Badge("open" if done else "closed", course_words.ENDING[course.end.ending])
    if course.sessions:
        return Badge("info", "Under way")
    return Badge("neutral", "Not begun")


def _progress(course: Course) -> str:
    given = len(course.given)
    if course.planned is None:
        return f"{given} completed; no number planned"
    return f"{given} of {course.planned} completed"


def _facts(course: Course, clock: Clock) -> tuple[Fact, ...]:
    days = course.spacing_days
    facts = [
        Fact("Sessions", _progress(course)),
        Fact("Spacing", f"every {days} days" if days else "not planned"),
    ]
    if course.end is not None:
        reason = f", {course_words.STOP_REASON[course.end.reason]}" if course.end.reason else ""
        ended = f"{clock.date_of(course.end.ended_at)}{reason}"
        facts.append(Fact("Ended", ended, record_href("end", course.order_id)))
    return tuple(facts)


def _decision(decided: Decided | None, clock: Clock) -> tuple[Fact, ...]:
    if decided is None:
        return ()
    told = {
        "risks": decided.risks_discussed,
        "benefits": decided.benefits_discussed,
        "self-pay notice": decided.self_pay_notice,
    }
    said = ", ".join(name for name, yes in told.items() if yes) or "nothing noted"
    facts = [Fact("Decision", course_words.CANDIDACY[decided.decision])]
    if decided.reason is not None:
        facts.append(Fact("Reason", course_words.CANDIDACY_REASON[decided.reason]))
    return (*facts, Fact("Discussed", said), Fact("Decided", clock.date_of(decided.decided_at)))


def _row(order_id: str, number: int, one: TreatmentSession, clock: Clock) -> SessionRow:
    parts = [f"{one.milligrams.normalize():f} mg"] if one.doses else ["no dose recorded"]
    if one.abort_reason is not None:
        parts.append(course_words.ABORT_REASON[one.abort_reason].lower())
    parts += [worded(effect.code).lower() for effect in one.effects]
    return SessionRow(
        session_href(order_id, one.id),
        f"Session {number}",
        clock.moment(one.started_at),
        _BADGE[one.state],
        ", ".join(parts),
    )


def effect_rows(effects: Iterable[SideEffect], clock: Clock) -> tuple[EffectRow, ...]:
    """Side effects, oldest first."""
    return tuple(
        EffectRow(
            clock.moment(one.noticed_at),
            worded(one.code),
            course_words.SEVERITY[one.severity],
            Badge("closed", "Serious", "warning") if one.serious else None,
            record_href("effect", one.id),
        )
        for one in effects
    )


def change_rows(
    changes: Iterable[MedicationChange], words: Iterable[str], clock: Clock
) -> tuple[ChangeRow, ...]:
    """Changes of medication, each with what was written of it."""
    return tuple(
        ChangeRow(clock.day(one.changed_on), text, record_href("medication", one.id))
        for one, text in zip(changes, words, strict=True)
    )


def session_page(
    view: OrderView, course: Course, one: TreatmentSession, clock: Clock, form: Form, *, may: bool, words: str
) -> SessionPage:
    """One session with everything that was recorded of it."""
    order = view.state.order
    number = [found.id for found in course.sessions].index(one.id) + 1
    of = f" of {course.planned}" if course.planned else ""
    is_open = one.state is SessionState.IN_PROGRESS
    return SessionPage(
        patient=Link(present.named(view.state.patient), f"/patients/{order.patient_id}"),
        course=Link("Course", f"/orders/{order.id}/course"),
        href=session_href(order.id, one.id),
        title=f"Session {number}{of}",
        badge=_BADGE[one.state],
        facts=_session_facts(one, clock),
        is_open=is_open,
        may=may,
        columns=tuple(text for _, text in COLUMNS),
        vitals=_vital_rows(one.vitals, clock),
        doses=tuple(_dose(dose, clock) for dose in one.doses),
        effects=effect_rows(one.effects, clock),
        form=form,
        phases=choices(course_words.PHASE, form.value("phase")),
        picks=picks(form.value("effect")),
        severities=choices(course_words.SEVERITY),
        states=tuple(c for c in choices(course_words.STATE, form.value("state")) if c.value != "in-progress"),
        aborts=choices(course_words.ABORT_REASON),
        words=words,
        correct=record_href("session", one.id),
    )


def phase_now(one: TreatmentSession) -> Phase:
    """Which phase is meant by what is measured now: after, once everything has run through."""
    running = [dose for dose in one.doses if dose.stopped_at is None]
    return Phase.AFTER if one.doses and not running else Phase.DURING


def _session_facts(one: TreatmentSession, clock: Clock) -> tuple[Fact, ...]:
    facts = [
        Fact("Started", clock.moment(one.started_at).text),
        Fact("Supervising physician", one.supervisor or _NOT_SAID),
        Fact("Present throughout", _yes(one.physician_present)),
    ]
    if one.ended_at is not None:
        facts += [
            Fact("Ended", clock.moment(one.ended_at).text),
            Fact("Discharge criteria met", _yes(one.discharge_met)),
            Fact("Ride home", _yes(one.ride_home)),
        ]
    if one.abort_reason is not None:
        facts.append(Fact("Aborted", course_words.ABORT_REASON[one.abort_reason]))
    return tuple(facts)


def _vital_rows(vitals: Iterable[Vital], clock: Clock) -> tuple[VitalRow, ...]:
    """Newest first: what was measured last is looked at most."""
    moments: dict[tuple[datetime, Phase], dict[VitalKind, Vital]] = {}
    for vital in vitals:
        moments.setdefault((vital.taken_at, vital.phase), {})[vital.kind] = vital
    return tuple(
        VitalRow(
            clock.hour(at),
            course_words.PHASE[phase],
            tuple(_cell(found.get(kind)) for kind, _ in COLUMNS),
        )
        for (at, phase), found in sorted(moments.items(), reverse=True)
    )


def _cell(vital: Vital | None) -> VitalCell | None:
    return VitalCell(measured(vital), record_href("vital", vital.id)) if vital else None


def measured(vital: Vital) -> str:
    """'124/78', '98 %', '72'."""
    if vital.diastolic is not None:
        return f"{vital.value}/{vital.diastolic}"
    return f"{vital.value} %" if vital.kind is VitalKind.OXYGEN_SATURATION else str(vital.value)


def _dose(dose: Dose, clock: Clock) -> DoseRow:
    end = f"to {clock.hour(dose.stopped_at).text}" if dose.stopped_at else "running"
    return DoseRow(
        dose_text(dose),
        f"{clock.hour(dose.started_at).text} {end}",
        record_href("dose", dose.id),
        "" if dose.stopped_at else dose.id,
    )


def dose_text(dose: Dose) -> str:
    """'35 mg (0.5 mg/kg)'."""
    per = f" ({dose.per_kilogram.normalize():f} mg/kg)" if dose.per_kilogram else ""
    return f"Ketamine {dose.milligrams.normalize():f} mg{per}"


def version_rows(
    said: Iterable[tuple[Stamp | None, str]], users: Mapping[str, str], clock: Clock
) -> tuple[Version, ...]:
    """Versions, newest first."""
    rows = [
        Version(
            clock.moment(stamp.recorded_at),
            users.get(stamp.recorded_by, "a connected system"),
            text,
            course_words.CHANGE_REASON[stamp.why] if stamp.why else "",
        )
        for stamp, text in said
        if stamp is not None
    ]
    return tuple(reversed(rows))


def code_of(kind: type[StrEnum], text: str) -> Any:
    """The code that was chosen, None for nothing and for what is none."""
    return kind(text) if text in set(kind) else None


def is_settled(course: Course) -> bool:
    """Whether a candidate's course can go on."""
    return course.decision is None or course.decision.decision is Candidacy.CANDIDATE
