"""A client that exports in bulk, with a worker that runs when the test says so."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from sqlalchemy import text

from referral.fhir.json import decode
from referral.services.run_export import Exporting, run_exports
from referral.storage import audit
from referral.storage.audit import AuditRow
from tests.database import ClinicFixture, Clock
from tests.fhir_api.client import Answer, FhirClient, Json
from tests.web.client import application

ASYNC = {"Prefer": "respond-async"}


@dataclass
class Bulk:
    """A client that exports, with a worker that runs when it is told to."""

    fhir: FhirClient
    clock: Clock = field(default_factory=Clock)
    part_bytes: int = 2000
    file_resources: int = 50_000

    def __post_init__(self) -> None:
        self.fhir = replace(self.fhir, app=application(self.fhir.clinic, self.clock))

    def start(self, path: str = "$export", **headers: str) -> str:
        answer = self.fhir.get(path, **{**ASYNC, **headers})
        assert answer.status == 202, answer.body
        return place(answer)

    def work(self, **changes: object) -> int:
        exporting = Exporting(
            database=self.fhir.clinic.database,
            now=self.clock,
            settle=timedelta(),
            part_bytes=self.part_bytes,
            file_resources=self.file_resources,
        )
        return run_exports(replace(exporting, **changes), self.fhir.clinic.id)  # type: ignore[arg-type]

    def look(self, status: str) -> Answer:
        return self.fhir.get(status)

    def manifest(self, path: str = "$export", **headers: str) -> Json:
        status = self.start(path, **headers)
        assert self.work() == 1
        answer = self.look(status)
        assert answer.status == 200, answer.body
        return answer.body

    def read(self, manifest: Json) -> dict[str, Json]:
        """Everything in the files, by reference."""
        found: dict[str, Json] = {}
        for output in manifest["output"]:
            lines = self.lines(output)
            assert len(lines) == output["count"]
            for document in lines:
                assert document["resourceType"] == output["type"]
                reference = f"{document['resourceType']}/{document['id']}"
                assert reference not in found
                found[reference] = document
        return found

    def lines(self, output: Json) -> list[Json]:
        answer = self.fhir.get(below_fhir(output["url"]), Accept_Encoding="identity")
        assert answer.status == 200, answer.body
        assert answer.headers["content-type"] == "application/fhir+ndjson"
        return [decode(line) for line in answer.content.splitlines()]


def below_fhir(url: str) -> str:
    assert url.startswith("http://testserver/fhir/")
    return url.removeprefix("http://testserver/fhir/")


def place(answer: Answer) -> str:
    return below_fhir(answer.headers["content-location"])


def rows(clinic: ClinicFixture, table: str) -> int:
    with clinic.transaction() as session:
        return int(session.connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


def exports_in_audit(clinic: ClinicFixture, subtype: str = "export") -> list[AuditRow]:
    with clinic.transaction() as session:
        return [row for row in audit.find(session, limit=1000) if row.subtype == subtype]
