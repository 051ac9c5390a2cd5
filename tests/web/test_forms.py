"""Every form of the staff pages, as its page shows it: empty, too long, in emoji, from right to left, twice.

The forms are read from the pages themselves; how one is filled in by somebody who means it, in fillings.py.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any, Final

import httpx
import pytest

from referral.domain.codes import Role
from tests.database import make_clinic
from tests.web.busy import furnish_a_busy_day
from tests.web.desk import Desk, desk
from tests.web.fillings import FILLINGS, Filling
from tests.web.pages import WHO, Place, pages_of
from tests.web.test_access_matrix import rows
from tests.web.test_restore_page import with_password

_WORDS: Final = ("text", "search", "textarea", "email", "tel", "url", "number", "date", "time", "color")
# What is always refused leaves the pages as they are, so one look at them serves both.
_FILLINGS: Final = {
    "empty and too long": ("", "Long words. " * 3000),
    "in emoji and from right to left": ("🦋 👩🏽‍⚕️ 𝒜 ליאור אבן-עזרא ليلى",),
}
# A form that ends or locks a visit is the business of the tests of visits.
_LEFT_OUT: Final = ("/sign-out", "/lock", "/sign-in/leave", "/sign-in/unlock")


@dataclass(slots=True)
class Box:
    """`options` are those of a select, or of the radios and ticks of one name; `chosen` is the one shown."""

    kind: str
    value: str = ""
    options: list[str] = field(default_factory=list)
    chosen: str | None = None


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

    def shown(self) -> dict[str, str]:
        """As the page shows it, which is what a browser sends where nothing is touched."""
        given = {}
        for name, box in self.boxes.items():
            if box.kind == "hidden" or box.kind in _WORDS:
                given[name] = box.value
            elif box.chosen is not None:
                given[name] = box.chosen
            elif box.kind == "select" and box.options:
                given[name] = box.options[0]
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
            if "selected" in has:
                self._select.chosen = has.get("value", "")
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
            if "checked" in has:
                box.chosen = has.get("value", "on")
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
            for words in _FILLINGS[filling]:
                given = one.sheet.filled(words, chosen=bool(words))
                answer = one.send(given)
                wrong += [(one.name, answer.status_code, what) for what in wrong_with(one, answer, given)]
    assert not wrong, "\n".join(map(str, wrong))
    assert len(every) > 25


def again_on_its_page(one: Sent) -> Sent | None:
    """The form as its page shows it now; None where it does not any more."""
    one.desk.get(one.page)
    for sheet in Reader(one.desk.page).sheets:
        if one.button in sheet.buttons:
            return replace(one, sheet=sheet)
    return None


def not_taken(answer: httpx.Response) -> str:
    """Why a form was refused, in the words of the page."""
    if answer.status_code == 200 and 'class="error-summary"' not in answer.text:
        return ""
    said = re.sub(r"<[^>]+>", " ", answer.text.partition('class="error-summary"')[2][:900])
    return f"{answer.status_code} {' '.join(said.split())[:300]}"


def unread(one: Sent, filling: Filling, answer: httpx.Response) -> Iterator[str]:
    """What was typed and does not stand on the page, exactly and as text."""
    page = answer.text
    if filling.at:
        one.desk.get(one.page)
        page = one.desk.page
    read = html.unescape(page)
    for words in filling.says:
        if words not in read:
            yield f"does not show {words!r} afterwards"
        elif "<b>" in words and words in page:
            yield f"shows {words!r} as markup"


def test_a_form_that_is_filled_in_well_is_saved_shown_again_and_does_its_work_once(
    database: Any, staff_server: str
) -> None:
    """Sent twice, as a double click does, or the back button and the same button again."""
    place = furnish_a_busy_day(make_clinic(database), "twice")
    wrong: list[tuple[str, str]] = []
    with every_form(place, staff_server) as every:
        for person in {id(one.desk): one.desk for one in every}.values():
            with_password(place.clinic, person.user_id)
        by_name = {one.name: one for one in every}
        wrong += [
            (
                name,
                "is in no table: say in tests/web/fillings.py how it is filled in, and what is read then",
            )
            for name in by_name.keys() - FILLINGS.keys()
        ]
        wrong += [
            (name, "is on no page any more: take it out of tests/web/fillings.py")
            for name in FILLINGS.keys() - by_name.keys()
        ]
        for name, filling in FILLINGS.items():
            if name in by_name:
                wrong += [(name, what) for what in sent_twice(place, by_name[name], filling)]
    assert not wrong, "\n".join(map(str, wrong))


def sent_twice(place: Place, seen: Sent, filling: Filling) -> Iterator[str]:
    """What somebody could complain of."""
    one = again_on_its_page(seen)
    if one is None or filling.gone:
        if (one is None) != bool(filling.gone):
            yield "is not on its page any more" if one is None else f"is there, although {filling.gone}"
        return
    given = one.sheet.shown() | filling.given
    first = one.send(given)
    after, why = rows(place), not_taken(first)
    if bool(why) != bool(filling.refused):
        yield f"is refused: {why}" if why else f"is taken, although {filling.refused}"
    yield from unread(one, filling, first)
    second = one.send(given)
    # Every look and every refusal is on record.
    more = {name for name, count in rows(place).items() if count != after[name]} - {"audit_event"}
    if more or second.status_code >= 500:
        yield f"{second.status_code} the second time, and makes more of {sorted(more)}"
