"""Reads, histories and searches for clients; each leaves its audit row in the same transaction.

What the caller's scopes do not reach does not exist for it: reads answer NotFound, searches leave it out.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import Forbidden, NotFound
from referral.fhir.history_query import HistoryQuery
from referral.fhir.json import encode
from referral.fhir.permit import Permit
from referral.fhir.problems import InvalidSearch, Issue
from referral.fhir.reference_targets import parse_reference
from referral.fhir.search_query import SearchQuery
from referral.services import interactions, published, search_audit
from referral.services.access import Access
from referral.storage import audit, documents, resources, search, search_includes
from referral.storage.db import Session
from referral.storage.history import HistoryPage, count_versions, history_page
from referral.storage.resources import Stored
from referral.storage.search import Match, Page

# What a read has to look at more than the row of the resource for.
READ_ALONE: Final = frozenset({"AuditEvent", "Binary"})
# A page that begins within what is published here; pages of the store have cursors of another kind.
_PUBLISHED_PAGE: Final = re.compile(r"p([0-9]{1,6})")


@dataclass(frozen=True, slots=True)
class Results:
    """One page: what matches and what comes along with it; `cut` where more would have come along."""

    page: Page
    included: tuple[Match, ...] = ()
    cut: bool = False


def read_resource(session: Session, by: Access, type: str, id: str) -> Stored:
    """The current version; NotFound where this clinic has none, or none that the caller may see."""
    _require(by, type, "read", "r")
    if type == "AuditEvent":
        return search_audit.read_event(session, by, id)
    found = search.find_one(session, type, id)
    if found is None and type == "Binary":
        return _read_sealed(session, by, id)
    if found is None:
        return _published(by, type, id)
    if not _may_see(session, by, found.stored):
        raise _missing(type, id)
    _note_read(session, by.actor, "read", found.stored.reference, found.patient_id)
    return found.stored


def _require(by: Access, type: str, interaction: str, letter: str) -> None:
    interactions.require(type, interaction)
    by.permit.require(type, letter)


def _missing(type: str, id: str) -> NotFound:
    return NotFound(f"There is no {type} with id {id[:64]}.")


def _published(by: Access, type: str, id: str) -> Stored:
    """What the server publishes itself."""
    mine = published.find(type, id)
    if mine is None or not by.permit.allows(mine, "r"):
        raise _missing(type, id)
    return mine


def require_sight(session: Session, by: Access, type: str, id: str) -> None:
    """Raises Forbidden or NotFound, as a read would, for what the caller may not see; leaves no audit row.

    For operations that read in a way of their own. Costs nothing where scopes reach all of the type.
    """
    by.permit.require(type, "r")
    if by.permit.is_whole(type, "r"):
        return
    found = search.find_one(session, type, id)
    if found is None or not _may_see(session, by, found.stored):
        raise _missing(type, id)


def _may_see(session: Session, by: Access, stored: Stored) -> bool:
    """Whether scopes reach this version; a Binary goes with the resource that its securityContext names."""
    return by.permit.allows(stored, "r") and (
        stored.type != "Binary" or owner_seen(session, by.permit, stored)
    )


def owner_seen(session: Session, permit: Permit, stored: Stored) -> bool:
    """Whether scopes reach the resource that the securityContext of this Binary names."""
    context = stored.document.get("securityContext")
    named = parse_reference(context.get("reference")) if isinstance(context, dict) else None
    if named is None or named.base:
        return True
    owner = resources.find(session, named.type, named.id)
    return owner is None or permit.allows(owner, "r")


def _may_find(session: Session, by: Access, stored: Stored) -> bool:
    """The same for what a search finds."""
    allowed = by.permit.allows(stored, "s")
    return allowed and (stored.type != "Binary" or owner_seen(session, by.permit, stored))


def _read_sealed(session: Session, by: Access, id: str) -> Stored:
    """A document that a DocumentReference of the same id stands for, as a Binary; it is kept encrypted."""
    owner = resources.find(session, "DocumentReference", id)
    if owner is None or not by.permit.allows(owner, "r"):
        raise _missing("Binary", id)
    kept = documents.get(session, id)
    binary = {
        "resourceType": "Binary",
        "id": id,
        "meta": {"versionId": "1", "lastUpdated": resources.instant(kept.created_at)},
        "contentType": kept.content_type,
        "securityContext": {"reference": f"DocumentReference/{id}"},
        "data": base64.b64encode(kept.content).decode(),
    }
    stored = Stored("Binary", id, 1, kept.created_at, encode(binary).decode())
    if not by.permit.allows(stored, "r"):
        raise _missing("Binary", id)
    _note_read(session, by.actor, "read", f"Binary/{id}", kept.patient_id)
    return stored


def read_version(session: Session, by: Access, type: str, id: str, version: int) -> Stored:
    """One version of a resource; NotFound also where the caller may not see it, or not the newest one."""
    _require(by, type, "vread", "r")
    only = search_audit.read_event(session, by, id) if type == "AuditEvent" else published.find(type, id)
    found = only or resources.read_version(session, type, id, version)
    if version != found.version or not _may_see_version(session, by, found):
        raise NotFound(f"{type}/{id[:64]} has no version {version}.")
    if only is None:
        _note_read(session, by.actor, "vread", found.reference, resources.record_of(session, found.document))
    return found


def _may_see_version(session: Session, by: Access, stored: Stored) -> bool:
    """A resource that the caller may not see now has no older versions for it either."""
    if by.permit.is_whole(stored.type, "r") and stored.type != "Binary":
        return True
    newest = resources.find(session, stored.type, stored.id)
    return by.permit.allows(stored, "r") and (newest is None or _may_see(session, by, newest))


def read_history(session: Session, by: Access, query: HistoryQuery) -> HistoryPage:
    """One page of the versions of a resource, of all of a type, or of all types that the caller may search.

    NotFound for an unknown resource, Forbidden where the caller may search nothing.
    """
    if query.id is None or query.type is None:
        return _history_of_types(session, by, query, _types_of(by, query))
    _require(by, query.type, "history-instance", "r")
    if query.type == "AuditEvent":
        return HistoryPage((search_audit.read_event(session, by, query.id),))
    current = search.find_one(session, query.type, query.id)
    if current is None:
        mine = _published(by, query.type, query.id)
        return HistoryPage((mine,) if _is_new(mine, query) else ())
    if not _may_see(session, by, current.stored):
        raise _missing(query.type, query.id)
    page = history_page(session, query, [query.type])
    _note_read(session, by.actor, "history", current.stored.reference, current.patient_id)
    return replace(page, versions=tuple(one for one in page.versions if by.permit.allows(one, "r")))


def count_history(session: Session, by: Access, query: HistoryQuery) -> int:
    """How many versions a history has: counted, not shown, and only where scopes leave types whole."""
    if query.id is not None and query.type is not None:
        page = read_history(session, by, replace(query, cursor=None))
        types, letter = [query.type], "r"
        if not page.next:
            return len(page.versions)
    else:
        types, letter = _types_of(by, query), "s"
        _note_many(session, by.actor, "history", query.type or "", [], Counter())
    query = _within(by, query, types)
    # A client's own subscriptions are counted: whose one is does not change from version to version.
    if not all(by.permit.is_whole(type, letter) or type == "Subscription" for type in types):
        text = "This history is restricted by the client's scopes and is not counted; read its pages."
        raise InvalidSearch(Issue(text, ("http._summary",), "not-supported"))
    return count_versions(session, query, types) + len(_published_in(by, query, types))


def _types_of(by: Access, query: HistoryQuery) -> list[str]:
    """The types that a history without an id is about."""
    if query.type is not None:
        _require(by, query.type, "history-type", "s")
        return [query.type]
    found = [
        type
        for type, does in interactions.INTERACTIONS.items()
        if "history-type" in does and by.permit.may(type, "s")
    ]
    if not found:
        raise Forbidden("This client's scopes allow no search, and so no history of everything.")
    return found


def _history_of_types(session: Session, by: Access, query: HistoryQuery, types: Sequence[str]) -> HistoryPage:
    """What the server publishes itself is older than the rest and ends the last page."""
    query = _within(by, query, types)
    start = _published_place(query.cursor) if query.cursor is not None else None
    page = history_page(session, query, types) if start is None else HistoryPage(())
    room = query.count - len(page.versions)
    page = replace(page, versions=tuple(one for one in page.versions if _may_find(session, by, one)))
    patients = Counter(resources.record_of(session, stored.document) for stored in page.versions)
    _note_many(session, by.actor, "history", query.type or "", [], patients)
    if page.next:
        return page
    mine = _published_in(by, query, types)[start or 0 :]
    more = f"p{(start or 0) + room}" if len(mine) > room else None
    return HistoryPage((*page.versions, *mine[:room]), more)


def _within(by: Access, query: HistoryQuery, types: Sequence[str]) -> HistoryQuery:
    """As far as the caller's scopes reach."""
    within = ((type, by.permit.within(type, "s")) for type in types)
    return replace(query, within=tuple((type, some) for type, some in within if some is not None))


