"""The doctor sees each kind of damage to the running database, and knows every table by construction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine

from referral.embedded import Engines
from referral.storage import inspect, migrate, tables
from referral.storage.db import APPLICATION_ROLE, Database, Session
from referral.storage.declared import declared, read
from referral.storage.vault import Vault


@pytest.fixture(scope="module")
def administrator(engines: Engines, database: Database) -> Iterator[Connection]:
    """Whoever may do damage, in the migrated database."""
    engine = create_engine(engines.admin_url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def examine_after(administrator: Connection, *damage: str) -> list[str]:
    """What the service's role finds after the damage, which is undone again."""
    try:
        for statement in damage:
            administrator.exec_driver_sql(statement)
        administrator.exec_driver_sql(f"SET LOCAL SESSION AUTHORIZATION {APPLICATION_ROLE}")
        return inspect.protections(Session(administrator, Vault(bytes(32)), administrator.engine.connect))
    finally:
        administrator.rollback()


# What somebody might do to the database with a good intention, and what the doctor says about it.
DAMAGE: dict[str, tuple[str, str]] = {
    "a grant too many": (
        "GRANT INSERT ON treatment_start TO referral_app",
        "The service's role may INSERT on treatment_start, and must not.",
    ),
    "a grant on one column": (
        "GRANT UPDATE (valid_until) ON recommendation TO referral_app",
        "The service's role may UPDATE(valid_until) on recommendation, and must not.",
    ),
    "a grant on a table that nobody thinks of": (
        "GRANT DELETE ON referral_event TO referral_app",
        "The service's role may DELETE on referral_event, and must not.",
    ),
    "a grant to everybody": (
        "GRANT UPDATE ON gate TO PUBLIC",
        "Everybody may UPDATE on gate, and must not.",
    ),
    "a grant that can be passed on": (
        "GRANT SELECT ON gate TO referral_app WITH GRANT OPTION",
        "The service's role may pass on SELECT on gate.",
    ),
    "a grant too few": (
        "REVOKE INSERT ON audit_event FROM referral_app",
        "The service's role may not INSERT on audit_event, and has to.",
    ),
    "a role too many": (
        "GRANT referral_owner TO referral_app",
        "The service's role is a member of referral_owner.",
    ),
    "past row security by attribute": (
        "ALTER ROLE referral_app BYPASSRLS",
        "The service's role may go round row-level security or make roles.",
    ),
    "an owner that signs in": (
        "ALTER ROLE referral_owner LOGIN",
        "referral_owner may sign in or go round row-level security.",
    ),
    "tables of one's own": (
        "GRANT CREATE ON SCHEMA public TO referral_app",
        "The service's role may make tables and functions of its own.",
    ),
    "triggers may be switched off": (
        "GRANT SET ON PARAMETER session_replication_role TO referral_app",
        "The service's role may switch triggers off (session_replication_role).",
    ),
    "triggers are switched off": (
        "SET LOCAL session_replication_role = replica",
        "Triggers are switched off by session_replication_role.",
    ),
    "row security off": (
        "ALTER TABLE contact DISABLE ROW LEVEL SECURITY",
        "Row-level security is not forced on contact.",
    ),
    "row security not for the owner": (
        "ALTER TABLE message NO FORCE ROW LEVEL SECURITY",
        "Row-level security is not forced on message.",
    ),
    "a policy too many": (
        "CREATE POLICY all_of_it ON patient USING (true)",
        "The policy all_of_it on patient is not one of this program's.",
    ),
    "a policy that lets everything through": (
        "ALTER POLICY own_clinic ON patient USING (true)",
        "The policy own_clinic on patient does not keep clinics apart.",
    ),
    "a policy too few": (
        "DROP POLICY own_clinic ON patient",
        "The policy own_clinic on patient is missing.",
    ),
    "a policy for more than reading": (
        "DROP POLICY every_clinic ON clinic;; CREATE POLICY every_clinic ON clinic USING (true)",
        "The policy every_clinic on clinic lets more than reading through.",
    ),
    "a trigger off": (
        "ALTER TABLE treatment_start DISABLE TRIGGER check_start",
        "The trigger check_start on treatment_start is missing or off.",
    ),
    "a trigger for replicas only": (
        "ALTER TABLE treatment_start ENABLE REPLICA TRIGGER check_start",
        "The trigger check_start on treatment_start is missing or off.",
    ),
    "a trigger gone": (
        "DROP TRIGGER move_gate ON recommendation_void",
        "The trigger move_gate on recommendation_void is missing or off.",
    ),
    "foreign keys unchecked": (
        "ALTER TABLE recommendation DISABLE TRIGGER ALL",
        "Foreign keys of recommendation are not checked: their triggers are off.",
    ),
    "a foreign key gone": (
        "ALTER TABLE gate DROP CONSTRAINT fk_gate_clinic_id_patient_id_order_id_infusion_order",
        "The constraint fk_gate_clinic_id_patient_id_order_id_infusion_order on gate is missing.",
    ),
    "a check gone": (
        "ALTER TABLE infusion_order DROP CONSTRAINT ck_infusion_order_status",
        "The constraint ck_infusion_order_status on infusion_order is missing.",
    ),
    "a column too many": (
        "ALTER TABLE gate ADD COLUMN note text",
        "The tables differ from what this program needs: remove_column",
    ),
    "not as its owner": (
        "ALTER FUNCTION gate_start SECURITY INVOKER",
        "gate_start runs as its caller, and must not.",
    ),
    "another owner of the function": (
        "ALTER FUNCTION gate_start OWNER TO CURRENT_USER",
        "gate_start belongs to ",
    ),
    "another owner of a table": (
        "ALTER TABLE treatment_start OWNER TO CURRENT_USER",
        "treatment_start belongs to ",
    ),
    "any search path": (
        "ALTER FUNCTION gate_start RESET search_path",
        "gate_start has no fixed search_path.",
    ),
    "another rule": (
        (
            "DO $do$ BEGIN EXECUTE replace(pg_get_functiondef('gate_check'::regproc),"
            " 'valid_until > p_at', 'valid_until IS NOT NULL'); END $do$"
        ),
        "gate_check does not say what the migrations say.",
    ),
    "a function for everybody": (
        "GRANT EXECUTE ON FUNCTION move_gate TO PUBLIC",
        "public may call move_gate, and must not.",
    ),
    "a function too many": (
        "CREATE FUNCTION open_sesame() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "The function open_sesame is not one of this program's.",
    ),
    "a second function of the name": (
        "CREATE FUNCTION gate_start(text) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "gate_start does not say what the migrations say.",
    ),
    "a function gone": ("DROP FUNCTION ring CASCADE", "The function ring is missing."),
    "a table too many": (
        "CREATE TABLE start_without_a_gate (clinic_id uuid)",
        "The table start_without_a_gate is not one of this program's.",
    ),
    "a view past row security": (
        "CREATE VIEW everybody AS SELECT * FROM patient;; GRANT SELECT ON everybody TO referral_app",
        "The table everybody is not one of this program's.",
    ),
    "a table gone": ("DROP TABLE audit_chain CASCADE", "The table audit_chain is missing."),
    "an older schema": (
        "UPDATE alembic_version SET version_num = '0000'",
        "The database stands at migration 0000",
    ),
}


