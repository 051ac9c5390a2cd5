"""Two courses for the demo clinic, so that a newcomer sees the return leg: one in its middle, one over.

Everything is recorded by the services, in the order in which it would have happened; every session passes the
gate. As the gate takes the database's own time, the owner of the database dates each session back afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from referral.domain.answers import check_answers
from referral.domain.audit import Actor
from referral.domain.codes import ClinicianKind, Role, Strength
from referral.domain.course import Candidacy, Ending, Phase, SessionState, Severity
from referral.domain.form import BY_LINK_ID, Kind, items_for
from referral.domain.outgoing import MessageState
from referral.domain.policy import ICD_10_CM, Indication
from referral.domain.scales import FORMS, Scale, Source
from referral.services import note_delivery
from referral.services.calendars import clinic_calendar
from referral.services.demo import RECOMMENDER
from referral.services.follow_up import follow_up_due, record_outcome
from referral.services.keep_directory import NewPatient, add_patient
from referral.services.keep_scale import Filling, keep_scale
from referral.services.record_course import NewDecision, decide_candidacy, end_course, plan_course
from referral.services.record_session import (
    Finished,
    Measured,
    NewEffect,
    begin_session,
    finish_session,
    give,
    measure,
    notice,
)
from referral.services.report_back import send_due_reports
from referral.services.request_recommendation import (
    NewOrder,
    NewRequest,
    place_order,
    request_recommendation,
)
from referral.services.respond_to_referral import Response, respond
from referral.services.treat import record_consultation
from referral.storage import accounts, directory, follow_ups, outbox, resources
from referral.storage.db import Session

Transaction = Callable[[], AbstractContextManager[Session]]
# (start, when) by the owner of the database.
DateBack = Callable[[str, datetime], None]
# Draws what is due at this time, and sends it nowhere.
Deliver = Callable[[datetime], None]

_DEPRESSION: Final = Indication(ICD_10_CM, "F33.2", "recurrent depression")
_PLANNED: Final = 6
_SPACING: Final = 7
_SUPERVISOR: Final = "Elena Whitcombe, MD"
_NAUSEA: Final = "422587007"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Story:
    """`began` is when the first of `given` weekly sessions was, in days before the clinic's last one.

    `totals` are those of PHQ-9 and GAD-7, in time.
    """

    patient: NewPatient
    began: int
    given: int
    totals: tuple[tuple[int, int], ...]
    ended: bool


def add_demo_courses(transaction: Transaction, date_back: DateBack, deliver: Deliver, now: datetime) -> None:
    """To the demo clinic; running it twice makes them twice."""
    stories = (
        _Story(
            patient=NewPatient(
                given="Lena", family="Halvorsen", birth_date="1982-06-21", telephone="303-555-0113"
            ),
            began=14,
            given=3,
            totals=((19, 14), (12, 9)),
            ended=False,
        ),
        _Story(
            patient=NewPatient(
                given="Tomás", family="Ibarra", birth_date="1969-12-02", telephone="303-555-0114"
            ),
            began=84,
            given=_PLANNED,
            totals=((21, 16), (13, 10), (5, 4)),
            ended=True,
        ),
    )
    for story in stories:
        _Teller(transaction, date_back, deliver, now).tell(story)


class _Teller:
    def __init__(
        self, transaction: Transaction, date_back: DateBack, deliver: Deliver, now: datetime
    ) -> None:
        self.transaction, self.date_back, self.deliver, self.now = transaction, date_back, deliver, now
        with transaction() as session:
            calendar = clinic_calendar(session)
            (nurse,) = (user for user in accounts.get_users(session).values() if user.role is Role.CLINICIAN)
            self.nurse = Actor(session.clinic, "staff", nurse.id, nurse.role)
            self.clinician_id = directory.find_by_npi(session, [RECOMMENDER])[RECOMMENDER].id
            day = calendar.local_date(calendar.business_day_before(now, 1))
            self.morning = calendar.at(day, calendar.opens) + timedelta(hours=2)

    def days_ago(self, days: int, hours: float = 0) -> datetime:
        """On a morning, counted from the clinic's last day before today."""
        return self.morning - timedelta(days=days) + timedelta(hours=hours)

    def tell(self, story: _Story) -> None:
        order_id, patient_id, referral_id = self._recommended(story)
        before = story.began + 7
        with self.transaction() as session:
            actor, at = self.nurse, self.days_ago(before)
            record_consultation(session, actor, order_id, at, at)
            yes = NewDecision(
                decision=Candidacy.CANDIDATE,
                risks_discussed=True,
                benefits_discussed=True,
                self_pay_notice=True,
            )
            decide_candidacy(session, actor, order_id, yes, at)
            plan_course(session, actor, order_id, _PLANNED, _SPACING, at, shown=None)
            _score(session, actor, order_id, patient_id, story.totals[0], at)
        self.deliver(at)
        for number in range(story.given):
            self._session(order_id, number, self.days_ago(story.began - number * _SPACING))
            if number == _PLANNED // 2 - 1:
                with self.transaction() as session:
                    at = self.days_ago(story.began - number * _SPACING, hours=2)
                    _score(session, self.nurse, order_id, patient_id, story.totals[1], at)
                self._report(at)
        if story.ended:
            last = story.began - (story.given - 1) * _SPACING
            self._end(order_id, patient_id, referral_id, story, last)

    def _recommended(self, story: _Story) -> tuple[str, str, str]:
        """Asked for, delivered and given, before the consultation; (order, patient, request)."""
        asked_at, answered_at = self.days_ago(story.began + 14), self.days_ago(story.began + 13)
        with self.transaction() as session:
            actor = self.nurse
            patient = add_patient(session, actor, story.patient, asked_at)
            new = NewOrder(patient_id=patient.id, indications=(_DEPRESSION,), planned_sessions=_PLANNED)
            order = place_order(session, actor, new, asked_at)
            request = NewRequest(order_id=order.id, clinician_ids=(self.clinician_id,))
            (referral,) = request_recommendation(session, actor, request, asked_at)
            (letter,) = outbox.find(session, referral_id=referral.id)
            outbox.move(session, letter, MessageState.ACCEPTED, finished_at=asked_at)
            note_delivery.accepted(session, letter, asked_at, is_real=False)
        with self.transaction() as session:
            answers = check_answers(_form(asked_at), ClinicianKind.PSYCHIATRIST, answered_at.date())
            given = Response(
                referral_id=referral.id, answers=answers, strength=Strength.TWO_CHANNEL, selector=None
            )
            respond(session, Actor(session.clinic, "portal", "demo"), given, answered_at)
        return order.id, patient.id, referral.id

    def _session(self, order_id: str, number: int, at: datetime) -> None:
        actor = self.nurse
        with self.transaction() as session:
            before = _vitals(at, Phase.BEFORE, 122 + number, 78)
            id = begin_session(session, actor, order_id, _SUPERVISOR, at, measured=before)
        self.date_back(id, at)
        with self.transaction() as session:
            later = at + timedelta(minutes=20)
            give(session, actor, id, Decimal(35), at + timedelta(minutes=4), later, kilograms=Decimal(70))
            measure(session, actor, id, _vitals(later, Phase.DURING, 138 - number, 86), later)
            if number == 0:
                nausea = NewEffect(
                    code=_NAUSEA, severity=Severity.MILD, serious=False, noticed_at=later, session_id=id
                )
                notice(session, actor, order_id, nausea, later)
            end = at + timedelta(minutes=80)
            measure(session, actor, id, _vitals(end, Phase.AFTER, 124, 80), end)
            done = Finished(
                state=SessionState.COMPLETED,
                ended_at=end,
                abort_reason=None,
                discharge_met=True,
                ride_home=True,
            )
            finish_session(session, actor, id, done, end)

    def _end(self, order_id: str, patient_id: str, referral_id: str, story: _Story, last: int) -> None:
        """Completed on the day of the last session; seen by the recommender four weeks later."""
        at = self.days_ago(last, hours=2)
        with self.transaction() as session:
            _score(session, self.nurse, order_id, patient_id, story.totals[2], at)
            words = "Good response; sleeps through again. No change of medication by us."
            end_course(session, self.nurse, order_id, Ending.COMPLETED, None, at, words=words)
            follow_up_due(session, at)
        self._report(at)
        with self.transaction() as session:
            visit = follow_ups.of_referral(session, referral_id)
            if visit is not None and visit.due_on is not None:
                seen_at = self.days_ago(last - 28)
                record_outcome(session, self.nurse, visit.id, "seen", seen_at.date(), seen_at)
        self.deliver(self.days_ago(last - 28))

    def _report(self, at: datetime) -> None:
        """What was put off until scores are in is sent a day later, unless that day has not come yet."""
        with self.transaction() as session:
            due = clinic_calendar(session).business_day_after(at, 1) + timedelta(hours=2)
            if due > self.now:
                return
            send_due_reports(session, due)
        self.deliver(due)


