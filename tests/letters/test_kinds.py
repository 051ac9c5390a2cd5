"""Every kind of letter in both languages: what it says, to whom, and what it never says."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from datetime import date
from typing import Any, Final

import pytest

from referral.domain.language import Language
from referral.letters import markup
from referral.letters.content import Letter, LetterProblem
from referral.letters.notices import Ending, PatientStage
from referral.letters.render import Renderer
from referral.letters.samples import KINDS, sample
from tests.letters import pdf
from tests.letters.conftest import Drawn
from tests.letters.samples import CLINIC
from tests.letters.test_names import HOSTILE, letters_of
from tests.letters.test_window import window_faults
from tests.words import catalogues, messages

EN, ES = Language.ENGLISH, Language.SPANISH
EVERY: Final = [(kind, language) for kind in KINDS for language in Language]
MAILED: Final = [(kind, language) for kind, language in EVERY if kind != "fax-cover"]
# Written out: what a reader finds, from the values of the samples.
ASKED: Final = {
    EN: ("December 7, 2026", "recurrent depression (F33.2)", "six infusions over three weeks", "K7QM2-X4P9D"),
    ES: ("7 de diciembre de 2026", "por recurrent depression (F33.2)", "seis infusiones en tres semanas"),
}
SAYS: Final[dict[str, dict[Language, tuple[str, ...]]]] = {
    "request": {
        EN: (*ASKED[EN], "Dear Dr. Okafor,", "treating psychiatrist", "Please answer by December 7, 2026."),
        ES: (*ASKED[ES], "Estimado/a Dr./Dra. Okafor:", "psiquiatra tratante", "Responda a más tardar el 7"),
    },
    "reminder": {
        EN: (*ASKED[EN], "Reminder: your opinion", "On November 16, 2026 we asked", "Reply form"),
        ES: (*ASKED[ES], "Recordatorio: su opinión", "El 16 de noviembre de 2026", "Formulario de respuesta"),
    },
    "fax-cover": {
        EN: (
            "Confidential fax",
            "Chidi A. Okafor, MD",
            "617-555-0188",
            "Harbor Light",
            "3 in all",
            "Not for you?",
        ),
        ES: ("Fax confidencial", "Chidi A. Okafor, MD", "617-555-0188", "3 en total", "¿No es para usted?"),
    },
    "conversation": {
        EN: ("You asked on November 20, 2026", "raised the lisinopril", "above 140/90", "K7QM2-X4P9D"),
        ES: ("Usted preguntó el 20 de noviembre de 2026", "aumentar el lisinopril", "por encima de 140/90"),
    },
    "thank-you": {
        EN: ("I recommend it with conditions", "November 22, 2026", "An end-of-course report", "your chart"),
        ES: (
            "Lo recomiendo con condiciones",
            "22 de noviembre de 2026",
            "Un informe al final del tratamiento",
        ),
    },
    "cancelled": {
        EN: ("R-2026-04182 of November 16, 2026 is closed", "Another clinician who knows the patient"),
        ES: (
            "R-2026-04182 del 16 de noviembre de 2026 está cerrada",
            "otro profesional que conoce al paciente",
        ),
    },
    "notice": {
        EN: ("You have taken your answer back", "please call 617-555-0142 at once"),
        ES: ("Usted ha retirado su respuesta", "llame de inmediato al 617-555-0142"),
    },
    "patient-status": {
        EN: ("Dear Maria José Nguyễn,", "asked Chidi A. Okafor for one form", "by December 7, 2026", "988"),
        ES: (
            "Estimado/a Maria José Nguyễn:",
            "un formulario a Chidi A. Okafor",
            "7 de diciembre de 2026",
            "988",
        ),
    },
    "report": {
        EN: (
            *(
                "6 of 6 planned, from September 1, 2026 to September 18, 2026",
                "Course Completed, September 21, 2026",
                "Chidi A. Okafor, MD, December 2, 2026",
            ),
            *(
                "PHQ-9 (0–27) 19 August 31, 2026 7 September 21, 2026 −12",
                "GAD-7 (0–21) 14",
                "PCL-5 (0–80) 41",
            ),
            *("September 4, 2026: sertraline raised from 100 mg to 150 mg daily", "gone within an hour"),
        ),
        ES: (
            *(
                "6 de 6 previstas, del 1 de septiembre de 2026 al 18 de septiembre de 2026",
                "2 de diciembre de 2026",
            ),
            *("PHQ-9 (0–27) 19 31 de agosto de 2026 7 21 de septiembre de 2026 −12", "PCL-5 (0–80) 41"),
            *(
                "4 de septiembre de 2026: sertralina aumentada de 100 mg a 150 mg al día",
                "resuelta en menos de una hora",
            ),
        ),
    },
}
# Those whose words must not say what the clinic treats, nor whom, where that is not the reader.
NEUTRAL: Final = ("fax-cover", "patient-status")
NAMES_NOBODY: Final = ("fax-cover", "cancelled", "notice")


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_what_goes_in_can_be_read(drawn: Drawn, kind: str, language: Language) -> None:
    document = drawn(kind, language, "print")
    shown = pdf.text(document.pdf)
    for part in SAYS[kind][language]:
        assert part in shown
    number, page = {EN: ("Letter", "Page 1 of"), ES: ("Carta", "Página 1 de")}[language]
    for part in (f"{number} R-2026-04182-7QXM", f"{page} {document.pages}", "617-555-0142"):
        assert part in shown


@pytest.mark.parametrize("kind", KINDS)
def test_a_spanish_letter_has_no_english_sentence(drawn: Drawn, kind: str) -> None:
    shown = pdf.text(drawn(kind, ES, "print").pdf)
    texts = (one for catalog in catalogues(ES).values() for one in messages(catalog))
    english = {part for text in texts for part in _plain(text.id)}
    assert [part for part in english if part in shown] == []
    if kind != "notice":
        in_english = pdf.text(drawn(kind, EN, "print").pdf)
        assert len([part for part in english if part in in_english]) > 3


def _plain(id: str | tuple[str, ...] | list[str]) -> list[str]:
    """The parts of a text between its values that are long enough to be recognised."""
    parts = re.split(r"%\(\w+\)s", id if isinstance(id, str) else id[0])
    return [part.strip() for part in parts if len(part.strip()) > 14]


@pytest.mark.parametrize(("kind", "language"), MAILED)
def test_the_window_of_the_envelope_shows_the_address_and_nothing_else(
    drawn: Drawn, kind: str, language: Language
) -> None:
    body = drawn(kind, language, "print").pdf
    assert window_faults(body, sample(kind, CLINIC, language).address) == []


@pytest.mark.parametrize("kind", NEUTRAL)
@pytest.mark.parametrize("language", Language)
def test_what_others_may_see_does_not_say_what_the_clinic_treats(
    drawn: Drawn, kind: str, language: Language
) -> None:
    """Even where the clinic's name, its motto and its web address do."""
    shown = pdf.text(drawn(kind, language, "print").pdf).casefold()
    for word in ("etamin", "infusi", "harborlight.example/request", "depres", "psychiatr", "psiquiatr"):
        assert word not in shown.replace("beacon hill psychiatry associates", "")


