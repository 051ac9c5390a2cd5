"""All routes of the staff pages, none of which is an interface for systems."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from referral.web.staff import (
    directory,
    documents,
    lookups,
    new_request,
    order,
    outbox,
    patients,
    request,
    sign_in,
    today,
)

router: Final = APIRouter(include_in_schema=False, tags=["staff"])
# New before one: `/requests/new` is not the id of a request.
for module in (sign_in, today, new_request, request, order, patients, directory, outbox, lookups, documents):
    router.include_router(module.router)
