"""A clinic with many requests, written by SQL as the application and its triggers would have left them.

Each request is about a patient and an order of its own; every hundred are to one clinician. The newest `open`
of them wait for an answer, the oldest `calls` of these for a call; the others were answered within days.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from sqlalchemy import Engine, create_engine, text

_STEP = 50_000
_SCRIPT = """
SET LOCAL session_replication_role = replica;
SET LOCAL synchronous_commit = off;
CREATE TEMP TABLE made ON COMMIT DROP AS
SELECT p, 'b' || p AS id, (p - 1) / 100 AS c, 'bc' || (p - 1) / 100 AS who, p > {most} - {open} AS is_open,
       translate((p % 7919)::text, '0123456789', 'abcdefghij') AS family,
       translate((p % 1009)::text, '0123456789', 'abcdefghij') AS given,
       timestamptz '{now}' - interval '1 minute' * ({most} - p + 3000) AS at
FROM generate_series({first}, {last}) p;
INSERT INTO patient (clinic_id, id, family, given, birth_date, search_name)
SELECT '{clinic}', id, 'Family' || family, 'Given' || given, date '1950-01-01' + (p % 20000)::int,
       'family' || family || ' given' || given FROM made;
INSERT INTO clinician (clinic_id, id, name, credentials, kind, practice, time_zone, search_name)
SELECT DISTINCT '{clinic}'::uuid, who, 'Doctor Number' || c, 'MD', 'psychiatrist',
       'Practice ' || c, 'America/Denver', 'doctor number' || c || ' practice ' || c FROM made;
INSERT INTO search_key (clinic_id, kind, id, key)
SELECT '{clinic}', 'patient', id, key FROM made,
       search_keys('family' || family || ' given' || given, '') AS key ON CONFLICT DO NOTHING;
INSERT INTO search_key (clinic_id, kind, id, key)
SELECT '{clinic}', 'clinician', who, key FROM (SELECT DISTINCT c, who FROM made) m,
       search_keys('doctor number' || c || ' practice ' || c, '') AS key ON CONFLICT DO NOTHING;
INSERT INTO contact (clinic_id, id, clinician_id, channel, address, source, verified_at)
SELECT DISTINCT '{clinic}'::uuid, who || channel, who, channel, replace(address, '#', who), 'staff',
       timestamptz '{now}'
FROM made, (VALUES ('email', '#@practice.example'), ('phone', '+13035550100')) AS v (channel, address);
INSERT INTO infusion_order (clinic_id, id, patient_id, status, first_infusion_on, created_by, created_at)
SELECT '{clinic}', id, id, CASE WHEN is_open THEN 'on-hold' ELSE 'completed' END,
       (at AT TIME ZONE 'UTC')::date + 21, 'bench', at FROM made;
INSERT INTO gate (clinic_id, order_id, patient_id, version) SELECT '{clinic}', id, id, 4 FROM made;
INSERT INTO order_indication (clinic_id, order_id, system, code, display, position)
SELECT '{clinic}', id, 'http://hl7.org/fhir/sid/icd-10-cm', 'F33.2', 'recurrent depression', 0 FROM made;
INSERT INTO consultation (clinic_id, encounter_id, patient_id, order_id, held_at, recorded_by)
SELECT '{clinic}', id, id, id, at, 'bench' FROM made;
INSERT INTO referral (clinic_id, id, number, requisition, task_id, patient_id, order_id, clinician_id, status,
                      business_status, created_by, created_at, started_at, due_at, delivered_at,
                      identified_at, closed_at, climbed, next_step_at)
SELECT '{clinic}', id, 'R-2026-' || lpad(p::text, 7, '0'), id, id, id, id, who,
       CASE WHEN is_open THEN 'requested' ELSE 'completed' END,
       CASE WHEN is_open THEN 'sent' ELSE 'recommended' END, 'bench', at, at, at + interval '14 days',
       at + interval '10 minutes', CASE WHEN NOT is_open THEN at + interval '2 days' END,
       CASE WHEN NOT is_open THEN least(at + interval '1 hour' * (30 + p % 200), timestamptz '{now}') END, 1,
       CASE WHEN is_open THEN timestamptz '{now}' + interval '3 days' END