@pytest.mark.parametrize("kind", NAMES_NOBODY)
def test_a_letter_that_may_reach_the_wrong_person_has_no_field_for_a_patient(kind: str) -> None:
    letter = sample(kind, CLINIC, EN)
    assert [field.name for field in fields(letter) if "patient" in field.name or "birth" in field.name] == []


# A letter with every script of the issue, in the place where its reader's or its patient's name stands.
NAME: Final = "José Nguyễn 王小明 Арутюнян عبد"


# A request is looked at name by name in test_names.
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("request", "reminder")])
def test_names_of_every_script_are_printed(renderer: Renderer, kind: str) -> None:
    named = "clinician_name" if kind in NAMES_NOBODY else "patient_name"
    letter = sample(kind, CLINIC, ES, **{named: NAME})
    if renderer._fonts.uncovered(NAME):
        with pytest.raises(LetterProblem, match=named):
            renderer.letter(letter)
        return
    shown = letters_of(pdf.text(renderer.letter(letter).pdf))
    for one in set(letters_of(NAME)):
        assert shown.count(one) >= letters_of(NAME).count(one)


# The letterhead is not written for one letter, and the others are made by us.
KEPT: Final = frozenset(
    {"letterhead", "portal_url", "status_url", "recipient_lines", "letter_id", "short_code", "page_code"}
) | {"event"}


def _with_text(value: Any, text: str) -> Any:
    """The same content with another text in each place where a person or a system writes one."""
    if type(value) is str:
        return text
    if isinstance(value, tuple):
        return tuple(_with_text(part, text) for part in value)
    if is_dataclass(value) and not isinstance(value, type) and not isinstance(value, type(CLINIC)):
        given = {f.name: getattr(value, f.name) for f in fields(value) if f.name not in KEPT}
        return replace(value, **{name: _with_text(one, text) for name, one in given.items()})
    return value


