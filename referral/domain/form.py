"""The recommendation form as data: what is asked, of which discipline, and what an answer must hold.

The FHIR Questionnaire, the portal page and the tick-box page of the letter are all made from this table.
Red flags follow the clinic's exclusion list; none of them refuses or opens anything by itself: a yes or a
don't-know sends the answer to the medical director.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from referral.domain.codes import ClinicianKind, Decision
from referral.domain.language import phrase

VERSION: Final = "1.2.0"


class Kind(StrEnum):
    """How an item is answered; `FLAG` is yes, no or not known."""

    CHOICE = "choice"
    FLAG = "flag"
    YES_NO = "yes-no"
    TEXT = "text"
    LINE = "line"
    DATE = "date"
    TICK = "tick"
    MANY = "many"


@dataclass(frozen=True, slots=True)
class Option:
    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question. `asked_of` None means everybody; `on_paper` False has no place on the tick-box page.

    `needed_when` is another item's link id and those of its answers that make this one required.
    """

    link_id: str
    text: str
    kind: Kind
    section: str
    options: tuple[Option, ...] = ()
    required: bool = False
    asked_of: frozenset[ClinicianKind] | None = None
    needed_when: tuple[str, frozenset[str]] | None = None
    red_flag: bool = False
    hint: str = ""
    max_length: int = 2000
    on_paper: bool = True


YES_NO_UNKNOWN: Final = (
    Option("yes", phrase("Yes")),
    Option("no", phrase("No")),
    Option("unknown", phrase("Don’t know")),
)
YES_NO: Final = (Option("yes", phrase("Yes")), Option("no", phrase("No")))

# As whom somebody signs. The clinic fills in what it has on file, and the clinician corrects it.
ROLES: Final = (
    Option(ClinicianKind.PSYCHIATRIST, phrase("Psychiatrist")),
    Option(ClinicianKind.PSYCHOLOGIST, phrase("Psychologist")),
    Option(ClinicianKind.PRIMARY_CARE, phrase("Family or primary care physician")),
    Option(ClinicianKind.NURSE_PRACTITIONER, phrase("Nurse practitioner")),
    Option(ClinicianKind.PHYSICIAN_ASSISTANT, phrase("Physician assistant")),
    Option(ClinicianKind.SOCIAL_WORKER, phrase("Clinical social worker")),
    Option(ClinicianKind.OTHER, phrase("Another clinician")),
)

SECTIONS: Final = {
    "decision": phrase("Your answer"),
    "care": phrase("Your care of this patient"),
    "flags": phrase("To your knowledge, does the patient have"),
    "follow-up": phrase("Follow-up during and after the course"),
    "signature": phrase("Sign"),
}

DECISIONS: Final = (
    Option(Decision.RECOMMENDED, phrase("I recommend it")),
    Option(Decision.RECOMMENDED_WITH_CONDITIONS, phrase("I recommend it with conditions")),
    Option(Decision.NOT_RECOMMENDED, phrase("I do not recommend it")),
    Option(Decision.NEEDS_INFORMATION, phrase("I need to see the patient first")),
    Option(Decision.NOT_MY_PATIENT, phrase("Not my patient")),
)

_OPINION = frozenset({Decision.RECOMMENDED, Decision.RECOMMENDED_WITH_CONDITIONS, Decision.NOT_RECOMMENDED})
_POSITIVE = frozenset({Decision.RECOMMENDED, Decision.RECOMMENDED_WITH_CONDITIONS})
_MENTAL = frozenset({ClinicianKind.PSYCHIATRIST, ClinicianKind.PSYCHOLOGIST, ClinicianKind.SOCIAL_WORKER})
_MEDICAL = frozenset(
    {
        ClinicianKind.PSYCHIATRIST,
        ClinicianKind.PRIMARY_CARE,
        ClinicianKind.NURSE_PRACTITIONER,
        ClinicianKind.PHYSICIAN_ASSISTANT,
        ClinicianKind.OTHER,
    }
)
_BODY = _MEDICAL - {ClinicianKind.PSYCHIATRIST}


