"""Search within one patient's compartment: `GET Patient/[id]/[type]?…`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from referral.fhir.compartment import PATIENT_COMPARTMENT
from referral.fhir.search_model import Clause
from referral.fhir.search_values import ReferenceValue
from referral.services.search_resources import require_patient
from referral.web.area import Area
from referral.web.fhir_client import Caller, client
from referral.web.fhir_search import read_query, search_bundle
from referral.web.fhir_wire import WantedDep, query_text, resource_response

router: Final = Area(prefix="/fhir/Patient", tags=["FHIR"])

Anyone = Annotated[Caller, client("any")]


def search_compartment(request: Request, caller: Anyone, how: WantedDep, id: str) -> Response:
    """The resources of one type in a patient's record that match the query."""
    # The routes name their types: a pattern would stand in the way of `_history`.
    type = request.scope["route"].path.rpartition("/")[2]
    query = read_query(caller, type, query_text(request), strict=how.strict)
    first, *others = PATIENT_COMPARTMENT[type]
    member = Clause(first, "reference", (ReferenceValue((f"Patient/{id}",)),), also=tuple(others))
    query = replace(query, clauses=(member, *query.clauses))
    with caller.transaction() as session:
        require_patient(session, caller.access, id)
        bundle = search_bundle(session, caller, query, id)
    return resource_response(bundle, how)


for _type in PATIENT_COMPARTMENT:
    router.add_api_route(
        f"/{{id}}/{_type}", search_compartment, methods=["GET"], name=f"search_{_type}_of_patient"
    )
