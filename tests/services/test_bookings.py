"""Bookings that follow the gate: confirmed, tentative, released, moved, fulfilled; never double."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from referral.domain.booking import ORDER_ENDED, RELEASED, Booking, BookingStatus
from referral.domain.errors import (
    GateClosed,
    InvalidInput,
    NotFound,
    SlotTaken,
    StaleVersion,
    TransitionRefused,
)
from referral.services.book_chair import NewBooking, book_chair, move_booking
from referral.services.end_booking import end_booking, take_note
from referral.services.judge_recommendation import revoke_recommendation
from referral.services.keep_chairs import add_chair, set_chair
from referral.services.refresh_gate import refresh_gate
from referral.services.treat import record_consultation, start_treatment
from referral.storage import audit, bookings, orders, resources, tables
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.services.bookings import (
    RELEASE,
    START,
    add_indication,
    book,
    chair,
    closed_order,
    end,
    local,
    open_order,
    open_up,
    published,
    slot,
    stored,
    sweep,
)
from tests.storage import emergency

WEEKS = timedelta(days=14)


def subtypes(clinic: ClinicFixture, booking: Booking) -> list[str]:
    """What was done with it, oldest first."""
    with clinic.transaction() as session:
        rows = audit.find(session, entity=f"Appointment/{booking.id}")
    assert {row.patient_id for row in rows} == {booking.patient_id}
    return [row.subtype for row in sorted(rows, key=lambda row: row.id)]


# ---- Confirmed or tentative


def test_a_booking_is_confirmed_while_the_gate_is_open(clinic: ClinicFixture) -> None:
    seat = chair(clinic)
    made = book(clinic, open_order(clinic))
    assert (made.status, made.release_at, made.chair_id) == (BookingStatus.BOOKED, None, seat.id)
    document = published(clinic, made)
    assert document["status"] == "booked"
    assert (document["start"], document["end"]) == ("2026-11-17T16:00:00.000Z", "2026-11-17T18:00:00.000Z")
    assert document["participant"] == [
        {"actor": {"reference": f"Patient/{made.patient_id}"}, "status": "accepted"},
        {"actor": {"reference": f"Location/{seat.id}"}, "status": "accepted"},
    ]
    assert "extension" not in document
    assert subtypes(clinic, made) == ["booking-made"]


def test_a_tentative_booking_confirms_itself_in_the_transaction_that_opens_the_gate(
    clinic: ClinicFixture,
) -> None:
    order = closed_order(clinic)
    made = book(clinic, order)
    assert (made.status, made.release_at) == (BookingStatus.PENDING, RELEASE)
    document = published(clinic, made)
    assert document["status"] == "pending"
    assert "2026-11-14T00:00:00.000Z" in str(document["extension"])
    with clinic.transaction() as session:
        record_consultation(session, clinic.actor, order.id, NOW - timedelta(days=1), NOW)
        assert bookings.get(session, made.id).status is BookingStatus.BOOKED
    after = stored(clinic, made)
    assert (after.status, after.release_at, after.version) == (BookingStatus.BOOKED, None, 2)
    document = published(clinic, made)
    assert document["status"] == "booked"
    assert "extension" not in document
    assert subtypes(clinic, made) == ["booking-made", "booking-confirmed"]
    assert sweep(clinic, RELEASE + timedelta(days=1)) == 0
    assert stored(clinic, made) == after


def test_an_answer_confirms_and_a_void_makes_tentative_again(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        record_consultation(session, clinic.actor, referral.order_id, NOW - timedelta(days=1), NOW)
        order = orders.get(session, referral.order_id)
    made = book(clinic, order)
    assert made.status is BookingStatus.PENDING
    with clinic.transaction() as session:
        people.respond_with(session, clinic, referral)
    assert stored(clinic, made).status is BookingStatus.BOOKED
    with clinic.transaction() as session:
        revoke_recommendation(session, people.director(clinic), referral.id, reason="By telephone.", now=NOW)
    after = stored(clinic, made)
    assert (after.status, after.release_at) == (BookingStatus.PENDING, RELEASE)
    assert sweep(clinic, RELEASE) == 1


def test_a_tentative_booking_is_released_at_its_time_and_waits_for_a_person(clinic: ClinicFixture) -> None:
    chair(clinic)
    made = book(clinic, closed_order(clinic))
    assert sweep(clinic, RELEASE - timedelta(seconds=1)) == 0
    assert stored(clinic, made).status is BookingStatus.PENDING
    assert sweep(clinic, RELEASE) == 1
    assert sweep(clinic, RELEASE) == 0
    after = stored(clinic, made)
    assert (after.status, after.reason, after.release_at) == (BookingStatus.CANCELLED, RELEASED, None)
    document = published(clinic, made)
    assert document["status"] == "cancelled"
    assert "Released: the gate did not open in time" in str(document["cancelationReason"])
    assert subtypes(clinic, made) == ["booking-made", "booking-released"]
    with clinic.transaction() as session:
        assert [row.id for row in bookings.unnoted_releases(session, 9)] == [made.id]
        take_note(session, clinic.actor, made.id, RELEASE)
        take_note(session, clinic.actor, made.id, RELEASE)
        assert bookings.unnoted_releases(session, 9) == []
    # The chair is free again.
    assert book(clinic, open_order(clinic)).status is BookingStatus.BOOKED


def test_whoever_books_again_has_taken_note_of_the_release(clinic: ClinicFixture) -> None:
    order = closed_order(clinic)
    book(clinic, order)
    assert sweep(clinic, RELEASE) == 1
    book(clinic, order, slot(START + timedelta(days=14)), RELEASE)
    with clinic.transaction() as session:
        assert bookings.unnoted_releases(session, 9) == []


def test_the_sweep_confirms_what_opened_unnoticed_and_releases_nothing_of_it(clinic: ClinicFixture) -> None:
    order = closed_order(clinic)
    made = book(clinic, order)
    open_up(clinic, order)
    with clinic.transaction() as session:
        row = {"status": "pending", "release_at": RELEASE}
        session.connection.execute(update(tables.booking).values(row))
    assert sweep(clinic, RELEASE) == 0
    assert stored(clinic, made).status is BookingStatus.BOOKED


def test_the_sweep_makes_tentative_what_stayed_confirmed_behind_a_closed_gate(clinic: ClinicFixture) -> None:
    made = book(clinic, closed_order(clinic))
    with clinic.transaction() as session:
        session.connection.execute(update(tables.booking).values(status="booked", release_at=None))
    assert sweep(clinic, NOW) == 0
    after = stored(clinic, made)
    assert (after.status, after.release_at) == (BookingStatus.PENDING, RELEASE)


def test_one_order_in_trouble_holds_up_no_other(clinic: ClinicFixture) -> None:
    healthy, order = book(clinic, closed_order(clinic)), closed_order(clinic)
    with clinic.transaction() as session:
        row = replace(healthy, id="unpublished", order_id=order.id, patient_id=order.patient_id)
        bookings.add(session, replace(row, release_at=RELEASE - timedelta(hours=1)))
    assert sweep(clinic, RELEASE) == 1
    assert stored(clinic, healthy).status is BookingStatus.CANCELLED
    with clinic.transaction() as session:
        assert bookings.get(session, "unpublished").status is BookingStatus.PENDING


def test_a_gate_that_closes_late_keeps_the_chair_until_the_close_of_business(clinic: ClinicFixture) -> None:
    """One more indication, not classified, the day before: it may be mended within the day."""
    order = open_order(clinic)
    made = book(clinic, order)
    monday = local(11, 16, 10)
    add_indication(clinic, order.id, monday)
    after = stored(clinic, made)
    assert (after.status, after.release_at) == (BookingStatus.PENDING, local(11, 16, 17))
    assert sweep(clinic, local(11, 16, 16, 59)) == 0
    assert sweep(clinic, local(11, 16, 17)) == 1


def test_a_gate_that_closes_on_the_morning_keeps_the_chair_until_the_infusion(clinic: ClinicFixture) -> None:
    order = open_order(clinic)
    made = book(clinic, order)
    add_indication(clinic, order.id, local(11, 17, 8, 30))
    assert stored(clinic, made).release_at == START
    assert sweep(clinic, START) == 1


def test_what_has_begun_is_not_made_tentative(clinic: ClinicFixture) -> None:
    order = open_order(clinic)
    made = book(clinic, order)
    add_indication(clinic, order.id, START + timedelta(minutes=5))
    assert stored(clinic, made) == made


# ---- What is refused


def test_a_tentative_booking_inside_the_two_business_days_is_refused(clinic: ClinicFixture) -> None:
    order = closed_order(clinic)
    with pytest.raises(TransitionRefused, match="less than two business days ahead") as refused:
        book(clinic, order, now=RELEASE)
    assert refused.value.expression == ("Appointment.start",)
    assert book(clinic, order, now=RELEASE - timedelta(seconds=1)).status is BookingStatus.PENDING
    assert book(clinic, open_order(clinic), now=START - timedelta(hours=1)).status is BookingStatus.BOOKED


def test_what_has_to_be_confirmed_is_refused_with_the_reasons_of_the_gate(clinic: ClinicFixture) -> None:
    with pytest.raises(GateClosed) as refused:
        book(clinic, closed_order(clinic), replace(slot(), confirmed=True))
    assert refused.value.issues[0].expression == ("Appointment.status",)
    assert "The initial consultation has not been recorded." in str(refused.value)


@pytest.mark.parametrize(
    ("starts_at", "hours", "words"),
    [
        (NOW, 2, "This time has passed"),
        (START, 0, "The end has to come after the start"),
        (START, -1, "The end has to come after the start"),
        (START, 13, "at most 12 hours"),
        (NOW + timedelta(days=731), 2, "more than two years ahead"),
    ],
)
def test_impossible_times_are_refused(
    clinic: ClinicFixture, starts_at: datetime, hours: float, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        book(clinic, open_order(clinic), slot(starts_at, hours))


def test_an_order_that_has_ended_books_nothing_and_lets_its_chairs_go(clinic: ClinicFixture) -> None:
    order = open_order(clinic)
    made = book(clinic, order)
    with clinic.transaction() as session:
        orders.set_status(session, order.id, "revoked")
    with pytest.raises(TransitionRefused, match="has ended"):
        book(clinic, order, slot(START + timedelta(days=1)))
    sweep(clinic, NOW)
    after = stored(clinic, made)
    assert (after.status, after.reason) == (BookingStatus.CANCELLED, ORDER_ENDED)


def test_a_chair_and_a_patient_are_booked_once_at_a_time(clinic: ClinicFixture) -> None:
    first, second = chair(clinic, "Chair 1"), chair(clinic, "Chair 2")
    order = open_order(clinic)
    book(clinic, order, slot(chair=first))
    with pytest.raises(SlotTaken, match="This chair is taken") as refused:
        book(clinic, open_order(clinic), slot(START + timedelta(hours=1), chair=first))
    assert refused.value.expression == "Appointment.participant"
    with pytest.raises(SlotTaken, match="another booking at that time") as refused:
        book(clinic, order, slot(START + timedelta(hours=1), chair=second))
    assert refused.value.expression == "Appointment.start"
    assert book(clinic, open_order(clinic)).chair_id == second.id
    with pytest.raises(SlotTaken, match="Every chair is taken"):
        book(clinic, open_order(clinic))
    # One ends when the next begins.
    assert (
        book(clinic, open_order(clinic), slot(START + timedelta(hours=2), chair=first)).chair_id == first.id
    )


def test_a_chair_out_of_use_takes_no_bookings_and_one_that_is_needed_stays(clinic: ClinicFixture) -> None:
    first, second = chair(clinic, "Chair 1"), chair(clinic, "Chair 2")
    order = open_order(clinic)
    made = book(clinic, order, slot(chair=first))
    with clinic.transaction() as session:
        set_chair(session, clinic.actor, second.id, NOW, active=False)
        with pytest.raises(TransitionRefused, match="lie ahead"):
            set_chair(session, clinic.actor, first.id, NOW, active=False)
        assert resources.read(session, "Location", second.id).document["status"] == "inactive"
    with pytest.raises(InvalidInput, match="not in use"):
        book(clinic, open_order(clinic), slot(chair=second))
    with pytest.raises(SlotTaken):
        book(clinic, open_order(clinic))
    with clinic.transaction() as session:
        set_chair(session, clinic.actor, first.id, made.ends_at, active=False)
        set_chair(session, clinic.actor, second.id, NOW, active=True)
        set_chair(session, clinic.actor, second.id, NOW, active=True)
        with pytest.raises(NotFound):
            set_chair(session, clinic.actor, "nothing", NOW, active=True)
        for name in (" chair  2 ", "", "x" * 41):
            with pytest.raises(InvalidInput):
                add_chair(session, clinic.actor, name, NOW)
    assert book(clinic, open_order(clinic)).chair_id == second.id


def test_one_clinic_neither_sees_nor_blocks_another(
    clinic: ClinicFixture, other_clinic: ClinicFixture
) -> None:
    made = book(clinic, open_order(clinic))
    with other_clinic.transaction() as session:
        assert bookings.between(session, START - timedelta(days=9), START + timedelta(days=9)) == []
        with pytest.raises(NotFound):
            end_booking(
                session, other_clinic.actor, made.id, None, BookingStatus.CANCELLED, "patient-cancelled", NOW
            )
    their_chair = chair(other_clinic)
    with pytest.raises(InvalidInput, match="not in use"):
        book(clinic, open_order(clinic), slot(chair=their_chair))


# ---- Moved, cancelled, missed, fulfilled


def test_a_booking_is_moved_under_the_rules_of_a_new_one(clinic: ClinicFixture) -> None:
    first, second = chair(clinic, "Chair 1"), chair(clinic, "Chair 2")
    taken = book(clinic, open_order(clinic), slot(chair=first))
    order = closed_order(clinic)
    made = book(clinic, order, slot(chair=second))
    with clinic.transaction() as session, pytest.raises(SlotTaken):
        move_booking(session, clinic.actor, made.id, 1, slot(START + timedelta(hours=1), chair=first), NOW)
    with clinic.transaction() as session, pytest.raises(TransitionRefused, match="two business days"):
        move_booking(session, clinic.actor, made.id, 1, slot(NOW + timedelta(hours=4)), NOW)
    with clinic.transaction() as session:
        to = slot(local(11, 30, 9))  # the Monday after Thanksgiving
        moved = move_booking(session, clinic.actor, made.id, 1, to, NOW)
    assert (moved.chair_id, moved.starts_at, moved.version) == (second.id, to.starts_at, 2)
    assert moved.release_at == local(11, 25, 17)
    assert published(clinic, made)["start"] == "2026-11-30T16:00:00.000Z"
    with clinic.transaction() as session, pytest.raises(StaleVersion):
        move_booking(session, clinic.actor, made.id, 1, slot(chair=first), NOW)
    # Longer, over the place that it has itself.
    with clinic.transaction() as session:
        longer = move_booking(session, clinic.actor, taken.id, None, slot(hours=3, chair=first), NOW)
    assert longer.ends_at == START + timedelta(hours=3)


def test_a_cancelled_booking_says_why_and_frees_the_chair(clinic: ClinicFixture) -> None:
    chair(clinic)
    made = book(clinic, open_order(clinic))
    with clinic.transaction() as session:
        for reason in ("", "  ", "released", "order-ended"):
            with pytest.raises(InvalidInput):
                end(session, clinic, made, BookingStatus.CANCELLED, reason)
        ended = end(session, clinic, made, BookingStatus.CANCELLED, "She  is ill")
        assert end(session, clinic, made, BookingStatus.CANCELLED, "again") == ended
    assert published(clinic, made)["cancelationReason"] == {"text": "She is ill"}
    assert book(clinic, open_order(clinic)).status is BookingStatus.BOOKED
    with clinic.transaction() as session, pytest.raises(TransitionRefused, match="cannot be moved"):
        move_booking(session, clinic.actor, made.id, None, slot(START + timedelta(days=1)), NOW)


def test_nobody_has_missed_what_has_not_begun(clinic: ClinicFixture) -> None:
    made = book(clinic, open_order(clinic))
    with clinic.transaction() as session:
        with pytest.raises(TransitionRefused, match="has not come yet"):
            end(session, clinic, made, BookingStatus.NO_SHOW, "", START - timedelta(seconds=1))
        assert end(session, clinic, made, BookingStatus.NO_SHOW, "", START).status is BookingStatus.NO_SHOW
    assert published(clinic, made)["status"] == "noshow"


def test_a_start_fulfils_the_booking_of_its_day_and_no_other(clinic: ClinicFixture) -> None:
    order = open_order(clinic)
    today = book(clinic, order, slot(NOW + timedelta(hours=1)))
    later = book(clinic, order, slot(NOW + timedelta(hours=6), 1))
    tomorrow = book(clinic, order, slot(NOW + timedelta(days=1)))
    with clinic.transaction() as session:
        start_treatment(session, clinic.actor, order.id, order.patient_id, NOW + timedelta(minutes=50))
    assert stored(clinic, today).status is BookingStatus.FULFILLED
    assert published(clinic, today)["status"] == "fulfilled"
    assert (stored(clinic, later), stored(clinic, tomorrow)) == (later, tomorrow)
    with clinic.transaction() as session, pytest.raises(TransitionRefused, match="treatment has begun"):
        end(session, clinic, today, BookingStatus.CANCELLED, "patient-cancelled")


def test_a_second_click_books_once(clinic: ClinicFixture) -> None:
    order = open_order(clinic)
    new = NewBooking(order_id=order.id, slot=slot(), id="one-click")
    for _ in range(2):
        with clinic.transaction() as session:
            assert book_chair(session, clinic.actor, new, NOW).version == 1
    with clinic.transaction() as session:
        assert len(bookings.of_order(session, order.id)) == 1


def test_emergency_access_confirms_nothing_and_its_start_fulfils_the_booking_of_the_day(
    clinic: ClinicFixture,
) -> None:
    now = datetime.now(UTC)  # who gives emergency access, and when, is by the clock of the database
    with clinic.transaction() as session:
        emergency.allow(session)
        order = people.order(session, clinic, people.patient(session, clinic))
        record_consultation(session, clinic.actor, order.id, now, now)
    with clinic.transaction() as session:
        soon = book_chair(session, clinic.actor, NewBooking(order_id=order.id, slot=slot(now + WEEKS)), now)
        emergency.give(session, clinic, order)
        assert refresh_gate(session, clinic.actor, order.id, now).open
    assert stored(clinic, soon).status is BookingStatus.PENDING
    later = replace(slot(now + 2 * WEEKS), confirmed=True)
    with clinic.transaction() as session, pytest.raises(GateClosed, match="Emergency access"):
        book_chair(session, clinic.actor, NewBooking(order_id=order.id, slot=later), now)
    with clinic.transaction() as session:
        start_treatment(session, clinic.actor, order.id, order.patient_id, soon.starts_at)
    assert stored(clinic, soon).status is BookingStatus.FULFILLED
