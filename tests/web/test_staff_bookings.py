"""The pages about bookings: a day of every chair, holding one, moving, cancelling, the Today board."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from referral.domain.booking import Booking, BookingStatus, Chair
from referral.domain.codes import Role
from referral.domain.records import Order
from referral.services.release_bookings import release_bookings
from referral.storage import audit, bookings
from tests.database import ClinicFixture
from tests.services import people
from tests.services.bookings import (
    RELEASE,
    START,
    book,
    chair,
    closed_order,
    local,
    open_order,
    open_up,
    slot,
    stored,
)
from tests.web.desk import Desk, OpenDesk

FORM = {"booked_on": "2026-11-17", "booked_at": "09:00", "minutes": "120"}


@pytest.fixture
def robin(clinic: ClinicFixture, open_desk: OpenDesk) -> Desk:
    return open_desk(clinic)


@pytest.fixture
def seat(clinic: ClinicFixture) -> Chair:
    return chair(clinic)


def of(clinic: ClinicFixture, order: Order) -> list[Booking]:
    with clinic.transaction() as session:
        return bookings.of_order(session, order.id)


def hold(robin: Desk, order: Order, **changes: str) -> str:
    """From the order's page to the form, and send it."""
    robin.get(f"/orders/{order.id}")
    (href,) = set(re.findall(r'href="(/bookings/new[^"]*)"', robin.page))
    robin.get(href)
    return robin.post("/bookings", {**FORM, **changes})


def test_a_chair_is_held_while_the_gate_is_closed_and_booked_when_it_opens(
    robin: Desk, clinic: ClinicFixture, seat: Chair
) -> None:
    order = closed_order(clinic)
    text = hold(robin, order, chair=seat.id)
    assert "The chair is held" in text
    assert "Tue, Nov 17, 9:00 AM to 11:00 AM MST" in text
    assert "Released on Fri, Nov 13, at 5:00 PM unless the consultation is recorded." in text
    assert "America/Denver (MST)" in text
    open_up(clinic, order)
    text = robin.get(robin.path)
    assert "Confirmed" in text
    assert "Released on" not in text
    (made,) = of(clinic, order)
    assert (made.status, made.chair_id, made.created_by) == (BookingStatus.BOOKED, seat.id, robin.user_id)
    assert "Confirmed" in robin.get(f"/orders/{order.id}")


def test_the_form_says_what_a_booking_would_be(robin: Desk, clinic: ClinicFixture, seat: Chair) -> None:
    closed = robin.get(f"/bookings/new?order={closed_order(clinic).id}")
    assert "the booking is tentative" in closed
    assert "Hold the chair" in closed
    opened = robin.get(f"/bookings/new?order={open_order(clinic).id}")
    assert "the booking is confirmed at once" in opened
    assert "Book the chair" in opened


@pytest.mark.parametrize(
    ("changes", "field", "status"),
    [
        ({"booked_on": ""}, "booked_on", 400),
        ({"booked_on": "yesterday"}, "booked_on", 400),
        ({"booked_on": "0001-01-01"}, "booked_on", 400),
        ({"booked_at": "9 o'clock"}, "booked_at", 400),
        ({"minutes": "x"}, "minutes", 400),
        ({"minutes": "0"}, "minutes", 400),
        ({"minutes": "9999"}, "minutes", 400),
        ({"chair": "nothing"}, "chair", 400),
        ({"booked_on": "2026-11-02"}, "booked_at", 400),
        ({"booked_on": "2026-11-04"}, "booked_at", 422),  # inside the two business days
        ({"booked_on": "2027-03-14", "booked_at": "02:30"}, "booked_at", 400),  # the clocks go forward
    ],
)
def test_what_cannot_be_booked_comes_back_with_a_sentence_and_what_was_typed(
    robin: Desk, clinic: ClinicFixture, seat: Chair, changes: dict[str, str], field: str, status: int
) -> None:
    order = closed_order(clinic)
    hold(robin, order, **changes)
    assert robin.status == status
    assert f'id="{field}-error"' in robin.page
    typed = [value for name, value in changes.items() if name != "chair"]
    assert all(value.replace("'", "&#39;") in robin.page for value in typed)
    assert of(clinic, order) == []


