"""The seal: it verifies for years, and not after one bit has changed."""

from __future__ import annotations

import random
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from referral.letters.content import LetterProblem
from referral.letters.render import Renderer
from referral.letters.seal import Sealer, verify
from referral.letters.seal_key import VALID_FOR, make_seal_key
from tests.letters import pdf
from tests.letters.samples import record

MADE = datetime(2026, 11, 1, 8, tzinfo=UTC)
SEALED = datetime(2026, 11, 24, 19, 4, tzinfo=UTC)
LATER = datetime(2031, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def sealer() -> Sealer:
    return Sealer(make_seal_key("Document seal", MADE))


@pytest.fixture(scope="module")
def plain(renderer: Renderer) -> bytes:
    return renderer.receipt(record()).pdf


@pytest.fixture(scope="module")
def sealed(sealer: Sealer, plain: bytes) -> bytes:
    return sealer.seal(plain, "Recorded answer", SEALED)


def test_a_sealed_record_verifies_and_says_by_whom_when_and_why(sealer: Sealer, sealed: bytes) -> None:
    report = verify(sealed, sealer.root, LATER)
    assert report.good
    assert (report.signer, report.reason, report.signed_at) == ("Document seal", "Recorded answer", SEALED)


def test_sealing_only_adds(plain: bytes, sealed: bytes) -> None:
    assert sealed.startswith(plain)
    assert pdf.problems(sealed) == ""
    assert pdf.xmp(sealed) == {"pdf/a": "3A", "pdf/ua": "1"}
    assert pdf.attachments(sealed) == pdf.attachments(plain)


def test_one_flipped_bit_anywhere_is_noticed(sealer: Sealer, sealed: bytes, plain: bytes) -> None:
    """Half of the places are in the seal itself, whose container no signature can cover."""
    chosen = random.Random(20261124)
    places = [chosen.randrange(len(plain)) for _ in range(60)]
    places += [chosen.randrange(len(plain), len(sealed)) for _ in range(60)]
    for place in places:
        changed = bytearray(sealed)
        changed[place] ^= 1 << chosen.randrange(8)
        assert not verify(bytes(changed), sealer.root, LATER).good, place


def test_something_appended_is_noticed(sealer: Sealer, sealed: bytes) -> None:
    assert not verify(sealed + b"\n% more", sealer.root, LATER).good
    other = Sealer(make_seal_key("Someone else", MADE))
    with pytest.raises(LetterProblem, match="sealed already"):
        other.seal(sealed, "again", SEALED)


def test_another_root_is_not_trusted(sealed: bytes) -> None:
    report = verify(sealed, Sealer(make_seal_key("Document seal", MADE)).root, LATER)
    assert report.sealed
    assert not report.trusted
    assert not report.good


def test_a_seal_is_trusted_for_ten_years(sealer: Sealer, sealed: bytes) -> None:
    assert verify(sealed, sealer.root, MADE + VALID_FOR - timedelta(days=1)).good
    assert not verify(sealed, sealer.root, MADE + VALID_FOR + timedelta(days=1)).good


@pytest.mark.parametrize("body", [b"", b"junk", b"%PDF-1.7\n%%EOF", b"%PDF-1.7\n" + b"(" * 5000])
def test_a_file_that_is_no_sealed_pdf_is_reported_and_never_breaks_the_check(
    sealer: Sealer, body: bytes
) -> None:
    assert not verify(body, sealer.root, LATER).sealed


def test_an_unsealed_record_is_reported_as_such(sealer: Sealer, plain: bytes) -> None:
    assert not verify(plain, sealer.root, LATER).sealed


def test_a_public_tool_agrees(sealed: bytes, data_dir: Path) -> None:
    (data_dir / "sealed.pdf").write_bytes(sealed)
    command = ["pdfsig", "-nocert", str(data_dir / "sealed.pdf")]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "Signature is Valid" in shown
    assert "ETSI.CAdES.detached" in shown
    assert "Total document signed" in shown


def test_junk_is_neither_a_key_nor_a_document(sealer: Sealer) -> None:
    with pytest.raises(LetterProblem, match="seal key"):
        Sealer(b"junk")
    with pytest.raises(LetterProblem, match="cannot be sealed"):
        sealer.seal(b"junk", "x", SEALED)