@pytest.mark.parametrize("kind", KINDS)
def test_a_character_in_no_font_goes_to_a_person_wherever_it_stands(renderer: Renderer, kind: str) -> None:
    whole = sample(kind, CLINIC, EN)
    given = {f.name: getattr(whole, f.name) for f in fields(whole)}
    changes = {name: _with_text(one, "Zyx 😀") for name, one in given.items() if name not in KEPT}
    written = {name: one for name, one in changes.items() if one != given[name]}
    assert len(written) >= 2
    for name, text in written.items():
        changed = replace(whole, **{name: text})
        with pytest.raises(LetterProblem, match="in none of the installed fonts") as refusal:
            renderer.letter(changed)
        assert "Zyx" not in str(refusal.value)


@pytest.mark.parametrize("kind", KINDS)
def test_markup_in_any_text_is_text(renderer: Renderer, kind: str) -> None:
    for hostile in (*HOSTILE, "%(name)s %s {0}"):
        changed: Letter = _with_text(sample(kind, CLINIC, ES), hostile[:24])
        html = markup.letter_html(changed, renderer._fonts)
        plain = markup.letter_html(sample(kind, CLINIC, ES), renderer._fonts)
        assert sorted(set(re.findall(r"<[a-z]+", html))) == sorted(set(re.findall(r"<[a-z]+", plain)))
        assert "49" not in html or "49" in plain


@pytest.mark.parametrize(
    ("ending", "words"),
    [(Ending.TIME_OVER, "El plazo para responder ha terminado."), (Ending.WITHDRAWN, "La hemos retirado.")],
)
def test_a_closed_request_says_why(renderer: Renderer, ending: Ending, words: str) -> None:
    assert words in pdf.text(renderer.letter(sample("cancelled", CLINIC, ES, ending=ending)).pdf)


@pytest.mark.parametrize(
    ("stage", "words"),
    [(PatientStage.ANSWERED, "The form has arrived"), (PatientStage.CLOSED, "We have closed our request")],
)
def test_a_patient_is_told_how_far_it_is(renderer: Renderer, stage: PatientStage, words: str) -> None:
    letter = sample("patient-status", CLINIC, EN, stage=stage, status_url="", reminded_on=None)
    shown = pdf.text(renderer.letter(letter).pdf)
    assert words in shown
    assert "Scan the code" not in shown


def test_a_second_try_of_a_fax_says_so(renderer: Renderer) -> None:
    again = "an earlier try may have reached you only in part"
    assert again in pdf.text(renderer.letter(sample("fax-cover", CLINIC, EN, again=True), "fax").pdf)
    assert again not in pdf.text(renderer.letter(sample("fax-cover", CLINIC, EN), "fax").pdf)


def test_the_clinic_may_ask_by_itself(renderer: Renderer) -> None:
    letter = sample("conversation", CLINIC, EN, question="", asked_on=None, portal_url="")
    shown = pdf.text(renderer.letter(letter).pdf)
    assert "A question for you" in shown
    assert "You asked" not in shown
    assert "Scan the code" not in shown
    with pytest.raises(LetterProblem, match="question"):
        sample("conversation", CLINIC, EN, asked_on=None)


def test_long_words_run_on_and_none_is_lost(renderer: Renderer) -> None:
    words = {
        "question": " ".join(f"ask{n}" for n in range(300)),
        "answer": "\n".join(" ".join(f"say{n * 9 + m}" for m in range(9)) for n in range(60)),
    }
    document = renderer.letter(sample("conversation", CLINIC, EN, **words))
    shown = pdf.text(document.pdf).split()
    assert document.pages > 1
    assert set(" ".join(words.values()).split()) <= set(shown)
    with pytest.raises(LetterProblem, match="answer is longer than the 4000"):
        sample("conversation", CLINIC, EN, answer="x" * 4001)


def test_the_day_of_a_letter_is_the_readers(renderer: Renderer) -> None:
    """Five past three in the morning of UTC is the day before in Boston."""
    early = sample("cancelled", CLINIC, ES).written_at.replace(hour=3)
    letter = sample("cancelled", CLINIC, ES, written_at=early, asked_on=date(2026, 1, 2))
    shown = pdf.text(renderer.letter(letter).pdf)
    assert "22 de noviembre de 2026" in shown
    assert "del 2 de enero de 2026" in shown
