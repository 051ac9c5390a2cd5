"""CDS Hooks under 50 calls at once, with prefetch and without: p95, against a bare endpoint and the budget.

Ours: a JWT that is checked (ES384) and used up, the patient found by identifier or id, the gate of the order,
one card, its audit row; the four hooks in turn, each patient with one closed order and an open request. With
prefetch the client sends Patient, Conditions, orders and the draft along, as discovery asks for. Bare:
FastAPI, a sync endpoint, one row by primary key, JSON, under the same 50 connections (bench/gate.py). Tokens
are signed before the clock starts.
"""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import statistics
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from bench import gate
from bench._harness import Request, cores, figure, get, post, running_engines, runtime_for, server
from bench.create import bundle
from referral.config import Settings
from referral.domain.audit import Actor
from referral.fhir.cds_card import SERVICE_ID
from referral.fhir.cds_request import HOOKS
from referral.services.trust_cds_clients import NewCdsClient, trust_client
from referral.storage import clinics, directory

CONCURRENT = 50
CALLS = 1500
ROUNDS = 3
PATIENTS = 100
BUDGET_MS = 500
ISSUER = "https://ehr.bench.example"
KEY = ec.generate_private_key(ec.SECP384R1())
PATH = f"/cds-services/{SERVICE_ID}"


@dataclass(frozen=True, slots=True)
class Person:
    """A patient as our server has it, with the documents that were sent."""

    id: str
    patient: dict[str, Any]
    condition: dict[str, Any]
    order: dict[str, Any]


