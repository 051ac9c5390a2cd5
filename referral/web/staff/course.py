"""The course of an order, its sessions on a tablet, and the correction of what was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from referral.domain.course import (
    AbortReason,
    Candidacy,
    CandidacyReason,
    ChangeReason,
    Ending,
    Phase,
    SessionState,
    Severity,
    StopReason,
)
from referral.domain.errors import NotFound, ReferralError
from referral.services.course import course_of, read_course, words_of, words_of_each
from referral.services.find_orders import find_order
from referral.services.record_course import (
    NewDecision,
    decide_candidacy,
    end_course,
    note_medication,
    plan_course,
)
from referral.services.record_session import (
    Finished,
    Measured,
    NewEffect,
    begin_session,
    finish_session,
    give,
    measure,
    notice,
    stop_dose,
)
from referral.storage import course as courses
from referral.storage import orders
from referral.storage.audit import Subject
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.policy import Permission
from referral.web.questions import typed_day
from referral.web.staff import course_view
from referral.web.staff.conflict import refuse_if_others_changed
from referral.web.staff.course_form import Reader
from referral.web.staff.course_report_view import report_lines, take_told
from referral.web.staff.course_view import code_of
from referral.web.staff.frame import clock_of, done, form_of, key_id, new_key, show, version_of
from referral.web.staff.order import note_refusal
from referral.web.staff.second_start import is_known
from referral.web.staff.steps import Shown, Steps, Typed, take
from referral.web.turn import Router

router: Final = Router()
SeeCourse = Annotated[Visitor, staff(Permission.SEE_ANSWER)]
# What was typed in the fields of each step of a session; the rest stays on the page when a step is done.
_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "vitals": frozenset(
        {"systolic", "diastolic", "heart_rate", "saturation", "breaths", "taken_at", "phase"}
    ),
    "dose": frozenset({"milligrams", "kilograms", "dose_started"}),
    "stop": frozenset({"dose"}),
    "effect": frozenset({"effect", "severity", "serious", "noticed_at"}),
    "finish": frozenset({"state", "abort_reason", "discharge", "ride", "words", "ended_at"}),
}
# These are chosen from the start, or are a button.
_ALWAYS_THERE: Final = frozenset({"phase", "dose", "severity"})
_TYPED: Final = frozenset[str]().union(*_FIELDS.values()) - _ALWAYS_THERE


# ---- The whole course


@router.get("/orders/{order_id}/course")
def show_course(request: Request, order_id: str, visitor: SeeCourse) -> Response:
    """Decision, plan, sessions, and what can be done next."""
    return _course(request, visitor, order_id, Shown())


@router.post("/orders/{order_id}/course/{step}")
def take_course_step(
    request: Request, order_id: str, step: str, visitor: SeeCourse, posted: PostedDep
) -> Response:
    """Do one step; a refusal shows the page again with what was typed."""

    def again(shown: Shown, error: ReferralError) -> Response:
        note_refusal(visitor, order_id, error)
        return _course(request, visitor, order_id, shown)

    page = f"/orders/{order_id}/course"
    answer = take(request, visitor, _COURSE_STEPS, step, (page, order_id), posted, again)
    if step == "start" and answer.status_code == 303:
        running = course_of(visitor.session, order_id).under_way
        if running is not None:
            return done(visitor, course_view.session_href(order_id, running.id), "session-started")
    return answer


def _course(request: Request, visitor: Visitor, order_id: str, shown: Shown) -> Response:
    view = find_order(visitor.session, visitor.actor, order_id, visitor.now)
    found = read_course(visitor.session, visitor.actor, order_id)
    decided = found.decision.stamp.version if found.decision else 0
    typed = {"severity": Severity.MILD.value, **shown.typed}
    form = form_of(
        visitor, typed, shown.errors, str(decided), typed.get("form_key") or new_key(), shown.conflict
    )
    actions = _actions(visitor, view.state.order.status)
    page = replace(
        course_view.course_page(view, found, clock_of(visitor), form, actions),
        reports=report_lines(visitor, order_id, clock_of(visitor)),
        medication=course_view.change_rows(
            found.medication,
            words_of_each(visitor.session, (one.stamp for one in found.medication)),
            clock_of(visitor),
        ),
    )
    return show(request, visitor, "staff/course.html.j2", "orders", page, shown.status)


def _actions(visitor: Visitor, status: str) -> tuple[str, ...]:
    if not visitor.may(Permission.START_TREATMENT):
        return ()
    if status in orders.USABLE:
        return ("decide", "plan", "start", "event", "medication", "end")
    return ("event", "medication")


def _decide(visitor: Visitor, order_id: str, typed: Typed) -> str:
    read = Reader(typed, clock_of(visitor))
    decision = code_of(Candidacy, read.text("decision"))
    if decision is None:
        read.need("decision", "What was decided?")
    read.done()
    said = NewDecision(
        decision=decision,
        reason=code_of(CandidacyReason, read.text("reason")) if decision is not Candidacy.CANDIDATE else None,
        risks_discussed=read.ticked("risks_discussed"),
        benefits_discussed=read.ticked("benefits_discussed"),
        self_pay_notice=read.ticked("self_pay_notice"),
        words=read.text("decision_words"),
    )
    why = code_of(ChangeReason, read.text("why"))
    shown = version_of(typed) or None
    decide_candidacy(visitor.session, visitor.actor, order_id, said, visitor.now, why=why, shown=shown)
    return "decided"


def _plan(visitor: Visitor, order_id: str, typed: Typed) -> str:
    read = Reader(typed, clock_of(visitor))
    sessions, days = read.whole("planned_sessions"), read.whole("spacing_days")
    if sessions is None:
        read.need("planned_sessions", "How many sessions?")
    if days is None:
        read.need("spacing_days", "How many days between them?")
    read.done()
    written_by = ("course-plan", "course-changed")
    refuse_if_others_changed(visitor, typed, Subject(f"ServiceRequest/{order_id}", subtypes=written_by))
    plan_course(visitor.session, visitor.actor, order_id, sessions or 0, days or 0, visitor.now)
    return "course-planned"


def _measured(read: Reader, visitor: Visitor, phase: Phase | None, key: str) -> Measured:
    return Measured(
        taken_at=read.moment("taken_at", visitor.now),
        phase=phase or Phase.DURING,
        systolic=read.whole("systolic"),
        diastolic=read.whole("diastolic"),
        heart_rate=read.whole("heart_rate"),
        saturation=read.whole("saturation"),
        breaths=read.whole("breaths"),
        key=key,
    )


def _start(visitor: Visitor, order_id: str, typed: Typed) -> str:
    """The key of the form names the start, so that a second click is the same one."""
    read = Reader(typed, clock_of(visitor))
    id = key_id(visitor, f"session/{order_id}", read.text("form_key"))
    if is_known(visitor, order_id, id, typed):
        return "session-started"
    measured = _measured(read, visitor, Phase.BEFORE, id)
    if not read.ticked("physician_present"):
        read.need("physician_present", "An infusion starts only while the physician is present.")
    read.done()
    begin_session(
        visitor.session,
        visitor.actor,
        order_id,
        read.text("supervisor"),
        visitor.now,
        id=id,
        measured=measured,
    )
    return "session-started"


def _effect(visitor: Visitor, order_id: str, typed: Typed, session_id: str | None) -> str:
    read = Reader(typed, clock_of(visitor))
    if not read.text("effect"):
        read.need("effect", "Which one was it?")
    read.done()
    new = NewEffect(
        code=read.text("effect"),
        severity=code_of(Severity, read.text("severity")) or Severity.MODERATE,
        serious=read.ticked("serious"),
        noticed_at=read.moment("noticed_at", visitor.now),
        session_id=session_id,
        id=key_id(visitor, f"effect/{order_id}", read.text("form_key")),
    )
    read.done()
    made = notice(visitor.session, visitor.actor, order_id, new, visitor.now)
    return "serious-noted" if made.serious else "effect-noted"


def _between(visitor: Visitor, order_id: str, typed: Typed) -> str:
    return _effect(visitor, order_id, typed, None)


def _medication(visitor: Visitor, order_id: str, typed: Typed) -> str:
    read = Reader(typed, clock_of(visitor))
    day = typed_day(read.text("changed_on"))
    if day is None:
        read.need("changed_on", "On which day?")
    if not read.text("medication_words"):
        read.need("medication_words", "What was changed?")
    read.done()
    id = key_id(visitor, f"medication/{order_id}", read.text("form_key"))
    day, words = day or clock_of(visitor).today, read.text("medication_words")
    note_medication(visitor.session, visitor.actor, order_id, words, day, visitor.now, id=id)
    return "medication-noted"


def _end(visitor: Visitor, order_id: str, typed: Typed) -> str:
    read = Reader(typed, clock_of(visitor))
    ending = code_of(Ending, read.text("ending"))
    if ending is None:
        read.need("ending", "Was it completed, or stopped early?")
    read.done()
    reason = code_of(StopReason, read.text("stop_reason"))
    words = read.text("end_words")
    end_course(visitor.session, visitor.actor, order_id, ending, reason, visitor.now, words=words)
    return "course-ended"


_COURSE_STEPS: Final[Steps] = {
    "decide": (Permission.START_TREATMENT, _decide),
    "plan": (Permission.START_TREATMENT, _plan),
    "start": (Permission.START_TREATMENT, _start),
    "event": (Permission.START_TREATMENT, _between),
    "medication": (Permission.START_TREATMENT, _medication),
    "end": (Permission.START_TREATMENT, _end),
    "told": (Permission.START_TREATMENT, take_told),
}


# ---- One session


@router.get("/orders/{order_id}/sessions/{session_id}")
def show_session(request: Request, order_id: str, session_id: str, visitor: SeeCourse) -> Response:
    """Vital signs, doses, side effects, the end."""
    return _session(request, visitor, (order_id, session_id), Shown())


@router.post("/orders/{order_id}/sessions/{session_id}/{step}")
def take_session_step(
    request: Request, order_id: str, session_id: str, step: str, visitor: SeeCourse, posted: PostedDep
) -> Response:
    """Do one step. What was typed for another one stays on the page, whether this one was refused or not."""

    def again(shown: Shown, _error: ReferralError) -> Response:
        return _session(request, visitor, (order_id, session_id), shown)

    if courses.started(visitor.session, session_id)[0] != order_id:
        raise NotFound("There is no such session of this order.")
    page = course_view.session_href(order_id, session_id)
    answer = take(request, visitor, _SESSION_STEPS, step, (page, session_id), posted, again, "Procedure")
    typed = {name: value for name, value in posted.multi_items() if isinstance(value, str) and value.strip()}
    kept = _TYPED - _FIELDS.get(step, _TYPED)
    rest = {name: value for name, value in typed.items() if name in kept}
    if answer.status_code == 303 and rest:
        return _session(request, visitor, (order_id, session_id), Shown(rest))
    return answer


def _session(request: Request, visitor: Visitor, ids: tuple[str, str], shown: Shown) -> Response:
    order_id, session_id = ids
    view = find_order(visitor.session, visitor.actor, order_id, visitor.now)
    found = read_course(visitor.session, visitor.actor, order_id)
    one = next((row for row in found.sessions if row.id == session_id), None)
    if one is None:
        raise NotFound("There is no such session of this order.")
    usual = {"phase": course_view.phase_now(one).value, "severity": Severity.MILD.value}
    typed = {**usual, **shown.typed}
    key = typed.get("form_key") or new_key()
    form = form_of(visitor, typed, shown.errors, key=key, conflict=shown.conflict)
    page = course_view.session_page(
        view,
        found,
        one,
        clock_of(visitor),
        form,
        may=visitor.may(Permission.START_TREATMENT),
        words=words_of(visitor.session, one.stamp) if one.stamp else "",
    )
    return show(request, visitor, "staff/session.html.j2", "orders", page, shown.status)


def _vitals(visitor: Visitor, session_id: str, typed: Typed) -> str:
    read = Reader(typed, clock_of(visitor))
    phase = code_of(Phase, read.text("phase"))
    measured = _measured(read, visitor, phase, key_id(visitor, f"vitals/{session_id}", read.text("form_key")))
    read.done()
    measure(visitor.session, visitor.actor, session_id, measured, visitor.now)
    return "vitals-kept"


def _dose(visitor: Visitor, session_id: str, typed: Typed) -> str:
    read = Reader(typed, clock_of(visitor))
    milligrams, kilograms = read.amount("milligrams"), read.amount("kilograms")
    started = read.moment("dose_started", visitor.now)
    if not read.text("milligrams"):
        read.need("milligrams", "How many milligrams?")
    read.done()
    give(
        visitor.session,
        visitor.actor,
        session_id,
        milligrams,  # type: ignore[arg-type]  # what is missing was refused above
        started,
        visitor.now,
        kilograms=kilograms,
        id=key_id(visitor, f"dose/{session_id}", read.text("form_key")),
    )
    return "dose-kept"


def _stop(visitor: Visitor, session_id: str, typed: Typed) -> str:
    read = Reader(typed, clock_of(visitor))
    order_id, _ = courses.started(visitor.session, session_id)
    running = next(row for row in course_of(visitor.session, order_id).sessions if row.id == session_id)
    dose = next((row for row in running.doses if row.id == read.text("dose")), None)
    if dose is None:
        raise NotFound("There is no such dose of this session.")
    if dose.stopped_at is None:
        stop_dose(visitor.session, visitor.actor, dose.id, max(visitor.now, dose.started_at), visitor.now)
    return "dose-stopped"


def _session_effect(visitor: Visitor, session_id: str, typed: Typed) -> str:
    order_id, _ = courses.started(visitor.session, session_id)
    return _effect(visitor, order_id, typed, session_id)


def _finish(visitor: Visitor, session_id: str, typed: Typed) -> str:
    read = Reader(typed, clock_of(visitor))
    _, started_at = courses.started(visitor.session, session_id)
    ended = read.moment("ended_at", visitor.now)
    if not read.text("ended_at"):
        ended = max(ended, started_at)
    state = code_of(SessionState, read.text("state"))
    if state not in (SessionState.COMPLETED, SessionState.ABORTED):
        read.need("state", "Was it completed or aborted?")
    for name, text in (("discharge", "Are the criteria met?"), ("ride", "Does somebody take them home?")):
        if read.text(name) not in ("yes", "no"):
            read.need(name, text)
    read.done()
    said = Finished(
        state=state or SessionState.IN_PROGRESS,
        ended_at=ended,
        abort_reason=code_of(AbortReason, read.text("abort_reason")),
        discharge_met=read.text("discharge") == "yes",
        ride_home=read.text("ride") == "yes",
        words=read.text("words"),
    )
    finished = finish_session(visitor.session, visitor.actor, session_id, said, visitor.now)
    return "session-aborted" if finished.is_aborted else "session-completed"


_SESSION_STEPS: Final[Steps] = {
    "vitals": (Permission.START_TREATMENT, _vitals),
    "dose": (Permission.START_TREATMENT, _dose),
    "stop": (Permission.START_TREATMENT, _stop),
    "effect": (Permission.START_TREATMENT, _session_effect),
    "finish": (Permission.START_TREATMENT, _finish),
}
