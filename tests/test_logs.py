"""Log lines: readable, and without secrets and people."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import date

import httpx
import pytest
import structlog
from celery import Celery
from celery.app.trace import build_tracer
from fastapi import APIRouter, FastAPI
from fastapi.staticfiles import StaticFiles

from referral import logs


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """As tests/conftest.py has set it up."""
    yield
    logs.configure("json")


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_the_access_log_has_the_route_and_never_the_path() -> None:
    stream = io.StringIO()
    logs.configure("json", stream)
    router = APIRouter()

    @router.get("/r/{selector}/{secret}")
    def portal(selector: str, secret: str) -> str:
        if selector == "bug":
            raise RuntimeError(f"/r/{selector}/{secret}")
        return selector

    app = FastAPI()
    app.add_middleware(logs.AccessLog)
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=logs.__file__.replace("logs.py", "web/static")))

    async def visit(*paths: str) -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://clinic.example") as client:
            for path in paths:
                await client.get(path)

    asyncio.run(visit("/r/abc/TOPSECRET?dob=1986-04-12", "/r/bug/TOPSECRET", "/TOPSECRET"))
    # Every page brings these along: only what is missing is worth a line.
    asyncio.run(visit("/static/tokens.css", "/static/TOPSECRET.css"))
    written = [line for line in lines(stream) if line["event"] == "request"]
    assert [(line["route"], line["status"], line["method"]) for line in written] == [
        ("/r/{selector}/{secret}", 200, "GET"),
        ("/r/{selector}/{secret}", 500, "GET"),
        ("(no route)", 404, "GET"),
        ("/static", 404, "GET"),
    ]
    assert all(isinstance(line["ms"], float) for line in written)
    assert "TOPSECRET" not in stream.getvalue()
    assert "1986" not in stream.getvalue()


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("opened /r/kM3_x-9/sEcr3t_-x now", "opened /r/kM3_x-9/… now"),
        ("mail to maria.nguyen@clinic.example bounced", "mail to …@… bounced"),
        ("Authorization: Bearer rfr_abc.def", "Authorization: Bearer …"),
        ("at postgresql://app:pw@db.example/x", "at postgresql://…@db.example/x"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_what_looks_like_a_secret_or_a_person_is_masked(said: str, written: str) -> None:
    stream = io.StringIO()
    logs.configure("json", stream)
    structlog.get_logger("x").warning(said, detail=said)
    logging.getLogger("library").error("%s", said)
    first, second = lines(stream)
    assert (first["event"], first["detail"], first["level"]) == (written, written, "warning")
    assert second["event"] == written


def test_access_lines_outlive_the_standard_error_of_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (gone := io.StringIO(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", stream)
        if stream is gone:
            logs.configure("json")
            gone.close()
    logs._write_access("GET", "/fhir/{type}", 200, 1.5)
    (line,) = lines(stream)
    assert (line["route"], line["status"]) == ("/fhir/{type}", 200)


def test_an_exception_is_told_without_what_it_says() -> None:
    """What it says may quote a person: a value that was refused, a row of the database."""
    stream, said = io.StringIO(), ("1986-13-12", "Quillfeather")
    logs.configure("json", stream)
    try:
        try:
            date.fromisoformat(said[0])
        except ValueError as cause:
            raise KeyError(said[1]) from cause
    except KeyError:
        logging.getLogger("library").exception("failed")
        structlog.get_logger("x").exception("failed")
    for line in lines(stream):
        told = str(line["exception"])
        assert told.splitlines()[-1] == "KeyError"
        assert "ValueError" in told
        assert "test_logs.py" in told
    assert all(word not in stream.getvalue() for word in said)


def test_a_failed_task_is_named_without_what_its_exception_says() -> None:
    stream, said = io.StringIO(), "Quillfeather"
    logs.configure("json", stream)
    broken = Celery("broken", broker="memory://", set_as_current=False)

    @broken.task(name="broken.task")  # type: ignore[untyped-decorator]
    def task() -> None:
        raise ValueError(said)

    build_tracer(task.name, task, app=broken)("id", (), {}, {"is_eager": False})
    (line,) = lines(stream)
    assert line["event"] == "task failed: broken.task"
    assert said not in stream.getvalue()
    assert str(line["exception"]).endswith("ValueError")


def test_people_get_calm_lines() -> None:
    stream = io.StringIO()
    logs.configure("console", stream)
    log = structlog.get_logger("x")
    log.info("worker started", pid=17)
    log.warning("engine was started again", engine="postgres")
    logging.getLogger("kombu").info("chatter")
    first, second = stream.getvalue().splitlines()
    assert first.partition("  ")[2] == "worker started  pid=17"
    assert second.partition("  ")[2] == "WARNING: engine was started again  engine=postgres"


def test_a_terminal_gets_lines_and_a_pipe_gets_json() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, is_json in ((Terminal(), False), (io.StringIO(), True)):
        logs.configure("auto", stream)
        structlog.get_logger("x").info("hello")
        assert stream.getvalue().startswith("{") is is_json
