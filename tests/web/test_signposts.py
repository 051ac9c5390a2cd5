"""Led by the first part of its path, a request comes to the route that trying all would have found."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import Scope

from referral.web.signposts import Signposts
from tests.database import ClinicFixture
from tests.test_rules import routes
from tests.web.client import application


@pytest.fixture
def app(clinic: ClinicFixture) -> FastAPI:
    return application(clinic)


def signposts(app: FastAPI) -> Signposts:
    first = app.router.routes[0]
    assert isinstance(first, Signposts)
    return first


def asked(method: str, path: str, root: str = "") -> Scope:
    return {"type": "http", "method": method, "path": path, "root_path": root, "headers": []}


def trying_all(app: FastAPI, scope: Scope) -> BaseRoute | None:
    others = (route for route in app.router.routes if not isinstance(route, Signposts))
    return next((route for route in others if route.matches(scope)[0] is Match.FULL), None)


def every_request(app: FastAPI) -> Iterator[tuple[str, str]]:
    for route in routes(app):
        path = re.sub(r"{\w+:path}", "a/b", str(route.path))
        for method in sorted(route.methods or ()):
            yield method, re.sub(r"{\w+}", "x", path)


def test_every_route_is_found_and_it_is_the_one_that_comes_first(app: FastAPI) -> None:
    requests = set(every_request(app))
    assert len(requests) > 300
    for method, path in requests:
        match, child = signposts(app).matches(asked(method, path))
        assert match is Match.FULL, (method, path)
        chosen = next(value for value in child.values() if isinstance(value, BaseRoute))
        assert chosen is trying_all(app, asked(method, path)), (method, path)


def test_static_files_are_found(app: FastAPI) -> None:
    _, child = signposts(app).matches(asked("GET", "/static/referral.css"))
    assert any(isinstance(value, Mount) for value in child.values())


@pytest.mark.parametrize(
    ("method", "path", "root"),
    [
        ("GET", "/nowhere", ""),
        ("DELETE", "/calls", ""),
        ("GET", "", ""),
        ("GET", "/calls", "/behind"),
    ],
)
def test_what_is_not_found_is_left_to_the_application(
    app: FastAPI, method: str, path: str, root: str
) -> None:
    assert signposts(app).matches(asked(method, path, root)) == (Match.NONE, {})
