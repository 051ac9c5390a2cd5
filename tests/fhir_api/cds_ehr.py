"""An EHR that signs its calls to CDS Hooks, with keys made for the test."""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from referral.services.trust_cds_clients import NewCdsClient, trust_client
from referral.storage.cds import CdsClient
from tests.database import NOW, ClinicFixture
from tests.fhir_api.client import Answer, FhirClient, Json

SERVICE = "/cds-services/ketamine-recommendation-gate"
# The base URL of the test's settings.
AUDIENCE = f"http://127.0.0.1:8000{SERVICE}"
Algorithm = Literal["ES384", "RS384"]


def make_key(algorithm: Algorithm = "ES384") -> Any:
    if algorithm == "ES384":
        return ec.generate_private_key(ec.SECP384R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_jwk(key: Any, kid: str, **more: Any) -> Json:
    algorithm = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else RSAAlgorithm
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, **more}


def jwks(*keys: Json) -> str:
    return json.dumps({"keys": list(keys)})


def seconds(at: datetime) -> int:
    return int(at.timestamp())


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def signed(header: Json, claims: Any, key: Any) -> str:
    """With SHA-384, whatever the header says."""
    head = f"{encoded(header)}.{encoded(claims)}"
    ec_key = isinstance(key, ec.EllipticCurvePrivateKey)
    algorithm = ECAlgorithm(ECAlgorithm.SHA384) if ec_key else RSAAlgorithm(RSAAlgorithm.SHA384)
    return f"{head}.{base64.urlsafe_b64encode(algorithm.sign(head.encode(), key)).rstrip(b'=').decode()}"


@dataclass
class Ehr:
    """`sign()` gives a token that holds; its arguments replace claims, None takes one away."""

    clinic: ClinicFixture
    algorithm: Algorithm = "ES384"
    kid: str = "key-1"
    tenant: str = ""
    jwks_url: str | None = None
    origins: tuple[str, ...] = ()
    issuer: str = field(default_factory=lambda: f"https://{uuid.uuid4().hex}.ehr.example")
    key: Any = None

    def __post_init__(self) -> None:
        self.key = self.key or make_key(self.algorithm)

    def new(self, **changes: Any) -> NewCdsClient:
        values = {
            "name": f"EHR {uuid.uuid4().hex[:8]}",
            "issuer": self.issuer,
            "jwks": jwks(public_jwk(self.key, self.kid)),
            "tenant": self.tenant,
            "jwks_url": self.jwks_url,
            "origins": self.origins,
        }
        return NewCdsClient(**(values | changes))

    def trust(self) -> CdsClient:
        with self.clinic.transaction() as session:
            return trust_client(session, self.clinic.actor, self.new(), NOW)

    def claims(self, **changes: Any) -> Json:
        claims = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "iat": seconds(NOW),
            "exp": seconds(NOW) + 300,
            "jti": uuid.uuid4().hex,
            **({"tenant": self.tenant} if self.tenant else {}),
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def sign(self, headers: Json | None = None, **changes: Any) -> str:
        """By hand: a library would refuse to write most of what must be refused when read."""
        header = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid, **(headers or {})}
        return signed(
            {name: v for name, v in header.items() if v is not None}, self.claims(**changes), self.key
        )

    def call(self, fhir: FhirClient, body: Json, **changes: Any) -> Answer:
        return fhir.call("POST", SERVICE, body, Authorization=f"Bearer {self.sign(**changes)}")


def hook(name: str, patient_id: str, *, prefetch: Json | None = None, **more: Any) -> Json:
    """A call as an EHR makes it; `context` is laid over the least that the hook needs."""
    context: Json = {"userId": "Practitioner/7", "patientId": patient_id.removeprefix("Patient/")}
    needed: dict[str, Json] = {
        "order-sign": {"draftOrders": bundle()},
        "appointment-book": {"appointments": bundle()},
        "encounter-start": {"encounterId": "visit-1"},
    }
    context |= needed.get(name, {})
    context |= more.pop("context", {})
    body = {"hook": name, "hookInstance": str(uuid.uuid4()), "context": context, **more}
    return body if prefetch is None else {**body, "prefetch": prefetch}


def bundle(*resources: Json) -> Json:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}
