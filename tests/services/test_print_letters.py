"""Letters on paper: collected, joined, confirmed by a person, never twice."""

from __future__ import annotations

import io
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pikepdf
import pytest

from referral.channels import print_batch
from referral.channels.print_batch import PrintTransport, Sheets
from referral.domain.codes import Channel
from referral.domain.errors import Forbidden, NotFound, StaleVersion, TransitionRefused
from referral.domain.listing import View
from referral.domain.outgoing import MessageKind, MessageState
from referral.domain.records import Bar, Contact, Referral
from referral.letters.render import Renderer
from referral.services.close_referral import cancel_referral
from referral.services.deliver_messages import deliver_due
from referral.services.find_messages import list_messages
from referral.services.find_paper import find_batch, find_pile
from referral.services.find_today import find_today
from referral.services.move_ladder import pause_request
from referral.services.print_letters import (
    close_batch,
    confirm_mailed,
    make_batch,
    print_letters,
    print_one,
    put_back,
)
from referral.services.resend import resend
from referral.services.send_reminders import send_reminders
from referral.services.take_returned_letter import take_returned_letter
from referral.storage import audit, directory, documents, outbox, referrals, resources
from referral.storage.db import Session
from referral.storage.outbox import Message
from referral.storage.print_batches import PaperFate
from tests.database import NOW, ClinicFixture
from tests.letters import pdf
from tests.services import people
from tests.services.restoring import closed
from tests.services.sending import asked, delivery

BATCH = "0b5a9b3e-6c7a-4c55-9f0e-1f2d3c4b5a69"
LATER = NOW + timedelta(days=1, hours=2)
BY_POST = {"email": "", "fax": ""}


def deliver(clinic: ClinicFixture, renderer: Renderer, now: datetime = NOW) -> None:
    deliver_due(delivery(clinic, renderer, now, post=PrintTransport()), clinic.id)


def three(clinic: ClinicFixture, renderer: Renderer) -> list[Referral]:
    """Requests to clinicians who have nothing but a postal address, drawn and waiting for paper."""
    places = ("Denver, CO 80203", "Boston, MA 02114-1931", "Aurora, CO 80010")
    made = [
        asked(clinic, family=f"Clinician {n}", npi="", address=("22 Myrtle Street", place), **BY_POST)
        for n, place in enumerate(places)
    ]
    deliver(clinic, renderer)
    return made


@pytest.fixture
def letters(clinic: ClinicFixture, renderer: Renderer) -> list[Referral]:
    return three(clinic, renderer)


@pytest.fixture
def drawn(clinic: ClinicFixture, renderer: Renderer) -> list[Referral]:
    """For whoever looks at the pages."""
    return three(clinic, renderer)


def messages(clinic: ClinicFixture, referral: Referral) -> list[Message]:
    with clinic.transaction() as session:
        return outbox.find(session, referral_id=referral.id)


def printed(clinic: ClinicFixture, renderer: Renderer) -> bytes:
    with clinic.transaction() as session:
        make_batch(session, clinic.actor, BATCH, NOW)
    with clinic.transaction() as session:
        return print_letters(session, clinic.actor, BATCH, renderer, NOW)[1]


def confirm(clinic: ClinicFixture, now: datetime = LATER) -> int:
    with clinic.transaction() as session:
        return confirm_mailed(session, clinic.actor, BATCH, find_batch(session, BATCH).mark, now)


def test_a_letter_by_post_waits_for_a_person_and_is_not_delivered_yet(
    clinic: ClinicFixture, letters: list[Referral], renderer: Renderer
) -> None:
    (message,) = messages(clinic, letters[0])
    assert (message.channel, message.state) == (Channel.POST, MessageState.BY_HAND)
    deliver(clinic, renderer, NOW + timedelta(hours=3))
    assert messages(clinic, letters[0]) == [message]  # nobody claims it
    with clinic.transaction() as session:
        assert referrals.get(session, letters[0].id).delivered_at is None
        assert find_pile(session).count == 3
        status = resources.read(session, "Communication", str(message.id)).document["status"]
    assert status == "preparation"


