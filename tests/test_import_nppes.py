"""The national register as files of CMS bring it: by the command, killed in the middle, twice, weekly."""

from __future__ import annotations

import signal
import zipfile
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import func, select

from referral.domain.codes import ClinicianKind
from referral.domain.nppes import Registered
from referral.storage import register
from referral.storage.db import Database
from referral.storage.tables import npi_import, npi_key, npi_record
from tests import nppes
from tests.nppes import clinician, deactivated, npi, write
from tests.processes import eventually, running
from tests.register import Import, empty_register, environment, import_nppes

__all__ = ["empty_register", "environment", "import_nppes"]

MONTH = "npidata_pfile_20050523-20261108.csv"
WEEK = "npidata_pfile_20261109-20261115.csv"
IN_ALBANY = {"city": "ALBANY", "state": "NY", "postal_code": "12207"}


def find(database: Database, words: str) -> list[str]:
    with database.transaction() as session:
        return [found.npi for found in register.find(session, words, 20)]


def get(database: Database, number: int) -> Registered | None:
    with database.transaction() as session:
        return register.get(session, npi(number))


def counts(database: Database) -> tuple[int, int]:
    """(records, keys)"""
    with database.transaction() as session:
        records = session.connection.scalar(select(func.count()).select_from(npi_record)) or 0
        return records, session.connection.scalar(select(func.count()).select_from(npi_key)) or 0


def test_a_record_is_kept_as_it_is_published(
    import_nppes: Import, database: Database, tmp_path: Path
) -> None:
    psychiatrist = clinician(
        *(1,), family="O'BRIEN", given="MARÍA", middle="LEE", line2="SUITE 4",
        code="207R00000X", primary="N", code2="2084P0800X", primary2="Y",
    )  # fmt: skip
    practice = clinician(
        2, entity="2", family="", given="", organization="FRONT RANGE CARE", code="261Q00000X"
    )
    code, said, _ = import_nppes(write(tmp_path / MONTH, [psychiatrist, practice]))
    assert code == 0
    assert "Read 2 rows" in said
    assert "2 kept, of them 2 new or changed; 0 could not be used" in said
    found = get(database, 1)
    assert found is not None
    assert found.name == "María Lee O'Brien"
    assert found.taxonomies == ("2084P0800X", "207R00000X")
    assert found.kind is ClinicianKind.PSYCHIATRIST
    assert found.address == ("900 EXAMPLE ST", "SUITE 4", "BOULDER, CO 80302-1234")
    assert (found.phone, found.fax, found.state) == ("3035550121", "3035550122", "CO")
    assert (found.last_updated, found.deactivated_on) == (date(2026, 10, 1), None)
    for words in ("obrien", "o'bri", "maria lee", "lee brien boul", npi(1)):
        assert find(database, words) == [npi(1)], words
    # An organization is looked up by its NPI, but nobody is asked by its name.
    assert find(database, "front range") == []
    assert find(database, npi(2)) == [npi(2)]


def test_only_those_who_were_asked_for_are_kept_and_every_deactivation(
    import_nppes: Import, database: Database, tmp_path: Path
) -> None:
    people = [
        clinician(1),
        clinician(2, **IN_ALBANY),
        clinician(3, code="1223G0001X"),
        clinician(4, code="1223G0001X", code2="2084P0804X"),
        deactivated(5, "03/01/2026"),
    ]
    import_nppes(write(tmp_path / MONTH, people), "--state", "co", "--taxonomy", "2084P", "--taxonomy", "103")
    there = [number for number in range(1, 6) if get(database, number)]
    assert there == [1, 4, 5]


def test_whoever_has_moved_away_does_not_stay_with_an_old_address(
    import_nppes: Import, database: Database, tmp_path: Path
) -> None:
    import_nppes(write(tmp_path / MONTH, [clinician(1)]), "--state", "CO")
    import_nppes(
        write(tmp_path / WEEK, [clinician(1, **IN_ALBANY), clinician(2, **IN_ALBANY)]), "--state", "CO"
    )
    moved = get(database, 1)
    assert moved is not None
    assert moved.state == "NY"
    assert find(database, "chen boulder") == []
    assert find(database, "chen albany") == [npi(1)]
    assert get(database, 2) is None


