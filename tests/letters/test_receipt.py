"""The sealed record: complete, archivable, readable by a screen reader, and always writable."""

from __future__ import annotations

import hashlib
import os

import zxingcpp

from referral.domain.language import Language
from referral.letters.content import EvidenceLine, ShownAnswer
from referral.letters.render import ATTACHMENT_NAME, Renderer
from referral.letters.sample_record import sample_record
from tests.letters import pdf
from tests.letters.conftest import Draw
from tests.letters.samples import CLINIC, record
from tests.words import catalogues, messages


def test_everything_that_was_answered_can_be_read(draw: Draw) -> None:
    wanted = record()
    shown = pdf.text(draw(wanted).pdf)
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


def test_the_fhir_document_is_attached_byte_for_byte(draw: Draw) -> None:
    body = os.urandom(20_000) + b"\r\n\0 end"
    assert pdf.attachments(draw(record(fhir=body)).pdf) == {ATTACHMENT_NAME: body}


def test_it_is_an_archive_copy_and_accessible_in_one(draw: Draw) -> None:
    document = draw(record())
    assert pdf.xmp(document.pdf) == {"pdf/a": "3A", "pdf/ua": "1"}
    assert pdf.problems(document.pdf) == ""
    assert hashlib.sha256(document.pdf).hexdigest() == document.sha256


def test_it_depends_on_the_attachment_too(renderer: Renderer, draw: Draw) -> None:
    assert renderer.receipt(record()).sha256 == draw(record()).sha256
    assert draw(record()).sha256 != draw(record(fhir=b"{}")).sha256


def test_a_character_in_no_font_is_spelled_out_since_an_answer_must_not_be_lost(draw: Draw) -> None:
    answers = (ShownAnswer(question="In your words", answer="Good 😀 progress\u202e, see <b>chart</b>"),)
    shown = pdf.text(draw(record(answers=answers)).pdf)
    assert "Good [U+1F600] progress, see <b>chart</b>" in shown


def test_an_answer_that_was_left_empty_says_so(draw: Draw) -> None:
    shown = pdf.text(draw(record(answers=(ShownAnswer(question="Medication", answer=""),))).pdf)
    assert "Medication (left empty)" in shown


def test_long_answers_run_on_to_further_pages(draw: Draw) -> None:
    answers = tuple(
        ShownAnswer(question=f"Question {n}", answer="word " * 400 + f"end {n}.") for n in range(6)
    )
    evidence = (EvidenceLine(label="Browser", value="x" * 990),)
    document = draw(record(answers=answers, evidence=evidence))
    shown = pdf.text(document.pdf)
    assert document.pages > 2
    assert all(f"end {n}." in shown for n in range(6))
    assert f"Page {document.pages} of {document.pages}" in shown


def test_the_code_on_it_leads_to_the_page_that_checks_the_seal(draw: Draw) -> None:
    document = draw(record())
    page = pdf.picture(document.pdf, document.pages, 150, 150)
    assert [code.text for code in zxingcpp.read_barcodes(page)] == ["https://ask.harborlight.example/verify"]


def test_a_spanish_record_says_in_spanish_what_was_shown_and_what_it_is(draw: Draw) -> None:
    shown = pdf.text(draw(sample_record(CLINIC, Language.SPANISH)).pdf)
    for part in (
        *("solicitud R-2026-04182 Lo recomiendo con condiciones", "nacimiento: 1986"),
        *("Infusiones de ketamina para recurrent depression (F33.2)", "24 de noviembre de 2026, 19:03 UTC"),
        *("¿Qué condiciones? Primero por debajo de 140/90. Sin lamotrigina.", "Psicosis No"),
        *("Identidad comprobada por two-channel", "Completado antes por la clínica nada"),
        *("Constancia 00000000-0000", "Página 1 de 1", "es del propio servicio", "Información médica"),
    ):
        assert part in shown
    texts = (one for catalog in catalogues(Language.SPANISH).values() for one in messages(catalog))
    english = {str(one.id) for one in texts if len(str(one.id)) > 14}
    assert [text for text in english if text in shown] == []


def test_words_of_the_evidence_that_nobody_has_written_are_kept_as_they_are(draw: Draw) -> None:
    evidence = (
        EvidenceLine(label="Spoke with", value="Ana at the desk"),
        EvidenceLine(label="Number", value=""),
    )
    shown = pdf.text(draw(record(language=Language.SPANISH, evidence=evidence)).pdf)
    assert "Se habló con Ana at the desk" in shown
    assert "Plural-Forms" not in shown
