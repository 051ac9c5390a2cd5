"""What goes wrong in clinics and machine rooms: a clear message each, nothing lost, nothing doubled."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.journeys import portal
from tests.journeys.conftest import NewContext, SignIn
from tests.journeys.desk import Newcomer, ask, fill_in_request, number_of, reload_until
from tests.journeys.looking import look
from tests.journeys.service import Service
from tests.processes import eventually

SENT = "Request by e-mail: sent"


def happened(page: Page, what: str) -> int:
    return page.locator(".timeline .strong").all_inner_texts().count(what)


def assert_sent_once(service: Service, page: Page, number: str) -> None:
    """One letter has arrived and stays the only one, whatever else was due."""
    reload_until(page, SENT)
    service.sweep()
    page.reload()
    assert happened(page, SENT) == 1
    assert len(service.post.letters(number)) == 1


def state_of(service: Service, number: str) -> str:
    """Where the request's letter stands, between any two steps of a worker."""
    sql = (
        "SELECT m.state FROM message m JOIN referral r ON r.clinic_id = m.clinic_id AND r.id = m.referral_id"
        " WHERE r.number = %s"
    )
    with service.database() as connection:
        row = connection.execute(sql, (number,)).fetchone()
    return row[0] if row else ""


def test_mail_waits_for_a_mail_server_that_is_down_and_arrives_once(
    service: Service, sign_in: SignIn
) -> None:
    desk = sign_in("desk")
    service.post.close()
    try:
        number = ask(desk, Newcomer("Della", "Marshwood", date(1981, 7, 1)))
        request = desk.url
        reload_until(desk, "To be tried again")
        look(desk, "faults-1-mail-server-down")
        desk.locator("#messages + ul a").first.click()
        expect(desk.get_by_text("No SMTP connection")).to_be_visible()
        # What is still going to be sent is for its recipient alone.
        assert "/r/" not in desk.content()
        expect(desk.get_by_role("link", name="Letter")).to_have_count(0)
        look(desk, "faults-2-message-waits")
    finally:
        service.post.open()
    service.clock.advance(minutes=5)
    desk.goto(request)
    assert_sent_once(service, desk, number)


def test_an_emptied_redis_costs_a_moment_and_no_letter(service: Service, sign_in: SignIn) -> None:
    desk = sign_in("desk")
    stopped = service.pool_processes()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    number = ask(desk, Newcomer("Edmund", "Farrowgate", date(1979, 5, 5)))
    with service.valkey() as valkey:
        eventually(lambda: valkey.hlen("unacked"))  # the bell has rung, and nobody can answer it
        valkey.flushall()
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    assert_sent_once(service, desk, number)
    # and what is asked afterwards arrives too: nothing of the broker's was needed to find its queue
    desk.goto("/requests/new")
    again = ask(desk, Newcomer("Flora", "Gannethill", date(1992, 8, 18)))
    assert_sent_once(service, desk, again)


def test_a_worker_killed_while_it_draws_a_letter_delivers_it_once(service: Service, sign_in: SignIn) -> None:
    desk = sign_in("desk")
    victims = service.pool_processes()
    fill_in_request(desk, Newcomer("Gideon", "Hazelrigg", date(1966, 1, 31)))
    desk.get_by_role("button", name="Send request").click(no_wait_after=True)
    with service.database() as connection:
        drawing = "SELECT count(*) FROM message WHERE state = 'rendering'"
        eventually(lambda: connection.execute(drawing).fetchone() != (0,))
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    number = number_of(desk)
    assert state_of(service, number) == "rendering"
    eventually(lambda: not set(service.pool_processes()) & set(victims))
    service.clock.advance(minutes=2)  # the lease of the dead runs out
    assert_sent_once(service, desk, number)