def test_a_week_changes_what_it_names_and_an_older_file_changes_nothing(
    import_nppes: Import, database: Database, tmp_path: Path
) -> None:
    month = write(tmp_path / MONTH, [clinician(1), clinician(2, family="QUINN")])
    import_nppes(month)
    _, said, _ = import_nppes(write(tmp_path / WEEK, [clinician(1, family="CHEN-BRAUN"), clinician(3)]))
    assert "2 kept, of them 2 new or changed" in said
    before = counts(database)
    _, said, _ = import_nppes(month, "--again")
    assert "2 kept, of them 0 new or changed" in said
    assert counts(database) == before
    changed = get(database, 1)
    assert changed is not None
    assert changed.family == "CHEN-BRAUN"
    assert find(database, "braun") == [npi(1)]
    assert find(database, "quinn") == [npi(2)]


def test_a_deactivation_leaves_the_name_and_a_reactivation_takes_it_back(
    import_nppes: Import, database: Database, tmp_path: Path
) -> None:
    import_nppes(write(tmp_path / MONTH, [clinician(1), clinician(2, family="QUINN")]))
    report = tmp_path / "NPPES Deactivated NPI Report 20261110.csv"
    report.write_text(
        "NPPES Deactivated Records as of Nov 10 2026,\nNPI,NPPES Deactivation Date\n"
        f"{npi(1)},11/05/2026\n{npi(9)},01/02/2020\n1234567890,01/02/2020\n{npi(2)},\n"
    )
    code, said, complained = import_nppes(report)
    assert code == 0
    assert "2 kept, of them 2 new or changed; 2 could not be used" in said
    assert "Row 3 was left out: its NPI does not pass the check digit." in complained
    assert "Row 4 was left out: it has no deactivation date." in complained
    gone = get(database, 1)
    assert gone is not None
    assert (gone.family, gone.deactivated_on) == ("CHEN", date(2026, 11, 5))
    assert find(database, "chen") == [npi(1)]
    back = clinician(1, deactivated="11/05/2026", reactivated="11/12/2026")
    import_nppes(write(tmp_path / WEEK, [back, deactivated(2, "11/11/2026")]))
    assert [(found.deactivated_on, found.family) for n in (1, 2) if (found := get(database, n))] == [
        (None, "CHEN"),
        (date(2026, 11, 11), "QUINN"),
    ]


def test_bad_rows_are_named_and_stop_nothing(
    import_nppes: Import, database: Database, tmp_path: Path
) -> None:
    path = write(tmp_path / MONTH, [clinician(1)])
    good, wrong = nppes.row(clinician(2)), npi(3)[:-1] + str((int(npi(3)[-1]) + 1) % 10)
    with path.open("ab") as file:
        file.write(nppes.row(clinician(3) | {"NPI": wrong}).encode())
        file.write(good.replace('"2084P0800X",', "", 1).encode())
        file.write(nppes.row(clinician(4, updated="31/31/2026")).encode())
        file.write(b'"\xff\xfe","1"' + good.encode()[12:])
        file.write(b"\x00" * 40 + b"\n")
        file.write(nppes.row(clinician(5, entity="7")).encode())
        # Saved by another program: without quotation marks where none are needed.
        file.write(good.replace('""', "").encode())
        file.write(nppes.row(clinician(7, family="NU\x00L")).encode())
        file.write(nppes.row(clinician(6)).encode()[:8])
    code, said, complained = import_nppes(path)
    assert code == 0
    assert "Read 10 rows" in said
    assert "2 kept, of them 2 new or changed; 8 could not be used" in said
    reasons = [line.partition(": ")[2] for line in complained.splitlines()]
    assert reasons == [
        "its NPI does not pass the check digit.",
        "it has 329 columns instead of 330.",
        "one of its dates is not MM/DD/YYYY.",
        "it is not in UTF-8.",
        "it holds a character that no text has (NUL).",
        "its entity type is neither 1 nor 2.",
        "it holds a character that no text has (NUL).",
        "its quotation marks do not match.",
    ]
    assert [number for number in range(1, 7) if get(database, number)] == [1, 2]


