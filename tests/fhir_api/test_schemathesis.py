"""schemathesis over the OpenAPI: no server error, and every answer as the description says.

It makes requests out of the description, right ones and wrong ones; some go to resources that are there.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.database import ClinicFixture
from tests.fhir_api.client import FhirClient, connect
from tests.fhir_api.people import Referred

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# Set by the client that calls, whatever was made up for them.
OURS = {"authorization", "user-agent", "x-schemathesis-testcaseid", "accept-encoding", "connection"}


@dataclass
class Caller:
    """Sends made-up requests with a good token, to made-up ids and to real ones in turn."""

    fhir: FhirClient
    known: dict[str, str]
    http: httpx.AsyncClient
    runner: asyncio.Runner
    statuses: Counter[int] = field(default_factory=Counter)

    def send(self, case: Any, real: bool) -> None:
        places = case.path_parameters or {}
        if real and "id" in places:
            type = places.get("type") or case.path.split("/")[2]
            places["id"] = self.known.get(type, places["id"])
        made = case.as_transport_kwargs()
        headers = {name: value for name, value in made.pop("headers").items() if name.lower() not in OURS}
        made.pop("cookies", None)
        request = self.http.build_request(
            made.pop("method"),
            made.pop("url"),
            headers=[*_encodable(headers), (b"authorization", f"Bearer {self.fhir.token}".encode())],
            **{
                ("content" if name == "data" and isinstance(value, bytes | str) else name): value
                for name, value in made.items()
            },
        )
        response = self.runner.run(self.http.send(request))
        self.statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)


def _encodable(headers: dict[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    for name, value in headers.items():
        yield name.encode(), str(value).encode("latin-1", "replace").replace(b"\n", b" ").replace(b"\r", b" ")


@contextmanager
def calling(clinic: ClinicFixture) -> Iterator[Caller]:
    fhir = connect(clinic)
    referred = Referred(fhir)
    paths = (referred.patient, referred.condition, referred.practitioner, referred.order, referred.role)
    known = dict(path.split("/") for path in (*paths, f"Task/{referred.task['id']}", "CodeSystem/decision"))
    transport = httpx.ASGITransport(fhir.app, raise_app_exceptions=False)
    with asyncio.Runner() as runner:
        http = httpx.AsyncClient(transport=transport, base_url="http://testserver")
        try:
            yield Caller(fhir, known, http, runner)
        finally:
            runner.run(http.aclose())


def call_everything(caller: Caller, examples: int, *, derandomize: bool) -> int:
    """How many operations there are; each is called `examples` times rightly and as often wrongly."""
    schema = schemathesis.openapi.from_dict(caller.fhir.app.openapi())
    operations: list[Any] = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    for operation in operations:
        for mode in GenerationMode:

            @settings(
                max_examples=examples,
                deadline=None,
                derandomize=derandomize,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(operation.as_strategy(generation_mode=mode), st.booleans())
            def once(case: Any, real: bool) -> None:
                caller.send(case, real)

            # What takes nothing cannot be called wrongly.
            with suppress(Unsatisfiable):
                once()
    return len(operations)


def test_no_request_that_the_description_suggests_breaks_the_server(clinic: ClinicFixture) -> None:
    with calling(clinic) as caller:
        operations = call_everything(caller, 3, derandomize=True)
    assert operations > 30
    # Requests come through to the services, and are refused there as well.
    assert {200, 400, 404} <= caller.statuses.keys(), caller.statuses
    assert max(caller.statuses) < 500


@pytest.mark.soak
def test_many_requests_do_not_break_it_either(clinic: ClinicFixture) -> None:
    with calling(clinic) as caller:
        call_everything(caller, 300, derandomize=False)
    assert max(caller.statuses) < 500
