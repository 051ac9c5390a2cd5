"""What a clinician finds in the fax tray, from the request to the thanks, in the clinician's language."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from referral.domain.codes import Channel, Role
from referral.domain.errors import Forbidden
from referral.domain.language import Language
from referral.domain.outgoing import MessageKind
from referral.letters.render import Renderer
from referral.services.ask_clinic import ask_clinic
from referral.services.close_referral import cancel_referral
from referral.services.deliver_messages import deliver_due
from referral.services.find_documents import read_document
from referral.services.queue_message import queue_message
from referral.services.resend import resend
from referral.services.write_to_clinician import write_to_clinician
from referral.storage import directory, outbox, referrals, tables
from tests.database import NOW, ClinicFixture
from tests.letters import pdf
from tests.services import people
from tests.services.sending import Provider, asked, delivery
from tests.web.desk import add_person


class Tray:
    """A fax machine in a practice, and what has come out of it."""

    def __init__(self, clinic: ClinicFixture, renderer: Renderer) -> None:
        self.clinic, self.fax = clinic, Provider()
        self._delivery = delivery(clinic, renderer, now=NOW + timedelta(minutes=5), fax=self.fax)

    def next(self) -> bytes:
        before = len(self.fax.sent)
        deliver_due(self._delivery, self.clinic.id)
        (envelope,) = self.fax.sent[before:]
        return envelope.content


@pytest.fixture
def tray(clinic: ClinicFixture, renderer: Renderer) -> Tray:
    return Tray(clinic, renderer)


def speaks(clinic: ClinicFixture, language: Language) -> None:
    with clinic.transaction() as session:
        session.connection.execute(update(tables.clinician).values(language=language))


def test_every_letter_comes_behind_a_cover_in_the_readers_language(clinic: ClinicFixture, tray: Tray) -> None:
    referral = asked(clinic, email="")
    speaks(clinic, Language.SPANISH)
    request = tray.next()
    cover = pdf.text(request, page=1)
    for part in ("Fax confidencial", "Chidi Okafor, MD", "3 en total, incluida esta", referral.number):
        assert part in cover
    for part in ("Nguy", "1986", "etamin", "F33", "Segundo env"):
        assert part not in cover
    assert "Maria José Nguyễn, nacimiento: 1986" in pdf.text(request, page=2)
    assert "Formulario de respuesta" in pdf.text(request, page=3)

    with clinic.transaction() as session:
        current = referrals.get(session, referral.id)
        resend(session, clinic.actor, referral.id, current.version, "fax", NOW)
    assert "Segundo envío:" in pdf.text(tray.next(), page=1)

    with clinic.transaction() as session:
        people.respond_with(session, clinic, referrals.get(session, referral.id), now=NOW)
    thanks = tray.next()
    assert "Fax confidencial" in pdf.text(thanks, page=1)
    letter = pdf.text(thanks, page=2)
    for part in ("Gracias, su respuesta ha llegado", "Lo recomiendo", "Un informe al final del tratamiento"):
        assert part in letter
    assert "mitad del tratamiento" not in letter
    record = pdf.text(thanks, page=3)
    # Also what staff have written down: the record speaks to its reader.
    for part in (
        "Constancia de una respuesta",
        "Preguntas y respuestas",
        "¿Lo recomienda? Lo recomiendo",
    ):
        assert part in record


def test_an_answer_to_a_question_goes_on_paper_whole_and_the_front_desk_does_not_open_it(
    clinic: ClinicFixture, tray: Tray
) -> None:
    referral = asked(clinic, email="")
    tray.next()
    with clinic.transaction() as session:
        question = "Which dose, and how often?"
        ask_clinic(session, people.portal_actor(clinic), referral.id, "question", question, NOW)
    writer = add_person(clinic, Role.CLINICIAN, "Elena R. Whitcombe, MD")
    with clinic.transaction() as session:
        current = referrals.get(session, referral.id)
        said = "0.5 mg per kg, twice a week."
        actor = replace(clinic.actor, id=writer.id, role=writer.role)
        write_to_clinician(session, actor, referral.id, current.version, said, NOW)
    fax = tray.next()
    letter = pdf.text(fax, page=2)
    for part in ("Maria José Nguyễn, born 1986", "Which dose, and how often?", "You asked on November"):
        assert part in letter
    # Whoever has written it signs it.
    assert f"{said} Elena R. Whitcombe, MD" in letter
    assert "Which dose" not in pdf.text(fax, page=1)
    with clinic.transaction() as session:
        found = outbox.find(session, referral_id=referral.id)
        kept = next(one for one in found if one.kind == MessageKind.CONVERSATION)
        with pytest.raises(Forbidden, match="clinical staff"):
            read_document(session, clinic.actor, str(kept.letter_id), may_read_answers=False, real=())


def test_who_is_asked_in_vain_is_told_in_a_letter_that_names_nobody(
    clinic: ClinicFixture, tray: Tray
) -> None:
    referral = asked(clinic, email="")
    tray.next()
    with clinic.transaction() as session:
        current = referrals.get(session, referral.id)
        cancel_referral(session, clinic.actor, referral.id, current.version, "Maria moved away", NOW)
    letter = pdf.text(tray.next())
    assert "No answer needed any more" in letter
    assert "We have withdrawn it." in letter
    assert "Page 1 of 1" in letter
    for part in ("Maria", "Nguy", "1986", "moved"):
        assert part not in letter


def test_a_notice_is_in_the_readers_language_inside_and_out(clinic: ClinicFixture, tray: Tray) -> None:
    """Its words are those of the mail, its frame is the letter's."""
    referral = asked(clinic, email="")
    speaks(clinic, Language.SPANISH)
    tray.next()
    with clinic.transaction() as session:
        people.respond_with(session, clinic, referrals.get(session, referral.id), now=NOW)
    tray.next()
    with clinic.transaction() as session:
        known = directory.get_clinician(session, referral.clinician_id).contacts
        contact = next(one for one in known if one.channel is Channel.FAX)
        closed = referrals.get(session, referral.id)
        queue_message(session, closed, MessageKind.NO_LONGER_COUNTS, contact, NOW)
    letter = pdf.text(tray.next())
    for part in (
        "Su respuesta ya no cuenta",
        f"Su respuesta a la solicitud {referral.number}",
        "Página 1 de 1",
    ):
        assert part in letter
    for part in ("Your answer", "Questions", "Page 1"):
        assert part not in letter
