"""What can be wrong with FHIR input.

InvalidInput
└── FhirProblem          something sent as FHIR cannot be used
    ├── Unreadable       the body is not JSON that FHIR allows: bytes, duplicate keys, depth, numbers
    ├── TooLarge         the body, or the Bundle, is longer than this server takes
    ├── InvalidResource  readable, but not a resource that the specification allows
    └── InvalidSearch    a search, sort or include that cannot be answered as asked
"""

from __future__ import annotations

from referral.domain.errors import InvalidInput, Issue

__all__ = ["FhirProblem", "InvalidResource", "InvalidSearch", "Issue", "TooLarge", "Unreadable"]


class FhirProblem(InvalidInput):
    """Carries issues whose `expression` is a FHIRPath such as `Patient.name[0].family`."""


class Unreadable(FhirProblem):
    code = "structure"


class TooLarge(FhirProblem):
    code = "too-long"


class InvalidResource(FhirProblem):
    """`expression` names the elements that the specification does not allow as they are."""


class InvalidSearch(FhirProblem):
    """`expression` names the parameter as the client wrote it, such as `http.name:exact`."""
