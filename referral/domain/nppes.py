"""What the national register of clinicians (CMS NPPES) says about one NPI, and how its files say it.

The layout is CMS, "NPPES Data Dissemination – Readme" (February 2025), exhibit 2-1: 330 columns, every value
in quotation marks, none of them within a value, one record a line. Columns go by their names, so that one
that is added, or renamed and not used (as in 2019 and 2025), changes nothing here.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple

from referral.domain.codes import ClinicianKind
from referral.domain.npi import deciding_taxonomy, is_valid_npi, kind_of_taxonomy

Take = Callable[[Sequence[str]], tuple[str, ...]]
PERSON: Final = "1"
ORGANIZATION: Final = "2"
_PRACTICE: Final = "Provider Business Practice Location Address"
_NAMES: Final = {
    "npi": "NPI",
    "entity": "Entity Type Code",
    "organization": "Provider Organization Name (Legal Business Name)",
    "family": "Provider Last Name (Legal Name)",
    "given": "Provider First Name",
    "middle": "Provider Middle Name",
    "credentials": "Provider Credential Text",
    "line1": "Provider First Line Business Practice Location Address",
    "line2": "Provider Second Line Business Practice Location Address",
    "city": f"{_PRACTICE} City Name",
    "state": f"{_PRACTICE} State Name",
    "postal_code": f"{_PRACTICE} Postal Code",
    "phone": f"{_PRACTICE} Telephone Number",
    "fax": f"{_PRACTICE} Fax Number",
    "last_updated": "Last Update Date",
    "deactivated": "NPI Deactivation Date",
    "reactivated": "NPI Reactivation Date",
}
_TAXONOMIES: Final = 15
# The report of deactivated NPIs has two columns.
_REPORT: Final = ("NPI", "NPPES Deactivation Date")


class Registered(NamedTuple):
    """One NPI. A tuple, because millions are made.

    `entity` is PERSON, ORGANIZATION or empty: of a deactivated NPI CMS publishes the number and the day.
    `taxonomies` are NUCC codes, the primary one first; `address` is the practice's, as for an envelope.
    """

    npi: str
    entity: str = ""
    family: str = ""
    given: str = ""
    middle: str = ""
    credentials: str = ""
    organization: str = ""
    taxonomies: tuple[str, ...] = ()
    kind: ClinicianKind = ClinicianKind.OTHER
    address: tuple[str, ...] = ()
    city: str = ""
    state: str = ""
    phone: str = ""
    fax: str = ""
    last_updated: date | None = None
    deactivated_on: date | None = None

    @property
    def name(self) -> str:
        """As people write it: the register shouts."""
        parts = (
            (self.given, self.middle, self.family) if self.entity != ORGANIZATION else (self.organization,)
        )
        return " ".join(spoken(part) for part in parts if part)


class BadRow(Exception):
    """A line that is no record; says why in words, without repeating it."""


class UnknownLayout(Exception):
    """The first lines of a file are not those of a file of NPPES; says what was missed."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the columns are. `width` is how many there are, `last` the last one that we read.

    `fields` takes the values of _NAMES out of a row, in that order; `codes` and `switches` those of the NUCC
    codes and of what marks the primary one. All three are None for the report of deactivated NPIs.
    """

    place: Mapping[str, int]
    width: int
    last: int
    fields: Take | None = None
    codes: Take | None = None
    switches: Take | None = None

    @property
    def is_report(self) -> bool:
        """The report of deactivated NPIs, which knows nothing else."""
        return self.fields is None


def read_header(line: bytes) -> Layout | None:
    """The columns that a header line names; None where it is no header, such as the title of a report.

    Raises UnknownLayout where columns are missing.
    """
    columns = [column.strip() for column in _cells(line.removeprefix(b"\xef\xbb\xbf"))]
    where = {column: place for place, column in enumerate(columns)}
    if "NPI" not in where:
        return None
    if _NAMES["entity"] not in where and set(_REPORT) <= where.keys():
        place = {"npi": where["NPI"], "deactivated": where[_REPORT[1]]}
        return Layout(place, len(columns), max(place.values()))
    codes, switches = (
        [f"Healthcare Provider {what}_{n}" for n in range(1, _TAXONOMIES + 1)]
        for what in ("Taxonomy Code", "Primary Taxonomy Switch")
    )
    missing = [name for name in (*_NAMES.values(), *codes, *switches) if name not in where]
    if missing:
        raise UnknownLayout(f"The column “{missing[0]}” is missing ({len(missing)} in all).")
    places = [[where[name] for name in names] for names in (_NAMES.values(), codes, switches)]
    last = max(place for some in places for place in some)
    takes = (itemgetter(*some) for some in places)
    return Layout(dict(zip(_NAMES, places[0], strict=True)), len(columns), last, *takes)


def _cells(line: bytes) -> list[str]:
    """By the book of CSV, for lines that CMS has not written."""
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    return next(csv.reader([text]), [])


def cells_of(layout: Layout, line: bytes) -> list[str]:
    """The values up to the last column that we read; raises BadRow for too many or too few."""
    if b"\x00" in line:
        raise BadRow("it holds a character that no text has (NUL)")
    try:
        ours = line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise BadRow("it is not in UTF-8") from None
    if ours[:1] == ours[-1:] == '"' and ours.count('","') == layout.width - 1:
        # As CMS writes it: within a value there is never a quotation mark. Twice as fast as reading CSV.
        return ours[1:-1].split('","', layout.last + 1)
    try:
        cells = next(csv.reader([ours], strict=True), [])
    except csv.Error:
        raise BadRow("its quotation marks do not match") from None
    if len(cells) != layout.width:
        raise BadRow(f"it has {len(cells)} columns instead of {layout.width}")
    return cells


def read_row(layout: Layout, cells: Sequence[str]) -> Registered:
    """One record; raises BadRow where the NPI or a date is not one."""
    if layout.fields is None:
        return _of_report(layout, cells)
    (npi, entity, organization, family, given, middle, credentials, *where, phone, fax, updated, off, on) = (
        map(str.strip, layout.fields(cells))
    )
    if not is_valid_npi(npi):
        raise BadRow(_WRONG_NPI)
    deactivated = _deactivated(off, on)
    if not entity:
        if deactivated is None:
            raise BadRow("it says neither what it is nor when it was deactivated")
        return Registered(npi, deactivated_on=deactivated)
    if entity not in (PERSON, ORGANIZATION):
        raise BadRow("its entity type is neither 1 nor 2")
    taxonomies = _taxonomies(layout, cells)
    line1, line2, city, state, postal_code = where
    return Registered(
        npi,
        entity,
        family,
        given,
        middle,
        credentials,
        organization,
        taxonomies,
        kind_of(taxonomies),
        address_of(line1, line2, city, state, postal_code),
        city,
        state.upper(),
        phone,
        fax,
        _day(updated),
        deactivated,
    )


_WRONG_NPI: Final = "its NPI does not pass the check digit"


def _of_report(layout: Layout, cells: Sequence[str]) -> Registered:
    npi, deactivated = cells[layout.place["npi"]].strip(), _day(cells[layout.place["deactivated"]].strip())
    if not is_valid_npi(npi):
        raise BadRow(_WRONG_NPI)
    if deactivated is None:
        raise BadRow("it has no deactivation date")
    return Registered(npi, deactivated_on=deactivated)


def _deactivated(off: str, on: str) -> date | None:
    """Since when the NPI is off; None where it was never so, or was switched on again later."""
    if not off:
        return None
    since, until = _day(off), _day(on)
    return None if since and until and until >= since else since


@lru_cache(maxsize=4096)
def kind_of(taxonomies: tuple[str, ...]) -> ClinicianKind:
    """What policy calls somebody with these NUCC codes."""
    return kind_of_taxonomy(deciding_taxonomy(taxonomies))


def address_of(line1: str, line2: str, city: str, state: str, postal_code: str) -> tuple[str, ...]:
    """As for an envelope; nine digits of a ZIP code get their hyphen. Nothing without a street."""
    if not line1:
        return ()
    code = f"{postal_code[:5]}-{postal_code[5:]}" if len(postal_code) == 9 else postal_code
    last = ", ".join(part for part in (city, f"{state} {code}".strip()) if part)
    return tuple(line for line in (line1, line2, last) if line)


def _taxonomies(layout: Layout, cells: Sequence[str]) -> tuple[str, ...]:
    if layout.codes is None or layout.switches is None:
        return ()
    codes, switches = layout.codes(cells), layout.switches(cells)
    if not codes[1]:
        return codes[:1] if codes[0] else ()
    primary = [code for code, switch in zip(codes, switches, strict=True) if code and switch == "Y"]
    return tuple(dict.fromkeys([*primary, *(code for code in codes if code)]))


@lru_cache(maxsize=16384)
def _day(text: str) -> date | None:
    """MM/DD/YYYY, as everywhere in these files; None for nothing. Raises BadRow."""
    if not text:
        return None
    month, _, rest = text.partition("/")
    day, _, year = rest.partition("/")
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        raise BadRow("one of its dates is not MM/DD/YYYY") from None


_WORD: Final = re.compile(r"(?<!\d)[^\W\d_]+")
_MC: Final = re.compile(r"\bMc([a-z])")
_LAST_LINE: Final = re.compile(r"(.*), ([A-Z]{2} .*)")


def spoken(text: str) -> str:
    """A name or a street that is all in capitals, as people write it; anything else stays as it is."""
    if text != text.upper():
        return text
    words = _WORD.sub(lambda word: word[0].capitalize(), text.lower())
    return _MC.sub(lambda match: f"Mc{match[1].upper()}", words)


def spoken_address(lines: Sequence[str]) -> tuple[str, ...]:
    """The same for an envelope, whose state keeps its capitals."""
    last = _LAST_LINE.fullmatch(lines[-1]) if lines else None
    if last is None:
        return tuple(spoken(line) for line in lines)
    return (*(spoken(line) for line in lines[:-1]), f"{spoken(last[1])}, {last[2]}")
