"""Many patients, clinicians and entries of the national register, written by SQL at once."""

from __future__ import annotations

from typing import Final

from sqlalchemy import create_engine

# Two hundred thousand family names and four thousand given ones, the first of them far more often than the
# last, as with people: the share of a name is the same however many there are. The keys are those that the
# triggers would have written.
_SCRIPT: Final = """
SET LOCAL session_replication_role = replica;
SELECT setseed(0.5);
CREATE TEMP TABLE made ON COMMIT DROP AS
    SELECT n,
        starts[1 + f % 20] || starts[1 + f / 20 % 20] || starts[1 + f / 400 % 20]
            || ends[1 + f % 25] AS family,
        starts[1 + g % 20] || ends[1 + g % 25] AS given
    FROM (
        SELECT n, floor(200000 * power(random(), 3))::integer AS f,
            floor(4000 * power(random(), 3))::integer AS g
        FROM generate_series({first}, {last}) n
    ) AS drawn, (
        SELECT string_to_array(
                'ba chi do fer ga hal jo ka lin mar no pe quin ro sa ta um vel wa zo', ' ') AS starts,
            string_to_array(
                'n son s man ez ski ley ton ard a o er ini ou berg sen kar li ng th ck ov ic el us', ' '
            ) AS ends
    ) AS syllables;
INSERT INTO patient (clinic_id, id, family, given, birth_date, search_name)
    SELECT '{clinic}', 'many-' || n, initcap(family), initcap(given),
        date '1930-01-01' + (n::bigint * 7919 % 29000)::integer, family || ' ' || given FROM made;
INSERT INTO search_key (clinic_id, kind, id, key)
    SELECT p.clinic_id, 'patient', p.id, key FROM made JOIN patient p
        ON p.clinic_id = '{clinic}' AND p.id = 'many-' || n, search_keys(p.search_name, '') AS key;
INSERT INTO clinician (clinic_id, id, name, kind, time_zone, npi, practice, search_name)
    SELECT '{clinic}', 'many-' || n, initcap(given || ' ' || family), 'psychiatrist', 'America/Denver',
        (8000000000 + n)::text, 'Practice', given || ' ' || family || ' denver' FROM made;
INSERT INTO search_key (clinic_id, kind, id, key)
    SELECT c.clinic_id, 'clinician', c.id, key FROM made JOIN clinician c
        ON c.clinic_id = '{clinic}' AND c.id = 'many-' || n, search_keys(c.search_name, '') AS key;
INSERT INTO npi_record (npi, entity, family, given, middle, credentials, organization, taxonomies, kind,
                        address,
                        state, phone, fax, search_name, search_place, as_of)
    SELECT (9000000000 + n)::text, '1', upper('zz' || family), upper(given), '', 'MD', '', '{{2084P0800X}}',
        'psychiatrist', '{{}}', 'CO', '', '', 'zz' || family || ' ' || given, 'denver co', date '2026-11-08'
    FROM made;
INSERT INTO npi_key (key, npi)
    SELECT key, r.npi FROM made JOIN npi_record r ON r.npi = (9000000000 + n)::text,
        search_keys(r.search_name, r.search_place) AS key;
"""
_TABLES: Final = "patient, clinician, search_key, npi_record, npi_key"


def write_people(admin_url: str, clinic_id: str, first: int, last: int) -> None:
    """Numbers `first` to `last` of each of the three; a million takes some minutes."""
    script = _SCRIPT.format(clinic=clinic_id, first=first, last=last).replace("%", "%%")
    admin = create_engine(admin_url)
    with admin.begin() as connection:
        connection.exec_driver_sql(script)
    with admin.connect() as connection:
        plain = connection.execution_options(isolation_level="AUTOCOMMIT")
        plain.exec_driver_sql(f"VACUUM ANALYZE {_TABLES}")
    admin.dispose()
