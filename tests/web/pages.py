"""Every page of the staff, made from the routes, with somebody who may see it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from referral.domain.codes import Role
from referral.web.policy import Permission, may
from tests.test_rules import policies, routes
from tests.web.client import application
from tests.web.test_access_matrix import Place, paths

__all__ = ["WHO", "Place", "pages_of"]

# Between them they may see every page.
WHO: Final = (Role.MEDICAL_DIRECTOR, Role.ADMIN)
# Files, fragments, data and streams: no pages.
_NO_PAGE: Final = re.compile(r"/lookups/|/documents/|/pages/|/logos/|\.{ending}|/live|/events")


def pages_of(place: Place) -> Iterator[tuple[str, Role]]:
    """Every address that answers with a page, and who looks at it."""
    for route in routes(application(place.clinic)):
        kind, _, permission = policies(route)[0].partition(":")
        if kind != "staff" or "GET" not in (route.methods or ()) or _NO_PAGE.search(str(route.path)):
            continue
        if route.path == "/bookings/new":
            yield f"/bookings/new?order={place.ids['order_id'][0]}&day=2026-11-10", WHO[0]
            continue
        who = next(role for role in WHO if may(role, Permission(permission)))
        for path in list(paths(route, place))[:3]:
            yield path, who