@pytest.mark.parametrize("damage", sorted(DAMAGE))
def test_damage_is_found_and_named(administrator: Connection, damage: str) -> None:
    statement, sentence = DAMAGE[damage]
    found = examine_after(administrator, *statement.split(";; "))
    assert any(text.startswith(sentence) for text in found), found


def test_what_the_migrations_made_is_found_complete(administrator: Connection) -> None:
    """Also that the reader of the scripts understands what PostgreSQL made of them, to the last grant."""
    assert examine_after(administrator) == []
    assert declared().tables == set(tables.metadata.tables) | {"alembic_version"}


def test_no_table_is_forgotten(administrator: Connection) -> None:
    """There is no list to forget a table in: each kind of damage is found on each of them."""
    every = tables.metadata.tables
    fenced = {name for name in every if "clinic_id" in every[name].c}
    assert len(fenced) > 30
    found = examine_after(
        administrator,
        *(f"GRANT TRUNCATE ON {name} TO referral_app" for name in every),
        *(f"REVOKE SELECT ON {name} FROM referral_app" for name in every if name != "alembic_version"),
        *(f"ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY" for name in every),
        *(f"ALTER TABLE {name} OWNER TO CURRENT_USER" for name in every),
    )
    assert {f"The service's role may TRUNCATE on {name}, and must not." for name in every} <= set(found)
    assert {f"The service's role may not SELECT on {name}, and has to." for name in every} <= set(found)
    assert {f"Row-level security is not forced on {name}." for name in fenced} <= set(found)
    assert {name for name in every if any(f.startswith(f"{name} belongs to ") for f in found)} == set(every)


