"""A form that was kept while its session was locked, shown again on its page: filled in, and not sent."""

from __future__ import annotations

import html
from collections import defaultdict, deque
from collections.abc import Iterable
from functools import cache
from html.parser import HTMLParser
from re import Pattern
from typing import Final

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path

from referral.storage.kept_forms import KeptForm

# Where the page of a form does not stand at the form's own address, or above it.
_ELSEWHERE: Final = {
    "/bookings": "/bookings/new",
    "/policy": "/policy/edit",
    "/policy/preview": "/policy/edit",
    "/policy/ladder": "/policy/ladder/edit",
    "/policy/ladder/preview": "/policy/ladder/edit",
    "/settings/letterhead": "/settings/letterhead/edit",
    "/settings/letterhead/preview": "/settings/letterhead/edit",
}
# Types of <input> that hold no typed value.
_FIXED: Final = frozenset({"password", "file", "submit", "button", "image", "reset"})
_TICKED: Final = frozenset({"checkbox", "radio"})
# What belongs to this showing of the page.
_OF_PAGE: Final = frozenset({"csrf_token", "kept_form"})
ANCHOR: Final = "kept"


def page_of(app: FastAPI, path: str) -> str:
    """The page on which a form that is sent to `path` stands: there, or the nearest page above."""
    wanted = _ELSEWHERE.get(path, path)
    pages = _pages(app)
    while wanted not in ("", "/"):
        if any(page.fullmatch(wanted) for page in pages):
            return wanted
        wanted = wanted.rpartition("/")[0]
    return "/"


@cache
def _pages(app: FastAPI) -> tuple[Pattern[str], ...]:
    found = iter_route_contexts(app.routes)
    return tuple(compile_path(str(route.path))[0] for route in found if "GET" in (route.methods or ()))


def fill_in(page: str, form: KeptForm, id: str) -> str | None:
    """The page with what was typed; None where it has no form like it any more.

    A form that is folded away is unfolded. Passwords and files are typed and chosen anew.
    """
    looked = _Look(form)
    looked.feed(page)
    looked.close()
    if looked.best is None:
        return None
    filled = _Fill(form, id, looked.best, looked.around)
    filled.feed(page)
    filled.close()
    return "".join(filled.out)


def told(form: KeptForm) -> list[tuple[str, str]]:
    """What a person may want to copy from it."""
    mechanical = _OF_PAGE | {"version", "form_key", "key", "action"}
    return [(name, value) for name, value in form.fields if value.strip() and name not in mechanical]


class _Look(HTMLParser):
    """Finds the form that was sent: by its address, or by the most fields of the same names."""

    def __init__(self, form: KeptForm) -> None:
        super().__init__(convert_charrefs=False)
        self._path = form.path
        self._names = {name for name, _ in form.fields} - _OF_PAGE
        self._folds: list[int] = []
        self._count = self._details = -1
        self._inside = False
        self._most = 0
        self._shared = 0
        self._own = False
        self.best: int | None = None
        self.around: frozenset[int] = frozenset()
        self._here: frozenset[int] = frozenset()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "details":
            self._details += 1
            self._folds.append(self._details)
        elif tag == "form":
            self._count += 1
            self._inside = found.get("method") == "post"
            self._own = found.get("action") == self._path
            self._here = frozenset(self._folds)
            self._shared = 0
        elif self._inside and found.get("name") in self._names:
            self._shared += 1

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag: str) -> None:
        if tag == "details" and self._folds:
            self._folds.pop()
        elif tag == "form" and self._inside:
            self._inside = False
            # Its own address outweighs any number of names.
            weight = self._shared + (1000 if self._own else 0)
            if self._shared and weight > self._most:
                self._most, self.best, self.around = weight, self._count, self._here


class _Fill(HTMLParser):
    """Writes the page again as it was, but for one form."""

    def __init__(self, form: KeptForm, id: str, which: int, around: Iterable[int]) -> None:
        super().__init__(convert_charrefs=False)
        self.out: list[str] = []
        self._id = id
        self._which = which
        self._around = frozenset(around)
        self._values: dict[str, deque[str]] = defaultdict(deque)
        self._sent: dict[str, set[str]] = defaultdict(set)
        for name, value in form.fields:
            if name not in _OF_PAGE:
                self._values[name].append(value)
                self._sent[name].add(value)
        self._count = self._details = -1
        self._inside = False
        self._templates = 0
        self._select = ""
        self._typed: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        changed = found
        if tag == "template":
            self._templates += 1
        elif tag == "details":
            self._details += 1
            if self._details in self._around:
                changed = {**found, "open": None}
        elif tag == "form":
            self._count += 1
            self._inside = self._count == self._which
        elif self._inside and not self._templates:
            changed = self._field(tag, found)
        self.out.append(str(self.get_starttag_text()) if changed == found else _tag(tag, changed))
        if tag == "form" and self._inside:
            self.out.append(_tag("span", {"id": ANCHOR}) + "</span>")
            self.out.append(_tag("input", {"type": "hidden", "name": "kept_form", "value": self._id}))

    handle_startendtag = handle_starttag

    def _field(self, tag: str, found: dict[str, str | None]) -> dict[str, str | None]:
        name, value = found.get("name") or "", found.get("value") or ""
        if tag == "input" and name not in _OF_PAGE:
            kind = found.get("type") or "text"
            if kind in _TICKED:
                return _marked(found, "checked", on=value in self._sent[name])
            if kind not in _FIXED and self._values[name]:
                return {**found, "value": self._values[name].popleft()}
        elif tag == "textarea" and self._values[name]:
            self._typed = self._values[name].popleft()
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._sent[self._select]:
            return _marked(found, "selected", on=value in self._sent[self._select])
        return found

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._typed is not None:
            # The first line break of a textarea is not part of what stands in it.
            self.out.append("\n" + html.escape(self._typed))
            self._typed = None
        elif tag == "select":
            self._select = ""
        elif tag == "template":
            self._templates -= 1
        elif tag == "form":
            self._inside = False
        self.out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self._write(data)

    def handle_entityref(self, name: str) -> None:
        self._write(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._write(f"&#{name};")

    def handle_comment(self, data: str) -> None:
        self._write(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self._write(f"<!{decl}>")

    def _write(self, text: str) -> None:
        if self._typed is None:
            self.out.append(text)


def _marked(found: dict[str, str | None], mark: str, *, on: bool) -> dict[str, str | None]:
    rest = {name: value for name, value in found.items() if name != mark}
    return {**rest, mark: None} if on else rest


def _tag(tag: str, attributes: dict[str, str | None]) -> str:
    written = (
        name if value is None else f'{name}="{html.escape(value)}"' for name, value in attributes.items()
    )
    return f"<{' '.join((tag, *written))}>"
