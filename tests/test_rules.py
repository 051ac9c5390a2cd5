"""Guard tests: what must hold for every route, message, setting, table and error that will ever be added."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from datetime import date
from itertools import product
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from sqlalchemy import text
from starlette.routing import Mount

from referral.channels import texts
from referral.config import PREFIX, Settings
from referral.domain import errors
from referral.domain.language import Language
from referral.domain.outgoing import TO_PATIENT, WITH_LINK, MessageKind
from referral.storage import migrate, tables
from referral.translation import long_date
from referral.web import errors as web_errors
from referral.web.signposts import Signposts
from referral.web.staff.message_view import _GSM as GSM
from referral.web.turn import TurnRoute, is_opened_in_turn, opened_parameters
from tests.database import ClinicFixture
from tests.order import DIVIDED, SECONDS
from tests.web.client import application
from tests.words import catalogues, messages

ROOT = Path(__file__).resolve().parents[1]


# FastAPI's own pages: the description of the API, and how it is tried out.
OWN = {"/openapi.json", "/docs", "/docs/oauth2-redirect"}


def routes(app: FastAPI) -> list[RouteContext]:
    """Every route that answers, those of included routers too; static files and FastAPI's own pages apart."""
    return [
        route
        for route in iter_route_contexts(app.routes)
        if not isinstance(route.original_route, Mount | Signposts) and route.path not in OWN
    ]


def dependants(route: RouteContext) -> list[Dependant]:
    """Of what the route depends on, at any depth."""
    found: list[Dependant] = []
    waiting: list[Dependant] = [route.dependant] if isinstance(route.original_route, APIRoute) else []
    while waiting:
        dependant = waiting.pop()
        found += dependant.dependencies
        waiting += dependant.dependencies
    return found


def policies(route: RouteContext) -> list[str]:
    """Every access policy that the route's dependencies carry, at any depth."""
    found = (getattr(dependant.call, "access_policy", None) for dependant in dependants(route))
    return [policy for policy in found if policy]


def test_every_route_has_an_access_policy(clinic: ClinicFixture) -> None:
    every = routes(application(clinic))
    assert [route.path for route in every if not policies(route)] == []
    assert len(every) > 20


def test_whoever_is_admitted_in_the_turn_of_a_route_is_admitted_there(clinic: ClinicFixture) -> None:
    """A plain route would be given the unopened door, and would let everybody in who does not look at it."""
    doors = 0
    for route in routes(application(clinic)):
        late = [one for one in dependants(route) if is_opened_in_turn(one.call)]
        if not late:
            continue
        doors += 1
        assert isinstance(route.original_route, TurnRoute), route.path
        assert route.endpoint is not None
        wrapped = inspect.unwrap(route.endpoint)
        assert wrapped is not route.endpoint, route.path
        assert [one.name for one in late] == opened_parameters(wrapped), route.path
    assert doors > 150


def test_public_routes_say_why_and_are_few(clinic: ClinicFixture) -> None:
    every = routes(application(clinic))
    public = {route.path or "" for route in every if all(p.startswith("public") for p in policies(route))}
    allowed = re.compile(
        r"/(health/.*|hooks/.*|metrics|sign-in(/.*)?|r/.*|request.*|p/.*|status(/.*)?|fhir/metadata|fhir/oauth/token|(fhir/)?\.well-known/.*|cds-services/?|verify(/.*)?)"
    )
    assert len(public) > 3
    assert [path for path in public if not allowed.fullmatch(path)] == []


def test_every_message_kind_has_its_words_and_none_names_a_patient() -> None:
    folder = ROOT / "templates" / "messages"
    assert {path.name for path in folder.iterdir()} == {f"{kind}.txt.j2" for kind in MessageKind}
    for path in folder.iterdir():
        words = path.read_text(encoding="utf-8")
        assert words.startswith("Subject: ")
        assert not re.search(r"(?i)patient|ketamine|depress|infusion|birth|diagnos", words), path.name
    for message in messages(catalogues(Language.SPANISH)["messages.po"]):
        said = str(message.string)
        assert not re.search(r"(?i)pacient|ketamina|depres|infusi|nacimiento|diagn", said), said


