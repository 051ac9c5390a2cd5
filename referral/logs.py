"""Logging: JSON lines for machines, calm lines for people, and no secrets or people in either."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# A safety net only: code must not log these in the first place.
_SECRETS = (
    (re.compile(r"(/[rp]/[\w-]+/)[\w-]+"), r"\1…"),
    (re.compile(r"(?i)(bearer\s+)[\w.~+/-]+=*"), r"\1…"),
    (re.compile(r"(?<=://)[^\s/@]+@"), "…@"),
    (re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+"), "…@…"),
)
# A chain of exceptions is told this far back.
_DEEPEST = 5
# By name: importing the class would cost every command a tenth of a second.
_BROKER_GONE = "redis.exceptions.ConnectionError"
# These chatter, and httpx writes whole addresses.
_QUIET = (
    "httpx",
    "httpcore",
    "uvicorn.error",
    "uvicorn.access",
    "celery",
    "kombu",
    "alembic",
    "fontTools",
    "weasyprint",
)


def configure(log_format: Literal["auto", "console", "json"], stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging for this process; a later call replaces it.

    `auto` is console on a terminal and JSON elsewhere. Without a `stream`, standard error.
    """
    _Access.stream = stream
    stream = stream or sys.stderr
    console = log_format == "console" or (log_format == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                _without_quotes,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(_traceback_without_words),
                _mask,
                _calm_line if console else structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    _Access.straight = not console
    root.setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


_STATIC: Final = "/static"


class AccessLog:
    """ASGI middleware: one line a request, with the route's template; the path may hold a secret."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def note_status(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            template = _template(scope)
            milliseconds = round((time.perf_counter() - started) * 1000, 1)
            # What every page brings along, and what a watchdog asks, would bury the rest.
            if not template.startswith("/health") and (template != _STATIC or status >= 400):
                _write_access(scope["method"], template, status, milliseconds)


def _template(scope: Scope) -> str:
    """The route that took a request. Style sheets and scripts have none: one word stands for all of them."""
    if scope["path"].startswith(f"{_STATIC}/"):
        return _STATIC
    return getattr(scope.get("route"), "path_format", None) or "(no route)"


class _Access:
    """Where access lines go. JSON is written straight: there are many, and nothing in them needs masking."""

    straight: bool = False
    # None: whatever standard error is at that moment. A runner of commands puts another there for a while.
    stream: TextIO | None = None


def _write_access(method: str, route: str, status: int, milliseconds: float) -> None:
    if not _Access.straight:
        _ACCESS.info("request", method=method, route=route, status=status, ms=milliseconds)
        return
    line = {
        "method": method,
        "route": route,
        "status": status,
        "ms": milliseconds,
        "event": "request",
        "level": "info",
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    }
    stream = _Access.stream or sys.stderr
    stream.write(json.dumps(line) + "\n")
    stream.flush()


_ACCESS = structlog.get_logger("referral.access")


def _without_quotes(_logger: object, _name: str, event: EventDict) -> EventDict:
    """Celery repeats the words of an exception in its sentence and in a field; the task's name is enough."""
    record = event["_record"]
    if record.name == "celery.app.trace":
        told = event.pop("data", None)
        event["event"] = f"task failed: {told.get('name')}" if isinstance(told, dict) else "task failed"
    return event


def _traceback_without_words(exc_info: ExcInfo) -> str:
    """Where it happened and which class it was.

    What an exception says may quote a person: a value that was refused, a row, an address. A broker that went
    away is no fault of the code that noticed: its class is enough.
    """
    if _name(exc_info[1]) == _BROKER_GONE:
        return _BROKER_GONE
    return "\n".join(_story(exc_info[1]))


def _story(error: BaseException, depth: int = 0) -> list[str]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    before = [*_story(cause, depth + 1), "", "and then:", ""] if cause and depth < _DEEPEST else []
    frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    state = getattr(error, "sqlstate", None)
    name = f"{_name(error)} {state}" if state else _name(error)
    return [*before, "Traceback (most recent call last):", frames, name]


def _name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _mask(_logger: object, _name: str, event: EventDict) -> EventDict:
    return {key: _masked(value) if isinstance(value, str) else value for key, value in event.items()}


def _masked(text: str) -> str:
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def _calm_line(_logger: object, _name: str, event: EventDict) -> str:
    """`12:30:01  worker started  pid=17`; the level only where somebody should look."""
    stamp, level, text = event.pop("timestamp"), event.pop("level", "info"), event.pop("event")
    trace = event.pop("exception", "")
    urgent = f"{level.upper()}: " if level in ("warning", "error", "critical") else ""
    details = "".join(f"  {key}={value}" for key, value in event.items())
    return f"{stamp}  {urgent}{text}{details}" + (f"\n{trace}" if trace else "")
