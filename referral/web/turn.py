"""A route of staff takes one turn in a thread: its transaction is begun, used and committed there.

FastAPI gives a dependency that yields two turns of its own, before the route and after it; each waits for a
thread and for the interpreter, together an eighth of a page's time (docs/adr/0041).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, Final, Protocol, get_type_hints

from fastapi import APIRouter
from fastapi.routing import APIRoute

# What a parameter of a route is until its turn comes.
Opening = Callable[[], AbstractContextManager[Any]]
_MARK: Final = "opens_in_turn"


class Prepares(Protocol):
    """A dependency of FastAPI that gives an Opening."""

    def __call__(self, *args: Any, **kwargs: Any) -> Awaitable[Opening]: ...


def opens_in_turn(prepare: Prepares) -> Prepares:
    """Mark a dependency whose Opening the route enters itself; it needs a Router of this module."""
    setattr(prepare, _MARK, True)
    return prepare


def is_opened_in_turn(dependency: object) -> bool:
    """Whether this is such a dependency, which lets nobody in before the route's own turn."""
    return getattr(dependency, _MARK, False) is True


class TurnRoute(APIRoute):
    """Its endpoint is given what the Opening opens; leaving it comes before the answer leaves.

    Raises TypeError for an endpoint that would not run in a thread, or that asks for several.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, _in_one_turn(endpoint), **options)


class Router(APIRouter):
    """An APIRouter whose routes are TurnRoutes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=TurnRoute, **options)


def _in_one_turn(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    names = opened_parameters(endpoint)
    if not names:
        return endpoint
    if len(names) > 1 or inspect.iscoroutinefunction(endpoint):
        raise TypeError(f"{endpoint.__qualname__} has to be a plain function with one transaction.")
    (name,) = names

    @wraps(endpoint)
    def in_turn(**given: Any) -> Any:
        opening: Opening = given.pop(name)
        with opening() as opened:
            return endpoint(**given, **{name: opened})

    return in_turn


def opened_parameters(endpoint: Callable[..., Any]) -> list[str]:
    """The names of the parameters that stand for something which is opened in turn."""
    return [
        name
        for name, hint in get_type_hints(endpoint, include_extras=True).items()
        for said in getattr(hint, "__metadata__", ())
        if is_opened_in_turn(getattr(said, "dependency", None))
    ]