def test_a_taken_chair_is_refused_with_a_sentence(robin: Desk, clinic: ClinicFixture, seat: Chair) -> None:
    book(clinic, open_order(clinic), slot(chair=seat))
    order = open_order(clinic)
    text = hold(robin, order, chair=seat.id)
    assert robin.status == 409
    assert "This chair is taken at that time" in text
    assert 'id="chair-error"' in robin.page
    text = hold(robin, order)
    assert (robin.status, "Every chair is taken at that time" in text) == (409, True)


def test_a_double_click_books_once(robin: Desk, clinic: ClinicFixture, seat: Chair) -> None:
    order = open_order(clinic)
    robin.get(f"/bookings/new?order={order.id}")
    form = {**robin.hidden(), **FORM}
    for _ in range(2):
        robin.client.post("/bookings", data=form)
    assert len(of(clinic, order)) == 1


def test_a_day_shows_every_chair_with_its_bookings_in_the_clinics_time(
    robin: Desk, clinic: ClinicFixture
) -> None:
    first, second = chair(clinic, "Window"), chair(clinic, "Door")
    with clinic.transaction() as session:
        samuel = people.patient(session, clinic, given="Samuel", family="Okonkwo")
        order = people.order(session, clinic, samuel, people.PAIN)
    book(clinic, order, slot(chair=first))
    book(clinic, open_order(clinic), slot(START + timedelta(minutes=90), chair=second))
    text = robin.get("/bookings?day=2026-11-17")
    assert "Bookings on Tue, Nov 17" in text
    assert "America/Denver (MST)" in text
    assert "Window" in text
    assert text.count("Samuel Okonkwo") == 2  # in the table, and in the list for narrow screens
    assert "Released on Fri, Nov 13, at 5:00 PM unless the consultation is recorded." in text
    assert "10:30 AM" in text  # where a booking begins between the hours
    heights = [int(n) for n in re.findall(r'rowspan="(\d)"', robin.page)]
    assert heights == [3, 3]  # 9:00, 10:00, 10:30 and 10:30, 11:00, 12:00
    assert {"/bookings?day=2026-11-16", "/bookings?day=2026-11-18"} <= set(
        re.findall(r'href="(/bookings\?[^"]*)"', robin.page)
    )
    assert "Nothing is booked on this day." in robin.get("/bookings?day=2026-11-18")
    assert "The clinic is closed on this day" in robin.get("/bookings?day=2026-11-26")
    assert "The clinic is closed on this day" not in robin.get("/bookings?day=2026-11-25")
    for odd in ("", "?day=", "?day=tomorrow", "?day=9999-12-31", "?day=0001-01-01"):
        assert "Bookings on Tue, Nov 3" in robin.get(f"/bookings{odd}")


def test_every_row_of_the_table_covers_every_chair(robin: Desk, clinic: ClinicFixture) -> None:
    """Odd beginnings and ends, one before opening, one after closing."""
    seats = [chair(clinic, f"Chair {n}") for n in range(1, 4)]
    for place, (hour, minute, hours) in enumerate(
        [(6, 45, 1.5), (9, 10, 1.25), (9, 50, 2), (11, 50, 3), (16, 30, 2), (12, 0, 1)]
    ):
        to = slot(local(11, 17, hour, minute), hours, seats[place % 3])
        book(clinic, open_order(clinic), to)
    robin.get("/bookings?day=2026-11-17")
    (body,) = re.findall(r'<table class="plan__table">.*?<tbody>(.*?)</tbody>', robin.page, re.DOTALL)
    lines = body.split("<tr>")[1:]
    covered = [0] * len(lines)
    for place, line in enumerate(lines):
        for attributes in re.findall(r"<td([^>]*)>", line):
            span = re.search(r'rowspan="(\d+)"', attributes)
            for below in range(place, place + int(span[1] if span else 1)):
                covered[below] += 1
    assert covered == [3] * len(lines)


