"""The page where anybody checks a seal: unchanged, changed or unknown, and nothing about a patient in it."""

from __future__ import annotations

import itertools
import random
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import httpx
import pytest

from referral.letters.check_seal import NOT_OURS, check_seal
from referral.letters.render import Renderer
from referral.letters.seal import Sealer
from referral.letters.seal_key import make_seal_key
from referral.storage import clinics, documents
from tests.database import NOW, ClinicFixture
from tests.letters.samples import record
from tests.web.client import application
from tests.web.portal_case import serve

_HOURS = itertools.count(1)
PRIVATE = ("Maria", "Nguyễn", "1986", "Okafor", "depression", "ketamine", "R-2026-04182", "recommend it")


class Visit(Protocol):
    def __call__(self, path: str, file: bytes | None = None, **headers: str) -> httpx.Response: ...


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return Renderer(tmp_path_factory.mktemp("fonts")).receipt(record()).pdf


@pytest.fixture
def visit(clinic: ClinicFixture) -> Iterator[Visit]:
    """Somebody without an account, in an hour of their own: look-ups are counted by the hour."""
    with ExitStack() as stack:
        now = NOW + timedelta(hours=next(_HOURS))
        address = stack.enter_context(serve(application(clinic, lambda: now)))
        client = stack.enter_context(httpx.Client(verify=False, base_url=address, timeout=60))

        def call(path: str, file: bytes | None = None, **headers: str) -> httpx.Response:
            if file is None:
                return client.get(path, headers=headers)
            return client.post(path, files={"file": ("x.pdf", file, "application/pdf")}, headers=headers)

        yield call


def sealer(clinic: ClinicFixture) -> Sealer:
    with clinic.transaction() as session:
        found = clinics.current(session)
        return Sealer(session.vault.open(found.wrapped_key, found.seal_key, "seal-key"))


def kept(clinic: ClinicFixture, content: bytes) -> str:
    reference = str(uuid.uuid4())
    with clinic.transaction() as session:
        documents.add(
            session, id=reference, kind="receipt", content_type="application/pdf", content=content, now=NOW
        )
    return reference


def test_a_record_is_found_by_its_reference_and_by_its_bytes(
    clinic: ClinicFixture, visit: Visit, plain: bytes
) -> None:
    sealed = sealer(clinic).seal(plain, "Recorded answer", NOW)
    reference = kept(clinic, sealed)
    by_reference = visit(f"/verify/{reference}")
    assert by_reference.status_code == 200
    assert "There is a sealed record with this reference" in by_reference.text
    assert "November 3, 2026" in by_reference.text
    by_bytes = visit("/verify", sealed)
    assert "This file is sealed and unchanged" in by_bytes.text
    in_spanish = visit("/verify", sealed, **{"Accept-Language": "es-MX"})
    assert "Este archivo está sellado y no ha cambiado" in in_spanish.text
    for answer in (by_reference, by_bytes, in_spanish):
        assert "Harbor Light" in answer.text
        assert not [word for word in PRIVATE if word in answer.text]
    certificate = visit(f"/verify/{reference}/seal.pem")
    assert certificate.content == sealer(clinic).root
    for unknown in (str(uuid.uuid4()), "x", reference.upper(), f"{reference}-evidence"):
        answer = visit(f"/verify/{unknown}")
        assert (answer.status_code, "This reference is not known here" in answer.text) == (404, True)
        assert visit(f"/verify/{unknown}/seal.pem").status_code == 404


def test_a_file_that_is_not_on_record_is_judged_by_its_seal(
    clinic: ClinicFixture, visit: Visit, plain: bytes
) -> None:
    sealed = sealer(clinic).seal(plain, "Recorded answer", NOW)
    assert "This file is sealed and unchanged" in visit("/verify", sealed).text
    place = random.Random(7).randrange(len(plain))
    changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
    answer = visit("/verify", changed)
    assert "This file was changed after it was sealed" in answer.text
    assert not [word for word in PRIVATE if word in answer.text]
    stranger = Sealer(make_seal_key("Harbor Light Clinic document seal", NOW)).seal(plain, "x", NOW)
    for unknown in (plain, stranger, b"%PDF-1.7\n%%EOF"):
        answer = visit("/verify", unknown)
        assert answer.status_code == 422
        assert "This file has no seal of this service" in answer.text


def test_what_cannot_be_checked_is_told_and_counted(clinic: ClinicFixture, visit: Visit) -> None:
    assert "Choose the PDF of the record first." in visit("/verify", b"").text
    assert visit("/verify", bytes(4 * 1024 * 1024 + 1)).status_code == 413
    assert visit("/verify", bytes(6 * 1024 * 1024)).status_code == 413
    codes = [visit(f"/verify/{uuid.uuid4()}").status_code for _ in range(40)]
    assert codes[0] == 404
    assert codes[-1] == 429
    # A guest is not led to the clinic's own sign-in.
    assert re.findall(r'class="button[^>]*href="([^"]*)"', visit(f"/verify/{uuid.uuid4()}").text) == [
        "/verify"
    ]
    assert visit("/verify").status_code == 200


HOSTILE = {
    "deep": b"%PDF-1.7\n1 0 obj\n" + b"[" * 200_000,
    "dictionaries": b"%PDF-1.7\n1 0 obj\n" + b"<<" * 200_000,
    "loop": b"%PDF-1.7\n1 0 obj\n1 0 R\nendobj\ntrailer<</Root 1 0 R/Prev 0>>\nstartxref\n0\n%%EOF",
    "huge": b"%PDF-1.7\nxref\n0 4294967295\ntrailer<</Size 4294967295/Root 1 0 R>>\nstartxref\n9\n%%EOF",
    "noise": random.Random(1).randbytes(200_000),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_has_no_seal_and_harms_nobody(kind: str) -> None:
    root = Sealer(make_seal_key("Any", NOW)).root
    assert check_seal(HOSTILE[kind], [root], NOW) == NOT_OURS


_PUBLIC_CHECK = """
import sys
from pyhanko.keys import load_cert_from_pemder
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext
context = ValidationContext(trust_roots=[load_cert_from_pemder(sys.argv[2])], allow_fetching=False)
with open(sys.argv[1], "rb") as file:
    status = validate_pdf_signature(PdfFileReader(file).embedded_signatures[0], context)
    print(status.bottom_line, status.intact, status.trusted, status.coverage.name)
"""


def test_anybody_can_check_it_with_public_tools_and_the_published_certificate(
    clinic: ClinicFixture, visit: Visit, plain: bytes, data_dir: Path
) -> None:
    sealed = sealer(clinic).seal(plain, "Recorded answer", datetime.now(UTC))
    reference = kept(clinic, sealed)
    file, root = data_dir / "record.pdf", data_dir / "seal.pem"
    file.write_bytes(sealed)
    root.write_bytes(visit(f"/verify/{reference}/seal.pem").content)
    command = [sys.executable, "-I", "-c", _PUBLIC_CHECK, str(file), str(root)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert said == ["True", "True", "True", "ENTIRE_FILE"]
    shown = subprocess.run(["pdfsig", str(file)], check=True, capture_output=True, text=True).stdout
    assert "Signature is Valid" in shown
    attached = subprocess.run(["pdfdetach", "-list", str(file)], check=True, capture_output=True, text=True)
    assert "recommendation.fhir.json" in attached.stdout
