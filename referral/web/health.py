"""Is this process alive, can it work, and how is the queue?"""

from __future__ import annotations

from typing import Final

import structlog
from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from referral.bootstrap import Runtime
from referral.domain.errors import ReferralError
from referral.services.observe import Figure, figures
from referral.storage import migrate, mode
from referral.web.dependencies import RuntimeDep, public

log = structlog.get_logger(__name__)
router: Final = APIRouter(tags=["health"])


@router.get("/health/live", dependencies=[public("says only that the process answers")])
def live() -> dict[str, str]:
    """200 as long as the process answers; says nothing about the database."""
    return {"status": "alive"}


@router.get("/health/ready", dependencies=[public("says only whether work is possible")])
def ready(runtime: RuntimeDep) -> Response:
    """200 when the database answers and stands at this program's migration, else 503 with what is missing."""
    try:
        with runtime.transaction() as session:
            applied = migrate.applied(session.connection)
            restoring = applied == migrate.newest() and bool(mode.restoring(session))
    except ReferralError:
        return JSONResponse({"status": "waiting", "missing": "database"}, 503)
    if applied != migrate.newest():
        return JSONResponse({"status": "waiting", "missing": "migration"}, 503)
    # People have to come in to reopen it, so a load balancer keeps sending them.
    return JSONResponse({"status": "ready", "mode": "restore"} if restoring else {"status": "ready"})


@router.get(
    "/metrics",
    dependencies=[public("counts and ages only, no clinic and no person")],
    response_class=PlainTextResponse,
)
def metrics(runtime: RuntimeDep) -> Response:
    """Prometheus text, computed from the rows: every process gives the same answer."""
    registry = CollectorRegistry()
    families: dict[str, Gauge] = {}
    for figure in _figures(runtime):
        if figure.name not in families:
            names = tuple(figure.labels)
            families[figure.name] = Gauge(figure.name, figure.meaning, names, registry=registry)
        family = families[figure.name]
        (family.labels(**figure.labels) if figure.labels else family).set(figure.value)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _figures(runtime: Runtime) -> list[Figure]:
    providers = runtime.channels.names
    with runtime.transaction() as session:
        return figures(session, runtime.now(), providers)