def test_a_free_place_is_chosen_in_the_table_for_an_order(
    robin: Desk, clinic: ClinicFixture, seat: Chair
) -> None:
    order = open_order(clinic)
    robin.get(f"/bookings/new?order={order.id}&day=2026-11-17")
    links = re.findall(r'href="(/bookings/new\?[^"#]*at=[^"#]*)#form"', robin.page)
    assert len(links) == 9  # 8:00 to 16:00
    robin.get(links[1].replace("&amp;", "&"))
    assert 'value="09:00"' in robin.page
    assert 'value="2026-11-17"' in robin.page
    assert f'<option value="{seat.id}" selected>' in robin.page
    assert "Choose" not in robin.get("/bookings?day=2026-11-17")
    robin.get(f"/bookings/new?order={order.id}&day=2026-11-02")
    assert "at=" not in robin.page  # nothing of the past can be chosen


def test_a_booking_is_moved_cancelled_and_missed_on_its_page(
    robin: Desk, clinic: ClinicFixture, seat: Chair
) -> None:
    made = book(clinic, open_order(clinic), slot(chair=seat))
    path = f"/bookings/{made.id}"
    robin.get(path)
    assert "The patient did not come" not in robin.text
    moved = robin.post(f"{path}/move", {**FORM, "booked_at": "13:00", "chair": seat.id})
    assert "The booking is moved" in moved
    assert "Tue, Nov 17, 1:00 PM to 3:00 PM MST" in moved
    robin.post(f"{path}/cancel")
    assert robin.status == 400
    assert "Choose why it is cancelled." in robin.text
    robin.post(f"{path}/cancel", reason="other")
    assert "Say why in a few words." in robin.text
    robin.post(f"{path}/missed")
    assert (robin.status, "This time has not come yet" in robin.text) == (422, True)
    robin.get(path)
    old = robin.hidden()
    ended = robin.post(f"{path}/cancel", reason="other", reason_words="Has a <b>cold</b>")
    assert "The booking is cancelled" in ended
    assert "Has a <b>cold</b>" in ended
    assert "<b>cold" not in robin.page
    assert "Nothing can be done with this booking." in ended
    again = robin.client.post(f"{path}/move", data={**old, **FORM})
    assert again.status_code == 409


def test_a_page_that_was_opened_before_a_change_changes_nothing(
    robin: Desk, clinic: ClinicFixture, seat: Chair
) -> None:
    made = book(clinic, open_order(clinic), slot(chair=seat))
    path = f"/bookings/{made.id}"
    robin.get(path)
    old = robin.hidden()
    robin.post(f"{path}/move", {**FORM, "booked_at": "13:00"})
    late = robin.client.post(f"{path}/cancel", data={**old, "reason": "patient-cancelled"})
    assert late.status_code == 409
    assert "This booking has changed since the page was opened." in late.text
    assert stored(clinic, made).status is BookingStatus.BOOKED


def test_a_release_waits_on_the_today_board_until_somebody_takes_note(
    robin: Desk, clinic: ClinicFixture, seat: Chair
) -> None:
    order = closed_order(clinic)
    made = book(clinic, order, slot(chair=seat))
    text = robin.get("/")
    assert "Tue, Nov 17, 9:00 AM Chair 1" in text
    assert "Released on Fri, Nov 13, at 5:00 PM unless the consultation is recorded." in text
    assert "Chair released" not in text
    with clinic.transaction() as session:
        assert release_bookings(session, RELEASE) == 1
    text = robin.get("/")
    assert "Chair released" in text
    assert "Chair 1, Tue, Nov 17, 9:00 AM to 11:00 AM MST: the gate did not open in time." in text
    assert "No chair booked" in text
    robin.get(f"/bookings/{made.id}")
    assert "The chair was released" in robin.text
    assert "Released: the gate did not open in time" in robin.text
    assert "The release is noted" in robin.post(f"/bookings/{made.id}/noted")
    assert "Chair released" not in robin.get("/")
    assert "Released" in robin.get(f"/orders/{order.id}")


