"""The list of faxes that came in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from referral.services.find_faxes import Listed
from referral.web.staff.clock import Clock
from referral.web.staff.fax_view import ACTION, BADGE, pages_of, sentence_of, telephone, title_of
from referral.web.staff.list_models import NEWEST_FIRST, Empty, Filter, Row, Shape
from referral.web.staff.lists import Cell
from referral.web.staff.models import Link

# State → label, and what stands where there is none.
_STATES: Final = {
    "": (
        "To be placed",
        "Faxes with the code of a letter find their request by themselves; the others appear here.",
    ),
    "waiting": (
        "With a request, to do",
        "Faxes that have found their request and wait to be written down appear here.",
    ),
    "done": ("Done", "Faxes that were written down or filed appear here."),
    "dismissed": (
        "Belong to nobody",
        "Faxes that somebody has set aside appear here, and can be brought back.",
    ),
}
_SHAPE: Final = Shape(
    path="/fax-inbox",
    one="fax",
    many="faxes",
    title="Faxes",
    intro="What has come in. A letter’s code brings a fax to its request by itself.",
    columns=("Received", "From", "Pages", "State", "Request", "What to do"),
    search="Sender’s number, or request number",
    filters=(
        Filter(
            name="state",
            label="State",
            options=tuple((state, label) for state, (label, _) in _STATES.items()),
            tabs=True,
        ),
    ),
    sorts=NEWEST_FIRST,
    empty=Empty(title="Nothing here.", text=_STATES[""][1]),
)


def shape_of(state: str) -> Shape:
    """An empty pile says what comes there."""
    return replace(_SHAPE, no_match=_STATES.get(state, _STATES[""])[1])


def row(listed: Listed, clock: Clock) -> Row:
    """One fax with the one thing to do about it."""
    fax = listed.fax
    href = f"/fax-inbox/{fax.id}"
    return Row(
        title=title_of(fax),
        href=href,
        lead=clock.moment(fax.received_at),
        detail=pages_of(fax),
        badges=(BADGE[fax.state],),
        sentence=sentence_of(fax, listed.about),
        action=Link(ACTION.get(fax.state, "Look"), href),
        about=f"{title_of(fax)}, {clock.moment(fax.received_at).text}",
    )


def cells(listed: Listed, clock: Clock) -> Iterator[Cell]:
    """As the columns."""
    fax = listed.fax
    yield clock.moment(fax.received_at).iso
    yield from (telephone(fax.from_number) if fax.from_number else "", fax.pages, BADGE[fax.state].text)
    yield listed.about.followed.referral.number if listed.about else ""
    yield sentence_of(fax, listed.about)
