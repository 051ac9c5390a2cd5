"""Staff pages among 10,000 requests and among 1,000,000, and beside a bare endpoint with the same SQL.

Two servers over databases of their own are asked the same pages in turns. The bare endpoint runs the
statements that one showing of the page runs, with their values, in one transaction, fetches their rows and
renders an empty template: what is between is what our code costs.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI, Response
from jinja2 import Environment
from sqlalchemy import create_engine, event, select
from starlette.testclient import TestClient

from bench._clinic import write_clinic
from bench._harness import Request, compare, demo_clinic, figure, get, running_engines, runtime_for, server
from bench.gate import ours
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


@dataclass(frozen=True, slots=True)
class Place:
    """One database with its requests; `cookie` signs a clinician in."""

    settings: Settings
    clinic_id: str
    cookie: str
    most: int
    open: int

    def page(self, name: str) -> str:
        """One showing, of somebody or something drawn anew."""
        number = random.randrange(self.most - self.open + 1, self.most)
        return {
            "today": "/",
            "call-list": "/calls",
            "type-ahead": f"/lookups/patients?q=family{number % 7919}+given{number % 1009}",
            "request": f"/requests/b{number}",
        }[name]

    def requests(self, name: str) -> Iterator[Request]:
        while True:
            yield get(self.page(name), Cookie=self.cookie)


PAGES = ("today", "call-list", "type-ahead", "request")


def furnish(stack: ExitStack, most: int) -> Place:
    """As many open ones as a clinic of that size has: never fewer than a board can show."""
    engines, settings = stack.enter_context(running_engines())
    clinic_id, _ = demo_clinic(settings)
    waiting = max(400, most // 50)
    begun = time.perf_counter()
    now = datetime.now(UTC)
    write_clinic(engines.admin_url, clinic_id, most, open=waiting, now=now)
    print(f"  {most} requests written in {time.perf_counter() - begun:.0f} s", flush=True)
    runtime = runtime_for(settings)
    token = random_token()
    with runtime.transaction(clinic_id) as session:
        row = session.connection.execute(
            select(tables.staff_user).where(tables.staff_user.c.role == Role.CLINICIAN)
        ).first()
        assert row is not None
        values = {name: getattr(row, name) for name in StaffUser.__slots__}
        user = StaffUser(**values | {"clinic_id": clinic_id, "role": Role(row.role)})
        accounts.open_session(session, token, user, random_token(size=18), now)
    runtime.close()
    return Place(settings, clinic_id, f"referral_staff={token}", most, waiting)


# ---- The bare side


def recorded(place: Place, name: str) -> list[tuple[str, Any]]:
    """The statements of one showing after the first, which fills what a process reads once."""
    runtime = runtime_for(place.settings)
    found: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        found.append((statement, parameters if not many else list(parameters)))

    client = TestClient(create_app(runtime), headers={"Cookie": place.cookie})
    client.get(place.page(name))
    event.listen(runtime.database.engine, "before_cursor_execute", note)
    answer = client.get(place.page(name))
    assert answer.status_code == 200, answer.text[:500]
    client.close()
    runtime.close()
    return found


def bare(settings: Settings) -> FastAPI:
    """`BENCH_PAGE` names the page, `BENCH_COOKIE` and `BENCH_CLINIC` whose it is."""
    place = Place(
        settings,
        os.environ["BENCH_CLINIC"],
        os.environ["BENCH_COOKIE"],
        int(os.environ["BENCH_MOST"]),
        int(os.environ["BENCH_OPEN"]),
    )
    statements = recorded(place, os.environ["BENCH_PAGE"])
    engine = create_engine(str(settings.database_url), pool_size=8, max_overflow=0)
    template = Environment(autoescape=True).from_string("")
    app = FastAPI()

    @app.get("/bare")
    def show() -> Response:
        with engine.begin() as connection:
            for statement, values in statements:
                result = connection.exec_driver_sql(statement, values)
                if result.returns_rows:
                    result.fetchall()
        return Response(template.render(), media_type="text/html")

    return app


def beside_bare(place: Place, name: str) -> float:
    """The throughput of ours as a share of the bare one's."""
    os.environ |= {
        "BENCH_PAGE": name,
        "BENCH_CLINIC": place.clinic_id,
        "BENCH_COOKIE": place.cookie,
        "BENCH_MOST": str(place.most),
        "BENCH_OPEN": str(place.open),
    }
    with server(ours, place.settings) as our_port, server(bare, place.settings) as bare_port:
        print(f"{name} among {place.most}: ours against the same SQL and an empty template")
        _, _, ratio = compare(
            (our_port, place.requests(name)),
            (bare_port, itertools.cycle([get("/bare")])),
            connections=CONNECTIONS,
            rounds=ROUNDS,
            seconds=SECONDS,
        )
    return ratio


def larger(small: Place, large: Place, name: str) -> float:
    """How many times slower the page is at the larger size."""
    with server(ours, small.settings) as first, server(ours, large.settings) as second:
        print(f"{name}: {small.most} requests against {large.most}")
        _, _, ratio = compare(
            (first, small.requests(name)),
            (second, large.requests(name)),
            connections=CONNECTIONS,
            rounds=ROUNDS,
            seconds=SECONDS,
        )
    return ratio


def report(place: Place) -> float:
    """Seconds of the figures of a year, all of the requests among them."""
    runtime = runtime_for(place.settings)
    now = datetime.now(UTC)
    begun = time.perf_counter()
    with runtime.transaction(place.clinic_id) as session:
        found = find_figures(session, now.date() - timedelta(days=799), now.date(), now)
    runtime.close()
    print(f"  reports over {found.funnel.requested} requests: {time.perf_counter() - begun:.1f} s")
    return time.perf_counter() - begun


def main() -> None:
    with ExitStack() as stack:
        small, large = furnish(stack, FEW), furnish(stack, MOST)
        seconds = report(large)
        for name in PAGES:
            figure(f"{name}-larger", larger(small, large, name), "<= 1.5")
        for place in (small, large):
            for name in PAGES:
                figure(f"{name}-vs-bare-{place.most}", beside_bare(place, name), ">= 0.5")
        figure("reports-seconds", seconds, "<= 10")


if __name__ == "__main__":
    main()
