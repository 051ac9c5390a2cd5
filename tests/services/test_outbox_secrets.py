"""What only a recipient may use is not read in the outbox, whatever the message was drawn on."""

from __future__ import annotations

import re

from referral.domain.codes import Channel
from referral.domain.outgoing import MessageKind
from referral.domain.records import Referral
from referral.letters.render import Renderer
from referral.letters.words import words_of
from referral.services.deliver_messages import deliver_due
from referral.services.find_messages import open_message
from referral.services.queue_message import queue_message
from referral.storage import credentials, directory, outbox
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.services.sending import Provider, delivery

CODE = re.compile(r"\b[0-9A-Z]{5}-[0-9A-Z]{5}\b")
REAL = frozenset({Channel.FAX})


def noticed(clinic: ClinicFixture, kind: MessageKind) -> tuple[Referral, str]:
    """A notice by fax; the id of its message."""
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        asked = directory.get_clinician(session, referral.clinician_id)
        fax = next(contact for contact in asked.contacts if contact.channel is Channel.FAX)
        assert queue_message(session, referral, kind, fax, NOW)
        found = outbox.find(session, referral_id=referral.id)
        return referral, next(str(m.id) for m in found if m.kind is kind)


def read(clinic: ClinicFixture, id: str, real: frozenset[Channel]) -> tuple[str, bool]:
    with clinic.transaction() as session:
        opened = open_message(session, clinic.actor, id, real)
        return opened.body, opened.masked


def test_a_link_and_a_code_on_a_faxed_notice_are_left_out(clinic: ClinicFixture, renderer: Renderer) -> None:
    """The link goes over two lines of the page, and the code beside it opens the same door."""
    provider = Provider()
    for _ in range(4):  # a link breaks where its letters happen to allow it
        referral, id = noticed(clinic, MessageKind.FRESH_LINK)
        deliver_due(delivery(clinic, renderer, fax=provider), clinic.id)
        sent = next(words for one in provider.sent if "new link" in (words := words_of(one.content)))
        provider.sent.clear()
        (code,) = CODE.findall(sent)
        secret_lines = sent[sent.index("/r/") :].split("Or open")[0].removeprefix("/r/").split()
        body, masked = read(clinic, id, REAL)
        assert masked
        assert code not in body
        assert [line for line in secret_lines if line in body] == []
        with clinic.transaction() as session:
            for link in credentials.of_referral(session, referral.id):
                assert link.selector not in body
        assert "Here is the new link that was asked for" in body
        assert "If you did not ask for it" in body


def test_a_notice_that_people_bring_is_read_whole(clinic: ClinicFixture, renderer: Renderer) -> None:
    """Where no provider takes faxes, it ends here, and somebody has to bring it."""
    _, id = noticed(clinic, MessageKind.FRESH_LINK)
    deliver_due(delivery(clinic, renderer), clinic.id)
    body, masked = read(clinic, id, frozenset())
    assert not masked
    assert CODE.search(body)
    assert "/r/" in body