def test_every_message_kind_fits_on_a_telephone_too() -> None:
    folder = ROOT / "templates" / "sms"
    assert {path.name for path in folder.iterdir()} == {f"{kind}.txt.j2" for kind in MessageKind}
    words = texts.Words(
        sender_name="Harbor Light Referral Office",
        request_number="R-2026-00042",
        telephone="303-555-0142",
        link=f"https://referrals.harborlight.example/r/{'x' * 16}/{'y' * 43}",
        code="123456",
    )
    for kind, language in product(MessageKind, Language):
        day = long_date(language, date(2026, 11, 16))
        said = texts.render_short(kind, replace(words, reply_by=day), language)
        # Three parts of 153 characters each, in the alphabet in which a character takes seven bits: one
        # letter that is not in it, such as a Spanish "ó", makes a part of 67 of all of them.
        assert len(said) <= 3 * 153, kind
        assert set(said) <= GSM, (kind, language)
        assert words.request_number in said, kind
        assert (words.link in said) is (kind in WITH_LINK | TO_PATIENT), kind
        assert not re.search(r"(?i)patient|ketamine|depress|infusion|birth|diagnos", said), kind


def test_every_refusal_has_a_status() -> None:
    kinds = [k for _, k in inspect.getmembers(errors, inspect.isclass) if issubclass(k, errors.ReferralError)]
    assert len(kinds) > 8
    for kind in kinds:
        if kind is not errors.ReferralError:
            assert kind in web_errors.STATUS, kind.__name__


def test_there_is_one_migration_head_and_the_tables_match_it(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        assert migrate.applied(session.connection) == migrate.newest()
        assert migrate.differences(session.connection) == []


def test_every_table_carries_the_clinic_and_is_fenced(clinic: ClinicFixture) -> None:
    shared = {
        # They hold digests, of network addresses and of mail, before any clinic is known.
        *("portal_throttle", "returned_mail"),
        # Counters of providers, which serve all clinics; nothing about a person.
        "provider",
        # The national register is public and the same for every clinic.
        *("npi_record", "npi_key", "npi_import"),
    }
    for table in tables.metadata.sorted_tables:
        if table.name in shared:
            continue
        assert "clinic_id" in table.c, table.name
        for foreign in table.foreign_key_constraints:
            assert "clinic_id" in foreign.column_keys, foreign.name
    with clinic.transaction() as session:
        fenced = session.connection.scalars(
            text("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")
        ).all()
    assert {table.name for table in tables.metadata.sorted_tables} - shared <= set(fenced)


def test_every_setting_is_in_the_runbook() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    missing = [name for name in Settings.model_fields if f"`{PREFIX}{name.upper()}`" not in runbook]
    assert missing == []


def test_the_locks_carry_hashes_and_no_hosts() -> None:
    locks = sorted(ROOT.glob("requirements*.lock"))
    assert len(locks) >= 2
    for lock in locks:
        content = lock.read_text(encoding="utf-8")
        assert "--hash=sha256:" in content
        assert not re.search(r"https?://|--index-url|--find-links", content), lock.name


def test_the_files_that_are_said_to_take_long_are_there() -> None:
    tests = Path(__file__).parent
    assert [name for name in (*SECONDS, *DIVIDED) if not (tests / name).is_file()] == []


@pytest.mark.parametrize("folder", ["referral", "templates", "tests", "bench", "docs", "scripts"])
def test_nothing_forgotten_is_left_in_the_tree(folder: str) -> None:
    words = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b|NotImplemented" + r"Error|clear" + r"ance\b")
    # These tests look for the words themselves.
    allowed = {"tests/domain/test_answers.py", "tests/letters/test_request.py"}
    for path in (ROOT / folder).rglob("*"):
        if (
            path.suffix in {".py", ".j2", ".md", ".css", ".js", ".sql"}
            and str(path.relative_to(ROOT)) not in allowed
        ):
            assert not words.search(path.read_text(encoding="utf-8")), path