def test_the_next_chairs_are_in_the_order_of_their_times(robin: Desk, clinic: ClinicFixture) -> None:
    def named(family: str, *, at: int | None) -> None:
        with clinic.transaction() as session:
            person = people.patient(session, clinic, given="Ada", family=family)
            order = people.order(session, clinic, person, people.PAIN)
        if at is not None:
            book(clinic, order, slot(START + timedelta(days=at)))

    named("Third", at=None)
    named("Second", at=7)
    named("First", at=0)
    text = robin.get("/").partition("Needs me")[0]
    assert [text.index(f"Ada {family}") for family in ("First", "Second", "Third")] == sorted(
        text.index(f"Ada {family}") for family in ("First", "Second", "Third")
    )


@pytest.mark.parametrize(("day", "offered"), [(3, "start"), (17, "open")])
def test_only_an_infusion_of_today_is_offered_to_be_started(
    clinic: ClinicFixture, open_desk: OpenDesk, day: int, offered: str
) -> None:
    order = open_order(clinic)
    book(clinic, order, slot(local(11, day, 14)))
    nurse = open_desk(clinic, Role.CLINICIAN)
    nurse.get("/")
    assert (f"/orders/{order.id}#start" in nurse.page) == (offered == "start")


def test_chairs_are_added_taken_out_of_use_and_put_back(robin: Desk, clinic: ClinicFixture) -> None:
    assert "No chairs yet." in robin.get("/bookings")
    assert "The chair is added" in robin.post("/chairs", chair_name="Window")
    robin.post("/chairs", chair_name="window")
    assert (robin.status, "There is a chair of this name already." in robin.text) == (400, True)
    with clinic.transaction() as session:
        (window,) = bookings.chairs(session)
    assert "The chair is out of use" in robin.post(f"/chairs/{window.id}/out-of-use")
    assert "The chair is in use again" in robin.post(f"/chairs/{window.id}/in-use")
    book(clinic, open_order(clinic))
    robin.post(f"/chairs/{window.id}/out-of-use")
    assert (robin.status, "Bookings lie ahead on this chair" in robin.text) == (422, True)


def test_who_sees_no_work_sees_no_bookings(clinic: ClinicFixture, open_desk: OpenDesk, seat: Chair) -> None:
    made = book(clinic, open_order(clinic))
    for role in (Role.ADMIN, Role.AUDITOR):
        person = open_desk(clinic, role)
        for path in ("/bookings", f"/bookings/{made.id}", f"/bookings/new?order={made.order_id}"):
            person.get(path)
            assert person.status == 403, (role, path)


def test_what_is_not_there_is_no_page(
    robin: Desk, clinic: ClinicFixture, other_clinic: ClinicFixture
) -> None:
    theirs = book(other_clinic, open_order(other_clinic))
    for path in (
        "/bookings/nothing",
        f"/bookings/{theirs.id}",
        "/bookings/new",
        "/bookings/new?order=nothing",
    ):
        robin.get(path)
        assert robin.status == 404, path
    for path in (f"/bookings/{theirs.id}/cancel", "/bookings/nothing/move", "/chairs/nothing/in-use"):
        robin.get("/bookings")
        robin.post(path, {"reason": "patient-cancelled", **FORM})
        assert robin.status == 404, path
    assert stored(other_clinic, theirs) == theirs


def test_every_look_at_a_booking_is_on_record(robin: Desk, clinic: ClinicFixture, seat: Chair) -> None:
    made = book(clinic, open_order(clinic))
    robin.get(f"/bookings/{made.id}")
    robin.get("/bookings?day=2026-11-17")
    with clinic.transaction() as session:
        rows = [row for row in audit.find(session) if row.actor_id == robin.user_id]
    looks = {(row.subtype, row.entity, row.patient_id) for row in rows}
    assert ("booking", f"Appointment/{made.id}", made.patient_id) in looks
    assert ("list-bookings", f"Patient/{made.patient_id}", made.patient_id) in looks