def test_a_batch_is_a_list_and_the_letters_sorted_by_sheets_and_zip_each_on_its_own_sheet(
    clinic: ClinicFixture, drawn: list[Referral], renderer: Renderer
) -> None:
    whole = printed(clinic, renderer)
    assert pdf.problems(whole) == ""
    pages = [pdf.text(whole, n) for n in range(1, 9)]
    assert len(pikepdf.open(io.BytesIO(whole)).pages) == 8
    assert pages[1] == ""  # the back of the list
    assert [next(z for z in ("02114", "80010", "80203") if z in pages[n]) for n in (2, 4, 6)] == [
        "02114",
        "80010",
        "80203",
    ]
    order = [pages[0].index(f"Clinician {n}") for n in (1, 2, 0)]
    assert order == sorted(order)
    for words in ("Batch 1", "3 letters on 3 sheets", "02114-1931", drawn[0].number, "☐"):
        assert words in pages[0]


def test_the_list_names_no_patient_and_no_illness(
    clinic: ClinicFixture, drawn: list[Referral], renderer: Renderer
) -> None:
    top = pdf.text(printed(clinic, renderer), 1).casefold()
    for secret in ("maria", "nguy", "1986", "depress", "f33", "ketamine", "infusion", "patient", "psychiat"):
        assert secret not in top


def test_what_is_printed_twice_has_the_same_bytes_and_they_are_the_stored_ones(
    clinic: ClinicFixture, drawn: list[Referral], renderer: Renderer
) -> None:
    first = printed(clinic, renderer)
    assert printed(clinic, renderer) == first
    (message,) = messages(clinic, drawn[1])
    with clinic.transaction() as session:
        again = print_one(session, clinic.actor, BATCH, str(message.id))
        stored = documents.get(session, str(message.envelope_id))
        item = next(one.item for one in find_batch(session, BATCH).letters if one.message.id == message.id)
    assert again == stored.content
    assert item is not None
    assert item.sha256 == stored.sha256
    joined, alone = pikepdf.open(io.BytesIO(first)), pikepdf.open(io.BytesIO(again))
    assert joined.pages[2].Contents.read_bytes() == alone.pages[0].Contents.read_bytes()


def test_who_prints_sees_patients_and_that_is_on_record(
    clinic: ClinicFixture, letters: list[Referral], renderer: Renderer
) -> None:
    printed(clinic, renderer)
    with clinic.transaction() as session:
        for referral in letters:
            found = [row.subtype for row in audit.find(session, patient_id=referral.patient_id)]
            assert "print-batch" in found


def test_the_ladder_counts_from_the_day_that_the_letter_was_mailed(
    clinic: ClinicFixture, letters: list[Referral], renderer: Renderer
) -> None:
    printed(clinic, renderer)
    assert confirm(clinic) == 3
    (message,) = messages(clinic, letters[0])
    assert (message.state, message.sent_for_real) == (MessageState.ACCEPTED, True)
    assert message.provider_reference == "batch 1, letter 3"
    with clinic.transaction() as session:
        moved = referrals.get(session, letters[0].id)
        assert moved.delivered_at == moved.started_at == LATER
        assert moved.next_step_at == datetime(2026, 11, 6, 16, 0, tzinfo=UTC)  # Wednesday and two days
        events = [event.event for event in referrals.events(session, letters[0].id)]
        assert events[-2:] == ["sent", "mailed"]
        disclosed = [r.subtype for r in audit.find(session, patient_id=letters[0].patient_id)]
        assert "disclose" in disclosed
        assert find_batch(session, BATCH).batch.closed_at == LATER
        assert find_pile(session).count == 0


