"""Links, codes and guesses on a real database: what opens, what is counted, what is never looked at."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from referral.domain.audit import Actor
from referral.domain.codes import Channel, Strength, TaskStatus
from referral.domain.credential import Minted, digest, mint
from referral.domain.errors import CredentialUnusable, Unavailable
from referral.domain.outgoing import MessageKind
from referral.services.close_referral import cancel_referral
from referral.services.enter_portal import Caller, enter_by_code, enter_by_link, is_alive, send_fresh_link
from referral.services.keep_draft import read_draft, save_values
from referral.services.prove_identity import (
    Guess,
    Stage,
    check_birth_date,
    check_letter_code,
    check_one_time_code,
    guess,
    stage_of,
)
from referral.services.send_portal_code import send_code, ways_of
from referral.storage import audit, credentials
from referral.storage.credentials import PortalSession
from referral.storage.db import Session
from tests.database import ClinicFixture
from tests.together import at_once
from tests.web.portal_case import BORN, Case, make_case

CALLER = Caller("192.0.2.7", "request-1")
WRONG = date(1984, 5, 18)


@dataclass(frozen=True, slots=True)
class Visit:
    """A session that was opened with a link."""

    case: Case
    minted: Minted
    token: str

    @property
    def actor(self) -> Actor:
        return Actor(self.case.clinic.id, "portal", self.minted.selector)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        with self.case.clinic.transaction() as session:
            yield session

    def found(self) -> PortalSession:
        with self.transaction() as session:
            found = credentials.find_session(session, self.token)
        assert found is not None
        return found

    def stage(self) -> Stage:
        return stage_of(self.found(), self.case.credential(self.minted))

    def try_birth_date(self, born: date) -> Guess:
        found, now = self.found(), self.case.clock.now
        return guess(
            self.transaction,
            self.actor,
            self.minted.selector,
            lambda session: check_birth_date(session, self.actor, found, born, now),
            now,
        )

    def try_letter_code(self, typed: str) -> Guess:
        found, now = self.found(), self.case.clock.now
        return guess(
            self.transaction,
            self.actor,
            self.minted.selector,
            lambda session: check_letter_code(session, self.actor, found, typed, now),
            now,
        )

    def try_one_time_code(self, typed: str) -> Guess:
        found, now = self.found(), self.case.clock.now
        return guess(
            self.transaction,
            self.actor,
            self.minted.selector,
            lambda session: check_one_time_code(session, self.actor, found, typed, now),
            now,
        )

    def send_code(self, way_id: str) -> bool:
        with self.transaction() as session:
            return send_code(session, self.actor, self.found(), way_id, self.case.clock.now)


@pytest.fixture
def case(clinic: ClinicFixture) -> Case:
    return make_case(clinic)


def visit(case: Case, minted: Minted) -> Visit:
    with case.clinic.database.transaction() as session:
        token = enter_by_link(session, CALLER, minted.selector, minted.secret, case.clock.now)
    assert token is not None
    return Visit(case, minted, token)


def opens(case: Case, minted: Minted) -> bool:
    with case.clinic.database.transaction() as session:
        return enter_by_link(session, CALLER, minted.selector, minted.secret, case.clock.now) is not None


def test_a_link_opens_again_and_again_until_it_expires(case: Case) -> None:
    minted = case.link(Channel.FAX, expires=case.clock.now + timedelta(days=3))
    assert opens(case, minted)
    assert opens(case, minted)
    case.clock.now += timedelta(days=3)
    assert not opens(case, minted)


def test_a_link_clicked_many_times_at_once_is_noted_as_one_visit(case: Case) -> None:
    # Given a browser that sends the form again and again before it has an answer
    minted, before = case.link(Channel.FAX), case.events().count("portal-opened")
    opened = at_once(*[lambda: opens(case, minted)] * 8)
    # Then each is let in and audited, and the request's story tells one visit
    assert opened == [True] * 8
    assert case.events().count("portal-opened") - before == 1
    with case.clinic.transaction() as session:
        audited = session.connection.execute(
            text("SELECT count(*) FROM audit_event WHERE subtype = 'portal-opened'")
        ).scalar_one()
    assert audited == 8
    # When they come again after a while, it is another one
    case.clock.now += timedelta(minutes=1)
    assert opens(case, minted)
    assert case.events().count("portal-opened") - before == 2


def test_a_wrong_secret_opens_nothing_and_neither_does_nonsense(case: Case) -> None:
    minted, other = case.link(Channel.FAX), case.link(Channel.EMAIL)
    assert not opens(case, Minted(minted.selector, other.secret, ""))
    assert not opens(case, mint())
    for selector in ("", "\0", "a" * 5000, "' OR 1=1 --", "é"):
        assert not opens(case, Minted(selector, minted.secret, ""))


def test_a_cancelled_request_ends_its_links(case: Case) -> None:
    minted = case.link(Channel.FAX)
    with case.clinic.transaction() as session:
        cancel_referral(
            session, case.clinic.actor, case.referral.id, case.state().version, "Moved away", case.clock.now
        )
    assert not opens(case, minted)


@pytest.mark.parametrize("typed", ["{code}", "{lower}", " {spaced} ", "{plain}"])
def test_a_short_code_may_be_typed_as_people_type(case: Case, typed: str) -> None:
    minted = case.link(Channel.FAX)
    code = minted.short_code
    written = typed.format(
        code=code, lower=code.lower(), spaced=code.replace("-", " "), plain=code.replace("-", "")
    )
    with case.clinic.database.transaction() as session:
        assert enter_by_code(session, CALLER, written, case.clock.now) is not None
        assert session.clinic == case.clinic.id


def test_the_birth_date_is_enough_for_paper_to_a_verified_contact(case: Case) -> None:
    here = visit(case, case.link(Channel.FAX))
    assert here.stage() is Stage.BIRTH_DATE
    assert here.try_birth_date(BORN) is Guess.RIGHT
    assert here.found().strength == Strength.PAPER_TO_VERIFIED_CONTACT
    assert here.stage() is Stage.IDENTIFIED
    assert case.state().status is TaskStatus.RECEIVED
    assert "identity-proven" in case.events()


def test_paper_to_an_unverified_contact_is_a_single_channel(case: Case) -> None:
    here = visit(case, case.link(Channel.POST, verified=False))
    assert here.try_birth_date(BORN) is Guess.RIGHT
    assert here.found().strength == Strength.SINGLE_CHANNEL


def test_a_mailed_link_and_the_birth_date_alone_prove_nothing(case: Case) -> None:
    here = visit(case, case.link(Channel.EMAIL))
    assert here.stage() is Stage.SECOND_FACTOR
    assert here.try_birth_date(BORN) is Guess.WRONG
    assert here.found().identified_at is None
    assert case.state().status is TaskStatus.REQUESTED


@pytest.mark.parametrize(
    ("verified", "strength"), [(True, Strength.TWO_CHANNEL), (False, Strength.SINGLE_CHANNEL)]
)
def test_a_letter_code_makes_a_mailed_link_two_channels(
    case: Case, strength: Strength, *, verified: bool
) -> None:
    letter = case.link(Channel.POST, verified=verified)
    here = visit(case, case.link(Channel.EMAIL))
    assert here.try_letter_code(letter.short_code.lower()) is Guess.RIGHT
    assert here.try_birth_date(BORN) is Guess.RIGHT
    assert here.found().strength == strength


def test_codes_that_came_by_mail_or_belong_to_others_are_no_second_factor(
    case: Case, clinic: ClinicFixture, other_clinic: ClinicFixture
) -> None:
    mailed = case.link(Channel.EMAIL)
    here = visit(case, mailed)
    somebody_else = make_case(other_clinic).link(Channel.FAX)
    other_patient = make_case(clinic).link(Channel.FAX)
    for minted in (mailed, somebody_else, other_patient):
        assert here.try_letter_code(minted.short_code) is Guess.WRONG
    assert here.stage() is Stage.SECOND_FACTOR


def test_six_digits_to_another_verified_contact_make_two_channels(case: Case) -> None:
    here = visit(case, case.link(Channel.EMAIL))
    fax = case.contact(Channel.FAX)
    assert here.send_code(fax.id)
    assert [m.channel for m in case.messages(MessageKind.IDENTITY_CODE)] == [Channel.FAX]
    code = case.one_time_code()
    assert here.try_one_time_code("000000" if code != "000000" else "000001") is Guess.WRONG
    assert here.try_one_time_code(f"{code[:3]} {code[3:]}") is Guess.RIGHT
    assert here.try_birth_date(BORN) is Guess.RIGHT
    assert here.found().strength == Strength.TWO_CHANNEL


def test_six_digits_are_worth_nothing_after_ten_minutes_or_after_newer_ones(case: Case) -> None:
    here = visit(case, case.link(Channel.EMAIL))
    fax = case.contact(Channel.FAX)
    here.send_code(fax.id)
    first = case.one_time_code()
    here.send_code(fax.id)
    second = case.one_time_code()
    if first != second:
        assert here.try_one_time_code(first) is Guess.WRONG
    case.clock.now += timedelta(minutes=10)
    assert here.try_one_time_code(second) is Guess.WRONG


def test_at_most_three_codes_are_sent_in_an_hour_whoever_asks(case: Case) -> None:
    minted = case.link(Channel.EMAIL)
    fax = case.contact(Channel.FAX)
    assert [visit(case, minted).send_code(fax.id) for _ in range(5)] == [True, True, True, False, False]
    case.clock.now += timedelta(minutes=61)
    assert visit(case, minted).send_code(fax.id)


def test_a_code_goes_to_contacts_on_offer_and_nowhere_else(case: Case, other_clinic: ClinicFixture) -> None:
    here = visit(case, case.link(Channel.EMAIL))
    for way in ("", "unknown", case.contact(Channel.EMAIL).id, case.contact(Channel.POST).id):
        with pytest.raises(CredentialUnusable):
            here.send_code(way)
    assert case.messages(MessageKind.IDENTITY_CODE) == []


def test_the_same_mailbox_is_the_last_resort_and_counts_as_one_channel(clinic: ClinicFixture) -> None:
    case = make_case(clinic, verified=False)
    here = visit(case, case.link(Channel.EMAIL, verified=False))
    mailbox = case.contact(Channel.EMAIL)
    assert here.send_code(mailbox.id)
    assert here.try_one_time_code(case.one_time_code()) is Guess.RIGHT
    assert here.try_birth_date(BORN) is Guess.RIGHT
    assert here.found().strength == Strength.SINGLE_CHANNEL


def test_a_clinic_may_rule_the_single_channel_out(clinic: ClinicFixture) -> None:
    case = make_case(clinic, verified=False)
    case.policy(allow_single_channel=False)
    minted = case.link(Channel.EMAIL, verified=False)
    with case.clinic.transaction() as session:
        assert ways_of(session, case.credential(minted)).is_empty
    with pytest.raises(CredentialUnusable):
        visit(case, minted).send_code(case.contact(Channel.EMAIL).id)


def test_fifty_parallel_guessers_never_get_an_eleventh_look(case: Case) -> None:
    here = visit(case, case.link(Channel.FAX))

    def fifty() -> list[Guess]:
        with ThreadPoolExecutor(50) as pool:
            return list(pool.map(lambda _: here.try_birth_date(WRONG), range(50)))

    looked = []
    for _ in range(4):
        looked.append(fifty().count(Guess.WRONG))
        case.clock.now += timedelta(minutes=16)
    assert looked == [5, 5, 0, 0]
    assert case.events().count("portal-frozen") == 1
    assert here.try_birth_date(BORN) is Guess.NONE_LEFT
    assert not opens(case, here.minted)
    with case.clinic.transaction() as session:
        rows = audit.find(session, entity=f"ServiceRequest/{case.referral.id}", limit=500)
    assert sum(row.subtype == "portal-birth-date" for row in rows) == 10


def test_after_five_misses_even_the_right_date_waits_fifteen_minutes(case: Case) -> None:
    here = visit(case, case.link(Channel.FAX))
    assert [here.try_birth_date(WRONG) for _ in range(5)] == [Guess.WRONG] * 5
    assert here.try_birth_date(BORN) is Guess.NONE_LEFT
    case.clock.now += timedelta(minutes=14, seconds=59)
    assert here.try_birth_date(BORN) is Guess.NONE_LEFT
    case.clock.now += timedelta(seconds=1)
    assert here.try_birth_date(BORN) is Guess.RIGHT
    assert case.credential(here.minted).attempts == 0


def test_a_code_known_for_certain_buys_no_further_guesses_at_the_date(case: Case) -> None:
    letter, mailed = case.link(Channel.FAX), case.link(Channel.EMAIL)
    looked = 0
    for _ in range(12):
        if not opens(case, mailed):
            case.clock.now += timedelta(minutes=16)
            if not opens(case, mailed):
                break
        here = visit(case, mailed)
        looked += here.try_letter_code(letter.short_code) is not Guess.NONE_LEFT
        looked += here.try_birth_date(WRONG) is Guess.WRONG
    assert looked <= 10


def test_where_the_counter_cannot_be_read_nothing_is_looked_at(case: Case) -> None:
    here = visit(case, case.link(Channel.FAX))
    looked: list[Session] = []

    def look(session: Session) -> bool:
        looked.append(session)
        return True

    @contextmanager
    def impatient() -> Iterator[Session]:
        with here.transaction() as session:
            session.connection.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")
            yield session

    with here.transaction() as holder:
        credentials.get(holder, here.minted.selector, lock=True)
        with pytest.raises(Unavailable):
            guess(impatient, here.actor, here.minted.selector, look, case.clock.now)
    assert looked == []


def test_a_link_that_was_frozen_by_staff_is_not_thawed_by_a_right_answer(case: Case) -> None:
    here = visit(case, case.link(Channel.FAX))
    found, now = here.found(), case.clock.now
    with case.clinic.transaction() as session:
        credentials.freeze(session, here.minted.selector, now)
    with case.clinic.transaction() as session:
        assert not check_birth_date(session, here.actor, found, BORN, now)
    assert case.credential(here.minted).frozen_at is not None


@pytest.mark.parametrize(("idle", "alive"), [(15, True), (16, False)])
def test_a_session_sleeps_after_fifteen_idle_minutes(case: Case, idle: int, *, alive: bool) -> None:
    here = visit(case, case.link(Channel.FAX))
    assert is_alive(here.found(), case.clock.now + timedelta(minutes=idle)) is alive


def test_a_session_ends_after_an_hour_however_busy(case: Case) -> None:
    here = visit(case, case.link(Channel.FAX))
    later = case.clock.now + timedelta(minutes=61)
    with case.clinic.transaction() as session:
        credentials.change_session(session, digest(here.token), seen_at=later)
    assert not is_alive(here.found(), later)


def fresh(case: Case, **key: str) -> bool:
    with case.clinic.database.transaction() as session:
        return send_fresh_link(session, CALLER, case.clock.now, **key)


def test_an_expired_link_brings_a_fresh_one_to_the_contact_it_went_to(case: Case) -> None:
    minted = case.link(Channel.FAX, expires=case.clock.now)
    assert fresh(case, selector=minted.selector)
    (message,) = case.messages(MessageKind.FRESH_LINK)
    assert (message.channel, message.contact_id) == (Channel.FAX, case.contact(Channel.FAX).id)
    assert fresh(case, code=minted.short_code)
    assert len(case.messages(MessageKind.FRESH_LINK)) == 2


def test_at_most_three_fresh_links_a_day(case: Case) -> None:
    minted = case.link(Channel.EMAIL, expires=case.clock.now)
    assert [fresh(case, selector=minted.selector) for _ in range(4)] == [True, True, True, False]
    case.clock.now += timedelta(days=1)
    assert fresh(case, selector=minted.selector)


def test_no_fresh_link_for_what_is_unknown_closed_paused_or_frozen(case: Case) -> None:
    minted = case.link(Channel.EMAIL, expires=case.clock.now + timedelta(hours=1))
    here = visit(case, minted)
    assert not fresh(case, selector=mint().selector)
    assert not fresh(case, code=mint().short_code)
    assert not fresh(case, selector="\0")
    for _ in range(5):
        here.try_letter_code("WRONG-WRONG")
    assert not fresh(case, selector=minted.selector)
    case.clock.now += timedelta(minutes=16)
    assert fresh(case, selector=minted.selector)
    with case.clinic.transaction() as session:
        credentials.freeze(session, minted.selector, case.clock.now)
    assert not fresh(case, selector=minted.selector)
    other = case.link(Channel.FAX)
    assert not fresh(case, selector=other.selector)


def test_no_fresh_link_once_the_request_is_closed(case: Case) -> None:
    minted = case.link(Channel.EMAIL)
    with case.clinic.transaction() as session:
        cancel_referral(
            session, case.clinic.actor, case.referral.id, case.state().version, "Moved away", case.clock.now
        )
    assert not fresh(case, selector=minted.selector)
    assert case.messages(MessageKind.FRESH_LINK) == []


def test_a_draft_is_kept_encrypted_and_goes_on_at_the_next_visit(case: Case) -> None:
    first = visit(case, case.link(Channel.FAX))
    first.try_birth_date(BORN)
    with case.clinic.transaction() as session:
        save_values(session, first.found(), {"medication": ["Quetiapinol 25 mg"]})
    sealed = first.found().sealed_draft
    assert sealed is not None
    assert b"Quetiapinol" not in sealed
    case.clock.now += timedelta(hours=2)
    second = visit(case, case.link(Channel.POST))
    with case.clinic.transaction() as session:
        assert read_draft(session, second.found()).values == {}
    second.try_birth_date(BORN)
    with case.clinic.transaction() as session:
        assert read_draft(session, second.found()).values == {"medication": ["Quetiapinol 25 mg"]}


def test_another_clinic_cannot_see_the_session_or_its_link(case: Case, other_clinic: ClinicFixture) -> None:
    here = visit(case, case.link(Channel.FAX))
    with other_clinic.transaction() as session:
        assert credentials.get(session, here.minted.selector) is None
        assert credentials.of_referral(session, case.referral.id) == []
        assert credentials.last_draft(session, case.referral.id) is None
