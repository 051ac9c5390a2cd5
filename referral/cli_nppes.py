"""The command that reads the national register of clinicians (CMS NPPES)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from referral.attach import attached, fail

if TYPE_CHECKING:
    from referral.bootstrap import Runtime
    from referral.services.import_nppes import Part, Wanted
    from referral.services.nppes_file import NppesFile
    from referral.storage.register_import import Progress


def import_nppes(
    file: Annotated[Path, typer.Argument(help="npidata_pfile_….csv, or the .zip that CMS ships it in.")],
    state: Annotated[
        list[str] | None, typer.Option(help="Keep those who practise there, such as CO; may be repeated.")
    ] = None,
    taxonomy: Annotated[
        list[str] | None,
        typer.Option(help="Keep those with a NUCC code that begins so, such as 2084P; may be repeated."),
    ] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The day the file stands for; else the one in its name."),
    ] = None,
    again: Annotated[bool, typer.Option(help="Read a file once more that was read to its end.")] = False,
) -> None:
    """Take in the national register: the monthly file, a weekly one, or the report of deactivated NPIs.

    Broken off, the same command goes on where it was. Reading a file twice changes nothing.
    """
    from referral.services.import_nppes import Wanted

    wanted = Wanted(_states(state or []), tuple(code.strip().upper() for code in taxonomy or []))
    with attached() as settings:
        from referral.bootstrap import build_runtime
        from referral.services.nppes_file import open_nppes

        runtime = build_runtime(settings)
        try:
            with runtime.database.alone("import-nppes") as first, open_nppes(file) as opened:
                if not first:
                    fail("Another import is running. Wait until it is done.")
                done = _read(runtime, opened, wanted, as_of, again=again)
        finally:
            runtime.close()
    typer.echo(
        f"Read {done.scanned:,} rows of {opened.name}: {done.kept:,} kept, of them {done.changed:,} new or"
        f" changed; {done.bad:,} could not be used."
    )


def _states(typed: list[str]) -> frozenset[str]:
    from referral.domain.time_zones import STATES

    wanted = frozenset(state.strip().upper() for state in typed)
    unknown = sorted(wanted - set(STATES))
    if unknown:
        fail(f"{unknown[0]} is no state. Write its two letters, such as CO.", code=2)
    return wanted


def _read(
    runtime: Runtime, file: NppesFile, wanted: Wanted, as_of: datetime | None, *, again: bool
) -> Progress:
    """Each part in a transaction of its own: what was read is never read again, nor lost."""
    from referral.services import import_nppes as service
    from referral.storage import register_import

    day = as_of.date() if as_of else file.as_of or runtime.now().date()
    with runtime.transaction() as session:
        progress = service.begin(session, file, wanted, day, runtime.now(), again=again)
        known = None if wanted.everything else register_import.known_npis(session)
    if progress.finished_at is not None:
        fail(
            f"{file.name} was read to its end on {progress.finished_at:%B %d, %Y}, nothing was changed."
            " Add --again to read it once more."
        )
    if progress.position:
        typer.echo(f"Goes on after row {progress.scanned:,}.")
    with _bar(file) as show:
        show(progress)
        for part in service.parts(file, wanted, progress, known):
            with runtime.transaction() as session:
                progress = service.take(session, progress, part, day)
            _name(part)
            show(progress)
    with runtime.transaction() as session:
        return service.finish(session, progress, runtime.now())


def _name(part: Part) -> None:
    for number, reason in part.bad:
        typer.echo(f"Row {number:,} was left out: {reason}.", err=True)
    if len(part.bad) < part.bad_rows:
        typer.echo(f"So were {part.bad_rows - len(part.bad):,} more of these rows.", err=True)


@contextmanager
def _bar(file: NppesFile) -> Iterator[Callable[[Progress], None]]:
    """A bar where somebody looks; in a log it would be noise."""
    from rich import progress as bars
    from rich.console import Console

    console = Console(stderr=True)
    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.TaskProgressColumn(),
        bars.TextColumn("{task.fields[rows]:,} rows"),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(file.name, total=file.size, rows=0)

        def show(now: Progress) -> None:
            bar.update(task, completed=now.position, rows=now.scanned)

        yield show
