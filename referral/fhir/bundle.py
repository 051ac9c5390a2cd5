"""Bundles: a batch or transaction read into entries, references rewritten, and the Bundles that are answered.

Nothing here decides what an entry may do or carries it out. Reading, ordering and rewriting work on what the
client sent and leave its digits and extensions alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NoReturn
from urllib.parse import unquote

from referral.fhir.definitions import resource_types
from referral.fhir.problems import InvalidResource, Issue, TooLarge
from referral.fhir.reference_targets import parse_reference

MAX_ENTRIES: Final = 200
_METHODS: Final = ("DELETE", "POST", "PUT", "PATCH", "GET", "HEAD")
# R4 wants deletes, creates, updates and reads in this order, whatever order they were sent in.
_RANK: Final = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_TEMPORARY: Final = re.compile(r"urn:(?:uuid|oid):\S+")
_CONDITIONAL: Final = re.compile(r"([A-Z][A-Za-z]+)\?(\S+)")
_LINK: Final = re.compile(r"urn:(?:uuid:[0-9a-fA-F-]{36}|oid:[0-9.]+)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to do. `index` is its place in the Bundle: answers are given in that order.

    `url` is as the client wrote it, without a base. `type` and `id` are what it names, None where it names
    nothing of the kind; `query` is what stands behind its question mark; `operation` such as `$validate`.
    """

    index: int
    method: str
    url: str
    type: str | None = None
    id: str | None = None
    query: str | None = None
    operation: str | None = None
    full_url: str | None = None
    resource: dict[str, Any] | None = None
    if_match: str | None = None
    if_none_match: str | None = None
    if_none_exist: str | None = None
    if_modified_since: str | None = None

    @property
    def expression(self) -> str:
        return f"Bundle.entry[{self.index}]"

    @property
    def only_reads(self) -> bool:
        """A GET, or an operation: none of those that a Bundle can ask for changes anything."""
        return self.method == "GET" or (self.method == "POST" and self.operation is not None)


@dataclass(frozen=True, slots=True)
class Batch:
    """`atomic` for a transaction: all of it or nothing.

    `refused` are entries of a batch that cannot be read, by their place: they are refused alone.
    """

    atomic: bool
    entries: tuple[Entry, ...]
    refused: Mapping[int, InvalidResource] = field(default_factory=dict)


def parse_batch(bundle: Mapping[str, Any], *, base_url: str = "", limit: int = MAX_ENTRIES) -> Batch:
    """A batch or transaction as entries in the order sent.

    Raises TooLarge beyond `limit` entries, InvalidResource with every entry of a transaction that cannot be
    read. Resources are not validated here: references among them are rewritten first.
    """
    kind = bundle.get("type")
    if bundle.get("resourceType") != "Bundle" or kind not in ("batch", "transaction"):
        _refuse("Bundle.type", "has to be batch or transaction", "value")
    rows = bundle.get("entry", [])
    if not isinstance(rows, list):
        _refuse("Bundle.entry", "has to be a list", "structure")
    if len(rows) > limit:
        text = f"The Bundle has {len(rows)} entries; at most {limit} are taken. Send several Bundles."
        raise TooLarge(Issue(text, ("Bundle.entry",), "too-costly"))
    entries: list[Entry] = []
    refused: dict[int, InvalidResource] = {}
    for index, row in enumerate(rows):
        issues: list[Issue] = []
        found = _entry(index, row, base_url, issues)
        if found is None:
            refused[index] = InvalidResource(*issues)
        else:
            entries.append(found)
    if kind == "batch":
        return Batch(False, tuple(entries), refused)
    wrong = [issue for problem in refused.values() for issue in problem.issues] + _repeated(entries)
    if wrong:
        raise InvalidResource(*wrong)
    return Batch(True, tuple(entries))


def processing_order(entries: Iterable[Entry]) -> list[Entry]:
    """The order in which a transaction is carried out: delete, create, update, read."""
    return sorted(entries, key=_rank)


def _rank(entry: Entry) -> tuple[int, int]:
    return _RANK["GET"] if entry.only_reads else _RANK[entry.method], entry.index


def conditional_references(resource: Any) -> set[str]:
    """References such as `Patient?identifier=…`, to be looked up before the resource is stored."""
    return {text for text in _references(resource) if _CONDITIONAL.fullmatch(text)}


def temporary_references(resource: Any) -> set[str]:
    """Every `urn:uuid:` or `urn:oid:` that a reference in the resource names."""
    return {text for text in _references(resource) if _TEMPORARY.fullmatch(text)}


def reference_map(entries: Iterable[Entry], assigned: Mapping[int, str]) -> dict[str, str]:
    """What to write instead of each fullUrl; `assigned` is `Type/id` by the index of the entry.

    An entry created under a fullUrl such as `http://ehr.example/Patient/7` is meant by that URL and by
    `Patient/7` alike.
    """
    found: dict[str, str] = {}
    for entry in entries:
        target = assigned.get(entry.index)
        if target is None or entry.full_url is None:
            continue
        found[entry.full_url] = target
        literal = parse_reference(entry.full_url)
        if literal is not None and entry.method == "POST":
            found[f"{literal.type}/{literal.id}"] = target
    return found


def rewrite(resource: Any, targets: Mapping[str, str]) -> Any:
    """A copy in which every reference, URI and narrative link that `targets` names says its target instead.

    A version behind a temporary URL is dropped with it. What `targets` does not name stays as it is.
    """
    if not targets:
        return resource
    return _rewritten(resource, targets, "")


