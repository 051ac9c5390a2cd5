"""The primitive types of FHIR R4: what each may look like in JSON.

A check takes a value and answers None, or the end of a sentence that says what it should be.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from referral.fhir.intervals import interval
from referral.fhir.narrative import narrative_problem

Check = Callable[[Any], str | None]

_BLANK_OR_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_INT32 = 2**31 - 1
# Everything but white space, controls and halves of surrogate pairs.
_VISIBLE = r"[^\s\x00-\x1f\x7f\ud800-\udfff]+"


def _text(value: Any) -> str | None:
    if type(value) is not str:
        return "has to be a text in quotation marks"
    if not value or value.isspace():
        return "may not be empty; leave the element out instead"
    if _BLANK_OR_CONTROL.search(value):
        return "contains a control character; take it out"
    return None


def _like(pattern: str, wanted: str) -> Check:
    matches = re.compile(pattern).fullmatch

    def check(value: Any) -> str | None:
        return None if type(value) is str and matches(value) else wanted

    return check


def _dated(pattern: str, wanted: str) -> Check:
    """The pattern says which precisions a type allows, the calendar whether there is such a day."""
    matches = re.compile(pattern).fullmatch

    def check(value: Any) -> str | None:
        fits = type(value) is str and matches(value) and interval(value) is not None
        return None if fits else wanted

    return check


def _boolean(value: Any) -> str | None:
    return None if type(value) is bool else "has to be true or false, without quotation marks"


def _whole(low: int, wanted: str) -> Check:
    def check(value: Any) -> str | None:
        return None if type(value) is int and low <= value <= _INT32 else wanted

    return check


def _decimal(value: Any) -> str | None:
    if type(value) is int or (type(value) is Decimal and value.is_finite()):
        return None
    # Resources that this program builds may carry floats; NaN and the infinities are unequal to themselves
    # minus themselves.
    if type(value) is float and value - value == 0:
        return None
    return "has to be a number, without quotation marks"


def _base64(value: Any) -> str | None:
    if type(value) is not str or not value:
        return "has to be base64"
    try:
        binascii.a2b_base64("".join(value.split()), strict_mode=True)
    except (binascii.Error, ValueError):
        return "is not base64 (RFC 4648)"
    return None


_MONTH_DAY = r"-(?:0[1-9]|1[0-2])"
_DAY = r"-(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])"

PRIMITIVES: Final[dict[str, Check]] = {
    "base64Binary": _base64,
    "boolean": _boolean,
    "canonical": _like(_VISIBLE, "has to be a canonical URL without spaces"),
    "code": _like(rf"{_VISIBLE}(?: {_VISIBLE})*", "has to be a code: a text without spaces around it"),
    "date": _dated(
        rf"[0-9]{{4}}(?:{_MONTH_DAY}(?:{_DAY})?)?", "has to be a date such as 2026-03-01, 2026-03 or 2026"
    ),
    "dateTime": _dated(
        rf"[0-9]{{4}}(?:{_MONTH_DAY}(?:{_DAY}(?:T{_CLOCK}{_ZONE})?)?)?",
        "has to be a date, or a time with seconds and zone such as 2026-03-01T10:00:00Z",
    ),
    "decimal": _decimal,
    "id": _like(r"[A-Za-z0-9\-.]{1,64}", "has to be 1 to 64 letters, digits, hyphens or dots"),
    "instant": _dated(
        rf"[0-9]{{4}}{_MONTH_DAY}{_DAY}T{_CLOCK}{_ZONE}",
        "has to be a time with seconds and zone such as 2026-03-01T10:00:00Z",
    ),
    "integer": _whole(-_INT32 - 1, "has to be a whole number, without quotation marks"),
    "markdown": _text,
    "oid": _like(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+", "has to be an OID such as urn:oid:1.2.3"),
    "positiveInt": _whole(1, "has to be a whole number from 1"),
    "string": _text,
    "time": _like(_CLOCK, "has to be a time of day such as 10:00:00"),
    "unsignedInt": _whole(0, "has to be a whole number from 0"),
    "uri": _like(_VISIBLE, "has to be a URI without spaces"),
    "url": _like(_VISIBLE, "has to be a URL without spaces"),
    "uuid": _like(
        r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "has to be a UUID such as urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    ),
    "xhtml": narrative_problem,
}

# Value sets that are open-ended by nature: their syntax.
SYNTAX: Final[dict[str, Check]] = {
    "mimetypes": _like(
        # FHIR's own short names for its formats are used where a MIME type is wanted.
        r"xml|json|ttl|[\w.+!#$&^-]+/[\w.+!#$&^*-]+(?:\s*;\s*[^\s;]+)*",
        "has to be a MIME type such as text/plain",
    ),
    "currencies": _like(r"[A-Z]{3}", "has to be a currency such as USD"),
}
