"""The gate read through the whole service against a bare endpoint with one indexed SELECT.

Ours: bearer token, `$gate` on an infusion order, one statement for what waits at the same moment that sets
the clinic, writes the audit row and reads all facts of each, the rule in Python, a Parameters resource.
Bare: FastAPI, a sync endpoint, SQLAlchemy Core with a prebuilt statement on AUTOCOMMIT, psycopg, one row by
primary key, JSON. Both in one uvicorn process each, 16 connections, and both write one line per request to
a log that nobody keeps.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
from fastapi import FastAPI, Response
from sqlalchemy import bindparam, column, create_engine, select, table, text

from bench._harness import Request, compare, figure, get, running_engines, runtime_for, server
from referral import logs
from referral.bootstrap import build_runtime
from referral.config import Settings
from referral.domain.audit import Actor
from referral.domain.policy import ICD_10_CM, Indication
from referral.services.demo import ensure_demo
from referral.services.request_recommendation import NewOrder, place_order
from referral.services.smart_clients import NewClient, register_client
from referral.storage import directory
from referral.web.app import create_app
from referral.web.server import settle_memory

ORDERS = 300
_BARE_TABLE = """
CREATE TABLE bare_gate
    (id text PRIMARY KEY, patient_id text, status text, recommendation_id text, valid_until timestamptz);
GRANT SELECT ON bare_gate TO referral_app
"""
_BARE_ROWS = """
INSERT INTO bare_gate SELECT id, 'p', 'closed', NULL, now() FROM unnest(CAST(:ids AS text[])) AS id
UNION ALL SELECT 'x' || i, 'p', 'open', 'r', now() FROM generate_series(1, 10000) AS i
"""


def ours(settings: Settings) -> FastAPI:
    """As in production: one line of JSON per request."""
    logs.configure("json", Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open as long as the process
    app = create_app(build_runtime(settings))
    settle_memory()
    return app


def bare(settings: Settings) -> FastAPI:
    engine = create_engine(
        str(settings.database_url),
        pool_size=8,
        max_overflow=0,
        isolation_level="AUTOCOMMIT",
        pool_reset_on_return=None,
    )
    fields = ("id", "patient_id", "status", "recommendation_id", "valid_until")
    gate = table("bare_gate", *(column(name) for name in fields))
    read = select(*(gate.c[name] for name in fields)).where(gate.c.id == bindparam("id"))
    app = FastAPI()

    @app.get("/gate/{id}")
    def read_gate(id: str) -> Response:
        with engine.connect() as connection:
            row = connection.execute(read, {"id": id}).one()
        return Response(orjson.dumps(dict(zip(fields, row, strict=True))), media_type="application/json")

    return app


def seed(settings: Settings, admin_url: str) -> tuple[str, list[str]]:
    """(token, ids of orders); the bare table has a row for each order among 10,000."""
    runtime = runtime_for(settings)
    now = datetime.now(UTC)
    with runtime.transaction() as session:
        clinic_id = ensure_demo(session, now)
    actor = Actor(clinic_id, "system", "bench")
    with runtime.transaction(clinic_id) as session:
        token = register_client(session, actor, NewClient(name="bench"), None, now).token or ""
        patient = directory.find_patients(session, "", 1)[0]
        new = NewOrder(patient_id=patient.id, indications=(Indication(ICD_10_CM, "F33.2", "depression"),))
        ids = [place_order(session, actor, new, now).id for _ in range(ORDERS)]
    runtime.close()
    with create_engine(admin_url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text(_BARE_TABLE))
        connection.execute(text(_BARE_ROWS), {"ids": ids})
        connection.execute(text("ANALYZE"))
    return token, ids


def main() -> None:
    with running_engines() as (engines, settings):
        token, ids = seed(settings, engines.admin_url)
        ours_requests: Iterator[Request] = itertools.cycle(
            [get(f"/fhir/ServiceRequest/{id}/$gate", Authorization=f"Bearer {token}") for id in ids]
        )
        bare_requests: Iterator[Request] = itertools.cycle([get(f"/gate/{id}") for id in ids])
        with server(ours, settings) as our_port, server(bare, settings) as bare_port:
            print("gate read: ours against bare FastAPI with one indexed SELECT")
            _, _, ratio = compare((our_port, ours_requests), (bare_port, bare_requests))
    figure("gate-read-vs-bare", ratio, "0.7")


if __name__ == "__main__":
    main()