def test_a_database_that_dies_is_a_clear_page_and_then_the_work_goes_on(
    service: Service, sign_in: SignIn
) -> None:
    desk = sign_in("desk")
    patient = Newcomer("Hester", "Ivythorpe", date(1988, 12, 12))
    fill_in_request(desk, patient)
    os.kill(service.pid_of("postgres"), signal.SIGKILL)
    with desk.expect_navigation() as sending:
        desk.get_by_role("button", name="Send request").click()
    assert sending.value.status == 503
    look(desk, "faults-3-database-down")
    # Sending the same page again is the same request.
    eventually(lambda: desk.reload().status == 200, 60)  # type: ignore[union-attr]
    number = re.search(r"R-\d{4}-\d+", desk.inner_text("main"))
    assert number is not None
    assert_sent_once(service, desk, number[0])


def test_a_double_click_on_send_makes_one_request(service: Service, sign_in: SignIn) -> None:
    desk = sign_in("desk")
    patient = Newcomer("Isolde", "Junipermere", date(1973, 3, 3))
    fill_in_request(desk, patient)
    desk.get_by_role("button", name="Send request").dblclick()
    number = number_of(desk)
    desk.get_by_role("link", name=patient.name).first.click()
    expect(desk.locator("#requests + ul .row")).to_have_count(1)
    expect(desk.locator("#orders + ul .row")).to_have_count(1)
    desk.goto("/patients?q=Junipermere")
    expect(desk.locator(".rows .row")).to_have_count(1)
    look(desk, "faults-4-patients")
    desk.goto(f"/outbox?q={number}")
    expect(desk.locator(".rows .row")).to_have_count(1)
    look(desk, "faults-5-outbox")


def test_a_link_that_is_wrong_says_no_more_than_that(
    service: Service, context: NewContext, sign_in: SignIn
) -> None:
    desk = sign_in("desk")
    number = ask(desk, Newcomer("Jasper", "Kestrelby", date(1984, 4, 4)))
    link = service.post.link(number)
    wrong = link[:-1] + ("A" if link[-1] != "A" else "B")
    stranger = context().new_page()
    for address in (wrong, f"{service.address}/r/nothing/at-all"):
        stranger.goto(address)
        portal.press(stranger, "Continue")
        expect(stranger.get_by_role("heading", name="This link cannot be used now")).to_be_visible()
        assert "Kestrelby" not in stranger.content()
    look(stranger, "faults-6-wrong-link")


def on_a_double_click(page: Page) -> None:
    """No script on the portal holds the second click back."""
    portal.fill_in_signature(page)
    page.get_by_role("button", name="Sign and send").dblclick()


def in_two_tabs(page: Page) -> None:
    other = page.context.new_page()
    other.goto("/request/review")
    portal.sign(page)
    portal.sign(other)
    look(other, "faults-7-answered-in-another-tab")
    expect(other.get_by_role("heading", name="your answer has arrived")).to_be_visible()


def going_back(page: Page) -> None:
    """Back shows no form to send once more: the answer has arrived."""
    portal.sign(page)
    expect(page.get_by_role("heading", name="your answer has arrived")).to_be_visible()
    page.go_back()


@pytest.mark.parametrize("send", [on_a_double_click, in_two_tabs, going_back], ids=lambda send: send.__name__)
def test_an_answer_that_is_sent_twice_counts_once(
    service: Service, context: NewContext, sign_in: SignIn, send: Callable[[Page], None]
) -> None:
    desk = sign_in("desk")
    patient = Newcomer("Kitty", f"Larkspur {send.__name__.split('_')[-1]}".title(), date(1970, 10, 10))
    number = ask(desk, patient)
    request = desk.url
    clinician = context().new_page()
    portal.prove_identity(clinician, service.post.link(number), patient, desk, number)
    portal.recommend(clinician, service.clock.today - timedelta(days=7))
    send(clinician)
    assert portal.receipt(clinician).startswith(b"%PDF")
    desk.goto(request)
    assert happened(desk, "Answered: recommended") == 1
    expect(desk.get_by_text("Counts", exact=True)).to_be_visible()
