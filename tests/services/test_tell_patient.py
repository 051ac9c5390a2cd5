"""On business day 8 the patient hears that the clinic waits for one form, as the outbox promises it."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from referral.channels.base import Outcome
from referral.channels.print_batch import PrintTransport
from referral.domain.codes import Channel
from referral.domain.outgoing import MessageKind, MessageState
from referral.domain.records import Referral
from referral.domain.reminders import Ladder, Rung, Step
from referral.letters.render import Renderer
from referral.letters.words import words_of
from referral.services.deliver_messages import deliver_due
from referral.services.find_messages import open_message
from referral.services.find_paper import find_pile
from referral.services.queue_message import queue_message
from referral.services.send_reminders import send_reminders
from referral.services.tell_patient import Untold, tell_patient
from referral.storage import (
    audit,
    clinics,
    contacts,
    directory,
    documents,
    outbox,
    patient_links,
    referrals,
    resources,
    tables,
)
from referral.storage.outbox import Message
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.services.sending import EVENING, Provider, delivery
from tests.smtp import Mailbox, smtp_server

SHORT = Ladder((Rung(1, Step.SUGGEST_ANOTHER), Rung(9, Step.EXPIRE)))
DAY_1 = NOW + timedelta(days=1)
MAIL, MOBILE = "maria@home.example", "+13035550188"


def asked_about(clinic: ClinicFixture, ladder: Ladder = SHORT, **patient: str) -> Referral:
    with clinic.transaction() as session:
        policy, _ = clinics.policy_in_force(session)
        clinics.add_policy(session, policy, ladder, created_by="test")
        whom = people.patient(session, clinic, **patient)
        order = people.order(session, clinic, whom)
        return people.ask(session, clinic, order, people.clinician(session, clinic))[0]


def names(clinic: ClinicFixture, referral: Referral, *telecom: dict[str, str]) -> None:
    """The patient's record names these ways to reach them."""
    with clinic.transaction() as session:
        resources.amend(session, "Patient", referral.patient_id, {"telecom": list(telecom)}, NOW)


def climb(clinic: ClinicFixture, now: object = DAY_1) -> None:
    with clinic.transaction() as session:
        send_reminders(session, now)  # type: ignore[arg-type]


def to_patient(clinic: ClinicFixture, referral: Referral) -> list[Message]:
    with clinic.transaction() as session:
        return outbox.to_patient(session, referral.patient_id)


def why_not(clinic: ClinicFixture, referral: Referral) -> list[str]:
    with clinic.transaction() as session:
        found = referrals.events(session, referral.id)
    return [event.detail["why"] for event in found if event.event == "patient-not-told"]


