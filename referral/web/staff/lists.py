"""One way to draw a list: what its address asks for, its page, and its file.

A list is described once (`Shape`); a service reads a page of it; a function makes a row for people of each,
another the cells of the file. The address holds all that was chosen, so a list can be linked to.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeVar
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from referral.domain.listing import CHUNK, COUNTED, Page, View
from referral.storage.db import Session
from referral.web.dependencies import Visitor
from referral.web.staff.frame import EVERYTHING, clock_of, query_of, show
from referral.web.staff.list_models import Empty, Filter, ListPage, Row, Select, Shape, Tab
from referral.web.staff.models import Choice, Fact

_Item = TypeVar("_Item")
Cell = str | int | None
Find = Callable[[Session, View], Page[_Item]]
_PLACES: Final = ("after", "before")
# What a spreadsheet would take for a formula or a command; the last four are those of East Asian keyboards.
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# Spreadsheets take a file without it for another encoding than it has.
_MARK: Final = "\ufeff"


def view_of(request: Request, shape: Shape) -> View:
    """What the address asks for; what the list does not offer is left out."""
    filters = {name: query_of(request, name) for name in _names(shape)}
    for item in shape.filters:
        if filters[item.name] not in {value for value, _ in item.options}:
            filters[item.name] = ""
    return View(
        filters=filters,
        sort=query_of(request, "sort"),
        after=request.query_params.get("after", ""),
        before=request.query_params.get("before", ""),
    )


def _names(shape: Shape) -> tuple[str, ...]:
    search = ("q",) if shape.search else ()
    chosen = (*(item.name for item in shape.filters), *(item.name for item in shape.days))
    return (*search, *chosen, *(name for name, _ in shape.pinned))


def wants_file(request: Request) -> bool:
    """The same address with `format=csv` is the file of the same list."""
    return request.query_params.get("format") == "csv"


def show_list(
    request: Request,
    visitor: Visitor,
    shape: Shape,
    find: Find[_Item],
    row: Callable[[_Item], Row],
    cells: Callable[[_Item], Iterable[Cell]],
    active: str,
    follows: tuple[str, ...] = EVERYTHING,
) -> Response:
    """The page of a list that has nothing else on it, or its file; `follows` as show() has it."""
    if wants_file(request):
        return file_of(request, visitor, shape, find, cells)
    page = list_page(request, visitor, shape, find, row)
    return show(request, visitor, "staff/list.html.j2", active, page, follows=follows)


def list_page(
    request: Request, visitor: Visitor, shape: Shape, find: Find[_Item], row: Callable[[_Item], Row]
) -> ListPage:
    """What the template shows; the service that finds the rows notes the look."""
    view = view_of(request, shape)
    found = find(visitor.session, view)
    chosen = {name: value for name, value in view.filters.items() if value}
    kept = chosen | ({"sort": view.sort} if view.sort else {})
    selects = [_select(item.name, item.label, item.options, view.wants(item.name)) for item in shape.filters]
    main = {item.name for item in shape.filters if item.main}
    tabs = {item.name for item in shape.filters if item.tabs}
    more = [item for item in selects if item.name not in main | tabs]
    if len(shape.sorts) > 1:
        more.append(_select("sort", "Order", shape.sorts, view.sort))
    return ListPage(
        title=shape.title,
        intro=shape.intro,
        actions=shape.actions,
        primary=shape.primary,
        search=shape.search,
        query=view.wants("q"),
        main=tuple(item for item in selects if item.name in main),
        more=tuple(more),
        days=tuple(Fact(item.label, view.wants(item.name)) for item in shape.days),
        day_names=tuple(item.name for item in shape.days),
        kept=tuple((n, view.wants(n)) for n in (*tabs, *(name for name, _ in shape.pinned)) if view.wants(n)),
        pinned=tuple(words for name, words in shape.pinned if view.wants(name)),
        unfolded=_unfolded(shape, view),
        rows=tuple(row(item) for item in found.rows),
        count=_count(found.count or 0, len(found.rows), shape),
        path=shape.path,
        tabs=tuple(tab for item in shape.filters if item.tabs for tab in _tabs(shape.path, item, kept)),
        filtered=bool(chosen),
        csv_href=_href(shape.path, {**kept, "format": "csv"}),
        before_href=_href(shape.path, {**kept, "before": found.before}) if found.before else "",
        after_href=_href(shape.path, {**kept, "after": found.after}) if found.after else "",
        empty=_no_match(shape) if chosen else shape.empty,
    )


def _unfolded(shape: Shape, view: View) -> bool:
    hidden = [item.name for item in shape.filters if not item.main and not item.tabs] + [
        item.name for item in shape.days
    ]
    return bool(view.sort) or any(view.wants(name) for name in hidden)


def _select(name: str, label: str, options: tuple[tuple[str, str], ...], chosen: str) -> Select:
    choices = tuple(Choice(value, words, checked=value == chosen) for value, words in options)
    return Select(name=name, label=label, options=choices)


def _href(path: str, values: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(values)}" if values else path


def _tabs(path: str, item: Filter, kept: Mapping[str, str]) -> Iterator[Tab]:
    chosen = kept.get(item.name, "")
    others = {name: value for name, value in kept.items() if name != item.name}
    for value, label in item.options:
        yield Tab(label, _href(path, others | ({item.name: value} if value else {})), value == chosen)


def _count(count: int, shown: int, shape: Shape) -> str:
    """'12 requests', '50 of 1,234 requests', '50 of 10,000 or more requests'."""
    number = f"{count:,}{' or more' if count >= COUNTED else ''}"
    words = f"{number} {shape.one if count == 1 else shape.many or shape.one + 's'}"
    return words if shown == count else f"{shown} of {words}"


def _no_match(shape: Shape) -> Empty:
    return Empty(title=f"No {shape.one} matches.", text=shape.no_match)


# ---- The file


def file_of(
    request: Request,
    visitor: Visitor,
    shape: Shape,
    find: Find[_Item],
    cells: Callable[[_Item], Iterable[Cell]],
) -> Response:
    """All that the filters let through, in the order of the page, written while it is read."""
    view = replace(view_of(request, shape), after="", before="", size=CHUNK, export=True)
    name = f"{shape.path.strip('/').replace('/', '-')}-{clock_of(visitor).today.isoformat()}.csv"
    return csv_response(name, shape.columns, _rows(visitor, view, find, cells))


def _rows(
    visitor: Visitor, view: View, find: Find[_Item], cells: Callable[[_Item], Iterable[Cell]]
) -> Iterator[list[list[Cell]]]:
    """Each part in a transaction of its own: that it was taken away is on record before it leaves."""
    while True:
        with visitor.runtime.transaction(visitor.actor.clinic_id) as session:
            page = find(session, view)
            rows = [list(cells(item)) for item in page.rows]
        yield rows
        if not page.after:
            return
        view = replace(view, after=page.after)


def csv_response(name: str, columns: Iterable[str], parts: Iterable[list[list[Cell]]]) -> Response:
    """A file for a spreadsheet (RFC 4180), in which no cell can be a formula."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_written(columns, parts), 200, headers, "text/csv; charset=utf-8")


def _written(columns: Iterable[str], parts: Iterable[list[list[Cell]]]) -> Iterator[str]:
    text = io.StringIO()
    writer = csv.writer(text)
    text.write(_MARK)
    writer.writerow(columns)
    for rows in parts:
        writer.writerows([_safe(cell) for cell in row] for row in rows)
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def _safe(cell: Cell) -> str | int:
    """Text that begins like a formula is marked as text (OWASP, CSV injection)."""
    if isinstance(cell, str) and cell.startswith(_FORMULAS):
        return f"'{cell}"
    return "" if cell is None else cell
