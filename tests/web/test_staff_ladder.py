"""The pages of the ladder, of hours and closed days, and what the page of a request says about its plan."""

from __future__ import annotations

import re
from datetime import date

import pytest

from referral.domain.codes import Channel, Role
from referral.domain.records import Referral
from referral.domain.reminders import Ladder, Step
from referral.services.ask_clinic import ask_clinic
from referral.services.find_policy import find_policy
from referral.services.send_reminders import send_reminders
from referral.storage import audit, clinics, closures, referrals
from referral.web.staff.escalation_view import TO_THE_PATIENT
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.services.sending import asked
from tests.web.desk import Desk, OpenDesk

WHY = "Offices answer faster when they are called."
SHORT = {
    "request_channel": "fax",
    "day_1": "1",
    "what_1": "remind",
    "day_2": "3",
    "what_2": "escalate:medical-director",
    "day_3": "5",
    "what_3": "expire",
}


@pytest.fixture
def elena(clinic: ClinicFixture, open_desk: OpenDesk) -> Desk:
    return open_desk(clinic, Role.MEDICAL_DIRECTOR)


@pytest.fixture
def robin(clinic: ClinicFixture, open_desk: OpenDesk) -> Desk:
    return open_desk(clinic)


@pytest.fixture
def referral(clinic: ClinicFixture) -> Referral:
    return asked(clinic)


def ladder(clinic: ClinicFixture) -> Ladder:
    with clinic.transaction() as session:
        return clinics.policy_in_force(session)[1]


def state(clinic: ClinicFixture, referral: Referral) -> Referral:
    with clinic.transaction() as session:
        return referrals.get(session, referral.id)


# ---- The ladder


def test_the_policy_page_shows_the_ladder_to_everybody_and_its_form_to_the_director(
    robin: Desk, elena: Desk
) -> None:
    for desk in (robin, elena):
        text = desk.get("/policy")
        assert "Day 0 Request by the best contact on file" in text
        assert "Day 6 The front desk calls the practice" in text
    assert 'href="/policy/ladder"' in elena.page
    assert 'href="/policy/ladder"' not in robin.page
    robin.get("/policy/ladder")
    assert robin.status == 403


def test_a_preview_names_the_dates_with_holidays_in_the_clock_of_the_office(elena: Desk) -> None:
    elena.get("/policy/ladder")
    text = elena.post("/policy/ladder/preview", SHORT | {"day_3": "8"})
    assert "A request sent now to an office in Denver would get" in text
    assert "Request by fax where there is one Tue, Nov 3, 10:00 AM" in text
    assert "Reminder by the same channel Wed, Nov 4, 9:00 AM" in text
    assert "The medical director is told Fri, Nov 6, 9:00 AM" in text
    # The eighth business day: the 11th is a holiday.
    assert "The request expires Mon, Nov 16, 9:00 AM" in text
    assert "Wed, Nov 11: Veterans Day, a federal holiday." in text
    text = elena.post("/policy/ladder/preview", SHORT, zone="Pacific/Honolulu")
    # It is 7:00 there: the request waits for the opening.
    assert "an office in Honolulu" in text
    assert "Request by fax where there is one Tue, Nov 3, 8:00 AM" in text


def chosen(desk: Desk) -> str:
    found = re.search(r'<select[^>]* id="tell".*?</select>', desk.page, re.DOTALL)
    assert found is not None
    (value,) = re.findall(r'<option value="([^"]*)" selected', found[0])
    return str(value)


def test_by_what_the_patient_is_told_is_chosen_shown_and_kept(elena: Desk, clinic: ClinicFixture) -> None:
    assert "By e-mail, text message or post" in elena.get("/policy/ladder")
    assert chosen(elena) == "email-sms"
    page = elena.post("/policy/ladder/preview", SHORT | {"tell": "post"})
    assert "The patient is told by post, not by e-mail or text message." in page
    assert ladder(clinic).patient_channels == (Channel.EMAIL, Channel.SMS)
    elena.post("/policy/ladder", SHORT | {"tell": "post"}, reason=WHY)
    assert ladder(clinic).patient_channels == (Channel.POST,)
    # What nobody offers is the usual way, and what was chosen is there again.
    elena.get("/policy/ladder")
    assert chosen(elena) == "post"
    elena.post("/policy/ladder", SHORT | {"tell": "pigeon"}, reason=WHY)
    assert ladder(clinic).patient_channels == Ladder().patient_channels


