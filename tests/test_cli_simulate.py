"""`referral simulate`: a table for people, JSON for programs, sentences for what cannot be read."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from referral.cli import app


def simulate(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["simulate", *arguments])
    return done.exit_code, done.output


def test_the_table_has_holidays_and_reasons() -> None:
    code, text = simulate("2026-11-20T22:00", "--zone", "America/New_York")
    assert code == 0
    rows = text.splitlines()
    assert rows[0].startswith("Fri, Nov 20 2026, 22:00  Asked")
    assert "Thu, Nov 26 2026         Closed: Thanksgiving Day" in text
    assert "It waits since Fri, Nov 20 2026, 22:00 for business hours" in text
    assert [row[:22] for row in rows if "The request expires" in row] == ["Tue, Dec 8 2026, 09:00"]


def test_json_has_the_same_in_utc_and_in_local_time() -> None:
    code, text = simulate(
        *("2026-12-18", "--bounce", "email@day0T15:00", "--pause", "2026-12-28..2026-12-30"),
        *("--closed", "2026-12-24", "--answer", "2027-01-08T11:00", "--json"),
    )
    assert code == 0
    found = json.loads(text)
    assert [step["event"] for step in found["steps"]] == [
        "sent",
        "failed-after-all",
        "sent",
        "sent",
        "paused",
        "sent",
        "step-call",
        "step-suggest-another",
        "answered",
        "sent",
    ]
    assert found["steps"][1]["local"] == "2026-12-18T15:00:00-07:00"
    assert found["steps"][1]["at"] == "2026-12-18T22:00:00+00:00"
    assert found["steps"][2]["channel"] == "fax"
    assert {"2026-12-24", "2026-12-25"} <= set(found["closed"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("soon",),
        ("2026-11-20", "--zone", "Mars/Olympus"),
        ("2026-11-20", "--by", "pigeon"),
        ("2026-11-20", "--bounce", "email"),
        ("2026-11-20", "--pause", "2026-12-01"),
        ("2026-11-20", "--outage", "2026-12-02..2026-12-01"),
        ("2026-11-20", "--pause", "day2"),
        ("2026-11-20", "--closed", "2026-01-01..2028-01-01"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(arguments: tuple[str, ...]) -> None:
    code, text = simulate(*arguments)
    assert code == 1
    assert text.startswith("Cannot go on: ")
    assert text.count("Write") == 1
