"""The values of a search: what a client writes behind the equals sign, and what it asks of an index entry.

Each value answers `accepts(entry)`. That is the meaning; the store says the same in SQL, and its tests
compare the two.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from referral.fhir.definitions import SERVED_TYPES
from referral.fhir.index_values import MAX_KEY, IndexEntry, fold, unpaired
from referral.fhir.intervals import BEGINNING, END, interval
from referral.fhir.reference_targets import parse_reference

PREFIXES: Final = frozenset({"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"})
_PREFIXED = re.compile(r"([a-z]{2})?(.+)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?")
# A plus sign that was not encoded arrives as a space.
_LOST_PLUS = re.compile(r"(T[0-9:.]+) ([0-9]{2}:[0-9]{2})")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
# In kilometres; its surface as a sphere of the mean radius (IUGG).
EARTH_DIAMETER: Final = 2 * 6371.0088
MAX_DISTANCE: Final = 1e6
# UCUM units of length in kilometres.
_UNITS: Final = {"km": 1.0, "m": 0.001, "[mi_us]": 1.609347, "[mi_i]": 1.609344, "mi": 1.609344}


@dataclass(frozen=True, slots=True)
class TokenValue:
    """`system` None asks for any, '' for none at all (`|code`); `value` None for any code of the system."""

    system: str | None
    value: str | None

    def accepts(self, entry: IndexEntry) -> bool:
        return (self.system is None or (entry.system or "") == self.system) and (
            self.value is None or entry.value == self.value
        )


@dataclass(frozen=True, slots=True)
class ReferenceValue:
    """Any of `targets`: `Type/id`, an absolute URL or a canonical. An id alone is tried with every type."""

    targets: tuple[str, ...]

    def accepts(self, entry: IndexEntry) -> bool:
        return entry.value in self.targets


@dataclass(frozen=True, slots=True)
class StringValue:
    """`folded` for the usual search (starts with) and `:contains`, `written` for `:exact`."""

    folded: str
    written: str

    def accepts(self, entry: IndexEntry, modifier: str | None = None) -> bool:
        if modifier == "exact":
            return entry.system == self.written
        text = entry.value or ""
        return self.folded in text if modifier == "contains" else text.startswith(self.folded)


@dataclass(frozen=True, slots=True)
class UriValue:
    """The whole of it, or with `:below` what begins with it."""

    value: str

    def accepts(self, entry: IndexEntry, modifier: str | None = None) -> bool:
        text = entry.value or ""
        return text.startswith(self.value) if modifier == "below" else text == self.value


@dataclass(frozen=True, slots=True)
class DateValue:
    """[low, high) is what the client wrote, as wide as its precision; for `ap` it is widened already."""

    prefix: str
    low: datetime
    high: datetime

    def accepts(self, entry: IndexEntry) -> bool:
        low, high = entry.low or BEGINNING, entry.high or END
        return _compare(self.prefix, (low, high), (self.low, self.high))


@dataclass(frozen=True, slots=True)
class NumberValue:
    """[low, high) is as wide as the number is precise: 100 is [99.5, 100.5). No `system`, no `unit`: any."""

    prefix: str
    number: Decimal
    low: Decimal
    high: Decimal
    system: str | None = None
    unit: str | None = None

    def accepts(self, entry: IndexEntry) -> bool:
        if entry.number is None or (self.system is not None and (entry.system or "") != self.system):
            return False
        if self.unit is not None and entry.value != self.unit:
            return False
        return _compare_number(self.prefix, entry.number, self)


@dataclass(frozen=True, slots=True)
class CompositeValue:
    """`first$second`, both of one element."""

    first: TokenValue
    second: TokenValue | ReferenceValue | StringValue | DateValue | NumberValue

    def accepts(self, entry: IndexEntry) -> bool:
        one, two = unpaired(entry)
        return self.first.accepts(one) and self.second.accepts(two)


@dataclass(frozen=True, slots=True)
class NearValue:
    """Within `kilometres` of a point on the earth, in degrees (WGS 84)."""

    latitude: float
    longitude: float
    kilometres: float

    def accepts(self, entry: IndexEntry) -> bool:
        if entry.number is None or entry.value is None:
            return False
        there = math.radians(float(entry.number)), math.radians(float(entry.value))
        here = math.radians(self.latitude), math.radians(self.longitude)
        half = (
            math.sin((there[0] - here[0]) / 2) ** 2
            + math.cos(here[0]) * math.cos(there[0]) * math.sin((there[1] - here[1]) / 2) ** 2
        )
        return EARTH_DIAMETER * math.asin(min(1.0, math.sqrt(half))) <= self.kilometres


Value = (
    TokenValue
    | ReferenceValue
    | StringValue
    | UriValue
    | DateValue
    | NumberValue
    | CompositeValue
    | NearValue
)


def _compare(prefix: str, target: tuple[datetime, datetime], asked: tuple[datetime, datetime]) -> bool:
    """`target` is the range of the resource, `asked` that of the search value."""
    within = asked[0] <= target[0] and target[1] <= asked[1]
    if prefix in {"eq", "ne"}:
        return within is (prefix == "eq")
    if prefix in {"gt", "ge"}:
        return target[1] > asked[1] or (prefix == "ge" and within)
    if prefix in {"lt", "le"}:
        return target[0] < asked[0] or (prefix == "le" and within)
    if prefix == "sa":
        return target[0] >= asked[1]
    if prefix == "eb":
        return target[1] <= asked[0]
    return target[0] < asked[1] and asked[0] < target[1]


def _compare_number(prefix: str, number: Decimal, asked: NumberValue) -> bool:
    """Only eq, ne and ap mind the precision; the others compare with the number itself."""
    within = asked.low <= number < asked.high
    return {
        "eq": within,
        "ap": within,
        "ne": not within,
        "gt": number > asked.number,
        "sa": number > asked.number,
        "ge": number >= asked.number,
        "lt": number < asked.number,
        "eb": number < asked.number,
        "le": number <= asked.number,
    }[prefix]


def split_values(text: str, separator: str = ",") -> list[str]:
    r"""Parts between separators; a separator behind a backslash belongs to the part. Escapes are kept."""
    parts = re.split(rf"(?<!\\)((?:\\\\)*){re.escape(separator)}", text)
    return [parts[i] + (parts[i + 1] if i + 1 < len(parts) else "") for i in range(0, len(parts), 2)]


def unescape(text: str) -> str:
    r"""`\,` `\|` `\$` and `\\` without their backslash."""
    return re.sub(r"\\([,|$\\])", r"\1", text) if "\\" in text else text


def token(text: str) -> TokenValue:
    """`code`, `system|code`, `|code` or `system|`."""
    parts = [unescape(part)[:MAX_KEY] for part in split_values(text, "|")]
    if len(parts) == 1:
        value = parts[0]
        return TokenValue(None, value.lower() if "@" in value else value)
    if len(parts) != 2 or not any(parts):
        raise ValueError("has to be written as code, system|code, |code or system|")
    return TokenValue(parts[0], parts[1] or None)


def reference(text: str, targets: tuple[str, ...], base_url: str, canonical: bool) -> ReferenceValue:
    """`Type/id`, an id, or a URL; one below `base_url` is made relative. No `targets` means every type."""
    text = unescape(text)[:MAX_KEY]
    found = parse_reference(text)
    if found is not None:
        here = bool(base_url) and found.base.rstrip("/") == base_url.rstrip("/")
        return ReferenceValue((f"{'' if here else found.base}{found.type}/{found.id}",))
    if canonical or ":" in text:
        return ReferenceValue((text,))
    if not _ID.fullmatch(text):
        raise ValueError("has to be written as Type/id, as an id, or as a URL")
    return ReferenceValue(tuple(f"{target}/{text}" for target in targets or sorted(SERVED_TYPES)))


def string(text: str) -> StringValue:
    """Compared without case and accents, unless the modifier is `:exact`."""
    text = unescape(text)
    return StringValue(fold(text), text[:MAX_KEY])


def uri(text: str) -> UriValue:
    """Compared as it is."""
    return UriValue(unescape(text)[:MAX_KEY])


def date(text: str, now: datetime) -> DateValue:
    """A date of any precision behind an optional prefix; `ap` reaches a tenth of its distance from `now`."""
    prefix, rest = _prefixed(text)
    found = interval(_LOST_PLUS.sub(r"\1+\2", rest))
    if found is None:
        raise ValueError("has to be a date such as 2026-03-01, 2026-03, or ge2026-03-01T10:00:00Z")
    low, high = found
    if prefix == "ap":
        reach = abs(now - low) / 10
        low = low - reach if low - BEGINNING > reach else BEGINNING
        high = high + reach if END - high > reach else END
    return DateValue(prefix, low, high)


def number(text: str) -> NumberValue:
    """A number behind an optional prefix."""
    prefix, rest = _prefixed(text)
    if not _NUMBER.fullmatch(rest):
        raise ValueError("has to be a number such as 5, 5.40 or gt1e2")
    try:
        value = Decimal(rest)
    except InvalidOperation as error:
        raise ValueError("has to be a number such as 5, 5.40 or gt1e2") from error
    exponent = value.as_tuple().exponent
    half = Decimal(5).scaleb(int(exponent) - 1)
    reach = max(half, abs(value) / 10) if prefix == "ap" else half
    return NumberValue(prefix, value, value - reach, value + reach)


def quantity(text: str) -> NumberValue:
    """`number`, or `number|system|unit`, where system and unit may be empty."""
    parts = split_values(text, "|")
    if len(parts) not in {1, 3}:
        raise ValueError("has to be written as number or number|system|unit")
    plain = number(parts[0])
    if len(parts) == 1:
        return plain
    system, unit = unescape(parts[1])[:MAX_KEY], unescape(parts[2])[:MAX_KEY]
    return NumberValue(plain.prefix, plain.number, plain.low, plain.high, system or None, unit or None)


def uris_above(text: str) -> tuple[UriValue, ...]:
    """`:above`: the URI itself and every address that it lies below."""
    whole = unescape(text)[:MAX_KEY]
    head, mark, path = whole.partition("://")
    steps = (path if mark else whole).split("/")
    start = f"{head}{mark}" if mark else ""
    found = [start + "/".join(steps[:count]) for count in range(len(steps), 0, -1)]
    return tuple(UriValue(each) for each in dict.fromkeys([whole, *found]) if each)


def of_type(text: str) -> TokenValue:
    """`system|code|value` of an identifier's type and value, as one token."""
    parts = [unescape(part) for part in split_values(text, "|")]
    if len(parts) != 3 or not all(parts):
        raise ValueError("has to be written as system|code|value, of the identifier's type and its value")
    return TokenValue(parts[0][:MAX_KEY], f"{parts[1]}|{parts[2]}"[:MAX_KEY])


def near(text: str) -> NearValue:
    """`latitude|longitude|distance|unit`; without a unit kilometres, without a distance 50 of them."""
    parts = split_values(text, "|")
    if not 2 <= len(parts) <= 4:
        raise ValueError("has to be written as latitude|longitude|distance|unit")
    numbers = [number(part).number for part in parts[:3] if part]
    scale = _UNITS.get(parts[3] if len(parts) == 4 else "km")
    if len(numbers) < 2 or not parts[0] or not parts[1] or scale is None:
        raise ValueError(f"has to have numbers and one of the units {', '.join(sorted(_UNITS))}")
    latitude, longitude, distance = [*map(float, numbers), 50.0][:3]
    if abs(latitude) > 90 or abs(longitude) > 180 or not 0 <= distance <= MAX_DISTANCE:
        raise ValueError("has to have a latitude up to 90, a longitude up to 180 and a distance on earth")
    return NearValue(latitude, longitude, distance * scale)


def _prefixed(text: str) -> tuple[str, str]:
    match = _PREFIXED.fullmatch(text)
    if match is not None and match[1] in PREFIXES:
        return match[1], match[2]
    return "eq", text
