"""Which reports are owed, how they go, and by when they have arrived."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from referral.domain import report_rules as rules
from referral.domain.calendar import BusinessCalendar
from referral.domain.codes import Channel, ClinicianKind, Decision, Strength
from referral.domain.life import Cause, Remark, Standing
from referral.domain.outgoing import MessageKind
from referral.domain.records import Bar, Contact
from referral.domain.report_rules import Occasion, ReportPolicy, Wishes

THANKSGIVING = date(2026, 11, 26)
DENVER, BOSTON = ZoneInfo("America/Denver"), ZoneInfo("America/New_York")
POLICY = ReportPolicy()
AT = datetime(2026, 11, 25, 16, 55, tzinfo=DENVER)


def office(zone: ZoneInfo, *closed: date) -> BusinessCalendar:
    return BusinessCalendar(time_zone=zone, is_closed=lambda day: day in (THANKSGIVING, *closed))


def local(moment: datetime, zone: ZoneInfo = DENVER) -> str:
    return f"{moment.astimezone(zone):%a %d %H:%M}"


def test_a_serious_event_at_1655_before_a_holiday_is_due_when_the_next_business_day_ends() -> None:
    alone = rules.plan(Occasion.ADVERSE_EVENT, AT, POLICY, [office(DENVER)])
    assert local(alone.due_at) == "Fri 27 17:00"
    assert alone.queue_at == AT
    # The stricter of the two offices: Boston's day ends two hours before Denver's.
    both = rules.plan(Occasion.ADVERSE_EVENT, AT, POLICY, [office(DENVER), office(BOSTON)])
    assert local(both.due_at, BOSTON) == "Fri 27 17:00"


@pytest.mark.parametrize(
    ("happened", "due"),
    [
        (datetime(2026, 11, 26, 12, tzinfo=DENVER), "Fri 27 17:00"),
        (datetime(2026, 11, 28, 3, tzinfo=DENVER), "Mon 30 17:00"),
        (datetime(2026, 11, 23, 8, tzinfo=DENVER), "Tue 24 17:00"),
    ],
)
def test_one_business_day_begins_after_the_day_of_the_event(happened: datetime, due: str) -> None:
    assert local(rules.plan(Occasion.ADVERSE_EVENT, happened, POLICY, [office(DENVER)]).due_at) == due


def test_scores_have_until_the_next_business_day_to_come_in_and_a_decision_does_not_wait() -> None:
    ended = rules.plan(Occasion.END_OF_COURSE, AT, POLICY, [office(DENVER), office(BOSTON)])
    assert local(ended.queue_at) == "Fri 27 09:00"
    assert local(ended.due_at, BOSTON) == "Thu 03 17:00"
    assert rules.plan(Occasion.DECISION, AT, POLICY, [office(DENVER)]).queue_at == AT
    # Whatever is put off leaves before it is due.
    hurried = replace(POLICY, within=dict.fromkeys(Occasion, 1))
    long_closed = office(BOSTON, date(2026, 11, 27), date(2026, 11, 30))
    planned = rules.plan(Occasion.END_OF_COURSE, AT, hurried, [office(DENVER), long_closed])
    assert planned.queue_at == planned.due_at == office(DENVER).at(date(2026, 11, 27), office(DENVER).closes)


def test_what_was_ticked_is_sent_and_who_ticked_nothing_hears_everything() -> None:
    ticked = rules.wishes_of({"reports": ["end-of-course", "unheard-of"], "reports-by": ["fax"]})
    assert ticked == Wishes(frozenset({Occasion.END_OF_COURSE}), "fax")
    sent = {one for one in Occasion if rules.is_wanted(one, ticked, POLICY)}
    assert sent == {Occasion.END_OF_COURSE, Occasion.ADVERSE_EVENT, Occasion.CLOSURE}
    assert all(rules.is_wanted(one, Wishes(), POLICY) for one in Occasion)
    quiet = rules.policy_from({"unasked": ["decision"], "within": {"decision": 3}, "needs_consent": True})
    sent = {one for one in Occasion if rules.is_wanted(one, Wishes(), quiet)}
    assert sent == {Occasion.DECISION, Occasion.ADVERSE_EVENT, Occasion.CLOSURE}
    assert (quiet.within[Occasion.DECISION], quiet.within[Occasion.ADVERSE_EVENT]) == (3, 1)
    assert quiet.needs_consent
    assert rules.policy_from({}) == POLICY


@pytest.mark.parametrize(
    ("given", "planned", "middle"),
    [(3, 6, True), (2, 6, False), (4, 6, False), (4, 7, True), (2, 3, False), (3, None, False), (2, 4, True)],
)
def test_the_middle_of_a_course(given: int, planned: int | None, middle: bool) -> None:
    assert rules.is_mid_course(given, planned, POLICY) is middle


def answer(
    id: str, referral: str, decision: Decision = Decision.RECOMMENDED, ended: Cause | None = None
) -> Standing:
    at = datetime(2026, 10, 1, tzinfo=UTC) + timedelta(days=int(id))
    return Standing(
        id=id,
        patient_id="p",
        order_id="o",
        referral_id=referral,
        clinician_id=f"c-{referral}",
        clinician_kind=ClinicianKind.PSYCHIATRIST,
        decision=decision,
        covers=frozenset(),
        red_flags=(),
        strength=Strength.TWO_CHANNEL,
        answered_at=at,
        valid_until=at,
        response_id=id,
        document_id=None,
        renews=None,
        review=None,
        confirmation=None,
        void=Remark("x", at, "", cause=ended) if ended else None,
    )


def test_whoever_recommended_hears_back_though_it_has_ended_since_and_nobody_else_does() -> None:
    found = rules.recommenders(
        [
            answer("1", "renewed"),
            answer("2", "renewed"),
            answer("3", "refused", Decision.NOT_RECOMMENDED),
            answer("4", "not-theirs", ended=Cause.DENIED),
            answer("5", "no-consent", ended=Cause.CONSENT_WITHDRAWN),
            answer("6", "gap", ended=Cause.TREATMENT_GAP),
            answer("7", "took-back", ended=Cause.WITHDRAWN),
        ]
    )
    assert [(one.id, one.referral_id) for one in found] == [
        ("2", "renewed"),
        ("6", "gap"),
        ("7", "took-back"),
    ]


def contact(channel: Channel, *, verified: bool = True, barred: Bar | None = None) -> Contact:
    at = AT if verified else None
    return Contact(id=channel, channel=channel, address="x", source="test", verified_at=at, barred_for=barred)


def test_a_report_goes_as_the_form_asks_and_never_to_a_fax_that_nobody_has_confirmed() -> None:
    mail, fax, post = contact(Channel.EMAIL), contact(Channel.FAX), contact(Channel.POST)
    every = (mail, fax, post)
    kind = MessageKind.REPORT
    assert rules.contact_for(every, Wishes(by="fax"), None, kind) == fax
    assert rules.contact_for(every, Wishes(by="post"), mail.id, kind) == post
    assert rules.contact_for(every, Wishes(by="link"), fax.id, kind) == mail
    assert rules.contact_for(every, Wishes(), post.id, kind) == post
    assert rules.contact_for(every, Wishes(), None, kind) == mail
    unsure = contact(Channel.FAX, verified=False)
    assert rules.contact_for((unsure, post), Wishes(by="fax"), unsure.id, kind) == post
    assert rules.contact_for((unsure,), Wishes(by="fax"), unsure.id, kind) is None
    dead = contact(Channel.EMAIL, barred=Bar.BAD_ADDRESS)
    assert rules.contact_for((dead,), Wishes(), dead.id, kind) is None


def test_what_is_obliged_holds_whatever_is_set() -> None:
    set_so = {"unasked": ["decision"], "within": {"adverse-event": 9, "closure": 99}}
    policy = rules.policy_from(set_so)
    assert policy.unasked == rules.ALWAYS | {Occasion.DECISION}
    assert (policy.within[Occasion.ADVERSE_EVENT], policy.within[Occasion.CLOSURE]) == (1, 10)
