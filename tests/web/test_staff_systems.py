"""The pages on which an administrator lets programs in, gives them other keys, and shuts them out."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text

from referral.domain.codes import ClientKind, Role
from referral.domain.subscription import SubscriptionStatus, Topic
from referral.services.scope_presets import scopes_of
from referral.services.smart_clients import NewClient, register_client
from referral.storage import api_clients, subscriptions
from referral.storage.api_clients import ApiClient
from tests.database import NOW, ClinicFixture
from tests.fhir_api.cds_ehr import jwks, make_key, public_jwk
from tests.fhir_api.client import FhirClient
from tests.fhir_api.smart_system import System
from tests.services.listening import listen
from tests.web.client import application
from tests.web.desk import Desk, OpenDesk
from tests.web.test_restore_page import PASSWORD, with_password

KEYS = jwks(public_jwk(make_key(), "key-1"))
FORM = {"name": "Beacon Hill EHR", "kind": "referrals", "way": "keys", "jwks": KEYS, "password": PASSWORD}


@pytest.fixture
def admin(clinic: ClinicFixture, open_desk: OpenDesk) -> Desk:
    person = open_desk(clinic, Role.ADMIN)
    with_password(clinic, person.user_id)
    return person


def listed(clinic: ClinicFixture) -> list[ApiClient]:
    with clinic.transaction() as session:
        return api_clients.clients(session)


def test_a_system_with_keys_is_let_in_and_its_makers_are_told_what_they_need(
    clinic: ClinicFixture, admin: Desk
) -> None:
    assert "Connected systems" in admin.get("/")
    assert "No system is connected" in admin.get("/systems")
    admin.get("/systems/new")
    shown = admin.post("/systems/new", FORM)
    (made,) = listed(clinic)
    assert admin.status == 200
    assert made.id in shown
    assert "http://127.0.0.1:8000/fhir/oauth/token" in shown
    assert made.scopes == scopes_of(ClientKind.REFERRALS)
    shown = admin.get("/systems")
    assert "Beacon Hill EHR A program that follows requests Its own keys Last used Never" in shown
    with clinic.transaction() as session:
        noted = session.connection.scalars(
            text("SELECT subtype FROM audit_event WHERE entity = :id"), {"id": f"Client/{made.id}"}
        ).all()
    assert noted == ["add-client"]


def test_a_token_is_shown_once_and_works(clinic: ClinicFixture, admin: Desk) -> None:
    admin.get("/systems/new")
    shown = admin.post("/systems/new", FORM | {"way": "token", "kind": "own", "scopes": "system/Patient.rs"})
    token = re.findall(r"rfr_[\w-]+", shown)
    assert len(token) == 1
    assert admin.headers["cache-control"] == "no-store"
    fhir = FhirClient(application(clinic), token[0], clinic)
    assert fhir.get("Patient").status == 200
    assert fhir.get("Task").status == 403
    (made,) = listed(clinic)
    assert token[0] not in admin.get(f"/systems/{made.id}")
    assert "Last used Tue, Nov 3, 10:00 AM" in admin.get("/systems")


WRONG = {
    "the password": ({"password": "nonsense"}, "not your password|do not match"),
    "no name": ({"name": " "}, "needs a name"),
    "a long name": ({"name": "x" * 101}, "at most 100 characters"),
    "no keys": ({"jwks": ""}, "not JSON"),
    "a secret key": ({"jwks": '{"keys": [{"kid": "a", "kty": "RSA", "d": "x"}]}'}, "secret key"),
    "plain http": ({"way": "url", "jwks_url": "http://ehr.example/jwks"}, "https"),
    "an address inside": ({"way": "url", "jwks_url": "https://10.0.0.1/jwks"}, "."),
    "no URL": ({"way": "url", "jwks_url": ""}, "."),
    "no scopes": ({"kind": "own", "scopes": ""}, "at least one scope"),
    "everything": ({"kind": "own", "scopes": "system/*.cruds"}, "reads and searches only"),
    "a type of nobody": ({"kind": "own", "scopes": "system/Claim.r"}, "not served"),
    "letters that lead nowhere": ({"kind": "own", "scopes": "system/AuditEvent.crs"}, "rs at most"),
    "a chain": ({"kind": "own", "scopes": "system/Task.rs?owner.name=x"}, "cannot restrict"),
}


def test_what_is_wrong_is_said_where_it_is_and_nothing_is_let_in(clinic: ClinicFixture, admin: Desk) -> None:
    for name, (changes, said) in WRONG.items():
        admin.get("/systems/new")
        shown = admin.post("/systems/new", FORM | changes)
        assert admin.status in (400, 422), name
        assert "Not connected yet" in shown, name
        assert re.search(said, shown), (name, shown)
        assert PASSWORD not in admin.page
    assert listed(clinic) == []


def test_other_keys_and_shutting_out(clinic: ClinicFixture, admin: Desk) -> None:
    system = System(clinic)
    token = system.token()
    path = f"/systems/{system.client.id}"
    admin.get(path)
    assert "Nothing was changed" in admin.post(
        f"{path}/keys", {"way": "keys", "jwks": KEYS, "password": "no"}
    )
    assert "Nothing was changed" in admin.post(
        f"{path}/keys", {"way": "keys", "jwks": "", "password": PASSWORD}
    )
    assert system.fhir(token).get("Patient").status == 200
    shown = admin.post(f"{path}/keys", {"way": "keys", "jwks": KEYS, "password": PASSWORD})
    assert "The keys are changed" in shown
    assert system.fhir(token).get("Patient").status == 401
    assert "The system is shut out" in admin.post(f"{path}/remove")
    assert listed(clinic) == []
    admin.get(path)
    assert admin.status == 404


def test_a_system_that_cannot_be_notified_is_seen(clinic: ClinicFixture, admin: Desk) -> None:
    listen(clinic, Topic.GATE)
    (client,) = listed(clinic)
    assert "cannot be notified" not in admin.get("/systems")
    shown = admin.get(f"/systems/{client.id}")
    assert "Is told of changes: gates 0 notices accepted" in shown
    with clinic.transaction() as session:
        trouble = {"status": SubscriptionStatus.ERROR, "error": "It answered with status 500."}
        subscriptions.change(session, "listener", NOW, **trouble)
    assert "Never · cannot be notified" in admin.get("/systems")
    shown = admin.get(f"/systems/{client.id}")
    assert "Cannot be notified since" in shown
    assert "It answered with status 500. Its makers have to set the subscription to requested" in shown
    assert "hooks.example.org" not in shown


def test_only_who_looks_after_accounts_and_only_of_this_clinic(
    clinic: ClinicFixture, other_clinic: ClinicFixture, open_desk: OpenDesk, admin: Desk
) -> None:
    with other_clinic.transaction() as session:
        theirs = register_client(session, other_clinic.actor, NewClient(name="Theirs"), None, NOW).client
    assert "Theirs" not in admin.get("/systems")
    admin.get(f"/systems/{theirs.id}")
    assert admin.status == 404
    admin.get("/systems")
    admin.get("/systems/new")
    admin.post(f"/systems/{theirs.id}/remove")
    assert admin.status == 404
    assert [one.name for one in listed(other_clinic)] == ["Theirs"]
    for role in (Role.FRONT_DESK, Role.CLINICIAN, Role.MEDICAL_DIRECTOR, Role.AUDITOR):
        person = open_desk(clinic, role)
        assert "Systems" not in person.get("/")
        person.get("/systems")
        assert person.status == 403
