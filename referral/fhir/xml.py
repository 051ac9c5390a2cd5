"""FHIR's XML, read into the same documents as its JSON and written from them, along the shapes of R4.

Nothing is lost between the two: digits, primitive extensions, contained resources, and the narrative word for
word as it was sent. Comments and the order of elements mean nothing in FHIR and are not kept. Entities are
never expanded and nothing is ever fetched: a document type declaration is refused where it begins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn
from xml.parsers import expat

from referral.fhir.definitions import ElementRow, resource_types
from referral.fhir.hints import nearest
from referral.fhir.json import MAX_BYTES, MAX_DEPTH, deeper_than, read_decimal, read_integer
from referral.fhir.narrative import XHTML
from referral.fhir.primitives import PRIMITIVES
from referral.fhir.problems import InvalidResource, Issue, TooLarge, Unreadable
from referral.fhir.xml_writing import FHIR, encode_xml, is_attribute, shape_of, with_namespace

__all__ = ["decode_xml", "encode_xml"]

# Each object of JSON is one element here, and a resource inside another has a second one around it.
_MAX_ELEMENTS_DEEP: Final = 2 * MAX_DEPTH
_MAX_ISSUES: Final = 100
_SEPARATOR: Final = " "
_DIV: Final = f"{XHTML}{_SEPARATOR}div"
# Where a schema lies is a hint for editors; HL7's own examples carry it.
_HINTS: Final = "http://www.w3.org/2001/XMLSchema-instance"
_WHOLE: Final = frozenset({"integer", "positiveInt", "unsignedInt"})
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def decode_xml(raw: bytes, *, limit: int = MAX_BYTES) -> dict[str, Any]:
    """The resource as its JSON would be decoded; whether it is a valid one is for the validation to say.

    Refuses with TooLarge (more than `limit` bytes, nested too deeply), Unreadable (not the XML that is
    taken) or InvalidResource (elements, attributes or texts that R4 does not know where they stand), and
    with nothing but these.
    """
    if len(raw) > limit:
        raise TooLarge(Issue(f"The body has {len(raw)} bytes; at most {limit} are taken.", code="too-long"))
    root = _tree(raw)
    reading = _Reading()
    document = reading.resource(root, _local(root.name) or "")
    if reading.issues:
        raise InvalidResource(*reading.issues)
    if deeper_than(document, MAX_DEPTH):
        _too_deep()
    return document


# ---- From bytes to elements


@dataclass(slots=True)
class _Node:
    """An element. `name` is `namespace local`, `div` the narrative as it was sent, `text` stray text."""

    name: str
    attributes: dict[str, str]
    line: int
    children: list[_Node] = field(default_factory=list)
    text: bool = False
    div: str | None = None


def _tree(raw: bytes) -> _Node:
    try:
        raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse(f"The body is not UTF-8: byte {error.start} is out of place.")
    builder = _Builder(raw)
    try:
        builder.parser.Parse(raw, True)
    except expat.ExpatError as error:
        _refuse(
            f"The body is not well-formed XML: {expat.ErrorString(error.code)} in line {error.lineno},"
            f" column {error.offset + 1}."
        )
    root = builder.root
    if root is None or not root.name.startswith(FHIR + _SEPARATOR):
        _refuse(f'The root element has to be a resource in the namespace of FHIR: xmlns="{FHIR}".')
    return root


class _Builder:
    """Handlers of the parser; a narrative is cut out of the bytes, not taken apart."""

    def __init__(self, raw: bytes) -> None:
        self.root: _Node | None = None
        self._raw = raw
        self._open: list[_Node] = []
        self._div_from = 0
        self._inside_div = 0
        # The encoding is given: what the declaration says is only compared with it.
        self.parser = parser = expat.ParserCreate("utf-8", _SEPARATOR)
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._doctype

    def _declaration(self, version: str, encoding: str | None, _: int) -> None:
        if version != "1.0" or (encoding or "utf-8").lower() not in ("utf-8", "utf8", "us-ascii", "ascii"):
            _refuse("Send XML 1.0 in UTF-8.")

    def _doctype(self, *_: object) -> NoReturn:
        _refuse("A document type declaration (DOCTYPE) is not taken; write characters, not entities.")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._inside_div:
            self._inside_div += 1
            return
        node = _Node(name, attributes, self.parser.CurrentLineNumber)
        if not self._open:
            self.root = node
        elif len(self._open) >= _MAX_ELEMENTS_DEEP:
            _too_deep()
        else:
            self._open[-1].children.append(node)
        self._open.append(node)
        if name == _DIV:
            self._inside_div = 1
            self._div_from = self.parser.CurrentByteIndex

    def _end(self, _: str) -> None:
        if self._inside_div > 1:
            self._inside_div -= 1
            return
        node = self._open.pop()
        if self._inside_div:
            self._inside_div = 0
            node.div = self._narrative(self._div_from, self.parser.CurrentByteIndex)

    def _narrative(self, start: int, end: int) -> str:
        raw = self._raw
        if not raw.startswith(b"</", end):
            return f'<div xmlns="{XHTML}"/>'
        return with_namespace(raw[start : raw.index(b">", end) + 1].decode())

    def _text(self, text: str) -> None:
        if self._open and not self._inside_div and not text.isspace():
            self._open[-1].text = True


# ---- From elements to a document


@dataclass(slots=True)
class _Reading:
    """Turns elements into a document and notes what R4 does not know; `where` is a FHIRPath."""

    issues: list[Issue] = field(default_factory=list)

    def resource(self, node: _Node, where: str) -> dict[str, Any]:
        name = _local(node.name)
        if name is None or name not in resource_types():
            text = f"'{(name or node.name)[:40]}' is not a resource type of FHIR R4."
            self.issues.append(Issue(text, (where or "resourceType",), "not-supported"))
            return {}
        return {"resourceType": name, **self._object(name, node, where)}

    def _object(self, shape: str, node: _Node, where: str) -> dict[str, Any]:
        row = shape_of(shape)
        found = self._attributes(shape, node, where)
        if node.text:
            self._note(node, where, "contains text; values stand in value attributes")
        for name, nodes in _by_name(node).items():
            element = row.elements.get(name)
            if element is None or is_attribute(shape, name):
                self._unknown(shape, nodes[0], where, name)
            else:
                self._element(found, name, element, nodes, f"{where}.{element.choice or name}")
        return found

    def _unknown(self, shape: str, node: _Node, where: str, name: str) -> None:
        if len(self.issues) >= _MAX_ISSUES:
            return
        text = f"is not an element of {shape}{nearest(name, shape_of(shape).elements)}"
        if is_attribute(shape, name):
            tag = node.name.rpartition(_SEPARATOR)[2]
            text = f'is an attribute in XML: write {name}="…" into the tag around <{tag}>'
        self._note(node, f"{where}.{name[:64].rstrip('?')}", text)

    def _attributes(self, shape: str, node: _Node, where: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in node.attributes.items():
            if is_attribute(shape, name):
                found[name] = value
            elif not name.startswith(_HINTS):
                shown = name.rpartition(_SEPARATOR)[2][:40]
                self._note(node, where, f"has an attribute '{shown}', which this element does not have")
        return found

    def _element(
        self, found: dict[str, Any], name: str, row: ElementRow, nodes: list[_Node], where: str
    ) -> None:
        if len(nodes) > 1 and not row.many:
            self._note(nodes[1], where, f"is there {len(nodes)} times and may be there once")
            return
        places = [f"{where}[{index}]" if row.many else where for index in range(len(nodes))]
        if row.type == "xhtml":
            found[name] = self._narrative(nodes[0], where)
        elif row.type not in PRIMITIVES:
            made = [self._child(row, node, place) for node, place in zip(nodes, places, strict=True)]
            found[name] = made if row.many else made[0]
        else:
            pairs = [self._primitive(row, node, place) for node, place in zip(nodes, places, strict=True)]
            values, more = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
            if any(value is not None for value in values):
                found[name] = values if row.many else values[0]
            if any(more):
                found[f"_{name}"] = more if row.many else more[0]

    def _child(self, row: ElementRow, node: _Node, where: str) -> dict[str, Any]:
        if row.type != "Resource":
            return self._object(row.type, node, where)
        if len(node.children) != 1 or node.attributes or node.text:
            self._note(node, where, "has to contain one resource and nothing else")
            return {}
        return self.resource(node.children[0], where)

    def _primitive(self, row: ElementRow, node: _Node, where: str) -> tuple[Any, dict[str, Any] | None]:
        """The value and what stands beside it in `_name`; None where there is none."""
        text = node.attributes.pop("value", None)
        beside = self._object("Element", node, where) or None
        if text is None and beside is None:
            self._note(node, where, "has to have a value or an extension")
        return (None if text is None else self._value(row.type, text, node, where)), beside

    def _value(self, kind: str, text: str, node: _Node, where: str) -> Any:
        if kind == "boolean":
            if text in ("true", "false"):
                return text == "true"
            self._note(node, where, "has to be true or false")
        elif kind in _WHOLE:
            if _INTEGER.fullmatch(text):
                return read_integer(text)
            self._note(node, where, "has to be a whole number")
        elif kind == "decimal":
            if _DECIMAL.fullmatch(text):
                return read_integer(text) if _INTEGER.fullmatch(text) else read_decimal(text)
            self._note(node, where, "has to be a number such as 1.50")
        return text

    def _narrative(self, node: _Node, where: str) -> str:
        if node.div is None:
            self._note(node, where, f'has to be XHTML: <div xmlns="{XHTML}">')
        return node.div or ""

    def _note(self, node: _Node, where: str, text: str) -> None:
        if len(self.issues) < _MAX_ISSUES:
            self.issues.append(Issue(f"{where} {text} (line {node.line}).", (where,), "structure"))


def _by_name(node: _Node) -> dict[str, list[_Node]]:
    """Children by their names; one of a foreign namespace has a name that no shape knows."""
    found: dict[str, list[_Node]] = {}
    for child in node.children:
        name = (
            "div" if child.name == _DIV else _local(child.name) or child.name.rpartition(_SEPARATOR)[2] + "?"
        )
        found.setdefault(name, []).append(child)
    return found


def _local(name: str) -> str | None:
    """The name without FHIR's namespace; None in any other."""
    namespace, _, local = name.rpartition(_SEPARATOR)
    return local if namespace == FHIR else None


def _refuse(text: str) -> NoReturn:
    raise Unreadable(Issue(text, code="structure"))


def _too_deep() -> NoReturn:
    raise TooLarge(Issue(f"The body is nested deeper than {MAX_DEPTH} levels.", code="too-long"))
