"""Staff pages among 10,000 requests and among 1,000,000, and beside a bare endpoint with the same SQL.

Two servers over databases of their own are asked the same pages in turns. The bare endpoint runs the
statements that showings of the page have run, with their values, each showing in one transaction, fetches
their rows and renders an empty template, in a process as uvicorn starts it: what is between is what our code
costs, and what `referral web` does for it.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI, Response
from jinja2 import Environment
from sqlalchemy import event, select
from starlette.testclient import TestClient

from bench._clinic import person, write_clinic
from bench._harness import Request, compare, demo_clinic, figure, get, running_engines, runtime_for, server
from bench.gate import ours
from referral.bootstrap import Runtime
from referral.config import Settings
from referral.domain.codes import Role
from referral.domain.credential import random_token
from referral.services.report_figures import find_figures
from referral.storage import accounts, tables
from referral.storage.accounts import StaffUser
from referral.web.app import create_app

FEW = int(os.environ.get("BENCH_PAGES_FEW", "10000"))
MOST = int(os.environ.get("BENCH_PAGES_MOST", "1000000"))
CONNECTIONS = 4
ROUNDS = int(os.environ.get("BENCH_PAGES_ROUNDS", "5"))
SECONDS = float(os.environ.get("BENCH_PAGES_SECONDS", "2"))
# What a desk has to call about in a day; the boards of both sizes are equally full.
CALLS = 40
# Showings that differ in whom they are about, before they begin anew.
TURNS = 20
QUARTER = timedelta(days=92)
PAGES = ("today", "call-list", "type-ahead", "request")


@dataclass(frozen=True, slots=True)
class Place:
    """One database with its requests, the newest `open` of which wait for an answer."""

    settings: Settings
    clinic_id: str
    most: int
    open: int

    def showings(self, name: str) -> list[str]:
        """Addresses of one page, about open requests and their patients."""
        numbers = [self.most - turn * self.open // TURNS for turn in range(TURNS)]
        return {
            "today": ["/"],
            "call-list": ["/calls"],
            "type-ahead": [f"/lookups/patients?q={person(n).replace(' ', '+')}" for n in numbers],
            "request": [f"/requests/b{n}" for n in numbers],
        }[name]

    def requests(self, name: str) -> Iterator[Request]:
        """The showings in turn, by a clinician who has just signed in."""
        cookie = signed_in(self)
        return itertools.cycle([get(address, Cookie=cookie) for address in self.showings(name)])


def furnish(stack: ExitStack, most: int) -> Place:
    """As many open ones as a clinic of that size has: never fewer than a board can show."""
    engines, settings = stack.enter_context(running_engines())
    clinic_id, _ = demo_clinic(settings)
    waiting = max(400, most // 50)
    begun = time.perf_counter()
    write_clinic(engines.admin_url, clinic_id, most, open=waiting, calls=CALLS, now=datetime.now(UTC))
    print(f"  {most} requests written in {time.perf_counter() - begun:.0f} s", flush=True)
    return Place(settings, clinic_id, most, waiting)


def signed_in(place: Place) -> str:
    """The cookie of a clinician."""
    runtime, token = runtime_for(place.settings), random_token()
    with runtime.transaction(place.clinic_id) as session:
        row = session.connection.execute(
            select(tables.staff_user).where(tables.staff_user.c.role == Role.CLINICIAN)
        ).first()
        assert row is not None
        values = {name: getattr(row, name) for name in StaffUser.__slots__}
        user = StaffUser(**values | {"clinic_id": place.clinic_id, "role": Role(row.role)})
        accounts.open_session(session, token, user, random_token(size=18), datetime.now(UTC))
    runtime.close()
    return f"referral_staff={token}"


# ---- The bare side

# A statement, its values, and the options that it is executed with.
Statement = tuple[str, Any, dict[str, Any]]


def recorded(runtime: Runtime, place: Place, name: str) -> list[list[Statement]]:
    """The statements of each showing, after one that fills what a process reads once."""
    found: list[list[Statement]] = [[]]

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        options = {key: value for key, value in context.execution_options.items() if key == "planned_anew"}
        found[-1].append((statement, list(parameters) if many else parameters, options))

    client = TestClient(create_app(runtime), headers={"Cookie": signed_in(place)})
    event.listen(runtime.database.engine, "before_cursor_execute", note)
    showings = place.showings(name)
    for address in (showings[0], *showings):
        found.append([])
        answer = client.get(address)
        assert answer.status_code == 200, answer.text[:500]
        assert name != "type-ahead" or answer.json()["items"], address
    event.remove(runtime.database.engine, "before_cursor_execute", note)
    return found[2:]


def bare(settings: Settings) -> FastAPI:
    """`BENCH_PAGE` names the page; the other variables say whose it is."""
    clinic_id, most, waiting = (os.environ[f"BENCH_{name}"] for name in ("CLINIC", "MOST", "OPEN"))
    place = Place(settings, clinic_id, int(most), int(waiting))
    runtime = runtime_for(settings)
    turns = recorded(runtime, place, os.environ["BENCH_PAGE"])
    engine = runtime.database.engine
    template = Environment(autoescape=True).from_string("")
    app = FastAPI()

    @app.get("/bare/{turn}")
    def show(turn: int) -> Response:
        with engine.begin() as connection:
            for statement, values, options in turns[turn]:
                result = connection.exec_driver_sql(statement, values, execution_options=options)
                if result.returns_rows:
                    result.fetchall()
        return Response(template.render(), media_type="text/html")

    return app


def beside_bare(place: Place, name: str) -> float:
    """The throughput of ours as a share of the bare one's."""
    os.environ |= {
        "BENCH_PAGE": name,
        "BENCH_CLINIC": place.clinic_id,
        "BENCH_MOST": str(place.most),
        "BENCH_OPEN": str(place.open),
    }
    turns = itertools.cycle([get(f"/bare/{turn}") for turn in range(len(place.showings(name)))])
    with server(ours, place.settings) as our_port, server(bare, place.settings) as bare_port:
        print(f"{name} among {place.most}: ours against the same SQL and an empty template")
        return compare(
            (our_port, place.requests(name)),
            (bare_port, turns),
            connections=CONNECTIONS,
            rounds=ROUNDS,
            seconds=SECONDS,
        )[2]


