"""JSON as FHIR wants it: every digit survives, and nothing ambiguous gets in.

`1.50` is read as Decimal('1.50') and written as `1.50`. Duplicate keys, lone surrogates and U+0000 are
refused, because parsers behind us disagree about them or cannot store them; deep and huge input, because it
costs more than it says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final, NoReturn

import msgspec

from referral.fhir.problems import Issue, TooLarge, Unreadable

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 32
# Numbers with more characters or a wider exponent are no measurement; one such number could fill a page of
# storage.
_MAX_DIGITS: Final = 40
_MAX_EXPONENT: Final = 64

_ESCAPED_TROUBLE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


def decode(raw: bytes, *, limit: int = MAX_BYTES) -> dict[str, Any]:
    """One JSON object; decimals come back as Decimal.

    Refuses with TooLarge (more than `limit` bytes, nested deeper than 32) or Unreadable (everything else),
    and never with anything but these two. A byte order mark is dropped.
    """
    value = decode_any(raw, limit=limit)
    if not isinstance(value, dict):
        _refuse("The body has to be one JSON object.")
    return value


def decode_any(raw: bytes, *, limit: int = MAX_BYTES) -> Any:
    """As `decode`, but arrays and plain values are accepted too: a JSON Patch is an array."""
    if len(raw) > limit:
        raise TooLarge(Issue(f"The body has {len(raw)} bytes; at most {limit} are taken.", code="too-long"))
    try:
        text = raw.decode("utf-8-sig")
        value = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        _refuse(f"The body is not UTF-8: byte {error.start} is out of place.")
    except json.JSONDecodeError as error:
        _refuse(f"The body is not JSON: {error.msg} in line {error.lineno}, column {error.colno}.")
    except RecursionError:
        _too_deep()
    if deeper_than(value, MAX_DEPTH):
        _too_deep()
    if _ESCAPED_TROUBLE.search(raw) or b"\x00" in raw:
        _check_characters(value)
    return value


def decode_stored(text: str) -> dict[str, Any]:
    """What `decode` has let in before and the store has kept: nothing is left to be refused."""
    document: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return document


_ENCODER = msgspec.json.Encoder(decimal_format="number")
# Bound once: this is called for every resource of every answer.
encode: Callable[[Any], bytes] = _ENCODER.encode


def encode_pretty(value: Any) -> bytes:
    """For `_pretty=true`: two spaces, one element per line."""
    return msgspec.json.format(_ENCODER.encode(value), indent=2)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        name = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        _refuse(f"The property {_shown(name)} is there twice in one object.")
    return found


def read_decimal(text: str) -> Decimal:
    """With every digit it has; raises Unreadable for a number that no measurement needs."""
    number = Decimal(text) if len(text) <= _MAX_DIGITS else None
    if number is None or abs(number.adjusted()) > _MAX_EXPONENT:
        _refuse(f"The number {_shown(text)} is out of every sensible range.")
    return number


def read_integer(text: str) -> int:
    """Raises Unreadable as `read_decimal` does."""
    if len(text) > _MAX_DIGITS:
        _refuse(f"The number {_shown(text)} is out of every sensible range.")
    return int(text)


def _constant(text: str) -> NoReturn:
    _refuse(f"{text} is not a number that JSON knows.")


def deeper_than(value: Any, levels: int) -> bool:
    """Whether objects and arrays are nested deeper; level by level, so that depth itself costs nothing."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return bool(level)


def _check_characters(value: Any) -> None:
    for text in _texts(value):
        if "\x00" in text:
            _refuse("A text contains the character U+0000, which cannot be stored.")
        if any("\ud800" <= character <= "\udfff" for character in text):
            _refuse("A text contains half of a surrogate pair, which is no character.")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)


def _shown(text: str) -> str:
    """Quoted, cut short, and printable whatever it holds."""
    return ascii(text if len(text) <= 40 else text[:37] + "...")


def _refuse(text: str) -> NoReturn:
    raise Unreadable(Issue(text, code="structure"))


def _too_deep() -> NoReturn:
    raise TooLarge(Issue(f"The body is nested deeper than {MAX_DEPTH} levels.", code="too-long"))


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=read_decimal, parse_int=read_integer, parse_constant=_constant
)
