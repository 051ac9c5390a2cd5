"""What a search asks of resources: names with their modifiers, chains and `_has`, read into Clauses.

Refused is what cannot be answered as asked: ignoring a modifier would widen the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from referral.fhir import search_values
from referral.fhir.definitions import METADATA_TYPES, SERVED_TYPES, resource_types
from referral.fhir.search_model import Clause, Link
from referral.fhir.search_parameters import SearchParameter, leads_to_resources, parameters
from referral.fhir.search_values import (
    CompositeValue,
    NearValue,
    TokenValue,
    UriValue,
    Value,
    split_values,
    uris_above,
)
from referral.fhir.value_set_codes import codes_of

MAX_VALUES: Final = 200
# Each one is a search of its own.
MAX_LINKED: Final = 10
_MODIFIERS: Final = {
    "token": frozenset({"not", "missing", "text", "in", "not-in", "of-type"}),
    "reference": frozenset({"identifier", "missing"}),
    "string": frozenset({"exact", "contains", "missing"}),
    "uri": frozenset({"below", "above", "missing"}),
    # What is near is a place: it cannot be missing from what is found.
    "special": frozenset[str](),
}
_ONLY_MISSING: Final = frozenset({"missing"})
# Not in the store: what the server publishes itself, and the audit trail.
_NOT_LINKED: Final = frozenset({"AuditEvent", "Subscription", *METADATA_TYPES})


class Refused(Exception):
    """Becomes an issue of the parameter that is being read."""

    def __init__(self, text: str, code: str = "invalid") -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Context:
    """`type` is the one searched; `now` is what `ap` measures from; references below `base_url` are ours."""

    type: str
    now: datetime
    base_url: str


def read_clause(context: Context, name: str, value: str) -> Clause | None:
    """None when the type has no such parameter. Raises Refused."""
    if name.partition(":")[0] == "_has":
        return _reverse(context, name, value)
    first, dot, rest = name.partition(".")
    plain, _, modifier = first.partition(":")
    found = parameters(context.type).get(plain)
    if found is None:
        return None
    if dot:
        return _chain(context, found, modifier, rest, value)
    return _clause(context, found, modifier, value)


# ---- Other resources


def _chain(context: Context, found: SearchParameter, type: str, rest: str, value: str) -> Clause:
    """`owner.identifier=…` asks any type that an owner can be and that has the parameter."""
    if not leads_to_resources(found):
        raise Refused("is no reference that can be followed")
    if "." in rest or rest.startswith("_has"):
        raise Refused("is a chain of more than one step, which is not supported here", "not-supported")
    plain = rest.partition(":")[0]
    links = tuple(
        Link(target, clause)
        for target in _targets(found, type)
        if (clause := read_clause(replace(context, type=target), rest, value)) is not None
    )
    if not links:
        raise Refused(f"ends in '{plain[:40]}', which is no search parameter of what it leads to")
    return Clause(found.name, "reference", links=links)


def _targets(found: SearchParameter, type: str) -> tuple[str, ...]:
    if type:
        if type not in SERVED_TYPES - _NOT_LINKED or (found.targets and type not in found.targets):
            raise Refused(f"leads to '{type[:40]}', which it cannot point at here")
        return (type,)
    if not found.targets:
        raise Refused(f"may point at any type; name it, as in {found.name}:Patient.name")
    return tuple(target for target in found.targets if target in SERVED_TYPES - _NOT_LINKED)


def _reverse(context: Context, name: str, value: str) -> Clause:
    """`_has:Task:patient:status=…`: those to whom a Task with this status points by `patient`."""
    parts = name.split(":", 3)
    if len(parts) != 4:
        raise Refused("has to be written as _has:Type:reference:parameter")
    _, type, reference, rest = parts
    if type not in SERVED_TYPES - _NOT_LINKED:
        raise Refused(f"names '{type[:40]}', which cannot be asked for what points here", "not-supported")
    points = parameters(type).get(reference)
    if points is None or not leads_to_resources(points):
        raise Refused(f"names '{reference[:40]}', which is no reference of {type}")
    if points.targets and context.type not in points.targets:
        raise Refused(f"names {type}.{reference}, which cannot point at a {context.type}")
    if "." in rest or rest.startswith("_has"):
        raise Refused("goes more than one step, which is not supported here", "not-supported")
    clause = read_clause(replace(context, type=type), rest, value)
    if clause is None:
        raise Refused(f"ends in '{rest[:40]}', which is no search parameter of {type}")
    return Clause(points.name, "has", links=(Link(type, clause),))


# ---- The resource itself


def _clause(context: Context, found: SearchParameter, modifier: str, value: str) -> Clause:
    if not value:
        raise Refused("has no value; leave the parameter out to find everything")
    if modifier and found.kind == "reference" and modifier in resource_types():
        # subject:Patient=123 is one type out of those that are allowed.
        return Clause(found.name, found.kind, _values(context, replace(found, targets=(modifier,)), value))
    if modifier and modifier not in _MODIFIERS.get(found.kind, _ONLY_MISSING):
        takes = ", ".join(f":{name}" for name in sorted(_MODIFIERS.get(found.kind, _ONLY_MISSING)))
        raise Refused(f"is no modifier of a {found.kind}; it takes {takes}", "not-supported")
    special = _SPECIAL.get(modifier)
    if special is not None:
        return special(context, found, value)
    return Clause(found.name, found.kind, _values(context, found, value), modifier or None)


def _missing(_: Context, found: SearchParameter, value: str) -> Clause:
    if value not in {"true", "false"}:
        raise Refused("has to be true or false")
    return Clause(found.name, found.kind, missing=value == "true")


def _identifier(context: Context, found: SearchParameter, value: str) -> Clause:
    token = SearchParameter(f"{found.name}:identifier", "token", found.paths)
    return Clause(token.name, "token", _values(context, token, value))


def _text(context: Context, found: SearchParameter, value: str) -> Clause:
    """What is written beside the codes begins with this."""
    text = SearchParameter(f"{found.name}:text", "string", found.paths)
    return Clause(text.name, "string", _values(context, text, value))


def _of_type(_: Context, found: SearchParameter, value: str) -> Clause:
    if "Identifier" not in found.ends:
        raise Refused("is no identifier, so it does not take the modifier :of-type", "not-supported")
    return Clause(f"{found.name}:of-type", "token", _each(value, search_values.of_type))


def _in(_: Context, found: SearchParameter, value: str) -> Clause:
    return Clause(found.name, found.kind, _members(found, value))


def _not_in(_: Context, found: SearchParameter, value: str) -> Clause:
    return Clause(found.name, found.kind, _members(found, value), "not")


def _members(found: SearchParameter, value: str) -> tuple[Value, ...]:
    """The codes of a ValueSet; a plain code is stored with the system of its set where that has one."""
    members = codes_of(value)
    if members is None:
        text = f"names the ValueSet {value[:120]}, which this server does not know or cannot list"
        raise Refused(text, "not-found")
    plain = any(path.endswith(":code") for path in found.paths)
    both = [(system, code) for system, code in sorted(members)]
    if plain:
        both += [("", code) for _, code in sorted(members)]
    return tuple(dict.fromkeys(TokenValue(system, code) for system, code in both))


def _above(_: Context, found: SearchParameter, value: str) -> Clause:
    values = tuple(uri for part in split_values(value) for uri in uris_above(part))
    if not values or len(values) > MAX_VALUES:
        raise Refused("has to be a URI")
    return Clause(found.name, found.kind, values)


_SPECIAL: Final[dict[str, Callable[[Context, SearchParameter, str], Clause]]] = {
    "missing": _missing,
    "identifier": _identifier,
    "text": _text,
    "of-type": _of_type,
    "in": _in,
    "not-in": _not_in,
    "above": _above,
}


# ---- Values


def _values(context: Context, found: SearchParameter, text: str) -> tuple[Value, ...]:
    return _each(text, lambda part: _value(context, found, part))


def _each(text: str, read: Callable[[str], Value]) -> tuple[Value, ...]:
    parts = split_values(text)
    if len(parts) > MAX_VALUES:
        raise Refused(f"has more than {MAX_VALUES} values", "too-costly")
    if not all(part.strip() for part in parts):
        raise Refused("has an empty value between commas")
    try:
        return tuple(dict.fromkeys(read(part) for part in parts))
    except ValueError as error:
        raise Refused(str(error)) from error


def _value(context: Context, found: SearchParameter, text: str) -> Value:
    if found.kind == "date":
        return search_values.date(text, context.now)
    if found.kind == "reference":
        canonical = any(path.endswith((":canonical", ":uri")) for path in found.paths)
        return search_values.reference(text, found.targets, context.base_url, canonical)
    if found.kind == "composite":
        return _composite(context, found, text)
    return _READERS[found.kind](text)


def _composite(context: Context, found: SearchParameter, text: str) -> CompositeValue:
    parts = split_values(text, "$")
    if len(parts) != 2 or not all(parts):
        raise ValueError("has to be written as two values with a dollar sign between them")
    first = _value(context, found.components[0], parts[0])
    second = _value(context, found.components[1], parts[1])
    if not isinstance(first, TokenValue) or isinstance(second, CompositeValue | NearValue | UriValue):
        raise TypeError(f"{found.name} is made of parts that cannot be paired")
    return CompositeValue(first, second)


_READERS: Final[dict[str, Callable[[str], Value]]] = {
    "token": search_values.token,
    "string": search_values.string,
    "uri": search_values.uri,
    "number": search_values.number,
    "quantity": search_values.quantity,
    "special": search_values.near,
}
