"""The time zone of a practice follows from the state of its address."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from referral.domain.time_zones import STATES, time_zone_of

ELSEWHERE = "Pacific/Honolulu"


@pytest.mark.parametrize(
    ("address", "zone"),
    [
        (("1500 E Example Drive", "Ann Arbor, MI 48109"), "America/New_York"),
        (("1500 E Example Drive", "Ann Arbor, MI 48109-1234"), "America/New_York"),
        (("1500 E Example Drive", "Ann Arbor, Michigan"), "America/New_York"),
        (("1500 E Example Drive, Ann Arbor MI 481091234, USA",), "America/New_York"),
        (("9 Oak", "El Paso", "TX, 79901", "United States"), "America/Chicago"),
        (("1 Pine", "Charleston, West Virginia 25301"), "America/New_York"),
        (("1 Mall", "Washington DC 20001"), "America/New_York"),
        (("1 Mall", "Phoenix, az 85001"), "America/Phoenix"),
        (("IL",), "America/Chicago"),
        (("410 Larimer Ct",), ELSEWHERE),
        (("Floor 2", "410 Larimer Ct"), ELSEWHERE),
        (("1 Queen Street", "Perth, WA 6000", "Australia"), ELSEWHERE),
        (("48109",), ELSEWHERE),
        (("", " , "), ELSEWHERE),
        ((), ELSEWHERE),
    ],
)
def test_the_state_is_read_as_people_write_it(address: tuple[str, ...], zone: str) -> None:
    assert time_zone_of(address, ELSEWHERE) == zone


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_a_zone_that_exists(state: str) -> None:
    zone = time_zone_of((state,), "none")
    assert ZoneInfo(zone).key == zone
