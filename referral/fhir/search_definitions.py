"""Where each search parameter is defined: by R4, or in a SearchParameter that this server publishes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

from referral.fhir.definitions import table
from referral.fhir.publication import publication
from referral.fhir.systems import DEFAULT, LocalSystems

_R4: Final = "http://hl7.org/fhir/SearchParameter/"
_table = cache(partial(table, "search_definitions"))


@dataclass(frozen=True, slots=True)
class Own:
    """A parameter that R4 does not have. `expression` is FHIRPath, `targets` what a reference may name."""

    type: str
    name: str
    kind: str
    expression: str
    text: str
    targets: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.type}-{self.name}"

    def to_fhir(self, local: LocalSystems = DEFAULT) -> dict[str, Any]:
        """The SearchParameter."""
        made: dict[str, Any] = {
            "resourceType": "SearchParameter",
            "id": self.id,
            "url": own_url(self.type, self.name, local),
            "name": "".join(part.capitalize() for part in self.id.split("-")),
            "description": self.text,
            "code": self.name,
            "base": [self.type],
            "type": self.kind,
            "expression": self.expression,
            "multipleOr": True,
            "multipleAnd": True,
            **publication(),
        }
        if self.targets:
            made["target"] = list(self.targets)
        return made


# Every parameter of tables/search_parameters.json that is not R4's has its row here; a test compares.
OWN: Final = (
    Own(
        "Task",
        "due",
        "date",
        "Task.restriction.period",
        "Until when the Task is to be done: the answer to a request is due at the end of this period.",
    ),
    Own(
        "Task",
        "output",
        "reference",
        "(Task.output.value as Reference)",
        "What came of the Task, after SDOHCC: the answer, the decision and the signed document.",
    ),
    Own(
        "ServiceRequest",
        "supporting-info",
        "reference",
        "ServiceRequest.supportingInfo",
        "What supports the request, after SDOHCC: for an infusion order also its requests and consents.",
    ),
)


def own_url(type: str, name: str, local: LocalSystems = DEFAULT) -> str:
    """The canonical URL of a parameter of ours."""
    return f"{local.base}/SearchParameter/{type}-{name}"


def definition_of(type: str, name: str, local: LocalSystems = DEFAULT) -> str:
    """The canonical URL of a parameter's definition; ours for whatever R4 does not define."""
    rows: Mapping[str, Mapping[str, str]] = _table()
    found = rows.get(type, {}).get(name) or rows["Resource"].get(name)
    return f"{_R4}{found}" if found else own_url(type, name, local)
