"""Many messages that are due, written by SQL at once: notices by SMS, which need no letter.

Each is as the application would have left it, with its Communication and everything that search reads of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Engine, create_engine, text

from bench._orders import write_orders
from referral.domain.codes import Channel, TaskStatus
from referral.domain.outgoing import MessageKind, MessageState
from referral.domain.records import Referral
from referral.fhir import communication
from referral.storage.entries import entries_of

_CLINICIANS = 500
# A Tuesday, 10:00 in Denver.
WORKING_HOURS = datetime(2026, 11, 3, 17, 0, tzinfo=UTC)
_SCRIPT = """
SET LOCAL session_replication_role = replica;
INSERT INTO clinician (clinic_id, id, name, kind, time_zone, search_name)
    SELECT CAST(:clinic AS uuid), 'bench-' || n, 'Chidi Okafor', 'psychiatrist', 'America/Denver',
           'chidi okafor'
    FROM generate_series(1, CAST(:clinicians AS integer)) n ON CONFLICT DO NOTHING;
INSERT INTO contact (clinic_id, id, clinician_id, channel, address, source, verified_at)
    SELECT CAST(:clinic AS uuid), 'bench-' || CAST(:channel AS text) || n, 'bench-' || n,
           CAST(:channel AS text),
           CASE CAST(:channel AS text) WHEN 'sms' THEN '+1303555' || to_char(n, 'FM0000')
                         ELSE 'bench' || n || '@clinic.example' END, 'bench', now()
    FROM generate_series(1, CAST(:clinicians AS integer)) n ON CONFLICT DO NOTHING;
CREATE TEMP TABLE made ON COMMIT DROP AS
    SELECT gen_random_uuid() AS id, 'bench-' || n AS referral,
           'bench-' || (1 + n % CAST(:clinicians AS integer)) AS clinician,
           'bench-' || CAST(:channel AS text) || (1 + n % CAST(:clinicians AS integer)) AS contact
    FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) n;
UPDATE referral SET clinician_id = made.clinician FROM made
 WHERE referral.clinic_id = CAST(:clinic AS uuid) AND referral.id = made.referral;
INSERT INTO message (clinic_id, id, referral_id, kind, ordinal, channel, contact_id, state, lane,
                     not_before, created_at)
    SELECT CAST(:clinic AS uuid), id, referral, CAST(:kind AS text), CAST(:ordinal AS integer),
           CAST(:channel AS text), contact, 'queued',
           CAST(:lane AS text), CAST(:due AS timestamptz), CAST(:due AS timestamptz) FROM made;
INSERT INTO resource (clinic_id, type, id, version, body, last_updated, patient_id)
    SELECT CAST(:clinic AS uuid), 'Communication', id::text, 1,
           replace(replace(CAST(:body AS text), 'TEMPLATE', id::text), 'REFERRAL', referral)::jsonb,
           CAST(:due AS timestamptz), 'bench' FROM made;
INSERT INTO search_entry (clinic_id, type, id, parameter, system, value, low, high, number)
    SELECT CAST(:clinic AS uuid), 'Communication', made.id::text, e.parameter, e.system,
           replace(replace(e.value, 'TEMPLATE', made.id::text), 'REFERRAL', referral), e.low, e.high, e.number
    FROM made, jsonb_to_recordset(CAST(:entries AS jsonb)) AS e (parameter text, system text, value text,
         low timestamptz, high timestamptz, number numeric);
"""


def _template(kind: MessageKind, channel: Channel) -> tuple[str, str]:
    about = Referral(
        **dict.fromkeys(Referral.__slots__)
        | {"id": "REFERRAL", "patient_id": "bench", "task_id": "REFERRAL", "clinician_id": "bench"}
        | {"status": TaskStatus.COMPLETED, "number": "R-2026-00001"}
    )
    attempt = communication.Attempt(id="TEMPLATE", kind=kind, channel=channel, state=MessageState.QUEUED)
    sender = {"type": "Organization", "display": "Bench"}
    made = communication.to_fhir(attempt, about, sender=sender)
    body = {**made, "meta": {"versionId": "1", "lastUpdated": "2026-11-03T17:00:00.000Z"}}
    return json.dumps(body), json.dumps(entries_of(body), default=str)


def write_messages(
    admin_url: str,
    clinic_id: str,
    count: int,
    *,
    first: int = 1,
    ordinal: int = 1,
    kind: MessageKind = MessageKind.CANCELLED,
    channel: Channel = Channel.SMS,
    lane: str = "text",
) -> None:
    """Due messages about the orders `first` and following, which are written too where `ordinal` is 1."""
    if ordinal == 1:
        write_orders(admin_url, clinic_id, first, first + count - 1)
    body, entries = _template(kind, channel)
    given = {
        "clinic": clinic_id,
        "clinicians": _CLINICIANS,
        "first": first,
        "last": first + count - 1,
        "kind": kind,
        "ordinal": ordinal,
        "channel": channel,
        "lane": lane,
        "due": WORKING_HOURS,
        "body": body,
        "entries": entries,
    }
    with admin(admin_url) as engine:
        with engine.begin() as connection:
            for statement in _SCRIPT.split(";\n"):
                if statement.strip():
                    connection.execute(text(statement), given)
            # Written while triggers were off: the bell is rung by hand.
            connection.execute(text("SELECT pg_notify('referral_due', '')"))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE message, resource, search_entry, contact, document")


@contextmanager
def admin(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()
