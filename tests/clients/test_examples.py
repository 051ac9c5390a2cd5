"""The examples of docs/fhir-api.md run as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx

from referral.storage import referrals
from tests.clients.conftest import Server, serving
from tests.database import ClinicFixture
from tests.processes import ROOT

SECTION = (ROOT / "docs" / "fhir-api.md").read_text().split("## From another system")[1].split("\n## ")[0]
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", SECTION, flags=re.DOTALL)


def run(server: Server, *command: str, **variables: str) -> str:
    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "FHIR": server.base, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout


def test_these_are_the_examples() -> None:
    assert [language for language, _ in BLOCKS] == ["sh", "python", "python"]


def test_curl(server: Server) -> None:
    """Twice, as after a time-out: it finds the one that is there."""
    for _ in range(2):
        said = run(server, "bash", "-euo", "pipefail", "-c", BLOCKS[0][1], TOKEN=server.token)
        made, end = json.JSONDecoder().raw_decode(said)
        found = json.loads(said[end:])
        assert [entry["resource"] for entry in found["entry"]] == [made]


def test_python(server: Server) -> None:
    command = (sys.executable, "-c", BLOCKS[1][1])
    said = run(server, *command, TOKEN=server.token)
    lines = said.splitlines()
    assert lines[:3] == [
        "Task: requested",
        "Gate open: False",
        "The initial consultation has not been recorded.",
    ]
    assert "F33.2" in lines[3]
    assert run(server, *command, TOKEN=server.token) == said
    with server.clinic.transaction() as session:
        assert referrals.count_open(session) == 1


def test_signing_in_with_a_key(clinic: ClinicFixture, data_dir: Path) -> None:
    """At the present: the example signs by the real clock."""
    key = data_dir / "key.pem"
    command = (sys.executable, "-c", BLOCKS[2][1])
    with serving(clinic, lambda: datetime.now(UTC)) as server:
        key.write_text(server.pem)
        token = run(server, *command, CLIENT_ID=server.client_id, KEY=str(key)).strip()
        found = httpx.get(f"{server.base}/Task", headers={"Authorization": f"Bearer {token}"}, verify=False)
        assert (found.status_code, found.json()["type"]) == (200, "searchset")
        assert "no client" in run(server, *command, CLIENT_ID="nobody", KEY=str(key))
