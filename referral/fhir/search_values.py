"""The values of a search: what a client writes behind the equals sign, and what it asks of an index entry.

Each value answers `accepts(entry)`. That is the meaning; the store says the same in SQL, and its tests
compare the two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from referral.fhir.definitions import SERVED_TYPES
from referral.fhir.index_values import MAX_KEY, IndexEntry, fold
from referral.fhir.intervals import BEGINNING, END, interval
from referral.fhir.reference_targets import parse_reference

PREFIXES: Final = frozenset({"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"})
_PREFIXED = re.compile(r"([a-z]{2})?(.+)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?")
# A plus sign that was not encoded arrives as a space.
_LOST_PLUS = re.compile(r"(T[0-9:.]+) ([0-9]{2}:[0-9]{2})")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


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
    value: str

    def accepts(self, entry: IndexEntry) -> bool:
        return entry.value == self.value


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


Value = TokenValue | ReferenceValue | StringValue | UriValue | DateValue | NumberValue


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


def _prefixed(text: str) -> tuple[str, str]:
    match = _PREFIXED.fullmatch(text)
    if match is not None and match[1] in PREFIXES:
        return match[1], match[2]
    return "eq", text