FROM made;
INSERT INTO recommendation (clinic_id, id, patient_id, order_id, referral_id, clinician_id, clinician_kind,
                            decision, covers, strength, answered_at, valid_until, response_id)
SELECT '{clinic}', id, id, id, id, who, 'psychiatrist', 'recommended', '{{F33.2}}', 'two-channel',
       at + interval '1 hour' * (30 + p % 200), at + interval '180 days', id FROM made WHERE NOT is_open;
INSERT INTO message (clinic_id, id, referral_id, kind, ordinal, channel, contact_id, state, not_before,
                     sent_for_real, created_at, finished_at)
SELECT '{clinic}', md5(id || kind)::uuid, id, kind, 0, 'email', who || 'email', 'delivered', at, true, at,
       at + interval '10 minutes'
FROM made, (VALUES ('request'), ('thank-you')) AS v (kind) WHERE kind = 'request' OR NOT is_open;
INSERT INTO referral_event (clinic_id, referral_id, event, actor, detail, at)
SELECT '{clinic}', id, event, 'worker', '{{"kind": "request", "channel": "email"}}', at
FROM made, (VALUES ('asked'), ('sent'), ('delivered')) AS v (event);
INSERT INTO call_task (clinic_id, id, why, referral_id, due_at, created_at)
SELECT '{clinic}', md5('call' || id)::uuid, 'ladder', id, at, at FROM made
WHERE p > {most} - {open} AND p <= {most} - {open} + {calls};
"""


def person(number: int) -> str:
    """What a receptionist types to find the patient of this request."""
    letters = str.maketrans("0123456789", "abcdefghij")
    return f"family{number % 7919} given{number % 1009}".translate(letters)


def write_clinic(admin_url: str, clinic_id: str, most: int, *, open: int, calls: int, now: datetime) -> None:
    """`most` requests in all, by two connections, without triggers; indexes are made afterwards."""
    engine = create_engine(admin_url)
    given = {"clinic": clinic_id, "most": most, "open": open, "calls": calls, "now": now}
    with _without_indexes(engine), ThreadPoolExecutor(2) as two:
        list(two.map(partial(_write, engine, given), range(1, most + 1, _STEP)))
    _by_itself(engine, "VACUUM ANALYZE", "CHECKPOINT")
    engine.dispose()


def _write(engine: Engine, given: dict[str, object], first: int) -> None:
    last = min(first + _STEP - 1, int(str(given["most"])))
    with engine.begin() as connection:
        connection.exec_driver_sql(_SCRIPT.format(**given, first=first, last=last).replace("%", "%%"))


# An index that no constraint rests on.
_INDEXES = text("""
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS made FROM pg_index
WHERE indrelid::regclass::text = ANY (:tables)
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
""")


@contextmanager
def _without_indexes(engine: Engine) -> Iterator[None]:
    """Made at the end they cost a tenth; nothing is checkpointed or vacuumed meanwhile either."""
    tables = sorted(set(re.findall(r"INSERT INTO (\w+)", _SCRIPT)))
    with engine.connect() as connection:
        indexes = connection.execute(_INDEXES, {"tables": tables}).all()
    busy = {"max_wal_size": "'16GB'", "autovacuum": "off", "maintenance_work_mem": "'512MB'"}
    _by_itself(
        engine,
        *(f"ALTER SYSTEM SET {name} = {value}" for name, value in busy.items()),
        "SELECT pg_reload_conf()",
        *(f"DROP INDEX {index.name}" for index in indexes),
    )
    yield
    _by_itself(
        engine,
        *(index.made for index in indexes),
        *(f"ALTER SYSTEM RESET {name}" for name in busy),
        "SELECT pg_reload_conf()",
    )


def _by_itself(engine: Engine, *statements: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
