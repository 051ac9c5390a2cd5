"""A database that goes by the pretended clock as well.

The gate takes the database's own time, which nobody can pretend to the service. Here the owner of a database
that is thrown away afterwards writes its functions anew, so that weeks pass for the gate as for everybody.
"""

from __future__ import annotations

from tests.journeys.service import Service

_CLOCK = """
    CREATE FUNCTION pretended_now() RETURNS timestamptz LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog AS $$ SELECT btrim(pg_read_file('{file}'))::timestamptz $$"""
_THOSE_WITH_A_CLOCK = """
    SELECT pg_get_functiondef(oid) FROM pg_proc
     WHERE pronamespace = 'public'::regnamespace AND prosrc LIKE '%clock_timestamp()%'"""


def let_the_gate_follow(service: Service) -> None:
    """From now on an infusion starts at the time of the service's clock."""
    with service.database() as owner:
        owner.execute(_CLOCK.format(file=service.clock.file))
        found = owner.execute(_THOSE_WITH_A_CLOCK).fetchall()
        assert any("gate_start" in definition for (definition,) in found)
        for (definition,) in found:
            owner.execute(definition.replace("clock_timestamp()", "public.pretended_now()"))