def test_a_new_ladder_is_a_version_of_the_policy_and_counts_for_new_requests_alone(
    elena: Desk, clinic: ClinicFixture, referral: Referral
) -> None:
    elena.get("/policy/ladder")
    text = elena.post("/policy/ladder/preview", SHORT)
    assert "One request is open. It keeps the ladder and the due date it was asked with." in text
    assert ladder(clinic) == Ladder()
    elena.post("/policy/ladder", SHORT, reason=WHY)
    assert elena.path == "/policy"
    assert "The new ladder is in force" in elena.text
    assert "Business day 4 goes: reminder by another channel" in elena.text
    assert WHY in elena.text
    new = ladder(clinic)
    assert [rung.step for rung in new.rungs] == [Step.REMIND, Step.ESCALATE, Step.EXPIRE]
    assert new.request_channel is Channel.FAX
    with clinic.transaction() as session:
        kept = referrals.get(session, referral.id)
        assert (kept.ladder_version, kept.due_at) == (1, referral.due_at)
        later = people.asked_once(session, clinic, given="Ines", family="Marsh", npi="9000000023")
        assert later.ladder_version == 2
        assert later.next_step_at is not None
        assert later.next_step_at.date() == date(2026, 11, 4)
        assert find_policy(session).ladder == new
        (entry,) = (row for row in audit.find(session) if row.subtype == "ladder-change")
        assert entry.detail == {"version": 2, "steps": 3, "days": 5}


def test_a_bad_ladder_comes_back_with_sentences_and_what_was_typed(
    elena: Desk, clinic: ClinicFixture
) -> None:
    elena.get("/policy/ladder")
    elena.post("/policy/ladder/preview", SHORT | {"day_2": "1", "what_3": ""})
    assert elena.status == 400
    assert 'id="what_3-error"' in elena.page
    assert 'name="day_2" type="number" value="1"' in elena.page
    elena.post("/policy/ladder", SHORT | {"day_2": "1"}, reason=WHY)
    assert "one step a day, in order" in elena.text
    assert ladder(clinic) == Ladder()


