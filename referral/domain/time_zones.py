"""Time zones of practices, from the state in their postal address.

A table and no library: those with places in them weigh megabytes, those with telephone numbers go wrong where
a number has moved. In a state with two zones it names the one in which most people live (AK, AZ, FL, ID, IN,
KS, KY, MI, NE, ND, NV, OR, SD, TN, TX); the front desk chooses another by hand. Zones with the same rules
since 2007 go by their best known name.
"""

from __future__ import annotations

import re
from typing import Final

# Postal abbreviation: name, IANA zone (49 CFR 71; USPS Publication 28, appendix B).
_STATES: Final = {
    "AL": ("Alabama", "America/Chicago"),
    "AK": ("Alaska", "America/Anchorage"),
    "AS": ("American Samoa", "Pacific/Pago_Pago"),
    "AZ": ("Arizona", "America/Phoenix"),
    "AR": ("Arkansas", "America/Chicago"),
    "CA": ("California", "America/Los_Angeles"),
    "CO": ("Colorado", "America/Denver"),
    "CT": ("Connecticut", "America/New_York"),
    "DE": ("Delaware", "America/New_York"),
    "DC": ("District of Columbia", "America/New_York"),
    "FL": ("Florida", "America/New_York"),
    "GA": ("Georgia", "America/New_York"),
    "GU": ("Guam", "Pacific/Guam"),
    "HI": ("Hawaii", "Pacific/Honolulu"),
    "ID": ("Idaho", "America/Denver"),
    "IL": ("Illinois", "America/Chicago"),
    "IN": ("Indiana", "America/New_York"),
    "IA": ("Iowa", "America/Chicago"),
    "KS": ("Kansas", "America/Chicago"),
    "KY": ("Kentucky", "America/New_York"),
    "LA": ("Louisiana", "America/Chicago"),
    "ME": ("Maine", "America/New_York"),
    "MD": ("Maryland", "America/New_York"),
    "MA": ("Massachusetts", "America/New_York"),
    "MI": ("Michigan", "America/New_York"),
    "MN": ("Minnesota", "America/Chicago"),
    "MS": ("Mississippi", "America/Chicago"),
    "MO": ("Missouri", "America/Chicago"),
    "MT": ("Montana", "America/Denver"),
    "NE": ("Nebraska", "America/Chicago"),
    "NV": ("Nevada", "America/Los_Angeles"),
    "NH": ("New Hampshire", "America/New_York"),
    "NJ": ("New Jersey", "America/New_York"),
    "NM": ("New Mexico", "America/Denver"),
    "NY": ("New York", "America/New_York"),
    "NC": ("North Carolina", "America/New_York"),
    "ND": ("North Dakota", "America/Chicago"),
    "MP": ("Northern Mariana Islands", "Pacific/Guam"),
    "OH": ("Ohio", "America/New_York"),
    "OK": ("Oklahoma", "America/Chicago"),
    "OR": ("Oregon", "America/Los_Angeles"),
    "PA": ("Pennsylvania", "America/New_York"),
    "PR": ("Puerto Rico", "America/Puerto_Rico"),
    "RI": ("Rhode Island", "America/New_York"),
    "SC": ("South Carolina", "America/New_York"),
    "SD": ("South Dakota", "America/Chicago"),
    "TN": ("Tennessee", "America/Chicago"),
    "TX": ("Texas", "America/Chicago"),
    "UT": ("Utah", "America/Denver"),
    "VT": ("Vermont", "America/New_York"),
    "VI": ("Virgin Islands", "America/Puerto_Rico"),
    "VA": ("Virginia", "America/New_York"),
    "WA": ("Washington", "America/Los_Angeles"),
    "WV": ("West Virginia", "America/New_York"),
    "WI": ("Wisconsin", "America/Chicago"),
    "WY": ("Wyoming", "America/Denver"),
}
STATES: Final = tuple(_STATES)
# Every zone that a practice in the United States can be in, by name.
ZONES: Final = tuple(sorted({zone for _, zone in _STATES.values()}))
_STATE_OF: Final = {
    written.casefold(): code for code, (name, _) in _STATES.items() for written in (code, name)
}
_ZIP: Final = re.compile(r"\d{5}(-?\d{4})?")
_HOME_COUNTRY: Final = frozenset({"us", "usa", "united states", "united states of america"})
_LONGEST_NAME: Final = 3


def time_zone_of(address: tuple[str, ...], otherwise: str) -> str:
    """The IANA zone of the state that letter lines end in ('Ann Arbor, MI 48109'); else `otherwise`."""
    state = state_of(address)
    return _STATES[state][1] if state else otherwise


def state_of(address: tuple[str, ...]) -> str | None:
    """The postal abbreviation of the state that letter lines end in; None where they end in none."""
    parts = [" ".join(part.split()).casefold() for line in address for part in line.split(",")]
    parts = [part for part in parts if part and part.replace(".", "") not in _HOME_COUNTRY]
    if not parts:
        return None
    *words, last = parts[-1].split()
    if not _ZIP.fullmatch(last):
        # Without a ZIP only a part that is nothing but a state: 'Larimer Ct' is a street.
        return _STATE_OF.get(parts[-1])
    words = words or " ".join(parts[-2:-1]).split()
    endings = (" ".join(words[-most:]) for most in range(_LONGEST_NAME, 0, -1))
    return next((_STATE_OF[ending] for ending in endings if ending in _STATE_OF), None)
