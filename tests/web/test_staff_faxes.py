"""The fax inbox: placed by a person, written down from the page, late ones beside what stands."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from sqlalchemy import select

from referral.domain.codes import Decision, Role, Strength, TaskStatus
from referral.domain.fax import FaxSource, FaxState
from referral.domain.records import Referral
from referral.services.attach_fax import file_fax
from referral.services.forget_faxes import KEPT, forget_faxes
from referral.services.take_fax import Arrived, Reading, read_due, take_fax
from referral.storage import directory, documents, faxes, recommendations, referrals, tables
from referral.storage.faxes import Fax
from tests import fax as paper
from tests.database import NOW, ClinicFixture, Clock
from tests.services import people
from tests.web.desk import Desk, OpenDesk

FORM = {
    "decision": "recommended",
    "last-seen": "2026-10-20",
    "diagnosis-confirmed": "yes",
    "continues-care": "yes",
    "next-visit": "4-weeks",
    "medication-adjuster": "we",
    "attestation": "yes",
    "signer-name": "Chidi Okafor",
    "signer-credentials": "MD",
    **dict.fromkeys(people.FLAGS, "no"),
}


def came_in(clinic: ClinicFixture, from_number: str | None = "+13035550120", seed: int = 0) -> Fax:
    """A fax without any code, as a provider brings it."""
    arrived = Arrived(
        source=FaxSource.WEBHOOK,
        content=paper.blank(seed),
        reference=f"fax-{seed}",
        from_number=from_number,
    )
    with clinic.transaction() as session:
        id = take_fax(session, arrived, NOW)
        assert id is not None
    read_due(Reading(database=clinic.database, now=Clock(NOW)), clinic.id)
    with clinic.transaction() as session:
        return faxes.get(session, id)


@pytest.fixture
def asked(clinic: ClinicFixture) -> Referral:
    with clinic.transaction() as session:
        return people.asked_once(session, clinic)


@pytest.fixture
def desk(open_desk: OpenDesk, clinic: ClinicFixture) -> Desk:
    return open_desk(clinic, Role.FRONT_DESK)


def state_of(clinic: ClinicFixture, fax: Fax) -> FaxState:
    with clinic.transaction() as session:
        return faxes.get(session, fax.id).state


def assigned(desk: Desk, fax: Fax, referral: Referral) -> None:
    desk.get(f"/fax-inbox/{fax.id}")
    desk.post(f"/fax-inbox/{fax.id}/assign", {"referral_id": referral.id})
    assert desk.status == 200


def test_the_inbox_is_counted_in_the_menu_and_offers_the_senders_request(
    clinic: ClinicFixture, asked: Referral, desk: Desk
) -> None:
    with clinic.transaction() as session:
        stranger = people.ask(
            session,
            clinic,
            people.order(session, clinic, people.patient(session, clinic, family="Stranger")),
            people.clinician(session, clinic, npi="", family="Elsewhere", fax="720-555-0199", email=""),
        )[0]
    fax = came_in(clinic)
    assert "Faxes 1 waiting" in desk.get("/")
    assert "Fax from 303-555-0120 1 page" in desk.get("/fax-inbox")
    page = desk.get(f"/fax-inbox/{fax.id}")
    mine, other = page.index(asked.number), page.index(stranger.number)
    assert mine < other
    assert "The fax comes from the number on file." in page
    assert "nothing on the fax says so" in page[other:]
    # By its number only that one, and never by a name.
    assert stranger.number in desk.get(f"/fax-inbox/{fax.id}?q={stranger.number}")
    assert "Stranger" not in desk.get(f"/fax-inbox/{fax.id}?q=Stranger").replace("q=Stranger", "")


def test_the_page_is_a_picture_that_can_be_turned_and_each_look_is_recorded(
    clinic: ClinicFixture, asked: Referral, desk: Desk
) -> None:
    fax = came_in(clinic)
    assigned(desk, fax, asked)
    with clinic.transaction() as session:
        before = len(session.connection.execute(select(tables.audit_event)).all())
    upright = Image.open(io.BytesIO(desk.client.get(f"/fax-inbox/{fax.id}/pages/1").content))
    turned = desk.client.get(f"/fax-inbox/{fax.id}/pages/1?turn=90")
    assert turned.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(turned.content)).size == (upright.height, upright.width)
    for number in ("0", "2", "x", "9" * 5000):
        assert desk.client.get(f"/fax-inbox/{fax.id}/pages/{number}").status_code == 404
    log = tables.audit_event
    with clinic.transaction() as session:
        rows = session.connection.execute(select(log.c.subtype, log.c.patient_id).order_by(log.c.id)).all()
    looks = [row for row in rows[before:] if row.subtype == "fax-page"]
    assert looks == [("fax-page", asked.patient_id)] * 2


def test_a_fax_is_placed_written_down_and_opens_what_policy_lets_it_open(
    clinic: ClinicFixture, asked: Referral, desk: Desk
) -> None:
    fax = came_in(clinic)
    assigned(desk, fax, asked)
    assert "The fax is with its request" in desk.text
    assert "has answered by fax; please write down what it says" in desk.get("/")
    assert f'href="/fax-inbox/{fax.id}"' in desk.page
    assert "Write it down" in desk.get(f"/requests/{asked.id}")
    desk.get(f"/fax-inbox/{fax.id}")
    desk.post(f"/fax-inbox/{fax.id}/transcribe", {**FORM, "reports": ["decision", "mid-course"]})
    assert desk.path == f"/requests/{asked.id}"
    assert "What the fax says is written down" in desk.text
    assert "Write it down" not in desk.text
    with clinic.transaction() as session:
        answer = recommendations.find(session, referral_id=asked.id)
        assert answer is not None
        assert (answer.decision, answer.strength) == (Decision.RECOMMENDED, Strength.RECORDED_BY_STAFF)
        closed = referrals.get(session, asked.id)
        evidence = documents.get(session, f"{answer.document_id}-evidence").content.decode()
        record = faxes.get(session, fax.id).record_id
    assert closed.status is TaskStatus.COMPLETED
    assert str(record) in evidence
    assert (fax.sha256 or b"").hex() in evidence
    assert "A mid-course report" in evidence
    assert state_of(clinic, fax) is FaxState.TRANSCRIBED
    assert "Answered by fax" not in desk.get("/")


@pytest.mark.parametrize("held", [False, True], ids=["running", "on hold before"])
def test_reminders_do_not_go_on_past_a_fax_that_nobody_has_read(
    clinic: ClinicFixture, asked: Referral, desk: Desk, held: bool
) -> None:
    page = f"/requests/{asked.id}"
    if held:
        desk.get(page)
        desk.post(f"{page}/hold")
        assert "Go on with the reminders" in desk.text
        assert "Undo the hold" in desk.text
    assigned(desk, came_in(clinic), asked)
    shown = desk.get(page)
    assert "Answered by fax" in shown
    assert "Undo the hold" not in shown
    for step, title in (("resume", "Go on with the reminders"), ("pause", "Pause the reminders")):
        assert title not in shown
        desk.get(page)
        refused = desk.post(f"{page}/{step}", {"pause_until": "2026-11-20"})
        assert "write down what it says, or file the fax" in refused
    with clinic.transaction() as session:
        assert referrals.get(session, asked.id).next_step_at is None


def test_what_is_missing_is_said_and_what_was_typed_is_kept(
    clinic: ClinicFixture, asked: Referral, desk: Desk
) -> None:
    fax = came_in(clinic)
    assigned(desk, fax, asked)
    form = {**FORM, "decision": "recommended-with-conditions", "signer-name": "Somebody Else"}
    desk.post(f"/fax-inbox/{fax.id}/transcribe", form)
    assert desk.status == 400
    assert "Please answer: Which conditions?" in desk.text
    assert 'value="Somebody Else"' in desk.page
    assert state_of(clinic, fax) is FaxState.MATCHED
    with clinic.transaction() as session:
        assert recommendations.find(session, referral_id=asked.id) is None
        assert referrals.get(session, asked.id).is_open


def test_a_page_that_is_not_signed_records_nothing(
    clinic: ClinicFixture, asked: Referral, desk: Desk
) -> None:
    fax = came_in(clinic)
    assigned(desk, fax, asked)
    desk.post(f"/fax-inbox/{fax.id}/transcribe", {**FORM, "attestation": ""})
    assert desk.status == 400
    assert state_of(clinic, fax) is FaxState.MATCHED


def test_the_first_answer_wins_and_a_fax_that_differs_is_for_the_medical_director(
    clinic: ClinicFixture, asked: Referral, desk: Desk, open_desk: OpenDesk
) -> None:
    fax = came_in(clinic)
    assigned(desk, fax, asked)
    desk.get(f"/fax-inbox/{fax.id}")
    with clinic.transaction() as session:
        people.respond_with(session, clinic, asked)
    page = desk.get(f"/fax-inbox/{fax.id}")
    assert "Answered on Tue, Nov 3: recommended. That answer stands." in page
    desk.post(f"/fax-inbox/{fax.id}/differ")
    assert "The medical director is asked" in desk.text
    desk.post(f"/fax-inbox/{fax.id}/file", {"reason": "I do not care"})
    assert desk.status == 403
    assert state_of(clinic, fax) is FaxState.DIFFERS
    director = open_desk(clinic, Role.MEDICAL_DIRECTOR)
    assert "says something else than the answer on record" in director.get("/")
    director.get(f"/fax-inbox/{fax.id}")
    director.post(f"/fax-inbox/{fax.id}/file", {"reason": "Spoke with Dr Okafor: the form online is right."})
    assert state_of(clinic, fax) is FaxState.FILED
    with clinic.transaction() as session:
        answer = recommendations.find(session, referral_id=asked.id)
    assert answer is not None
    assert answer.decision == Decision.RECOMMENDED


def test_it_belongs_to_nobody_with_a_reason_and_comes_back(clinic: ClinicFixture, desk: Desk) -> None:
    fax = came_in(clinic, from_number=None)
    desk.get(f"/fax-inbox/{fax.id}")
    desk.post(f"/fax-inbox/{fax.id}/dismiss", {"reason": ""})
    assert (desk.status, state_of(clinic, fax)) == (400, FaxState.UNMATCHED)
    desk.post(f"/fax-inbox/{fax.id}/dismiss", {"reason": "An advertisement for toner"})
    assert "Belongs to nobody: An advertisement for toner" in desk.get("/fax-inbox?state=dismissed")
    desk.get(f"/fax-inbox/{fax.id}")
    desk.post(f"/fax-inbox/{fax.id}/restore")
    assert state_of(clinic, fax) is FaxState.UNMATCHED


def test_two_people_do_not_place_the_same_fax_twice(
    clinic: ClinicFixture, asked: Referral, desk: Desk, open_desk: OpenDesk
) -> None:
    fax = came_in(clinic)
    other = open_desk(clinic, Role.FRONT_DESK)
    other.get(f"/fax-inbox/{fax.id}")
    assigned(desk, fax, asked)
    other.post(f"/fax-inbox/{fax.id}/dismiss", {"reason": "An advertisement"})
    assert other.status in (409, 422)
    assert state_of(clinic, fax) is FaxState.MATCHED


def test_a_fax_is_not_given_to_another_clinics_request(
    clinic: ClinicFixture, other_clinic: ClinicFixture, desk: Desk
) -> None:
    with other_clinic.transaction() as session:
        theirs = people.asked_once(session, other_clinic)
    fax = came_in(clinic)
    page = desk.get(f"/fax-inbox/{fax.id}?q={theirs.number}")
    assert "Okafor" not in page
    desk.post(f"/fax-inbox/{fax.id}/assign", {"referral_id": theirs.id})
    assert desk.status == 400
    assert state_of(clinic, fax) is FaxState.UNMATCHED
    with other_clinic.transaction() as session:
        assert directory.get_patient(session, theirs.patient_id)
        assert "fax-received" not in [e.event for e in referrals.events(session, theirs.id)]


def test_where_a_fax_was_removed_its_page_and_its_request_say_so(
    clinic: ClinicFixture, asked: Referral, desk: Desk
) -> None:
    fax = came_in(clinic)
    assigned(desk, fax, asked)
    assert f"/fax-inbox/{fax.id}" in desk.get(f"/requests/{asked.id}") + desk.page
    with clinic.transaction() as session:
        version = faxes.get(session, fax.id).version
        file_fax(session, clinic.actor, fax.id, version, "Nothing to write down.", NOW)
    with clinic.transaction() as session:
        assert forget_faxes(session, NOW + KEPT) == 1
    text = desk.get(f"/requests/{asked.id}")
    assert "the fax itself was removed 90 days after it was dealt with" in text
    assert f"/fax-inbox/{fax.id}" not in desk.page
    assert "This fax is not kept any more" in desk.get(f"/fax-inbox/{fax.id}")
    assert (desk.status, desk.path) == (200, "/fax-inbox")