def test_nothing_is_saved_without_a_reason_a_change_or_the_newest_version(
    elena: Desk, clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    elena.get("/policy/ladder")
    elena.post("/policy/ladder", SHORT, reason="")
    assert elena.status == 400
    assert 'id="reason-error"' in elena.page
    elena.get("/policy/ladder")
    same = {"day_1": "2", "what_1": "remind", "day_2": "4", "what_2": "remind-other-channel"}
    same |= {"day_3": "6", "what_3": "call:front-desk", "day_4": "8", "what_4": "suggest-another:front-desk"}
    text = elena.post("/policy/ladder/preview", same | {"day_5": "10", "what_5": "expire"})
    assert "Nothing is different" in text
    other = open_desk(clinic, Role.MEDICAL_DIRECTOR)
    other.get("/policy/ladder")
    other.post("/policy/ladder", SHORT, reason=WHY)
    for path in ("/policy/ladder/preview", "/policy/ladder", "/policy/ladder/edit"):
        elena.post(path, SHORT | {"day_3": "9", "version": "1"}, reason=WHY)
        assert elena.status == 412
        assert "was put in force after you opened this form" in elena.text
        assert "Business day 4 goes" in elena.text
    with clinic.transaction() as session:
        assert clinics.policy_in_force(session)[0].version == 2


# ---- Hours and closed days


def test_the_front_desk_adds_closed_days_and_the_director_sets_the_hours(
    robin: Desk, elena: Desk, clinic: ClinicFixture, referral: Referral
) -> None:
    text = robin.get("/settings/hours")
    assert "8:00 AM to 5:00 PM, reminders at 9:00 AM" in text
    assert "Wed, Nov 11 Veterans Day" in text
    assert "Save the hours" not in text
    text = robin.post("/settings/hours/closed-days", first_on="2026-11-05", last_on="", words="Stocktaking")
    assert "The closed days are added" in text
    assert "Thu, Nov 5 Stocktaking" in text
    moved = state(clinic, referral)
    assert moved.next_step_at is not None
    assert moved.next_step_at.date() == date(2026, 11, 6)
    text = robin.get(f"/requests/{referral.id}")
    assert "The plan has moved" in text
    assert "Before: reminder Thu, Nov 5, 9:00 AM, due Wed, Nov 18." in text
    assert "Now: reminder Fri, Nov 6, 9:00 AM, due Thu, Nov 19." in text
    robin.post("/settings/hours", opens="09:00", closes="12:00", sends="10:00")
    assert robin.status == 403
    elena.get("/settings/hours")
    elena.post("/settings/hours", opens="07:00", closes="12:00", sends="10:00")
    assert elena.status == 400
    assert 'id="opens-error"' in elena.page
    assert "9:00 AM to 12:00 PM, reminders at 10:00 AM" in elena.post(
        "/settings/hours", opens="09:00", closes="12:00", sends="10:00"
    )


def test_closed_days_are_taken_back_on_the_page(robin: Desk, clinic: ClinicFixture) -> None:
    robin.get("/settings/hours")
    robin.post("/settings/hours/closed-days", first_on="2026-11-05", last_on="2026-11-01", words="")
    assert robin.status == 400
    assert "The last day is before the first." in robin.text
    robin.post("/settings/hours/closed-days", first_on="2026-11-05", last_on="2026-11-06", words="")
    with clinic.transaction() as session:
        (closure,) = closures.of(session, ())[""]
    text = robin.post(f"/closed-days/{closure.id}/remove")
    assert "These days are open again" in text
    assert "None from today on." in text


def test_an_office_has_hours_and_absences_of_its_own(
    robin: Desk, clinic: ClinicFixture, referral: Referral
) -> None:
    robin.get(f"/directory/{referral.clinician_id}")
    assert f'href="/directory/{referral.clinician_id}/hours"' in robin.page
    path = f"/directory/{referral.clinician_id}/hours"
    assert "These are the clinic’s hours; the office has none of its own." in robin.get(path)
    text = robin.post(path, opens="09:00", closes="15:00", sends="09:30", closed_3="yes")
    assert "9:00 AM to 3:00 PM, reminders at 9:30 AM; closed on Thursdays" in text
    moved = state(clinic, referral)
    assert moved.next_step_at is not None
    assert moved.next_step_at.date() == date(2026, 11, 6)
    every = {f"closed_{day}": "yes" for day in range(5)}
    robin.post(path, every, opens="09:00", closes="15:00", sends="09:30")
    assert "Leave at least one weekday open" in robin.text
    robin.post(f"{path}/closed-days", first_on="2026-11-06", last_on="2026-11-13", words="Conference")
    assert "Fri, Nov 6 to Fri, Nov 13 Conference" in robin.text
    assert "Away from Fri, Nov 6 until Fri, Nov 13" in robin.get(f"/requests/{referral.id}")
    robin.get(path)
    assert "the office has none of its own" in robin.post(f"{path}/clear")


# ---- The plan of a request


def test_every_coming_step_is_listed_with_its_channel_and_date(robin: Desk, referral: Referral) -> None:
    text = robin.get(f"/requests/{referral.id}")
    told = [
        "Request goes out by e-mail Tue, Nov 3, 10:00 AM",
        "Reminder by e-mail Thu, Nov 5, 9:00 AM",
        "Reminder by fax Mon, Nov 9, 9:00 AM",
        "The front desk is asked to call Thu, Nov 12, 9:00 AM",
        "The front desk is asked to try a second clinician, and the patient is told Mon, Nov 16, 9:00 AM",
        "The request expires Wed, Nov 18, 9:00 AM",
    ]
    places = [text.index(step) for step in told]
    assert places == sorted(places)


def test_a_hold_says_why_nothing_is_coming_and_is_undone(
    robin: Desk, clinic: ClinicFixture, referral: Referral
) -> None:
    robin.get(f"/requests/{referral.id}")
    text = robin.post(f"/requests/{referral.id}/hold")
    assert "It is on hold until somebody lets it go on. No reminder goes out, and it does not expire" in text
    assert "On hold since Tue, Nov 3" in text
    assert "Now: nothing by itself" in text
    assert "The request expires Wed" not in text
    text = robin.post(f"/requests/{referral.id}/undo")
    assert "The plan is as it was before." in text
    assert "Reminder by e-mail Thu, Nov 5, 9:00 AM" in text
    assert "Undo the hold" not in text
    assert state(clinic, referral).held_at is None


def test_a_question_says_that_the_clinician_waits(
    robin: Desk, clinic: ClinicFixture, referral: Referral
) -> None:
    with clinic.transaction() as session:
        ask_clinic(session, people.portal_actor(clinic), referral.id, "question", "Any MAOI?", NOW)
    text = robin.get(f"/requests/{referral.id}")
    assert "The clinician has asked something and waits for the clinic." in text


def test_a_pause_more_time_and_an_absence_are_shown_and_undone(
    robin: Desk, clinic: ClinicFixture, referral: Referral
) -> None:
    steps = [
        ("pause", {"pause_until": "2026-11-13"}, "Paused until Fri, Nov 13", "Undo the pause"),
        ("extend", {"extend_days": "2"}, "by 2 business days", "Undo the extension"),
        ("away", {"back_on": "2026-11-16"}, "Away until Sun, Nov 15", "Undo “back on”"),
    ]
    for step, typed, shown, undo in steps:
        robin.get(f"/requests/{referral.id}")
        text = robin.post(f"/requests/{referral.id}/{step}", typed)
        assert robin.status == 200
        assert shown in text
        assert undo in text
        assert state(clinic, referral).due_at > referral.due_at
        # Once, by the move itself: that the plan followed is not told a second time.
        assert "The plan has moved" not in text
        text = robin.post(f"/requests/{referral.id}/undo")
        assert "The plan has moved" not in text
        assert state(clinic, referral).due_at == referral.due_at
    for step, typed in (("extend", {"extend_days": "0"}), ("away", {"back_on": "2026-11-03"})):
        robin.post(f"/requests/{referral.id}/{step}", typed)
        assert robin.status == 400
        assert f'id="{next(iter(typed))}-error"' in robin.page


def test_an_answered_request_has_nothing_to_come(
    robin: Desk, clinic: ClinicFixture, referral: Referral
) -> None:
    with clinic.transaction() as session:
        people.respond_with(session, clinic, referral)
    assert "Next, by itself" not in robin.get(f"/requests/{referral.id}")


# ---- Brought up for people


def test_what_may_be_said_to_the_patient_names_nothing_and_is_in_their_language(
    elena: Desk, robin: Desk, clinic: ClinicFixture
) -> None:
    with clinic.transaction() as session:
        patient = people.patient(session, clinic, language="es", telephone="303-555-0144")
        order = people.order(session, clinic, patient)
        (referral,) = people.ask(session, clinic, order, people.clinician(session, clinic))
        referrals.change(session, referral, climbed=3, next_step_at=NOW)
    with clinic.transaction() as session:
        day_8 = NOW.replace(day=16, hour=16, minute=5)
        send_reminders(session, day_8)
    text = robin.get(f"/requests/{referral.id}")
    assert "For the front desk: ask a second clinician." in text
    assert TO_THE_PATIENT["es"] in text
    assert TO_THE_PATIENT["en"] not in text
    assert "3035550144" in text.replace("-", "").replace(" ", "")
    assert "Nothing was sent to the patient: please tell them." in text
    assert "Try a second clinician" in elena.get("/")
    text = robin.get(f"/requests/{referral.id}")
    assert "It is off the Today board" in robin.post(f"/requests/{referral.id}/attend")
    assert "The ladder asks for a person" not in robin.text
    assert "Try a second clinician" not in elena.get("/")


def test_the_words_for_patients_tell_nothing_about_them() -> None:
    for words in TO_THE_PATIENT.values():
        for told in ("ketamin", "depress", "psych", "psiq", "treatment", "tratamiento", "clinic", "clínica"):
            assert told not in words.lower()
