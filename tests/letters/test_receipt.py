"""The sealed record: complete, archivable, readable by a screen reader, and always writable."""

from __future__ import annotations

import hashlib
import os

import zxingcpp

from referral.letters.content import EvidenceLine, ShownAnswer
from referral.letters.render import ATTACHMENT_NAME, Renderer
from tests.letters import pdf
from tests.letters.samples import record


def test_everything_that_was_answered_can_be_read(renderer: Renderer) -> None:
    wanted = record()
    shown = pdf.text(renderer.receipt(wanted).pdf)
    for part in (
        *("request R-2026-04182", "I recommend it with conditions", "Maria José Nguyễn, born 1986"),
        *("Chidi A. Okafor, MD, NPI 9000000019", "November 24, 2026, 19:03 UTC", wanted.attestation),
        *(
            "Which conditions? Below 140/90 first. No lamotrigine.",
            "Identity two-channel",
            "o•••••@beaconhill.example",
        ),
        *("https://ask.harborlight.example/verify", "the service’s own", "Record HL-04182-A"),
    ):
        assert part in shown
    assert "60303ae22b998861" * 4 in shown.replace(" ", "")


def test_the_fhir_document_is_attached_byte_for_byte(renderer: Renderer) -> None:
    body = os.urandom(20_000) + b"\r\n\0 end"
    assert pdf.attachments(renderer.receipt(record(fhir=body)).pdf) == {ATTACHMENT_NAME: body}


def test_it_is_an_archive_copy_and_accessible_in_one(renderer: Renderer) -> None:
    document = renderer.receipt(record())
    assert pdf.xmp(document.pdf) == {"pdf/a": "3A", "pdf/ua": "1"}
    assert pdf.problems(document.pdf) == ""
    assert hashlib.sha256(document.pdf).hexdigest() == document.sha256


def test_it_depends_on_the_attachment_too(renderer: Renderer) -> None:
    assert renderer.receipt(record()).sha256 == renderer.receipt(record()).sha256
    assert renderer.receipt(record()).sha256 != renderer.receipt(record(fhir=b"{}")).sha256


def test_a_character_in_no_font_is_spelled_out_since_an_answer_must_not_be_lost(renderer: Renderer) -> None:
    answers = (ShownAnswer(question="In your words", answer="Good 😀 progress\u202e, see <b>chart</b>"),)
    shown = pdf.text(renderer.receipt(record(answers=answers)).pdf)
    assert "Good [U+1F600] progress, see <b>chart</b>" in shown


def test_an_answer_that_was_left_empty_says_so(renderer: Renderer) -> None:
    shown = pdf.text(renderer.receipt(record(answers=(ShownAnswer(question="Medication", answer=""),))).pdf)
    assert "Medication (left empty)" in shown


def test_long_answers_run_on_to_further_pages(renderer: Renderer) -> None:
    answers = tuple(
        ShownAnswer(question=f"Question {n}", answer="word " * 400 + f"end {n}.") for n in range(6)
    )
    evidence = (EvidenceLine(label="Browser", value="x" * 990),)
    document = renderer.receipt(record(answers=answers, evidence=evidence))
    shown = pdf.text(document.pdf)
    assert document.pages > 2
    assert all(f"end {n}." in shown for n in range(6))
    assert f"Page {document.pages} of {document.pages}" in shown


def test_the_code_on_it_leads_to_the_page_that_checks_the_seal(renderer: Renderer) -> None:
    document = renderer.receipt(record())
    page = pdf.picture(document.pdf, document.pages, 150, 150)
    assert [code.text for code in zxingcpp.read_barcodes(page)] == ["https://ask.harborlight.example/verify"]
