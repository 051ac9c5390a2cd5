"""In which order files of tests begin, and which processes run them."""

from __future__ import annotations

from typing import Final

from xdist.scheduler import LoadFileScheduling

# About how many seconds a file takes on a quiet machine. A file runs in one process, so that the longest have
# to begin first for all processes to end together; what is not here is short.
SECONDS: Final = {
    "storage/test_gate_machine.py": 300,
    "web/test_access_matrix.py": 60,
    "web/test_portal_pages.py": 120,
    "web/test_every_page_looks.py": 100,
    "journeys/test_twelve_weeks.py": 90,
    "journeys/test_faults.py": 80,
    "storage/test_races.py": 75,
    "faults/test_broker_faults.py": 70,
    "storage/test_gate.py": 50,
    "journeys/test_policy_journey.py": 45,
    "faults/test_database_faults.py": 40,
    "journeys/test_desk_journey.py": 40,
    "journeys/test_fax_journey.py": 40,
    "journeys/test_ladder_journey.py": 40,
    "journeys/test_paper_journey.py": 40,
    "journeys/test_subscription_journey.py": 40,
    "faults/test_kills.py": 35,
    "services/test_at_once.py": 35,
    "services/test_policy_change.py": 35,
    "web/test_staff_systems.py": 30,
    "test_inbound_mail.py": 25,
    "faults/test_twelve_years.py": 20,
}
# Their tests share nothing that takes long to make, and each takes long: every process runs some of them.
DIVIDED: Final = frozenset(
    {"storage/test_gate_machine.py", "storage/test_races.py", "web/test_portal_pages.py"}
)


class ByFileOrTest(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """A file runs in one process, except for those that are divided."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return nodeid if file.removeprefix("tests/") in DIVIDED else file
