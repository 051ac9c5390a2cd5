"""What the migrations say that a database has to have: grants, functions, triggers and policies.

Read from the migrations' own scripts, so that a new table or function is looked after as soon as a migration
makes it. The scripts are ours, so a reader of the few statements that matter is enough; that PostgreSQL reads
them in the same way is tested on a database that has just been migrated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from referral.storage.migrations import VERSIONS

PUBLIC: Final = "public"
# Made in a loop by 0001_security.sql: rows that show themselves to whoever shows their key.
_SHOWN_BY_KEY: Final = ("staff_user", "staff_session", "api_client", "portal_session", "portal_credential")
# The first migration holds four scripts, in this order (0001_foundations.py).
_FIRST: Final = ("0001_roles.sql", "0001_tables.sql", "0001_security.sql", "0001_gate.sql")
_EVERY: Final = frozenset(
    {"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"}
)


@dataclass(frozen=True, slots=True)
class Function:
    """`body` without the space around it."""

    body: str
    definer: bool
    fixed_path: bool


@dataclass(slots=True)
class Declared:
    """`grants` by table and grantee: a privilege, or one on a column such as `UPDATE(name)`."""

    tables: set[str] = field(default_factory=set)
    grants: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    callers: dict[str, set[str]] = field(default_factory=dict)
    triggers: set[tuple[str, str]] = field(default_factory=set)
    policies: set[tuple[str, str]] = field(default_factory=set)
    constraints: set[tuple[str, str]] = field(default_factory=set)

    def granted(self, table: str, grantee: str) -> set[str]:
        return self.grants.get((table, grantee), set())


@cache
def declared() -> Declared:
    """The end of all migrations; the same object each time."""
    later = sorted(path.name for path in VERSIONS.glob("*.sql") if not path.name.startswith("0001_"))
    return read((VERSIONS / name).read_text(encoding="utf-8") for name in (*_FIRST, *later))


def read(scripts: Iterable[str]) -> Declared:
    """Follow the statements of scripts in order. Alembic's own table is there from the beginning."""
    shown = {(table, "shown_key") for table in _SHOWN_BY_KEY}
    found = Declared(tables={"alembic_version"}, policies=shown)
    for script in scripts:
        for statement in statements(script):
            for pattern, take in _TAKES:
                hit = pattern.match(statement)
                if hit:
                    take(found, hit)
                    break
    return found


_PIECE: Final = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"[^\"]*\"|(?P<tag>\$\w*\$).*?(?P=tag)|;|[^;'\"$/-]+|.", re.DOTALL
)


def statements(script: str) -> Iterator[str]:
    """The statements of a script without comments; quoted text and bodies stay as they are."""
    pieces: list[str] = []
    for piece in _PIECE.finditer(script):
        text = piece.group()
        if text == ";":
            yield "".join(pieces).strip()
            pieces = []
        elif not text.startswith(("--", "/*")):
            pieces.append(text)
    last = "".join(pieces).strip()
    if last:
        yield last


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text.replace(" ", r"\s+"), re.IGNORECASE | re.DOTALL)


def _names(text: str) -> list[str]:
    """Names of a list with commas, without the schema and without the arguments of functions."""
    outside = re.sub(r"\([^()]*\)", "", text)
    return [name.strip().removeprefix("public.") for name in outside.split(",") if name.strip()]


def _privileges(text: str) -> set[str]:
    """`ALL` in full; of `UPDATE (a, b)` one entry for each column."""
    found: set[str] = set()
    for word, columns in re.findall(r"(\w+)(?: PRIVILEGES)?\s*(?:\(([^)]*)\))?", text.upper()):
        if word in ("PRIVILEGES", ""):
            continue
        wide = _EVERY if word == "ALL" else frozenset({word})
        names = [name.strip().lower() for name in columns.split(",") if name.strip()]
        found |= {f"{one}({name})" for one in wide for name in names} if names else wide
    return found


def _on_tables(found: Declared, hit: re.Match[str]) -> None:
    every = re.match(r"ALL\s+TABLES", hit["what"], re.IGNORECASE)
    tables = sorted(found.tables) if every else _names(re.sub(r"(?i)^TABLE\s+", "", hit["what"]))
    for table in tables:
        for grantee in _names(hit["who"]):
            held = found.grants.setdefault((table, grantee.lower()), set())
            if hit["verb"].upper() == "GRANT":
                held |= _privileges(hit["privileges"])
            else:
                held -= _privileges(hit["privileges"])


def _on_functions(found: Declared, hit: re.Match[str]) -> None:
    every = re.match(r"ALL\s+FUNCTIONS", hit["what"], re.IGNORECASE)
    names = sorted(found.functions) if every else _names(re.sub(r"(?i)^FUNCTION\s+", "", hit["what"]))
    for name in names:
        for grantee in _names(hit["who"]):
            held = found.callers.setdefault(name, set())
            if hit["verb"].upper() == "GRANT":
                held.add(grantee.lower())
            else:
                held.discard(grantee.lower())


