"""A transaction Bundle: references among its entries resolved, then all of it done, or nothing."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import msgspec

from referral.domain.errors import Forbidden, NotFound, NotSupported, ReferralError
from referral.fhir import json_patch
from referral.fhir.answer_bundles import Outcome, etag
from referral.fhir.bundle import (
    Entry,
    conditional_references,
    processing_order,
    reference_map,
    rewrite,
    temporary_references,
)
from referral.fhir.json_patch import Patch
from referral.fhir.operation_outcome import operation_outcome
from referral.fhir.path_patch import PathPatch, path_patch_of
from referral.fhir.problems import InvalidResource, Issue, Unreadable
from referral.fhir.search_query import SearchQuery, parse_search
from referral.fhir.validation import issues_in
from referral.services import interactions, write_resources
from referral.services.access import Access
from referral.services.conditional_references import Made, conditional_target, require_few
from referral.services.interactions import letters_of
from referral.services.take_subscription import delete_subscription
from referral.storage import resources
from referral.storage.db import Session
from referral.storage.resources import Stored

LETTER: Final = {"GET": "r", "HEAD": "r", "POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d"}


class EntryRefused(ReferralError):
    """What was refused in a Bundle and where; `cause` decides the status."""

    def __init__(self, entry: Entry, cause: ReferralError) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.code = cause.code
        self._issues = tuple(_placed(entry, issue) for issue in cause.issues)

    @property
    def issues(self) -> tuple[Issue, ...]:
        return self._issues


@dataclass(frozen=True, slots=True)
class Door:
    """Who sends the Bundle, and what it may do; `returns` is what Prefer asks for.

    `read` answers entries that change nothing and asks for their rights itself.
    """

    by: Access
    now: datetime
    base_url: str
    returns: str = "representation"
    read: Callable[[Session, Entry], Outcome] | None = None

    def query(self, type: str, text: str) -> SearchQuery:
        """A condition, every part of which has to be understood."""
        return parse_search(type, text, now=self.now, strict=True, base_url=self.base_url)


@dataclass(slots=True)
class _Plan:
    """`existing` are conditional creates that found their resource; `assigned` is `Type/id` by entry."""

    assigned: dict[int, str]
    existing: set[int]


def transact(session: Session, door: Door, entries: Iterable[Entry]) -> list[Outcome]:
    """Carry out a transaction inside this one; after EntryRefused the caller has to roll back."""
    ordered = processing_order(entries)
    for entry in ordered:
        _check(door, entry)
    plan = _plan(session, door, ordered)
    bodies = {entry.index: _body(entry) for entry in ordered if entry.resource is not None}
    targets = reference_map(ordered, plan.assigned)
    targets |= _conditional_targets(session, door, _made(ordered, plan, bodies), ordered, bodies)
    resolved = {index: rewrite(body, targets) for index, body in bodies.items()}
    _check_resources(ordered, resolved)
    done = {
        entry.index: _carry_out(session, door, plan, entry, resolved.get(entry.index))
        for entry in _dependencies_first(ordered, plan, resolved)
    }
    as_sent = sorted(ordered, key=lambda entry: entry.index)
    return _newest(session, door, [(entry, done[entry.index]) for entry in as_sent])


def carry_out_alone(session: Session, door: Door, entry: Entry) -> Outcome:
    """One entry of a batch, in a transaction of its own."""
    return transact(session, door, [entry])[0]


def _check(door: Door, entry: Entry) -> None:
    if entry.only_reads and door.read is not None:
        return
    if entry.method == "HEAD" or entry.only_reads or entry.operation is not None or _deletes_more(entry):
        raise EntryRefused(
            entry, NotSupported(f"{entry.method} {entry.url[:100]} cannot be done in a Bundle.")
        )
    letter = LETTER[entry.method]
    # What nobody does with the type is refused as that, further on.
    if entry.type is None or (
        letter in letters_of(entry.type) and not door.by.permit.may(entry.type, letter)
    ):
        raise EntryRefused(entry, Forbidden(f"This client's scopes do not allow this for {entry.type}."))


def _deletes_more(entry: Entry) -> bool:
    """Other than one resource, by its id, of a type that can be deleted."""
    return entry.method == "DELETE" and (
        entry.id is None or "delete" not in interactions.INTERACTIONS.get(str(entry.type), ())
    )


def _body(entry: Entry) -> Any:
    """The resource of an entry; of a patch its operations, which travel in a Binary, or its Parameters."""
    if entry.method != "PATCH":
        return entry.resource
    binary = entry.resource or {}
    try:
        if binary.get("resourceType") == "Parameters":
            path_patch_of(binary)
            return binary
        if binary.get("resourceType") != "Binary" or binary.get("contentType") != json_patch.MEDIA_TYPE:
            text = (
                f"A patch in a Bundle is a Binary with contentType {json_patch.MEDIA_TYPE}, "
                "or Parameters for a FHIRPath Patch."
            )
            raise InvalidResource(Issue(text, (f"{entry.expression}.resource",), "not-supported"))
        return list(json_patch.read_json_patch(_decoded(binary.get("data"), entry)).operations)
    except ReferralError as error:
        raise EntryRefused(entry, error) from error


def _patch_of(body: Any) -> Patch | PathPatch:
    return path_patch_of(body) if isinstance(body, dict) else json_patch.patch_of(body)


def _decoded(data: Any, entry: Entry) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (TypeError, ValueError):
        where = f"{entry.expression}.resource.data"
        raise InvalidResource(Issue(f"{where} has to be the patch in Base64.", (where,), "value")) from None


def _plan(session: Session, door: Door, ordered: list[Entry]) -> _Plan:
    """Ids before anything is written, so that entries can refer to each other in whatever order."""
    plan = _Plan({}, set())
    by_condition: dict[tuple[str | None, str], str] = {}
    for entry in sorted(ordered, key=lambda e: (e.if_none_exist or e.query or "", e.index)):
        if entry.only_reads:
            continue
        if entry.method == "POST":
            key = (entry.type, entry.if_none_exist or f"#{entry.index}")
            found = _found(session, door, entry, entry.if_none_exist) if entry.if_none_exist else None
            # What an entry before has the same condition for will be there by then.
            if found is not None or key in by_condition:
                plan.existing.add(entry.index)
            made = by_condition.setdefault(key, f"{entry.type}/{found or resources.new_id()}")
            plan.assigned[entry.index] = made
        elif entry.method == "PATCH":
            id = entry.id or _found(session, door, entry, entry.query or "")
            if id is None:
                missing = NotFound(f"No {entry.type} matches the condition; there is nothing to patch.")
                raise EntryRefused(entry, missing)
            plan.assigned[entry.index] = f"{entry.type}/{id}"
        elif entry.method == "PUT":
            id = entry.id or _found(session, door, entry, entry.query or "")
            plan.assigned[entry.index] = f"{entry.type}/{id or resources.new_id()}"
            if id is not None:
                plan.existing.add(entry.index)
            else:
                _require_new(entry)
    _refuse_overlaps(ordered, plan)
    return plan


def _require_new(entry: Entry) -> None:
    try:
        versioned = entry.if_match is not None
        write_resources.require_new(str(entry.type), entry.resource, versioned=versioned)
    except ReferralError as error:
        raise EntryRefused(entry, error) from error


def _refuse_overlaps(ordered: Iterable[Entry], plan: _Plan) -> None:
    """R4: where two entries change one resource, by its id or by a condition, the transaction fails."""
    as_sent = sorted(ordered, key=lambda entry: entry.index)
    changed = {_changed(entry, plan) for entry in as_sent if entry.method == "POST" and entry.if_none_exist}
    for entry in as_sent:
        if entry.method in ("PUT", "PATCH", "DELETE"):
            name = _changed(entry, plan)
            if name in changed:
                where = f"{entry.expression}.request.url"
                text = f"{where} names what another entry of the transaction changes or makes, too."
                raise InvalidResource(Issue(text, (where,), "duplicate"))
            changed.add(name)


def _changed(entry: Entry, plan: _Plan) -> str:
    """`Type/id` of what is there, the condition of what is made; nothing of a create that has found it."""
    if entry.method == "POST":
        return "" if entry.index in plan.existing else f"{entry.type}?{bare(str(entry.if_none_exist))}"
    is_new = entry.method == "PUT" and entry.index not in plan.existing
    if is_new:
        return f"{entry.type}?{bare(str(entry.query))}"
    return plan.assigned.get(entry.index, f"{entry.type}/{entry.id}")


def _found(session: Session, door: Door, entry: Entry, condition: str) -> str | None:
    try:
        return write_resources.find_condition(session, door.by, door.query(str(entry.type), bare(condition)))
    except ReferralError as error:
        raise EntryRefused(entry, error) from error


def bare(condition: str) -> str:
    """The query alone, of `?a=b` and `Type?a=b`."""
    return condition.partition("?")[2] if "?" in condition.partition("=")[0] else condition


def _made(ordered: Iterable[Entry], plan: _Plan, bodies: dict[int, Any]) -> Made:
    """What the transaction makes, by `Type/id`: references by condition find it, too (R4: resolved last)."""
    return {
        plan.assigned[entry.index]: bodies[entry.index]
        for entry in ordered
        if entry.method in ("POST", "PUT")
        if entry.index in plan.assigned and entry.index not in plan.existing
    }


def _conditional_targets(
    session: Session, door: Door, made: Made, ordered: Iterable[Entry], bodies: dict[int, Any]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in ordered:
        for text in conditional_references(bodies.get(entry.index)):
            if text not in found:
                try:
                    require_few(len(found), entry.expression)
                    type, _, condition = text.partition("?")
                    found[text] = conditional_target(session, door.by, door.query(type, condition), made)
                except ReferralError as error:
                    raise EntryRefused(entry, error) from error
    return found


def _check_resources(ordered: list[Entry], resolved: dict[int, Any]) -> None:
    """Everything that is wrong with the resources, at once, before anything is written."""
    issues: list[Issue] = []
    for entry in ordered:
        if entry.index not in resolved:
            continue
        resource = resolved[entry.index]
        if entry.method != "PATCH":
            issues += [_placed(entry, issue) for issue in issues_in(resource)]
        for left in sorted(temporary_references(resource)):
            text = f"No entry of the Bundle has the fullUrl {left[:80]}."
            issues.append(Issue(text, (f"{entry.expression}.resource",), "not-found"))
    if issues:
        raise InvalidResource(*issues)


def _dependencies_first(ordered: list[Entry], plan: _Plan, resolved: dict[int, Any]) -> list[Entry]:
    """Within the order that R4 wants, what others point at comes first; circles stay as they were sent."""
    # Of two entries with the same condition it is the one that creates.
    makers = sorted(ordered, key=lambda entry: entry.index not in plan.existing)
    by_target = {plan.assigned[e.index]: e for e in makers if e.index in plan.assigned}
    placed: dict[int, Entry] = {}
    visiting: set[int] = set()

    def visit(entry: Entry) -> None:
        if entry.index in placed or entry.index in visiting:
            return
        visiting.add(entry.index)
        for reference in sorted(_literal_references(resolved.get(entry.index))):
            other = by_target.get(reference)
            if other is not None and other.method == entry.method:
                visit(other)
        placed[entry.index] = entry

    for entry in ordered:
        visit(entry)
    return list(placed.values())


def _literal_references(value: Any) -> set[str]:
    found: set[str] = set()
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, dict):
            reference = item.get("reference")
            if isinstance(reference, str):
                found.add(reference)
            waiting.extend(item.values())
    return found


def _carry_out(session: Session, door: Door, plan: _Plan, entry: Entry, resource: Any) -> Outcome:
    try:
        if entry.only_reads and door.read is not None:
            return door.read(session, replace(entry, resource=resource))
        if entry.method == "DELETE":
            delete_subscription(session, door.by, str(entry.id), door.now)
            return Outcome("204 No Content")
        id = plan.assigned[entry.index].partition("/")[2]
        if entry.method == "POST" and entry.index in plan.existing:
            return _outcome(resources.read(session, str(entry.type), id), "200 OK", door)
        if entry.method == "PATCH":
            patched = write_resources.patch_resource(
                *(session, door.by, str(entry.type), id, _patch_of(resource), door.now),
                expected=version_of(entry.if_match),
                base_url=door.base_url,
            )
            return _outcome(patched.stored, "200 OK", door, patched.warnings)
        if entry.method == "POST" or entry.index not in plan.existing:
            made = write_resources.create_resource(session, door.by, resource, door.now, id=id, checked=True)
            return _outcome(made.stored, "201 Created", door, made.warnings)
        expected = version_of(entry.if_match)
        named = {"id": id, **resource}
        changed = write_resources.update_resource(
            session, door.by, id, named, door.now, expected=expected, checked=True
        )
        return _outcome(changed.stored, "200 OK", door, changed.warnings)
    except ReferralError as error:
        raise EntryRefused(entry, error) from error


def version_of(header: str | None) -> int | None:
    """The version that an ETag of ours names; None without one."""
    if header is None:
        return None
    digits = header.removeprefix("W/").strip('"')
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        text = 'If-Match has to be an ETag of this server, such as W/"3".'
        raise Unreadable(Issue(text, ("http.If-Match",), "value"))
    return int(digits)


def _outcome(stored: Stored, status: str, door: Door, warnings: Iterable[Issue] = ()) -> Outcome:
    told = tuple(warnings)
    return Outcome(
        status,
        f"{stored.reference}/_history/{stored.version}",
        etag(stored.version),
        stored.last_updated,
        msgspec.Raw(stored.body.encode()) if _is_told(door, stored, status) else None,
        operation_outcome(told) if told else None,
    )


def _is_told(door: Door, stored: Stored, status: str) -> bool:
    """Whoever makes a resource sees it; who changes one, or finds it there, where it may read it."""
    return door.returns != "minimal" and (status == "201 Created" or door.by.permit.allows(stored, "r"))


def _newest(session: Session, door: Door, outcomes: list[tuple[Entry, Outcome]]) -> list[Outcome]:
    """Later entries change what earlier ones made (an order learns of its requests): answer with the end."""
    written = [outcome for entry, outcome in outcomes if not entry.only_reads]
    now_stored = resources.find_many(session, [_name(outcome) for outcome in written])
    return [
        outcome
        if entry.only_reads or _name(outcome) not in now_stored
        else replace(_outcome(now_stored[_name(outcome)], outcome.status, door), outcome=outcome.outcome)
        for entry, outcome in outcomes
    ]


def _name(outcome: Outcome) -> str:
    return str(outcome.location).partition("/_history/")[0]


def _placed(entry: Entry, issue: Issue) -> Issue:
    """The expression within the Bundle: `ServiceRequest.status` becomes `Bundle.entry[3].resource.status`."""
    sent = str((entry.resource or {}).get("resourceType"))
    # What is wrong may be the patch, or what would have become of the resource.
    types = (sent, str(entry.type)) if entry.method == "PATCH" else (sent,)
    where = tuple(_within(entry, expression, types) for expression in issue.expression)
    return Issue(issue.text, where or (entry.expression,), issue.code, issue.severity)


def _within(entry: Entry, expression: str, types: tuple[str, ...]) -> str:
    for type in types:
        if expression == type or expression.startswith((f"{type}.", f"{type}[")):
            return f"{entry.expression}.resource{expression[len(type) :]}"
    return expression
