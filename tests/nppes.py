"""Files in the layout of the CMS NPPES dissemination: 330 columns, every value in quotation marks.

The columns are those of "Data Dissemination – Readme" (CMS, February 2025), exhibit 2-1. Everybody is
invented: NPIs begin with 9 and pass the check digit.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

_OF_A_NAME: Final = ("Last Name", "First Name", "Middle Name", "Name Prefix Text", "Name Suffix Text")
_OF_AN_ADDRESS: Final = (
    *("City Name", "State Name", "Postal Code", "Country Code (If outside U.S.)"),
    *("Telephone Number", "Fax Number"),
)


def _address(kind: str) -> list[str]:
    lines = [f"Provider {line} Line Business {kind} Address" for line in ("First", "Second")]
    return lines + [f"Provider Business {kind} Address {part}" for part in _OF_AN_ADDRESS]


def _taxonomy(n: int) -> list[str]:
    return [
        f"Healthcare Provider Taxonomy Code_{n}",
        f"Provider License Number_{n}",
        f"Provider License Number State Code_{n}",
        f"Healthcare Provider Primary Taxonomy Switch_{n}",
    ]


def _identifier(n: int) -> list[str]:
    return [f"Other Provider Identifier{part}_{n}" for part in ("", " Type Code", " State", " Issuer")]


HEADER: Final = (
    *("NPI", "Entity Type Code", "Replacement NPI", "Employer Identification Number (EIN)"),
    "Provider Organization Name (Legal Business Name)",
    *("Provider Last Name (Legal Name)", "Provider First Name", "Provider Middle Name"),
    *("Provider Name Prefix Text", "Provider Name Suffix Text", "Provider Credential Text"),
    *("Provider Other Organization Name", "Provider Other Organization Name Type Code"),
    *(f"Provider Other {part}" for part in _OF_A_NAME),
    *("Provider Other Credential Text", "Provider Other Last Name Type Code"),
    *_address("Mailing"),
    *_address("Practice Location"),
    *("Provider Enumeration Date", "Last Update Date", "NPI Deactivation Reason Code"),
    *("NPI Deactivation Date", "NPI Reactivation Date", "Provider Sex Code"),
    *(f"Authorized Official {part}" for part in ("Last Name", "First Name", "Middle Name")),
    *("Authorized Official Title or Position", "Authorized Official Telephone Number"),
    *(name for n in range(1, 16) for name in _taxonomy(n)),
    *(name for n in range(1, 51) for name in _identifier(n)),
    *("Is Sole Proprietor", "Is Organization Subpart", "Parent Organization LBN", "Parent Organization TIN"),
    *(f"Authorized Official {part}" for part in ("Name Prefix Text", "Name Suffix Text", "Credential Text")),
    *(f"Healthcare Provider Taxonomy Group_{n}" for n in range(1, 16)),
    "Certification Date",
)
_PLACE: Final = {name: place for place, name in enumerate(HEADER)}
PRACTICE: Final = "Provider Business Practice Location Address"
_FAMILIES: Final = (
    *("SMITH", "JOHNSON", "CHEN", "GARCIA LOPEZ", "O'BRIEN", "NGUYEN", "SMITH-JONES", "WHITCOMBE", "QUINN"),
    *("OKAFOR", "PATEL", "MCDONALD", "DE LA CRUZ", "KOWALSKI", "BRAUN", "HASSAN", "YAMADA", "LINDQVIST"),
)
_GIVEN: Final = ("WEI", "MARIA", "JOHN", "TARA", "ELENA", "OMAR", "PRIYA", "DANIEL", "GRACE", "IVAN", "NOOR")
_MIDDLE: Final = ("", "A", "R.", "LEE", "MARIE")
_CODES: Final = (
    *("2084P0800X", "103TC0700X", "207Q00000X", "363LP0808X", "363A00000X", "1041C0700X"),
    *("207R00000X", "1223G0001X", "225100000X", "183500000X", "163W00000X"),
)
# As many as there are states: an import of one state keeps about two rows in a hundred, as in life.
_PLACES: Final = (
    *(("DENVER", "CO", "802051234"), ("SEATTLE", "WA", "981011111"), ("AUSTIN", "TX", "78701")),
    *(
        (f"{state}VILLE", state, f"{place:02d}101")
        for place, state in enumerate(
            [
                "AL",
                "AK",
                "AZ",
                "AR",
                "CA",
                "CT",
                "DE",
                "FL",
                "GA",
                "HI",
                "ID",
                "IL",
                "IN",
                "IA",
                "KS",
                "KY",
                "LA",
                "ME",
                "MD",
                "MA",
                "MI",
                "MN",
                "MS",
                "MO",
                "MT",
                "NE",
                "NV",
                "NH",
                "NJ",
                "NM",
                "NY",
                "NC",
                "ND",
                "OH",
                "OK",
                "OR",
                "PA",
                "RI",
                "SC",
                "SD",
                "TN",
                "UT",
                "VT",
                "VA",
                "WV",
                "WI",
                "WY",
            ]
        )
    ),
)


def npi(number: int) -> str:
    """The `number`-th invented NPI, with its check digit (45 CFR 162.406)."""
    stem = f"9{number:08d}"
    total = 24 + sum(
        int(digit) if place % 2 else sum(divmod(2 * int(digit), 10))
        for place, digit in enumerate(reversed(stem))
    )
    return f"{stem}{-total % 10}"


def row(values: Mapping[str, str]) -> str:
    """One record; columns that are not named are empty."""
    cells = [""] * len(HEADER)
    for name, value in values.items():
        cells[_PLACE[name]] = value
    return '"' + '","'.join(cells) + '"\n'


def clinician(number: int, **changes: str) -> dict[str, str]:
    """Somebody in Boulder, by column; `changes` are by what a column is: family, state, code …"""
    names = {
        "family": "Provider Last Name (Legal Name)",
        "given": "Provider First Name",
        "middle": "Provider Middle Name",
        "credentials": "Provider Credential Text",
        "entity": "Entity Type Code",
        "organization": "Provider Organization Name (Legal Business Name)",
        "line1": "Provider First Line Business Practice Location Address",
        "line2": "Provider Second Line Business Practice Location Address",
        "city": f"{PRACTICE} City Name",
        "state": f"{PRACTICE} State Name",
        "postal_code": f"{PRACTICE} Postal Code",
        "phone": f"{PRACTICE} Telephone Number",
        "fax": f"{PRACTICE} Fax Number",
        "updated": "Last Update Date",
        "deactivated": "NPI Deactivation Date",
        "reactivated": "NPI Reactivation Date",
        "code": "Healthcare Provider Taxonomy Code_1",
        "primary": "Healthcare Provider Primary Taxonomy Switch_1",
        "code2": "Healthcare Provider Taxonomy Code_2",
        "primary2": "Healthcare Provider Primary Taxonomy Switch_2",
    }
    usual = {
        "entity": "1",
        "family": "CHEN",
        "given": "WEI",
        "credentials": "M.D.",
        "line1": "900 EXAMPLE ST",
        "city": "BOULDER",
        "state": "CO",
        "postal_code": "803021234",
        "phone": "3035550121",
        "fax": "3035550122",
        "updated": "10/01/2026",
        "code": "2084P0800X",
        "primary": "Y",
    }
    return {"NPI": npi(number), **{names[name]: value for name, value in {**usual, **changes}.items()}}


def deactivated(number: int, on: str) -> dict[str, str]:
    """All that CMS publishes of a deactivated NPI."""
    return {"NPI": npi(number), "NPI Deactivation Date": on}


def write(path: Path, records: Iterable[Mapping[str, str]]) -> Path:
    """A file with its header line."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(row(dict(zip(HEADER, HEADER, strict=True))))
        file.writelines(row(record) for record in records)
    return path


