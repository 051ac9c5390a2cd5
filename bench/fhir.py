"""Reading, creating and "initiate referral" through FHIR against bare endpoints that do the same SQL.

Ours: bearer token, validation, mapping, workflow, search entries, audit, an answer as FHIR wants it. Bare:
FastAPI and a sync endpoint on the same engine that says the very same statements to the database, which were
heard from ours before, with fresh ids; JSON in, JSON out, nothing checked. Both in one uvicorn process each.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any, Final

import orjson
from fastapi import FastAPI, Response

from bench import _fhir_search
from bench._harness import (
    Request,
    compare,
    demo_clinic,
    figure,
    get,
    post,
    running_engines,
    runtime_for,
    server,
)
from bench._replay import Replay, record
from bench.create import bundle
from bench.gate import ours
from referral.bootstrap import Runtime
from referral.config import Settings
from referral.storage import directory

# How many connections load each: as in the other benchmarks for a read and for a write.
READERS: Final = 16
WRITERS: Final = 8
# Many short rounds: what else the machine does at a time then meets both sides alike.
ROUNDS: Final = 15
SECONDS: Final = 1.0
# The bare server learns from these what there is: it is started in a process of its own.
_TOKEN, _PATIENTS, _ROLE = "BENCH_TOKEN", "BENCH_PATIENTS", "BENCH_ROLE"


def reads() -> Iterator[Request]:
    """One patient after the other."""
    ids = os.environ[_PATIENTS].split()
    return itertools.cycle([get(f"/fhir/Patient/{id}", Authorization=_bearer()) for id in ids])


def creates() -> Iterator[Request]:
    """A Condition with all that US Core asks for."""
    patient = os.environ[_PATIENTS].split()[0]
    body = orjson.dumps(condition(patient))
    return itertools.repeat(post("/fhir/Condition", body, "application/fhir+json", Authorization=_bearer()))


def transactions() -> Iterator[Request]:
    """Patient, Condition, order and request in one Bundle; eight resources are stored."""
    while True:
        body = bundle(os.environ[_ROLE])
        raw = post("/fhir", body, "application/fhir+json", Authorization=_bearer()).raw
        yield Request(raw, b"200")


def _bearer() -> str:
    return f"Bearer {os.environ[_TOKEN]}"


def condition(patient_id: str) -> dict[str, Any]:
    terms = "http://terminology.hl7.org/CodeSystem"
    return {
        "resourceType": "Condition",
        "identifier": [{"system": "urn:example:problem", "value": "P-1"}],
        "clinicalStatus": {"coding": [{"system": f"{terms}/condition-clinical", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": f"{terms}/condition-ver-status", "code": "confirmed"}]},
        "category": [{"coding": [{"system": f"{terms}/condition-category", "code": "problem-list-item"}]}],
        "code": {
            "coding": [
                {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F33.2", "display": "Depression"}
            ],
            "text": "Recurrent depression",
        },
        "subject": {"reference": f"Patient/{patient_id}"},
        "onsetDateTime": "2024-03",
        "recordedDate": "2026-11-02T09:30:00-07:00",
        "note": [{"text": "Two courses of medication without lasting effect."}],
    }


def bare(settings: Settings) -> FastAPI:
    served = ours(settings)
    runtime: Runtime = served.state.runtime
    read, create, transact = (
        record(runtime, served, requests) for requests in (reads(), creates(), transactions())
    )
    app = FastAPI()

    @app.get("/fhir/Patient/{id}")
    def read_one(id: str) -> Response:
        return _answer(runtime, read, 200, id)

    @app.post("/fhir/Condition")
    def create_one(body: dict[str, Any]) -> Response:
        return _answer(runtime, create, 201, plain=body)

    @app.post("/fhir")
    def create_many(body: dict[str, Any]) -> Response:
        return _answer(runtime, transact, 200, plain=body)

    return app


def _answer(
    runtime: Runtime, replay: Replay, status: int, given: str | None = None, plain: Any = None
) -> Response:
    """What was sent is written once more, as a plain handler writes the JSON that it stores."""
    if plain is not None:
        orjson.dumps(plain)
    if all(aside for _, _, aside in replay.statements):
        with runtime.database.statement() as connection:
            text = replay.run(connection, connection, given)
    else:
        with runtime.database.engine.begin() as connection:
            if any(aside for _, _, aside in replay.statements):
                with runtime.database.statement() as beside:
                    text = replay.run(connection, beside, given)
            else:
                text = replay.run(connection, connection, given)
    return Response(text.encode(), status, media_type="application/json")


def seed(settings: Settings) -> None:
    """A clinic with fifty patients, told to the servers by the environment."""
    clinic_id, os.environ[_TOKEN] = demo_clinic(settings)
    runtime = runtime_for(settings)
    with runtime.transaction(clinic_id) as session:
        os.environ[_ROLE] = directory.find_clinicians(session, "okafor")[0].id
        os.environ[_PATIENTS] = " ".join(patient.id for patient in directory.find_patients(session, "", 50))
    runtime.close()


def main() -> None:
    measured: tuple[tuple[str, Callable[[], Iterator[Request]], int, str], ...] = (
        ("read", reads, READERS, "0.8"),
        ("create", creates, WRITERS, "0.5"),
        ("transaction", transactions, WRITERS, "0.5"),
    )
    with running_engines() as (_, settings):
        seed(settings)
        with server(ours, settings) as our_port, server(bare, settings) as bare_port:
            for name, make, connections, goal in measured:
                print(f"{name} through FHIR: ours against a bare endpoint that does the same SQL")
                pair = ((our_port, make()), (bare_port, make()))
                _, _, ratio = compare(*pair, connections=connections, rounds=ROUNDS, seconds=SECONDS)
                figure(f"fhir-{name}-vs-bare", ratio, goal)
    _fhir_search.main()


if __name__ == "__main__":
    main()
