"""How each form of the staff pages is filled in by somebody who means it, in the order of a day."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from referral.domain.policy import ICD_10_CM
from tests.services import people
from tests.web.test_restore_page import PASSWORD

# As people write: an emoji with joiners, a name from right to left, and what a page must not take for markup.
ODD: Final = 'Ana 👩🏽‍⚕️ ליאור ليلى <b>&amp; "x"'
NAME: Final = "Ana 🦋 ליאור"


@dataclass(frozen=True, slots=True)
class Filling:
    """`given` is laid over what the page shows; `says` has to stand on the page afterwards, or on `at`.

    `refused` says why the form is refused at the busy clinic however well it is filled in, `gone` why its
    page does not show it any more when its turn comes. Both are looked at: what is taken after all fails.
    """

    given: dict[str, str] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    at: str = ""
    refused: str = ""
    gone: str = ""
    file: bytes | None = None


_ANSWER: Final = {
    "decision": "recommended",
    "last-seen": "2026-10-20",
    "diagnosis-confirmed": "yes",
    "continues-care": "yes",
    "next-visit": "4-weeks",
    "medication-adjuster": "we",
    "attestation": "yes",
    **dict.fromkeys(people.FLAGS, "no"),
}
_CLINICIAN: Final = {
    "clinician_given": "Ada",
    "clinician_family": NAME,
    "clinician_kind": "psychologist",
    "credentials": "PsyD",
    "time_zone": "America/Denver",
    "practice": ODD,
    "address_line1": "1 Example Road",
    "city": "Denver",
    "address_state": "CO",
    "postal_code": "80203",
    "clinician_email": "ada@sample.example",
}
_SICK: Final = {"effect": "dissociation", "severity": "mild", "noticed_at": "09:00"}
_HOURS: Final = {"opens": "09:00", "closes": "16:00", "sends": "10:00"}

# By what the form's button sends, ids as *.
FILLINGS: Final[dict[str, Filling]] = {
    "/policy/classify requirement mental-health": Filling(),
    "/policy/classify requirement pain": Filling(gone="the code is classified by now"),
    "/requests/new action find": Filling({"patient_query": ODD}, (ODD,)),
    "/requests/new action send": Filling(
        {
            **_CLINICIAN,
            "patient": "new",
            "given": NAME,
            "family": "Quartermaine",
            "birth_date": "1990-02-28",
            "patient_phone": "303-555-0199",
            "indication": f"{ICD_10_CM}|F33.2",
            "first_infusion": "2026-12-01",
            "clinician": "new",
        },
        (NAME,),
    ),
    "/calls/*": Filling({"call_outcome": "no-answer"}),
    "/requests/*/reply": Filling({"reply": ODD}, (ODD,)),
    "/requests/*/seen-to": Filling(gone="the question is answered by now"),
    "/requests/*/renewal": Filling(),
    "/orders/*/follow-up": Filling({"visit_outcome": "seen", "visit_on": "2026-11-02"}),
    # The session that is under way there began today as well.
    "/orders/*/start": Filling({"another": "yes"}),
    "/orders/*/scales/void": Filling(),
    "/orders/*/scales/ask": Filling({"scales": "phq-9"}),
    "/orders/*/scales/phq-9": Filling(
        dict.fromkeys(
            (
                "44250-9",
                "44255-8",
                "44259-0",
                "44254-1",
                "44251-7",
                "44258-2",
                "44252-5",
                "44253-3",
                "44260-8",
            ),
            "0",
        )
    ),
    "/safety/*": Filling({"action": "spoke-safe", "note": ODD}, (ODD,), at="/safety/*"),
    "/orders/*/course/event": Filling(_SICK),
    "/orders/*/course/medication": Filling({"medication_words": ODD, "changed_on": "2026-11-02"}, (ODD,)),
    "/orders/*/course/plan": Filling({"planned_sessions": "6", "spacing_days": "3"}),
    "/orders/*/course/decide": Filling(
        {
            "decision": "candidate",
            "risks_discussed": "yes",
            "benefits_discussed": "yes",
            "self_pay_notice": "yes",
            "decision_words": ODD,
        }
    ),
    "/orders/*/sessions/*/vitals": Filling({"systolic": "120", "diastolic": "80", "heart_rate": "71"}),
    "/orders/*/sessions/*/dose": Filling({"milligrams": "35", "kilograms": "70"}),
    "/orders/*/sessions/*/effect": Filling(_SICK),
    "/orders/*/sessions/*/finish": Filling(
        {"state": "completed", "discharge": "yes", "ride": "yes", "words": ODD}, (ODD,)
    ),
    "/orders/*/course/end": Filling(
        {"ending": "completed", "end_words": ODD}, refused="a session is under way"
    ),
    "/records/vital/*/correct": Filling({"value": "71", "why": "typing-error"}),
    "/records/vital/*/error": Filling({"why": "wrong-place"}),
    "/chairs": Filling({"chair_name": NAME}, (NAME,)),
    "/chairs/*/out-of-use": Filling(refused="bookings lie ahead on this chair"),
    "/bookings": Filling({"booked_at": "10:00"}),
    "/bookings/*/move": Filling({"booked_at": "13:00"}),
    "/bookings/*/cancel": Filling({"reason": "other", "reason_words": ODD}, (ODD,)),
    "/directory/new": Filling({**_CLINICIAN, "clinician_family": f"Other {NAME}"}, (NAME, ODD)),
    "/directory/*/language": Filling({"language": "es"}, ("Spanish",)),
    "/directory/*/contacts": Filling(
        {"contact_channel": "fax", "contact_address": "303-555-0166"}, ("303-555-0166",)
    ),
    "/directory/*/contacts/*/verify": Filling({"spoke_with": ODD}, (ODD,)),
    "/directory/*/contacts/*/change": Filling(
        {"contact_address": "new@practice.example"}, ("new@practice.example",)
    ),
    "/directory/*/contacts/*/wrong": Filling(gone="the contact was replaced"),
    "/settings/hours": Filling(_HOURS, ("9:00 AM to 4:00 PM",)),
    "/settings/hours/closed-days": Filling({"first_on": "2026-12-01", "words": ODD}, (ODD,)),
    "/directory/*/hours": Filling(_HOURS, ("9:00 AM to 4:00 PM",)),
    "/directory/*/hours/closed-days": Filling({"first_on": "2026-12-02", "words": ODD}, (ODD,)),
    "/closed-days/*/remove": Filling(),
    "/policy/ladder/preview": Filling({"day_2": "5"}, ("5",)),
    "/policy/preview": Filling({"validity_days": "170"}, ("170",)),
    "/settings/on-call": Filling({"wait": "30"}),
    "/settings/on-call/contacts": Filling(
        {"name": NAME, "channel": "sms", "address": "303-555-0177"}, (NAME, "303-555-0177")
    ),
    "/settings/reports": Filling({"mid_course_from": "5"}),
    "/settings/letterhead/preview": Filling({"tagline": "Calm & <b>clear</b>"}, ("Calm & <b>clear</b>",)),
    "/fax-inbox/*/transcribe": Filling(_ANSWER),
    "/fax-inbox/*/differ": Filling(gone="the fax is written down by now"),
    "/fax-inbox/*/file": Filling(gone="the fax is written down by now"),
    "/fax-inbox/*/take-off": Filling(gone="the fax is written down by now"),
    "/outbox/*/retry": Filling(refused="it is not one that failed"),
    "/outbox/*/park": Filling(),
    "/outbox/*/cancel": Filling(),
    "/requests/*/transcribe": Filling(
        {**_ANSWER, "spoke_with": "Ana", "called_number": "303-555-0120", "read_back": "yes"}
    ),
    "/print/*/close": Filling(),
    "/uploads/*": Filling(refused="no file was chosen"),
    "/requests/*/review decision accept": Filling({"review_reason": ODD}, (ODD,)),
    "/orders/*/facts": Filling({"fact": "hospitalisation", "fact_reason": ODD}, (ODD,)),
    "/requests/*/void": Filling(gone="the fact has voided it"),
    "/requests/*/review decision decline": Filling(gone="it is accepted, and voided since"),
    "/patients/*/mobile": Filling({"mobile": "303-555-0144"}, ("303-555-0144",)),
    "/patients/*/consent": Filling(),
    "/overrides/*/decide": Filling({"decision": "approve", "password": PASSWORD}),
    "/systems/new": Filling({"name": NAME, "kind": "reader", "way": "token", "password": PASSWORD}, (NAME,)),
    "/systems/*/remove": Filling(),
    "/users/new": Filling(
        {"name": ODD, "email": "new@practice.example", "role": "clinician", "password": PASSWORD}, (ODD,)
    ),
    "/users/rules": Filling({"idle_minutes": "10", "password": PASSWORD}),
    "/users/*/sessions/end": Filling(),
    "/users/*/role": Filling({"role": "auditor", "role_password": PASSWORD}, ("Auditor",)),
    "/users/*/set-up": Filling({"link_password": PASSWORD}),
    "/users/*/disable": Filling(),
    "/account/second-factor": Filling({"on_password": PASSWORD}),
    "/account/password": Filling(
        {"password": PASSWORD, "new_password": f"{PASSWORD} 2", "again": f"{PASSWORD} 2"}
    ),
}