def test_the_patient_is_told_in_business_hours_without_a_name_or_an_illness(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked_about(clinic, email=MAIL)
    climb(clinic)
    climb(clinic)
    (told,) = to_patient(clinic, referral)
    assert (told.kind, told.channel, told.state) == (
        MessageKind.PATIENT_STATUS,
        Channel.EMAIL,
        MessageState.QUEUED,
    )
    mailbox = Mailbox()
    with smtp_server(mailbox) as (_, port):
        deliver_due(delivery(clinic, renderer, EVENING + timedelta(days=1), port), clinic.id)
        assert [m["To"] for m in mailbox.messages if m["To"] == MAIL] == []
        deliver_due(delivery(clinic, renderer, DAY_1 + timedelta(days=1), port), clinic.id)
    (mail,) = [m for m in mailbox.messages if m["To"] == MAIL]
    words = f"{mail['Subject']}\n{mail.get_content()}"
    assert re.search(r"https://portal\.example/p/[\w-]{16}/[\w-]{43}\s", words)
    assert not re.search(r"(?i)maria|nguy|okafor|psych|depress|ketamin|1986|infusion", words)
    (told,) = to_patient(clinic, referral)
    assert told.state is MessageState.ACCEPTED
    with clinic.transaction() as session:
        kept = resources.read(session, "Communication", str(told.id)).document
        (row,) = audit.find(session, entity=f"Communication/{told.id}")
    assert kept["recipient"] == [{"reference": f"Patient/{referral.patient_id}"}]
    assert kept["status"] == "completed"
    assert (row.subtype, row.detail["recipient"]) == ("disclose", f"Patient/{referral.patient_id}")


def test_quiet_hours_are_those_of_where_the_patient_lives(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral = asked_about(clinic, email=MAIL)
    home = {"use": "home", "line": ["1 Beach Road"], "city": "Honolulu", "state": "HI", "postalCode": "96801"}
    with clinic.transaction() as session:
        resources.amend(session, "Patient", referral.patient_id, {"address": [home]}, NOW)
    climb(clinic)
    provider = Provider()
    # 10:00 in Denver is 7:00 in Honolulu.
    deliver_due(delivery(clinic, renderer, DAY_1, email=provider), clinic.id)
    assert MAIL not in {envelope.address for envelope in provider.sent}
    deliver_due(delivery(clinic, renderer, DAY_1 + timedelta(hours=2), email=provider), clinic.id)
    assert MAIL in {envelope.address for envelope in provider.sent}


@pytest.mark.parametrize(
    ("channels", "expected"),
    [((), Untold.OFF), ((Channel.SMS,), Untold.NO_CONTACT)],
    ids=["off", "no-mobile"],
)
def test_where_nothing_is_written_the_timeline_says_why(
    clinic: ClinicFixture, channels: tuple[Channel, ...], expected: Untold
) -> None:
    # A telephone that nobody calls a mobile gets no text message.
    referral = asked_about(
        clinic, replace(SHORT, patient_channels=channels), email=MAIL, telephone="303-555-0144"
    )
    climb(clinic)
    assert to_patient(clinic, referral) == []
    assert why_not(clinic, referral) == [expected]


def test_a_letter_to_the_patient_waits_to_be_printed_under_the_neutral_name(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked_about(clinic, replace(SHORT, patient_channels=(Channel.POST,)), language="es")
    home = {"use": "home", "line": ["1 Beach Road"], "city": "Denver", "state": "CO", "postalCode": "80202"}
    with clinic.transaction() as session:
        resources.amend(session, "Patient", referral.patient_id, {"address": [home]}, NOW)
    climb(clinic)
    with clinic.transaction() as session:
        clinician = directory.get_clinician(session, referral.clinician_id)
        queue_message(session, referral, MessageKind.REMINDER, clinician.contacts[0], NOW)
        (reminder,) = [
            m for m in outbox.find(session, referral_id=referral.id) if m.kind is MessageKind.REMINDER
        ]
        outbox.settle(
            session, reminder, MessageState.ACCEPTED, finished_at=datetime(2026, 11, 4, 3, tzinfo=UTC)
        )
    deliver_due(delivery(clinic, renderer, DAY_1, post=PrintTransport()), clinic.id)
    (told,) = to_patient(clinic, referral)
    assert told.state is MessageState.BY_HAND
    with clinic.transaction() as session:
        words = words_of(documents.get(session, str(told.envelope_id)).content)
        shown = open_message(session, clinic.actor, str(told.id), frozenset({Channel.POST})).body
        (letter,) = [one for one in find_pile(session).letters if one.message.id == told.id]
    assert (letter.to, letter.address) == ("Maria José Nguyễn", ("1 Beach Road", "Denver, CO 80202"))
    assert "1 Beach Road" in words
    assert "formulario" in words
    # Three in the morning of UTC is the evening before in Denver.
    assert "Se lo recordamos por última vez el 3 de noviembre de 2026." in " ".join(words.split())
    # The link goes over two lines of the page; in the outbox it is nobody's but the patient's.
    link = list(takewhile(lambda line: " " not in line, words[words.index("https://") :].splitlines()))
    assert len("".join(link)) > 60
    assert [line for line in link if line in shown] == []
    assert not re.search(r"(?i)psych|psiq|depres|ketamin|F33", words)


def test_two_requests_are_one_piece_of_news(clinic: ClinicFixture) -> None:
    referral = asked_about(clinic, email=MAIL)
    with clinic.transaction() as session:
        order = people.order(session, clinic, people.patient(session, clinic, email="other@home.example"))
        other = people.clinician(session, clinic, given="Ada", npi="9000000023", email="ada@lane.example")
        people.ask(session, clinic, order, other)
        same = replace(referrals.get(session, referral.id))
        assert tell_patient(session, same, SHORT.patient_channels, NOW, ordinal=7) is None
        assert tell_patient(session, same, SHORT.patient_channels, NOW, ordinal=8) is Untold.TOLD_LATELY
        later = NOW + timedelta(days=4)
        assert tell_patient(session, same, SHORT.patient_channels, later, ordinal=8) is None
    assert len(to_patient(clinic, referral)) == 2


def test_a_mailbox_that_does_not_exist_is_followed_by_a_text_message(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked_about(clinic, email=MAIL)
    names(
        clinic,
        referral,
        {"system": "email", "value": MAIL},
        {"system": "phone", "use": "mobile", "value": MOBILE},
    )
    climb(clinic)
    text = Provider()
    mail = Provider(Outcome.REFUSED)
    for _ in range(2):
        deliver_due(delivery(clinic, renderer, DAY_1, email=mail, sms=text), clinic.id)
    assert [envelope.address for envelope in text.sent] == [MOBILE]
    said = text.sent[0].content.decode()
    assert "/p/" in said
    assert referral.number in said
    assert [m.state for m in to_patient(clinic, referral)] == [MessageState.ACCEPTED, MessageState.FAILED]


def test_what_the_record_no_longer_names_is_not_written_to(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral = asked_about(clinic, email=MAIL)
    climb(clinic)
    names(clinic, referral, {"system": "email", "value": "new@home.example"})
    provider = Provider()
    for _ in range(2):
        deliver_due(delivery(clinic, renderer, DAY_1, email=provider), clinic.id)
    sent = {envelope.address for envelope in provider.sent}
    assert MAIL not in sent
    assert "new@home.example" in sent
    with clinic.transaction() as session:
        known = contacts.of_patients(session, [referral.patient_id])[referral.patient_id]
    assert [(one.channel, one.address) for one in known] == [("email", "new@home.example")]
    # And back again, under the same id.
    names(clinic, referral, {"system": "email", "value": MAIL})
    with clinic.transaction() as session:
        (again,) = contacts.of_patients(session, [referral.patient_id])[referral.patient_id]
    assert again.address == MAIL
    assert again.id == to_patient(clinic, referral)[-1].contact_id


def test_a_link_ends_with_the_address_that_it_went_to(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral = asked_about(clinic, email=MAIL)
    climb(clinic)
    for _ in range(2):
        deliver_due(delivery(clinic, renderer, DAY_1, email=Provider()), clinic.id)

    def ended() -> list[bool]:
        with clinic.transaction() as session:
            found = patient_links.of_patient(session, referral.patient_id)
        return [link.revoked_at is not None for link in found]

    names(clinic, referral, {"system": "email", "value": MAIL}, {"system": "sms", "value": MOBILE})
    assert ended() == [False]
    names(clinic, referral, {"system": "sms", "value": MOBILE})
    assert ended() == [True]


def test_an_address_written_in_capitals_is_another_one_of_the_same_patient(clinic: ClinicFixture) -> None:
    referral = asked_about(clinic)
    for street in ("12 Elm Street", "12 ELM STREET", "12 Elm Street"):
        with clinic.transaction() as session:
            at_home = {
                "use": "home",
                "line": [street],
                "city": "Denver",
                "state": "CO",
                "postalCode": "80203",
            }
            resources.amend(session, "Patient", referral.patient_id, {"address": [at_home]}, NOW)
        with clinic.transaction() as session:
            (known,) = contacts.of_patients(session, [referral.patient_id])[referral.patient_id]
        assert known.address == f"{street}, Denver, CO 80203"


def test_an_answer_stops_what_has_not_left(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral = asked_about(clinic, email=MAIL)
    climb(clinic)
    with clinic.transaction() as session:
        people.respond_with(session, clinic, referral, now=DAY_1)
    provider = Provider()
    deliver_due(delivery(clinic, renderer, DAY_1, email=provider), clinic.id)
    assert MAIL not in {envelope.address for envelope in provider.sent}
    assert to_patient(clinic, referral)[0].state is MessageState.CANCELLED


def test_the_database_refuses_a_message_to_somebody_elses_contact(clinic: ClinicFixture) -> None:
    referral = asked_about(clinic, email=MAIL)
    with clinic.transaction() as session:
        stranger = people.patient(session, clinic, email="stranger@home.example")
        (theirs,) = contacts.of_patients(session, [stranger.id])[stranger.id]
        (mine,) = contacts.of_patients(session, [referral.patient_id])[referral.patient_id]
    row = {
        "clinic_id": clinic.id,
        "id": uuid.uuid4(),
        "referral_id": referral.id,
        "kind": MessageKind.PATIENT_STATUS,
        "ordinal": 1,
        "channel": "email",
        "contact_id": theirs.id,
        "not_before": NOW,
        "created_at": NOW,
    }
    for wrong in (
        {"patient_id": referral.patient_id},
        {"patient_id": stranger.id},
        # A patient's message says whose it is, and a clinician's cannot say so.
        {"contact_id": mine.id},
        {"contact_id": mine.id, "patient_id": referral.patient_id, "kind": MessageKind.REQUEST},
    ):
        with pytest.raises(IntegrityError), clinic.transaction() as session:
            session.connection.execute(insert(tables.message).values({**row, **wrong}))
