"""The portal's first page is the same for every link, and nothing that a scanner does changes anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import httpx
import pytest
from sqlalchemy import text

from referral.domain.codes import Channel
from referral.domain.credential import Minted, mint
from referral.domain.outgoing import MessageKind
from referral.services.close_referral import cancel_referral
from referral.services.enter_portal import Caller, enter_by_link
from referral.storage import credentials
from referral.storage.db import Database
from referral.web.app import create_app
from tests.database import ClinicFixture
from tests.web.client import application, runtime
from tests.web.portal_case import BORN, Browser, Case, make_case, serve

_TABLES = (
    *("portal_credential", "portal_session", "referral", "referral_event"),
    *("message", "audit_event", "recommendation", "portal_throttle"),
)


@pytest.fixture
def case(clinic: ClinicFixture) -> Case:
    return make_case(clinic)


@pytest.fixture
def browser(case: Case) -> Iterator[Browser]:
    with case.browser() as opened:
        yield opened


def of_every_state(case: Case) -> dict[str, Minted]:
    """Links in each state that a link can have."""
    now = case.clock.now
    links = {
        "good": case.link(Channel.EMAIL),
        "expired": case.link(Channel.EMAIL, expires=now - timedelta(days=1)),
        "frozen": case.link(Channel.EMAIL),
        "paused": case.link(Channel.FAX),
        "revoked": case.link(Channel.FAX),
        "unknown": mint(),
        "nonsense": Minted("%00", "%27", ""),
    }
    with case.clinic.transaction() as session:
        credentials.freeze(session, links["frozen"].selector, now)
        for _ in range(5):
            credentials.take_attempt(session, links["paused"].selector, now)
        session.connection.execute(
            text(
                "UPDATE portal_credential SET revoked_at = :now, revoked_for = 'answer' WHERE selector = :key"
            ),
            {"now": now, "key": links["revoked"].selector},
        )
    return links


def everything(case: Case) -> list[list[tuple[object, ...]]]:
    """All rows of the clinic that a visit could touch."""
    with case.clinic.transaction() as session:
        return [
            [tuple(row) for row in session.connection.execute(text(f"SELECT * FROM {name} ORDER BY 1, 2"))]
            for name in _TABLES
        ]


def path(minted: Minted) -> str:
    return f"/r/{minted.selector}/{minted.secret}"


def steady(response: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    """All that could tell one answer from another; the clock and the request's own number cannot."""
    moving = {"date", "x-request-id"}
    return (
        response.status_code,
        response.content,
        [(name, value) for name, value in response.headers.multi_items() if name not in moving],
    )


def test_every_link_shows_the_same_page_to_the_byte(case: Case, browser: Browser) -> None:
    """P2; how long the answers take is measured by bench/portal.py."""
    links = list(of_every_state(case).values())
    before = everything(case)
    for method in ("GET", "HEAD"):
        answers = {repr(steady(browser.client.request(method, path(minted)))) for minted in links * 3}
        assert len(answers) == 1, method
    assert everything(case) == before


def test_the_first_page_needs_no_database(clinic: ClinicFixture) -> None:
    nowhere = Database("postgresql+psycopg://nobody@127.0.0.1:1/none", clinic.database.vault)
    app = create_app(replace(runtime(clinic), database=nowhere))
    with serve(app) as address, httpx.Client(verify=False, base_url=address, timeout=60) as client:
        assert client.get(path(mint())).status_code == 200
        assert client.post(path(mint())).status_code == 503
    nowhere.close()


def test_the_first_page_says_nothing_and_does_nothing_by_itself(case: Case, browser: Browser) -> None:
    page = browser.get(path(case.link(Channel.EMAIL))).text
    for word in ("Quillfeather", "Maren", "1984", "Harbor", "etamine", "depress", "Brandywine", "R-2026"):
        assert word not in page
    assert not re.search(r"<script|onload|http-equiv|autofocus|/r/|<iframe|<img|type=.hidden", page)
    (form,) = re.findall(r"<form[^>]*>", page)
    assert form == '<form method="post" action="">'


