"""What an operation is given: by the query of a GET, or by a Parameters resource of a POST."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from referral.fhir.elements import every
from referral.fhir.intervals import Interval, interval
from referral.fhir.problems import InvalidSearch, Issue
from referral.fhir.validation import validate


@dataclass(frozen=True, slots=True)
class Input:
    """Values by the name of their parameter, in their order; a text, or whatever datatype was sent.

    A parameter with parts is a Mapping of the FHIR shape; a resource is a Mapping with resourceType.
    """

    values: Mapping[str, list[Any]] = field(default_factory=dict)

    def all(self, name: str) -> list[Any]:
        return self.values.get(name, [])

    def one(self, name: str) -> Any:
        """The only value, None for none; InvalidSearch for several."""
        found = self.all(name)
        if len(found) > 1:
            refuse_input(name, "can be given once only")
        return found[0] if found else None

    def text(self, name: str) -> str | None:
        """The only value where it is a primitive; booleans are true and false."""
        value = self.one(name)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, Mapping | list):
            refuse_input(name, "has to be a primitive value")
        return None if value is None else str(value)

    def texts(self, name: str) -> list[str]:
        """Every value, those between commas one by one."""
        given = [str(value) for value in self.all(name) if not isinstance(value, Mapping)]
        return [part.strip() for value in given for part in value.split(",") if part.strip()]

    def interval(self, name: str) -> Interval | None:
        """The time that a date, dateTime or instant stands for."""
        given = self.text(name)
        # A plus sign that was not encoded arrives as a space.
        found = interval(given.replace(" ", "+")) if given is not None else None
        if given is not None and found is None:
            refuse_input(name, "has to be a date or an instant such as 2026-03-01T10:00:00Z")
        return found

    def unknown(self, *known: str) -> list[str]:
        """Names of parameters that the operation does not have."""
        return [name for name in self.values if name not in known]


def input_of_query(pairs: Iterable[tuple[str, str]]) -> Input:
    """Out of the decoded names and values of a query."""
    values: dict[str, list[Any]] = {}
    for name, value in pairs:
        if "\x00" in name or "\x00" in value:
            refuse_input("query", "contains the character U+0000")
        values.setdefault(name, []).append(value)
    return Input(values)


def input_of_body(document: Mapping[str, Any]) -> Input:
    """Out of Parameters; raises InvalidResource where they are not valid."""
    if document.get("resourceType") != "Parameters":
        text = "An operation takes a Parameters resource."
        raise InvalidSearch(Issue(text, ("resourceType",), "value"))
    validate(document)
    values: dict[str, list[Any]] = {}
    for row in every(document, "parameter"):
        given = next((value for name, value in row.items() if name.startswith("value")), None)
        value = row.get("resource") if given is None else given
        values.setdefault(str(row["name"]), []).append(row if value is None else value)
    return Input(values)


def refuse_input(name: str, text: str, code: str = "value") -> NoReturn:
    """Raises InvalidSearch, a 400, for one parameter."""
    shown = ascii(name)[1:-1][:64]
    raise InvalidSearch(Issue(f"{shown} {text}.", (f"http.{shown}",), code))
