"""Many infusion orders that may be treated, written by SQL at once; their ids are `bench-1`, `bench-2` …"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import create_engine

# Each as the application and its triggers would have left it.
_SCRIPT = """
SET LOCAL session_replication_role = replica;
INSERT INTO patient (clinic_id, id, family, given, search_name)
    VALUES ('{clinic}', 'bench', 'Bench', 'Ada', 'bench ada') ON CONFLICT DO NOTHING;
INSERT INTO clinician (clinic_id, id, name, kind, time_zone, search_name)
    VALUES ('{clinic}', 'bench', 'Chidi Okafor', 'psychiatrist', 'America/Denver', 'chidi okafor')
    ON CONFLICT DO NOTHING;
CREATE TEMP TABLE ids ON COMMIT DROP AS SELECT 'bench-' || n AS i FROM generate_series({first}, {last}) n;
INSERT INTO infusion_order (clinic_id, id, patient_id, status, created_by, created_at)
    SELECT '{clinic}', i, 'bench', '{order_status}', 'bench', now() FROM ids;
INSERT INTO gate (clinic_id, order_id, patient_id, version) SELECT '{clinic}', i, 'bench', 4 FROM ids;
INSERT INTO order_indication (clinic_id, order_id, system, code, display, position)
    SELECT '{clinic}', i, 'http://hl7.org/fhir/sid/icd-10-cm', 'F33.2', 'depression', 0 FROM ids;
INSERT INTO consultation (clinic_id, encounter_id, patient_id, order_id, held_at, recorded_by)
    SELECT '{clinic}', i, 'bench', i, now() - interval '1 day', 'bench' FROM ids;
INSERT INTO referral (clinic_id, id, number, requisition, task_id, patient_id, order_id, clinician_id,
                      created_by, created_at, {columns})
    SELECT '{clinic}', i, i, i, i, 'bench', i, 'bench', 'bench', now(), {values} FROM ids;
"""
_RECOMMENDATION = """
INSERT INTO recommendation (clinic_id, id, patient_id, order_id, referral_id, clinician_id, clinician_kind,
                            decision, covers, strength, answered_at, valid_until, response_id)
    SELECT '{clinic}', i, 'bench', i, i, 'bench', 'psychiatrist', 'recommended', '{{F33.2}}', 'two-channel',
           now(), now() + interval '180 days', i FROM ids;
"""
_ANSWERED = {
    "status": "'completed'",
    "started_at": "now()",
    "due_at": "now()",
    "closed_at": "now()",
}
_WAITING = {
    "status": "'requested'",
    "business_status": "'sent'",
    "delivered_at": "{now} - interval '1 day'",
    "started_at": "{now} - interval '1 day'",
    "due_at": "{now} + interval '20 days'",
    "next_step_at": "{now} + interval '5 days'",
}


def write_orders(
    admin_url: str, clinic_id: str, first: int, last: int, *, open_at: datetime | None = None
) -> None:
    """Orders `first` to `last` with all that opens them. Triggers are off: a million takes a few minutes.

    With `open_at` nobody has answered: the requests were delivered a day before, and their next step is five
    days after.
    """
    row = _WAITING if open_at else _ANSWERED
    script = (_SCRIPT if open_at else _SCRIPT + _RECOMMENDATION).format(
        clinic=clinic_id,
        first=first,
        last=last,
        order_status="on-hold" if open_at else "active",
        columns=", ".join(row),
        values=", ".join(row.values()).format(now=f"timestamptz '{open_at}'"),
    )
    engine = create_engine(admin_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(script)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()
