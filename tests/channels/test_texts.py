"""The words of mails and text messages in both languages."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from referral.channels.texts import Words, render, render_short
from referral.domain.language import Language
from referral.domain.outgoing import MessageKind
from tests.words import catalogues, messages

EN, ES = Language.ENGLISH, Language.SPANISH
LINK = f"https://referrals.harborlight.example/r/{'x' * 16}/{'y' * 43}"
WORDS = Words(
    sender_name="Harbor Light",
    request_number="R-2026-00042",
    telephone="303-555-0142",
    link=LINK,
    short_code="K7QM2-X4P9D",
    page="https://referrals.harborlight.example/request",
    reply_by="November 16, 2026",
    code="482913",
)


def english_parts() -> set[str]:
    """What stands between the values of every English text and is long enough to be recognised."""
    ids = [message.id for message in messages(catalogues(ES)["messages.po"])]
    return {part.strip() for id in ids for part in re.split(r"%\(\w+\)s", str(id)) if len(part.strip()) > 9}


@pytest.mark.parametrize("kind", MessageKind)
def test_a_spanish_message_is_spanish_from_its_subject_to_its_end(kind: MessageKind) -> None:
    said = {
        language: " ".join(
            "\n".join((*render(kind, WORDS, language), render_short(kind, WORDS, language))).split()
        )
        for language in Language
    }
    parts = english_parts()
    assert len([part for part in parts if part in said[EN]]) > 2
    assert [part for part in parts if part in said[ES]] == []
    # The same facts stand in both.
    for fact in (WORDS.request_number, WORDS.link, WORDS.telephone, WORDS.code, WORDS.short_code):
        assert said[ES].count(fact) == said[EN].count(fact)


def test_what_a_clinician_reads_first() -> None:
    assert render(MessageKind.REQUEST, WORDS, EN)[0] == "A secure request is waiting for you (R-2026-00042)"
    subject, body = render(MessageKind.REQUEST, WORDS, ES)
    assert subject == "Le espera una solicitud segura (R-2026-00042)"
    assert body.startswith(
        "Hola:\n\nHarbor Light le ha enviado una solicitud breve sobre alguien a quien quizá\n"
    )
    assert body.endswith("\n\nHarbor Light\nSolicitud R-2026-00042\n")


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", MessageKind)
def test_lines_are_short_and_a_link_is_one_word(kind: MessageKind, language: Language) -> None:
    """RFC 5322 2.1.1: at most 78 characters; no template leaves holes in the text."""
    body = render(kind, replace(WORDS, link=LINK + "z" * 60), language)[1]
    assert [line for line in body.split("\n") if len(line) > 78 and not line.startswith("https://")] == []
    assert "\n\n\n" not in body
    assert [line for line in body.split("\n") if line != line.strip()] == []


@pytest.mark.parametrize("language", Language)
def test_a_date_that_is_not_known_leaves_no_gap(language: Language) -> None:
    for kind in (MessageKind.REQUEST, MessageKind.REMINDER):
        open_end = replace(WORDS, reply_by="")
        said = render(kind, open_end, language)[1] + render_short(kind, open_end, language)
        assert "  " not in said
        assert " ." not in said
        assert "\n\n\n" not in said
