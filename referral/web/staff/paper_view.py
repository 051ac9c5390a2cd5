"""The pages of letters on paper: what waits to be printed, and one batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from referral.channels.print_batch import SHEETS_OF_AN_ENVELOPE
from referral.services.find_paper import Letter, OpenedBatch, Pile
from referral.storage.print_batches import Batch, PaperFate
from referral.web.form import Form
from referral.web.staff import present
from referral.web.staff.clock import Clock
from referral.web.staff.models import Badge, Link, When


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One letter; `place` is empty while it is in no batch. Its forms post below `href`."""

    place: str
    to: str
    kind: str
    about: Link
    since: When
    badge: Badge
    detail: str = ""
    href: str = ""
    may_return: bool = False
    may_print: bool = True


@dataclass(frozen=True, slots=True)
class BatchRow:
    title: str
    href: str
    made: When
    by: str
    badge: Badge
    summary: str


@dataclass(frozen=True, slots=True)
class PilePage:
    """`count` is how many letters wait, `taken` how many the next batch takes.

    `answers` are those with narrative, which are a batch of their own; `may_read`: this reader prints them.
    """

    form: Form
    count: int
    taken: int
    rows: tuple[PaperRow, ...]
    answers_count: int
    answers_taken: int
    answers: tuple[PaperRow, ...]
    may_read: bool
    batches: tuple[BatchRow, ...]


@dataclass(frozen=True, slots=True)
class BatchPage:
    """`waiting` letters are still to be mailed, `sheets` their paper. `mark` says which ones were shown.

    `may_print` is False where they repeat narrative that this reader may not read.
    """

    form: Form
    number: int
    href: str
    made: When
    by: str
    badge: Badge
    waiting: int
    sheets: int
    mark: str
    printed: When | None
    taken_out: int
    rows: tuple[PaperRow, ...]
    is_closed: bool
    may_print: bool


_FATE = {
    PaperFate.WAITING: Badge("waiting", "To be mailed", "mail"),
    PaperFate.MAILED: Badge("open", "Mailed"),
    PaperFate.PUT_BACK: Badge("neutral", "Put back"),
    PaperFate.TAKEN_OUT: Badge("closed", "Taken out", "warning"),
}


def pile_page(pile: Pile, form: Form, users: dict[str, str], clock: Clock, *, may_read: bool) -> PilePage:
    """What waits, and the newest batches."""
    return PilePage(
        form=form,
        count=pile.count,
        taken=len(pile.letters),
        rows=tuple(_row(letter, clock) for letter in pile.letters),
        answers_count=pile.answers_count,
        answers_taken=len(pile.answers),
        answers=tuple(_row(letter, clock) for letter in pile.answers),
        may_read=may_read,
        batches=tuple(batch_row(batch, fates, users, clock) for batch, fates in pile.batches),
    )


def _row(letter: Letter, clock: Clock, batch: str = "", *, may_print: bool = True) -> PaperRow:
    message, item = letter.message, letter.item
    badge = _badge(letter)
    return PaperRow(
        place=str(item.place) if item else "",
        to=letter.to,
        kind=present.MESSAGE_KIND[message.kind],
        about=Link(letter.referral.number, f"/requests/{letter.referral.id}"),
        since=clock.moment(message.created_at),
        badge=badge,
        detail=_detail(letter),
        href=f"{batch}/letters/{message.id}" if batch and (letter.waits or letter.may_return) else "",
        may_return=letter.may_return,
        may_print=may_print,
    )


def _badge(letter: Letter) -> Badge:
    if letter.item is None:
        return Badge("waiting", "To be printed", "printer")
    if letter.returned:
        return Badge("closed", "Came back", "warning")
    return _FATE[PaperFate.TAKEN_OUT if letter.taken_out else letter.item.fate]


def _detail(letter: Letter) -> str:
    """What to do with the paper, in a sentence."""
    item = letter.item
    if item is None:
        return f"to {', '.join(letter.address[-1:])}" if letter.address else ""
    if letter.taken_out:
        return "Answered or closed meanwhile. If it is on paper already, shred it; do not mail it."
    if letter.returned:
        return "The address does not reach them. The request goes another way, if there is one."
    if item.fate is PaperFate.PUT_BACK:
        return "It waits for the next batch."
    paper = f"{present.counted(item.sheets, 'sheet')}, ZIP {item.postal_code or 'unknown'}"
    return f"{paper}, too thick to fold: a flat envelope" if item.sheets > SHEETS_OF_AN_ENVELOPE else paper


def batch_row(
    batch: Batch, fates: Mapping[PaperFate, int], users: Mapping[str, str], clock: Clock
) -> BatchRow:
    """One batch with what became of its letters."""
    words = {
        PaperFate.WAITING: "to be mailed",
        PaperFate.MAILED: "mailed",
        PaperFate.PUT_BACK: "put back",
        PaperFate.TAKEN_OUT: "taken out",
    }
    return BatchRow(
        title=f"Batch {batch.number}",
        href=f"/print/{batch.id}",
        made=clock.moment(batch.created_at),
        by=users.get(batch.created_by, ""),
        badge=_batch_badge(batch),
        summary=", ".join(f"{fates[fate]} {text}" for fate, text in words.items() if fates.get(fate)),
    )


def _batch_badge(batch: Batch) -> Badge:
    if batch.closed_at is not None:
        return Badge("open", "Done")
    return Badge("waiting", "Printed, to be mailed" if batch.printed_at else "To be printed")


def batch_page(
    opened: OpenedBatch, form: Form, users: dict[str, str], clock: Clock, *, may_read: bool
) -> BatchPage:
    """One batch in the order of its sheets."""
    batch, href = opened.batch, f"/print/{opened.batch.id}"
    may_print = may_read or not opened.narrative
    return BatchPage(
        form=form,
        number=batch.number,
        href=href,
        made=clock.moment(batch.created_at),
        by=users.get(batch.created_by, ""),
        badge=_batch_badge(batch),
        waiting=len(opened.waiting),
        sheets=sum(letter.item.sheets for letter in opened.waiting if letter.item),
        mark=opened.mark,
        printed=clock.moment(batch.printed_at) if batch.printed_at else None,
        taken_out=sum(letter.taken_out for letter in opened.letters),
        rows=tuple(_row(letter, clock, href, may_print=may_print) for letter in opened.letters),
        is_closed=batch.closed_at is not None,
        may_print=may_print,
    )
