"""In which order files of tests begin, and which processes run them."""

from __future__ import annotations

from typing import Final

from xdist.scheduler import LoadFileScheduling

# About how many seconds a file takes on a quiet machine. A file runs in one process, so that the longest have
# to begin first for all processes to end together; what is not here is short.
SECONDS: Final = {
    "storage/test_gate_machine.py": 300,
    "storage/test_races.py": 75,
    "journeys/test_twelve_weeks.py": 75,
    "web/test_every_page_looks.py": 70,
    "faults/test_broker_faults.py": 70,
    "journeys/test_faults.py": 65,
    "web/test_access_matrix.py": 60,
    "web/test_forms.py": 50,
    "storage/test_gate.py": 50,
    "web/test_portal_pages.py": 40,
    "faults/test_database_faults.py": 40,
    "journeys/test_ladder_journey.py": 40,
    "faults/test_kills.py": 35,
    "services/test_at_once.py": 35,
    "journeys/test_policy_journey.py": 35,
    "journeys/test_desk_journey.py": 30,
    "journeys/test_fax_journey.py": 30,
    "journeys/test_paper_journey.py": 30,
    "journeys/test_slow_network.py": 30,
    "journeys/test_subscription_journey.py": 30,
    "web/test_guest_pages_look.py": 30,
    "web/test_staff_systems.py": 30,
    "services/test_incoming_fax.py": 30,
    "journeys/test_again_journey.py": 25,
    "journeys/test_booking_journey.py": 25,
    "journeys/test_ehr_journey.py": 25,
    "journeys/test_people_journey.py": 25,
    "journeys/test_restore_drill.py": 25,
    "web/test_staff_letterhead.py": 20,
    "services/test_policy_change.py": 20,
    "services/test_print_letters.py": 20,
    "storage/test_bypasses.py": 20,
    "faults/test_twelve_years.py": 20,
    "test_inbound_mail.py": 15,
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