def test_no_function_and_no_trigger_is_forgotten(administrator: Connection) -> None:
    names, triggers = sorted(declared().functions), sorted(declared().triggers)
    assert len(names) > 10
    found = examine_after(
        administrator,
        *(f"ALTER FUNCTION {name} OWNER TO CURRENT_USER" for name in names),
        *(f"ALTER TABLE {table} DISABLE TRIGGER {name}" for table, name in triggers),
        *(
            f"ALTER FUNCTION {name} SECURITY {'INVOKER' if declared().functions[name].definer else 'DEFINER'}"
            for name in names
        ),
    )
    assert {name for name in names if any(f.startswith(f"{name} belongs to ") for f in found)} == set(names)
    assert {name for name in names if any(f.startswith(f"{name} runs as its ") for f in found)} == set(names)
    off = {f"The trigger {name} on {table} is missing or off." for table, name in triggers}
    assert off <= set(found)


def test_a_server_on_which_starts_can_be_prepared_is_found(data_dir: Path, database: Database) -> None:
    """Deferred checks run when a transaction is prepared, and not again when somebody commits it later."""
    with Engines(data_dir, postgres_settings={"max_prepared_transactions": "5"}) as engines:
        migrate.upgrade(engines.admin_url)
        other = Database(engines.app_url, database.vault)
        with other.transaction() as session:
            (found,) = inspect.protections(session)
        other.close()
    assert found.startswith("Transactions can be prepared: a start could be committed later")


def test_later_scripts_change_what_earlier_ones_said() -> None:
    """What a migration to come may say."""
    first = """
        CREATE TABLE a (id int); CREATE TABLE b (id int, CONSTRAINT ck_b CHECK (id > 0));
        GRANT ALL ON ALL TABLES IN SCHEMA public TO referral_app, reader; -- GRANT ALL ON b TO nobody;
        CREATE FUNCTION f(a int) RETURNS text LANGUAGE sql AS $$ SELECT '; GRANT ALL ON a TO x;' $$;
        CREATE TRIGGER t AFTER INSERT OR UPDATE OF x, y ON a EXECUTE FUNCTION f();
    """
    second = """
        REVOKE INSERT, UPDATE, DELETE ON TABLE a FROM referral_app;
        REVOKE ALL PRIVILEGES ON public.b FROM referral_app;
        GRANT UPDATE (x, y), SELECT ON b TO referral_app;
        CREATE OR REPLACE FUNCTION f(a int) RETURNS text LANGUAGE sql SECURITY DEFINER
            SET search_path = pg_catalog AS $x$ SELECT 2 $x$;
        REVOKE ALL ON FUNCTION f(int) FROM PUBLIC;
        ALTER FUNCTION f(int) RENAME TO g;
        DROP TRIGGER t ON a; ALTER TABLE b DROP CONSTRAINT ck_b; CREATE POLICY p ON b USING (true)
    """
    found = read([first, second])
    assert found.granted("a", "referral_app") == {"SELECT", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"}
    assert found.granted("b", "referral_app") == {"SELECT", "UPDATE(x)", "UPDATE(y)"}
    assert "INSERT" in found.granted("a", "reader")
    assert found.granted("b", "nobody") == found.granted("a", "x") == set()
    assert (found.functions["g"].body, found.functions["g"].definer) == ("SELECT 2", True)
    assert found.callers == {"g": set()}
    assert (found.triggers, found.constraints) == (set(), set())
    assert ("b", "p") in found.policies
