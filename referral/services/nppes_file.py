"""Files of the national register as CMS ships them: a CSV, or the zip that holds it; read line by line."""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, Final

from referral.domain.errors import InvalidInput, Issue
from referral.domain.nppes import Layout, UnknownLayout, read_header

# The report of deactivated NPIs has a title above its header.
_MOST_TITLES: Final = 5
_LONGEST_LINE: Final = 1 << 20
# Of the general purpose flags of a member (APPNOTE.TXT 4.4.4).
_ENCRYPTED: Final = 0x1
_DATA: Final = re.compile(r"(^|/)npidata_pfile_[^/]*(?<!_fileheader)\.csv$", re.IGNORECASE)
_DAY: Final = re.compile(r"(?<!\d)(20\d\d)(\d\d)(\d\d)(?!\d)")
_SAVE_AS: Final = (
    "CMS ships the report of deactivated NPIs as a workbook (.xlsx), which is not read here: open it, save"
    " it as CSV with its two columns “NPI” and “NPPES Deactivation Date”, and import that. The monthly file"
    " names the deactivated NPIs as well."
)


@dataclass(frozen=True, slots=True)
class NppesFile:
    """`stream` stands behind the header, at `start`; `size` is that of the CSV itself, in bytes.

    `id` is the same for the same content with the same name. `as_of` is the day in the name, None for none.
    """

    name: str
    id: str
    size: int
    as_of: date | None
    layout: Layout
    stream: IO[bytes]
    start: int

    def lines(self, position: int) -> Iterator[bytes]:
        """From a byte on. In a zip what lies before it is unpacked and dropped."""
        self.stream.seek(max(position, self.start))
        return iter(lambda: self.stream.readline(_LONGEST_LINE), b"")


@contextmanager
def open_nppes(path: Path) -> Iterator[NppesFile]:
    """Raises InvalidInput, saying what to do, where this is no file of NPPES."""
    if path.suffix.lower() == ".xlsx":
        raise _refusal(_SAVE_AS)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as bundle:
                member = _member(bundle)
                if member.flag_bits & _ENCRYPTED:
                    raise _refusal(f"{path} is locked with a password, which no file of CMS is.")
                with bundle.open(member) as stream:
                    yield _opened(member.filename.rpartition("/")[2], member.file_size, stream)
        else:
            with path.open("rb", buffering=1 << 20) as stream:
                yield _opened(path.name, path.stat().st_size, stream)
    except OSError as error:
        raise _refusal(f"{path} cannot be read: {error.strerror or error}.") from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise _refusal(f"{path} is a damaged zip file ({error}). Download it again.") from error


def _refusal(sentence: str) -> InvalidInput:
    return InvalidInput(Issue(sentence, ("file",), "value"))


def _member(bundle: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The data file of the bundle, which CMS ships with three others and their headers."""
    found = [info for info in bundle.infolist() if _DATA.search(info.filename)]
    if not found:
        found = [info for info in bundle.infolist() if info.filename.lower().endswith(".csv")]
    if len(found) == 1:
        return found[0]
    if any(info.filename.lower().endswith(".xlsx") for info in bundle.infolist()):
        raise _refusal(_SAVE_AS)
    raise _refusal(
        "The zip holds no file npidata_pfile_….csv, or several. Unpack it and name the one to read."
    )


def _opened(name: str, size: int, stream: IO[bytes]) -> NppesFile:
    digest = hashlib.sha256(f"{name}\n{size}\n".encode())
    start, layout = 0, None
    for _ in range(_MOST_TITLES):
        line = stream.readline(_LONGEST_LINE)
        start += len(line)
        digest.update(line)
        try:
            layout = read_header(line)
        except UnknownLayout as error:
            raise _refusal(f"{name} does not have the columns of an NPPES file. {error}") from error
        if layout is not None:
            break
    if layout is None:
        raise _refusal(f"{name} is no NPPES file: none of its first lines names the column “NPI”.")
    digest.update(stream.read(1 << 16))
    return NppesFile(name, digest.hexdigest(), size, _day_in(name), layout, stream, start)


def _day_in(name: str) -> date | None:
    """npidata_pfile_20050523-20261108.csv stands for the 8th of November 2026."""
    for year, month, day in reversed(_DAY.findall(name)):
        try:
            return date(int(year), int(month), int(day))
        except ValueError:
            continue
    return None
