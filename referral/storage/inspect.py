"""Looks at the running database itself: are the protections that the migrations made really there?"""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

from referral.storage import migrate
from referral.storage.db import APPLICATION_ROLE, Session

# What the application's role must never be able to do, table by table.
_FORBIDDEN: Final = {
    "treatment_start": ("INSERT", "UPDATE", "DELETE", "TRUNCATE"),
    "gate": ("INSERT", "UPDATE", "DELETE", "TRUNCATE"),
    "recommendation": ("UPDATE", "DELETE", "TRUNCATE"),
    "recommendation_review": ("UPDATE", "DELETE", "TRUNCATE"),
    "recommendation_confirmation": ("UPDATE", "DELETE", "TRUNCATE"),
    "recommendation_void": ("UPDATE", "DELETE", "TRUNCATE"),
    "consultation": ("UPDATE", "DELETE", "TRUNCATE"),
    "order_indication": ("UPDATE", "DELETE", "TRUNCATE"),
    "policy_version": ("UPDATE", "DELETE", "TRUNCATE"),
    "indication_rule": ("UPDATE", "DELETE", "TRUNCATE"),
    "audit_event": ("UPDATE", "DELETE", "TRUNCATE"),
    "audit_chain": ("UPDATE", "DELETE", "TRUNCATE"),
    "document": ("UPDATE", "DELETE", "TRUNCATE"),
    "resource_history": ("INSERT", "UPDATE", "DELETE", "TRUNCATE"),
}
_TRIGGERS: Final = frozenset(
    {
        ("treatment_start", "check_start"),
        ("treatment_start", "check_start_at_commit"),
        ("infusion_order", "make_gate"),
        *(
            (table, "move_gate")
            for table in ("infusion_order", "order_indication", "consultation", "recommendation")
        ),
        *((f"recommendation_{kind}", "move_gate") for kind in ("review", "confirmation", "void")),
        ("policy_version", "move_clinic"),
        ("indication_rule", "move_clinic"),
        ("resource", "keep_version"),
    }
)


def protections(session: Session) -> list[str]:
    """One sentence per protection that is missing; empty when all are there."""
    return [
        *_migration(session),
        *_role(session),
        *_row_security(session),
        *_grants(session),
        *_triggers(session),
        *_gate_function(session),
    ]


def _migration(session: Session) -> list[str]:
    applied = migrate.applied(session.connection)
    newest = migrate.newest()
    if applied == newest:
        return []
    return [f"The database stands at migration {applied}, this program needs {newest}."]


def _role(session: Session) -> list[str]:
    row = session.connection.execute(
        text("SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
    ).one()
    found = []
    if row.rolname != APPLICATION_ROLE:
        found.append(f"The service works as {row.rolname}, not as {APPLICATION_ROLE}.")
    if row.rolsuper or row.rolbypassrls:
        found.append("The service's role may go round row-level security.")
    signed_in = session.connection.execute(
        text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = session_user")
    ).scalar_one()
    if signed_in:
        found.append(f"The service signs in as a superuser; give it a sign-in as {APPLICATION_ROLE}.")
    return found


def _row_security(session: Session) -> list[str]:
    rows = session.connection.execute(
        text(
            "SELECT c.relname FROM pg_class c"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'clinic_id'"
            " WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
            " AND NOT (c.relrowsecurity AND c.relforcerowsecurity)"
        )
    )
    owned = session.connection.execute(
        text(
            "SELECT c.relname FROM pg_class c"
            " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'"
            " AND pg_has_role(:role, c.relowner, 'USAGE')"
        ),
        {"role": APPLICATION_ROLE},
    )
    return [
        *(f"Row-level security is not forced on {name}." for (name,) in rows),
        *(f"The service's role owns {name}." for (name,) in owned),
    ]


def _grants(session: Session) -> list[str]:
    found = []
    for table, privileges in _FORBIDDEN.items():
        for privilege in privileges:
            held = session.connection.scalar(
                text("SELECT has_table_privilege(:role, :table, :privilege)"),
                {"role": APPLICATION_ROLE, "table": table, "privilege": privilege},
            )
            if held:
                found.append(f"The service's role may {privilege} on {table}.")
    return found


def _triggers(session: Session) -> list[str]:
    rows = session.connection.execute(
        text(
            "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')"
        )
    )
    there = {(table, name) for table, name in rows}
    return [f"The trigger {name} on {table} is missing or off." for table, name in sorted(_TRIGGERS - there)]


def _gate_function(session: Session) -> list[str]:
    row = session.connection.execute(
        text(
            "SELECT p.prosecdef, pg_get_userbyid(p.proowner) AS owner, p.proconfig"
            " FROM pg_proc p WHERE p.proname = 'gate_start' AND p.pronamespace = 'public'::regnamespace"
        )
    ).one_or_none()
    if row is None:
        return ["The function gate_start is missing."]
    found = []
    if not row.prosecdef or row.owner == APPLICATION_ROLE:
        found.append("gate_start does not run as its owner.")
    if not any(setting.startswith("search_path=pg_catalog") for setting in row.proconfig or ()):
        found.append("gate_start has no fixed search_path.")
    return found