def people(port: int, token: str, role_id: str) -> list[Person]:
    """Each with a closed order and an open request, through the front door."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    found = []
    for _ in range(PATIENTS):
        body = bundle(role_id)
        connection.request("POST", "/fhir", body, headers)
        answer = connection.getresponse()
        made = json.loads(answer.read())
        if answer.status != 200:
            raise RuntimeError(str(made)[:2000])
        ids = [entry["response"]["location"].split("/_history")[0].split("/")[-1] for entry in made["entry"]]
        sent = [entry["resource"] for entry in json.loads(body)["entry"]]
        documents = [{**resource, "id": id} for resource, id in zip(sent, ids, strict=True)]
        found.append(Person(ids[0], *documents[:3]))
    connection.close()
    return found


def trust(settings: Settings) -> str:
    """Put this benchmark on the trust list; returns the address that its tokens are for."""
    runtime = runtime_for(settings)
    jwks = {"keys": [{**json.loads(ECAlgorithm.to_jwk(KEY.public_key())), "kid": "bench"}]}
    with runtime.transaction() as session:
        (clinic,) = clinics.every(session)
    with runtime.transaction(clinic.id) as session:
        new = NewCdsClient(name="bench", issuer=ISSUER, jwks=json.dumps(jwks))
        trust_client(session, Actor(clinic.id, "system", "bench"), new, datetime.now(UTC))
    runtime.close()
    return f"{settings.base_url}{PATH}"


def role_of(settings: Settings) -> str:
    runtime = runtime_for(settings)
    with runtime.transaction() as session:
        (clinic,) = clinics.every(session)
    with runtime.transaction(clinic.id) as session:
        found = directory.find_clinicians(session, "okafor")[0].id
    runtime.close()
    return found


def hook_body(hook: str, person: Person, prefetched: bool) -> bytes:
    """With prefetch the patient has the id of another server, and is found by identifier."""
    patient_id = f"ehr-{person.id}" if prefetched else person.id
    subject = {"reference": f"Patient/{patient_id}"}
    draft = {**person.order, "id": f"draft-{person.id}", "status": "draft", "subject": subject}
    condition = {**person.condition, "subject": subject}
    draft["reasonReference"] = [{"reference": f"Condition/{condition['id']}"}]
    context: dict[str, Any] = {"userId": "Practitioner/1", "patientId": patient_id}
    context |= {
        "order-sign": {"draftOrders": of(draft)},
        "appointment-book": {"appointments": of({"resourceType": "Appointment", "status": "proposed"})},
        "encounter-start": {"encounterId": "visit"},
    }.get(hook, {})
    body: dict[str, Any] = {"hook": hook, "hookInstance": str(uuid.uuid4()), "context": context}
    body["fhirServer"] = "https://fhir.bench.example/r4"
    if prefetched:
        body["prefetch"] = {
            "patient": {**person.patient, "id": patient_id},
            "conditions": of(*[{**condition, "id": f"{condition['id']}-{n}"} for n in range(9)], condition),
            "orders": of(*[{**draft, "id": f"o{n}", "status": "active"} for n in range(5)]),
        }
    return orjson.dumps(body)


def of(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources]}


def calls(found: Sequence[Person], audience: str, prefetched: bool) -> Iterator[Request]:
    """CALLS requests, each with a token of its own, ready to be sent."""
    now = int(time.time())
    pairs = itertools.product(found, HOOKS)
    bodies = [hook_body(hook, person, prefetched) for person, hook in pairs]
    made = []
    for body in itertools.islice(itertools.cycle(bodies), CALLS):
        claims = {"iss": ISSUER, "aud": audience, "iat": now, "exp": now + 300, "jti": uuid.uuid4().hex}
        token = jwt.encode(claims, KEY, "ES384", headers={"kid": "bench"})
        raw = post(PATH, body, "application/json", Authorization=f"Bearer {token}").raw
        made.append(Request(raw, b"200"))
    return iter(made)


async def _timed(port: int, requests: Iterator[Request], needle: bytes) -> list[float]:
    """Milliseconds of each call over CONCURRENT connections; every answer has to contain `needle`."""
    taken: list[float] = []

    async def one_after_the_other() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in requests:
            begun = time.perf_counter()
            writer.write(request.raw)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            taken.append((time.perf_counter() - begun) * 1000)
            if head[9:12] != request.status or needle not in body:
                raise RuntimeError(f"{head[:15]!r} {body[:500]!r}")
        writer.close()

    await asyncio.gather(*(one_after_the_other() for _ in range(CONCURRENT)))
    return taken


def p95(taken: Sequence[float]) -> float:
    return statistics.quantiles(taken, n=100)[94]


def main() -> None:
    with running_engines() as (engines, settings):
        token, ids = gate.seed(settings, engines.admin_url)
        audience, role_id = trust(settings), role_of(settings)
        with server(gate.ours, settings) as our_port, server(gate.bare, settings) as bare_port:
            found = people(our_port, token, role_id)
            bare_calls = [get(f"/gate/{id}") for id in ids]
            print(f"CDS Hooks, {CONCURRENT} calls at once, {CALLS} a round, {cores()} cores for both sides")
            worst: dict[str, list[float]] = {"with prefetch": [], "without prefetch": []}
            ratios: dict[str, list[float]] = {name: [] for name in worst}
            for number in range(ROUNDS + 1):
                for name, times in worst.items():
                    requests = calls(found, audience, prefetched=name == "with prefetch")
                    took = p95(asyncio.run(_timed(our_port, requests, b'"cards":[{')))
                    bare = itertools.islice(itertools.cycle(bare_calls), CALLS)
                    bare_took = p95(asyncio.run(_timed(bare_port, bare, b"{")))
                    # The first round warms up.
                    if number:
                        times.append(took)
                        ratios[name].append(took / bare_took)
                        words = (
                            f"p95 {took:6.1f} ms   bare {bare_took:6.1f} ms   {took / bare_took:.1f} times"
                        )
                        print(f"  round {number}, {name:16}: {words}")
    for name, times in worst.items():
        figure(f"cds-p95-ms-{name.replace(' ', '-')}", statistics.median(times), f"at most {BUDGET_MS}")
    for name, times in ratios.items():
        figure(
            f"cds-p95-times-bare-{name.replace(' ', '-')}",
            statistics.median(times),
            "none, the budget counts",
        )


if __name__ == "__main__":
    main()
