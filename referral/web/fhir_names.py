"""What types and ids look like in a path, so that a route can take those and nothing else."""

from __future__ import annotations

from typing import Final

from starlette.convertors import StringConvertor, register_url_convertor


class FhirType(StringConvertor):
    """The name of a resource type, served here or not."""

    regex = "[A-Z][A-Za-z]{2,63}"


class FhirId(StringConvertor):
    """An id as R4 has it: never an operation, never `_history`."""

    regex = "[A-Za-z0-9.-]{1,64}"


register_url_convertor("fhir_type", FhirType())
register_url_convertor("fhir_id", FhirId())
ONE_TYPE: Final = "/{type:fhir_type}"
ONE_RESOURCE: Final = f"{ONE_TYPE}/{{id:fhir_id}}"
