"""The web application of one process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from referral import __version__
from referral.bootstrap import Runtime
from referral.logs import AccessLog
from referral.services.check_templates import leaks, refuse
from referral.services.client_keys import ClientKeys
from referral.storage.joint_reads import read_gates, read_resources
from referral.web import (
    cds_hooks,
    errors,
    fhir_api,
    fhir_compartment,
    fhir_export,
    fhir_measure,
    fhir_metadata,
    fhir_oauth,
    fhir_operations,
    fhir_subscription,
    fhir_validate,
    health,
    hooks,
    hooks_fax_in,
    patient_page,
    portal,
    verify,
)
from referral.web.assets import Assets
from referral.web.cors import CdsCors
from referral.web.fhir_path import FhirPath
from referral.web.live import Live
from referral.web.middleware import Frame
from referral.web.openapi import describe
from referral.web.signposts import Signposts
from referral.web.staff import routes as staff_routes
from referral.web.together import Together


def create_app(runtime: Runtime) -> FastAPI:
    """All doors on one application. The documentation pages carry their scripts with them.

    Raises PrivacyLeak where a template would tell what it must not.
    """
    refuse(leaks())

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        runtime.close()

    app = FastAPIOffline(
        title="referral",
        version=__version__,
        summary="Recommendation requests before ketamine infusions.",
        lifespan=life,
        redoc_url=None,
        # Spans would carry whole paths, and a path of the portal carries a secret.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.runtime = runtime
    app.state.client_keys = ClientKeys(runtime.outgoing)
    app.state.gate_reads = Together(runtime.database, read_gates)
    app.state.resource_reads = Together(runtime.database, read_resources)
    app.state.live = Live(runtime.database.url)
    app.add_middleware(CdsCors, runtime=runtime)
    app.add_middleware(FhirPath)
    app.add_middleware(Frame)
    app.add_middleware(AccessLog)
    app.mount("/static", Assets(), name="static")
    errors.register(app)
    for router in (
        fhir_api.frequent,
        fhir_metadata.router,
        fhir_subscription.router,
        fhir_oauth.router,
        fhir_measure.router,
        fhir_operations.router,
        fhir_export.router,
        fhir_validate.router,
        fhir_compartment.router,
        fhir_api.router,
        cds_hooks.router,
        portal.router,
        patient_page.router,
        verify.router,
        health.router,
        hooks_fax_in.router,
        hooks.router,
    ):
        app.include_router(router)
    for router in staff_routes.ROUTERS:
        app.include_router(router, include_in_schema=False, tags=["staff"])
    app.router.routes.insert(0, Signposts(list(app.router.routes)))
    describe(app)
    return app
