"""One thing that was recorded of a course: its versions, and the form that makes the next one."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Annotated, Any, Final

from fastapi import Request
from starlette.responses import Response

from referral.domain import course_words
from referral.domain.course import (
    ChangeReason,
    Dose,
    Ended,
    Ending,
    MedicationChange,
    Phase,
    Severity,
    SideEffect,
    StopReason,
    TreatmentSession,
    Vital,
)
from referral.domain.errors import NotFound, ReferralError
from referral.domain.report_rules import Occasion
from referral.domain.side_effects import BY_CODE, worded
from referral.services.correct_course import correct
from referral.services.course import read_course, words_of
from referral.storage import accounts, directory
from referral.storage import course as courses
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.policy import Permission
from referral.web.questions import typed_day
from referral.web.staff import course_view, present
from referral.web.staff.clock import Clock
from referral.web.staff.course_form import Reader
from referral.web.staff.course_models import RecordPage
from referral.web.staff.course_report_view import who_was_told
from referral.web.staff.course_view import code_of
from referral.web.staff.frame import clock_of, form_of, show, version_of
from referral.web.staff.models import Link
from referral.web.staff.steps import Shown, Steps, Typed, take
from referral.web.turn import Router

router: Final = Router()
SeeCourse = Annotated[Visitor, staff(Permission.SEE_ANSWER)]
_KINDS: Final[dict[str, type[Any]]] = {
    "vital": Vital,
    "dose": Dose,
    "effect": SideEffect,
    "session": TreatmentSession,
    "medication": MedicationChange,
    "end": Ended,
}
_TITLES: Final = {
    "vital": "A vital sign",
    "dose": "A dose",
    "effect": "A side effect",
    "session": "How a session ended",
    "medication": "A change of medication",
    "end": "How the course ended",
}


@router.get("/records/{part}/{record_id}")
def show_record(request: Request, part: str, record_id: str, visitor: SeeCourse) -> Response:
    """What was recorded, and every version of it."""
    return _record(request, visitor, (part, record_id), Shown())


@router.post("/records/{part}/{record_id}/{step}")
def take_record_step(
    request: Request, part: str, record_id: str, step: str, visitor: SeeCourse, posted: PostedDep
) -> Response:
    """Make the next version, or say that it was an error."""
    back = _page_of(visitor, part, record_id)

    def again(shown: Shown, _error: ReferralError) -> Response:
        return _record(request, visitor, (part, record_id), shown)

    page = back if step == "error" else course_view.record_href(part, record_id)
    return take(request, visitor, _STEPS, step, (page, f"{part}/{record_id}"), posted, again, "Course")


def _found(visitor: Visitor, kind: str, record_id: str) -> tuple[str, Any, bool]:
    found = courses.newest(visitor.session, _KINDS[kind], record_id) if kind in _KINDS else None
    if found is None:
        raise NotFound("There is no such page.")
    return found


def _page_of(visitor: Visitor, kind: str, record_id: str) -> str:
    """The page that it stands on."""
    order_id, value, _ = _found(visitor, kind, record_id)
    session_id = None if kind in ("session", "medication", "end") else value.session_id
    if session_id is None:
        return f"/orders/{order_id}/course"
    return course_view.session_href(order_id, session_id)


def _record(request: Request, visitor: Visitor, ids: tuple[str, str], shown: Shown) -> Response:
    kind, record_id = ids
    order_id, value, in_error = _found(visitor, kind, record_id)
    found = read_course(visitor.session, visitor.actor, order_id)
    patient = directory.get_patient(visitor.session, found.patient_id)
    said = courses.versions(visitor.session, _KINDS[kind], record_id)
    users = {id: user.name for id, user in accounts.get_users(visitor.session).items()}
    clock, back = clock_of(visitor), _page_of(visitor, kind, record_id)
    typed = {**_values(value, clock), **shown.typed}
    if isinstance(value, MedicationChange):
        typed.setdefault("medication_words", words_of(visitor.session, value.stamp))
    page = RecordPage(
        title=_TITLES[kind],
        back=Link("Session" if "/sessions/" in back else "Course", back),
        patient=Link(present.named(patient), f"/patients/{patient.id}"),
        href=course_view.record_href(kind, record_id),
        versions=course_view.version_rows(
            [(one.stamp, _line(visitor, one, clock)) for one in said], users, clock
        ),
        kind=kind,
        form=form_of(visitor, typed, shown.errors, str(value.stamp.version), conflict=shown.conflict),
        may=visitor.may(Permission.START_TREATMENT) and not in_error,
        changes=course_view.changes(),
        phases=course_view.choices(course_words.PHASE),
        picks=course_view.picks(),
        severities=course_view.choices(course_words.SEVERITY),
        endings=course_view.choices(course_words.ENDING),
        stops=course_view.choices(course_words.STOP_REASON),
        told=_told(visitor, order_id, value),
    )
    return show(request, visitor, "staff/course_record.html.j2", "orders", page, shown.status)


def _told(visitor: Visitor, order_id: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, Ended):
        return who_was_told(visitor, order_id, Occasion.END_OF_COURSE)
    if isinstance(value, SideEffect):
        return who_was_told(visitor, order_id, Occasion.ADVERSE_EVENT, value.id)
    return ()


def _values(value: Any, clock: Clock) -> dict[str, str]:
    """What the form shows at first."""
    if isinstance(value, MedicationChange):
        return {"changed_on": value.changed_on.isoformat()}
    if isinstance(value, Ended):
        first = {"ending": value.ending.value, "stop_reason": value.reason.value if value.reason else ""}
        return {**first, "ended_on": clock.local(value.ended_at).isoformat()}
    if isinstance(value, Vital):
        first = {"value": str(value.value), "diastolic": str(value.diastolic or ""), "kind": value.kind.value}
        return {**first, "phase": value.phase.value}
    if isinstance(value, Dose):
        per = value.per_kilogram
        return {
            "milligrams": f"{value.milligrams.normalize():f}",
            "per_kilogram": f"{per.normalize():f}" if per else "",
        }
    if isinstance(value, SideEffect):
        return {
            "effect": value.code,
            "severity": value.severity.value,
            "serious": "yes" if value.serious else "",
        }
    return {
        "supervisor": value.supervisor,
        "discharge": "yes" if value.discharge_met else "no",
        "ride": "yes" if value.ride_home else "no",
    }


def _line(visitor: Visitor, value: Any, clock: Clock) -> str:
    if isinstance(value, MedicationChange):
        return f"{clock.day(value.changed_on).text}: {words_of(visitor.session, value.stamp)}"
    return _said(value, clock)


def _said(value: Any, clock: Any) -> str:
    """One version in a line."""
    if isinstance(value, Ended):
        reason = f", {course_words.STOP_REASON[value.reason].lower()}" if value.reason else ""
        return f"{course_words.ENDING[value.ending]}{reason}, {clock.date_of(value.ended_at)}"
    if isinstance(value, Vital):
        name = course_words.VITAL[value.kind]
        phase = course_words.PHASE[value.phase].lower()
        return f"{name} {course_view.measured(value)}, {phase}, {clock.moment(value.taken_at).text}"
    if isinstance(value, Dose):
        return f"{course_view.dose_text(value)}, {clock.moment(value.started_at).text}"
    if isinstance(value, SideEffect):
        serious = ", serious" if value.serious else ""
        return f"{worded(value.code)}, {course_words.SEVERITY[value.severity].lower()}{serious}"
    parts = [course_words.STATE[value.state], f"supervised by {value.supervisor or 'nobody named'}"]
    if value.ended_at is not None:
        parts.append("criteria met" if value.discharge_met else "criteria not met")
        parts.append("ride home" if value.ride_home else "no ride home")
    return ", ".join(parts)


def _end_changes(value: Ended, read: Reader, clock: Clock) -> dict[str, Any]:
    """Its day; the time of the day stays, where the day is the same."""
    ending = code_of(Ending, read.text("ending"))
    reason = code_of(StopReason, read.text("stop_reason")) if ending is Ending.STOPPED else None
    day = typed_day(read.text("ended_on"))
    if ending is None:
        read.need("ending", "Was it completed, or stopped early?")
    if day is None:
        read.need("ended_on", "On which day?")
    if day is None or day == clock.local(value.ended_at):
        return {"ending": ending, "reason": reason}
    at = clock.now if day == clock.today else datetime.combine(day, time(23, 59), clock.zone)
    return {"ending": ending, "reason": reason, "ended_at": at.astimezone(UTC)}


def _medication_changes(read: Reader) -> dict[str, Any]:
    day, words = typed_day(read.text("changed_on")), " ".join(read.text("medication_words").split())
    if day is None:
        read.need("changed_on", "On which day?")
    if not words:
        read.need("medication_words", "What was changed?")
    return {"changed_on": day, "words": words}


def _changes(value: Any, read: Reader, clock: Clock) -> dict[str, Any]:
    if isinstance(value, MedicationChange | Ended):
        return _end_changes(value, read, clock) if isinstance(value, Ended) else _medication_changes(read)
    if isinstance(value, Vital):
        changes: dict[str, Any] = {"value": read.whole("value")}
        if value.diastolic is not None:
            changes["diastolic"] = read.whole("diastolic")
        for name, number in tuple(changes.items()):
            if number is None:
                read.need(name, "A whole number, please.")
        return {**changes, "phase": code_of(Phase, read.text("phase")) or value.phase}
    if isinstance(value, Dose):
        amount = read.amount("milligrams")
        if not read.text("milligrams"):
            read.need("milligrams", "How many milligrams?")
        return {"milligrams": amount, "per_kilogram": read.amount("per_kilogram")}
    if isinstance(value, SideEffect):
        code = read.text("effect")
        if code != value.code and code not in BY_CODE:
            read.need("effect", "Pick one of the list.")
        severity = code_of(Severity, read.text("severity")) or value.severity
        return {"code": code, "severity": severity, "serious": read.ticked("serious")}
    return {
        "supervisor": " ".join(read.text("supervisor").split())[:120],
        "discharge_met": read.text("discharge") == "yes",
        "ride_home": read.text("ride") == "yes",
    }


def _save(visitor: Visitor, what: str, typed: Typed, *, in_error: bool = False) -> None:
    kind, _, record_id = what.partition("/")
    _, value, _ = _found(visitor, kind, record_id)
    read = Reader(typed, clock_of(visitor))
    changes = {} if in_error else _changes(value, read, clock_of(visitor))
    why = code_of(ChangeReason, read.text("why"))
    if why is None:
        read.need("why", "Why is it changed?")
    read.done()
    correct(
        visitor.session,
        visitor.actor,
        _KINDS[kind],
        record_id,
        why,
        visitor.now,
        shown=version_of(typed),
        in_error=in_error,
        **changes,
    )


def _correct(visitor: Visitor, what: str, typed: Typed) -> str:
    _save(visitor, what, typed)
    return "record-corrected"


def _error(visitor: Visitor, what: str, typed: Typed) -> str:
    _save(visitor, what, typed, in_error=True)
    return "record-error"


_STEPS: Final[Steps] = {
    "correct": (Permission.START_TREATMENT, _correct),
    "error": (Permission.START_TREATMENT, _error),
}
