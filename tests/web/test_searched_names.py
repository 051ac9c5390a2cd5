"""Names that staff search for stand in addresses: nothing of ours writes them down or passes them on."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest

from referral import logs
from tests.database import ClinicFixture
from tests.processes import eventually
from tests.web.desk import OpenDesk

NAME = "Quillfeather"
# Address, status, and what the log says instead.
SEARCHES = {
    f"/patients?q={NAME}": (200, "/patients"),
    f"/orders?q={NAME}&state=blocked": (200, "/orders"),
    f"/directory?q={NAME}&page=2": (200, "/directory"),
    f"/outbox?q={NAME}": (200, "/outbox"),
    f"/lookups/patients?q={NAME}": (200, "/lookups/patients"),
    f"/lookups/indications?q={NAME}": (200, "/lookups/indications"),
    f"/lookups/clinicians?q={NAME}&patient={NAME}": (200, "/lookups/clinicians"),
    f"/requests/new?patient={NAME}&clinician_query={NAME}": (200, "/requests/new"),
    f"/requests/{NAME}?q={NAME}": (404, "/requests/{referral_id}"),
    f"/no-such-page/{NAME}?q={NAME}": (404, "(no route)"),
}


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """What is logged meanwhile."""
    stream = io.StringIO()
    logs.configure("json", stream)
    yield stream
    logs.configure("json")


def _routes(said: io.StringIO) -> list[str]:
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    return [line["route"] for line in lines if line["event"] == "request"]


@pytest.mark.parametrize("address", SEARCHES)
def test_a_search_is_neither_logged_nor_kept_nor_told_to_other_sites(
    clinic: ClinicFixture, open_desk: OpenDesk, said: io.StringIO, address: str
) -> None:
    desk = open_desk(clinic)
    answer = desk.client.get(address)
    status, route = SEARCHES[address]
    assert answer.status_code == status
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert eventually(lambda: _routes(said)) == [route]  # the line follows the answer
    assert NAME not in said.getvalue()


def test_who_has_to_sign_in_first_is_not_sent_on_with_the_name(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    desk = open_desk(clinic)
    desk.client.cookies.clear()
    answer = desk.client.get(f"/patients?q={NAME}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/patients")
