"""SMART Backend Services: how a system gets a token, what it is worth, and when it ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from referral.services.client_keys import SELDOM, ClientKeys
from referral.services.forget_sessions import forget_sessions
from referral.services.issue_token import ASSERTION_TYPE, LIFETIME
from referral.services.smart_clients import change_keys, permit_of, remove_client
from tests.database import NOW, ClinicFixture
from tests.fhir_api.cds_ehr import encoded, jwks, make_key, public_jwk, seconds
from tests.fhir_api.client import FhirClient, Json
from tests.fhir_api.people import Referred, patient
from tests.fhir_api.smart_system import TOKEN_URL, System
from tests.receiver import Receiver, receiving
from tests.web.client import application

HS384 = {"alg": "HS384"}


@pytest.fixture
def system(clinic: ClinicFixture) -> System:
    return System(clinic)


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_a_system_signs_in_with_its_key_and_works_with_the_token(
    clinic: ClinicFixture, algorithm: Any
) -> None:
    system = System(clinic, algorithm)
    answer = system.ask(scope="system/Task.rs system/Patient.crus system/Practitioner.r nonsense")
    assert answer.status == 200, answer.body
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    assert answer.body.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert answer.body["token_type"] == "bearer"
    assert answer.body["expires_in"] == 300
    assert answer.body["scope"] == "system/Task.rs system/Patient.crus"
    fhir = system.fhir(answer.body["access_token"])
    made = fhir.create(patient())
    assert fhir.get(f"Patient/{made['id']}").status == 200
    assert fhir.get("Practitioner").status == 403
    with clinic.transaction() as session:
        kept = session.connection.scalars(text("SELECT token_digest FROM api_token")).all()
        audit = session.connection.execute(
            text("SELECT detail FROM audit_event WHERE subtype = 'token' AND actor_id = :id"),
            {"id": system.client.id},
        ).all()
    assert answer.body["access_token"].encode() not in kept
    assert [row.detail["scopes"] for row in audit] == [["system/Task.rs", "system/Patient.crus"]]


FORMS: list[tuple[Json, str, int]] = [
    ({"grant_type": None}, "invalid_request", 400),
    ({"grant_type": "authorization_code"}, "unsupported_grant_type", 400),
    ({"grant_type": "password"}, "unsupported_grant_type", 400),
    ({"client_assertion_type": None}, "invalid_request", 400),
    ({"client_assertion_type": ASSERTION_TYPE.upper()}, "invalid_request", 400),
    ({"client_assertion": ""}, "invalid_request", 400),
    ({"client_assertion": "nonsense"}, "invalid_client", 401),
    ({"client_assertion": "a.b.c"}, "invalid_client", 401),
    ({"client_assertion": "x" * 9000}, "invalid_client", 401),
    ({"client_assertion": "ä.b.c"}, "invalid_client", 401),
    ({"client_id": "somebody else"}, "invalid_client", 401),
    ({"scope": None}, "invalid_scope", 400),
    ({"scope": "system/Practitioner.rs"}, "invalid_scope", 400),
    ({"scope": "system/Task.sr system/Task.read user/Task.rs launch openid"}, "invalid_scope", 400),
    ({"scope": "system/Task.rs?nothing=1"}, "invalid_scope", 400),
]


def test_each_wrong_form_is_refused_by_name(system: System) -> None:
    for changes, error, status in FORMS:
        answer = system.ask(**changes)
        assert (answer.body["error"], answer.status) == (error, status), (changes, answer.body)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.body["error_description"]
    for body, kind in (
        (b"{}", "application/json"),
        (b"grant_type=client_credentials&grant_type=client_credentials", "application/x-www-form-urlencoded"),
        (b"grant_type=%FF", "application/x-www-form-urlencoded"),
        (b"grant_type=%00", "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % place for place in range(30)), "application/x-www-form-urlencoded"),
    ):
        answer = system.send(body, kind)
        assert (answer.status, answer.body["error"]) == (400, "invalid_request")
    in_url = system.http("POST", "/fhir/oauth/token?grant_type=client_credentials", b"", {})
    assert in_url.body["error"] == "invalid_request"


ASSERTIONS: dict[str, Callable[[System], str]] = {
    "no signature": lambda s: f"{encoded({'alg': 'none', 'kid': s.kid})}.{encoded(s.claims())}.",
    "alg none with a signature": lambda s: s.sign({"alg": "none"}),
    "HMAC with the public key": lambda s: s.sign(HS384),
    "RS256": lambda s: s.sign({"alg": "RS256"}),
    "another family": lambda s: s.sign({"alg": "RS384"}),
    "another key": lambda s: s.sign(key=make_key()),
    "no kid": lambda s: s.sign({"kid": None}),
    "unknown kid": lambda s: s.sign({"kid": "key-2"}),
    "a jku that was not registered": lambda s: s.sign({"jku": "https://evil.example/jwks"}),
    "crit": lambda s: s.sign({"crit": ["b64"], "b64": False}),
    "typ": lambda s: s.sign({"typ": "at+jwt"}),
    "no iss": lambda s: s.sign(iss=None),
    "unknown iss": lambda s: s.sign(iss="nobody", sub="nobody"),
    "iss with NUL": lambda s: s.sign(iss="a\x00b", sub="a\x00b"),
    "iss is a list": lambda s: s.sign(iss=[s.client.id]),
    "no sub": lambda s: s.sign(sub=None),
    "another sub": lambda s: s.sign(sub="somebody"),
    "no aud": lambda s: s.sign(aud=None),
    "the base URL": lambda s: s.sign(aud="http://127.0.0.1:8000/fhir"),
    "a slash more": lambda s: s.sign(aud=f"{TOKEN_URL}/"),
    "another host": lambda s: s.sign(aud="http://testserver/fhir/oauth/token"),
    "no exp": lambda s: s.sign(exp=None),
    "exp is text": lambda s: s.sign(exp="tomorrow"),
    "expired": lambda s: s.sign(exp=seconds(NOW) - 31),
    "six minutes ahead": lambda s: s.sign(exp=seconds(NOW) + 360),
    "never": lambda s: s.sign(exp=10**30),
    "long since issued": lambda s: s.sign(iat=seconds(NOW) - 600),
    "issued tomorrow": lambda s: s.sign(iat=seconds(NOW) + 90),
    "not yet": lambda s: s.sign(nbf=seconds(NOW) + 90),
    "no jti": lambda s: s.sign(jti=None),
    "empty jti": lambda s: s.sign(jti=""),
    "jti is a number": lambda s: s.sign(jti=7),
}


def test_each_assertion_that_does_not_hold_is_refused(system: System) -> None:
    for name, make in ASSERTIONS.items():
        answer = system.ask(client_assertion=make(system))
        assert (answer.status, answer.body["error"]) == (401, "invalid_client"), name
    for name, good in {
        "iat": system.sign(iat=seconds(NOW)),
        "nbf": system.sign(nbf=seconds(NOW), iat=seconds(NOW)),
        "aud in a list": system.sign(aud=["https://other.example", TOKEN_URL]),
        "clocks that differ a little": system.sign(iat=seconds(NOW) + 20, exp=seconds(NOW) + 319),
        "no typ": system.sign({"typ": "jwt"}),
    }.items():
        assert system.ask(client_assertion=good).status == 200, name


def test_an_assertion_is_used_once_also_at_another_process_and_after_a_refusal(system: System) -> None:
    assertion = system.sign(jti="once")
    assert system.ask(client_assertion=assertion).status == 200
    system.app = application(system.clinic)
    again = system.ask(client_assertion=assertion)
    assert (again.status, again.body["error"]) == (401, "invalid_client")
    assert "jti" in again.body["error_description"]
    assert system.ask(client_assertion=system.sign(jti="once")).status == 401
    spent = system.sign()
    assert system.ask(client_assertion=spent, scope="system/Nothing.r").body["error"] == "invalid_scope"
    assert system.ask(client_assertion=spent).status == 401
    # Another client may use the same jti.
    other = System(system.clinic, app=system.app)
    assert other.ask(client_assertion=other.sign(jti="once")).status == 200


def test_of_two_at_once_one_wins(system: System) -> None:
    assertion = system.sign()
    together = threading.Barrier(4)
    answers: list[int] = []

    def ask() -> None:
        together.wait()
        answers.append(system.ask(client_assertion=assertion).status)

    racers = [threading.Thread(target=ask) for _ in range(4)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(answers) == [200, 401, 401, 401]


def test_guessing_is_slowed_down_by_address(system: System) -> None:
    assert system.ask(client_assertion="nonsense").status == 401
    with system.clinic.transaction() as session:
        session.connection.execute(text("UPDATE portal_throttle SET misses = 300"))
    try:
        answer = system.ask()
        assert (answer.status, answer.body["error"]) == (429, "invalid_client")
        assert answer.headers["retry-after"] == "3600"
    finally:
        with system.clinic.transaction() as session:
            session.connection.execute(text("DELETE FROM portal_throttle"))


# ---- When a token ends


def test_a_token_runs_out_after_its_time(system: System) -> None:
    now = [NOW]
    system.app = application(system.clinic, lambda: now[0])
    token = system.token()
    fhir = system.fhir(token)
    assert fhir.get("Patient").status == 200
    now[0] = NOW + LIFETIME - timedelta(seconds=1)
    assert fhir.get("Patient").status == 200
    now[0] = NOW + LIFETIME
    refused = fhir.get("Patient")
    assert (refused.status, refused.issues[0]["code"]) == (401, "login")
    assert fhir.get("ServiceRequest/1/$gate").status == 401


def test_a_removed_clients_tokens_end_at_once(clinic: ClinicFixture, fhir: FhirClient) -> None:
    """Although the process believes them for some seconds: the database is asked with each transaction."""
    referred = Referred(fhir)
    system = System(clinic, scopes=("system/*.rs",))
    token = system.token("system/*.rs")
    mine = system.fhir(token)
    gate = f"{referred.order}/$gate"
    assert mine.get(gate).status == 200
    assert mine.get("Patient").status == 200
    with clinic.transaction() as session:
        remove_client(session, clinic.actor, system.client.id, NOW)
    for path in (gate, "Patient", f"{referred.patient}", "Patient/_history", "AuditEvent"):
        refused = mine.get(path)
        assert refused.status == 401, path
        assert refused.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert system.ask().body["error"] == "invalid_client"
    with clinic.transaction() as session:
        assert permit_of(session, system.client.id) is None


def test_a_bearer_token_without_keys_ends_at_once_too(clinic: ClinicFixture, fhir: FhirClient) -> None:
    referred = Referred(fhir)
    gate = f"{referred.order}/$gate"
    assert fhir.get(gate).status == 200
    with clinic.transaction() as session:
        session.connection.execute(text("UPDATE api_client SET revoked_at = now()"))
    assert fhir.get(gate).status == 401
    assert fhir.get("Patient").status == 401


def test_other_keys_end_what_was_given_for_the_old_ones(system: System) -> None:
    fhir = system.fhir()
    assert fhir.get("Patient").status == 200
    key = make_key()
    with system.clinic.transaction() as session:
        change_keys(session, system.clinic.actor, system.client.id, jwks(public_jwk(key, "new")), None, None)
    assert fhir.get("Patient").status == 401
    assert system.ask().status == 401
    system.key, system.kid = key, "new"
    assert system.fhir().get("Patient").status == 200


def test_what_ran_out_is_forgotten_and_what_counts_is_kept(system: System) -> None:
    assertion = system.sign()
    assert system.ask(client_assertion=assertion).status == 200

    def kept(now: Any) -> list[int]:
        with system.clinic.transaction() as session:
            forget_sessions(session, now)
            counts = [text(f"SELECT count(*) FROM {name}") for name in ("api_token", "api_assertion")]
            return [session.connection.scalar(count) or 0 for count in counts]

    assert kept(NOW) == [1, 1]
    assert system.ask(client_assertion=assertion).status == 401
    assert kept(NOW + timedelta(minutes=10)) == [0, 0]


# ---- What a token is worth


def test_a_restricted_client_gets_its_restriction_and_no_more(
    clinic: ClinicFixture, fhir: FhirClient
) -> None:
    inside, outside = fhir.create(patient()), fhir.create(patient(gender="male"))
    system = System(clinic, scopes=("system/Patient.rus?gender=female",))
    answer = system.ask(scope="system/*.cruds")
    assert answer.body["scope"] == "system/Patient.rus?gender=female"
    reader = system.fhir(answer.body["access_token"])
    assert reader.get("Patient").references == [f"Patient/{inside['id']}"]
    assert reader.get(f"Patient/{outside['id']}").status == 404
    narrow = system.fhir(system.token("system/Patient.r?gender=female"))
    assert narrow.get(f"Patient/{inside['id']}").status == 200
    assert narrow.get("Patient").status == 403


def test_work_that_goes_on_has_no_more_than_the_token_and_the_client(system: System) -> None:
    with system.clinic.transaction() as session:
        whole = permit_of(session, system.client.id)
        less = permit_of(session, system.client.id, ["system/Task.r", "system/Practitioner.rs"])
    assert whole is not None
    assert less is not None
    assert whole.may("Patient", "c")
    assert less.may("Task", "r")
    assert not less.may("Task", "s")
    assert not less.may("Practitioner", "r")


def test_introspection_tells_clients_of_the_clinic(
    clinic: ClinicFixture, other_clinic: ClinicFixture, fhir: FhirClient
) -> None:
    system, foreign = System(clinic), System(other_clinic)
    token = system.token("system/Task.rs")
    told = system.introspect(token, fhir.token)
    assert told.status == 200
    assert told.headers["cache-control"] == "no-store"
    assert told.body == {
        "active": True,
        "scope": "system/Task.rs",
        "client_id": system.client.id,
        "sub": system.client.id,
        "token_type": "Bearer",
        "iat": seconds(NOW),
        "exp": seconds(NOW) + 300,
    }
    assert system.introspect(token, token).body["active"] is True
    assert system.introspect(fhir.token, token).body["active"] is True
    for unknown in (foreign.token(), "nonsense", "ü" * 300, fhir.token + "x"):
        assert system.introspect(unknown, fhir.token).body == {"active": False}
    assert foreign.introspect(token, foreign.token()).body == {"active": False}
    assert system.introspect(token, "nonsense").status == 401
    assert system.introspect("x\x00y", token).status == 400
    nothing = system.http("POST", "/fhir/oauth/introspect", b"", {"Authorization": f"Bearer {token}"})
    assert nothing.body["error"] == "invalid_request"
    late = application(clinic, lambda: NOW + LIFETIME)
    system.app = late
    assert system.introspect(token, fhir.token).body == {"active": False}


def test_the_configuration_says_what_is_done(system: System) -> None:
    for path in ("/fhir/.well-known/smart-configuration", "/.well-known/smart-configuration"):
        answer = system.http("GET", path, b"", {})
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.body["token_endpoint"] == TOKEN_URL
        assert answer.body["introspection_endpoint"].endswith("/fhir/oauth/introspect")
        assert answer.body["grant_types_supported"] == ["client_credentials"]
        assert answer.body["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
        assert sorted(answer.body["token_endpoint_auth_signing_alg_values_supported"]) == ["ES384", "RS384"]
        assert answer.body["capabilities"] == ["client-confidential-asymmetric", "permission-v2"]
        assert "system/Task.crus" in answer.body["scopes_supported"]
        assert not any("*" in scope and scope != "system/*.rs" for scope in answer.body["scopes_supported"])
        assert "jwks_uri" not in answer.body


# ---- Keys that stand at a URL


def test_keys_at_a_url_are_fetched_and_may_be_changed_there(clinic: ClinicFixture) -> None:
    app = application(clinic, demo=True)
    seconds_passed = [0.0]
    app.state.client_keys = ClientKeys(app.state.runtime.outgoing, lambda: seconds_passed[0])
    with receiving() as server:
        system = System(clinic, jwks_url=server.url, app=app)
        server.answer = jwks(public_jwk(system.key, "key-1")).encode()
        assert system.ask().status == 200
        assert system.ask(client_assertion=system.sign({"jku": server.url})).status == 200
        assert [call.method for call in server.calls] == ["GET"]
        # A new key: it is looked for once, and then not again for a while, whoever asks.
        old, system.key, system.kid = system.key, make_key(), "key-2"
        assert system.ask().status == 401
        seconds_passed[0] += SELDOM
        server.answer = jwks(public_jwk(old, "key-1"), public_jwk(system.key, "key-2")).encode()
        assert system.ask().status == 200
        assert len(server.calls) == 2
        for _ in range(5):
            assert system.ask(client_assertion=system.sign({"kid": "key-3"})).status == 401
        assert len(server.calls) == 2
        # The old key is taken off, and believed for some minutes at most.
        server.answer = jwks(public_jwk(system.key, "key-2")).encode()
        seconds_passed[0] += 300
        system.key, system.kid = old, "key-1"
        assert system.ask().status == 401


BROKEN = {
    "no document": Receiver(answer=b"<html>"),
    "an error": Receiver(status=500, answer=b"{}"),
    "elsewhere": Receiver(status=302, headers={"Location": "http://127.0.0.1:1/"}),
    "a secret key": Receiver(
        answer=json.dumps({"keys": [{"kty": "oct", "kid": "key-1", "k": "AAAA"}]}).encode()
    ),
    "too much": Receiver(answer=b" " * 200_000),
}


def test_keys_that_cannot_be_had_are_told_to_the_log_and_not_to_the_caller(
    clinic: ClinicFixture, caplog: pytest.LogCaptureFixture
) -> None:
    for name, server in BROKEN.items():
        app = application(clinic, demo=True)
        with receiving(server):
            system = System(clinic, jwks_url=server.url, app=app)
            caplog.clear()
            answer = system.ask()
        assert (answer.status, answer.body["error"]) == (401, "invalid_client"), name
        assert answer.body["error_description"] == "The keys of this client cannot be had just now.", name
        logged = caplog.text
        assert "oauth.keys_not_fetched" in logged, name
        assert system.client.id in logged


def test_keys_are_not_fetched_from_within_the_network(clinic: ClinicFixture) -> None:
    """As in production: no plain http, no loopback, whatever was registered."""
    with receiving() as server:
        system = System(clinic, jwks_url=server.url)
        assert system.ask().body["error"] == "invalid_client"
    assert server.calls == []


def test_neither_assertion_nor_token_is_logged(
    system: System, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = system.sign(), system.sign(aud="https://elsewhere.example")
    token = system.ask(client_assertion=good).body["access_token"]
    system.ask(client_assertion=bad)
    system.introspect(token, token)
    system.fhir(token).get("Patient")
    logged = "".join(capfd.readouterr()) + caplog.text
    assert "oauth.refused" in logged
    for secret in (good, bad, token):
        for part in secret.split("."):
            assert part not in logged
