"""The portal's pages against bare Jinja2 pages that do the same: throughput and p95, side by side.

`request` is the page of an identified clinician: cookie, session, link, request, patient, clinician, order,
letter, draft, conversation, and the look in the audit before the page leaves. Bare: FastAPI and a sync
endpoint that says the very same statements in one transaction on the same engine, as bench/fhir.py does, and
renders the same template with the same values; nobody is looked up, nothing is checked, mapped or logged.

`door` is the first page of a link, the same for all links. Bare: the same template rendered by an endpoint
that asks nobody.

`links` is how far apart the door's answers to good and to unknown links are (P2). PART=door,request,links
chooses; PART=profile says where the time of the request page goes, by calls in this process, and what a page
with the same template and only one SELECT by primary key would cost.
"""

from __future__ import annotations

import asyncio
import cProfile
import itertools
import os
import pstats
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import httpx
from fastapi import FastAPI
from sqlalchemy import bindparam, column, create_engine, select, table, text
from starlette.responses import HTMLResponse

from bench._harness import Request, compare, figure, get, running_engines, runtime_for, server
from bench._replay import Statement, call, listening
from referral import logs
from referral.bootstrap import Runtime, build_runtime
from referral.config import Settings
from referral.domain.audit import Actor
from referral.domain.codes import Channel, ClinicianKind, Strength
from referral.domain.credential import mint, random_token
from referral.domain.language import Language
from referral.domain.policy import ICD_10_CM, Indication
from referral.services.answer_on_portal import Card, Sender
from referral.services.demo import ensure_demo
from referral.services.keep_directory import NewClinician, NewPatient, add_clinician, add_patient
from referral.services.request_recommendation import NewOrder, NewRequest, place_order, request_recommendation
from referral.storage import credentials, outbox
from referral.web.app import create_app
from referral.web.form import Form
from referral.web.pages import environment
from referral.web.portal_questions import decisions

# Many short rounds: what else the machine does at a time then meets both sides alike.
ROUNDS: Final = 15
SECONDS: Final = 1.0
VISITS = 50
LOOKS = 1000
PARTS = os.environ.get("PART", "door,request,links").split(",")
# The bare server learns from this who visits: it is started in a process of its own.
_VISITORS: Final = "BENCH_VISITORS"
_COOKIE: Final = "referral_portal"


