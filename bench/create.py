"""Creating a whole request through FHIR against a bare endpoint that inserts as many rows.

Ours: one transaction Bundle with Patient, Condition, infusion order and request, validated; the service
adds tasks, communication, provenance, workflow rows, search entries and audit. Bare: FastAPI, one
transaction, Core inserts of the same number of documents (the same bodies) and of the same number of small
rows, no validation.
"""

from __future__ import annotations

import http.client
import itertools
import uuid
from collections.abc import Iterator
from typing import Any

import orjson
from fastapi import FastAPI, Response
from sqlalchemy import Column, DateTime, MetaData, String, Table, create_engine, func, insert, text
from sqlalchemy.dialects.postgresql import JSONB

from bench._harness import Request, compare, demo_clinic, figure, post, running_engines, runtime_for, server
from bench.gate import ours
from referral.config import Settings
from referral.fhir.systems import DEFAULT
from referral.storage import directory, tables

metadata = MetaData()
documents = Table(
    "bare_document",
    metadata,
    Column("id", String, primary_key=True),
    Column("body", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), server_default=func.now()),
)
small = Table(
    "bare_small",
    metadata,
    Column("id", String, index=True),
    Column("name", String),
    Column("value", String, index=True),
    Column("created_at", DateTime(timezone=True), server_default=func.now()),
)


def bundle(role_id: str) -> bytes:
    """Everything that an EHR sends; new identifiers each time."""
    patient, condition, order = (f"urn:uuid:{uuid.uuid4()}" for _ in range(3))
    code = {
        "coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F33.2", "display": "Depression"}]
    }
    resources: list[tuple[str, dict[str, Any]]] = [
        (
            patient,
            {
                "resourceType": "Patient",
                "identifier": [{"system": "urn:example:mrn", "value": uuid.uuid4().hex}],
                "name": [{"family": "Bench", "given": ["Ada"]}],
                "birthDate": "1986-04-12",
                "gender": "female",
            },
        ),
        (
            condition,
            {
                "resourceType": "Condition",
                "clinicalStatus": {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/condition-clinical",
                            "code": "active",
                        }
                    ]
                },
                "code": code,
                "subject": {"reference": patient},
            },
        ),
        (order, _request("ketamine-infusion", patient, condition)),
        (
            f"urn:uuid:{uuid.uuid4()}",
            {
                **_request("ketamine-recommendation", patient, condition),
                "performer": [{"reference": f"PractitionerRole/{role_id}"}],
                "supportingInfo": [{"reference": order}],
            },
        ),
    ]
    entries = [
        {"fullUrl": url, "resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}
        for url, resource in resources
    ]
    return orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def _request(code: str, patient: str, condition: str) -> dict[str, Any]:
    return {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": {"coding": [DEFAULT.coding("request-code", code)]},
        "subject": {"reference": patient},
        "reasonReference": [{"reference": condition}],
    }


def count_rows(admin_url: str) -> dict[str, int]:
    with create_engine(admin_url).connect() as connection:
        return {
            name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()
            for name in tables.metadata.tables
        }


def bare(settings: Settings) -> FastAPI:
    engine = create_engine(
        str(settings.database_url),
        pool_size=8,
        max_overflow=0,
        json_serializer=lambda value: orjson.dumps(value).decode(),
    )
    app = FastAPI()

    @app.post("/create", status_code=201)
    def create(body: dict[str, Any]) -> Response:
        with engine.begin() as connection:
            connection.execute(
                insert(documents).inline(),
                [{"id": str(uuid.uuid4()), "body": item} for item in body["documents"]],
            )
            connection.execute(
                insert(small).inline(), [{"id": str(uuid.uuid4()), **item} for item in body["small"]]
            )
        return Response(b'{"ok":true}', 201, media_type="application/json")

    return app


def measure_graph(port: int, token: str, role_id: str, admin_url: str) -> bytes:
    """Send one request, see which rows it wrote, and make the bare request that writes as many."""
    before = count_rows(admin_url)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    connection.request("POST", "/fhir", bundle(role_id), headers)
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(answer.read().decode()[:2000])
    connection.close()
    after = count_rows(admin_url)
    written = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    with create_engine(admin_url).connect() as database:
        newest = text("SELECT body FROM resource ORDER BY last_updated DESC LIMIT :n")
        bodies = list(database.execute(newest, {"n": written["resource"]}).scalars())
    others = sum(count for name, count in written.items() if name != "resource")
    print(f"one request writes {written['resource']} documents and {others} other rows: {written}")
    rows = [{"name": "patient", "value": uuid.uuid4().hex} for _ in range(others)]
    return orjson.dumps({"documents": bodies, "small": rows})


def transaction(token: str, role_id: str) -> Iterator[Request]:
    while True:
        raw = post("/fhir", bundle(role_id), "application/fhir+json", Authorization=f"Bearer {token}")
        yield Request(raw.raw, b"200")


def main() -> None:
    with running_engines() as (engines, settings):
        clinic_id, token = demo_clinic(settings)
        runtime = runtime_for(settings)
        with runtime.transaction(clinic_id) as session:
            role_id = directory.find_clinicians(session, "okafor")[0].id
        runtime.close()
        admin = create_engine(engines.admin_url)
        metadata.create_all(admin)
        with admin.begin() as connection:
            connection.execute(text("GRANT ALL ON bare_document, bare_small TO referral_app"))
        with server(ours, settings) as our_port, server(bare, settings) as bare_port:
            body = measure_graph(our_port, token, role_id, engines.admin_url)
            bare_requests = itertools.repeat(post("/create", body, "application/json"))
            print("request creation: ours against a bare endpoint that inserts as many rows")
            _, _, ratio = compare(
                (our_port, transaction(token, role_id)), (bare_port, bare_requests), connections=8
            )
    figure("create-request-vs-bare", ratio, "0.3")


if __name__ == "__main__":
    main()
