"""Guards of the list of doors: nothing that could mean "treatment has begun" is missing from it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
import typer
from fastapi import FastAPI

from referral.cli import app as command_line
from referral.services import doors, write_resources
from referral.services.interactions import INTERACTIONS, READ
from referral.services.take_treatment import take_treatment
from referral.workers.celery_app import app as celery_app
from tests.database import ClinicFixture
from tests.reach import Code, sources
from tests.test_rules import routes
from tests.web.client import application

# The database's function, and what publishes that an infusion was begun.
_MARK = "gate_start("
_PUBLISHES = "referral.services.publish.start"


@cache
def code() -> Code:
    return Code(sources())


def lead_to_a_start(source: Code, entrances: dict[str, str]) -> set[str]:
    """Of entrances with their functions, those from which treatment can be said to have begun."""
    ends = source.holding(_MARK) | {_PUBLISHES}
    return {name for name, function in entrances.items() if source.reached_from(function) & ends}


def by_web(app: FastAPI) -> dict[str, str]:
    found = {}
    for route in routes(app):
        endpoint = getattr(route.original_route, "endpoint", None)
        for method in route.methods or ():
            found[f"{method} {route.path}"] = f"{endpoint.__module__}.{endpoint.__qualname__}"  # type: ignore[union-attr]
    return found


def _commands(group: typer.Typer, words: str) -> Iterator[tuple[str, str]]:
    for command in group.registered_commands:
        function = command.callback
        assert function is not None
        name = command.name or function.__name__.replace("_", "-")
        yield f"{words} {name}", f"{function.__module__}.{function.__qualname__}"
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from _commands(inner.typer_instance, f"{words} {inner.typer_instance.info.name}")


def by_task() -> dict[str, str]:
    import referral.workers.tasks  # noqa: F401 - registers them

    own = {name: task for name, task in celery_app.tasks.items() if not name.startswith("celery.")}
    return {f"task {name}": f"{task.run.__module__}.{task.run.__qualname__}" for name, task in own.items()}


def entrances(clinic: ClinicFixture) -> dict[str, str]:
    return by_web(application(clinic)) | dict(_commands(command_line, "referral")) | by_task()


def test_every_way_to_a_start_is_on_the_list(clinic: ClinicFixture) -> None:
    every = entrances(clinic)
    assert {name.split()[0] for name in every} >= {"GET", "POST", "PUT", "referral", "task"}
    assert len(every) > 80
    # The walk finds the function behind each of them.
    assert {name for name, function in every.items() if not code().reached_from(function)} == set()
    assert lead_to_a_start(code(), every) == doors.ENTRANCES


@pytest.mark.parametrize(
    "body",
    [
        "from referral.services.treat import begin\ndef sneak(): begin(1)",
        "from referral.services import treat as t\ndef sneak(): t.start_treatment(1)",
        "def sneak():\n    from referral.storage import orders\n    return orders.start_treatment",
        "from referral.services import take_treatment as t\nC = {1: t.take_treatment}\ndef sneak(): C[1](2)",
        "from referral.services import publish\ndef sneak(): publish.start(1)",
        "from referral.services.write_resources import create_resource as c\ndef sneak(): c(1)",
        "from sqlalchemy import text\nSQL = 'SELECT * FROM gate_start(1)'\ndef sneak(): text(SQL)",
        "from referral.services import doors\nclass S:\n  go = doors.pass_gate\ndef sneak(): S().go()",
    ],
)
def test_a_new_way_is_noticed(body: str) -> None:
    """Whatever it looks like: a function, another name, a table of functions, SQL of its own."""
    source = code().beside("referral.web.extra", body)
    assert lead_to_a_start(source, {"POST /sneak": "referral.web.extra.sneak"}) == {"POST /sneak"}


def test_what_only_looks_is_no_door() -> None:
    body = "from referral.storage import orders\ndef look(): return orders.starts(1)"
    source = code().beside("referral.web.extra", body)
    assert lead_to_a_start(source, {"GET /look": "referral.web.extra.look"}) == set()


def test_every_type_that_clients_write_is_a_door_or_harmless() -> None:
    written = {type for type, does in INTERACTIONS.items() if set(does) - set(READ)}
    assert written == doors.DOORS | doors.HARMLESS_TYPES
    assert not doors.DOORS & doors.HARMLESS_TYPES


def test_doors_are_written_by_create_update_and_patch_alone_and_pass_the_gate() -> None:
    """Whoever adds DELETE comes here, and to fhir_api/test_bypasses.py, which then wants 422."""
    for type in doors.DOORS:
        assert set(INTERACTIONS[type]) - set(READ) == {"create", "update", "patch"}, type
    for type in doors.DOORS - {"Appointment"}:  # a booking begins nothing
        assert write_resources._USE_CASE[type] is take_treatment, type