def _published_in(by: Access, query: HistoryQuery, types: Sequence[str]) -> list[Stored]:
    return [
        stored
        for type in types
        for stored in published.all_of(type)
        if _is_new(stored, query) and by.permit.allows(stored, "s")
    ]


def _is_new(stored: Stored, query: HistoryQuery) -> bool:
    """Whether this version, the only one there is, is in the history that is asked for."""
    if query.at is not None and stored.last_updated >= query.at[1]:
        return False
    return query.since is None or stored.last_updated >= query.since


def search_resources(
    session: Session, by: Access, query: SearchQuery, of_patient: str | None = None
) -> Results:
    """One page of a search; `_include` and `_revinclude` bring along what the caller may read.

    `of_patient` is whose record is searched: that nothing is found there is told of the patient, too.

    Raises Forbidden for a chain or `_has` through what the caller may not search.
    """
    _require(by, query.type, "search-type", "s")
    query = restricted(by, query)
    if query.type == "AuditEvent":
        page = search_audit.search_events(session, search.resolved(session, query))
        _note_search(session, by.actor, query, page.matches)
        return Results(page)
    permit = by.permit
    rules = [
        rule for rule in query.revinclude if permit.may(rule.source, "r") and permit.may(rule.source, "s")
    ]
    query = replace(query, revinclude=tuple(rules))
    if query.type in published.ONLY_HERE:
        page = published.page(search.resolved(session, query))
    else:
        page = _found(session, query)
    if query.type == "Binary":
        found = tuple(one for one in page.matches if _may_find(session, by, one.stored))
        page = replace(page, matches=found)
    along = search_includes.included(session, query, page.matches, partial(_may_come_along, session, by))
    looked_at = search_includes.patients_looked_at(session, query, page.matches)
    looked_at |= {of_patient} if of_patient is not None else set()
    _note_search(session, by.actor, query, [*page.matches, *along.matches], looked_at)
    return Results(page, tuple(along.matches), along.cut)