def ours(settings: Settings) -> FastAPI:
    """As in production: one line of JSON per request."""
    logs.configure("json", Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open as long as the process
    return create_app(build_runtime(settings))


def bare(settings: Settings) -> FastAPI:
    served = ours(settings)
    runtime: Runtime = served.state.runtime
    heard = [said(runtime, served, request) for request in asking()]
    values = {
        "thread": (),
        "is_assistant": False,
        "form": Form(token="x" * 43),
        "decisions": decisions({}, Language.ENGLISH),
        "card": CARD,
        "sender": Sender("Harbor Light Referral Office", "303-555-0142"),
        "due_on": "November 16, 2026",
    }
    templates = environment(Language.ENGLISH)
    request_page = templates.get_template("portal/request.html.j2")
    door_page = templates.get_template("portal/door.html.j2")
    app = FastAPI()

    @app.get("/page/{number}")
    def read_page(number: int) -> HTMLResponse:
        with runtime.database.engine.begin() as connection:
            for statement in heard[number]:
                result = connection.exec_driver_sql(statement.text, statement.values)
                if result.returns_rows:
                    result.all()
        return HTMLResponse(request_page.render(values))

    @app.get("/door/{selector}/{secret}")
    def read_door(selector: str, secret: str) -> HTMLResponse:  # noqa: ARG001 - the page is the same
        return HTMLResponse(door_page.render())

    @app.get("/one-select/{number}")
    def read_one(number: int) -> HTMLResponse:
        with runtime.database.statement() as connection:
            connection.execute(ONE, {"id": f"x{number}"}).one()
        return HTMLResponse(request_page.render(values))

    return app


ONE: Final = (
    select(column("id"), column("name"), column("due_at"))
    .select_from(table("bare_page"))
    .where(column("id") == bindparam("id"))
)
_BARE_TABLE: Final = """
CREATE TABLE bare_page (id text PRIMARY KEY, name text, due_at timestamptz);
GRANT SELECT ON bare_page TO referral_app
"""
_BARE_ROWS: Final = (
    "INSERT INTO bare_page SELECT 'x' || i, 'somebody', now() FROM generate_series(0, 9999) AS i"
)


def said(runtime: Runtime, app: FastAPI, request: Request) -> list[Statement]:
    """What a warm server says to the database for this page."""
    call(app, request)
    with listening(runtime) as statements:
        call(app, request)
    return statements


CARD = Card(
    number="R-2026-00042",
    clinic_name="Harbor Light Clinic",
    patient_name="Ada Example",
    birth_year=1984,
    indication="recurrent severe depression (F33.2)",
    planned_course="a course of 6 intravenous ketamine infusions",
    clinician_name="Hollis Brandywine",
    signature={"signer-name": "Hollis Brandywine", "signer-credentials": "MD"},
    kind=ClinicianKind.PSYCHIATRIST,
    due_on=date(2026, 11, 16),
    today=date(2026, 11, 2),
    has_letter=False,
    is_single_channel=False,
)


def seed(settings: Settings, admin_url: str) -> list[str]:
    """Identified visitors, told to the servers by the environment; returns the paths of their links.

    Each has a request of their own.
    """
    with closing(runtime_for(settings)) as runtime:
        now = datetime.now(UTC)
        with runtime.transaction() as session:
            clinic_id = ensure_demo(session, now)
        actor = Actor(clinic_id, "system", "bench")
        tokens, paths = [], []
        with runtime.transaction(clinic_id) as session:
            new = NewClinician(
                given="Hollis",
                family="Brandywine",
                kind=ClinicianKind.PSYCHIATRIST,
                credentials="MD",
                email="desk@brandywine.example",
                fax="303-555-0177",
            )
            clinician = add_clinician(session, actor, new, now)
            for number in range(VISITS):
                who = NewPatient(given="Ada", family=f"Example{number}", birth_date="1984-05-17")
                patient = add_patient(session, actor, who, now)
                indications = (Indication(ICD_10_CM, "F33.2", "recurrent severe depression"),)
                placed = place_order(
                    session, actor, NewOrder(patient_id=patient.id, indications=indications), now
                )
                wanted = NewRequest(order_id=placed.id, clinician_ids=(clinician.id,))
                (asked,) = request_recommendation(session, actor, wanted, now)
                (message,) = outbox.find(session, referral_id=asked.id)
                minted, token = mint(), random_token()
                kept = credentials.NewCredential(
                    minted=minted,
                    referral_id=asked.id,
                    message_id=message.id,
                    channel=Channel.FAX,
                    contact_verified=True,
                    expires_at=now + timedelta(days=1),
                )
                credentials.add_many(session, [kept], now)
                credentials.open_session(
                    session,
                    token,
                    selector=minted.selector,
                    csrf_token=random_token(),
                    came_by="link",
                    now=now,
                )
                found = credentials.find_session(session, token)
                assert found is not None
                known = {"identified_at": now, "strength": Strength.PAPER_TO_VERIFIED_CONTACT}
                credentials.change_session(session, found.token_digest, **known)
                tokens.append(token)
                paths.append(f"/r/{minted.selector}/{minted.secret}")
    with create_engine(admin_url, isolation_level="AUTOCOMMIT").connect() as connection:
        for statement in (_BARE_TABLE, _BARE_ROWS, "ANALYZE"):
            connection.execute(text(statement))
    os.environ[_VISITORS] = " ".join(tokens)
    return paths


def asking() -> list[Request]:
    """One visitor after the other."""
    return [get("/request", Cookie=f"{_COOKIE}={token}") for token in os.environ[_VISITORS].split()]


def p95(port: int, requests: Iterator[Request], count: int = 100) -> float:
    """Milliseconds, of one connection after the other."""

    async def measured() -> list[float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        taken = []
        for _ in range(count):
            begun = time.perf_counter()
            writer.write(next(requests).raw)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            taken.append((time.perf_counter() - begun) * 1000)
        writer.close()
        return taken

    return statistics.quantiles(asyncio.run(measured()), n=100)[94]


def apart(port: int, good: list[str]) -> float:
    """Milliseconds between the medians of good links and of unknown ones, asked in turn."""
    unknown = [f"/r/{mint().selector}/{mint().secret}" for _ in good]
    times: dict[bool, list[float]] = {True: [], False: []}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for number in range(LOOKS * 2):
            is_good = number % 2 == 0
            path = (good if is_good else unknown)[number // 2 % len(good)]
            begun = time.perf_counter()
            client.get(path)
            times[is_good].append((time.perf_counter() - begun) * 1000)
    return abs(statistics.median(times[True]) - statistics.median(times[False]))


def profile(settings: Settings, count: int = 300) -> None:
    """CPU of the request page against the bare ones, by calls of both applications in this process."""
    tokens = os.environ[_VISITORS].split()

    async def called(app: FastAPI, path: str) -> float:
        transport = httpx.ASGITransport(app=app)
        begun = 0.0
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            for number in range(count + 20):
                if number == 20:
                    begun = time.process_time()
                visitor = number % len(tokens)
                sent = {"Cookie": f"{_COOKIE}={tokens[visitor]}"}
                (await client.get(path.format(visitor), headers=sent)).raise_for_status()
        return (time.process_time() - begun) / count * 1000

    app, plain = ours(settings), bare(settings)
    statements = said(app.state.runtime, app, asking()[0])
    print(f"{len(statements)} statements:")
    for statement in statements:
        print("  " + " ".join(statement.text.split())[:100])
    for name, served, path in (
        ("ours", app, "/request"),
        ("bare, the same statements", plain, "/page/{}"),
        ("bare, one SELECT", plain, "/one-select/{}"),
    ):
        print(f"CPU per page, {name}: {asyncio.run(called(served, path)):.2f} ms")
    looked = cProfile.Profile()
    looked.enable()
    asyncio.run(called(app, "/request"))
    looked.disable()
    pstats.Stats(looked).sort_stats("cumulative").print_stats(60)


def main() -> None:
    with running_engines() as (engines, settings):
        paths = seed(settings, engines.admin_url)
        if "profile" in PARTS:
            profile(settings)
            return
        requests = {
            "door": ([get(path) for path in paths], [get(path.replace("/r/", "/door/")) for path in paths]),
            "request": (asking(), [get(f"/page/{number}") for number in range(VISITS)]),
        }
        with server(ours, settings) as port, server(bare, settings) as bare_port:
            for page in (name for name in requests if name in PARTS):
                print(f"{page}: ours against a bare Jinja2 page that does the same")
                mine, theirs = (itertools.cycle(side) for side in requests[page])
                _, _, ratio = compare((port, mine), (bare_port, theirs), rounds=ROUNDS, seconds=SECONDS)
                figure(f"portal-{page}-vs-bare", ratio, "0.7")
                # In turns as well: what is slow for one of them alone is then not the machine.
                slow = [p95(port, mine) / p95(bare_port, theirs) for _ in range(ROUNDS)]
                figure(f"portal-{page}-p95-times-bare", statistics.median(slow), "<= 1.43")
            if "links" in PARTS:
                figure("portal-links-apart-ms", apart(port, paths), "<= 2")


if __name__ == "__main__":
    main()