def test_a_file_is_read_once_and_again_when_told_to(
    import_nppes: Import, database: Database, tmp_path: Path
) -> None:
    path = nppes.write_crowd(tmp_path / MONTH, 300)
    import_nppes(path)
    before = counts(database)
    assert before[0] == 300
    code, _, complained = import_nppes(path)
    assert code == 1
    assert "was read to its end" in complained
    code, said, _ = import_nppes(path, "--again")
    assert (code, "300 kept, of them 0 new or changed" in said) == (0, True)
    assert counts(database) == before


def test_killed_in_the_middle_it_goes_on_where_it_was(
    environment: dict[str, str], empty_register: None, database: Database, tmp_path: Path
) -> None:
    path = nppes.write_crowd(tmp_path / MONTH, 24_000)
    with zipfile.ZipFile(tmp_path / "NPPES_Data_Dissemination_November_2026.zip", "w") as bundle:
        bundle.write(path, MONTH)
        bundle.writestr(MONTH.replace(".csv", "_FileHeader.csv"), "NPI\n")
        bundle.writestr("pl_pfile_20050523-20261108.csv", "NPI\n")
    command = ["-m", "referral.cli", "import-nppes", str(bundle.filename)]

    def position() -> int:
        with database.transaction() as session:
            return session.connection.scalar(select(func.max(npi_import.c.position))) or 0

    with running(command, tmp_path, environment) as first:
        reached = eventually(position)
        first.stop(signal.SIGKILL)
    assert 0 < reached < path.stat().st_size
    middle, _ = counts(database)
    assert 0 < middle < 24_000
    with running(command, tmp_path, environment) as second:
        assert second.process.wait(60) == 0
        said = second.stdout.read_text()
    assert f"Goes on after row {middle:,}." in said
    assert "Read 24,000 rows" in said
    assert "24,000 kept, of them 24,000 new or changed; 0 could not be used" in said
    records, keys = counts(database)
    assert records == 24_000
    assert keys > 2 * records


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("x.csv", "a,b\n1,2\n", "none of its first lines names the column “NPI”"),
        ("x.csv", "NPI,Entity Type Code\n1,2\n", "does not have the columns of an NPPES file"),
        ("x.csv", "", "is no NPPES file"),
        ("x.xlsx", "PK", "save it as CSV"),
    ],
)
def test_what_is_no_such_file_is_refused_with_what_to_do(
    import_nppes: Import, tmp_path: Path, name: str, content: str, sentence: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    code, _, complained = import_nppes(path)
    assert code == 1
    assert sentence in complained
    assert "Traceback" not in complained


def test_a_damaged_or_locked_zip_is_refused_with_what_to_do(import_nppes: Import, tmp_path: Path) -> None:
    path, csv = tmp_path / "NPPES.zip", write(tmp_path / MONTH, [clinician(n) for n in range(1, 300)])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.write(csv, MONTH)
    whole = path.read_bytes()
    # Bits of the packed data have turned over.
    middle = len(whole) // 2
    path.write_bytes(
        whole[:middle] + bytes(byte ^ 0xFF for byte in whole[middle : middle + 400]) + whole[middle + 400 :]
    )
    code, _, complained = import_nppes(path)
    assert (code, "is a damaged zip file" in complained) == (1, True)
    # The flag of a password, in the member's own header and in the directory.
    locked = bytearray(whole)
    locked[6] |= 1
    locked[whole.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(locked)
    code, _, complained = import_nppes(path)
    assert (code, "locked with a password" in complained) == (1, True)
    assert "Traceback" not in complained


def test_wishes_that_nobody_can_fulfil_are_refused(import_nppes: Import, tmp_path: Path) -> None:
    path = write(tmp_path / MONTH, [clinician(1)])
    code, _, complained = import_nppes(path, "--state", "Colorado")
    assert (code, "COLORADO is no state" in complained) == (2, True)
    code, _, complained = import_nppes(tmp_path / "missing.csv")
    assert (code, "cannot be read" in complained) == (1, True)
