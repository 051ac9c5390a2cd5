"""An export of many resources: what memory it takes, and how fast it is.

The same export is run over few resources and over ten times as many, each in a fresh process; the most that
the process holds should be the same. `MOST=200000` makes it longer.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import create_engine, text

from bench._harness import demo_clinic, figure, running_engines, runtime_for
from referral.config import Settings
from referral.domain.audit import Actor
from referral.fhir.bulk_data import Asked
from referral.fhir.permit import permit_of
from referral.services.access import Access
from referral.services.bulk_export import KickOff, files_of, start_export
from referral.services.run_export import Exporting, run_exports
from referral.storage import exports

FEW = 2_000
MOST = int(os.environ.get("MOST", "20000"))
# Each three kilobytes, about one of a thousand patients.
_OBSERVATIONS = """
INSERT INTO resource (clinic_id, type, id, version, body, last_updated, patient_id)
SELECT CAST(:clinic AS uuid), 'Observation', 'bench-' || n, 1, jsonb_build_object(
    'resourceType', 'Observation', 'id', 'bench-' || n, 'status', 'final',
    'meta', jsonb_build_object('versionId', '1', 'lastUpdated', '2026-11-02T17:00:00.000Z'),
    'subject', jsonb_build_object('reference', 'Patient/bench-' || n % 1000),
    'code', jsonb_build_object('text', 'Blood pressure'),
    'note', jsonb_build_array(jsonb_build_object('text', repeat(md5(n::text), 90)))),
    now() - interval '1 day', 'bench-' || n % 1000
FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n
"""


def export_once(settings: Settings, clinic_id: str) -> tuple[int, float]:
    """(most memory of this process in KiB, seconds) of what is due."""
    runtime = runtime_for(settings)
    exporting = Exporting(database=runtime.database, now=lambda: datetime.now(UTC), settle=timedelta())
    begun = time.perf_counter()
    if run_exports(exporting, clinic_id) != 1:
        raise RuntimeError("there was not one export to run")
    seconds = time.perf_counter() - begun
    runtime.close()
    return _peak(), seconds


def _peak() -> int:
    """Of this program alone; what getrusage says, a process has from whoever started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return int(status.split("VmHWM:")[1].split()[0])


def measure(settings: Settings, clinic_id: str, client_id: str, expected: int) -> tuple[int, float]:
    """Ask for an export, run it in a fresh process, and look whether all of it is there."""
    runtime = runtime_for(settings)
    by = Access(Actor(clinic_id, "client", client_id), permit_of(("system/*.rs",)))
    now = datetime.now(UTC)
    with runtime.transaction(clinic_id) as session:
        kick_off = KickOff(Asked(types=("Observation",)), "bench", patient_level=False)
        id = start_export(session, by, kick_off, now)
    with multiprocessing.get_context("spawn").Pool(1) as fresh:
        peak, seconds = fresh.apply(export_once, (settings, clinic_id))
    with runtime.transaction(clinic_id) as session:
        done = exports.find(session, id, client_id, now)
        written = sum(file.resources for file in files_of(session, done)) if done else 0
    runtime.close()
    if written != expected:
        raise RuntimeError(f"{written} of {expected} resources were exported")
    print(f"{expected} resources: {peak / 1024:.0f} MiB at most, {expected / seconds:.0f} resources a second")
    return peak, seconds


def main() -> None:
    with running_engines() as (engines, settings):
        clinic_id, _ = demo_clinic(settings)
        admin = create_engine(engines.admin_url)
        with admin.connect() as connection:
            client_id = connection.scalar(text("SELECT id FROM api_client"))
        peaks = []
        for first, last in ((1, FEW), (FEW + 1, MOST)):
            with admin.begin() as connection:
                values = {"clinic": clinic_id, "first": first, "last": last}
                connection.execute(text(_OBSERVATIONS), values)
            peaks.append(measure(settings, clinic_id, str(client_id), last)[0])
        admin.dispose()
    figure("export-memory-of-size", peaks[1] / peaks[0], "<= 1.15")


if __name__ == "__main__":
    main()
