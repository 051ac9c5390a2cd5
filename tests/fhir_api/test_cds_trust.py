"""Who may call CDS Hooks: tokens that an EHR signs, and every way in which one can be wrong."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, HMACAlgorithm
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from referral.domain.errors import DuplicateRequest, InvalidInput
from referral.services.trust_cds_clients import distrust_client, trust_client
from referral.storage import cds, tables
from tests.database import NOW, ClinicFixture
from tests.fhir_api.cds_ehr import (
    AUDIENCE,
    SERVICE,
    Ehr,
    encoded,
    hook,
    jwks,
    make_key,
    public_jwk,
    seconds,
    signed,
)
from tests.fhir_api.client import FhirClient, connect
from tests.fhir_api.people import patient
from tests.web.client import application

VIEW = hook("patient-view", "nobody")


@pytest.fixture
def ehr(clinic: ClinicFixture) -> Ehr:
    made = Ehr(clinic, jwks_url="https://ehr.example/jwks.json")
    made.trust()
    return made


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_a_signed_token_of_a_trusted_client_is_let_in(
    clinic: ClinicFixture, fhir: FhirClient, algorithm: Any
) -> None:
    ehr = Ehr(clinic, algorithm)
    assert ehr.call(fhir, VIEW).status == 401
    ehr.trust()
    answer = ehr.call(fhir, VIEW)
    assert (answer.status, answer.body) == (200, {"cards": []})


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [AUDIENCE, "https://elsewhere.example"]},
        {"headers": {"typ": "jwt"}},
        {"headers": {"jku": "https://ehr.example/jwks.json"}},
        {"nbf": seconds(NOW)},
        {"iat": seconds(NOW) + 20, "exp": seconds(NOW) + 200},
        {"iat": seconds(NOW) - 320, "exp": seconds(NOW) - 20},
        {"sub": "somebody", "more": {"is": "ignored"}},
    ],
)
def test_what_the_specification_allows_is_let_in(ehr: Ehr, fhir: FhirClient, changes: Any) -> None:
    assert ehr.call(fhir, VIEW, **changes).status == 200


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"aud": AUDIENCE + "/"}, "aud"),
        ({"aud": "http://127.0.0.1:8000"}, "aud"),
        ({"aud": AUDIENCE.replace("127.0.0.1", "localhost")}, "aud"),
        ({"aud": f"{AUDIENCE}/feedback"}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": {AUDIENCE: 1}}, "aud"),
        ({"exp": seconds(NOW) - 31, "iat": seconds(NOW) - 200}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": 10**30}, "exp"),
        ({"exp": float("inf")}, "exp"),
        ({"iat": seconds(NOW) + 31}, "future"),
        ({"nbf": seconds(NOW) + 31}, "future"),
        ({"nbf": "x"}, "nbf"),
        ({"iat": None}, "iat"),
        ({"iat": seconds(NOW) - 10}, "five minutes"),
        ({"exp": seconds(NOW) + 86400}, "five minutes"),
        ({"jti": None}, "jti"),
        ({"jti": ""}, "jti"),
        ({"jti": 7}, "jti"),
        ({"jti": "x" * 3000}, "jti"),
        ({"iss": None}, "iss"),
        ({"iss": 5}, "iss"),
        ({"iss": "https://unknown.ehr.example"}, "trust list"),
        ({"iss": "https://nul\x00.example"}, "trust list"),
        ({"tenant": "other"}, "trust list"),
        ({"tenant": ["other"]}, "tenant"),
        ({"headers": {"kid": "key-2"}}, "kid"),
        ({"headers": {"kid": None}}, "kid"),
        ({"headers": {"jku": "https://evil.example/jwks.json"}}, "jku"),
        ({"headers": {"typ": "at+jwt"}}, "header"),
        ({"headers": {"crit": ["exp"]}}, "JWT"),
        ({"headers": {"crit": ["b64"], "b64": True}}, "header"),
    ],
)
def test_a_token_that_is_wrong_in_one_thing_is_refused_with_a_sentence(
    ehr: Ehr, fhir: FhirClient, changes: Any, word: str
) -> None:
    answer = ehr.call(fhir, VIEW, **changes)
    assert (answer.status, answer.issues[0]["code"]) == (401, "login"), answer.text
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert word in answer.text
    assert ehr.call(fhir, VIEW).status == 200


def unsigned(ehr: Ehr) -> str:
    return f"{encoded({'alg': 'none', 'kid': ehr.kid})}.{encoded(ehr.claims())}."


def signed_with_the_public_key_as_a_secret(ehr: Ehr) -> str:
    """The classic: what is public to verify with is taken as the secret of an HMAC."""
    pem = ehr.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head = f"{encoded({'alg': 'HS256', 'kid': ehr.kid})}.{encoded(ehr.claims())}"
    mac = HMACAlgorithm(HMACAlgorithm.SHA256).sign(head.encode(), pem)
    return f"{head}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def changed_after_signing(ehr: Ehr) -> str:
    head, _, signature = ehr.sign().split(".")
    return f"{head}.{encoded(ehr.claims())}.{signature}"


def signature_cut(ehr: Ehr) -> str:
    return ehr.sign()[:-4]


def signature_left_out(ehr: Ehr) -> str:
    return ehr.sign().rsplit(".", 1)[0] + "."


def signed_by_another_key(ehr: Ehr) -> str:
    return replace(ehr, key=make_key()).sign()


def signed_by_a_key_of_its_own_header(ehr: Ehr) -> str:
    other = make_key()
    return replace(ehr, key=other).sign({"jwk": public_jwk(other, ehr.kid)})


def signed_with_a_weaker_hash(ehr: Ehr) -> str:
    """ES256 over the P-384 key, made by hand: libraries refuse to."""
    head = f"{encoded({'alg': 'ES256', 'kid': ehr.kid})}.{encoded(ehr.claims())}"
    signature = ECAlgorithm(ECAlgorithm.SHA256).sign(head.encode(), ehr.key)
    return f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def payload_is_a_list(ehr: Ehr) -> str:
    return signed({"alg": "ES384", "kid": ehr.kid}, [1], ehr.key)


def payload_is_deep(ehr: Ehr) -> str:
    deep: list[Any] = []
    for _ in range(600):
        deep = [deep]
    return signed({"alg": "ES384", "kid": ehr.kid}, deep, ehr.key)


@pytest.mark.parametrize(
    "forge",
    [
        unsigned,
        signed_with_the_public_key_as_a_secret,
        changed_after_signing,
        signature_cut,
        signature_left_out,
        signed_by_another_key,
        signed_by_a_key_of_its_own_header,
        signed_with_a_weaker_hash,
        payload_is_a_list,
        payload_is_deep,
        pytest.param(lambda _: "..", id="dots"),
        pytest.param(lambda _: "a.b.c", id="letters"),
        pytest.param(lambda ehr: ehr.sign() + ".more", id="four parts"),
        pytest.param(lambda ehr: ehr.sign(big="x" * 9000), id="long"),
    ],
)
def test_a_forged_token_is_refused(ehr: Ehr, fhir: FhirClient, forge: Callable[[Ehr], str]) -> None:
    answer = fhir.call("POST", SERVICE, VIEW, Authorization=f"Bearer {forge(ehr)}")
    assert answer.status == 401, answer.body
    assert answer.issues[0]["code"] == "login"


def test_a_token_is_used_once_also_when_the_call_fails(ehr: Ehr, fhir: FhirClient) -> None:
    good, bad = f"Bearer {ehr.sign()}", f"Bearer {ehr.sign()}"
    assert fhir.call("POST", SERVICE, VIEW, Authorization=good).status == 200
    assert fhir.call("POST", SERVICE, {}, Authorization=bad).status == 400
    for used in (good, bad):
        again = fhir.call("POST", SERVICE, VIEW, Authorization=used)
        assert (again.status, "used before" in again.text) == (401, True)


def test_of_the_same_token_at_the_same_moment_one_is_let_in(ehr: Ehr, fhir: FhirClient) -> None:
    token = f"Bearer {ehr.sign()}"
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: fhir.call("POST", SERVICE, VIEW, Authorization=token), range(8)))
    assert sorted(answer.status for answer in answers) == [200] + [401] * 7


def test_the_same_jti_of_another_client_is_another_token(
    ehr: Ehr, clinic: ClinicFixture, fhir: FhirClient
) -> None:
    other = Ehr(clinic)
    other.trust()
    assert ehr.call(fhir, VIEW, jti="one").status == 200
    assert other.call(fhir, VIEW, jti="one").status == 200


def test_used_tokens_are_kept_until_they_expire_and_not_for_ever(ehr: Ehr, clinic: ClinicFixture) -> None:
    now = NOW
    fhir = FhirClient(application(clinic, lambda: now), "", clinic)
    old = ehr.sign(exp=seconds(NOW) + 60)
    assert fhir.call("POST", SERVICE, VIEW, Authorization=f"Bearer {old}").status == 200

    def kept() -> int:
        with clinic.transaction() as session:
            return session.connection.scalar(select(func.count()).select_from(tables.cds_token)) or 0

    now = NOW + timedelta(seconds=89)  # expired, but within what clocks may differ
    assert fhir.call("POST", SERVICE, VIEW, Authorization=f"Bearer {old}").status == 401
    assert kept() == 1
    now = NOW + timedelta(seconds=120)
    assert ehr.call(fhir, VIEW, iat=seconds(now), exp=seconds(now) + 60).status == 200
    assert kept() == 1


def test_a_token_is_for_the_clinic_of_its_issuer_and_for_no_other(
    ehr: Ehr, fhir: FhirClient, other_fhir: FhirClient
) -> None:
    theirs = other_fhir.create(patient())
    ours = fhir.create(patient())
    for made in (theirs, ours):
        assert ehr.call(fhir, hook("patient-view", made["id"])).body == {"cards": []}
    assert not any("gate" in str(e["subtype"]) for e in other_fhir.get("AuditEvent?_count=50").resources)
    events = fhir.get(f"AuditEvent?patient=Patient/{ours['id']}").resources
    assert any("gate" in str(event["subtype"]) for event in events)
    assert fhir.get(f"AuditEvent?patient=Patient/{theirs['id']}").resources == []


def test_one_issuer_serves_two_clinics_by_tenant(
    clinic: ClinicFixture, other_clinic: ClinicFixture, fhir: FhirClient, other_fhir: FhirClient
) -> None:
    first = Ehr(clinic, tenant="north")
    first.trust()
    second = replace(first, clinic=other_clinic, tenant="south", key=make_key())
    second.trust()
    made = other_fhir.create(patient())
    view = hook("patient-view", made["id"])
    assert (first.call(fhir, view).status, second.call(fhir, view).status) == (200, 200)
    events = other_fhir.get(f"AuditEvent?patient=Patient/{made['id']}").resources
    assert sum("gate" in str(event["subtype"]) for event in events) == 1
    assert replace(first, tenant="south").call(fhir, view).status == 401
    assert first.call(fhir, view, tenant=None).status == 401


def test_a_cds_token_opens_no_other_door(ehr: Ehr, fhir: FhirClient) -> None:
    for path in ("Patient", "ServiceRequest", "AuditEvent"):
        assert fhir.get(path, Authorization=f"Bearer {ehr.sign()}").status == 401


def test_bearer_tokens_of_integration_clients_still_work(fhir: FhirClient) -> None:
    assert fhir.call("POST", SERVICE, VIEW).body == {"cards": []}


def test_a_removed_client_is_not_believed_by_a_process_that_has_not_seen_it(
    clinic: ClinicFixture, fhir: FhirClient
) -> None:
    ehr = Ehr(clinic)
    with clinic.transaction() as session:
        client = trust_client(session, clinic.actor, ehr.new(name="Old EHR"), NOW)
        distrust_client(session, clinic.actor, "Old EHR", NOW)
        assert cds.clients(session) == []
    assert ehr.call(fhir, VIEW).status == 401
    with pytest.raises(IntegrityError), clinic.transaction() as session:
        session.connection.execute(update(tables.cds_client).values(removed_at=None))
    with clinic.transaction() as session:
        again = trust_client(session, clinic.actor, ehr.new(name="Old EHR"), NOW)
    assert again.id != client.id
    assert ehr.call(fhir, VIEW).status == 200


def rsa_of(bits: int) -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


GOOD = public_jwk(make_key(), "k")
P256 = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"issuer": "ehr"}, "issuer"),
        ({"issuer": "http://ehr.example"}, "issuer"),
        ({"issuer": "https://ehr.example/a b"}, "issuer"),
        ({"tenant": "a b"}, "tenant"),
        ({"jwks_url": "http://ehr.example/jwks"}, "JWKS URL"),
        ({"origins": ("https://ehr.example/",)}, "origin"),
        ({"origins": ("*",)}, "origin"),
        ({"origins": ("null",)}, "origin"),
        ({"jwks": "{"}, "not JSON"),
        ({"jwks": "[]"}, "1 to 20 keys"),
        ({"jwks": jwks()}, "1 to 20 keys"),
        ({"jwks": jwks({**GOOD, "kid": ""})}, "no kid"),
        ({"jwks": jwks(GOOD, GOOD)}, "same kid"),
        ({"jwks": jwks({**GOOD, "d": "AAAA"})}, "secret key"),
        ({"jwks": jwks({"kty": "oct", "k": "AAAA", "kid": "k"})}, "secret key"),
        ({"jwks": jwks({"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "k"})}, "neither"),
        ({"jwks": jwks(public_jwk(P256, "k"))}, "P-384"),
        ({"jwks": jwks({**GOOD, "use": "enc"})}, "not for signing"),
        ({"jwks": jwks({**GOOD, "alg": "RS384"})}, "not for signing"),
        ({"jwks": jwks({**GOOD, "x": "AAAA"})}, "cannot be read"),
        ({"jwks": jwks(public_jwk(rsa_of(1024), "k"))}, "2048 bits"),
    ],
)
def test_what_cannot_be_trusted_is_refused_when_it_is_added(
    clinic: ClinicFixture, change: Any, word: str
) -> None:
    with clinic.transaction() as session, pytest.raises(InvalidInput, match=word):
        trust_client(session, clinic.actor, Ehr(clinic).new(**change), NOW)


def test_an_issuer_is_on_one_trust_list_only(ehr: Ehr, other_clinic: ClinicFixture) -> None:
    """Or a clinic could not say whose token it is."""
    for clinic in (ehr.clinic, other_clinic):
        with clinic.transaction() as session, pytest.raises(DuplicateRequest, match="remove"):
            trust_client(session, clinic.actor, ehr.new(), NOW)
    with ehr.clinic.transaction() as session:
        (there,) = cds.clients(session)
        with pytest.raises(InvalidInput, match="of this name"):
            trust_client(session, ehr.clinic.actor, Ehr(ehr.clinic).new(name=there.name), NOW)


# ---- CORS

PREFLIGHT = {
    "Access_Control_Request_Method": "POST",
    "Access_Control_Request_Headers": "authorization, content-type",
    "Authorization": "",
}


def test_browsers_may_call_from_origins_on_the_trust_list_only(clinic: ClinicFixture) -> None:
    origin = f"https://{uuid.uuid4().hex}.ehr.example"
    ehr = Ehr(clinic, origins=(origin,))
    ehr.trust()
    fhir = connect(clinic)
    asked = fhir.call("OPTIONS", SERVICE, Origin=origin, **PREFLIGHT)
    assert asked.status == 204
    assert asked.headers["access-control-allow-origin"] == origin
    assert asked.headers["access-control-allow-methods"] == "GET, POST"
    assert "authorization" in asked.headers["access-control-allow-headers"]
    assert asked.headers["vary"] == "Origin"
    for answer in (
        fhir.call("GET", "/cds-services", Origin=origin, Authorization=""),
        fhir.call("POST", SERVICE, VIEW, Origin=origin, Authorization=f"Bearer {ehr.sign()}"),
        fhir.call("POST", SERVICE, VIEW, Origin=origin, Authorization="Bearer no"),
    ):
        assert answer.headers["access-control-allow-origin"] == origin
    for foreign in ("https://evil.example", "null", origin + ".evil.example", "x" * 400, ehr.issuer):
        refused = fhir.call("OPTIONS", SERVICE, Origin=foreign, **PREFLIGHT)
        assert refused.status == 405
        for answer in (refused, fhir.call("GET", "/cds-services", Origin=foreign)):
            assert "access-control-allow-origin" not in answer.headers
    other_door = fhir.call("GET", "/fhir/metadata", Origin=origin)
    assert "access-control-allow-origin" not in other_door.headers


def test_without_an_origin_on_the_list_there_is_no_cors(ehr: Ehr, fhir: FhirClient) -> None:
    asked = fhir.call("OPTIONS", SERVICE, Origin="https://ehr.example", **PREFLIGHT)
    assert "access-control-allow-origin" not in asked.headers
