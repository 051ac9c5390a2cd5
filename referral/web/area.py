"""A router below one address."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.routing import Match
from starlette.types import Scope


class Area(APIRouter):
    """As APIRouter, but its routes are tried only for addresses that begin with its prefix.

    Routers are asked one after the other, and FastAPI would try each route of each of them.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches(scope) if scope["path"].startswith(self.prefix) else (Match.NONE, {})
