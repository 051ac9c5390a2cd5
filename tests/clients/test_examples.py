"""The examples of docs/fhir-api.md run as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

from referral.storage import referrals
from tests.clients.conftest import Server
from tests.processes import ROOT

SECTION = (ROOT / "docs" / "fhir-api.md").read_text().split("## From another system")[1].split("\n## ")[0]
EXAMPLES = dict(re.findall(r"```(sh|python)\n(.*?)```", SECTION, flags=re.DOTALL))


def run(server: Server, *command: str) -> str:
    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "FHIR": server.base, "TOKEN": server.token},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout


def test_there_is_one_example_of_each() -> None:
    assert len(re.findall(r"```(?:sh|python)\n", SECTION)) == len(EXAMPLES) == 2


def test_curl(server: Server) -> None:
    """Twice, as after a time-out: it finds the one that is there."""
    for _ in range(2):
        said = run(server, "bash", "-euo", "pipefail", "-c", EXAMPLES["sh"])
        made, end = json.JSONDecoder().raw_decode(said)
        found = json.loads(said[end:])
        assert [entry["resource"] for entry in found["entry"]] == [made]


def test_python(server: Server) -> None:
    said = run(server, sys.executable, "-c", EXAMPLES["python"])
    lines = said.splitlines()
    assert lines[:3] == [
        "Task: requested",
        "Gate open: False",
        "The initial consultation has not been recorded.",
    ]
    assert "F33.2" in lines[3]
    assert run(server, sys.executable, "-c", EXAMPLES["python"]) == said
    with server.clinic.transaction() as session:
        assert referrals.count_open(session) == 1
