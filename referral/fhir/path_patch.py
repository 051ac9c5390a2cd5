"""FHIRPath Patch (R4): operations in a Parameters resource, carried out as JSON Patch on the stored document.

Of FHIRPath only what names elements is understood: `name`, `[n]`, `first()`, `last()`, `extension('url')` and
`where(a.b = 'text')`. A whole FHIRPath engine would compute what a client likes, and could not say where in
the document its results stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from referral.fhir.definitions import ElementRow, shape_row
from referral.fhir.json_patch import Patch, PatchConflict
from referral.fhir.problems import Issue, TooLarge, Unreadable

MAX_OPERATIONS: Final = 50
_LONGEST_PATH: Final = 500
_ROOT: Final = re.compile(r"[A-Z][A-Za-z]+")
_STEP: Final = re.compile(
    r"\.where\(\s*(?P<key>[A-Za-z]+(?:\.[A-Za-z]+)*)\s*=\s*'(?P<text>[^'\\]*)'\s*\)"
    r"|\.extension\('(?P<url>[^'\\]*)'\)"
    r"|\.(?P<edge>first|last)\(\)"
    r"|\[(?P<index>[0-9]{1,4})\]"
    r"|\.(?P<name>[A-Za-z][A-Za-z0-9]*)"
)
# What each type of operation has to say besides its path, and as what.
_NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "add": ("name", "value"),
    "insert": ("index", "value"),
    "replace": ("value",),
    "delete": (),
    "move": ("source", "destination"),
}
_KINDS: Final[dict[str, tuple[str, type]]] = {
    "type": ("valueCode", str),
    "path": ("valueString", str),
    "name": ("valueString", str),
    "index": ("valueInteger", int),
    "source": ("valueInteger", int),
    "destination": ("valueInteger", int),
}


@dataclass(frozen=True, slots=True)
class _Node:
    """An element of the document: where it is, and the shape that it has."""

    steps: tuple[str | int, ...]
    value: Any
    shape: str


@dataclass(frozen=True, slots=True)
class PathPatch:
    """Operations that can be read; `apply` is as that of a JSON Patch."""

    operations: tuple[dict[str, Any], ...]

    def apply(self, document: dict[str, Any]) -> Any:
        """Raises PatchConflict where a path does not name what the operation needs."""
        for index, operation in enumerate(self.operations):
            steps = _Translation(document, operation, f"Parameters.parameter[{index}]").steps()
            document = Patch(tuple(steps)).apply(document) if steps else document
        return document


def path_patch_of(parameters: Any) -> PathPatch:
    """Raises Unreadable or TooLarge."""
    rows = parameters.get("parameter") if isinstance(parameters, dict) else None
    if not isinstance(rows, list) or not rows or parameters.get("resourceType") != "Parameters":
        text = "A FHIRPath Patch is a Parameters resource with parameters named operation."
        raise Unreadable(Issue(text, ("Parameters",), "structure"))
    if len(rows) > MAX_OPERATIONS:
        text = f"The patch has {len(rows)} operations; at most {MAX_OPERATIONS} are taken."
        raise TooLarge(Issue(text, ("Parameters.parameter",), "too-costly"))
    return PathPatch(tuple(_read(row, f"Parameters.parameter[{index}]") for index, row in enumerate(rows)))


def _read(row: Any, where: str) -> dict[str, Any]:
    parts = row.get("part") if isinstance(row, dict) and row.get("name") == "operation" else None
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        _unreadable("is no operation with parts", where)
    found: dict[str, Any] = {}
    for part in parts:
        name = part.get("name")
        if not isinstance(name, str) or name in found or (name != "value" and name not in _KINDS):
            _unreadable("has a part that is unknown, or there twice", where)
        found[name] = part if name == "value" else _plain(part, name, where)
    kind = found.get("type")
    if kind not in _NEEDS or "path" not in found:
        _unreadable(f"needs a path and a type out of {', '.join(sorted(_NEEDS))}", where)
    missing = [name for name in _NEEDS[kind] if name not in found]
    if missing:
        _unreadable(f"needs {' and '.join(missing)} for {kind}", where)
    if "value" in found:
        _check_value(found["value"], where)
    found["steps"] = list(_path(found["path"], where))
    return found


def _plain(part: dict[str, Any], name: str, where: str) -> Any:
    key, kind = _KINDS[name]
    value = part.get(key)
    if type(value) is not kind or (isinstance(value, int) and not 0 <= value < 10_000):
        _unreadable(f"needs its {name} as {key}", where)
    return value


def _check_value(part: Any, where: str) -> None:
    """One value[x], or parts that have names and values themselves."""
    values = [key for key in part if _is_value(key)] if isinstance(part, dict) else []
    inner = part.get("part") if isinstance(part, dict) and not values else None
    if len(values) == 1:
        return
    if not isinstance(inner, list) or not inner:
        _unreadable("has a value that is no value[x] and has no parts", where)
    for below in inner:
        if not isinstance(below, dict) or not isinstance(below.get("name"), str) or not below["name"]:
            _unreadable("has a value with a part that has no name", where)
        _check_value(below, where)


def _is_value(key: str) -> bool:
    return key.startswith("value") and key[5:6].isupper()


def _path(path: str, where: str) -> Iterator[re.Match[str]]:
    """The root and the steps behind it; everything has to be understood."""
    root = _ROOT.match(path)
    if root is None or len(path) > _LONGEST_PATH:
        _unreadable("has a path that does not start with the type of the resource", where)
    yield root
    place = root.end()
    while place < len(path):
        step = _STEP.match(path, place)
        if step is None:
            known = "element names, [n], first(), last(), extension('url') and where(name = 'text')"
            _unreadable(f"has a path that is not understood; known are {known}", where)
        yield step
        place = step.end()


def _unreadable(text: str, where: str) -> NoReturn:
    raise Unreadable(Issue(f"{where} {text}.", (where,), "structure"))


class _Translation:
    """One operation against the document as it stands."""

    def __init__(self, document: dict[str, Any], operation: dict[str, Any], where: str) -> None:
        self._document, self._operation, self._where = document, operation, where

    def steps(self) -> list[dict[str, Any]]:
        """Operations of JSON Patch; none where there is nothing to delete."""
        does: dict[str, Callable[[list[_Node]], list[dict[str, Any]]]] = {
            "add": self._add,
            "insert": self._insert,
            "replace": self._replace,
            "delete": self._delete,
            "move": self._move,
        }
        return does[self._operation["type"]](self._nodes())

    def _nodes(self) -> list[_Node]:
        root, *steps = self._operation["steps"]
        if root[0] != self._document.get("resourceType"):
            self._conflict("does not start with the type of the resource")
        nodes = [_Node((), self._document, root[0])]
        for step in steps:
            nodes = _follow(nodes, step)
        return nodes

    def _one(self, nodes: list[_Node]) -> _Node:
        if len(nodes) != 1:
            self._conflict(f"names {len(nodes) or 'no'} elements; it has to name one")
        return nodes[0]

    def _add(self, nodes: list[_Node]) -> list[dict[str, Any]]:
        node, name = self._one(nodes), self._operation["name"]
        if not isinstance(node.value, dict):
            self._conflict("names a value that has no elements")
        key, value = _content(node.shape, name, self._operation["value"])
        row = _rows(node.shape).get(key)
        taken = [other for other in node.value if other == key or _choice(node.shape, other) == name]
        if row is not None and row.many:
            has_list = isinstance(node.value.get(key), list)
            self._refuse_beside(node.value, key)
            path, value = ((*node.steps, key, "-"), value) if has_list else ((*node.steps, key), [value])
            return [{"op": "add", "path": _pointer(path), "value": value}]
        if taken:
            self._conflict(f"has {name[:40]} already; replace it")
        return [{"op": "add", "path": _pointer((*node.steps, key)), "value": value}]

    def _replace(self, nodes: list[_Node]) -> list[dict[str, Any]]:
        node = self._one(nodes)
        place = len(node.steps) - (2 if node.steps and isinstance(node.steps[-1], int) else 1)
        if place < 0:
            self._conflict("names the resource itself; send it with PUT")
        holder = self._shape_above(node.steps[:place])
        old = str(node.steps[place])
        key, value = _content(holder, _choice(holder, old) or old, self._operation["value"])
        if key == old:
            replaced = {"op": "replace", "path": _pointer(node.steps), "value": value}
            return [replaced, *self._without_extensions(node.steps)]
        beside = (*node.steps[:place], key)
        return [
            {"op": "remove", "path": _pointer(node.steps)},
            *self._without_extensions(node.steps),
            {"op": "add", "path": _pointer(beside), "value": value},
        ]

    def _delete(self, nodes: list[_Node]) -> list[dict[str, Any]]:
        if not nodes:
            return []
        node = self._one(nodes)
        if not node.steps:
            self._conflict("names the resource itself, which is not deleted")
        if isinstance(node.steps[-1], int):
            items = self._at(node.steps[:-1])
            self._refuse_beside(self._at(node.steps[:-2]), str(node.steps[-2]))
            # An empty list is no FHIR.
            path = node.steps if len(items) > 1 else node.steps[:-1]
            return [{"op": "remove", "path": _pointer(path)}]
        return [{"op": "remove", "path": _pointer(node.steps)}, *self._without_extensions(node.steps)]

    def _without_extensions(self, steps: tuple[str | int, ...]) -> list[dict[str, Any]]:
        """An element that goes takes the extensions with it that stand beside it."""
        beside = f"_{steps[-1]}"
        there = isinstance(steps[-1], str) and beside in self._at(steps[:-1])
        return [{"op": "remove", "path": _pointer((*steps[:-1], beside))}] if there else []

    def _insert(self, nodes: list[_Node]) -> list[dict[str, Any]]:
        holder, items, shape = self._list(nodes)
        index = self._operation["index"]
        if index > len(items):
            self._conflict(f"has {len(items)} elements; there is no place {index}")
        _, value = _content(shape, str(holder[-1]), self._operation["value"])
        return [{"op": "add", "path": _pointer((*holder, index)), "value": value}]

    def _move(self, nodes: list[_Node]) -> list[dict[str, Any]]:
        holder, items, _ = self._list(nodes)
        source, destination = self._operation["source"], self._operation["destination"]
        if max(source, destination) >= len(items):
            self._conflict(f"has {len(items)} elements; they are numbered from 0")
        path, origin = _pointer((*holder, destination)), _pointer((*holder, source))
        return [{"op": "move", "from": origin, "path": path}]

    def _list(self, nodes: list[_Node]) -> tuple[tuple[str | int, ...], list[Any], str]:
        """The list that the nodes are all of: where it is, its items, and the shape that holds it."""
        holders = {node.steps[:-1] for node in nodes if node.steps and isinstance(node.steps[-1], int)}
        holder = next(iter(holders), ())
        items = self._at(holder) if holder else []
        if len(holders) != 1 or len(items) != len(nodes):
            self._conflict("has to name all elements of one list")
        self._refuse_beside(self._at(holder[:-1]), str(holder[-1]))
        return holder, items, self._shape_above(holder[:-1])

    def _refuse_beside(self, holder: Any, key: str) -> None:
        """Extensions of the items of a list stand in a list beside it, which would no longer fit."""
        if f"_{key}" in holder:
            self._conflict("names a list whose items have extensions beside them; use JSON Patch")

    def _at(self, steps: tuple[str | int, ...]) -> Any:
        value: Any = self._document
        for step in steps:
            value = value[step]
        return value

    def _shape_above(self, steps: tuple[str | int, ...]) -> str:
        nodes = [_Node((), self._document, str(self._document.get("resourceType")))]
        for step in steps:
            if isinstance(step, str):
                nodes = [below for node in nodes for below in _children(node, step)]
            else:
                nodes = nodes[step : step + 1]
        return nodes[0].shape

    def _conflict(self, text: str) -> NoReturn:
        path = ascii(self._operation["path"])[1:-1][:100]
        raise PatchConflict(f"The path {path} {text}.", self._where)


def _follow(nodes: list[_Node], step: re.Match[str]) -> list[_Node]:
    if step["index"] is not None:
        return nodes[int(step["index"]) :][:1]
    if step["edge"] is not None:
        return nodes[:1] if step["edge"] == "first" else nodes[-1:]
    if step["url"] is not None:
        found = [below for node in nodes for below in _children(node, "extension")]
        return [node for node in found if _holds(node, ("url",), step["url"])]
    if step["key"] is not None:
        return [node for node in nodes if _holds(node, tuple(step["key"].split(".")), step["text"])]
    return [below for node in nodes for below in _children(node, step["name"])]


def _holds(node: _Node, names: tuple[str, ...], text: str) -> bool:
    nodes = [node]
    for name in names:
        nodes = [below for above in nodes for below in _children(above, name)]
    return any(found.value == text for found in nodes)


def _children(node: _Node, name: str) -> Iterator[_Node]:
    """Elements of this name, items of lists one by one; a choice goes by its common name too."""
    if not isinstance(node.value, dict):
        return
    for key, value in node.value.items():
        if key != name and _choice(node.shape, key) != name:
            continue
        row = _rows(node.shape).get(key)
        items = (
            [((key, place), item) for place, item in enumerate(value)]
            if isinstance(value, list)
            else [((key,), value)]
        )
        for steps, item in items:
            shape = row.type if row else ""
            if shape == "Resource" and isinstance(item, dict):
                shape = str(item.get("resourceType"))
            yield _Node((*node.steps, *steps), item, shape)


def _content(shape: str, name: str, part: dict[str, Any]) -> tuple[str, Any]:
    """The key and the JSON of a value for the element `name` of a shape."""
    rows = _rows(shape)
    kind = next((key for key in part if _is_value(key)), None)
    if kind is not None:
        return (name if name in rows else name + kind[5:]), part[kind]
    below = rows[name].type if name in rows else ""
    made: dict[str, Any] = {}
    for inner in part["part"]:
        key, value = _content(below, inner["name"], inner)
        row = _rows(below).get(key)
        if row is not None and row.many:
            made.setdefault(key, []).append(value)
        else:
            made[key] = value
    return name, made


def _rows(shape: str) -> dict[str, ElementRow]:
    found = shape_row(shape)
    return found.elements if found else {}


def _choice(shape: str, key: str) -> str | None:
    row = _rows(shape).get(key)
    return row.choice if row else None


def _pointer(steps: tuple[str | int, ...]) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)
