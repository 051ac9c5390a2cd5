"""The real application over the test's database, called through its ASGI door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI

from referral.bootstrap import Runtime, build_runtime
from referral.config import Settings
from referral.web.app import create_app
from referral.web.signposts import Signposts
from tests.database import MASTER_KEY, NOW, ClinicFixture

# Of a process, by what was read: they cannot be changed, and reading them takes longer than most tests.
_SETTINGS: Final[dict[str, Settings]] = {}
# The doors of the first application, each with its routes as FastAPI works them out when they are first used.
_DOORS: Final[dict[int, Any]] = {}


def settings(clinic: ClinicFixture, **changes: object) -> Settings:
    values = {
        "database_url": clinic.database.url,
        "redis_url": "redis://127.0.0.1:1/0",
        "embedded": True,
        "demo": False,
        "master_key": MASTER_KEY,
        "data_dir": Path("/nonexistent"),
    }
    read = repr(sorted((values | changes).items()))
    if read not in _SETTINGS:
        _SETTINGS[read] = Settings(**(values | changes))  # type: ignore[arg-type]
    return _SETTINGS[read]


def runtime(clinic: ClinicFixture, now: Callable[[], datetime] = lambda: NOW, **changes: object) -> Runtime:
    """Shares the test's pool, so that nothing has to be closed."""
    made = build_runtime(settings(clinic, **changes))
    made.database.close()
    return replace(made, database=clinic.database, now=now)


def application(
    clinic: ClinicFixture, now: Callable[[], datetime] = lambda: NOW, **changes: object
) -> FastAPI:
    """A new one with everything that it keeps in memory; it shares its routes with the others."""
    made = create_app(runtime(clinic, now, **changes))
    routes: list[Any] = made.router.routes
    for place, route in enumerate(routes):
        if hasattr(route, "original_router"):
            routes[place] = _DOORS.setdefault(id(route.original_router), route)
        elif isinstance(route, Signposts):
            # Those of the first application lead to the routes that all share.
            routes[place] = _DOORS.setdefault(0, route)
    return made
