"""The lists of batches of letters and of connected systems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from referral.storage.api_clients import ApiClient
from referral.storage.print_batches import Batch, PaperFate
from referral.web.staff.clock import Clock
from referral.web.staff.list_models import NEWEST_FIRST, Empty, Filter, Row, Shape
from referral.web.staff.lists import Cell
from referral.web.staff.models import Link
from referral.web.staff.paper_view import batch_row
from referral.web.staff.system_view import system_row

BATCHES: Final = Shape(
    path="/print/batches",
    one="batch",
    many="batches",
    title="Batches of letters",
    intro="Each is one PDF: a list to tick, then the letters.",
    columns=("Batch", "Made", "By", "State", "To be mailed", "Mailed", "Put back", "Taken out"),
    filters=(
        Filter(
            name="state",
            label="State",
            options=(("", "All"), ("open", "To be printed or mailed"), ("done", "Done")),
            main=True,
        ),
    ),
    sorts=NEWEST_FIRST,
    empty=Empty(
        title="No batch was made yet.",
        text="A batch is made of the letters that wait to be printed.",
        link=Link("Letters to print", "/print"),
    ),
    actions=(Link("Letters to print", "/print"),),
)
Fates = Mapping[PaperFate, int]


def batch_line(batch: Batch, fates: Fates, users: Mapping[str, str], clock: Clock) -> Row:
    """With what became of its letters."""
    shown = batch_row(batch, fates, users, clock)
    return Row(
        title=shown.title,
        href=shown.href,
        lead=shown.made,
        detail=f"by {shown.by}" if shown.by else "",
        badges=(shown.badge,),
        sentence=shown.summary,
        action=Link("Open", shown.href),
    )


def batch_cells(batch: Batch, fates: Fates, users: Mapping[str, str], clock: Clock) -> Iterator[Cell]:
    """As BATCHES.columns."""
    shown = batch_row(batch, fates, users, clock)
    yield from (batch.number, shown.made.iso, shown.by, shown.badge.text)
    for fate in (PaperFate.WAITING, PaperFate.MAILED, PaperFate.PUT_BACK, PaperFate.TAKEN_OUT):
        yield fates.get(fate, 0)


SYSTEMS: Final = Shape(
    path="/systems",
    one="system",
    title="Connected systems",
    intro="Programs that read and write this clinic's records without a person.",
    columns=("Name", "Client id", "Signs in by", "May", "Let in", "Last used"),
    search="Name",
    filters=(
        Filter(
            name="way",
            label="Signs in by",
            options=(("", "Any way"), ("url", "Keys at a URL"), ("keys", "A key set"), ("token", "A token")),
            main=True,
        ),
    ),
    sorts=(("", "A to Z"), ("newest", "Newest first")),
    empty=Empty(
        title="No system is connected.",
        text="A record system or a script needs to be let in before it can call the API.",
        link=Link("Connect a system", "/systems/new"),
    ),
    primary=Link("Connect a system", "/systems/new"),
)


def system_line(client: ApiClient, clock: Clock, *, silent: bool) -> Row:
    """`silent`: it cannot be told of changes."""
    shown = system_row(client, clock, silent=silent)
    return Row(
        title=shown.name,
        href=shown.href,
        detail=shown.may,
        badges=(shown.way,),
        sentence=f"Last used {shown.used}",
        action=Link("Open", shown.href),
    )


def system_cells(client: ApiClient, clock: Clock) -> Iterator[Cell]:
    """As SYSTEMS.columns."""
    shown = system_row(client, clock, silent=False)
    yield from (client.name, client.id, shown.way.text, shown.may)
    yield clock.moment(client.created_at).iso if client.created_at else ""
    yield shown.used
