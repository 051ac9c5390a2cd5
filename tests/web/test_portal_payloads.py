"""B3 at the portal: three hundred payloads through every text field, on every page that shows them again."""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from sqlalchemy import select

from referral.domain.codes import Role
from referral.letters.content import printable_text
from referral.storage import documents, tables
from tests.database import ClinicFixture
from tests.web.desk import OpenDesk
from tests.web.payloads import payloads
from tests.web.portal_case import DETAILS, Browser, Case, make_case

_PAYLOADS = payloads()
# Fields that are shown again, with the longest that they take.
_FIELDS = {
    "details": ("medication", "prior-treatments", "crisis-contact", "comment"),
    "sign": ("signer-name", "signer-credentials", "signer-role", "signer-license-state", "signer-npi"),
    "ask/question": ("text",),
    "ask/call": ("telephone", "when", "text"),
    "ask/colleague": ("name", "telephone", "text"),
    "not-for-me/left": ("name", "telephone"),
    "conversation": ("text",),
    "assistant": ("name",),
    "withdraw": ("text",),
}


_ELSEWHERE = ("javascript:", "data:", "file:", "//", "http")


class Seen(HTMLParser):
    """The elements and attributes of a page, as a browser finds them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.targets: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(sorted(name for name, _ in attrs))))
        self.targets += [v or "" for name, v in attrs if name in ("href", "src", "action", "data", "srcdoc")]


def harmless(page: str) -> bool:
    """No script, no handler, no address of elsewhere, no template that was worked out."""
    seen = Seen(page)
    tags = {tag for tag, _ in seen.found}
    names = {name for _, names in seen.found for name in names}
    return (
        not tags & {"img", "iframe", "object", "embed", "base", "style", "video", "math", "marquee", "image"}
        and not any(name.startswith("on") for name in names)
        and "srcdoc" not in names
        and not any(
            t.lower().startswith(("javascript:", "data:", "file:", "//", "http")) for t in seen.targets
        )
        and "49" not in {word.strip() for word in page.split("\n")}
    )


@pytest.fixture
def case(clinic: ClinicFixture) -> Case:
    return make_case(clinic)


@pytest.fixture
def browser(case: Case) -> Iterator[Browser]:
    with case.browser() as opened:
        yield opened


def test_there_are_three_hundred_and_each_is_another() -> None:
    assert len(_PAYLOADS) >= 300
    assert len(set(_PAYLOADS)) == len(_PAYLOADS)
    # The judge judges: what is not escaped is found.
    found = [one for one in _PAYLOADS if "<" in one and not harmless(f"<p>{one}</p>")]
    assert len(found) > 200


def test_every_payload_comes_back_as_words_from_every_form(case: Case, browser: Browser) -> None:
    """Each form with a payload in each of its fields, as often as it takes for all; it is shown again."""
    browser.identify_by_fax()
    browser.post("/request/decision", {"decision": "recommended"})
    browser.post("/request/details", {**DETAILS, "action": "continue"})
    browser.get("/request/details")
    for fields in handfuls(*_FIELDS["details"], "last-seen"):
        browser.post("/request/details", {**DETAILS, **fields, "last-seen": fields["last-seen"][:40]})
        _is_shown_again(browser, fields)
    browser.post("/request/details", {**DETAILS, "action": "continue"})
    for fields in handfuls(*_FIELDS["sign"]):
        browser.post("/request/sign", fields)
        _is_shown_again(browser, fields)
    browser.get("/request/ask/question")
    for fields in handfuls(*"abcdefghijkl"):
        browser.post("/request/ask/question", {"text": "\n".join(fields.values()) + "x" * 2001})
        _is_shown_again(browser, fields)
    assert case.state().is_open


def handfuls(*names: str) -> Iterator[dict[str, str]]:
    """All payloads, as many at a time as there are names."""
    for start in range(0, len(_PAYLOADS), len(names)):
        some = _PAYLOADS[start : start + len(names)]
        yield dict(zip(names, itertools.chain(some, itertools.repeat("x")), strict=False))


def _is_shown_again(browser: Browser, fields: dict[str, str]) -> None:
    assert "Not sent yet" in browser.page or "aria-invalid" in browser.page, fields
    assert harmless(browser.page), fields


def test_what_was_sent_is_words_for_staff_and_for_the_clinician(
    case: Case, browser: Browser, open_desk: OpenDesk
) -> None:
    """All payloads together, in few messages: each is stored as it was typed, and shown as words."""
    browser.identify_by_fax()
    sent = []
    for start in range(0, len(_PAYLOADS), 12):
        words = "\n".join(_PAYLOADS[start : start + 12])[:1990]
        browser.get("/request/conversation")
        browser.post("/request/conversation", {"text": words})
        assert harmless(browser.page), words
        sent.append(printable_text(words))
    browser.get("/request/ask/call")
    browser.post("/request/ask/call", {"telephone": _PAYLOADS[0], "when": _PAYLOADS[1], "text": _PAYLOADS[2]})
    assert harmless(browser.get("/request").text)
    desk = open_desk(case.clinic, Role.MEDICAL_DIRECTOR)
    for page in (f"/requests/{case.referral.id}", "/", "/calls"):
        desk.get(page)
        assert desk.status == 200
        seen = Seen(desk.page)
        assert not [target for target in seen.targets if target.lower().startswith(_ELSEWHERE)]
        assert not [names for _, names in seen.found if any(name.startswith("on") for name in names)]
    shown = html.unescape(desk.get(f"/requests/{case.referral.id}"))
    assert "javascript:alert(1)" in shown
    with case.clinic.transaction() as session:
        ids = session.connection.scalars(
            select(tables.document.c.id).where(
                tables.document.c.clinic_id == session.clinic, tables.document.c.kind == "words"
            )
        ).all()
        kept = {documents.get(session, id).content.decode() for id in ids}
    assert {one.strip() for one in sent} <= kept


@pytest.mark.parametrize("way", ["ask/colleague", "not-for-me/left", "assistant"])
def test_names_and_numbers_are_words_too(case: Case, browser: Browser, open_desk: OpenDesk, way: str) -> None:
    browser.identify_by_fax()
    payload = "<img src=x onerror=alert(1)>"
    browser.get(f"/request/{way}")
    browser.post(f"/request/{way}", dict.fromkeys(_FIELDS[way], payload))
    assert harmless(browser.page)
    assert harmless(browser.get("/request").text)
    desk = open_desk(case.clinic, Role.FRONT_DESK)
    desk.get(f"/requests/{case.referral.id}")
    assert "onerror=alert(1)>" not in desk.page


@pytest.mark.parametrize("field", ["code", "selector"])
def test_the_doors_of_the_portal_take_words_as_words(case: Case, browser: Browser, field: str) -> None:
    del case
    for payload in _PAYLOADS[::12]:
        path = "/request/code" if field == "code" else "/request/fresh-link"
        answer = browser.client.post(path, data={field: payload})
        assert answer.status_code < 500
        assert harmless(answer.text), payload
