"""`referral outbox`: what is shown names nobody, and whoever decides something is known."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from referral.channels.base import Outcome
from referral.domain.codes import Role
from referral.domain.outgoing import MessageState
from referral.letters.render import Renderer
from referral.services.accounts import NewUser, add_user
from referral.services.deliver_messages import deliver_due
from referral.services.keep_on_call import add_on_call
from referral.services.raise_safety import raise_safety
from referral.services.send_safety_calls import send_safety_calls
from referral.storage import clinics, on_call, outbox, tables
from referral.storage.on_call import SafetyCall
from tests.database import MASTER_KEY, NOW, ClinicFixture, Clock
from tests.processes import referral
from tests.services import conftest as letters
from tests.services import people
from tests.services.sending import Provider, asked, delivery

PASSWORD = "correct horse battery staple"
# The same letters as in the tests of the services.
renderer = letters.renderer
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(data_dir: Path, clinic: ClinicFixture) -> Command:
    """(exit code, what it said, what it complained about), an hour after NOW."""
    now = data_dir / "now"
    now.write_text((NOW + timedelta(hours=1)).isoformat(), encoding="utf-8")

    def run(*words: str, typed: str = "") -> tuple[int, str, str]:
        done = referral(
            data_dir,
            *("outbox", *words),
            typed=typed,
            REFERRAL_DATABASE_URL=clinic.database.url,
            REFERRAL_REDIS_URL="redis://127.0.0.1:1/0",
            REFERRAL_MASTER_KEY=MASTER_KEY,
            REFERRAL_PRETEND_NOW_FILE=str(now),
        )
        return done.returncode, done.stdout, done.stderr

    return run


def account(clinic: ClinicFixture, role: Role) -> str:
    email = f"{role}-{clinic.id[:8]}@harborlight.example"
    with clinic.transaction() as session:
        add_user(session, clinic.actor, NewUser(email=email, name="Ada", role=role, password=PASSWORD))
    return email


def one_message(clinic: ClinicFixture, renderer: Renderer, outcome: Outcome) -> outbox.Message:
    """A letter that has met this fate; the request has only one contact."""
    about = asked(clinic, fax="", address=())
    work = delivery(clinic, renderer, email=Provider(outcome))
    assert isinstance(work.now, Clock)
    while True:  # an unknown outcome is in doubt first, until nobody can say
        deliver_due(work, clinic.id)
        with clinic.transaction() as session:
            found = outbox.find(session, referral_id=about.id)[-1]
        if found.finished_at is not None:
            return found
        work.now.forward(120)


def called(clinic: ClinicFixture, renderer: Renderer) -> SafetyCall:
    """Whoever is on call was told of a safety task."""
    with clinic.transaction() as session:
        add_on_call(session, clinic.actor, "Dr. Whitcombe", "sms", "3035550101", NOW)
        task = raise_safety(
            session,
            clinic.actor,
            patient_id=people.patient(session, clinic).id,
            order_id=None,
            source="QuestionnaireResponse/q",
            answer=2,
            now=NOW,
        )
    assert task is not None
    assert send_safety_calls(delivery(clinic, renderer, sms=Provider()), clinic.id) == 1
    with clinic.transaction() as session:
        (call,) = on_call.of_tasks(session, [task.id])[task.id]
    return call


def state_of(clinic: ClinicFixture, message: outbox.Message) -> tuple[str, int]:
    with clinic.transaction() as session:
        found = outbox.get(session, message.id)
    assert found is not None
    return found.state, found.generation


def test_messages_are_listed_shown_and_decided_about(
    clinic: ClinicFixture, renderer: Renderer, command: Command
) -> None:
    message = one_message(clinic, renderer, Outcome.UNKNOWN)
    other = one_message(clinic, renderer, Outcome.ACCEPTED)
    with clinic.transaction() as session:
        slug = clinics.current(session).slug
    by = ("--by", account(clinic, Role.FRONT_DESK), "--password-stdin")

    code, said, _ = command("list", "--clinic", slug, "--state", "unknown", "--provider", "outbox")
    assert code == 0
    assert [line.split("\t")[0] for line in said.splitlines()] == [str(message.id)]
    assert len(said.split("\t")) == 10
    _, shown, _ = command("show", str(message.id), "--clinic", slug)
    assert re.search(r"^state: +unknown$", shown, re.MULTILINE)
    for word in ("Okafor", "Nguy", "beaconhill", "@", "303-555"):
        assert word not in said + shown, word

    call = called(clinic, renderer)
    code, said, _ = command("list", "--clinic", slug, "--state", "accepted", "--provider", "outbox")
    assert code == 0
    lines = [line.split("\t") for line in said.splitlines()]
    assert [line[0] for line in lines] == [str(other.id), str(call.id)]
    assert lines[1][2:6] == ["accepted", "on-call", "sms", "outbox"]
    assert len(lines[1]) == 10
    _, shown, _ = command("show", str(call.id), "--clinic", slug)
    assert re.search(rf"^task: +{call.task_id}$", shown, re.MULTILINE)
    for word in ("Whitcombe", "Nguy", "555"):
        assert word not in said + shown, word

    code, said, why = command("retry", str(message.id), str(other.id), *by, typed=PASSWORD)
    assert (code, said) == (1, "")
    assert "Ask the recipient" in why
    assert "has been handed over" in why
    assert why.endswith("2 of 2 refused.\n")
    assert state_of(clinic, message) == (MessageState.UNKNOWN, 1)

    words = ("retry", str(other.id), str(message.id), "--yes-it-did-not-arrive", *by)
    code, said, why = command(*words, typed=PASSWORD)
    assert (code, said) == (1, f"{message.id}  is tried again.\n")
    assert state_of(clinic, message) == (MessageState.READY, 2)
    for word, done in (("park", "is set aside"), ("cancel", "is cancelled")):
        code, said, _ = command(word, str(message.id), *by, typed=PASSWORD)
        assert (code, said) == (0, f"{message.id}  {done}.\n")
    assert state_of(clinic, message) == (MessageState.CANCELLED, 2)
    with clinic.transaction() as session:
        event = tables.audit_event
        found = session.connection.scalars(
            select(event.c.subtype).where(
                event.c.clinic_id == clinic.id, event.c.entity == f"Communication/{message.id}"
            )
        ).all()
    assert {"message", "message-retried", "message-parked", "message-cancelled"} <= set(found)


def test_what_is_typed_wrong_is_said(clinic: ClinicFixture, command: Command) -> None:
    with clinic.transaction() as session:
        slug = clinics.current(session).slug
    assert command("list", "--clinic", slug, "--older-than", "soon")[0::2] == (
        1,
        "--older-than takes minutes, hours or days, such as 30m, 12h or 3d.\n",
    )
    code, _, why = command("list", "--clinic", slug, "--provider", "pigeon")
    assert (code, why) == (1, "There is no provider pigeon; there are: outbox, print\n")
    code, _, why = command("show", "0" * 36, "--clinic", slug)
    assert (code, why) == (1, f"Cannot go on: There is no message with id {'0' * 36}.\n")
    code, _, why = command("list", "--clinic", "nobody")
    assert code == 1
    assert why.startswith("Name one clinic with --clinic")


def test_only_people_who_may_ask_decide(clinic: ClinicFixture, command: Command) -> None:
    id = "00000000-0000-0000-0000-000000000000"
    admin = account(clinic, Role.ADMIN)
    code, _, why = command("cancel", id, "--by", admin, "--password-stdin", typed=PASSWORD)
    assert (code, why) == (1, "The role of this account may not decide about messages.\n")
    code, _, why = command("cancel", id, "--by", admin, "--password-stdin", typed="wrong")
    assert (code, why.startswith("E-mail and password do not match")) == (1, True)


def test_old_messages_are_found_by_their_age(
    clinic: ClinicFixture, renderer: Renderer, command: Command
) -> None:
    message = one_message(clinic, renderer, Outcome.UNKNOWN)
    with clinic.transaction() as session:
        slug = clinics.current(session).slug
        row = tables.message.c.id == message.id
        session.connection.execute(
            tables.message.update().where(row).values(created_at=NOW - timedelta(days=36500))
        )
    ages = [command("list", "--clinic", slug, "--older-than", age)[1] != "" for age in ("30000d", "40000d")]
    assert ages == [True, False]
