"""Which contact is tried first: what worked, what failed, and for how long that counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.domain import contacts
from referral.domain.calendar import BusinessCalendar
from referral.domain.codes import Channel
from referral.domain.contacts import Health
from referral.domain.outgoing import MessageKind
from referral.domain.records import Bar, Contact, Experience, Lesson
from referral.domain.reminders import Rung, Step

NOW = datetime(2026, 11, 3, 17, 0, tzinfo=UTC)
_WRITTEN = (Channel.EMAIL, Channel.FAX, Channel.SMS, Channel.POST)


def had(lesson: Lesson, days_ago: float = 0, hours: float | None = None) -> Experience:
    return Experience(
        message_id=f"{lesson}-{days_ago}", lesson=lesson, at=NOW - timedelta(days=days_ago), hours=hours
    )


def answered(days_ago: float = 0, hours: float = 9) -> Experience:
    return had(Lesson.ANSWERED, days_ago, hours)


def contact(channel: Channel, *experience: Experience, verified: bool = False, **more: object) -> Contact:
    values: dict[str, object] = {"id": str(channel), "channel": channel, "address": "x", "source": "test"}
    values |= {"experience": experience, "verified_at": NOW if verified else None} | more
    return Contact(**values)  # type: ignore[arg-type]


EMAIL, FAX, POST = Channel.EMAIL, Channel.FAX, Channel.POST
SENT, DELIVERED, FAILED = Lesson.SENT, Lesson.DELIVERED, Lesson.FAILED

_ORDERS = {
    "nothing known: the quicker channel": ((contact(FAX), contact(EMAIL)), EMAIL),
    "verified before unverified": ((contact(EMAIL), contact(FAX, verified=True)), FAX),
    "what answered before what is verified": ((contact(EMAIL, verified=True), contact(FAX, answered())), FAX),
    "what answered before what only arrived": (
        (contact(EMAIL, had(DELIVERED), had(DELIVERED, 1), had(DELIVERED, 2)), contact(FAX, answered(30))),
        FAX,
    ),
    "the quicker answer": ((contact(EMAIL, answered(hours=40)), contact(FAX, answered(hours=2))), FAX),
    "a relay's word is less than a verification": (
        (contact(EMAIL, had(SENT)), contact(FAX, verified=True)),
        FAX,
    ),
    "what failed after what is unknown": ((contact(EMAIL, had(FAILED), verified=True), contact(FAX)), FAX),
    "one failure after two answers is forgiven": (
        (contact(EMAIL, had(FAILED), answered(3), answered(9)), contact(FAX)),
        EMAIL,
    ),
    "last year's luck does not rule": (
        (contact(EMAIL, answered(400), answered(410), answered(420)), contact(FAX, had(DELIVERED, 2))),
        FAX,
    ),
    "nor last year's failure": (
        (contact(EMAIL, had(FAILED, 500), verified=True), contact(FAX, had(SENT, 3))),
        EMAIL,
    ),
    "where nothing newer is known, the old holds": ((contact(EMAIL), contact(FAX, answered(900))), FAX),
    "a dead mailbox comes last, whatever it did before": (
        (
            contact(EMAIL, answered(), answered(1), barred_for=Bar.BAD_ADDRESS),
            contact(FAX, had(FAILED, 1), had(FAILED)),
        ),
        FAX,
    ),
    "a dead mailbox is not written to by itself": ((contact(EMAIL, barred_for=Bar.BAD_ADDRESS),), None),
    "a wrong number is never used": ((contact(FAX, answered(), barred_for=Bar.WRONG_RECIPIENT),), None),
    "a telephone carries no letter": ((contact(Channel.PHONE, verified=True),), None),
}


@pytest.mark.parametrize("case", _ORDERS)
def test_the_contact_to_try_first(case: str) -> None:
    known, expected = _ORDERS[case]
    for order in (known, known[::-1]):
        best = contacts.best(order)
        assert (best.channel if best else None) == expected


@st.composite
def one_contact(draw: st.DrawFn, place: int) -> Contact:
    lessons = draw(
        st.lists(st.tuples(st.sampled_from(Lesson), st.integers(0, 900), st.integers(0, 90)), max_size=6)
    )
    return contact(
        draw(st.sampled_from(_WRITTEN)),
        *(had(lesson, days, hours if lesson is Lesson.ANSWERED else None) for lesson, days, hours in lessons),
        verified=draw(st.booleans()),
        barred_for=draw(st.sampled_from([None, None, *Bar])),
        id=f"contact-{place}",
    )


KNOWN = st.tuples(one_contact(1), one_contact(2), one_contact(3), one_contact(4))


def place_of(wanted: str, known: tuple[Contact, ...]) -> int:
    return [found.id for found in contacts.in_order(known)].index(wanted)


@given(KNOWN, st.randoms())
def test_the_order_does_not_depend_on_how_contacts_were_read(
    known: tuple[Contact, ...], random: object
) -> None:
    shuffled = list(known)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert contacts.in_order(tuple(shuffled)) == contacts.in_order(known)


@given(KNOWN)
def test_a_failure_never_brings_a_contact_forward(known: tuple[Contact, ...]) -> None:
    for tried in contacts.in_order(known):
        failed = replace(tried, experience=(had(FAILED, -1), *tried.experience))
        after = tuple(failed if one is tried else one for one in known)
        assert place_of(tried.id, after) >= place_of(tried.id, known)


@given(KNOWN)
def test_an_answer_never_sets_a_contact_back(known: tuple[Contact, ...]) -> None:
    for tried in contacts.in_order(known):
        better = replace(tried, experience=(answered(-1), *tried.experience))
        after = tuple(better if one is tried else one for one in known)
        assert place_of(tried.id, after) <= place_of(tried.id, known)


@given(KNOWN)
def test_verifying_never_sets_a_contact_back_and_between_equals_it_decides(
    known: tuple[Contact, ...],
) -> None:
    for tried in contacts.in_order(known):
        verified = replace(tried, verified_at=NOW)
        after = tuple(verified if one is tried else one for one in known)
        assert place_of(tried.id, after) <= place_of(tried.id, known)
        twin = replace(tried, id="a-twin", verified_at=None)
        assert contacts.in_order((twin, verified))[0] is verified


@given(KNOWN)
def test_a_dead_address_is_behind_all_that_are_not(known: tuple[Contact, ...]) -> None:
    barred = [found.barred_for is not None for found in contacts.in_order(known)]
    assert barred == sorted(barred)


_HEALTH = {
    "unused": (contact(FAX), Health.UNUSED),
    "sent": (contact(FAX, had(SENT)), Health.SENT),
    "arrived": (contact(FAX, had(SENT), had(DELIVERED, 3)), Health.DELIVERED),
    "answered": (contact(FAX, had(SENT), answered(3)), Health.ANSWERED),
    "failed last": (contact(FAX, had(FAILED), answered(3)), Health.FAILED),
    "healed": (contact(FAX, had(DELIVERED), had(FAILED, 3)), Health.DELIVERED),
    "dead": (contact(FAX, answered(), barred_for=Bar.BAD_ADDRESS), Health.BAD_ADDRESS),
    "wrong": (contact(FAX, answered(), barred_for=Bar.WRONG_RECIPIENT), Health.WRONG_RECIPIENT),
}


@pytest.mark.parametrize("case", _HEALTH)
def test_how_a_contact_is(case: str) -> None:
    found, expected = _HEALTH[case]
    assert contacts.health(found) is expected


def test_answers_are_counted_with_the_days_in_the_middle() -> None:
    assert contacts.answers(contact(FAX, had(SENT))) == (0, None)
    assert contacts.answers(contact(FAX, had(Lesson.ANSWERED))) == (1, None)
    assert contacts.answers(contact(FAX, answered(hours=0))) == (1, 1)
    assert contacts.answers(contact(FAX, answered(1, 2), answered(2, 30), answered(3, 10))) == (3, 2)


def test_a_fax_number_that_nobody_confirmed_is_called() -> None:
    assert contacts.needs_call(contact(FAX))
    assert not contacts.needs_call(contact(FAX, verified=True))
    assert not contacts.needs_call(contact(EMAIL))


def test_the_record_of_an_answer_goes_to_no_number_that_nobody_confirmed() -> None:
    unsure, known = contact(FAX), contact(FAX, verified=True)
    assert contacts.may_carry(unsure, MessageKind.REQUEST)
    assert contacts.may_carry(unsure, MessageKind.REMINDER)
    assert not contacts.may_carry(unsure, MessageKind.THANK_YOU)
    assert contacts.may_carry(contact(FAX, answered()), MessageKind.THANK_YOU)
    assert contacts.may_carry(known, MessageKind.THANK_YOU)
    assert contacts.may_carry(contact(EMAIL), MessageKind.THANK_YOU)
    wrong = contact(EMAIL, barred_for=Bar.WRONG_RECIPIENT)
    assert not any(contacts.may_carry(wrong, kind) for kind in MessageKind)


def test_another_channel_is_paper_where_there_is_paper() -> None:
    email, fax, sms = contact(EMAIL), contact(FAX), contact(Channel.SMS)
    assert contacts.by_another_channel((email, fax, sms), EMAIL) is fax
    assert contacts.by_another_channel((email,), EMAIL) is email


DEAD = contact(EMAIL, barred_for=Bar.BAD_ADDRESS)
_RUNGS = [Rung(2, Step.REMIND), Rung(4, Step.REMIND_OTHER_CHANNEL), Rung(4, Step.REMIND, channel=EMAIL)]


@pytest.mark.parametrize("rung", _RUNGS)
@pytest.mark.parametrize("last", [None, (str(EMAIL), EMAIL), (str(FAX), FAX)])
def test_no_step_writes_to_a_dead_address(rung: Rung, last: tuple[str, Channel] | None) -> None:
    fax = contact(FAX)
    assert contacts.for_step(rung, (DEAD, fax), last) is fax
    assert contacts.for_step(rung, (DEAD,), last) is None
    assert contacts.after_refusal((DEAD, fax), {str(FAX)}, FAX) is None


def test_a_second_number_is_tried_where_there_is_no_other_channel() -> None:
    first, second = contact(FAX, id="first"), contact(FAX, id="second")
    assert contacts.after_refusal((first, second), {"first"}, FAX) is second
    assert contacts.after_refusal((first, second), {"first", "second"}, FAX) is None


def test_whoever_was_asked_is_told_even_by_the_only_address_that_has_bounced() -> None:
    fax = contact(FAX)
    assert contacts.to_tell((DEAD, fax), DEAD.id) is fax
    assert contacts.to_tell((DEAD,), DEAD.id) is DEAD
    assert contacts.to_tell((contact(EMAIL, barred_for=Bar.WRONG_RECIPIENT),), None) is None


def test_a_masked_contact_is_recognised_and_not_learned() -> None:
    masked = contacts.masked(contact(EMAIL, address="okafor@beaconhill.example"))
    assert masked == "o…@beaconhill.example"
    assert contacts.masked(contact(FAX, address="+13035550120")) == "the number ending in 20"


_DENVER = BusinessCalendar(time_zone=ZoneInfo("America/Denver"), is_closed=lambda _: False)
_HOURS = {
    "within a day": ("2026-11-03T09:00", "2026-11-03T11:30", 2.5),
    "over night": ("2026-11-03T16:00", "2026-11-04T09:00", 2),
    "over the weekend": ("2026-11-06T16:30", "2026-11-09T08:30", 1),
    "outside of hours": ("2026-11-07T10:00", "2026-11-08T10:00", 0),
    "the clock goes back on Sunday": ("2026-10-30T08:00", "2026-11-02T17:00", 18),
    "backwards": ("2026-11-04T09:00", "2026-11-03T09:00", 0),
}


@pytest.mark.parametrize("case", _HOURS)
def test_answer_time_counts_business_hours_of_the_recipient(case: str) -> None:
    start, end, hours = _HOURS[case]
    moments = [datetime.fromisoformat(text).replace(tzinfo=_DENVER.time_zone) for text in (start, end)]
    assert _DENVER.open_hours_between(*moments) == hours
