"""What pages of contacts and messages become in use: accessible, and nothing to scroll sideways."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Page

from referral.domain.codes import Channel
from referral.domain.outgoing import MessageState
from referral.domain.records import Bar, Experience, Lesson
from referral.services.keep_contact import NewContact, keep_contact
from referral.storage import contacts, directory
from tests.browser import run_chromium
from tests.database import NOW, ClinicFixture
from tests.journeys.looking import look
from tests.services import people
from tests.web.desk import OpenDesk
from tests.web.test_staff_outbox import left


@pytest.fixture
def page(clinic: ClinicFixture, open_desk: OpenDesk) -> Iterator[Page]:
    """Of somebody of the front desk."""
    robin = open_desk(clinic)
    base = str(robin.client.base_url)
    with run_chromium() as chromium:
        context = chromium.new_context(base_url=base)
        token = robin.client.cookies["referral_staff"]
        context.add_cookies([{"name": "referral_staff", "value": token, "url": base}])
        yield context.new_page()


def test_contacts_and_messages_are_calm_on_a_telephone_and_on_a_desk(
    clinic: ClinicFixture, page: Page
) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic, phone="303-555-0121 x4", verified=False)
        known = {c.channel: c for c in directory.get_clinician(session, referral.clinician_id).contacts}
        new = NewContact(channel="sms", address="303-555-0145", source="nppes")
        text = keep_contact(session, people.colleague(clinic), referral.clinician_id, new, NOW)
        for days in (20, 2):
            at = NOW - timedelta(days=days)
            news = Experience(message_id=str(days), lesson=Lesson.ANSWERED, at=at, hours=4.5)
            contacts.learn(session, known[Channel.FAX].id, news)
        failed = Experience(message_id="f", lesson=Lesson.FAILED, at=NOW)
        contacts.learn(session, known[Channel.POST].id, failed)
        contacts.learn(session, text.id, failed)
        contacts.bar(session, text.id, Bar.BAD_ADDRESS, NOW)
    message = left(clinic, referral, state=MessageState.UNKNOWN, last_error="SMTP broke off", finished_at=NOW)
    base = f"/directory/{referral.clinician_id}"
    for name, path in {
        "contact": f"{base}/contacts/{known[Channel.FAX].id}",
        "dead-contact": f"{base}/contacts/{text.id}",
        "outbox-empty": "/outbox?state=sent&channel=post&q=nobody",
        "message-mail": message,
    }.items():
        assert page.goto(path)
        look(page, name)
    page.goto(f"/requests/{referral.id}")
    page.get_by_text("Change or add a contact").click()
    page.get_by_text("Send again another way").click()
    look(page, "request-steps")
    left(clinic, referral, state=MessageState.ACCEPTED, finished_at=NOW, channel=Channel.SMS)
    page.goto(message)
    look(page, "message-text")
