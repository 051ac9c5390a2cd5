"""Every form of the staff pages, as its page shows it: empty, too long, in emoji, from right to left, twice.

The forms are read from the pages themselves, so a new one is covered when its page is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Final

import httpx
import pytest

from referral.domain.codes import Role
from tests.database import make_clinic
from tests.web.busy import furnish_a_busy_day
from tests.web.desk import Desk, desk
from tests.web.pages import WHO, Place, pages_of
from tests.web.test_access_matrix import rows

_WORDS: Final = ("text", "search", "textarea", "email", "tel", "url", "number", "date", "time", "color")
_FILLINGS: Final = {
    "empty": "",
    "too long": "Long words. " * 3000,
    "emoji": "🦋 👩🏽‍⚕️ 𝒜",
    "right to left": "ליאור אבן-עזרא ليلى",
}
# What somebody would write who means it, by the type of the box.
_MEANT: Final = {
    "date": "2026-11-20",
    "time": "10:00",
    "number": "3",
    "email": "new@practice.example",
    "tel": "303-555-0188",
    "color": "#0f5257",
    "url": "https://ehr.example/keys",
}
# A form that ends or locks a visit is the business of the tests of visits.
_LEFT_OUT: Final = ("/sign-out", "/lock", "/sign-in/leave", "/sign-in/unlock")


@dataclass(slots=True)
class Box:
    """`options` are the values of a select or of the radios and ticks of one name."""

    kind: str
    value: str = ""
    options: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Sheet:
    """A form as a page shows it; `buttons` are (action, name, value)."""

    action: str
    boxes: dict[str, Box] = field(default_factory=dict)
    buttons: list[tuple[str, str, str]] = field(default_factory=list)
    is_upload: bool = False

    def filled(self, words: str, *, chosen: bool) -> dict[str, str]:
        """With these words in every box, and the first of every choice if `chosen`."""
        given = {}
        for name, box in self.boxes.items():
            if box.kind == "hidden":
                given[name] = box.value
            elif box.kind in _WORDS:
                given[name] = words
            elif box.options and chosen:
                given[name] = next(filter(None, box.options), "")
        return given

    def meant(self) -> dict[str, str]:
        """As somebody fills it in who wants it done."""
        given = self.filled("", chosen=True)
        for name, box in self.boxes.items():
            if box.kind in _WORDS:
                given[name] = box.value or _MEANT.get(box.kind, "303-555-0188")
        return given


class Reader(HTMLParser):
    """The forms of a page that change something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sheets: list[Sheet] = []
        self._sheet: Sheet | None = None
        self._select: Box | None = None
        self._text: Box | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attributes}
        if tag == "form":
            self._sheet = Sheet(has.get("action", "")) if has.get("method") == "post" else None
            if self._sheet:
                self._sheet.is_upload = has.get("enctype") == "multipart/form-data"
                self.sheets.append(self._sheet)
        if self._sheet is None:
            return
        if tag == "button" and has.get("type") != "button" and "disabled" not in has:
            to = has.get("formaction", self._sheet.action)
            self._sheet.buttons.append((to, has.get("name", ""), has.get("value", "")))
        elif tag == "option" and self._select is not None:
            self._select.options.append(has.get("value", ""))
        elif name := has.get("name"):
            self._read(tag, name, has)

    def _read(self, tag: str, name: str, has: dict[str, str]) -> None:
        assert self._sheet is not None
        kind = has.get("type", "text") if tag == "input" else tag
        box = self._sheet.boxes.setdefault(name, Box(kind))
        if tag == "select":
            self._select = box
        elif tag == "textarea":
            self._text = box
        elif kind in ("radio", "checkbox"):
            box.options.append(has.get("value", "on"))
        else:
            box.value = has.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._sheet = None
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._text = None

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.value += data