def require_patient(session: Session, by: Access, id: str) -> None:
    """Raises NotFound for a patient who is not here, or whom the caller may not see."""
    require_sight(session, by, "Patient", id)
    if resources.find(session, "Patient", id) is None:
        raise _missing("Patient", id)


def _may_come_along(session: Session, by: Access, match: Match, searched: bool) -> bool:
    """`_include` reads what is named; `_revinclude` searches for what names it, and reads that."""
    return _may_see(session, by, match.stored) and (not searched or _may_find(session, by, match.stored))


def restricted(by: Access, query: SearchQuery) -> SearchQuery:
    """The query as far as the caller's scopes reach; every search for a client is asked like this.

    Raises Forbidden for a chain or `_has` where not all of a type that it asks about may be searched:
    what is not shown would be told by whether something is found.
    """
    for type in sorted(query.types_asked):
        if not by.permit.is_whole(type, "s"):
            text = (
                f"The query asks about {type}, all of which this client would have to be allowed to search."
            )
            raise Forbidden(
                f"{text} Where a reference may lead to several types, name the one that is meant."
            )
    return replace(query, within=by.permit.within(query.type, "s"))


def _found(session: Session, query: SearchQuery) -> Page:
    """What the server publishes itself stands before what is stored; together no more than asked for."""
    mine = published.matching(search.resolved(session, query)) if query.type in published.TYPES else ()
    start = 0 if query.cursor is None else _published_place(query.cursor)
    if not mine or not query.count or query.summary == "count" or start is None:
        page = search.search(session, query)
        back = f"p{max(len(mine) - query.count, 0)}" if mine and start is None else None
        total = page.total + len(mine) if page.total is not None else None
        return replace(page, total=total, previous=page.previous or back)
    shown = mine[start : start + query.count]
    room, left = query.count - len(shown), len(mine) - start - len(shown)
    page = search.search(session, replace(query, cursor=None, count=max(room, 1)))
    after = f"p{start + len(shown)}" if left > 0 or page.matches else None
    return Page(
        (*shown, *(page.matches if room else ())),
        page.total + len(mine) if page.total is not None else None,
        page.next if room else after,
        f"p{max(start - query.count, 0)}" if start else None,
    )


def _published_place(cursor: str) -> int | None:
    """Where a page begins within what is published; None for a cursor of the store."""
    found = _PUBLISHED_PAGE.fullmatch(cursor)
    return int(found[1]) if found else None


def _note_read(session: Session, actor: Actor, subtype: str, entity: str, patient_id: str | None) -> None:
    entry = AuditEntry(action=Action.READ, subtype=subtype, entity=entity, patient_id=patient_id)
    audit.record(session, actor, entry)


def _note_search(
    session: Session,
    actor: Actor,
    query: SearchQuery,
    matches: Iterable[Match],
    looked_at: Iterable[str] = (),
) -> None:
    audit.record(session, actor, *search_entries(query, matches, looked_at))


def search_entries(
    query: SearchQuery, matches: Iterable[Match], looked_at: Iterable[str] = ()
) -> list[AuditEntry]:
    """One row for each patient whose data went out: an accounting of disclosures is a search for them.

    Those whose records a chain has `looked_at` have a row, too, with a count of what was shown: perhaps 0.
    """
    asked = sorted({clause.name for clause in query.clauses})
    patients = Counter(match.patient_id for match in matches)
    patients.update(dict.fromkeys(looked_at, 0))
    return _entries("search", query.type, asked, patients)


def _note_many(
    session: Session,
    actor: Actor,
    subtype: str,
    type: str,
    asked: list[str],
    patients: Counter[str | None],
) -> None:
    audit.record(session, actor, *_entries(subtype, type, asked, patients))


def _entries(subtype: str, type: str, asked: list[str], patients: Counter[str | None]) -> list[AuditEntry]:
    return [
        AuditEntry(
            action=Action.EXECUTE,
            subtype=subtype,
            entity=f"Patient/{patient_id}" if patient_id else None,
            patient_id=patient_id,
            detail={"type": type, "parameters": asked, "count": count},
        )
        for patient_id, count in (patients or Counter({None: 0})).items()
    ]
