"""The pages of letters on paper: the pile, a batch, and what people say became of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from referral.channels.print_batch import PrintTransport
from referral.domain.codes import Role
from referral.domain.outgoing import MessageKind
from referral.domain.records import Referral
from referral.letters.render import Renderer
from referral.services.close_referral import cancel_referral
from referral.services.deliver_messages import deliver_due
from referral.storage import outbox, referrals
from tests.database import NOW, ClinicFixture
from tests.letters import pdf
from tests.services import people
from tests.services.sending import asked, delivery
from tests.web.client import application
from tests.web.desk import Desk, desk
from tests.web.portal_case import serve


@pytest.fixture(scope="module")
def fonts() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="referral-fonts-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def renderer(fonts: Path) -> Renderer:
    return Renderer(fonts / "fonts")


@pytest.fixture
def letters(clinic: ClinicFixture, renderer: Renderer) -> list[Referral]:
    made = [
        asked(
            clinic, family=f"Number{n}", npi="", email="", fax="", address=("1 Road", f"Denver, CO 8020{n}")
        )
        for n in (1, 2)
    ]
    deliver_due(delivery(clinic, renderer, post=PrintTransport()), clinic.id)
    return made


@pytest.fixture
def robin(clinic: ClinicFixture, fonts: Path, letters: list[Referral]) -> Iterator[Desk]:
    with ExitStack() as stack:
        address = stack.enter_context(serve(application(clinic, data_dir=fonts)))
        made = desk(address, clinic, Role.FRONT_DESK)
        stack.enter_context(made.client)
        yield made


def print_it(robin: Desk) -> bytes:
    """Open the PDF of the batch that is shown."""
    batch = "/".join(robin.path.split("/")[:3])
    answer = robin.client.post(f"{batch}/pdf", data=robin.hidden())
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    return answer.content


def test_a_batch_is_made_printed_and_confirmed(
    robin: Desk, clinic: ClinicFixture, letters: list[Referral]
) -> None:
    assert "waits to be printed and mailed" in robin.get(f"/requests/{letters[0].id}")
    text = robin.get("/print")
    assert "Print 2 waiting" in text
    assert "Make a batch of 2" in text
    assert "Maria" not in text
    first_page = robin.hidden()
    robin.post("/print")
    batch = robin.path
    assert "Print 2 letters on 2 sheets" in robin.text
    robin.post("/print", first_page)
    assert robin.path == batch
    robin.post(f"{batch}/mailed")
    assert robin.status == 422
    assert "has not been printed yet" in robin.text
    first = print_it(robin)
    assert print_it(robin) == first
    assert "Batch 1" in pdf.text(first, 1)
    shown = robin.hidden()
    assert "The letters are in the mail" in robin.post(f"{batch}/mailed", shown)
    robin.post(f"{batch}/mailed", shown)
    assert robin.status == 422
    with clinic.transaction() as session:
        assert all(referrals.get(session, one.id).delivered_at == NOW for one in letters)
    assert "No letters wait to be printed." in robin.get("/print")
    assert "2 mailed" in robin.text
    text = robin.get(f"/requests/{letters[0].id}")
    assert "Printed and mailed Tue, Nov 3, 10:00 AM · by Robin Desk" in text
    assert "Request by post: sent" in text
    with clinic.transaction() as session:
        message = outbox.find(session, referral_id=letters[0].id)[0]
    robin.get(batch)
    assert "Noted: the letter came back" in robin.post(f"{batch}/letters/{message.id}/came-back")
    assert "Came back" in robin.text
    robin.post(f"{batch}/letters/{message.id}/came-back")
    assert robin.status == 422


def test_what_was_answered_meanwhile_is_said_in_words(
    robin: Desk, clinic: ClinicFixture, letters: list[Referral]
) -> None:
    robin.get("/print")
    robin.post("/print")
    batch, shown = robin.path, robin.hidden()
    print_it(robin)
    with clinic.transaction() as session:
        one = referrals.get(session, letters[0].id)
        cancel_referral(session, clinic.actor, one.id, one.version, "not-needed", NOW)
    robin.post(f"{batch}/mailed", shown)
    assert robin.status == 409
    assert "This batch has changed since the page was opened." in robin.text
    assert "Do not mail every letter" in robin.text
    assert "Taken out" in robin.text
    assert "The letter is printed and mailed" in robin.text
    robin.post(f"{batch}/mailed")
    assert "1 mailed, 1 taken out" in robin.get("/print")


def test_a_letter_that_jammed_is_printed_again_and_one_is_put_back(
    robin: Desk, clinic: ClinicFixture, letters: list[Referral]
) -> None:
    robin.get("/print")
    robin.post("/print")
    batch = robin.path
    print_it(robin)
    with clinic.transaction() as session:
        message = outbox.find(session, referral_id=letters[1].id)[0]
    again = robin.client.post(f"{batch}/letters/{message.id}/pdf", data=robin.hidden())
    assert letters[1].number in pdf.text(again.content)
    text = robin.post(f"{batch}/letters/{message.id}/put-back")
    assert "The letter waits again" in text
    robin.post(f"{batch}/letters/{message.id}/put-back")
    assert robin.status == 422
    assert "Make a batch of 1" in robin.get("/print")


def test_staff_cannot_read_the_letter_elsewhere_while_its_link_lives(
    robin: Desk, clinic: ClinicFixture, letters: list[Referral]
) -> None:
    with clinic.transaction() as session:
        message = outbox.find(session, referral_id=letters[0].id)[0]
    robin.get(f"/documents/{message.letter_id}")
    assert robin.status == 403
    assert "To be printed and mailed" in robin.get("/outbox")


def test_letters_with_answers_are_for_clinical_staff(
    robin: Desk, clinic: ClinicFixture, letters: list[Referral], renderer: Renderer
) -> None:
    robin.get("/print")
    robin.post("/print")
    print_it(robin)
    robin.post(f"{robin.path}/mailed")
    with clinic.transaction() as session:
        people.respond_with(session, clinic, letters[0])
        other = referrals.get(session, letters[1].id)
        cancel_referral(session, clinic.actor, other.id, other.version, "not-needed", NOW)
    deliver_due(delivery(clinic, renderer, post=PrintTransport()), clinic.id)
    # The front desk sees that one waits, and neither makes a batch of it nor opens one.
    text = robin.get("/print")
    assert "Print 1 waiting" in text
    assert "Make a batch of 1" in text
    assert "which clinical staff print" in text
    assert "with answers" not in text
    assert robin.client.post("/print", data={**robin.hidden(), "answers": "yes"}).status_code == 403
    nurse = desk(str(robin.client.base_url), clinic, Role.CLINICIAN)
    with nurse.client:
        text = nurse.get("/print")
        assert "Print 2 waiting" in text
        assert "Make a batch of 1 with answers" in text
        nurse.post("/print", answers="yes")
        batch = nurse.path
        record = pdf.text(print_it(nurse))
        assert letters[0].number in record
        assert letters[1].number not in record
    text = robin.get(batch)
    assert "Clinical staff print this batch" in text
    assert "Print again" not in text
    with clinic.transaction() as session:
        (thanks,) = (
            m for m in outbox.find(session, referral_id=letters[0].id) if m.kind is MessageKind.THANK_YOU
        )
    for path in (f"{batch}/pdf", f"{batch}/letters/{thanks.id}/pdf"):
        assert robin.client.post(path, data=robin.hidden()).status_code == 403
    # Putting it into the mail is anybody's work.
    assert "The letters are in the mail" in robin.post(f"{batch}/mailed")


def test_who_sends_no_letters_prints_none(robin: Desk, clinic: ClinicFixture) -> None:
    robin.get("/print")
    robin.post("/print")
    batch = robin.path
    for role in (Role.ADMIN, Role.AUDITOR):
        address = str(robin.client.base_url)
        person = desk(address, clinic, role)
        with person.client:
            assert "Print" not in person.get("/")
            token = person.hidden()["csrf_token"]
            for path in ("/print", batch):
                person.get(path)
                assert person.status == 403
            for path in ("/print", f"{batch}/pdf", f"{batch}/mailed"):
                assert person.client.post(path, data={"csrf_token": token}).status_code == 403