def split_url(url: str) -> tuple[str, str | None]:
    """Path and query; the path without slashes around it."""
    path, mark, query = url.partition("?")
    return path.strip("/"), query if mark else None


def _entry(index: int, row: Any, base_url: str, issues: list[Issue]) -> Entry | None:
    where = f"Bundle.entry[{index}]"
    request = row.get("request") if isinstance(row, dict) else None
    if not isinstance(request, dict):
        issues.append(_issue(f"{where}.request", "is missing", "required"))
        return None
    method, url = request.get("method"), request.get("url")
    if method not in _METHODS:
        issues.append(_issue(f"{where}.request.method", f"has to be one of {', '.join(_METHODS)}", "value"))
        return None
    if not isinstance(url, str) or not url.strip("/"):
        issues.append(_issue(f"{where}.request.url", "is missing", "required"))
        return None
    resource = row.get("resource")
    if method in _WITH_BODY and not isinstance(resource, dict) and "$" not in url:
        issues.append(_issue(f"{where}.resource", f"is missing, and {method} needs one", "required"))
        return None
    entry = Entry(
        index, method, _relative(url, base_url), full_url=_text(row.get("fullUrl")),
        resource=resource if isinstance(resource, dict) else None,
        if_match=_text(request.get("ifMatch")), if_none_match=_text(request.get("ifNoneMatch")),
        if_none_exist=_text(request.get("ifNoneExist")),
        if_modified_since=_text(request.get("ifModifiedSince")),
    )  # fmt: skip
    return _located(entry, issues)


def _located(entry: Entry, issues: list[Issue]) -> Entry | None:
    """Reads `Type`, `Type/id`, `Type?query`, `Type/$operation` and `Type/id/$operation` out of the URL."""
    path, query = split_url(entry.url)
    steps = [unquote(step) for step in path.split("/")]
    operation = next((step for step in steps if step.startswith("$")), None)
    kind = steps[0] if steps[0] in resource_types() else None
    identity = steps[1] if kind and len(steps) > 1 and _ID.fullmatch(steps[1]) else None
    if kind is None and operation is None and steps != ["_history"]:
        text = f"'{steps[0][:40]}' is not a resource type"
        issues.append(_issue(f"{entry.expression}.request.url", f"cannot be read: {text}", "not-supported"))
        return None
    problem = _mismatch(entry, kind, identity, query)
    if problem and operation is None:
        issues.append(_issue(f"{entry.expression}.{problem[0]}", problem[1], "value"))
        return None
    return replace(entry, type=kind, id=identity, query=query, operation=operation)


def _mismatch(
    entry: Entry, kind: str | None, identity: str | None, query: str | None
) -> tuple[str, str] | None:
    if entry.method == "POST" and identity is not None:
        return "request.url", "has to be the type alone for POST; ids are given by this server"
    if entry.method == "POST" and query:
        return "request.url", "takes no query for POST; put a condition into request.ifNoneExist"
    if entry.method in {"PUT", "PATCH", "DELETE"} and identity is None and not query:
        return "request.url", f"has to name one resource, as Type/id or Type?query, for {entry.method}"
    own = entry.resource.get("resourceType") if entry.resource else None
    if entry.method in {"POST", "PUT"} and own != kind:
        return "resource.resourceType", f"has to be {kind}, as the URL says"
    if (
        entry.method == "PUT"
        and identity
        and entry.resource
        and entry.resource.get("id", identity) != identity
    ):
        return "resource.id", f"has to be {identity}, as the URL says"
    return None


def _repeated(entries: list[Entry]) -> list[Issue]:
    """In a transaction no resource may be named by two entries, and no fullUrl given twice."""
    issues, targets, urls = [], set(), set()
    for entry in entries:
        target = (
            f"{entry.type}/{entry.id}" if entry.id and entry.method in {"PUT", "PATCH", "DELETE"} else None
        )
        if target in targets:
            text = f"names {target}, which another entry of the transaction changes too"
            issues.append(_issue(f"{entry.expression}.request.url", text, "duplicate"))
        if entry.full_url is not None and entry.full_url in urls:
            issues.append(_issue(f"{entry.expression}.fullUrl", "is given twice", "duplicate"))
        targets |= {target} if target else set()
        urls |= {entry.full_url} if entry.full_url else set()
    return issues


def _references(value: Any) -> Iterable[str]:
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "reference" and isinstance(item, str):
                yield item
            elif isinstance(item, dict | list):
                yield from _references(item)


def _rewritten(value: Any, targets: Mapping[str, str], key: str) -> Any:
    if isinstance(value, dict):
        return {name: _rewritten(item, targets, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_rewritten(item, targets, key) for item in value]
    return _rewritten_text(value, targets, key) if isinstance(value, str) else value


def _rewritten_text(value: str, targets: Mapping[str, str], key: str) -> str:
    if key == "reference":
        return targets.get(value) or targets.get(value.partition("/_history/")[0]) or value
    # Only temporary URLs can stand in other elements for what the transaction creates: nothing else is
    # unique.
    if value.startswith("urn:"):
        return targets.get(value, value)
    if key == "div" and "urn:" in value:
        return _LINK.sub(lambda match: targets.get(match[0], match[0]), value)
    return value


def _relative(url: str, base_url: str) -> str:
    base = base_url.rstrip("/")
    return (url.removeprefix(base) if base else url).lstrip("/")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _issue(expression: str, text: str, code: str) -> Issue:
    return Issue(f"{expression} {text}.", (expression,), code)


def _refuse(expression: str, text: str, code: str) -> NoReturn:
    raise InvalidResource(_issue(expression, text, code))