def test_a_second_click_makes_no_second_batch_and_mails_nothing_again(
    clinic: ClinicFixture, letters: list[Referral], renderer: Renderer
) -> None:
    with clinic.transaction() as session:
        first = make_batch(session, clinic.actor, BATCH, NOW)
        assert make_batch(session, clinic.actor, BATCH, NOW) == first
    with clinic.transaction() as session, pytest.raises(TransitionRefused, match="Nothing waits"):
        make_batch(session, clinic.actor, BATCH.replace("0b", "1b"), NOW)
    printed(clinic, renderer)
    confirm(clinic)
    with pytest.raises(TransitionRefused):
        confirm(clinic, LATER + timedelta(minutes=1))
    (message,) = messages(clinic, letters[0])
    assert message.finished_at == LATER


def test_two_clicks_at_the_same_moment_put_a_letter_into_one_batch(
    clinic: ClinicFixture, letters: list[Referral]
) -> None:
    gate, ends = threading.Barrier(2), []

    def click(id: str) -> None:
        gate.wait()
        try:
            with clinic.transaction() as session:
                ends.append(make_batch(session, clinic.actor, id, NOW).number)
        except TransitionRefused:
            ends.append(0)

    threads = [threading.Thread(target=click, args=(BATCH.replace("0b", f"{n}b"),)) for n in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == [0, 1]


def answer(clinic: ClinicFixture, referral: Referral) -> None:
    with clinic.transaction() as session:
        people.respond_with(session, clinic, referral)


def test_what_was_answered_before_printing_is_not_printed(
    clinic: ClinicFixture, drawn: list[Referral], renderer: Renderer
) -> None:
    answer(clinic, drawn[0])
    whole = printed(clinic, renderer)
    assert drawn[0].number not in pdf.text(whole)
    assert len(pikepdf.open(io.BytesIO(whole)).pages) == 6


def test_what_was_answered_between_batch_and_print_is_left_out_and_shown_as_taken_out(
    clinic: ClinicFixture, drawn: list[Referral], renderer: Renderer
) -> None:
    with clinic.transaction() as session:
        make_batch(session, clinic.actor, BATCH, NOW)
    answer(clinic, drawn[1])
    with clinic.transaction() as session:
        taken = [one.referral.id for one in find_batch(session, BATCH).letters if one.taken_out]
    assert taken == [drawn[1].id]
    assert drawn[1].number not in pdf.text(printed(clinic, renderer))


def test_what_was_answered_after_printing_is_taken_out_and_never_called_mailed(
    clinic: ClinicFixture, letters: list[Referral], renderer: Renderer
) -> None:
    printed(clinic, renderer)
    with clinic.transaction() as session:
        shown = find_batch(session, BATCH).mark
    with clinic.transaction() as session:
        cancel_referral(session, clinic.actor, letters[2].id, letters[2].version, "wrong-clinician", NOW)
    with clinic.transaction() as session, pytest.raises(StaleVersion, match="has changed"):
        confirm_mailed(session, clinic.actor, BATCH, shown, LATER)
    (message,) = messages(clinic, letters[2])
    assert message.state is MessageState.CANCELLED
    with clinic.transaction() as session, pytest.raises(TransitionRefused):
        print_one(session, clinic.actor, BATCH, str(message.id))
    assert confirm(clinic) == 2
    with clinic.transaction() as session:
        found = find_batch(session, BATCH)
        fates = {one.referral.id: one.item.fate for one in found.letters if one.item}
    assert fates[letters[2].id] is PaperFate.TAKEN_OUT
    assert sorted(fates.values()) == [PaperFate.MAILED, PaperFate.MAILED, PaperFate.TAKEN_OUT]
    assert found.batch.closed_at == LATER


def test_a_batch_of_which_nothing_is_left_is_closed_by_hand(
    clinic: ClinicFixture, letters: list[Referral], renderer: Renderer
) -> None:
    printed(clinic, renderer)
    with clinic.transaction() as session, pytest.raises(TransitionRefused, match="still wait"):
        close_batch(session, clinic.actor, BATCH, LATER)
    for referral in letters:
        answer(clinic, referral)
    with pytest.raises(TransitionRefused, match="Nothing of this batch"):
        confirm(clinic)
    with clinic.transaction() as session:
        close_batch(session, clinic.actor, BATCH, LATER)
        assert find_batch(session, BATCH).batch.closed_at == LATER


def test_what_was_not_mailed_comes_with_the_next_batch(
    clinic: ClinicFixture, letters: list[Referral], renderer: Renderer
) -> None:
    printed(clinic, renderer)
    (message,) = messages(clinic, letters[1])
    with clinic.transaction() as session:
        put_back(session, clinic.actor, BATCH, str(message.id), NOW)
        assert [one.message.id for one in find_pile(session).letters] == [message.id]
    assert confirm(clinic) == 2
    with clinic.transaction() as session:
        assert referrals.get(session, letters[1].id).delivered_at is None
        next_one = make_batch(session, clinic.actor, BATCH.replace("0b", "1b"), LATER)
        assert next_one.number == 2
        assert [one.referral.id for one in find_batch(session, next_one.id).letters] == [letters[1].id]


def test_nothing_is_called_mailed_before_it_was_printed(
    clinic: ClinicFixture, letters: list[Referral]
) -> None:
    with clinic.transaction() as session:
        make_batch(session, clinic.actor, BATCH, NOW)
    with pytest.raises(TransitionRefused, match="has not been printed"):
        confirm(clinic)


def test_another_clinics_batch_is_not_there(
    clinic: ClinicFixture, other_clinic: ClinicFixture, letters: list[Referral], renderer: Renderer
) -> None:
    printed(clinic, renderer)
    (message,) = messages(clinic, letters[0])
    with other_clinic.transaction() as session:
        actor = other_clinic.actor
        for act in (
            lambda: find_batch(session, BATCH),
            lambda: print_letters(session, actor, BATCH, renderer, NOW),
            lambda: print_one(session, actor, BATCH, str(message.id)),
            lambda: confirm_mailed(session, actor, BATCH, "", NOW),
            lambda: put_back(session, actor, BATCH, str(message.id), NOW),
            lambda: find_batch(session, "no-such-batch"),
        ):
            with pytest.raises(NotFound):
                act()
        assert find_pile(session).count == 0


def test_a_reminder_on_paper_stops_when_the_request_is_answered(
    clinic: ClinicFixture, letters: list[Referral], renderer: Renderer
) -> None:
    printed(clinic, renderer)
    confirm(clinic)
    with clinic.transaction() as session:
        due = referrals.get(session, letters[0].id).next_step_at
        assert due is not None
        send_reminders(session, due)
    deliver(clinic, renderer, due)
    answer(clinic, letters[0])
    states = {m.kind: m.state for m in messages(clinic, letters[0])}
    assert states[MessageKind.REMINDER] is MessageState.CANCELLED


def test_a_reminder_on_paper_that_was_stopped_before_it_was_mailed_comes_later(
    clinic: ClinicFixture, letters: list[Referral], renderer: Renderer
) -> None:
    """It lay with the letters to print when the request was paused: the rung is climbed once more."""
    printed(clinic, renderer)
    confirm(clinic)
    with clinic.transaction() as session:
        due = referrals.get(session, letters[0].id).next_step_at
        assert due is not None
        send_reminders(session, due)
    deliver(clinic, renderer, due)
    with clinic.transaction() as session:
        before = referrals.get(session, letters[0].id)
        until = (due + timedelta(days=6)).date()
        pause_request(session, clinic.actor, before.id, before.version, until, due)
        after = referrals.get(session, letters[0].id)
    states = {m.kind: m.state for m in messages(clinic, letters[0])}
    assert states[MessageKind.REMINDER] is MessageState.CANCELLED
    assert (before.climbed, after.climbed) == (1, 0)


def test_what_waits_for_a_printer_is_not_counted_as_on_its_way(
    clinic: ClinicFixture, letters: list[Referral]
) -> None:
    with clinic.transaction() as session:
        board = find_today(session, clinic.actor, NOW.date(), NOW)
        listed = list_messages(session, clinic.actor, View(filters={"state": "waiting"}), NOW).rows
        to_print = list_messages(session, clinic.actor, View(filters={"state": "print"}), NOW).rows
    assert (board.waiting.letters, board.messages_waiting) == (len(letters), 0)
    assert (len(listed), len(to_print)) == (0, len(letters))


def notice_and_thanks(
    clinic: ClinicFixture, letters: list[Referral], renderer: Renderer
) -> tuple[Message, Message]:
    """One request is cancelled and one answered after their letters were mailed: what follows by post."""
    printed(clinic, renderer)
    confirm(clinic)
    with clinic.transaction() as session:
        current = referrals.get(session, letters[0].id)
        cancel_referral(session, clinic.actor, current.id, current.version, "not-needed", LATER)
    answer(clinic, letters[1])
    deliver(clinic, renderer, LATER)
    (notice,) = (m for m in messages(clinic, letters[0]) if m.kind is MessageKind.CANCELLED)
    (thanks,) = (m for m in messages(clinic, letters[1]) if m.kind is MessageKind.THANK_YOU)
    return notice, thanks


def test_notices_and_records_by_post_have_an_address_for_the_window(
    clinic: ClinicFixture, letters: list[Referral], renderer: Renderer
) -> None:
    notice, thanks = notice_and_thanks(clinic, letters, renderer)
    with clinic.transaction() as session:
        told = documents.get(session, str(notice.envelope_id)).content
        record = documents.get(session, str(thanks.envelope_id)).content
    assert notice.state is thanks.state is MessageState.BY_HAND
    first = pdf.text(told)
    assert "Attn Chidi Clinician 0, MD, personal" in first
    assert "No answer needed any more" in first
    assert "Maria" not in first
    assert "Boston, MA 02114-1931" in pdf.text(record, 1)
    assert pdf.text(record, 2) == ""
    assert "Record of an answer" in pdf.text(record, 3)
    assert pdf.problems(record) == ""


def test_what_repeats_an_answer_is_batched_apart_and_printed_by_who_may_read_it(
    clinic: ClinicFixture, letters: list[Referral], renderer: Renderer
) -> None:
    notice, thanks = notice_and_thanks(clinic, letters, renderer)
    ours, theirs = BATCH.replace("0b", "1b"), BATCH.replace("0b", "2b")
    with clinic.transaction() as session:
        pile = find_pile(session)
        assert ([one.message.id for one in pile.letters], pile.count) == ([notice.id], 1)
        assert ([one.message.id for one in pile.answers], pile.answers_count) == ([thanks.id], 1)
        make_batch(session, clinic.actor, ours, LATER)
        make_batch(session, clinic.actor, theirs, LATER, narrative=True)
        assert [one.message.id for one in find_batch(session, ours).letters] == [notice.id]
        assert [one.message.id for one in find_batch(session, theirs).letters] == [thanks.id]
        assert find_batch(session, theirs).narrative
    with clinic.transaction() as session:
        for act in (
            lambda: print_letters(session, clinic.actor, theirs, renderer, LATER),
            lambda: print_one(session, clinic.actor, theirs, str(thanks.id)),
        ):
            with pytest.raises(Forbidden):
                act()
    with clinic.transaction() as session:
        _, whole = print_letters(session, clinic.actor, theirs, renderer, LATER, may_read_answers=True)
        one = print_one(session, clinic.actor, theirs, str(thanks.id), may_read_answers=True)
        assert one.startswith(b"%PDF")
        assert whole.startswith(b"%PDF")
        assert print_letters(session, clinic.actor, ours, renderer, LATER)[1].startswith(b"%PDF")


def test_a_letter_that_comes_back_is_sent_by_another_channel(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic, email="", fax="")
    deliver(clinic, renderer)
    printed(clinic, renderer)
    (letter,) = messages(clinic, referral)
    with clinic.transaction() as session, pytest.raises(TransitionRefused, match="was not mailed"):
        take_returned_letter(session, clinic.actor, BATCH, str(letter.id), LATER)
    confirm(clinic)
    with clinic.transaction() as session:
        found = Contact(
            id="fax-found-later", channel=Channel.FAX, address="+13035550120", source="front-desk"
        )
        directory.add_contact(session, referral.clinician_id, found, None)
    with clinic.transaction() as session:
        take_returned_letter(session, clinic.actor, BATCH, str(letter.id), LATER)
    with clinic.transaction() as session:
        contacts = directory.get_clinician(session, referral.clinician_id).contacts
        assert next(c for c in contacts if c.channel is Channel.POST).barred_for is Bar.BAD_ADDRESS
        assert [one.returned for one in find_batch(session, BATCH).letters] == [True]
        assert "failed-after-all" in [event.event for event in referrals.events(session, referral.id)]
    with clinic.transaction() as session, pytest.raises(TransitionRefused, match="come back before"):
        take_returned_letter(session, clinic.actor, BATCH, str(letter.id), LATER)
    assert [m.channel for m in messages(clinic, referral) if m.state is MessageState.QUEUED] == [Channel.FAX]


def test_staff_send_again_by_post(clinic: ClinicFixture, letters: list[Referral], renderer: Renderer) -> None:
    printed(clinic, renderer)
    confirm(clinic)
    with clinic.transaction() as session:
        current = referrals.get(session, letters[0].id)
        resend(session, clinic.actor, current.id, current.version, "post", LATER)
    deliver(clinic, renderer, LATER)
    with clinic.transaction() as session:
        assert [one.referral.id for one in find_pile(session).letters] == [letters[0].id]


def test_sheets_come_before_zip_and_a_letter_without_zip_comes_last() -> None:
    given = [
        Sheets("a", 3, "02114"),
        Sheets("b", 2, ""),
        Sheets("c", 1, "80203"),
        Sheets("d", 2, "80010-1234"),
        Sheets("e", 4, "02114"),
        Sheets("f", 2, "80010-0001"),
    ]
    assert [one.key for one in print_batch.in_mailing_order(given)] == ["f", "d", "c", "b", "a", "e"]


@pytest.mark.parametrize(
    ("address", "zip_code"),
    [
        ("22 Myrtle Street Boston, MA 02114-1931", "02114-1931"),
        ("12345 Long Road Aurora, CO 80010", "80010"),
        ("Somewhere", ""),
        ("100200 Road", ""),
    ],
)
def test_a_zip_is_the_last_of_its_address(address: str, zip_code: str) -> None:
    assert print_batch.postal_code(address) == zip_code


def test_five_hundred_letters_are_joined_in_a_few_seconds(
    clinic: ClinicFixture, drawn: list[Referral]
) -> None:
    """About one second of a quiet core; the bound leaves room for a machine that is shared."""
    (message,) = messages(clinic, drawn[0])
    with clinic.transaction() as session:
        stored = documents.get(session, str(message.envelope_id)).content
    started = time.process_time()
    joined = print_batch.join([stored] * 500, "Batch")
    assert time.process_time() - started < 6
    assert print_batch.count_pages(joined) == 1000


def test_nothing_is_printed_after_a_restore_before_the_clinic_is_reopened(
    clinic: ClinicFixture, letters: list[Referral], renderer: Renderer
) -> None:
    """What a backup says waits for paper may be in the mail since."""
    printed(clinic, renderer)
    (message,) = messages(clinic, letters[0])
    tries: list[Callable[[Session], object]] = [
        lambda s: make_batch(s, clinic.actor, str(uuid.uuid4()), NOW),
        lambda s: print_letters(s, clinic.actor, BATCH, renderer, NOW),
        lambda s: print_one(s, clinic.actor, BATCH, str(message.id)),
    ]
    with closed(clinic):
        for attempt in tries:
            with clinic.transaction() as session, pytest.raises(TransitionRefused, match="after a restore"):
                attempt(session)
    with clinic.transaction() as session:
        assert print_one(session, clinic.actor, BATCH, str(message.id)).startswith(b"%PDF")
