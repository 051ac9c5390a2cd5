"""A document written as FHIR's XML, and what reader and writer share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from referral.fhir.definitions import ElementRow, ShapeRow, resource_types, shape_row
from referral.fhir.narrative import XHTML, without_names
from referral.fhir.primitives import PRIMITIVES

FHIR: Final = "http://hl7.org/fhir"
_DIV_START: Final = re.compile(r"""<div(?:\s+[^\s=>/]+\s*=\s*(?:"[^"]*"|'[^']*'))*""")
_OWN_NAMESPACE: Final = re.compile(r"\sxmlns\s*=")


def is_attribute(shape: str, name: str) -> bool:
    """What XML writes as an attribute: ids of elements, and the URL of an extension."""
    return (name == "id" and shape not in resource_types()) or (name == "url" and shape == "Extension")


def shape_of(name: str) -> ShapeRow:
    """Raises LookupError for what R4 does not have."""
    row = shape_row(name)
    if row is None:
        raise LookupError(f"there is no shape {name}")
    return row


def encode_xml(document: dict[str, Any], *, pretty: bool = False) -> bytes:
    """A valid resource, as `decode` gives it, in FHIR's XML; elements in the order of R4.

    Raises LookupError for a property that R4 does not have: nothing is left out silently.
    """
    writer = _Writing(pretty)
    writer.resource(document, f' xmlns="{FHIR}"', 0)
    return "".join(['<?xml version="1.0" encoding="UTF-8"?>', *writer.parts]).encode()


@dataclass(slots=True)
class _Writing:
    pretty: bool
    parts: list[str] = field(default_factory=list)

    def resource(self, document: dict[str, Any], namespace: str, level: int) -> None:
        name = str(document["resourceType"])
        self._object(name, name, document, namespace, level)

    def _object(self, tag: str, shape: str, value: dict[str, Any], attributes: str, level: int) -> None:
        row, written = shape_of(shape), 1 if "resourceType" in value else 0
        for name in ("id", "url"):
            if name in value and is_attribute(shape, name):
                attributes += f' {name}="{_escaped(str(value[name]))}"'
                written += 1
        self._open(f"{tag}{attributes}", level)
        empty = len(self.parts)
        for name, element in row.elements.items():
            if (name in value or f"_{name}" in value) and not is_attribute(shape, name):
                written += self._element(name, element, value, level + 1)
        if written != len(value):
            raise LookupError(f"{shape} has properties that R4 does not know: {sorted(value)}")
        self._close(tag, empty, level)

    def _element(self, name: str, row: ElementRow, holder: dict[str, Any], level: int) -> int:
        """How many properties of JSON were written: the value, what stands beside it, or both."""
        value, beside = holder.get(name), holder.get(f"_{name}")
        values: list[Any] = value if isinstance(value, list) else [value]
        if row.type == "xhtml":
            self._line(level)
            self.parts.append(with_namespace(without_names(str(value))))
        elif row.type in PRIMITIVES:
            extras: list[Any] = beside if isinstance(beside, list) else [beside]
            for index in range(max(len(values) if name in holder else 0, len(extras))):
                self._primitive(name, _at(values, index), _at(extras, index), level)
        elif row.type == "Resource":
            for resource in values:
                self._open(name, level)
                self.resource(resource, "", level + 1)
                self._close(name, 0, level)
        else:
            for item in values:
                self._object(name, row.type, item, "", level)
        return (name in holder) + (f"_{name}" in holder)

    def _primitive(self, name: str, value: Any, beside: dict[str, Any] | None, level: int) -> None:
        attribute = "" if value is None else f' value="{_escaped(_text_of(value))}"'
        self._object(name, "Element", beside or {}, attribute, level)

    def _open(self, tag: str, level: int) -> None:
        self._line(level)
        self.parts.append(f"<{tag}>")

    def _close(self, tag: str, empty: int, level: int) -> None:
        """`empty` is how many parts there were before the content."""
        if len(self.parts) == empty:
            self.parts[-1] = f"{self.parts[-1][:-1]}/>"
        else:
            self._line(level)
            self.parts.append(f"</{tag}>")

    def _line(self, level: int) -> None:
        if self.pretty:
            self.parts.append("\n" + "  " * level)


def _at(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else None


def _text_of(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def with_namespace(div: str) -> str:
    """XML has to say of every narrative that it is XHTML."""
    start = _DIV_START.match(div)
    if start is None or _OWN_NAMESPACE.search(start[0]):
        return div
    return f'<div xmlns="{XHTML}"{div[4:]}'


# A parser turns bare line ends and tabs of an attribute into spaces.
_ESCAPES: Final = {
    "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;",
}  # fmt: skip
# The last group no XML 1.0 can carry; of it, only what Unicode sets aside gets into a resource.
_TO_ESCAPE: Final = re.compile('[&<>"\t\n\r]|[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')


def _escaped(text: str) -> str:
    return _TO_ESCAPE.sub(lambda match: _ESCAPES.get(match[0], "\ufffd"), text)
