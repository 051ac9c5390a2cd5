"""In which order files of tests begin, and which processes run them."""

from __future__ import annotations

from typing import Final

from xdist.scheduler import LoadFileScheduling

# About how many seconds a file takes on two busy cores. A file runs in one process, so that the longest have
# to begin first for all processes to end together; what is not here is short.
SECONDS: Final = {
    "web/test_access_matrix.py": 410,
    "storage/test_gate_machine.py": 260,
    "journeys/test_restore_drill.py": 195,
    "test_serve.py": 190,
    "web/test_every_page_looks.py": 185,
    "web/test_metrics.py": 185,
    "storage/test_races.py": 175,
    "services/test_simulation.py": 140,
    "journeys/test_faults.py": 120,
    "test_cli.py": 100,
    "journeys/test_twelve_weeks.py": 90,
    "services/test_print_letters.py": 85,
    "web/test_forms.py": 80,
    "web/test_hooks.py": 80,
    "faults/test_broker_faults.py": 70,
    "journeys/test_desk_journey.py": 70,
    "journeys/test_people_journey.py": 70,
    "test_supervisor.py": 65,
    "fhir_api/test_capability.py": 65,
    "test_embedded.py": 65,
    "services/test_report_anew.py": 60,
    "services/test_returned_mail.py": 55,
    "web/test_guest_pages_look.py": 55,
    "faults/test_outage.py": 55,
    "web/test_portal_pages.py": 55,
    "services/test_reports.py": 55,
    "fhir_api/test_bypasses.py": 55,
    "journeys/test_ladder_journey.py": 55,
    "faults/test_safety_call_kills.py": 50,
    "faults/test_database_faults.py": 50,
    "services/test_incoming_fax.py": 50,
    "journeys/test_booking_journey.py": 50,
    "test_canaries.py": 50,
    "storage/test_gate_sql_mutants.py": 50,
    "services/test_restore.py": 45,
    "web/test_portal_answer.py": 45,
    "test_cli_outbox.py": 45,
    "storage/test_bypasses.py": 45,
    "test_compose.py": 45,
    "faults/test_kills.py": 45,
    "storage/test_doctor.py": 40,
    "services/test_message_decisions.py": 40,
    "web/test_portal_standing.py": 40,
    "services/test_dispatch.py": 40,
    "web/test_portal_payloads.py": 40,
    "journeys/test_policy_journey.py": 40,
    "fhir_api/test_cds_hooks.py": 40,
    "web/test_staff_lists.py": 35,
    "web/test_verify.py": 35,
    "domain/test_gate_mutants.py": 35,
    "services/test_delivery_trouble.py": 35,
    "web/test_staff_accounts.py": 30,
    "services/test_life.py": 30,
    "web/test_late_answers.py": 30,
    "services/test_policy_change.py": 30,
    "storage/test_override.py": 30,
    "services/test_delivery.py": 30,
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