def _flag(link_id: str, text: str, asked_of: frozenset[ClinicianKind] | None = None) -> Item:
    return Item(
        link_id=link_id,
        text=text,
        kind=Kind.FLAG,
        section="flags",
        options=YES_NO_UNKNOWN,
        asked_of=asked_of,
        needed_when=("decision", _POSITIVE),
        red_flag=True,
    )


ITEMS: Final = (
    Item(
        link_id="decision",
        text=phrase("Do you recommend it?"),
        kind=Kind.CHOICE,
        section="decision",
        options=DECISIONS,
        required=True,
    ),
    Item(
        link_id="conditions",
        text=phrase("Which conditions?"),
        kind=Kind.TEXT,
        section="decision",
        needed_when=("decision", frozenset({Decision.RECOMMENDED_WITH_CONDITIONS})),
        hint=phrase("For example: blood pressure below 140/90 first; no lamotrigine on infusion days."),
    ),
    Item(
        link_id="reason-code",
        text=phrase("Main reason"),
        kind=Kind.CHOICE,
        section="decision",
        options=(
            Option("contraindication", phrase("A contraindication")),
            Option("not-indicated", phrase("Not indicated, or other treatment first")),
            Option("unstable", phrase("The patient is not stable enough now")),
            Option("other", phrase("Another reason")),
        ),
        needed_when=("decision", frozenset({Decision.NOT_RECOMMENDED})),
    ),
    Item(
        link_id="reason",
        text=phrase("In your words"),
        kind=Kind.TEXT,
        section="decision",
        needed_when=("decision", frozenset({Decision.NOT_RECOMMENDED})),
        hint=phrase("Please do not send psychotherapy notes."),
    ),
    Item(
        link_id="visit-planned",
        text=phrase("When will you see the patient?"),
        kind=Kind.DATE,
        section="decision",
        needed_when=("decision", frozenset({Decision.NEEDS_INFORMATION})),
        hint=phrase("Reminders pause until the day after."),
    ),
    Item(
        link_id="treating-since",
        text=phrase("Treating this patient since"),
        kind=Kind.LINE,
        section="care",
        hint=phrase("A year is enough, for example 2021."),
        max_length=40,
    ),
    Item(
        link_id="last-seen",
        text=phrase("Last visit with you"),
        kind=Kind.DATE,
        section="care",
        needed_when=("decision", _OPINION),
    ),
    Item(
        link_id="diagnosis-confirmed",
        text=phrase("Does your record support this diagnosis?"),
        kind=Kind.CHOICE,
        section="care",
        options=YES_NO_UNKNOWN,
        needed_when=("decision", _OPINION),
    ),
    Item(
        link_id="prior-treatments",
        text=phrase("Treatments tried so far"),
        kind=Kind.TEXT,
        section="care",
        asked_of=_MENTAL,
        hint=phrase("Names are enough."),
    ),
    Item(
        link_id="medication",
        text=phrase("Current psychotropic medication"),
        kind=Kind.TEXT,
        section="care",
    ),
    _flag("psychosis", phrase("Psychosis"), _MENTAL),
    _flag("mania", phrase("Mania, or bipolar disorder without a mood stabilizer"), _MENTAL),
    _flag("substance-use", phrase("Active substance use disorder")),
    _flag("suicide-risk", phrase("A suicidal plan or a recent attempt"), _MENTAL),
    _flag("hypertension", phrase("Uncontrolled hypertension or unstable heart disease"), _MEDICAL),
    _flag(
        "vascular",
        phrase("Aneurysm, AVM, intracerebral bleed, or raised intracranial or eye pressure"),
        _BODY,
    ),
    _flag("liver-bladder", phrase("Severe liver disease, seizures or bladder symptoms"), _BODY),
    _flag("pregnancy", phrase("Pregnancy or breastfeeding")),
    _flag("dementia", phrase("Dementia")),
    _flag(
        "interaction",
        phrase(
            "Interacting medication: benzodiazepine, opioid, MAOI, stimulant, lamotrigine, "
            "or ketamine allergy"
        ),
    ),
    Item(
        link_id="continues-care",
        text=phrase("We continue to see this patient"),
        kind=Kind.YES_NO,
        section="follow-up",
        options=YES_NO,
        needed_when=("decision", _POSITIVE),
    ),
    Item(
        link_id="next-visit",
        text=phrase("Next visit within"),
        kind=Kind.CHOICE,
        section="follow-up",
        options=(
            Option("2-weeks", phrase("2 weeks")),
            Option("4-weeks", phrase("4 weeks")),
            Option("3-months", phrase("3 months")),
            Option("none", phrase("No visit planned")),
        ),
        needed_when=("decision", _POSITIVE),
    ),
    Item(
        link_id="medication-adjuster",
        text=phrase("Who adjusts medication during the course?"),
        kind=Kind.CHOICE,
        section="follow-up",
        options=(
            Option("we", phrase("We do")),
            Option("clinic", phrase("The clinic, and tells us")),
            Option("other", phrase("Another prescriber")),
        ),
        needed_when=("decision", _POSITIVE),
    ),
    Item(
        link_id="crisis-contact",
        text=phrase("Whom do we reach in a crisis?"),
        kind=Kind.LINE,
        section="follow-up",
        hint=phrase("Name and telephone."),
        max_length=200,
    ),
    Item(
        link_id="reports",
        text=phrase("Please send us"),
        kind=Kind.MANY,
        section="follow-up",
        options=(
            Option("decision", phrase("Your decision to treat or not")),
            Option("mid-course", phrase("A mid-course report")),
            Option("end-of-course", phrase("An end-of-course report")),
            Option("adverse-event", phrase("Any serious adverse event")),
        ),
    ),
    Item(
        link_id="reports-by",
        text=phrase("How shall reports reach you?"),
        kind=Kind.CHOICE,
        section="follow-up",
        options=(
            Option("fax", phrase("By fax")),
            Option("link", phrase("By secure link")),
            Option("post", phrase("By post")),
        ),
    ),
    Item(
        link_id="attestation",
        text=phrase(
            "I am the clinician named below, or sign with that clinician’s authority, and agree to sign "
            "electronically. This is my opinion on the information I have. The decision to treat, consent "
            "and monitoring remain with the clinic."
        ),
        kind=Kind.TICK,
        section="signature",
        required=True,
    ),
    Item(
        link_id="signer-name",
        text=phrase("Your name"),
        kind=Kind.LINE,
        section="signature",
        required=True,
        max_length=120,
    ),
    Item(
        link_id="signer-credentials",
        text=phrase("Credentials"),
        kind=Kind.LINE,
        section="signature",
        required=True,
        max_length=60,
        hint=phrase("For example MD, PhD"),
    ),
    Item(
        link_id="signer-role",
        text=phrase("Role"),
        kind=Kind.CHOICE,
        section="signature",
        options=ROLES,
        # The page on paper is that of one discipline, and says so.
        on_paper=False,
    ),
    Item(
        link_id="signer-license-state",
        text=phrase("License state"),
        kind=Kind.LINE,
        section="signature",
        max_length=30,
        hint=phrase("For example CO"),
        # What is faxed back comes from the address that is on file.
        on_paper=False,
    ),
    Item(
        link_id="signer-npi",
        text=phrase("NPI"),
        kind=Kind.LINE,
        section="signature",
        max_length=10,
        hint=phrase("Ten digits"),
    ),
)

BY_LINK_ID: Final = {item.link_id: item for item in ITEMS}


def items_for(kind: ClinicianKind) -> tuple[Item, ...]:
    """The questions that fit a discipline, in the order they are asked.

    A psychologist, for example, is not asked about blood pressure.
    """
    return tuple(item for item in ITEMS if item.asked_of is None or kind in item.asked_of)
