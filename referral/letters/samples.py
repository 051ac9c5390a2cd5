"""One sample of every kind of letter, about nobody: for previews of a letterhead, benchmarks and tests.

The words that a clinic or a clinician would write themselves are here in both languages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from referral.domain.codes import ClinicianKind
from referral.domain.course import Ending as CourseEnding
from referral.domain.language import Language
from referral.domain.report_rules import Occasion
from referral.domain.scales import Scale
from referral.letters.content import Letter, Letterhead, ReminderLetter, RequestLetter
from referral.letters.notices import (
    CancelledLetter,
    ConversationLetter,
    Ending,
    FaxCover,
    NoticeLetter,
    PatientStage,
    PatientStatusLetter,
    ThankYouLetter,
)
from referral.letters.report import (
    CourseEnd,
    MedicationChange,
    NextVisit,
    ReportLetter,
    Score,
    Series,
    Visiting,
)

CLINIC: Final = Letterhead(
    clinic_name="Harbor Light Ketamine Clinic",
    tagline="Physician-led infusion care",
    address_lines=("1480 Commonwealth Avenue, Suite 300", "Boston, MA 02135"),
    telephone="617-555-0142",
    fax="617-555-0143",
    website="harborlight.example",
    signer_name="Elena R. Whitcombe, MD",
    signer_title="Medical Director",
    neutral_name="Harbor Light",
)

_WRITTEN: Final = datetime(2026, 11, 23, 15, 5, tzinfo=UTC)
_ASKED: Final = date(2026, 11, 16)
_DUE: Final = date(2026, 12, 7)
_ADDRESS: Final = ("Beacon Hill Psychiatry Associates", "22 Myrtle Street, Floor 2", "Boston, MA 02114-1931")
_ES: Final = Language.SPANISH
_INDICATION: Final = "recurrent depression (F33.2)"


def sample(kind: str, letterhead: Letterhead, language: Language, **changes: Any) -> Letter:
    """One of KINDS or of REPORTS. `changes` are fields that are to be different."""
    known: tuple[Callable[..., Letter], Callable[[Language], dict[str, Any]]] = KINDS["report"]
    make, values = KINDS.get(kind, known)
    if kind in REPORTS:
        changes = {**REPORTS[kind](language), **changes}
    frame = {
        "letter_id": "R-2026-04182-7QXM",
        "request_number": "R-2026-04182",
        "written_at": _WRITTEN,
        "letterhead": letterhead,
        "recipient_lines": (
            "Beacon Hill Psychiatry Associates",
            "22 Myrtle Street, Floor 2",
            "Boston, MA 02114-1931",
        ),
        "time_zone": ZoneInfo("America/New_York"),
        "language": language,
    }
    return make(**{**frame, **values(language), **changes})


def _clinician(language: Language) -> dict[str, Any]:
    salutation = "Dr./Dra. Okafor" if language is _ES else "Dr. Okafor"
    return {"clinician_name": "Chidi A. Okafor, MD", "salutation": salutation}


def _patient(language: Language) -> dict[str, Any]:
    return {**_clinician(language), "patient_name": "Maria José Nguyễn", "birth_year": 1986}


def _request(language: Language) -> dict[str, Any]:
    course = {
        Language.ENGLISH: "six infusions over three weeks, then single infusions as needed",
        Language.SPANISH: "seis infusiones en tres semanas y después infusiones sueltas según se necesiten",
    }
    return {
        **_patient(language),
        "clinician_role": "treating psychiatrist",
        "clinician_kind": ClinicianKind.PSYCHIATRIST,
        "indication": _INDICATION,
        "planned_course": course[language],
        "due_on": _DUE,
        "page_code": "R:Zk3vQ9xT1bLw0aYc:2",
        **_PORTAL,
    }


# As long as the real one: a selector of 96 bits and a secret of 256.
_PORTAL: Final = {
    "short_code": "K7QM2-X4P9D",
    "portal_url": "https://ask.harborlight.example/r/Zk3vQ9xT1bLw0aYc/q8Jf2nV5sR7uXe1mK4pW9zB3tG6yH0cD8aL2oN5iQvE",
    "portal_display": "ask.harborlight.example/request",
}


def _reminder(language: Language) -> dict[str, Any]:
    return {**_request(language), "asked_on": _ASKED}


def _fax_cover(_: Language) -> dict[str, Any]:
    return {"clinician_name": "Chidi A. Okafor, MD", "fax_number": "617-555-0188", "pages": 3}


def _conversation(language: Language) -> dict[str, Any]:
    words = {
        Language.ENGLISH: (
            (
                "The patient’s blood pressure was 148/92 at the last visit, and I have just raised the "
                "lisinopril. Will you check it before each infusion, and above which value do you not "
                "start?"
            ),
            (
                "Yes. We measure it on arrival and every ten minutes during the infusion. We do not "
                "start above 140/90 and postpone the session when it stays there after half an hour of "
                "rest.\n\nIf you prefer a lower limit for this patient, write it as a condition in "
                "your answer and we keep to it."
            ),
        ),
        Language.SPANISH: (
            (
                "En la última visita la presión arterial era de 148/92 y acabo de aumentar el "
                "lisinopril. ¿La medirán antes de cada infusión y por encima de qué valor no comienzan?"
            ),
            (
                "Sí. La medimos al llegar y cada diez minutos durante la infusión. No comenzamos por "
                "encima de 140/90 y aplazamos la sesión si sigue así después de media hora de "
                "reposo.\n\nSi prefiere un límite más bajo para este paciente, escríbalo como "
                "condición en su respuesta y lo respetaremos."
            ),
        ),
    }
    question, answer = words[language]
    return {
        **_patient(language),
        "question": question,
        "asked_on": date(2026, 11, 20),
        "answer": answer,
        "answered_by": "Elena R. Whitcombe, MD",
        **_PORTAL,
    }


def _cancelled(language: Language) -> dict[str, Any]:
    return {**_clinician(language), "asked_on": _ASKED, "ending": Ending.ANSWERED_BY_ANOTHER}


def _thank_you(language: Language) -> dict[str, Any]:
    return {
        **_patient(language),
        "decision": "I recommend it with conditions",
        "answered_at": _WRITTEN - timedelta(days=1),
        "reports": ("Your decision to treat or not", "An end-of-course report"),
    }


def _patient_status(_: Language) -> dict[str, Any]:
    return {
        "recipient_lines": ("418 Chestnut Street, Apt. 9", "Somerville, MA 02143"),
        "patient_name": "Maria José Nguyễn",
        "clinician_name": "Chidi A. Okafor",
        "status_url": "https://ask.harborlight.example/p/Zk3vQ9xT1bLw0aYc/q8Jf2nV5sR7uXe1mK4pW9zB3tG6yH0cD8aL2oN5iQvE",
        "reminded_on": date(2026, 11, 20),
        "stage": PatientStage.WAITING,
        "asked_on": _ASKED,
        "due_on": _DUE,
    }


def _notice(language: Language) -> dict[str, Any]:
    words = {
        Language.ENGLISH: (
            "You have taken your answer back",
            (
                "Your answer to request R-2026-04182 was taken back on our page. It does not count any "
                "more, and nothing else is needed from you. If it was not you, please call "
                "617-555-0142 at once."
            ),
        ),
        Language.SPANISH: (
            "Usted ha retirado su respuesta",
            (
                "Su respuesta a la solicitud R-2026-04182 se retiró en nuestra página. Ya no cuenta y "
                "no tiene que hacer nada más. Si no fue usted, llame de inmediato al 617-555-0142."
            ),
        ),
    }
    title, text = words[language]
    return {
        "clinician_name": "Chidi A. Okafor, MD",
        "title": title,
        "paragraphs": ((text,), ("Harbor Light",)),
    }


def _scores(*totals: int) -> tuple[Score, ...]:
    """Before, and after the second, the fourth and the sixth infusion."""
    first = date(2026, 8, 31)
    return tuple(
        Score(after_sessions=number * 2, on=first + timedelta(days=7 * number), total=total)
        for number, total in enumerate(totals)
    )


def _report(language: Language) -> dict[str, Any]:
    words = {
        Language.ENGLISH: (
            ("sertraline raised from 100 mg to 150 mg daily", "lorazepam stopped"),
            "Mild dissociation each time, gone within an hour. Sleep is better since the third week.",
        ),
        Language.SPANISH: (
            ("sertralina aumentada de 100 mg a 150 mg al día", "lorazepam suspendido"),
            (
                "Disociación leve en cada sesión, resuelta en menos de una hora. Duerme mejor desde la "
                "tercera semana."
            ),
        ),
    }
    (raised, stopped), summary = words[language]
    return {
        **_patient(language),
        "occasion": Occasion.END_OF_COURSE,
        "indication": _INDICATION,
        "given": 6,
        "planned": 6,
        "first_on": date(2026, 9, 1),
        "last_on": date(2026, 9, 18),
        "series": (
            Series(scale=Scale.PHQ_9, scores=_scores(19, 15, 10, 7)),
            Series(scale=Scale.GAD_7, scores=_scores(14, 12, 9, 6)),
            Series(scale=Scale.PCL_5, scores=_scores(41, 38, 33, 28)),
        ),
        "medication": (
            MedicationChange(on=date(2026, 9, 4), what=raised),
            MedicationChange(on=date(2026, 9, 11), what=stopped),
        ),
        "next_visit": NextVisit(who="Chidi A. Okafor, MD", on=date(2026, 12, 2), state=Visiting.AGREED),
        "end": CourseEnd(ending=CourseEnding.COMPLETED, reason=None, on=date(2026, 9, 21)),
        "summary": summary,
    }


# In the order in which a request goes through them.
KINDS: Final[Mapping[str, tuple[Callable[..., Letter], Callable[[Language], dict[str, Any]]]]] = {
    "request": (RequestLetter, _request),
    "reminder": (ReminderLetter, _reminder),
    "fax-cover": (FaxCover, _fax_cover),
    "conversation": (ConversationLetter, _conversation),
    "thank-you": (ThankYouLetter, _thank_you),
    "cancelled": (CancelledLetter, _cancelled),
    "notice": (NoticeLetter, _notice),
    "patient-status": (PatientStatusLetter, _patient_status),
    "report": (ReportLetter, _report),
}


def _before(language: Language) -> dict[str, Any]:
    """Nothing has been given yet."""
    first = _report(language)["series"]
    series = tuple(replace(one, scores=one.scores[:1]) for one in first)
    none = {"given": 0, "first_on": None, "last_on": None, "medication": (), "summary": "", "end": None}
    return {**none, "series": series, "occasion": Occasion.DECISION, "treats": True}


def _middle(language: Language) -> dict[str, Any]:
    first = _report(language)["series"]
    series = tuple(replace(one, scores=one.scores[:2]) for one in first)
    half = {"given": 3, "last_on": date(2026, 9, 8), "summary": "", "series": series, "end": None}
    return {**half, "occasion": Occasion.MID_COURSE}


def _adverse(language: Language) -> dict[str, Any]:
    words = {
        Language.ENGLISH: "Seizure. Severe.\nSeptember 8, 2026, 16:55\nDuring infusion number 3",
        Language.SPANISH: "Seizure. Grave.\n8 de septiembre de 2026, 16:55\nDurante la infusión número 3",
    }
    return {**_middle(language), "occasion": Occasion.ADVERSE_EVENT, "event": words[language]}


def _closing(language: Language) -> dict[str, Any]:
    seen = replace(_report(language)["next_visit"], on=date(2026, 10, 2), state=Visiting.SEEN)
    return {"occasion": Occasion.CLOSURE, "next_visit": seen, "summary": ""}


# Reports to recommenders by their occasion; of the end it is the one among KINDS.
REPORTS: Final[Mapping[str, Callable[[Language], dict[str, Any]]]] = {
    "report-decision": _before,
    "report-mid-course": _middle,
    "report-end-of-course": lambda _language: {},
    "report-adverse-event": _adverse,
    "report-corrected": lambda _language: {"replaces": date(2026, 9, 22)},
    "report-closure": _closing,
}