@dataclass(frozen=True, slots=True)
class Sent:
    """One way to send one form: whose, from which page, by which of its buttons."""

    desk: Desk
    page: str
    sheet: Sheet
    button: tuple[str, str, str]

    @property
    def name(self) -> str:
        return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "*", " ".join(self.button)).strip()

    def send(self, given: dict[str, str]) -> httpx.Response:
        to, name, value = self.button
        data = given | ({name: value} if name else {})
        # A file that was not chosen.
        files = {"": ("", b"")} if self.sheet.is_upload else None
        return self.desk.client.post(to, data=data, files=files)


def forms(place: Place, desks: dict[Role, Desk]) -> list[Sent]:
    """Each form once, whatever it is about, with each of its buttons."""
    found: dict[str, Sent] = {}
    for path, who in pages_of(place):
        person = desks[who]
        person.get(path)
        for sheet in Reader(person.page).sheets:
            for button in sheet.buttons:
                one = Sent(person, path, sheet, button)
                if button[0] not in _LEFT_OUT:
                    found.setdefault(one.name, one)
    return list(found.values())


@pytest.fixture(scope="module")
def busy(database: Any) -> Place:
    """A clinic with something on every page; what is refused leaves it there."""
    return furnish_a_busy_day(make_clinic(database))


@contextmanager
def every_form(place: Place, server: str) -> Iterator[list[Sent]]:
    """As the pages show them now, before the people who were given them."""
    with ExitStack() as stack:
        desks = {role: desk(server, place.clinic, role) for role in WHO}
        for person in desks.values():
            stack.enter_context(person.client)
        yield forms(place, desks)


def wrong_with(one: Sent, answer: httpx.Response, given: dict[str, str]) -> Iterator[str]:
    """What somebody could complain of who has sent this."""
    if answer.status_code >= 500:
        yield "falls over"
    elif answer.status_code >= 400:
        if 'class="error-summary"' not in answer.text and "<h1>" not in answer.text:
            yield "does not say what is wrong"
        if 'class="error-summary"' in answer.text and 'href="#' not in answer.text:
            yield "does not say where"
    if answer.status_code == 400:
        yield from lost(one, Reader(answer.text).sheets, given)


def lost(one: Sent, shown: list[Sheet], given: dict[str, str]) -> Iterator[str]:
    """Boxes in which what was typed does not stand any more, or not from its beginning."""
    again = next((sheet for sheet in shown if sheet.action == one.sheet.action), Sheet(""))
    for name, value in given.items():
        box = one.sheet.boxes[name]
        if box.kind in ("text", "textarea", "email", "tel", "url") and value.strip():
            stands = again.boxes[name].value.strip() if name in again.boxes else ""
            if not stands or not value.strip().startswith(stands):
                yield f"has lost what was typed into {name}"


@pytest.mark.parametrize("filling", _FILLINGS)
def test_whatever_is_typed_is_refused_in_words_and_kept_or_saved_as_it_is(
    busy: Place, staff_server: str, filling: str
) -> None:
    wrong = []
    with every_form(busy, staff_server) as every:
        for one in every:
            given = one.sheet.filled(_FILLINGS[filling], chosen=filling != "empty")
            answer = one.send(given)
            wrong += [(one.name, answer.status_code, what) for what in wrong_with(one, answer, given)]
    assert not wrong, "\n".join(map(str, wrong))
    assert len(every) > 25


def test_sending_a_form_twice_does_its_work_once(database: Any, staff_server: str) -> None:
    """As a double click does, or the back button and the same button again."""
    place = furnish_a_busy_day(make_clinic(database), "twice")
    twice, done = [], 0
    with every_form(place, staff_server) as every:
        before = rows(place)
        for one in every:
            given = one.sheet.meant()
            statuses = [one.send(given).status_code]
            after = rows(place)
            statuses.append(one.send(given).status_code)
            again = rows(place)
            # Every look and every refusal is on record.
            more = {name for name, count in again.items() if count != after[name]} - {"audit_event"}
            done += bool({name for name, count in after.items() if count != before[name]} - {"audit_event"})
            if more or max(statuses) >= 500:
                twice.append((one.name, statuses, sorted(more)))
            before = again
    assert not twice, "\n".join(map(str, twice))
    assert done > 10