def larger(small: Place, large: Place, name: str) -> float:
    """The time of a showing at the larger size divided by that at the smaller."""
    with server(ours, small.settings) as first, server(ours, large.settings) as second:
        print(f"{name} among {small.most} and among {large.most}; the ratio is how many times slower")
        return compare(
            (first, small.requests(name)),
            (second, large.requests(name)),
            connections=CONNECTIONS,
            rounds=ROUNDS,
            seconds=SECONDS,
            names=("few", "many"),
        )[2]


def report(place: Place, span: timedelta) -> float:
    """Seconds of the figures of the newest requests."""
    runtime = runtime_for(place.settings)
    now = datetime.now(UTC)
    begun = time.perf_counter()
    with runtime.transaction(place.clinic_id) as session:
        found = find_figures(session, (now - span).date(), now.date(), now)
    seconds = time.perf_counter() - begun
    runtime.close()
    print(f"  reports over {found.funnel.requested} of {place.most} requests: {seconds:.1f} s", flush=True)
    return seconds


def main() -> None:
    with ExitStack() as stack:
        small, large = furnish(stack, FEW), furnish(stack, MOST)
        seconds = report(large, QUARTER)
        report(large, timedelta(days=799))
        for name in PAGES:
            figure(f"{name}-larger", larger(small, large, name), "<= 1.5")
        for place in (small, large):
            for name in PAGES:
                figure(f"{name}-vs-bare-{place.most}", beside_bare(place, name), ">= 0.5")
        figure("reports-seconds", seconds, "<= 5")


if __name__ == "__main__":
    main()
