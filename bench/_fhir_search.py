"""Search on 10,000 and on 1,000,000 resources, and the plans of every search that is served.

Rows are written by SQL as the application would have left them: for each patient four ServiceRequests and
five Tasks, each owner with a hundred Tasks. One database grows from the small size to the large one, and the
same searches, for people and clinicians drawn anew each time, are timed at both.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import create_engine

SMALL: Final = 10_000
LARGE: Final = 1_000_000

# Each patient has ten resources; {first} and {last} are numbers of patients, {clinic} a UUID.
_LOAD: Final = """
SET LOCAL session_replication_role = replica;
SET LOCAL synchronous_commit = off;
CREATE TEMP TABLE made ON COMMIT DROP AS
SELECT type, id, p, n,
       CASE type WHEN 'Patient' THEN NULL ELSE 'Patient/p' || p END AS patient,
       'Practitioner/o' || (p * 5 + n) / 100 AS owner,
       (ARRAY['requested', 'accepted', 'completed', 'completed', 'completed', 'completed', 'completed',
              'cancelled', 'cancelled', 'rejected'])[1 + mod(p * 7 + n, 10)] AS task_status,
       (ARRAY['active', 'completed', 'revoked', 'on-hold'])[1 + mod(n, 4)] AS request_status,
       timestamptz '2020-01-01' + interval '1 minute' * (p * 3) + interval '1 second' * n AS at
FROM (SELECT 'Patient' AS type, 'p' || p AS id, p, 0 AS n FROM generate_series({first}, {last}) p
      UNION ALL SELECT 'ServiceRequest', 'r' || p || '-' || n, p, n
                FROM generate_series({first}, {last}) p, generate_series(1, 4) n
      UNION ALL SELECT 'Task', 't' || p || '-' || n, p, n
                FROM generate_series({first}, {last}) p, generate_series(1, 5) n) rows;
INSERT INTO resource (clinic_id, type, id, version, body, last_updated, patient_id)
SELECT '{clinic}', type, id, 1,
       jsonb_build_object('resourceType', type, 'id', id,
                          'meta', jsonb_build_object('versionId', '1', 'lastUpdated', '2026-01-01T00:00:00Z'),
                          'intent', 'order', 'note', jsonb_build_array(jsonb_build_object('text',
                              repeat('What was said of it at length. ', 8)))),
       at, CASE type WHEN 'Patient' THEN id ELSE 'p' || p END
FROM made;
INSERT INTO search_entry (clinic_id, type, id, parameter, system, value, low, high)
SELECT '{clinic}', type, id, e.parameter, e.system, e.value, e.low, e.high
FROM made CROSS JOIN LATERAL (VALUES
    ('Task', 'patient', NULL, patient, NULL::timestamptz, NULL::timestamptz),
    ('Task', 'subject', NULL, patient, NULL, NULL),
    ('Task', 'owner', NULL, owner, NULL, NULL),
    ('Task', 'focus', NULL, 'ServiceRequest/r' || p || '-' || least(n, 4), NULL, NULL),
    ('Task', 'status', 'http://hl7.org/fhir/task-status', task_status, NULL, NULL),
    ('Task', 'intent', NULL, 'order', NULL, NULL),
    ('Task', 'code', 'http://hl7.org/fhir/CodeSystem/task-code', 'fulfill', NULL, NULL),
    ('Task', 'authored-on', NULL, NULL, at, at + interval '1 second'),
    ('Task', 'identifier', 'http://tasks.example', 'T-' || id, NULL, NULL),
    ('ServiceRequest', 'patient', NULL, patient, NULL, NULL),
    ('ServiceRequest', 'subject', NULL, patient, NULL, NULL),
    ('ServiceRequest', 'status', 'http://hl7.org/fhir/request-status', request_status, NULL, NULL),
    ('ServiceRequest', 'category', 'http://snomed.info/sct', '386053000', NULL, NULL),
    ('ServiceRequest', 'authored', NULL, NULL, at, at + interval '1 second'),
    ('Patient', 'family', 'Name' || mod(p, 1000), 'name' || mod(p, 1000), NULL, NULL),
    ('Patient', 'name', 'Name' || mod(p, 1000), 'name' || mod(p, 1000), NULL, NULL),
    ('Patient', 'gender', 'http://hl7.org/fhir/administrative-gender',
     (ARRAY['male', 'female'])[1 + mod(p, 2)], NULL, NULL),
    ('Patient', 'identifier', 'http://mrn.example', 'M-' || p, NULL, NULL),
    ('Patient', 'birthdate', NULL, NULL, timestamptz '1940-01-01' + interval '1 day' * mod(p, 25000),
     timestamptz '1940-01-02' + interval '1 day' * mod(p, 25000))
) AS e (of_type, parameter, system, value, low, high)
WHERE e.of_type = made.type;
"""


def load(admin_url: str, clinic_id: str, first: int, last: int) -> None:
    """Patients `first` to `last` with ten resources each; triggers are off."""
    engine = create_engine(admin_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(_LOAD.format(clinic=clinic_id, first=first, last=last))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE resource, search_entry")
    engine.dispose()
