"""All routes of the staff pages, none of which is an interface for systems."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from referral.web.staff import (
    audit_list,
    bookings,
    calls,
    classify,
    contacts,
    design,
    director_lists,
    directory,
    documents,
    fax_inbox,
    hours,
    ladder,
    letter_upload,
    letterhead,
    letters,
    live,
    lookups,
    new_request,
    order,
    outbox,
    overrides,
    paper,
    patients,
    policy,
    record_answer,
    register,
    reports,
    request,
    request_list,
    restore,
    reviews,
    sign_in,
    simulator,
    systems,
    today,
)

router: Final = APIRouter(include_in_schema=False, tags=["staff"])
# New before one: `/requests/new` is not the id of a request, an override is no step of an order, and an
# answer by telephone has a page of its own.
for module in (
    sign_in,
    today,
    new_request,
    calls,
    record_answer,
    request_list,
    letter_upload,
    request,
    overrides,
    order,
    bookings,
    patients,
    contacts,
    register,
    directory,
    fax_inbox,
    outbox,
    paper,
    classify,
    hours,
    ladder,
    letterhead,
    letters,
    policy,
    lookups,
    live,
    documents,
    restore,
    reviews,
    director_lists,
    simulator,
    systems,
    audit_list,
    reports,
    design,
):
    router.include_router(module.router)
