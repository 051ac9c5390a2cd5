"""Reports at the portal: read by whom they were written to, as long as the link lives, and by nobody else."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from referral.domain.codes import Channel
from referral.domain.course import ChangeReason, Severity, SideEffect
from referral.domain.credential import Minted, expires_at, mint
from referral.domain.life import Cause, Purpose
from referral.domain.outgoing import MessageKind
from referral.domain.report_rules import Occasion
from referral.letters.render import Renderer
from referral.services.account_disclosures import account_disclosures
from referral.services.correct_course import correct
from referral.services.deliver_messages import deliver_due
from referral.services.record_session import NewEffect, notice
from referral.services.report_back import News, report_back
from referral.services.treat import record_consultation
from referral.services.void_recommendation import void
from referral.storage import course_reports, credentials, orders, standings
from tests.database import ClinicFixture
from tests.letters import pdf
from tests.services.sending import Provider, delivery
from tests.web.portal_case import DETAILS, SIGNER, Browser, Case, make_case


@pytest.fixture
def case(clinic: ClinicFixture) -> Case:
    made = make_case(clinic)
    with clinic.transaction() as session:
        record_consultation(session, clinic.actor, made.referral.order_id, made.clock.now, made.clock.now)
    return made


@pytest.fixture
def browser(case: Case) -> Iterator[Browser]:
    with case.browser() as made:
        yield made


def sign(browser: Browser) -> None:
    browser.identify_by_fax()
    browser.post("/request/decision", {"decision": "recommended"})
    browser.post("/request/details", {**DETAILS, "action": "next"})
    browser.post("/request/sign", SIGNER)


def reported(case: Case) -> str:
    """The clinic has decided, and its report has left; returns the report's id."""
    with case.clinic.transaction() as session:
        news = News(occasion=Occasion.DECISION, happened_at=case.clock.now, treats=True)
        order = orders.get(session, case.referral.order_id, lock=True)
        (report,) = report_back(session, case.clinic.actor, order, news, case.clock.now)
    send(case)
    return report.id


def send(case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        renderer = Renderer(Path(folder))
        deliver_due(delivery(case.clinic, renderer, case.clock.now, email=Provider()), case.clinic.id)


def its_link(case: Case) -> Minted:
    """As it would have come to a fax number; the one in the mail asks for a code besides."""
    minted = mint(purpose=Purpose.STANDING)
    (message,) = case.messages(MessageKind.REPORT)
    with case.clinic.transaction() as session:
        kept = credentials.NewCredential(
            minted=minted,
            referral_id=case.referral.id,
            message_id=message.id,
            channel=Channel.FAX,
            contact_verified=True,
            expires_at=expires_at(case.clock.now, case.clock.now + timedelta(days=14)),
        )
        credentials.add_many(session, [kept], case.clock.now)
    return minted


def test_the_link_of_a_report_leads_to_it_even_when_the_recommendation_has_ended(
    case: Case, browser: Browser
) -> None:
    sign(browser)
    with case.clinic.transaction() as session:
        living = standings.of_referral(session, case.referral.id)
        void(session, case.clinic.actor, living, Cause.TREATMENT_GAP, "A long rest.", case.clock.now)
    id = reported(case)
    browser.client.cookies.clear()
    browser.open(its_link(case))
    page = browser.give_birth_date()
    assert page.url.path == "/request/since"
    assert "Our decision on ketamine infusions" in page.text
    assert "Back to your answer" not in page.text
    got = browser.get(f"/request/reports/{id}.pdf")
    assert got.headers["content-type"] == "application/pdf"
    assert "We have decided to treat." in pdf.text(got.content)
    assert browser.get("/request/reports/another.pdf").status_code == 404
    with case.clinic.transaction() as session:
        told = account_disclosures(session, case.clinic.actor, case.patient.id, case.clock.now)
        (kept,) = course_reports.of_referral(session, case.referral.id)
    assert [row.reference for row in told.rows if row.what == "portal-report"] == [
        f"DocumentReference/{kept.letter_id}"
    ]


def test_a_report_that_was_corrected_stays_readable_and_says_that_another_one_holds(
    case: Case, browser: Browser
) -> None:
    sign(browser)
    seizure = NewEffect(
        code="91175000",
        severity=Severity.SEVERE,
        serious=True,
        noticed_at=case.clock.now - timedelta(hours=1),
    )
    with case.clinic.transaction() as session:
        event = notice(session, case.clinic.actor, case.referral.order_id, seizure, case.clock.now)
    send(case)
    page = browser.get("/request/since")
    assert page.text.count("Report of a serious adverse event") == 1
    assert "replaced by a corrected report" not in page.text
    with case.clinic.transaction() as session:
        correct(
            session,
            case.clinic.actor,
            SideEffect,
            event.id,
            ChangeReason.WRONG_PLACE,
            case.clock.now,
            in_error=True,
        )
    send(case)
    page = browser.get("/request/since")
    assert page.text.count("Report of a serious adverse event") == 2
    assert page.text.count("replaced by a corrected report") == 1
    with case.clinic.transaction() as session:
        both = [
            one.report.id
            for one in course_reports.of_referral(session, case.referral.id)
            if one.report.occasion is Occasion.ADVERSE_EVENT
        ]
    said = [pdf.text(browser.get(f"/request/reports/{id}.pdf").content) for id in both]
    assert ["Seizure. Severe." in one for one in said] == [True, False]
    assert ["there was no such event" in one for one in said] == [False, True]


def test_a_report_is_nobody_elses_and_nothing_without_a_visit(case: Case, browser: Browser) -> None:
    sign(browser)
    id = reported(case)
    browser.client.cookies.clear()
    assert browser.get(f"/request/reports/{id}.pdf").url.path == "/request"
    other = make_case(case.clinic)
    browser.open(other.link(Channel.FAX))
    browser.give_birth_date()
    refused = browser.get(f"/request/reports/{id}.pdf")
    assert not refused.content.startswith(b"%PDF")
