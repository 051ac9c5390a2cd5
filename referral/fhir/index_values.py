"""How the values of FHIR's datatypes are indexed for search."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeGuard

from referral.fhir.intervals import Interval, interval, period_interval, timing_interval
from referral.fhir.reference_targets import parse_reference

# Longer keys would not fit into a page of a database index; queries are cut at the same place.
MAX_KEY: Final = 255


class IndexEntry(NamedTuple):
    """One searchable value of one parameter.

    token: `system` (None where there is none) and `value` (None for an identifier without one). reference:
    `value` is `Type/id` or, outside this server, the absolute URL. date: [low, high) in UTC. string:
    `value` is folded, `system` the text as written, for `:exact`. uri: `value`. quantity and number:
    `number`, with `system` and `value` of the unit. composite: `system` and `value` of both parts as
    `paired` joins them, the rest of the second. special (a position): `number` is the latitude, `value` the
    longitude.

    Beside those of a token `code` there are entries `code:text` (strings) for what is written beside its
    codes, and of an identifier `identifier:of-type`: the type's system, `code|value`.
    """

    parameter: str
    system: str | None = None
    value: str | None = None
    low: datetime | None = None
    high: datetime | None = None
    number: Decimal | None = None


# Joins the two parts of a composite; FHIR allows this character in no text.
PAIR: Final = "\x1f"


def paired(first: IndexEntry, second: IndexEntry, name: str) -> IndexEntry:
    """One entry for two values of one element; the first is a token or a reference."""
    system = f"{first.system or ''}{PAIR}{second.system or ''}"
    value = f"{first.value or ''}{PAIR}{second.value or ''}"
    return IndexEntry(name, system, value, second.low, second.high, second.number)


def unpaired(entry: IndexEntry) -> tuple[IndexEntry, IndexEntry]:
    """The two parts that `paired` joined."""
    systems = (entry.system or "").split(PAIR)
    values = (entry.value or "").split(PAIR)
    one = IndexEntry(entry.parameter, systems[0], values[0])
    return one, IndexEntry(entry.parameter, systems[-1], values[-1], entry.low, entry.high, entry.number)


Emit = Callable[[IndexEntry], None]
# (parameter, value found at the end of the path, system of a plain code, emit)
Indexer = Callable[[str, Any, str | None, Emit], None]


def fold(text: str) -> str:
    """Lower case, no accents, single spaces, cut to the length of a key: what a string search compares."""
    if not text.isascii():
        text = "".join(
            c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)
        ).casefold()
    return " ".join(text.lower().split())[:MAX_KEY]


def _key(value: object) -> str | None:
    return value[:MAX_KEY] if isinstance(value, str) and value else None


def _code(name: str, value: Any, system: str | None, emit: Emit) -> None:
    if isinstance(value, str):
        emit(IndexEntry(name, system, value[:MAX_KEY]))


def _boolean(name: str, value: Any, _: str | None, emit: Emit) -> None:
    if isinstance(value, bool):
        emit(IndexEntry(name, None, "true" if value else "false"))


def _exists(name: str, value: Any, _: str | None, emit: Emit) -> None:
    if value:
        emit(IndexEntry(name, None, "true"))


def _coding(name: str, value: Any, _: str | None, emit: Emit) -> None:
    if not isinstance(value, dict):
        return
    if code := _key(value.get("code")):
        emit(IndexEntry(name, _key(value.get("system")), code))
    if "display" in value:
        _string(f"{name}:text", value["display"], None, emit)


def _concept(name: str, value: Any, _: str | None, emit: Emit) -> None:
    if not isinstance(value, dict):
        return
    codings = value.get("coding")
    if isinstance(codings, list):
        for coding in codings:
            _coding(name, coding, None, emit)
    if "text" in value:
        _string(f"{name}:text", value["text"], None, emit)


def _identifier(name: str, value: Any, _: str | None, emit: Emit) -> None:
    if not isinstance(value, dict):
        return
    _system_and_value(name, value, emit)
    kind = value.get("type")
    if isinstance(kind, dict):
        _type_of_identifier(name, kind, _key(value.get("value")), emit)


def _system_and_value(name: str, identifier: dict[str, Any], emit: Emit) -> None:
    if "value" in identifier or "system" in identifier:
        emit(IndexEntry(name, _key(identifier.get("system")), _key(identifier.get("value"))))


def _type_of_identifier(name: str, kind: dict[str, Any], value: str | None, emit: Emit) -> None:
    codings = kind.get("coding")
    for coding in codings if isinstance(codings, list) else ():
        if isinstance(coding, dict) and value and (code := _key(coding.get("code"))):
            emit(IndexEntry(f"{name}:of-type", _key(coding.get("system")), f"{code}|{value}"[:MAX_KEY]))
    if "text" in kind:
        _string(f"{name}:text", kind["text"], None, emit)


def _contact(name: str, value: Any, _: str | None, emit: Emit) -> None:
    if isinstance(value, dict) and (text := _key(value.get("value"))):
        # An e-mail address is the same in capitals; a token search compares exactly.
        emit(IndexEntry(name, _key(value.get("system")), text.lower() if "@" in text else text))


def _reference(name: str, value: Any, _: str | None, emit: Emit) -> None:
    if not isinstance(value, dict):
        return
    text = value.get("reference")
    if isinstance(text, str) and text and text[0] != "#":
        found = parse_reference(text)
        emit(IndexEntry(name, None, (f"{found.base}{found.type}/{found.id}" if found else text)[:MAX_KEY]))
    identifier = value.get("identifier")
    if isinstance(identifier, dict):
        _system_and_value(f"{name}:identifier", identifier, emit)


def _canonical(name: str, value: Any, _: str | None, emit: Emit) -> None:
    """With its version and without, so that both ways of asking find it."""
    if isinstance(value, str):
        emit(IndexEntry(name, None, value[:MAX_KEY]))
        if "|" in value:
            emit(IndexEntry(name, None, value.split("|", 1)[0][:MAX_KEY]))


def _related(name: str, value: Any, system: str | None, emit: Emit) -> None:
    """What a RelatedArtifact is related to; its kind is the condition of the path."""
    if isinstance(value, dict) and "resource" in value:
        _canonical(name, value["resource"], system, emit)


def _uri(name: str, value: Any, _: str | None, emit: Emit) -> None:
    if isinstance(value, str):
        emit(IndexEntry(name, None, value[:MAX_KEY]))


def _dated(read: Callable[[Any], Interval | None]) -> Indexer:
    def index(name: str, value: Any, _: str | None, emit: Emit) -> None:
        found = read(value)
        if found is not None:
            emit(IndexEntry(name, None, None, found[0], found[1]))

    return index


def _string(name: str, value: Any, _: str | None, emit: Emit) -> None:
    if isinstance(value, str):
        emit(IndexEntry(name, value[:MAX_KEY], fold(value)))


def _strings_in(*parts: str) -> Indexer:
    """Every text of a HumanName or an Address is a value of its own."""

    def index(name: str, value: Any, _: str | None, emit: Emit) -> None:
        if not isinstance(value, dict):
            return
        for part in parts:
            found = value.get(part)
            for text in found if isinstance(found, list) else (found,):
                _string(name, text, None, emit)

    return index


def _is_number(value: Any) -> TypeGuard[int | Decimal]:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _number(name: str, value: Any, _: str | None, emit: Emit) -> None:
    if _is_number(value):
        emit(IndexEntry(name, number=Decimal(value)))


def _quantity(name: str, value: Any, _: str | None, emit: Emit) -> None:
    number = value.get("value") if isinstance(value, dict) else None
    if _is_number(number):
        code, unit = _key(value.get("code")), _key(value.get("unit"))
        emit(IndexEntry(name, _key(value.get("system")), code or unit, number=Decimal(number)))
        if code and unit and unit != code:
            # `5.4||mg` asks for the code or the unit as people write it (R4, search, quantity).
            emit(IndexEntry(name, None, unit, number=Decimal(number)))


def _range(name: str, value: Any, _: str | None, emit: Emit) -> None:
    if isinstance(value, dict):
        _quantity(name, value.get("low"), None, emit)
        _quantity(name, value.get("high"), None, emit)


def _position(name: str, value: Any, _: str | None, emit: Emit) -> None:
    if not isinstance(value, dict):
        return
    latitude, longitude = value.get("latitude"), value.get("longitude")
    if _is_number(latitude) and _is_number(longitude):
        emit(IndexEntry(name, value=str(longitude)[:MAX_KEY], number=Decimal(latitude)))


_TEXTS: Final[dict[str, Indexer]] = {
    "string": _string,
    "markdown": _string,
    "HumanName": _strings_in("text", "family", "given", "prefix", "suffix"),
    "Address": _strings_in("text", "line", "city", "district", "state", "postalCode", "country"),
}
_TOKENS: Final[dict[str, Indexer]] = {
    "code": _code,
    "string": _code,
    "id": _code,
    "uri": _code,
    "boolean": _boolean,
    "exists": _exists,
    "Coding": _coding,
    "CodeableConcept": _concept,
    "Identifier": _identifier,
    "ContactPoint": _contact,
}
# Kind of parameter → datatype at the end of its path → how it is indexed.
INDEXERS: Final[dict[str, dict[str, Indexer]]] = {
    "token": _TOKENS,
    "reference": {"Reference": _reference, "canonical": _canonical, "uri": _uri, "RelatedArtifact": _related},
    "date": {
        "date": _dated(interval),
        "dateTime": _dated(interval),
        "instant": _dated(interval),
        "Period": _dated(period_interval),
        "Timing": _dated(timing_interval),
    },
    "string": _TEXTS,
    "uri": {"uri": _uri, "url": _uri, "oid": _uri, "canonical": _canonical},
    "quantity": {
        "Quantity": _quantity,
        "SimpleQuantity": _quantity,
        "Age": _quantity,
        "Duration": _quantity,
        "Range": _range,
    },
    "special": {"position": _position},
    "number": {"integer": _number, "decimal": _number, "positiveInt": _number, "unsignedInt": _number},
}
