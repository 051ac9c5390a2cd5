"""Scales on the pages: asked for by the clinic, filled in by the patient, and a sign of self-harm seen to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from referral.domain.codes import Role
from referral.domain.credential import mint
from referral.domain.outgoing import MessageKind
from referral.domain.scales import FORMS, SELF_HARM, Scale
from referral.services.queue_message import queue_message
from referral.storage import audit, contacts, outbox, patient_links, resources, safety_tasks, scales
from tests.database import NOW, ClinicFixture
from tests.web.client import application
from tests.web.desk import Desk, OpenDesk
from tests.web.portal_case import BORN, Browser, Case, make_case, serve

HREF = "/status/questions"


@pytest.fixture
def case(clinic: ClinicFixture) -> Case:
    made = make_case(clinic)
    with clinic.transaction() as session:
        points = [{"system": "email", "value": "maren@home.example"}]
        resources.amend(session, "Patient", made.patient.id, {"telecom": points, "language": "en"}, NOW)
    return made


@pytest.fixture
def nico(case: Case, open_desk: OpenDesk) -> Desk:
    made = open_desk(case.clinic, Role.CLINICIAN)
    made.get(f"/orders/{case.referral.order_id}/scales")
    return made


@pytest.fixture
def patient(case: Case) -> Iterator[Browser]:
    """On their own page, by a link; the date of birth is given."""
    with serve(application(case.clinic, case.clock)) as address, httpx.Client(base_url=address) as client:
        visit = Browser(case, client)
        minted = mint()
        with case.clinic.transaction() as session:
            (contact,) = contacts.of_patients(session, [case.patient.id])[case.patient.id]
            queue_message(session, case.referral, MessageKind.PATIENT_STATUS, contact, NOW)
            new = patient_links.NewPatientLink(
                minted=minted,
                patient_id=case.patient.id,
                message_id=outbox.to_patient(session, case.patient.id)[0].id,
                expires_at=NOW + timedelta(days=14),
            )
            patient_links.add_many(session, [new], NOW)
        visit.post(f"/p/{minted.selector}/{minted.secret}")
        born = {"birth_month": BORN.month, "birth_day": BORN.day, "birth_year": BORN.year}
        visit.post("/status/birth-date", born)
        yield visit


def all_of(scale: Scale, value: int, **others: int) -> dict[str, str]:
    return {q.link_id: str(others.get(q.link_id, value)) for q in FORMS[scale].questions}


def totals(case: Case) -> list[tuple[Scale, int]]:
    with case.clinic.transaction() as session:
        return [(s.scale, s.total) for s in scales.of_order(session, case.referral.order_id)]


def test_the_patient_fills_in_what_was_asked_one_scale_after_the_other(
    case: Case, nico: Desk, patient: Browser
) -> None:
    assert "short lists of questions" not in patient.get("/status").text
    assert patient.get(f"{HREF}/phq-9").status_code == 404
    nico.post(f"/orders/{case.referral.order_id}/scales/ask", {"scales": ["phq-9", "pain-nrs"]})
    assert "The patient is asked" in nico.text
    with case.clinic.transaction() as session:
        kinds = [m.kind for m in outbox.to_patient(session, case.patient.id)]
    assert MessageKind.PATIENT_QUESTIONS in kinds
    assert "We have 2 short lists of questions for you" in patient.get("/status").text
    asked = patient.get(f"{HREF}/pain-nrs").text
    assert "checked" not in asked
    shown = patient.post(f"{HREF}/pain-nrs", {"72514-3": "6"})
    # The next one comes by itself.
    assert shown.url.path == f"{HREF}/phq-9"
    part = all_of(Scale.PHQ_9, 1)
    del part["44250-9"]
    left = patient.post(f"{HREF}/phq-9", part)
    assert left.status_code == 400
    assert "One question is not answered yet" in left.text
    assert left.text.count(" checked") == 8
    thanks = patient.post(f"{HREF}/phq-9", {**part, SELF_HARM: "0", "anyway": "yes"})
    assert "Thank you. Your answers have arrived." in thanks.text
    assert "988" not in thanks.text
    # 7 in 8 answers is 8 in nine.
    assert totals(case) == [(Scale.PAIN, 6), (Scale.PHQ_9, 8)]
    assert patient.get(f"{HREF}/phq-9").status_code == 404
    with case.clinic.transaction() as session:
        done = [row.subtype for row in audit.find(session, patient_id=case.patient.id)]
    assert {"scale", "scale-page", "scale-asked"} <= set(done)


def test_a_sign_shows_the_crisis_line_until_somebody_has_written_down_what_was_done(
    case: Case, nico: Desk, patient: Browser, open_desk: OpenDesk
) -> None:
    nico.post(f"/orders/{case.referral.order_id}/scales/ask", {"scales": ["phq-9", "gad-7"]})
    patient.get(f"{HREF}/phq-9")
    said = patient.post(f"{HREF}/phq-9", all_of(Scale.PHQ_9, 0, **{SELF_HARM: 1}))
    assert said.url.path == "/status"
    assert 'href="tel:988"' in said.text
    assert said.text.index("tel:988") < said.text.index("We have a few questions")
    with case.clinic.transaction() as session:
        (task,) = safety_tasks.waiting(session)
    board = nico.get("/")
    assert board.index("Call now") < board.index("Next infusions")
    assert "self-harm: several days" in board
    assert "A patient may be in danger" in nico.get("/orders")
    # The desk is told to fetch somebody, and not why.
    desk = open_desk(case.clinic, Role.FRONT_DESK)
    urgent = desk.get("/")
    assert "Fetch the medical director" in urgent
    assert "self-harm" not in urgent
    desk.get(f"/safety/{task.id}")
    assert desk.status == 403
    page = nico.get(f"/safety/{task.id}")
    assert "Call Maren Quillfeather now" in page
    nico.post(f"/safety/{task.id}", {"action": "spoke-safe", "note": "ok"})
    assert (nico.status, "at least 20 characters" in nico.text) == (400, True)
    words = "Called at ten; passing thoughts, no plan; sees her therapist tomorrow."
    nico.post(f"/safety/{task.id}", {"action": "spoke-safe", "note": words})
    assert "It is written down and settled" in nico.text
    assert "Call now" not in nico.text
    assert words in nico.get(f"/safety/{task.id}")
    assert "tel:988" not in patient.get("/status").text


def test_the_clinic_fills_one_in_and_takes_an_error_back(case: Case, nico: Desk) -> None:
    href = f"/orders/{case.referral.order_id}/scales"
    nico.get(f"{href}/phq-9")
    nico.post(f"{href}/phq-9", {})
    assert (nico.status, "Not everything is answered yet" in nico.text) == (400, True)
    form = nico.hidden()
    for _ in range(2):  # a double click keeps one
        nico.client.post(f"{href}/phq-9", data={**form, **all_of(Scale.PHQ_9, 2, **{SELF_HARM: 0})})
    assert totals(case) == [(Scale.PHQ_9, 16)]
    page = nico.get(href)
    assert "16 of 27 (moderately severe)" in page
    assert "16 (moderately severe)" in nico.get(f"/orders/{case.referral.order_id}")
    with case.clinic.transaction() as session:
        (kept,) = scales.filled(session, case.referral.order_id)
    nico.get(href)
    nico.post(f"{href}/void", {"filled": kept.id})
    assert "It is marked as an error" in nico.text
    assert totals(case) == []
    nico.post(f"{href}/ask", {})
    assert (nico.status, "Choose what the patient shall fill in." in nico.text) == (400, True)
    nico.get(f"{href}/carrier-pigeon")
    assert nico.status == 404
