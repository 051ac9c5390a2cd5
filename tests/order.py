"""In which order files of tests begin, and which processes run them."""

from __future__ import annotations

from typing import Final

from xdist.scheduler import LoadFileScheduling

# About how many seconds a file takes on two busy cores. A file runs in one process, so that the longest have
# to begin first for all processes to end together; what is not here is short.
SECONDS: Final = {
    "storage/test_gate_machine.py": 350,
    "journeys/test_restore_drill.py": 245,
    "test_serve.py": 235,
    "web/test_every_page_looks.py": 185,
    "storage/test_races.py": 180,
    "web/test_access_matrix.py": 140,
    "test_cli.py": 140,
    "journeys/test_faults.py": 115,
    "journeys/test_twelve_weeks.py": 105,
    "services/test_print_letters.py": 75,
    "test_embedded.py": 75,
    "faults/test_broker_faults.py": 70,
    "journeys/test_ladder_journey.py": 65,
    "faults/test_safety_call_kills.py": 60,
    "faults/test_kills.py": 60,
    "web/test_portal_pages.py": 60,
    "web/test_forms.py": 60,
    "journeys/test_people_journey.py": 60,
    "journeys/test_policy_journey.py": 60,
    "web/test_guest_pages_look.py": 55,
    "web/test_hooks.py": 55,
    "test_cli_outbox.py": 55,
    "services/test_report_anew.py": 50,
    "services/test_restore.py": 50,
    "test_compose.py": 50,
    "test_canaries.py": 45,
    "journeys/test_desk_journey.py": 45,
    "journeys/test_booking_journey.py": 45,
    "faults/test_database_faults.py": 45,
    "services/test_returned_mail.py": 45,
    "storage/test_doctor.py": 40,
    "services/test_incoming_fax.py": 40,
    "journeys/test_ehr_journey.py": 35,
    "services/test_reports.py": 35,
    "fhir_api/test_capability.py": 35,
    "domain/test_gate_mutants.py": 35,
    "services/test_simulation.py": 35,
    "fhir_api/test_schemathesis.py": 35,
    "web/test_hooks_fax_in.py": 30,
    "services/test_message_decisions.py": 30,
    "journeys/test_paper_journey.py": 30,
    "journeys/test_fax_journey.py": 30,
    "test_doors.py": 25,
    "web/test_portal_answer.py": 25,
    "storage/test_gate.py": 25,
    "web/test_ways_around_the_gate.py": 25,
    "storage/test_gate_sql_mutants.py": 25,
    "fhir_api/test_bypasses.py": 20,
    "services/test_delivery_trouble.py": 20,
    "web/test_staff_print.py": 20,
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