def _function(found: Declared, hit: re.Match[str]) -> None:
    name, rest = hit["name"], hit["rest"]
    body = re.search(r"(\$\w*\$)(.*?)\1", rest, re.DOTALL)
    options = rest.replace(body.group(), "") if body else rest
    if name not in found.functions:  # one that is replaced keeps its callers
        found.callers[name] = {PUBLIC}
    found.functions[name] = Function(
        body[2].strip() if body else "",
        re.search(r"SECURITY\s+DEFINER", options, re.IGNORECASE) is not None,
        re.search(r"SET\s+search_path\s*=\s*pg_catalog", options, re.IGNORECASE) is not None,
    )


def _rename_function(found: Declared, hit: re.Match[str]) -> None:
    if hit["name"] in found.functions:
        found.functions[hit["new"]] = found.functions.pop(hit["name"])
        found.callers[hit["new"]] = found.callers.pop(hit["name"])


def _create_table(found: Declared, hit: re.Match[str]) -> None:
    found.tables.add(hit["name"])
    found.constraints |= {(hit["name"], name) for name in re.findall(r"\bCONSTRAINT\s+(\w+)", hit["rest"])}


def _alter_table(found: Declared, hit: re.Match[str]) -> None:
    for verb, name in re.findall(r"(?i)\b(ADD|DROP)\s+CONSTRAINT\s+(?:IF\s+EXISTS\s+)?(\w+)", hit["rest"]):
        named = {(hit["name"], name)}
        found.constraints = found.constraints | named if verb.upper() == "ADD" else found.constraints - named


def _drop_table(found: Declared, hit: re.Match[str]) -> None:
    for table in _names(hit["what"]):
        found.tables.discard(table)
        found.triggers = {trigger for trigger in found.triggers if trigger[0] != table}
        found.policies = {policy for policy in found.policies if policy[0] != table}
        found.constraints = {constraint for constraint in found.constraints if constraint[0] != table}


def _drop_function(found: Declared, hit: re.Match[str]) -> None:
    for name in _names(hit["what"]):
        found.functions.pop(name, None)
        found.callers.pop(name, None)


def _trigger(found: Declared, hit: re.Match[str]) -> None:
    named = (hit["table"], hit["name"])
    if hit["verb"].upper() == "DROP":
        found.triggers.discard(named)
    else:
        found.triggers.add(named)


def _policy(found: Declared, hit: re.Match[str]) -> None:
    named = (hit["table"], hit["name"])
    if hit["verb"].upper() == "DROP":
        found.policies.discard(named)
    else:
        found.policies.add(named)


_OPTIONAL: Final = r"(?:(?:IF NOT EXISTS|IF EXISTS) )?(?:public\.)?"
_RIGHTS: Final = (
    r"(?P<verb>GRANT|REVOKE) (?P<privileges>.+?) ON (?P<what>{what}) (?:TO|FROM) (?P<who>[\w, ]+)"
    r"(?: (?:CASCADE|RESTRICT))?$"
)
_NOT_TABLES: Final = r"(?!SCHEMA\b|SEQUENCE\b|TYPE\b|DATABASE\b|ALL SEQUENCES\b|LANGUAGE\b|DOMAIN\b)"
_TAKES: Final = (
    (_pattern(rf"CREATE (?:UNLOGGED )?TABLE {_OPTIONAL}(?P<name>\w+)(?P<rest>.*)"), _create_table),
    (_pattern(rf"ALTER TABLE (?:ONLY )?{_OPTIONAL}(?P<name>\w+)(?P<rest>.*)"), _alter_table),
    (_pattern(rf"DROP TABLE {_OPTIONAL}(?P<what>[\w., ]+?)(?: CASCADE)?$"), _drop_table),
    (
        _pattern(r"CREATE (?:OR REPLACE )?FUNCTION (?:public\.)?(?P<name>\w+)\s*(?P<rest>\(.*)"),
        _function,
    ),
    (
        _pattern(r"ALTER FUNCTION (?:public\.)?(?P<name>\w+).*? RENAME TO (?P<new>\w+)"),
        _rename_function,
    ),
    (_pattern(rf"DROP FUNCTION {_OPTIONAL}(?P<what>.+?)(?: CASCADE)?$"), _drop_function),
    (
        _pattern(
            r"(?P<verb>CREATE) (?:OR REPLACE )?(?:CONSTRAINT )?TRIGGER (?P<name>\w+) .*? ON "
            r"(?:public\.)?(?P<table>\w+)"
        ),
        _trigger,
    ),
    (_pattern(rf"(?P<verb>DROP) TRIGGER {_OPTIONAL}(?P<name>\w+) ON (?:public\.)?(?P<table>\w+)"), _trigger),
    (_pattern(r"(?P<verb>CREATE) POLICY (?P<name>\w+) ON (?:public\.)?(?P<table>\w+)"), _policy),
    (_pattern(rf"(?P<verb>DROP) POLICY {_OPTIONAL}(?P<name>\w+) ON (?:public\.)?(?P<table>\w+)"), _policy),
    (_pattern(_RIGHTS.format(what=r"(?:ALL FUNCTIONS|FUNCTION) .+?")), _on_functions),
    (_pattern(_RIGHTS.format(what=rf"{_NOT_TABLES}.+?")), _on_tables),
)
