"""The portal's pages against a bare Jinja2 page: throughput and p95, side by side on the same engines.

Ours, `request`: the page of an identified clinician: cookie, session, link, request, patient, clinician,
order, letter, draft, conversation; each look is in the audit before the page leaves. Ours, `door`: the first
page of a link, which is constant. Bare: FastAPI, a sync endpoint, SQLAlchemy Core with a prebuilt statement
on AUTOCOMMIT, one row by primary key, and the same template with the same values.

Also how far apart the door's answers to good and to unknown links are (P2). PART=door,request,links chooses;
PART=profile says where the time of the request page goes, by calls of the application in this process.
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

import httpx
from fastapi import FastAPI
from sqlalchemy import bindparam, column, create_engine, select, table, text
from starlette.responses import HTMLResponse

from bench._harness import Request, compare, figure, get, running_engines, runtime_for, server
from referral import logs
from referral.bootstrap import build_runtime
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

VISITS = 50
LOOKS = 1000
PARTS = os.environ.get("PART", "door,request,links").split(",")
_BARE_TABLE = """
CREATE TABLE bare_page (id text PRIMARY KEY, name text, due_at timestamptz);
GRANT SELECT ON bare_page TO referral_app
"""
_BARE_ROWS = "INSERT INTO bare_page SELECT 'x' || i, 'somebody', now() FROM generate_series(1, 10000) AS i"


def ours(settings: Settings) -> FastAPI:
    """As in production: one line of JSON per request."""
    logs.configure("json", Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open as long as the process
    return create_app(build_runtime(settings))


def bare(settings: Settings) -> FastAPI:
    engine = create_engine(
        str(settings.database_url),
        pool_size=8,
        max_overflow=0,
        isolation_level="AUTOCOMMIT",
        pool_reset_on_return=None,
    )
    rows = table("bare_page", column("id"), column("name"), column("due_at"))
    read = select(rows.c.id, rows.c.name, rows.c.due_at).where(rows.c.id == bindparam("id"))
    values = {
        "thread": (),
        "is_assistant": False,
        "form": Form(token="x" * 43),
        "decisions": decisions({}, Language.ENGLISH),
        "card": CARD,
        "sender": Sender("Harbor Light Referral Office", "303-555-0142"),
        "due_on": "November 16, 2026",
    }
    template = environment(Language.ENGLISH).get_template("portal/request.html.j2")
    app = FastAPI()

    @app.get("/page/{id}")
    def read_page(id: str) -> HTMLResponse:
        with engine.connect() as connection:
            connection.execute(read, {"id": id}).one()
        return HTMLResponse(template.render(values))

    return app


CARD = Card(
    number="R-2026-00042",
    clinic_name="Harbor Light Clinic",
    patient_name="Ada Example",
    birth_year=1984,
    indication="recurrent severe depression (F33.2)",
    planned_course="a course of 6 intravenous ketamine infusions",
    clinician_name="Hollis Brandywine",
    clinician_credentials="MD",
    clinician_npi="9000000015",
    kind=ClinicianKind.PSYCHIATRIST,
    due_on=date(2026, 11, 16),
    today=date(2026, 11, 2),
    has_letter=False,
    is_single_channel=False,
)


def seed(settings: Settings, admin_url: str) -> tuple[list[str], list[str]]:
    """(cookies of identified visitors, paths of their links), each for a request of its own."""
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
                asking = NewRequest(order_id=placed.id, clinician_ids=(clinician.id,))
                (asked,) = request_recommendation(session, actor, asking, now)
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
    return tokens, paths


def asking(tokens: list[str]) -> Iterator[Request]:
    return itertools.cycle([get("/request", Cookie=f"referral_portal={token}") for token in tokens])


def p95(port: int, requests: Iterator[Request], count: int = 600) -> float:
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


def profile(settings: Settings, tokens: list[str], count: int = 300) -> None:
    """CPU of the request page against the bare one, by calls of both applications in this process."""
    spent: dict[str, float] = {}

    async def called(app: FastAPI, path: str) -> None:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            for number in range(count + 20):
                if number == 20:
                    spent["from"] = time.process_time()
                sent = {"Cookie": f"referral_portal={tokens[number % len(tokens)]}"}
                (await client.get(path, headers=sent)).raise_for_status()
        spent[path] = (time.process_time() - spent["from"]) / count * 1000

    looked = cProfile.Profile()
    asyncio.run(called(bare(settings), "/page/x7"))
    app = ours(settings)
    asyncio.run(called(app, "/request"))
    print(f"CPU per page: ours {spent['/request']:.2f} ms, bare {spent['/page/x7']:.2f} ms")
    looked.enable()
    asyncio.run(called(app, "/request"))
    looked.disable()
    pstats.Stats(looked).sort_stats("cumulative").print_stats(45)


def main() -> None:
    with running_engines() as (engines, settings):
        tokens, paths = seed(settings, engines.admin_url)
        if "profile" in PARTS:
            profile(settings, tokens)
            return
        bare_requests = itertools.cycle([get(f"/page/x{n}") for n in range(1, VISITS + 1)])
        ours_requests = {"door": itertools.cycle([get(path) for path in paths]), "request": asking(tokens)}
        with server(ours, settings) as port, server(bare, settings) as bare_port:
            for page in (name for name in ("door", "request") if name in PARTS):
                print(f"{page}: ours against a bare Jinja2 page")
                _, _, ratio = compare((port, ours_requests[page]), (bare_port, bare_requests))
                slow = p95(port, ours_requests[page]) / p95(bare_port, bare_requests)
                figure(f"portal-{page}-vs-bare", ratio, "0.7")
                figure(f"portal-{page}-p95-times-bare", slow, "<= 1.43")
            if "links" in PARTS:
                figure("portal-links-apart-ms", apart(port, paths), "<= 2")


if __name__ == "__main__":
    main()
