"""Looks at the running database itself: are the protections that the migrations made really there?

What has to be there is read from the migrations (storage/declared.py), table by table and function by
function; what is there is read from PostgreSQL's catalogues. Too much is found like too little.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import text

from referral.storage import migrate
from referral.storage.db import APPLICATION_ROLE, Session
from referral.storage.declared import PUBLIC, declared

OWNER: Final = "referral_owner"
_OWN_CLINIC: Final = "(clinic_id = current_clinic())"
# Tables, views and the like of ours; what an extension brought along is its own.
_RELATIONS: Final = """
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                    AND d.deptype = 'e')
"""


def protections(session: Session) -> list[str]:
    """One sentence per protection that is missing; empty when all are there."""
    applied = migrate.applied(session.connection)
    if applied != migrate.newest():
        return [f"The database stands at migration {applied}, this program needs {migrate.newest()}."]
    checks = (_roles, _settings, _tables, _row_security, _policies, _grants, _triggers, _functions)
    return [sentence for check in (*checks, _constraints) for sentence in check(session)]


def _rows(session: Session, sql: str, **values: Any) -> list[Any]:
    return list(session.connection.execute(text(sql), values).all())


def _roles(session: Session) -> Iterator[str]:
    roles = (
        "SELECT rolname, rolsuper, rolbypassrls, rolcanlogin, rolcreaterole FROM pg_roles WHERE rolname = "
    )
    app = _rows(session, f"{roles} current_user")[0]
    if app.rolname != APPLICATION_ROLE:
        yield f"The service works as {app.rolname}, not as {APPLICATION_ROLE}."
    if app.rolsuper or app.rolbypassrls or app.rolcreaterole:
        yield "The service's role may go round row-level security or make roles."
    for row in _rows(session, f"{roles} session_user"):
        if row.rolsuper or row.rolbypassrls:
            yield f"The service signs in as a superuser; give it a sign-in as {APPLICATION_ROLE}."
    owners = _rows(session, f"{roles} :owner", owner=OWNER)
    if not owners:
        yield f"The role {OWNER} is missing."
    for owner in owners:
        if owner.rolsuper or owner.rolbypassrls or owner.rolcanlogin:
            yield f"{OWNER} may sign in or go round row-level security."
    belongs = (
        "SELECT pg_get_userbyid(roleid) AS name FROM pg_auth_members"
        " WHERE pg_get_userbyid(member) = :role ORDER BY 1"
    )
    for row in _rows(session, belongs, role=APPLICATION_ROLE):
        yield f"The service's role is a member of {row.name}."
    if session.connection.scalar(
        text("SELECT has_schema_privilege(:role, 'public', 'CREATE')"), {"role": APPLICATION_ROLE}
    ):
        yield "The service's role may make tables and functions of its own."


def _settings(session: Session) -> Iterator[str]:
    if session.connection.scalar(text("SELECT current_setting('max_prepared_transactions')::integer > 0")):
        yield (
            "Transactions can be prepared: a start could be committed later without another look at the "
            "clock. Set max_prepared_transactions to 0."
        )
    replication = "session_replication_role"
    if session.connection.scalar(text(f"SELECT current_setting('{replication}') <> 'origin'")):
        yield "Triggers are switched off by session_replication_role."
    if session.connection.scalar(
        text("SELECT has_parameter_privilege(:role, :name, 'SET')"),
        {"role": APPLICATION_ROLE, "name": replication},
    ):
        yield "The service's role may switch triggers off (session_replication_role)."


def _tables(session: Session) -> Iterator[str]:
    there = {
        r.relname: r
        for r in _rows(session, f"SELECT relname, pg_get_userbyid(relowner) AS owner {_RELATIONS}")
    }
    for name in sorted(declared().tables - there.keys()):
        yield f"The table {name} is missing."
    for name in sorted(there):
        if name not in declared().tables:
            yield f"The table {name} is not one of this program's."
        elif there[name].owner != OWNER:
            yield f"{name} belongs to {there[name].owner}, not to {OWNER}."


def _row_security(session: Session) -> Iterator[str]:
    unfenced = (
        f"SELECT c.relname {_RELATIONS} AND NOT (c.relrowsecurity AND c.relforcerowsecurity)"  # noqa: S608
        " AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'clinic_id')"
        " ORDER BY 1"
    )
    for row in _rows(session, unfenced):
        yield f"Row-level security is not forced on {row.relname}."


def _policies(session: Session) -> Iterator[str]:
    policies = (
        "SELECT tablename, policyname, cmd, permissive, qual, with_check FROM pg_policies"
        " WHERE schemaname = 'public'"
    )
    there = {(row.tablename, row.policyname): row for row in _rows(session, policies)}
    fenced = f"SELECT c.relname {_RELATIONS} AND c.relrowsecurity ORDER BY 1"
    wanted = {(row.relname, "own_clinic") for row in _rows(session, fenced)} | declared().policies
    for table, name in sorted(wanted - there.keys()):
        yield f"The policy {name} on {table} is missing."
    for (table, name), row in sorted(there.items()):
        if (table, name) not in wanted:
            yield f"The policy {name} on {table} is not one of this program's."
        elif name == "own_clinic" and (row.cmd, row.qual, row.with_check) != ("ALL", _OWN_CLINIC, None):
            yield f"The policy own_clinic on {table} does not keep clinics apart."
        elif name != "own_clinic" and row.cmd != "SELECT" and row.permissive == "PERMISSIVE":
            yield f"The policy {name} on {table} lets more than reading through."


def _grants(session: Session) -> Iterator[str]:
    held: dict[tuple[str, str], set[str]] = {}
    listed = (
        "SELECT c.relname,"
        " CASE a.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(a.grantee) END AS grantee,"
        " a.privilege_type || a.of_column AS privilege, a.is_grantable"
        " FROM pg_class c, LATERAL ("
        "   SELECT grantee, privilege_type, is_grantable, '' AS of_column FROM aclexplode(c.relacl)"
        "   UNION ALL SELECT x.grantee, x.privilege_type, x.is_grantable, '(' || t.attname || ')'"
        "   FROM pg_attribute t, aclexplode(t.attacl) x WHERE t.attrelid = c.oid) a"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    )
    for row in _rows(session, listed):
        if row.grantee in (APPLICATION_ROLE, PUBLIC):
            held.setdefault((row.relname, row.grantee), set()).add(row.privilege)
            if row.is_grantable:
                yield f"The service's role may pass on {row.privilege} on {row.relname}."
    for table in sorted(declared().tables):
        for grantee, who in ((APPLICATION_ROLE, "The service's role"), (PUBLIC, "Everybody")):
            has, may = held.get((table, grantee), set()), declared().granted(table, grantee)
            for privilege in sorted(has - may):
                yield f"{who} may {privilege} on {table}, and must not."
            for privilege in sorted(may - has):
                yield f"{who} may not {privilege} on {table}, and has to."


def _triggers(session: Session) -> Iterator[str]:
    # Those of foreign keys as well: DISABLE TRIGGER ALL switches them off together.
    listed = (
        "SELECT c.relname, t.tgname, t.tgisinternal, t.tgenabled IN ('O', 'A') AS works"
        " FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
        " WHERE c.relnamespace = 'public'::regnamespace"
    )
    rows = _rows(session, listed)
    there = {(row.relname, row.tgname) for row in rows if row.works}
    for table, name in sorted(declared().triggers - there):
        yield f"The trigger {name} on {table} is missing or off."
    for table in sorted({row.relname for row in rows if row.tgisinternal and not row.works}):
        yield f"Foreign keys of {table} are not checked: their triggers are off."


def _functions(session: Session) -> Iterator[str]:
    listed = (
        "SELECT p.proname, p.prosrc, p.prosecdef, pg_get_userbyid(p.proowner) AS owner,"
        " coalesce(array_to_string(p.proconfig, ' '), '') AS settings, ("
        "   SELECT coalesce(array_agg("
        "     CASE a.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(a.grantee)::text END), '{}')"
        "   FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a"
        "   WHERE a.grantee <> p.proowner) AS callers"
        " FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace"
        " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid"
        "                 AND d.deptype = 'e') ORDER BY 1"
    )
    rows = _rows(session, listed)
    for name in sorted(declared().functions.keys() - {row.proname for row in rows}):
        yield f"The function {name} is missing."
    for row in rows:
        name, wanted = row.proname, declared().functions.get(row.proname)
        if wanted is None:
            yield f"The function {name} is not one of this program's."
            continue
        if row.owner != OWNER:
            yield f"{name} belongs to {row.owner}, not to {OWNER}."
        if row.prosrc.strip() != wanted.body:
            yield f"{name} does not say what the migrations say."
        if row.prosecdef != wanted.definer:
            yield f"{name} runs as its {'owner' if row.prosecdef else 'caller'}, and must not."
        if wanted.fixed_path and "search_path=pg_catalog" not in row.settings:
            yield f"{name} has no fixed search_path."
        for caller in sorted(set(row.callers) - declared().callers[name]):
            yield f"{caller} may call {name}, and must not."
        for caller in sorted(declared().callers[name] - set(row.callers)):
            yield f"{caller} may not call {name}, and has to."


def _constraints(session: Session) -> Iterator[str]:
    listed = (
        "SELECT c.relname, k.conname, k.convalidated"
        " FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
        " WHERE k.connamespace = 'public'::regnamespace ORDER BY 1, 2"
    )
    rows = _rows(session, listed)
    for table, name in sorted(declared().constraints - {(row.relname, row.conname) for row in rows}):
        yield f"The constraint {name} on {table} is missing."
    for row in rows:
        if not row.convalidated:
            yield f"{row.conname} on {row.relname} has not been checked for the rows that are there."
    for difference in migrate.differences(session.connection):
        yield f"The tables differ from what this program needs: {_briefly(difference)}."


def _briefly(difference: object) -> str:
    """Alembic's own word for it, and what it is about."""
    first = difference[0] if isinstance(difference, tuple | list) and difference else difference
    if isinstance(first, tuple):
        return _briefly(first)
    about = next((getattr(part, "name", None) for part in difference[1:] if hasattr(part, "name")), None)  # type: ignore[index]
    return f"{first} {about}" if about else str(first)