def crowd(rows: int, seed: int = 1) -> Iterator[str]:
    """Rows of many invented people, fast: only what differs is put into a row that is made once."""
    marks = {
        name: f"@{place}@"
        for place, name in enumerate(("NPI", "FAMILY", "GIVEN", "MIDDLE", "CITY", "STATE", "ZIP", "CODE"))
    }
    pattern = row(
        clinician(
            0,
            family="@1@",
            given="@2@",
            middle="@3@",
            city="@4@",
            state="@5@",
            postal_code="@6@",
            code="@7@",
        )
        | {
            "NPI": "@0@",
            "Provider License Number_1": "DR.0012345",
            "Provider License Number State Code_1": "CO",
        }
        | {"Provider Enumeration Date": "05/23/2005", "Provider Sex Code": "F", "Is Sole Proprietor": "N"}
        | {f"Provider Business Mailing Address {part}": "PO BOX 1" for part in ("City Name", "Postal Code")}
        | {"Certification Date": "10/01/2026"}
    )
    pattern = pattern.replace("%", "%%")
    for name, mark in marks.items():
        pattern = pattern.replace(mark, f"%({name})s")
    dice = random.Random(seed)
    for number in range(1, rows + 1):
        city, state, postal = _PLACES[int(dice.random() * len(_PLACES))]
        yield pattern % {
            "NPI": npi(number),
            "FAMILY": _FAMILIES[int(dice.random() * len(_FAMILIES))],
            "GIVEN": _GIVEN[int(dice.random() * len(_GIVEN))],
            "MIDDLE": _MIDDLE[number % len(_MIDDLE)],
            "CITY": city,
            "STATE": state,
            "ZIP": postal,
            "CODE": _CODES[int(dice.random() * len(_CODES))],
        }


def write_crowd(path: Path, rows: int, seed: int = 1) -> Path:
    """A file of `rows` people, who are the same for the same seed."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(row(dict(zip(HEADER, HEADER, strict=True))))
        file.writelines(crowd(rows, seed))
    return path
