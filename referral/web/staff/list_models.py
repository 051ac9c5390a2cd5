"""How a list is described, and what its template shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from referral.domain.quick import quick
from referral.web.staff.models import Badge, Choice, Fact, Link, When


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A select above a list: (value, label), the first is what nobody has chosen.

    `main` stands beside the search box, `tabs` above the list as links; the others unfold.
    """

    name: str
    label: str
    options: tuple[tuple[str, str], ...]
    main: bool = False
    tabs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A date above a list."""

    name: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """What stands where no row does: why, and what to do next."""

    title: str
    text: str = ""
    link: Link | None = None


# What most lists offer.
NEWEST_FIRST: Final = (("", "Newest first"), ("oldest", "Oldest first"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One list as its page describes it.

    `one` is what a row is about, `many` its plural where an s is not enough. `search` is the label of the
    search box, '' for none. `pinned` are filters that links set and that a sentence tells: name → 'Only of
    one patient'. `columns` are the headings of the file. `empty` is there when nothing is, `no_match` when
    nothing is let through. `actions` are places to go, `primary` what is made here.
    """

    path: str
    one: str
    many: str = ""
    title: str
    columns: tuple[str, ...]
    intro: str = ""
    search: str = ""
    filters: tuple[Filter, ...] = ()
    days: tuple[Day, ...] = ()
    pinned: tuple[tuple[str, str], ...] = ()
    sorts: tuple[tuple[str, str], ...] = ()
    empty: Empty
    no_match: str = "Look for fewer letters, or take a filter away."
    actions: tuple[Link, ...] = ()
    primary: Link | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a list; a card on a telephone. What is empty is left out.

    `lead` stands first: a time, with a word before it, or words with a place to go. `action` is the one thing
    to do with it; `about` tells it from its neighbours to whoever only hears it.
    """

    title: str
    href: str = ""
    lead: When | None = None
    lead_before: str = ""
    lead_text: str = ""
    lead_href: str = ""
    icon: str = ""
    detail: str = ""
    badges: tuple[Badge, ...] = ()
    sentence: str = ""
    link: Link | None = None
    action: Link | None = None
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    name: str
    label: str
    options: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Tab:
    label: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """`unfolded`: one of the filters that unfold is set. `kept` are fields that the form passes on."""

    title: str
    intro: str
    actions: tuple[Link, ...]
    primary: Link | None
    search: str
    query: str
    main: tuple[Select, ...]
    more: tuple[Select, ...]
    days: tuple[Fact, ...]
    day_names: tuple[str, ...]
    kept: tuple[tuple[str, str], ...]
    pinned: tuple[str, ...]
    unfolded: bool
    rows: tuple[Row, ...]
    count: str
    path: str
    tabs: tuple[Tab, ...]
    filtered: bool
    csv_href: str
    before_href: str
    after_href: str
    empty: Empty


@dataclass(frozen=True, slots=True)
class OutboxPage:
    """`unsent` says which channels have no provider, empty when every one has."""

    unsent: str
    list: ListPage
