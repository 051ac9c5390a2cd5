"""What `_include` and `_revinclude` bring along, and whose records a chain or `_has` has looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import ColumnElement, select

from referral.fhir.problems import InvalidSearch, Issue
from referral.fhir.search_parameters import NEVER_BROUGHT, includes, revincludes
from referral.fhir.search_query import Clause, Include, SearchQuery
from referral.storage.db import Session
from referral.storage.search_conditions import condition
from referral.storage.search_rows import Match, fetch
from referral.storage.tables import resource, search_entry

# What one page may bring along, and how often `:iterate` goes on; a client that wants more asks for it.
MAX_INCLUDED: Final = 500
MAX_ROUNDS: Final = 10
MAX_LOOKED_AT: Final = 1000

# (what would come along, whether it was found by what it points at: `_revinclude`) → whether it may.
Keep = Callable[[Match, bool], bool]


@dataclass(slots=True)
class Included:
    """`cut` where there was more to bring along than MAX_INCLUDED or MAX_ROUNDS allow."""

    matches: list[Match] = field(default_factory=list)
    cut: bool = False


def included(session: Session, query: SearchQuery, matches: Sequence[Match], keep: Keep) -> Included:
    """Everything that comes along, once each, without the matches themselves.

    What `keep` refuses is left out and brings nothing along either. A circle ends where nothing is new.
    """
    found = Included()
    have = {match.stored.reference for match in matches}
    rules = (query.include, query.revinclude)
    frontier = list(matches)
    for _ in range(MAX_ROUNDS):
        new = _one_round(session, rules, frontier, have, keep, found)
        found.matches += new
        rules = (
            tuple(rule for rule in query.include if rule.iterate),
            tuple(rule for rule in query.revinclude if rule.iterate),
        )
        frontier = new
        if not new or not any(rules) or found.cut:
            return found
    found.cut = True
    return found


def _one_round(
    session: Session,
    rules: tuple[tuple[Include, ...], tuple[Include, ...]],
    frontier: Sequence[Match],
    have: set[str],
    keep: Keep,
    found: Included,
) -> list[Match]:
    new: list[Match] = []
    steps = [(False, rule) for rule in rules[0]] + [(True, rule) for rule in rules[1]]
    for backwards, rule in steps:
        step = _pointing if backwards else _targets
        for match in step(session, rule, frontier):
            if match.stored.reference in have or not keep(match, backwards):
                continue
            if len(found.matches) + len(new) >= MAX_INCLUDED:
                found.cut = True
                return new
            have.add(match.stored.reference)
            new.append(match)
    return new


def _targets(session: Session, rule: Include, frontier: Iterable[Match]) -> list[Match]:
    names = [rule.parameter] if rule.parameter != "*" else _names(includes(rule.source), rule.source)
    ids = [match.stored.id for match in frontier if match.stored.type == rule.source]
    if not ids or not names:
        return []
    found: list[Match] = []
    for type, of_type in _pointed_at(session, rule.source, names, ids, 2 * MAX_INCLUDED).items():
        if type not in NEVER_BROUGHT and rule.target in (None, type):
            found += fetch(session, type, resource.c.id.in_(of_type), MAX_INCLUDED + 1)
    return found


def _pointed_at(
    session: Session, source: str, names: list[str], ids: list[str], most: int | None = None
) -> dict[str, list[str]]:
    """Ids by type."""
    values = select(search_entry.c.value).where(
        search_entry.c.clinic_id == session.clinic,
        search_entry.c.type == source,
        search_entry.c.parameter.in_(names),
        search_entry.c.id.in_(ids),
        search_entry.c.value.is_not(None),
    )
    found: dict[str, list[str]] = {}
    for value in session.connection.scalars(values.distinct().limit(most)):
        type, _, id = value.partition("/")
        if id:
            found.setdefault(type, []).append(id)
    return found


def _pointing(session: Session, rule: Include, frontier: Iterable[Match]) -> list[Match]:
    by_type: dict[str, list[str]] = {}
    for match in frontier:
        if rule.target in (None, match.stored.type):
            by_type.setdefault(match.stored.type, []).append(match.stored.reference)
    found: list[Match] = []
    for type, references in by_type.items():
        names = _names(revincludes(type), rule.source)
        if rule.parameter != "*":
            names = [rule.parameter] if rule.parameter in names else []
        if names:
            points = resource.c.id.in_(
                select(search_entry.c.id).where(
                    search_entry.c.clinic_id == session.clinic,
                    search_entry.c.type == rule.source,
                    search_entry.c.parameter.in_(names),
                    search_entry.c.value.in_(references),
                )
            )
            found += fetch(session, rule.source, points, MAX_INCLUDED + 1)
    return found


def _names(rows: Iterable[str], source: str) -> list[str]:
    return [name for row in rows if (name := row.partition(":")[2]) and row.startswith(f"{source}:")]


# ---- For the audit trail


def patients_looked_at(session: Session, query: SearchQuery, matches: Sequence[Match]) -> set[str]:
    """Whose records made the matches match, beside their own: those at the ends of chains and `_has`.

    Raises InvalidSearch where they are more than MAX_LOOKED_AT: each has to be noted.
    """
    found: set[str] = set()
    if matches:
        for clause in query.clauses:
            for type, met in _ends(session, query.type, clause, matches):
                statement = select(resource.c.patient_id).where(
                    resource.c.clinic_id == session.clinic, resource.c.type == type, met
                )
                rows = session.connection.scalars(statement.distinct().limit(MAX_LOOKED_AT + 1))
                found |= {id for id in rows if id is not None}
    if len(found) > MAX_LOOKED_AT:
        text = f"This looks at the records of more than {MAX_LOOKED_AT} patients; ask with a lower _count."
        raise InvalidSearch(Issue(text, ("http.query",), "too-costly"))
    return found


def _ends(
    session: Session, type: str, clause: Clause, matches: Sequence[Match]
) -> list[tuple[str, ColumnElement[bool]]]:
    if not clause.links:
        return []
    ids = [match.stored.id for match in matches]
    if clause.kind != "has":
        led_to = _pointed_at(session, type, [clause.parameter], ids)
        ends = [(link, resource.c.id.in_(led_to.get(link.type, []))) for link in clause.links]
    else:
        pointing = select(search_entry.c.id).where(
            search_entry.c.clinic_id == session.clinic,
            search_entry.c.type == clause.links[0].type,
            search_entry.c.parameter == clause.parameter,
            search_entry.c.value.in_([f"{type}/{id}" for id in ids]),
        )
        ends = [(clause.links[0], resource.c.id.in_(pointing))]
    return [(link.type, end & condition(session, resource, link.type, link.clause)) for link, end in ends]
