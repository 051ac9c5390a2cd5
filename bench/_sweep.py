"""What a sweep costs among 10,000 open requests and among 1,000,000, with 1,000 due each time."""

from __future__ import annotations

import os
import statistics
import time

from sqlalchemy import text

from bench._harness import figure
from bench._messages import WORKING_HOURS, admin
from bench._orders import write_orders
from referral.config import Settings
from referral.embedded import Engines

FEW = int(os.environ.get("FEW", "10000"))
MOST = int(os.environ.get("MOST", "1000000"))
DUE = int(os.environ.get("DUE", "1000"))
ROUNDS = int(os.environ.get("ROUNDS", "8"))
# Each round makes the same kind of step due: a call for the front desk, which draws no letter.
_DUE = """
SET LOCAL session_replication_role = replica;
UPDATE referral SET next_step_at = CAST(:now AS timestamptz) - interval '1 minute', climbed = 2,
       started_at = CAST(:now AS timestamptz) - interval '9 days'
 WHERE id IN (SELECT 'bench-' || (1 + (CAST(:round AS integer) * 7919 + n * 97) % CAST(:most AS integer))
              FROM generate_series(1, CAST(:due AS integer)) n);
"""


def measure(engines: Engines, settings: Settings, clinic_id: str) -> None:
    seconds = {}
    # Within the hours of its recipients: at night a sweep only puts off what is due.
    clock = settings.data_dir / "now.txt"
    clock.write_text(WORKING_HOURS.isoformat())
    os.environ.update(settings.as_environment() | {"REFERRAL_PRETEND_NOW_FILE": str(clock)})
    from referral.workers import tasks

    for first, last in ((1, FEW), (FEW + 1, MOST)):
        write_orders(engines.admin_url, clinic_id, first, last, open_at=WORKING_HOURS)
        took = [_once(engines, tasks, last, number) for number in range(ROUNDS + 1)][1:]
        seconds[last] = statistics.median(took)
        each = " ".join(f"{one:.2f}" for one in took)
        print(f"  sweep among {last}: {seconds[last]:.2f} s for {DUE} due ({each})", flush=True)
    figure("sweep-cost-of-size", seconds[MOST] / seconds[FEW], "<= 1.2")


def _once(engines: Engines, tasks: object, most: int, number: int) -> float:
    given = {"round": number, "most": most, "due": DUE, "now": WORKING_HOURS}
    with admin(engines.admin_url) as engine, engine.begin() as connection:
        for statement in _DUE.split(";\n"):
            if statement.strip():
                connection.execute(text(statement), given)
    begun = time.perf_counter()
    tasks.sweep_clinics()  # type: ignore[attr-defined]
    return time.perf_counter() - begun
