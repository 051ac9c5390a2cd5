"""The command that moves a pretend clock over a request; it needs no server unless a clinic is named."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from referral.attach import attached, plain_errors
from referral.cli_accounts import enter

if TYPE_CHECKING:
    from referral.services.simulate import Rules, Simulated

_List = list[str] | None


def simulate(  # noqa: PLR0913, PLR0917 - one parameter for each option of the command
    start: Annotated[
        str, typer.Argument(help="When the request is made: 2026-11-20 or 2026-11-20T16:30, local time.")
    ],
    zone: Annotated[
        str | None, typer.Option(help="The recipient's time zone; else that of the clinic, or Denver's.")
    ] = None,
    clinic: Annotated[
        str | None, typer.Option(help="Take ladder, hours and closed days of this clinic, not the default.")
    ] = None,
    by: Annotated[
        str, typer.Option(help="Ways to reach the recipient: email, fax, sms, post.")
    ] = "email,fax",
    closed: Annotated[_List, typer.Option(help="More closed days: DAY or DAY..DAY. May be repeated.")] = None,
    bounce: Annotated[_List, typer.Option(help="What was sent comes back: email@day2.")] = None,
    refuse: Annotated[_List, typer.Option(help="A channel whose provider takes nothing, for good.")] = None,
    down: Annotated[_List, typer.Option(help="A provider is down: fax@FROM..UNTIL.")] = None,
    pause: Annotated[_List, typer.Option(help="The clinic pauses: FROM..LASTDAY.")] = None,
    question: Annotated[_List, typer.Option(help="The clinician asks something: day3.")] = None,
    resume: Annotated[_List, typer.Option(help="The clinic has answered it: day5.")] = None,
    answer: Annotated[_List, typer.Option(help="The clinician answers: day5, 2026-12-01T15:30.")] = None,
    cancel: Annotated[_List, typer.Option(help="The clinic cancels.")] = None,
    outage: Annotated[_List, typer.Option(help="Nothing of ours runs: FROM..UNTIL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what would be sent when, holidays included; nothing is sent, and nothing is written.

    dayN is the N-th business day after that of the first letter.
    """
    from referral.domain.scenario_text import Typed
    from referral.services.simulate import Asked, simulate_asked

    with plain_errors():
        rules = _rules(clinic)
        typed = Typed(
            bounce=bounce or (),
            refuse=refuse or (),
            down=down or (),
            pause=pause or (),
            question=question or (),
            resume=resume or (),
            answer=answer or (),
            cancel=cancel or (),
            outage=outage or (),
        )
        ways = [way.strip() for way in by.split(",") if way.strip()]
        asked = Asked(
            start=start, time_zone=zone or rules.time_zone, ways=ways, closed=closed or (), typed=typed
        )
        found = simulate_asked(rules, asked)
    typer.echo(json.dumps(_data(found), indent=2) if as_json else _table(found))


def _rules(clinic: str | None) -> Rules:
    from referral.services.simulate import Rules, rules_of

    if clinic is None:
        return Rules()
    with attached() as settings:
        from referral.bootstrap import build_runtime

        runtime = build_runtime(settings)
        with runtime.transaction() as session:
            enter(session, clinic)
            rules = rules_of(session)
        runtime.close()
    return rules


def _table(found: Simulated) -> str:
    """In the order of time; a closed day stands before what happens after it."""
    from referral.services.simulation_words import day_words, lines, local

    start = found.scenario.starts_at
    last = found.entries[-1].at if found.entries else start
    rows: list[tuple[datetime, str, str, str]] = [
        (start, local(start, found), "Asked", f"By the recipient’s clock, {found.time_zone.key}.")
    ]
    rows += [(line.at, local(line.at, found), line.title, line.why) for line in lines(found)]
    for day, name in found.closed.items():
        midnight = datetime.combine(day, time(0), found.time_zone)
        if start <= midnight <= last:
            rows.append((midnight, day_words(day), f"Closed: {name}", "Nothing goes out; it does not count."))
    rows.sort(key=lambda row: row[0])
    widths = max(len(row[1]) for row in rows), max(len(row[2]) for row in rows)
    return "\n".join(f"{when:<{widths[0]}}  {what:<{widths[1]}}  {why}" for _, when, what, why in rows)


def _data(found: Simulated) -> dict[str, Any]:
    from referral.services.simulation_words import lines

    return {
        "time_zone": found.time_zone.key,
        "asked_at": found.scenario.starts_at.astimezone(found.time_zone).isoformat(),
        "steps": [
            {
                "at": line.at.astimezone(UTC).isoformat(),
                "local": line.at.astimezone(found.time_zone).isoformat(),
                "event": line.event,
                "channel": line.channel,
                "what": line.title,
                "why": line.why,
            }
            for line in lines(found)
        ],
        "closed": {day.isoformat(): name for day, name in found.closed.items()},
    }
