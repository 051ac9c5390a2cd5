"""The simulator's page: for everybody, about nobody; and a real request from where it stands."""

from __future__ import annotations

import html
import re
from urllib.parse import urlencode

import pytest

from referral.domain.codes import Role
from referral.services.ask_clinic import ask_clinic
from referral.services.keep_calendar import close_days
from referral.storage import audit, outbox, referrals
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.services.sending import asked
from tests.web.desk import Desk, OpenDesk

FORM = {
    "submitted": "yes",
    "start": "2026-11-20",
    "at": "22:00",
    "time_zone": "America/Denver",
    "by": ["email", "fax"],
}


def show(desk: Desk, path: str = "/simulator", **typed: str) -> str:
    return desk.get(f"{path}?{urlencode(FORM | typed, doseq=True)}")


def marked(desk: Desk) -> set[str]:
    return set(re.findall(r'id="(\w+)-error"', desk.page))


def hrefs(desk: Desk) -> dict[str, str]:
    found = re.findall(r'<a class="button[^"]*" href="(/[^"]*clock=\d+[^"]*)">([^<]+)', desk.page)
    return {label.strip(): html.unescape(href) for href, label in found}


@pytest.mark.parametrize("role", list(Role))
def test_everybody_who_works_here_may_simulate(
    clinic: ClinicFixture, open_desk: OpenDesk, role: Role
) -> None:
    desk = open_desk(clinic, role)
    text = desk.get("/simulator")
    assert desk.status == 200
    assert "The request goes out by e-mail" in text


def test_the_calendar_names_the_holiday_and_each_step_says_why(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    desk = open_desk(clinic)
    text = show(desk)
    assert "Mon, Nov 23 Nov 23 8:00 AM The request goes out by e-mail" in text
    assert "Thanksgiving Day : closed" in text
    assert "It waits since Fri, Nov 20, 10:00 PM for business hours" in text
    assert "A reminder goes out by fax Mon, Nov 30, 9:00 AM Step 2 of 5, business day 4." in text
    assert "The request expires Tue, Dec 8, 9:00 AM" in text


def test_closed_days_of_the_clinic_and_of_the_form_do_not_count(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    with clinic.transaction() as session:
        days = ("2026-11-24", "2026-11-24", "Stocktaking")
        close_days(session, people.director(clinic), None, days, NOW)
    desk = open_desk(clinic)
    text = show(desk, closed="2026-11-25")
    assert "Stocktaking : closed" in text
    assert "A closed day : closed" in text
    assert "A reminder goes out by e-mail Mon, Nov 30, 9:00 AM" in text


def test_the_pretend_clock_is_turned_step_by_step(clinic: ClinicFixture, open_desk: OpenDesk) -> None:
    desk = open_desk(clinic)
    show(desk)
    assert "still ahead" not in desk.text
    assert set(hrefs(desk)) == {"Start", "Back"}
    desk.get(hrefs(desk)["Start"])
    assert "0 of 7 steps done" in desk.text
    assert desk.page.count(" · still ahead") == 7
    desk.get(hrefs(desk)["Next step"])
    assert "Mon, Nov 23, 8:00 AM 1 of 7 steps done" in desk.text
    assert desk.page.count(" · still ahead") == 6
    assert set(hrefs(desk)) == {"Start", "Back", "Next step", "End"}


def test_what_happens_is_chosen_in_lines(clinic: ClinicFixture, open_desk: OpenDesk) -> None:
    desk = open_desk(clinic)
    text = show(
        desk,
        what_1="bounce:email",
        when_1="day0T15:00",
        what_2="outage",
        when_2="2026-11-24T00:00",
        until_2="2026-12-01T00:00",
        what_3="answer",
        when_3="2026-12-02T11:00",
    )
    assert "The request by e-mail did not arrive Mon, Nov 23, 3:00 PM" in text
    assert "Instead of the one that did not arrive." in text
    assert "one letter, not a backlog" in text
    assert "The clinician answers Wed, Dec 2, 11:00 AM" in text
    assert "The request expires" not in text


@pytest.mark.parametrize(
    ("typed", "fields"),
    [
        ({"start": ""}, {"start"}),
        ({"start": "9999-99-99"}, {"start"}),
        ({"start": "2026-11-20", "at": "25:00"}, {"start"}),
        ({"time_zone": "Mars/Olympus"}, {"time_zone"}),
        ({"by": ""}, {"by"}),
        ({"closed": "soon"}, {"closed"}),
        ({"closed": "2026-12-31..2026-12-01"}, {"closed"}),
        ({"what_2": "answer", "when_2": "tomorrow"}, {"when_2"}),
        ({"what_1": "pause", "when_1": "2026-12-04"}, {"until_1"}),
        ({"what_1": "outage", "when_1": "2026-12-04", "until_1": "2026-12-01"}, {"when_1"}),
        ({"what_3": "bounce:fax", "when_3": "day9999"}, {"when_3"}),
    ],
)
def test_what_cannot_be_read_is_shown_at_its_field(
    clinic: ClinicFixture, open_desk: OpenDesk, typed: dict[str, str], fields: set[str]
) -> None:
    desk = open_desk(clinic)
    show(desk, **typed)
    assert (desk.status, marked(desk)) == (400, fields)


@pytest.mark.parametrize(
    "query",
    ["clock=-1", "clock=9999", "clock=x", "what_1=nothing", "clock=%D9%A3", "closed=%00", "by=pigeon"],
)
def test_odd_addresses_are_no_errors_of_ours(clinic: ClinicFixture, open_desk: OpenDesk, query: str) -> None:
    desk = open_desk(clinic)
    desk.get(f"/simulator?{query}")
    assert desk.status in (200, 400)


def test_a_real_request_starts_where_it_stands(clinic: ClinicFixture, open_desk: OpenDesk) -> None:
    referral = asked(clinic)
    desk = open_desk(clinic)
    desk.get(f"/requests/{referral.id}")
    assert f'href="/requests/{referral.id}/ahead"' in desk.page
    text = desk.get(f"/requests/{referral.id}/ahead")
    assert "0 of 7 steps done" in text
    assert "A reminder goes out by e-mail Thu, Nov 5, 9:00 AM" in text
    assert "Nguyễn" not in text
    text = desk.get(f"/requests/{referral.id}/ahead?submitted=yes&what_1=answer&when_1=day1")
    assert "The clinician answers Wed, Nov 4, 12:00 PM" in text
    with clinic.transaction() as session:
        assert referrals.get(session, referral.id) == referral
        assert [m.state for m in outbox.find(session, referral_id=referral.id)] == ["queued"]
        ask_clinic(session, people.portal_actor(clinic), referral.id, "question", "Which dose?", NOW)
    assert "on hold" in desk.get(f"/requests/{referral.id}/ahead")


def test_looking_ahead_at_a_request_is_a_look_at_a_patient(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    referral = asked(clinic)
    open_desk(clinic).get(f"/requests/{referral.id}/ahead")
    with clinic.transaction() as session:
        rows = audit.find(session, patient_id=referral.patient_id)
    assert "foresee" in {row.subtype for row in rows}


def test_who_sees_no_patients_sees_no_request_ahead(clinic: ClinicFixture, open_desk: OpenDesk) -> None:
    referral = asked(clinic)
    desk = open_desk(clinic, Role.ADMIN)
    desk.get(f"/requests/{referral.id}/ahead")
    assert desk.status == 403
