"""Starting treatment against a bare endpoint with one INSERT.

Ours: FastAPI, a sync endpoint that calls gate_start() as services/treat.py does: a transaction of the clinic,
the locked gate, the rule in SQL, the start, its audit row, the check at commit. Bare: FastAPI, SQLAlchemy
Core with a prebuilt statement, one row, one commit. One uvicorn process each, 16 connections, durable.

Then the whole way of an EHR, POST of a Procedure, which also reads and validates FHIR, follows references to
the order, and writes the resource with its search entries and history; for information, without a goal.
"""

from __future__ import annotations

import itertools
import os
import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI, Response
from sqlalchemy import Column, DateTime, MetaData, String, Table, create_engine, func, insert, text

from bench._harness import Request, compare, demo_clinic, figure, post, running_engines, server
from bench._orders import write_orders
from bench.gate import ours as whole_service
from referral import logs
from referral.bootstrap import build_runtime
from referral.config import Settings
from referral.domain.audit import Actor
from referral.storage import orders

ORDERS = 2_000
metadata = MetaData()
bare_start = Table(
    "bare_start",
    metadata,
    Column("id", String, primary_key=True),
    Column("order_id", String, index=True, nullable=False),
    Column("patient_id", String, nullable=False),
    Column("started_by", String, nullable=False),
    Column("started_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
)


def gate(settings: Settings) -> FastAPI:
    logs.configure("json", Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open as long as the process
    runtime = build_runtime(settings)
    with runtime.transaction() as session:
        clinic_id = str(session.connection.execute(text("SELECT clinic_id FROM clinic")).scalar_one())
    actor = Actor(clinic_id, "system", "bench")
    app = FastAPI()

    @app.post("/start/{order_id}", status_code=201)
    def start(order_id: str) -> Response:
        with runtime.transaction(clinic_id) as session:
            orders.start_treatment(session, actor, str(uuid.uuid4()), order_id, "bench")
        return Response(b'{"ok":true}', 201, media_type="application/json")

    return app


def bare(settings: Settings) -> FastAPI:
    engine = create_engine(str(settings.database_url), pool_size=8, max_overflow=0)
    statement = insert(bare_start).inline()
    app = FastAPI()

    @app.post("/start/{order_id}", status_code=201)
    def start(order_id: str) -> Response:
        row = {"id": str(uuid.uuid4()), "order_id": order_id, "patient_id": "bench", "started_by": "bench"}
        with engine.begin() as connection:
            connection.execute(statement, row)
        return Response(b'{"ok":true}', 201, media_type="application/json")

    return app


def starts(last: int = ORDERS) -> Iterator[Request]:
    """Of orders from everywhere among the first `last`."""
    chosen = random.sample(range(1, last + 1), ORDERS)
    return itertools.cycle([post(f"/start/bench-{n}", b"", "application/json") for n in chosen])


def procedures(token: str) -> Iterator[Request]:
    for number in itertools.cycle(range(1, ORDERS + 1)):
        body: dict[str, Any] = {
            "resourceType": "Procedure",
            "status": "in-progress",
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": "373464007"}]},
            "subject": {"reference": "Patient/bench"},
            "basedOn": [{"reference": f"ServiceRequest/bench-{number}"}],
        }
        yield post(
            "/fhir/Procedure", orjson.dumps(body), "application/fhir+json", Authorization=f"Bearer {token}"
        )


def main() -> None:
    with running_engines() as (engines, settings):
        clinic_id, token = demo_clinic(settings)
        admin = create_engine(engines.admin_url)
        metadata.create_all(admin)
        with admin.begin() as connection:
            connection.execute(text("GRANT ALL ON bare_start TO referral_app"))
        write_orders(engines.admin_url, clinic_id, 1, ORDERS)
        with server(bare, settings) as bare_port:
            with server(gate, settings) as our_port:
                print("gate_start(): ours against bare FastAPI with one INSERT")
                _, _, ratio = compare((our_port, starts()), (bare_port, starts()))
            with server(whole_service, settings) as our_port:
                print("the same by POST of a Procedure, through the whole service")
                _, _, whole = compare((our_port, procedures(token)), (bare_port, starts()), rounds=3)
    figure("start-procedure-vs-bare", whole, "none; for information")
    figure("gate-start-vs-bare", ratio, "0.5")


if __name__ == "__main__":
    main()