class _Scanner(HTMLParser):
    """What a mail scanner finds on a page: what it fetches by itself, and what submits itself."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.scripts: list[str] = []
        self.submits: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.scripts += [name for name in given if name.startswith("on")]
        if tag == "script":
            self.scripts.append(given.get("src", "inline"))
        if tag == "meta" and given.get("http-equiv", "").lower() == "refresh":
            self.submits.append(given.get("content", ""))
        target = given.get("href", "") if tag in ("a", "link") else given.get("src", "")
        if target.startswith("/"):
            self.fetched.append(target)


def scan(browser: Browser, minted: Minted, visits: int) -> None:
    """HEAD, GET, everything that the page links to or loads, and whatever would submit itself."""
    for number in range(visits):
        answer = browser.client.request(("HEAD", "GET")[number % 2], path(minted))
        found = _Scanner()
        found.feed(answer.text)
        assert (found.scripts, found.submits) == ([], [])
        if number % 50 == 1:
            for target in found.fetched:
                browser.client.get(target)


def _unused(case: Case, browser: Browser, visits: int) -> None:
    """P1: no credential used, no state changed; afterwards the link still opens."""
    minted = case.link(Channel.FAX)
    before = everything(case)
    scan(browser, minted, visits)
    assert everything(case) == before
    assert "date of birth" in browser.open(minted).text


def test_a_link_cannot_be_used_by_looking_at_it(case: Case, browser: Browser) -> None:
    _unused(case, browser, 200)


@pytest.mark.soak
def test_a_link_cannot_be_used_by_looking_at_it_a_thousand_times(case: Case, browser: Browser) -> None:
    _unused(case, browser, 1000)


def _guess(case: Case, tokens: int) -> int:
    """How many of so many random links and codes open something; straight at the use case."""
    hits = 0
    now = case.clock.now
    minted = case.link(Channel.FAX)
    for _ in range(tokens // 1000):
        with case.clinic.database.transaction() as session:
            for number in range(1000):
                other = mint()
                selector = minted.selector if number % 3 == 0 else other.selector
                hits += enter_by_link(session, Caller(), selector, other.secret, now) is not None
    return hits


def test_random_tokens_open_nothing(case: Case) -> None:
    assert _guess(case, 2_000) == 0


@pytest.mark.soak
def test_a_million_random_tokens_open_nothing(case: Case) -> None:
    """P3."""
    assert _guess(case, 1_000_000) == 0


def test_continuing_drops_the_secret_and_sets_a_cookie_for_this_host_only(
    case: Case, browser: Browser
) -> None:
    minted = case.link(Channel.FAX)
    response = browser.client.post(path(minted), follow_redirects=False)
    assert response.status_code == 303
    assert response.headers["location"] == "/request"
    cookie = response.headers["set-cookie"]
    assert {part.strip().lower() for part in cookie.split(";")[1:]} == {
        "httponly",
        "path=/",
        "samesite=strict",
    }
    token = cookie.split(";")[0].partition("=")[2]
    assert minted.secret not in cookie
    assert token not in browser.get("/request").text


def test_behind_https_the_cookie_is_bound_to_the_host(case: Case) -> None:
    app = application(case.clinic, case.clock, base_url="https://portal.example")
    with serve(app) as address, httpx.Client(verify=False, base_url=address) as client:
        cookie = client.post(path(case.link(Channel.FAX))).headers["set-cookie"]
    assert cookie.startswith("__Host-referral_portal=")
    assert "secure" in cookie.lower()


def test_every_link_that_cannot_be_used_is_answered_in_the_same_words(case: Case, browser: Browser) -> None:
    pages = set()
    for state, minted in of_every_state(case).items():
        response = browser.client.post(path(minted))
        if state != "good":
            assert response.status_code == 403
            pages.add(response.text.replace(f'value="{minted.selector}"', "").replace('value="\0"', ""))
    assert len(pages) == 1
    assert "fresh link" in pages.pop()


def test_asking_for_a_fresh_link_is_answered_in_the_same_words_whether_it_existed_or_not(
    case: Case, browser: Browser
) -> None:
    links = of_every_state(case)
    answers = {
        browser.client.post("/request/fresh-link", data={"selector": minted.selector}).text
        for minted in links.values()
    }
    answers |= {
        browser.client.post("/request/fresh-link", data={"code": minted.short_code or "x"}).text
        for minted in links.values()
    }
    assert len(answers) == 1
    assert case.messages(MessageKind.FRESH_LINK) == []  # one link of this request is frozen


def test_an_expired_link_leads_to_a_fresh_one_in_two_steps(case: Case, browser: Browser) -> None:
    minted = case.link(Channel.FAX, expires=case.clock.now)
    assert "cannot be used now" in browser.open(minted).text
    assert "on its way" in browser.post("/request/fresh-link").text
    (message,) = case.messages(MessageKind.FRESH_LINK)
    assert message.contact_id == case.contact(Channel.FAX).id


def test_a_short_code_opens_the_same_door(case: Case, browser: Browser) -> None:
    minted = case.link(Channel.FAX)
    assert "Type the code" in browser.get("/request").text
    response = browser.post("/request/code", {"code": minted.short_code.lower()})
    assert response.url.path == "/request"
    assert "date of birth" in response.text


def test_unknown_codes_are_counted_and_stopped_and_what_was_typed_stays(case: Case, browser: Browser) -> None:
    minted = case.link(Channel.FAX)
    response = browser.client.post("/request/code", data={"code": "AAAAA-AAAAA"})
    assert response.status_code == 403
    assert 'value="AAAAA-AAAAA"' in response.text
    statuses = [
        browser.client.post("/request/code", data={"code": mint().short_code}).status_code for _ in range(32)
    ]
    assert statuses[-1] == 429
    assert browser.client.post("/request/code", data={"code": minted.short_code}).status_code == 429
    case.clock.now += timedelta(hours=1)
    assert browser.client.post("/request/code", data={"code": minted.short_code}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null", "Sec-Fetch-Site": "same-site"},
    ],
)
def test_forms_from_other_sites_are_refused(case: Case, browser: Browser, headers: dict[str, str]) -> None:
    minted = case.link(Channel.FAX)
    browser.open(minted)
    before = everything(case)
    for address, data in (
        (path(minted), {}),
        ("/request/code", {"code": minted.short_code}),
        ("/request/fresh-link", {"selector": minted.selector}),
    ):
        assert browser.post(address, data, **headers).status_code == 403
    assert everything(case) == before


def test_a_form_without_its_token_is_refused(case: Case, browser: Browser) -> None:
    browser.open(case.link(Channel.FAX))
    born = {"birth_month": str(BORN.month), "birth_day": str(BORN.day), "birth_year": str(BORN.year)}
    for token in ({}, {"csrf_token": ""}, {"csrf_token": "x" * 43}):
        response = browser.client.post("/request/birth-date", data={**born, **token})
        assert response.status_code == 403
    assert case.state().identified_at is None


def test_a_cancelled_request_says_so_to_an_open_page(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    with case.clinic.transaction() as session:
        cancel_referral(
            session, case.clinic.actor, case.referral.id, case.state().version, "Moved away", case.clock.now
        )
    page = browser.post("/request/decision", {"decision": "recommended"}).text
    assert "Nothing is needed any more" in page
    assert "Quillfeather" not in page


def test_a_page_left_open_is_closed_after_fifteen_minutes(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    case.clock.now += timedelta(minutes=15)
    assert "Quillfeather" in browser.get("/request").text
    case.clock.now += timedelta(minutes=15, seconds=1)
    page = browser.get("/request").text
    assert "This page was closed" in page
    assert "Quillfeather" not in page


def test_no_visit_lasts_longer_than_an_hour(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    for _ in range(6):
        case.clock.now += timedelta(minutes=10)
        assert "Quillfeather" in browser.get("/request").text
    case.clock.now += timedelta(seconds=1)
    assert "Quillfeather" not in browser.get("/request").text


def test_closing_the_page_ends_the_session_for_whoever_has_the_cookie(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    stolen = dict(browser.client.cookies)
    browser.post("/request/leave")
    browser.client.cookies.update(stolen)
    assert "Quillfeather" not in browser.get("/request").text
