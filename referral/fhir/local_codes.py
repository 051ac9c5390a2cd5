"""Our code systems: every local code with its wording and what it means.

The name of a system is the last part of BASE/CodeSystem/…; value sets, profiles and mappings read this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from referral.domain import booking, course_words, follow_up, form, scales, side_effects


@dataclass(frozen=True, slots=True)
class Code:
    """`others` are further wordings: an answer such as `other` reads differently under each question."""

    display: str
    definition: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class System:
    """`complete` says that no other code is ever used."""

    text: str
    codes: dict[str, Code] = field(default_factory=dict)
    complete: bool = True


def _form_answers() -> dict[str, Code]:
    """The options of the form by code, except its decisions, which have a system of their own."""
    texts: dict[str, list[str]] = {}
    asked: dict[str, list[str]] = {}
    for item in form.ITEMS:
        if item.link_id == "decision":
            continue
        for option in item.options:
            asked.setdefault(option.code, []).append(item.text)
            if option.text not in texts.setdefault(option.code, []):
                texts[option.code].append(option.text)
    return {
        code: Code(words[0], f"An answer to: {'; '.join(dict.fromkeys(asked[code]))}", tuple(words[1:]))
        for code, words in texts.items()
    }


def _red_flags() -> dict[str, Code]:
    return {
        item.link_id: Code(item.text, f"The clinician reports, or cannot exclude: {item.text}.")
        for item in form.ITEMS
        if item.red_flag
    }


def _worded(words: Mapping[Any, str]) -> dict[str, Code]:
    return {str(code): Code(text, f"{text}.") for code, text in words.items()}


def _picked(code: str) -> Code:
    pick = side_effects.BY_CODE[code]
    return Code(pick.display, f"{pick.text}.")


# What an audit row says was done, beside the interaction of FHIR.
AUDIT_WORDS: Final = {
    "accounting": "An accounting of disclosures was made",
    "add-client": "A system was given access",
    "add-clinician": "A clinician was entered",
    "add-contact": "A contact of a clinician was added",
    "add-patient": "A patient was entered",
    "add-user": "A staff account was made",
    "answer": "A clinician's answer was recorded",
    "answer-accepted": "The medical director accepted an answer",
    "answer-confirmed-by-phone": "An answer was confirmed by telephone",
    "answer-declined": "The medical director declined an answer",
    "answer-doubted": "An answer has to be accepted again after a restore",
    "answer-voided": "An answer was taken back",
    "ask": "A recommendation was asked for",
    "ask-renewal": "A renewal was asked for",
    "asked-call": "The clinician wants to be called",
    "asked-colleague": "The clinician names a colleague",
    "asked-left": "The clinician has left the practice",
    "asked-question": "The clinician asks a question",
    "asked-reply": "The clinician replies to the clinic",
    "asked-wrong-address": "The request went to the wrong address",
    "attach-fax": "A fax was put to its request",
    "attend": "Somebody has seen to a request that the ladder had brought up",
    "away": "A clinician is away until a date",
    "begun": "The clinician began to answer",
    "booking": "A booking was read",
    "booking-arrived": "The patient of a booking arrived",
    "booking-cancelled": "A booking was cancelled",
    "booking-checked-in": "The patient of a booking checked in",
    "booking-confirmed": "A booking was confirmed because the gate opened",
    "booking-fulfilled": "A booked treatment took place",
    "booking-made": "A booking was made",
    "booking-missed": "The patient of a booking did not come",
    "booking-moved": "A booking was moved",
    "booking-noted": "A released booking was noted",
    "booking-released": "A booking was released because the gate did not open",
    "booking-tentative": "A booking became tentative because the gate closed",
    "booking-withdrawn": "A booking was withdrawn as an error",
    "call": "A call to make was read",
    "cancel": "A request was cancelled",
    "cancel-sibling": "A request was cancelled because another was answered",
    "card-feedback": "Somebody answered a CDS Hooks card",
    "chair-added": "A chair was added",
    "chair-in-use": "A chair is in use again",
    "chair-out-of-use": "A chair is out of use",
    "change-client-keys": "A system was given other keys",
    "change-contact": "A contact of a clinician was changed",
    "change-password": "A person changed their password",
    "change-role": "A person was given another role",
    "classify-indication": "An indication was classified",
    "clear-hours": "The hours of an outside office were cleared",
    "clinic-question": "The clinic asked the clinician",
    "clinic-reply": "The clinic replied to the clinician",
    "clinician": "A clinician was read",
    "close-days": "Closed days were added",
    "close-print-batch": "A print batch was closed",
    "conflict-kept": "A recommendation was kept beside another clinician's refusal",
    "consent-granted": "A patient has agreed",
    "consent-undone": "A consent was entered in error",
    "consent-withdrawn": "A patient has refused, or has taken back consent",
    "consultation": "The initial consultation",
    "course": "A course of treatment was read",
    "course-changed": "What was recorded of a course was corrected",
    "course-completed": "A course was completed",
    "course-decision": "It was decided whether the patient is a candidate",
    "course-dose": "A dose was recorded",
    "course-effect": "A side effect was recorded",
    "course-medication": "A change of medication was recorded",
    "course-plan": "A course was planned",
    "course-session": "A session was recorded",
    "course-stopped-early": "A course was stopped early",
    "course-vital": "Vital signs were recorded",
    "create": "A resource was created",
    "delete": "A resource was deleted",
    "disable-user": "A staff account was disabled",
    "disclose": "Patient data was sent out of the clinic",
    "dismiss-fax": "A fax was set aside as nobody's",
    "distrust-cds-client": "A CDS Hooks client lost its trust",
    "docref": "A patient's documents were taken out",
    "document": "A document was read",
    "enable-user": "A staff account was enabled again",
    "end-session": "A person ended a session elsewhere",
    "end-sessions": "Sessions of a person were ended",
    "evaluate-measure": "A measure was counted for a system",
    "everything": "A patient's record was taken out",
    "expire": "A request ran out of time",
    "export": "Patient data was exported in bulk",
    "export-fetched": "A file of a bulk export was fetched",
    "export-list": "A list was taken away as a file",
    "export-removed": "A bulk export was deleted by its client",
    "export-started": "A bulk export was asked for",
    "extend": "The expiry of a request was moved",
    "facts-changed": "What the gate looks at was changed",
    "fax": "A fax was read",
    "fax-differs": "A fax says something else than the answer on record",
    "fax-page": "A page of a fax was looked at",
    "file-fax": "A fax was filed with its request",
    "follow-up": "A clinician looked at a promised follow-up visit",
    "follow-up-asked": "An office was asked whether the patient was seen",
    "follow-up-outcome": "It was recorded what became of a follow-up visit",
    "follow-up-promised": "A clinician has promised a follow-up visit",
    "follow-up-reminded": "A patient was reminded of a follow-up visit",
    "foresee": "What will be sent for a request was read",
    "fresh-link": "A new portal link was made",
    "gate": "The gate was asked for advice",
    "gate-closed": "The gate closed",
    "gate-open": "The gate opened",
    "gate-start": "Treatment was started",
    "history": "A history was read",
    "hold": "A request was put on hold",
    "keep-form": "What was typed in a locked session was kept",
    "ladder-change": "The clinic's ladder was changed",
    "late-answer": "An answer came after the first",
    "late-settled": "An answer that came after the first was read",
    "letter-returned": "A letter on paper came back",
    "letterhead-change": "The clinic's letterhead was changed",
    "list-all-bookings": "Bookings of all days were listed",
    "list-audit": "The audit trail was read",
    "list-bookings": "Bookings were listed",
    "list-calls": "Calls were listed",
    "list-faxes": "Faxes were listed",
    "list-messages": "Messages were listed",
    "list-orders": "Orders were listed",
    "list-overrides": "Emergency accesses were listed",
    "list-patients": "Patients were listed",
    "list-recommendations": "Recommendations were listed",
    "list-requests": "Requests were listed",
    "list-reviews": "Answers for review were listed",
    "list-users": "Staff accounts were listed",
    "lock-session": "A session was locked",
    "log-call": "A call was noted",
    "mail-print-batch": "The letters of a print batch were mailed",
    "make-print-batch": "A print batch was made",
    "message": "A message was read",
    "message-cancelled": "Staff cancelled a message",
    "message-parked": "Staff parked a message",
    "message-retried": "Staff had a message tried again",
    "misdirected": "A request reached the wrong person",
    "needs-visit": "The clinician wants to see the patient first",
    "notify": "A subscriber was told of a change",
    "open-days": "Closed days were taken back",
    "order": "An order was read",
    "order-ended": "An order was ended",
    "override": "An emergency access was read",
    "override-approved": "Emergency access was approved",
    "override-asked": "Emergency access was asked for",
    "override-declined": "Emergency access was declined",
    "override-reviewed": "An emergency access was reviewed",
    "password-again": "A person confirmed the password",
    "patch": "A resource was patched",
    "patient": "A patient was read",
    "patient-birth-date": "A patient's date of birth was checked on their own page",
    "patient-fresh-link": "A patient asked for a fresh link",
    "patient-link-frozen": "A patient's link was stopped after ten tries",
    "patient-link-opened": "A patient's own page was opened",
    "patient-mobile": "A patient's number for text messages was changed",
    "patient-status": "A patient looked at what the clinic waits for",
    "pause": "Reminders were paused",
    "place-order": "An infusion order was placed",
    "policy-change": "The clinic's policy was changed",
    "policy-preview": "A change of policy was previewed",
    "populate": "A form was begun for whoever answers",
    "portal-assistant": "An assistant fills in at the portal",
    "portal-birth-date": "A birth date was given at the portal",
    "portal-code-sent": "A one-time code was sent",
    "portal-conversation": "What was said was read at the portal",
    "portal-course": "What happened since was read at the portal",
    "portal-frozen": "A portal link was frozen",
    "portal-letter": "The letter was read at the portal",
    "portal-letter-code": "The code of a letter was given at the portal",
    "portal-one-time-code": "A one-time code was given at the portal",
    "portal-opened": "A request was opened at the portal",
    "portal-patient-name": "The patient's name was shown at the portal",
    "portal-receipt": "The receipt was read at the portal",
    "portal-report": "A report of the course was read at the portal",
    "portal-request": "The request was read at the portal",
    "portal-standing": "A standing answer was read at the portal",
    "preview-request": "A request was previewed",
    "print-batch": "A print batch was printed",
    "print-letter": "One letter of a print batch was printed",
    "prove-identity": "A person at the portal proved who they are",
    "put-back-letter": "A letter was put back to wait for another print batch",
    "read": "A resource was read",
    "recent-clinicians": "Clinicians of earlier requests were listed",
    "recovery-code-used": "A recovery code was used",
    "recovery-codes": "New recovery codes were made",
    "refused": "Something was refused",
    "rejected": "The clinician will not handle the request",
    "remind": "A reminder was sent",
    "remove-client": "A system was shut out",
    "renew": "An answer was renewed",
    "report-policy": "Which reports recommenders get was changed",
    "report-owed": "A report to the recommender became due",
    "report-told": "A report was told to the recommender by voice",
    "report-withheld": "A report to the recommender is withheld",
    "request": "A request was read",
    "resend": "A message was sent again",
    "restore-approved": "Opening again after a restore was approved",
    "restore-entered": "The clinic was closed after a restore",
    "restore-fax": "A fax was brought back to the inbox",
    "restore-reconciled": "What a restore had undone was done again",
    "restore-reopened": "The clinic was opened again after a restore",
    "resume": "Reminders go on",
    "on-call-changed": "Who is on call for safety tasks was changed",
    "safety-called": "Somebody on call was told that a safety task waits",
    "safety-raised": "A sign of self-harm or a serious adverse event was passed to a person",
    "safety-settled": "Somebody has written down what was done about a safety task",
    "safety-task": "A safety task was read",
    "scale": "A scale was filled in",
    "scale-asked": "A patient was asked to fill in a scale",
    "scale-page": "A patient opened a scale",
    "scale-voided": "A filled scale was marked as an error",
    "scales": "Filled scales were read",
    "search": "Resources were searched for",
    "search-patients": "Patients were searched for",
    "second-factor": "A code of a second factor was given",
    "second-factor-off": "A person turned their second factor off",
    "second-factor-offered": "A person began to set up a second factor",
    "second-factor-on": "A person turned a second factor on",
    "second-factor-reset": "A second factor was reset",
    "seen-to": "Staff saw to what the clinician had said",
    "set-hours": "The hours in which letters leave were set",
    "set-language": "The language of a clinician was set",
    "set-password": "A person set a password by a link",
    "set-up-link": "A link to set a password was made",
    "sign-in": "A person signed in",
    "sign-in-rules": "The rules for signing in were changed",
    "sign-out": "A person signed out",
    "subscription-active": "A subscription began",
    "subscription-error": "A subscription could not be notified",
    "subscription-off": "A subscription was ended by the service",
    "subscription-status": "A subscription was asked how it is",
    "take-fax-off": "A fax was taken off a request",
    "taken-on": "The clinician accepted to answer",
    "tell-patient": "A message to the patient was asked for",
    "today": "The work of the day was read",
    "token": "A system was given an access token",
    "transcribe-fax": "An answer was written down from a fax",
    "trust-cds-client": "A CDS Hooks client was trusted",
    "undo-classification": "The classification of an indication was taken back",
    "undo-move": "The last change of a request's plan was undone",
    "unlock-session": "A session was unlocked",
    "update": "A resource was changed",
    "upload-letter": "A clinician's letter was uploaded",
    "verify-contact": "A contact of a clinician was verified",
    "vread": "A version was read",
    "wrong-recipient": "A contact of a clinician was found to be somebody else's",
}

SYSTEMS: Final[dict[str, System]] = {
    "request-category": System(
        "The kinds of ServiceRequest that this service works with.",
        {
            "recommendation-request": Code(
                "Recommendation request",
                "Asks one clinician whether ketamine infusions are recommended for a patient.",
            ),
            "infusion-order": Code(
                "Infusion order",
                "Orders ketamine infusions; on hold until the clinic's requirements are met.",
            ),
        },
    ),
    "request-code": System(
        "What is asked for or ordered.",
        {
            "ketamine-recommendation": Code(
                "Recommendation before ketamine infusions",
                "The opinion of the patient's clinician on ketamine infusions; no transfer of the patient.",
            ),
            "ketamine-infusion": Code("Ketamine infusion", "An intravenous infusion of ketamine."),
        },
    ),
    "observation-code": System(
        "What an Observation made from an answer says.",
        {
            "recommendation-decision": Code(
                "Decision of the clinician on ketamine infusions",
                "The decision of the clinician who was asked, readable without the form.",
            ),
            "red-flag": Code(
                "Red flag reported by the clinician",
                "Something that may speak against ketamine infusions and that the clinician reports.",
            ),
        },
    ),
    "encounter-type": System(
        "Encounters that the gate looks at.",
        {
            "initial-consultation": Code(
                "Initial consultation before ketamine infusions",
                "The consultation that every patient needs before the first infusion.",
            )
        },
    ),
    "decision": System(
        "What a clinician says when asked for a recommendation.",
        {
            "recommended": Code("Recommended", "Ketamine infusions are recommended.", ("I recommend it",)),
            "recommended-with-conditions": Code(
                "Recommended with conditions",
                "Recommended as far as conditions are kept; the medical director accepts them first.",
                ("I recommend it with conditions",),
            ),
            "not-recommended": Code(
                "Not recommended", "Ketamine infusions are not recommended.", ("I do not recommend it",)
            ),
            "needs-information": Code(
                "Needs to see the patient first",
                "No decision yet: the patient has to be seen first.",
                ("I need to see the patient first",),
            ),
            "not-my-patient": Code("Not my patient", "The person who was asked does not treat the patient."),
        },
    ),
    "task-business-status": System(
        "Where a request stands, in the words of the clinic.",
        {
            "awaiting-consent": Code("Awaiting consent", "Drafted; nothing leaves before the consent."),
            "sent": Code("Sent", "On its way to the clinician, or there."),
            "delivery-failed": Code("Delivery failed", "It could not be delivered; staff look for a way."),
            "viewed": Code("Viewed after identity was proven", "The clinician has seen the request."),
            "awaiting-information": Code(
                "Awaiting information", "The clinician needs something first; reminders pause."
            ),
            "recommended": Code("Recommended", "Answered: recommended."),
            "recommended-with-conditions": Code(
                "Recommended with conditions", "Answered: recommended with conditions."
            ),
            "not-recommended": Code("Not recommended", "Answered: not recommended."),
            "expired": Code("Expired", "Not answered in time."),
            "lapsed": Code("Does not count any more", "Answered, but the answer no longer counts."),
        },
    ),
    "task-status-reason": System(
        "Why a Task has its status.",
        {
            "not-needed": Code("No longer needed", "Another clinician has answered, or the order has ended."),
            "not-my-patient": Code("Not my patient", "The person who was asked does not treat the patient."),
            "will-not-handle": Code("Will not handle this request", "The clinician declines to answer."),
            "patient-first": Code(
                "Needs to see the patient first", "The clinician wants to see the patient before answering."
            ),
            "delivery-failed": Code("The message could not be delivered", "No way to the clinician worked."),
            "cancelled-by-clinic": Code("Cancelled by the clinic", "The clinic took the request back."),
            "expired": Code("Not answered in time", "The time for an answer is over."),
            "handed-over": Code("Somebody else was asked", "The clinician left the answer to somebody else."),
            "consent-withdrawn": Code("Consent withdrawn", "The patient has withdrawn consent."),
        },
    ),
    "consent-category": System(
        "What a patient agrees to or refuses, where no code of HL7's says it.",
        {
            "treatment-disclosure": Code(
                "Disclosure to the clinicians who are asked",
                "Telling clinicians who treat the patient why they are asked, and what came of it.",
            ),
            "patient-messages": Code(
                "Messages to the patient", "Writing to the patient that the clinic waits for something."
            ),
        },
    ),
    "gate-requirement": System(
        "What a clinic may require before an infusion.",
        {
            "initial-consultation": Code("Initial consultation", "The patient was seen by the clinic."),
            "recommendation": Code(
                "Recommendation", "A valid, positive answer of an eligible clinician for the indication."
            ),
        },
    ),
    "gate-topic": System(
        "What a warning about a closed gate is about.",
        {
            "recommendation-missing": Code("Recommendation missing", "No valid recommendation is there."),
            "consultation-missing": Code("Initial consultation missing", "The patient was not seen yet."),
            "not-classified": Code(
                "Indication not classified", "Nobody has said yet whether the indication needs one."
            ),
            "red-flags": Code(
                "Red flags reported by the clinician", "The medical director looks at them first."
            ),
            "conditions": Code("Recommended with conditions", "The medical director accepts them first."),
            "late-answer": Code(
                "A later answer says something else", "The first answer stands; somebody reads both."
            ),
            "conflict": Code(
                "Another clinician does not recommend it", "One clinician recommends it and another does not."
            ),
        },
    ),
    "gate-override": System(
        "Why somebody asks for emergency access, or overrides a card.",
        {
            "paper-recommendation-on-file": Code(
                "Signed recommendation on file", "A signed recommendation is there on paper."
            ),
            "pain-indication-only": Code(
                "Pain is the only indication", "No recommendation is needed for pain."
            ),
            "emergency-clinician-decision": Code(
                "Emergency decision of the clinician", "The treating clinician decides in an emergency."
            ),
        },
    ),
    "booking-reason": System(
        "Why a booking was cancelled or released.",
        {code: Code(text, f"{text}.") for code, text in booking.REASONS.items()},
    ),
    "candidacy": System(
        "What the clinic decides at the initial consultation.", _worded(course_words.CANDIDACY)
    ),
    "candidacy-reason": System(
        "Why somebody is no candidate for ketamine infusions, or not yet.",
        _worded(course_words.CANDIDACY_REASON),
    ),
    "session-abort-reason": System("Why a session was not finished.", _worded(course_words.ABORT_REASON)),
    "course-stop-reason": System(
        "Why a course of infusions was stopped early.", _worded(course_words.STOP_REASON)
    ),
    "course-change-reason": System(
        "Why something of a course was recorded anew.", _worded(course_words.CHANGE_REASON)
    ),
    "session-role": System(
        "What somebody does in a session.",
        {
            "supervising-physician": Code(
                "Supervising physician", "The physician who is present throughout the session."
            )
        },
    ),
    "side-effect": System(
        "Side effects for which no finding of SNOMED CT is used.",
        {code: _picked(code) for code in side_effects.OURS},
    ),
    "report-occasion": System(
        "Why the clinic reports to whoever recommended a treatment.",
        {
            "decision": Code("Decision to treat or not", "The clinic has decided whether it treats."),
            "mid-course": Code("Mid-course", "Half of the planned sessions were given."),
            "end-of-course": Code("End of the course", "The course was completed or stopped early."),
            "adverse-event": Code("Serious adverse event", "A serious adverse event was noticed."),
            "closure": Code("Closure", "The clinic has nothing more to do for this order."),
        },
    ),
    "communication-medium": System(
        "Ways of a message that HL7's participation modes do not name.",
        {"sms": Code("Text message", "A text message to a mobile telephone.")},
    ),
    "form-answer": System("The answers that the form offers.", _form_answers()),
    "red-flag": System(
        "What may speak against ketamine infusions; none refuses or opens anything by itself.", _red_flags()
    ),
    "scale-answer": System(
        "Answers of scales for which LOINC has no list.",
        {
            answer.code: Code(answer.text.en, f"Counts {answer.value}.")
            for answer in scales.FORMS[scales.Scale.PCL_5].answers
        },
    ),
    "task-code": System(
        "What a Task asks for, where no code of HL7's says it.",
        {
            "safety-check": Code(
                "Safety check", "Somebody sees at once to a sign of self-harm or a serious adverse event."
            ),
            "follow-up-visit": Code(
                "Follow-up visit", "The clinician who answered sees the patient within the time they named."
            ),
        },
    ),
    "safety-action": System(
        "What was done about a safety task.",
        {
            code.value: Code(text, f"{text}.")
            for code, text in {**scales.EVENT_ACTIONS, **scales.SAFETY_ACTIONS}.items()
        },
    ),
    "follow-up-outcome": System(
        "What became of a follow-up visit.",
        {code.value: Code(text, f"{text}.") for code, text in follow_up.CHANGES.items()},
    ),
    "subscription-client": System(
        "Which client made a Subscription; its codes are the ids of clients, and none is listed.",
        complete=False,
    ),
    "audit-subtype": System(
        "What an AuditEvent says was done, beside the interaction of FHIR.",
        {code: Code(text, f"{text}.") for code, text in AUDIT_WORDS.items()},
        complete=False,
    ),
}
