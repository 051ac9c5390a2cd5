"""A system that signs in with its own key, as SMART Backend Services describes it."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
from fastapi import FastAPI

from referral.services.issue_token import ASSERTION_TYPE
from referral.services.smart_clients import NewClient, register_client
from referral.storage.api_clients import ApiClient
from tests.database import NOW, ClinicFixture
from tests.fhir_api.cds_ehr import Algorithm, jwks, make_key, public_jwk, seconds, signed
from tests.fhir_api.client import Answer, FhirClient, Json
from tests.web.client import application

TOKEN_URL = "http://127.0.0.1:8000/fhir/oauth/token"


@dataclass
class System:
    """Registers itself; `sign()` gives an assertion that holds: arguments replace claims, None takes away."""

    clinic: ClinicFixture
    algorithm: Algorithm = "ES384"
    scopes: tuple[str, ...] = ("system/Task.rus", "system/Patient.crus")
    kid: str = "key-1"
    jwks_url: str | None = None
    key: Any = None
    app: FastAPI | None = None
    client: ApiClient = field(init=False)

    def __post_init__(self) -> None:
        self.key = self.key or make_key(self.algorithm)
        self.app = self.app or application(self.clinic)
        keys = None if self.jwks_url else jwks(public_jwk(self.key, self.kid))
        name = f"System {uuid.uuid4().hex[:8]}"
        new = NewClient(name=name, jwks=keys, jwks_url=self.jwks_url, scopes=self.scopes)
        with self.clinic.transaction() as session:
            self.client = register_client(session, self.clinic.actor, new, None, NOW).client

    def claims(self, **changes: Any) -> Json:
        claims = {
            "iss": self.client.id,
            "sub": self.client.id,
            "aud": TOKEN_URL,
            "exp": seconds(NOW) + 240,
            "jti": uuid.uuid4().hex,
        }
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def sign(self, header: Json | None = None, key: Any = None, **changes: Any) -> str:
        head = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT"} | (header or {})
        return signed(head, self.claims(**changes), key or self.key)

    def form(self, **changes: str | None) -> Json:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.sign() if "client_assertion" not in changes else None,
            "scope": "system/Task.rs system/Patient.crus",
        }
        return {name: value for name, value in (form | changes).items() if value is not None}

    def ask(self, **changes: str | None) -> Answer:
        return self.send(urlencode(self.form(**changes)).encode())

    def send(self, body: bytes, content_type: str = "application/x-www-form-urlencoded") -> Answer:
        return self.http("POST", "/fhir/oauth/token", body, {"Content-Type": content_type})

    def http(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(self.app or FastAPI(), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
                return await http.request(method, path, content=body, headers=headers)

        got = asyncio.run(call())
        return Answer(got.status_code, dict(got.headers), got.json() if got.content else {}, got.content)

    def token(self, scope: str = "system/Task.rs system/Patient.crus") -> str:
        answer = self.ask(scope=scope)
        assert answer.status == 200, answer.body
        return str(answer.body["access_token"])

    def introspect(self, token: str, bearer: str) -> Answer:
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": f"Bearer {bearer}",
        }
        return self.http("POST", "/fhir/oauth/introspect", urlencode({"token": token}).encode(), headers)

    def fhir(self, token: str | None = None) -> FhirClient:
        return FhirClient(self.app or FastAPI(), token or self.token(), self.clinic)