def _form(day: datetime) -> dict[str, list[str]]:
    """A complete recommendation without red flags."""
    flags = [item.link_id for item in items_for(ClinicianKind.PSYCHIATRIST) if item.kind is Kind.FLAG]
    return {
        "decision": ["recommended"],
        "last-seen": [(day - timedelta(days=9)).date().isoformat()],
        "diagnosis-confirmed": ["yes"],
        "continues-care": ["yes"],
        "next-visit": ["4-weeks"],
        "medication-adjuster": ["we"],
        "reports": [option.code for option in BY_LINK_ID["reports"].options],
        **{flag: ["no"] for flag in flags},
        "attestation": ["yes"],
        "signer-name": ["Chidi Okafor"],
        "signer-credentials": ["MD"],
    }


def _vitals(at: datetime, phase: Phase, systolic: int, diastolic: int) -> Measured:
    return Measured(
        taken_at=at,
        phase=phase,
        systolic=systolic,
        diastolic=diastolic,
        heart_rate=systolic - 50,
        saturation=98,
        breaths=14,
    )


def _score(
    session: Session, actor: Actor, order_id: str, patient_id: str, totals: tuple[int, int], at: datetime
) -> None:
    """PHQ-9 and GAD-7 with these totals, as evenly as whole numbers allow; the sign of self-harm is no."""
    for scale, total in zip((Scale.PHQ_9, Scale.GAD_7), totals, strict=True):
        asked = [question.link_id for question in FORMS[scale].questions]
        count = len(asked) - (scale is Scale.PHQ_9)
        answers = {id: total // count + (place < total % count) for place, id in enumerate(asked[:count])}
        answers |= dict.fromkeys(asked[count:], 0)
        filled = Filling(
            id=resources.new_id(),
            patient_id=patient_id,
            order_id=order_id,
            scale=scale,
            answers=answers,
            source=Source.STAFF,
        )
        keep_scale(session, actor, filled, at)
