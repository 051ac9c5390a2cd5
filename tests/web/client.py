"""The real application over the test's database, called through its ASGI door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from fastapi import FastAPI

from referral.bootstrap import Runtime, build_runtime
from referral.config import Settings
from referral.web.app import create_app
from tests.database import MASTER_KEY, NOW, ClinicFixture


def settings(clinic: ClinicFixture, **changes: object) -> Settings:
    values = {
        "database_url": clinic.database.url,
        "redis_url": "redis://127.0.0.1:1/0",
        "embedded": True,
        "demo": False,
        "master_key": MASTER_KEY,
        "data_dir": Path("/nonexistent"),
    }
    return Settings(**(values | changes))  # type: ignore[arg-type]


def runtime(clinic: ClinicFixture, now: Callable[[], datetime] = lambda: NOW, **changes: object) -> Runtime:
    """Shares the test's pool, so that nothing has to be closed."""
    made = build_runtime(settings(clinic, **changes))
    made.database.close()
    return replace(made, database=clinic.database, now=now)


def application(
    clinic: ClinicFixture, now: Callable[[], datetime] = lambda: NOW, **changes: object
) -> FastAPI:
    return create_app(runtime(clinic, now, **changes))
