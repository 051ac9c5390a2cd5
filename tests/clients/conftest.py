"""The server as other systems meet it: HTTP on a free port over the test's database."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from referral.services.judge_recommendation import confirm_by_phone
from referral.services.smart_clients import NewClient, register_client
from tests.database import NOW, ClinicFixture
from tests.fhir_api.cds_ehr import jwks, make_key, public_jwk, seconds
from tests.fhir_api.client import Json
from tests.fhir_api.people import condition, order, patient, practitioner, request, role, transaction
from tests.web.client import application
from tests.web.portal_case import serve

KEY_ID = "key-1"
# What a tour does, as a system would ask for it.
SCOPES = " ".join(
    (
        *(f"system/{type}.crus" for type in ("Patient", "Condition", "Practitioner", "PractitionerRole")),
        *(f"system/{type}.crus" for type in ("ServiceRequest", "Encounter", "QuestionnaireResponse")),
        *("system/Task.rus", "system/Questionnaire.rs", "system/OperationDefinition.rs"),
    )
)


@dataclass(frozen=True)
class Server:
    """`base` is the FHIR base URL; a client is registered whose private key is `key`."""

    base: str
    clinic: ClinicFixture
    client_id: str
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        """The private key as files have it."""
        plain = serialization.NoEncryption()
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        return self.key.private_bytes(*form).decode()

    def assertion(self) -> str:
        """Who is calling, signed, for one token (SMART Backend Services)."""
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": f"{self.base}/oauth/token",
            "exp": seconds(NOW) + 240,
            "jti": str(uuid.uuid4()),
        }
        return jwt.encode(claims, self.key, "ES384", headers={"kid": KEY_ID})

    @cached_property
    def token(self) -> str:
        """For a library that only takes one: found out and asked for in three calls."""
        known = httpx.get(f"{self.base}/.well-known/smart-configuration", verify=False).json()
        form = {
            "grant_type": "client_credentials",
            "scope": SCOPES,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": self.assertion(),
        }
        answer = httpx.post(known["token_endpoint"], data=form, verify=False).json()
        assert answer["scope"].split() == SCOPES.split(), answer
        return str(answer["access_token"])

    def confirm(self, request_id: str) -> None:
        """A person of the clinic calls back: an answer that a system sent does not count before."""
        with self.clinic.transaction() as session:
            confirm_by_phone(
                session,
                self.clinic.actor,
                request_id,
                spoke_with="Reception",
                called_number="303-555-0120",
                now=NOW,
            )


def initiation() -> Json:
    """One transaction: patient, diagnosis, clinician and role, the infusion order, the request."""
    return transaction(
        who=patient(),
        why=condition("who"),
        doctor=practitioner(),
        seat=role("doctor"),
        placed=order("who", "why"),
        asked=request("who", "seat", basedOn=[{"reference": "placed"}]),
    )


@contextmanager
def serving(clinic: ClinicFixture, now: Callable[[], datetime] = lambda: NOW) -> Iterator[Server]:
    """Until the block ends, with a client that has registered its key."""
    key = make_key()
    new = NewClient(name=f"A tour {uuid.uuid4().hex[:8]}", jwks=jwks(public_jwk(key, KEY_ID)))
    with clinic.transaction() as session:
        registered = register_client(session, clinic.actor, new, None, NOW).client
    # The address is known before the application is made: tokens are asked for at it, and name it.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with serve(application(clinic, now, base_url=address), listening):
            yield Server(f"{address}/fhir", clinic, registered.id, key)


@pytest.fixture
def server(clinic: ClinicFixture) -> Iterator[Server]:
    with serving(clinic) as made:
        yield made
