"""A client with a bearer token, as an EHR would have one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from referral.domain.credential import random_token
from referral.fhir.json import decode, encode
from referral.services.smart_clients import NewClient, register_client
from tests.database import NOW, ClinicFixture
from tests.web.client import application

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Json
    content: bytes

    @property
    def id(self) -> str:
        return str(self.body["id"])

    @property
    def issues(self) -> list[Json]:
        assert self.body["resourceType"] == "OperationOutcome", self.body
        issues: list[Json] = self.body["issue"]
        # Whatever is refused says where: an element, or a part of the request.
        assert all(issue.get("expression") for issue in issues if issue["severity"] == "error"), issues
        return issues

    @property
    def text(self) -> str:
        return " ".join(issue["details"]["text"] for issue in self.issues)

    @property
    def expressions(self) -> list[str]:
        return [place for issue in self.issues for place in issue.get("expression", [])]

    @property
    def resources(self) -> list[Json]:
        return [entry["resource"] for entry in self.body.get("entry", [])]

    @property
    def references(self) -> list[str]:
        return [f"{row['resourceType']}/{row['id']}" for row in self.resources if "id" in row]


@dataclass(frozen=True, slots=True)
class FhirClient:
    app: FastAPI
    token: str
    clinic: ClinicFixture

    def call(self, method: str, path: str, body: Any = None, /, **headers: str) -> Answer:
        """`body` a document or bytes; header names with underscores for hyphens."""
        sent = {"Authorization": f"Bearer {self.token}"}
        content = encode(body) if isinstance(body, dict | list) else body
        if content is not None:
            sent["Content-Type"] = "application/fhir+json"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        response = asyncio.run(self._send(method, path, content, sent))
        kind = response.headers.get("content-type", "")
        is_json = "json" in kind and "ndjson" not in kind
        read = decode(response.content, limit=10**8) if is_json and response.content else {}
        return Answer(response.status_code, dict(response.headers), read, response.content)

    async def _send(
        self, method: str, path: str, content: bytes | None, headers: dict[str, str]
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
            return await http.request(method, path, content=content, headers=headers)

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", f"/fhir/{path}", **headers)

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self.call("POST", f"/fhir/{path}" if path else "/fhir", body, **headers)

    def put(self, path: str, body: Any, **headers: str) -> Answer:
        return self.call("PUT", f"/fhir/{path}", body, **headers)

    def create(self, document: Json) -> Json:
        answer = self.post(document["resourceType"], document)
        assert answer.status == 201, answer.body
        return answer.body


def connect(clinic: ClinicFixture) -> FhirClient:
    with clinic.transaction() as session:
        new = NewClient(name=f"An EHR {random_token(size=6)}")
        token = register_client(session, clinic.actor, new, None, NOW).token
    assert token is not None
    return FhirClient(application(clinic), token, clinic)
