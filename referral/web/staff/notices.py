"""What a page says once after something was done, by the word that a redirect carries."""

from __future__ import annotations

from typing import Final

from referral.web.staff.account_notices import ACCOUNT_NOTICES
from referral.web.staff.models import Notice

NOTICES: Final = {
    "asked": Notice(
        "open", "The request is on its way", "The letter is being made. Reminders follow by themselves."
    ),
    "not-needed": Notice(
        "info",
        "No recommendation is needed",
        "The order was placed and nobody was asked. The initial consultation comes first.",
    ),
    "resent": Notice("open", "It goes out again", "A new letter with a new link is being made."),
    "paused": Notice("open", "The reminders are paused", "The due date has moved with them."),
    "replied": Notice(
        "open", "Your message is on its way", "The clinician gets a link to read it and to reply."
    ),
    "fax-gone": Notice(
        "neutral",
        "This fax is not kept any more",
        "A fax is removed 90 days after it was dealt with. What it said stands on its request.",
    ),
    "seen-to": Notice("open", "Seen to", "It is off the Today board; the reminders go on."),
    "attended": Notice("open", "Seen to", "It is off the Today board; the ladder goes on."),
    "held": Notice("open", "The request is on hold", "Nothing goes out until somebody lets it go on."),
    "extended": Notice("open", "The request has more time", "The other steps stay where they were."),
    "away": Notice("open", "The absence is noted", "Everything planned for this clinician moves behind it."),
    "undone": Notice("open", "Undone", "The plan is as it was before."),
    "patient-told": Notice(
        "open", "The message to the patient is on its way", "It leaves in the patient’s daytime."
    ),
    "mobile-kept": Notice("open", "The number is kept", "Text messages to the patient go there."),
    "mobile-doubted": Notice(
        "waiting",
        "The number is kept, but it looks like a landline",
        "Landlines get no text messages. Please ask whether it is a mobile number.",
    ),
    "mobile-gone": Notice("open", "The number is taken off", "The patient gets no text messages."),
    "resumed": Notice("open", "The reminders go on", "The next step is shown below."),
    "confirmed": Notice("open", "The call is recorded"),
    "denied": Notice(
        "waiting",
        "The answer does not count",
        "They did not send it. Ask again at a contact that you have checked.",
    ),
    "accepted": Notice("open", "The answer is accepted"),
    "declined": Notice(
        "waiting", "The answer is declined", "The gate stays closed. You can ask another clinician."
    ),
    "voided": Notice(
        "waiting", "The recommendation is void", "It does not count any more; its clinician is told."
    ),
    "conflict-kept": Notice("open", "The recommendation is kept", "It counts, and your reason is on record."),
    "conflict-voided": Notice(
        "waiting", "The recommendation is void", "It does not count any more; its clinician is told."
    ),
    "facts-changed": Notice(
        "waiting", "The change is recorded", "What it ended is shown below, and the clinician is told."
    ),
    "renewal-asked": Notice(
        "open", "The question is on its way", "The clinician gets a link to renew the answer or take it back."
    ),
    "cancelled": Notice(
        "open", "The request is cancelled", "The links are closed, and the clinician is told."
    ),
    "consultation": Notice("open", "The consultation is recorded"),
    "started": Notice(
        "open", "Treatment is started", "It is recorded with your name and the time of the database."
    ),
    "decided": Notice("open", "The decision is recorded"),
    "course-planned": Notice("open", "The course is planned"),
    "session-started": Notice(
        "open", "The infusion is started", "It is recorded with your name and the time of the database."
    ),
    "vitals-kept": Notice("open", "The vital signs are recorded"),
    "dose-kept": Notice("open", "The dose is recorded"),
    "dose-stopped": Notice("open", "The infusion has stopped"),
    "effect-noted": Notice("open", "The side effect is recorded"),
    "medication-noted": Notice("open", "The change of medication is recorded", "Reports tell it."),
    "serious-noted": Notice("waiting", "The serious event is recorded", "Tell the medical director as well."),
    "session-completed": Notice("open", "The session is completed"),
    "session-aborted": Notice("waiting", "The session is recorded as aborted"),
    "course-ended": Notice("open", "The course has ended", "Nothing more is started under this order."),
    "record-corrected": Notice("open", "The correction is recorded", "The version before stays readable."),
    "record-error": Notice("open", "It is marked as an error", "It counts no more, and stays readable."),
    "override-asked": Notice(
        "waiting",
        "Emergency access is asked for",
        "A medical director sees it on the Today board and has 60 minutes to decide. Please call as well.",
    ),
    "override-approved": Notice(
        "waiting",
        "Emergency access is given",
        "One infusion of this order may start within 60 minutes. A review is due within 72 hours.",
    ),
    "override-declined": Notice("waiting", "Emergency access is declined", "The gate stays closed."),
    "override-reviewed": Notice("open", "The review is recorded"),
    "consent-granted": Notice("open", "The consent is recorded", "What was ended before stays ended."),
    "consent-withdrawn": Notice(
        "waiting",
        "The refusal is recorded",
        "Nothing more goes out. Requests and recommendations that rested on it have ended.",
    ),
    "consent-leaving": Notice(
        "waiting",
        "The refusal is recorded, but a message was just leaving",
        "It could not be called back; see the requests below. Nothing else goes out.",
    ),
    "classified": Notice(
        "open",
        "The indication is classified",
        "It counts for every order with this code. The policy page can undo it.",
    ),
    "unclassified": Notice(
        "waiting", "The classification is undone", "The code is unknown again; its orders stay closed."
    ),
    "clinician-added": Notice(
        "open", "The clinician is in the directory", "A colleague should call to verify the contacts."
    ),
    "language-saved": Notice(
        "open", "The language is saved", "Letters, mails and pages follow it; what is drawn already does not."
    ),
    "clinician-known": Notice("info", "This clinician is in the directory already", "Nothing was added."),
    "register-answered": Notice("open", "The national register has answered", "What it says is below."),
    "register-has-none": Notice(
        "info", "The national register knows nobody by this", "Try the full last name, or the NPI."
    ),
    "register-silent": Notice(
        "waiting",
        "The national register did not answer",
        "Nothing was changed. Try again later, or add the clinician by hand.",
    ),
    "verified": Notice("open", "The contact is verified"),
    "contact-added": Notice("open", "The contact is kept", "A colleague should call to confirm it."),
    "contact-doubted": Notice(
        "waiting",
        "The contact is kept, but it looks like a landline",
        "Landlines get no text messages. Please ask whether it is a mobile number.",
    ),
    "contact-sent": Notice(
        "open", "The contact is kept, and the letter goes there", "A colleague should call to confirm it."
    ),
    "message-retried": Notice("open", "It is tried again", "What became of it stands below in a moment."),
    "message-parked": Notice("waiting", "It is set aside", "It stays until somebody tries it again."),
    "message-cancelled": Notice("open", "It is cancelled", "It does not leave."),
    "contact-wrong": Notice(
        "waiting",
        "Nothing goes there any more",
        "Open requests go on by another contact where there is one; the links that went there are closed.",
    ),
    "reopening-approved": Notice("info", "You have approved", "A second person has to approve as well."),
    "reopened": Notice("open", "The clinic is open", "Gate, letters and portal work again."),
    "on-call-saved": Notice("open", "Who is on call is saved", "It holds for the next message."),
    "report-policy-saved": Notice(
        "open", "Which reports go out is saved", "It holds for what is owed from now on."
    ),
    "hours-saved": Notice("open", "The hours are saved", "What is planned follows them."),
    "days-closed": Notice("open", "The closed days are added", "What is planned moves past them."),
    "days-opened": Notice("open", "These days are open again", "What is planned moves back."),
    "ladder-saved": Notice(
        "open", "The new ladder is in force", "Requests that run keep the one they were asked with."
    ),
    "letterhead-saved": Notice(
        "open", "The letterhead is saved", "Letters that are made from now on look like this."
    ),
    "policy-saved": Notice(
        "open", "The new policy is in force", "The orders follow it. What it has changed is shown below."
    ),
    "system-keys": Notice("open", "The keys are changed", "What the system got with the old ones has ended."),
    "system-removed": Notice("open", "The system is shut out", "Its tokens have ended."),
    "booked": Notice("open", "The chair is booked"),
    "tentative": Notice(
        "waiting", "The chair is held", "The booking is tentative. It confirms itself when the gate opens."
    ),
    "moved": Notice("open", "The booking is moved"),
    "booking-cancelled": Notice("open", "The booking is cancelled", "The chair is free again."),
    "missed": Notice("open", "Noted: the patient did not come"),
    "noted": Notice("open", "The release is noted", "It is off the Today board."),
    "called-will-answer": Notice("open", "The call is recorded", "The reminders go on as planned."),
    "called-other-channel": Notice("open", "The call is recorded", "It goes out again as you chose."),
    "called-answer-given": Notice("open", "The call is recorded", "Write down what was answered."),
    "called-back-on": Notice("open", "The call is recorded", "Nothing goes out before they are back."),
    "called-no-answer": Notice(
        "waiting", "The call is recorded", "It comes up again on the next business day."
    ),
    "called-not-reached": Notice(
        "waiting", "Nobody was reached three times", "It is on the Today board: ask another clinician."
    ),
    "called-wrong-number": Notice(
        "waiting", "The number is marked as wrong", "The call stays on the list for another number."
    ),
    "called-not-their-patient": Notice(
        "waiting", "The request has ended", "Ask another clinician; the Today board reminds you."
    ),
    "called-do-not-contact": Notice(
        "waiting", "The request has ended", "Nothing more goes to them. Ask another clinician."
    ),
    "called-number-right": Notice("open", "The contact is verified"),
    "called-number-wrong": Notice("waiting", "The contact is marked as wrong", "Nothing goes there."),
    "batch-mailed": Notice(
        "open",
        "The letters are in the mail",
        "Where nothing had arrived before, the reminders count from today.",
    ),
    "batch-closed": Notice("open", "The batch is closed"),
    "letter-returned": Notice(
        "waiting",
        "Noted: the letter came back",
        "The address comes last from now on.",
    ),
    "letter-put-back": Notice("waiting", "The letter waits again", "It comes with the next batch."),
    "fax-assigned": Notice(
        "open", "The fax is with its request", "Reminders stand still until somebody has written it down."
    ),
    "fax-taken-off": Notice("open", "The fax is back in the inbox", "It is no longer with that request."),
    "fax-dismissed": Notice("open", "The fax is set aside", "It can be brought back."),
    "fax-restored": Notice("open", "The fax is back in the inbox"),
    "fax-filed": Notice("open", "The fax is filed with its request"),
    "fax-differs": Notice(
        "waiting", "The medical director is asked", "The answer on record stands until they have decided."
    ),
    "fax-transcribed": Notice(
        "open", "What the fax says is written down", "The scan is kept with the answer as its evidence."
    ),
    "letter-uploaded": Notice(
        "open", "The letter is kept", "Its picture appears here in a moment; then write down what it says."
    ),
    "late-settled": Notice("open", "Both answers are read", "The first goes on standing."),
    "call-transcribed": Notice("open", "The answer is recorded", "It was given by telephone and read back."),
    "chair-added": Notice("open", "The chair is added", "It can be booked at once."),
    "scales-asked": Notice(
        "open", "The patient is asked", "A link is on its way; it leaves in their daytime."
    ),
    "scales-asked-refused": Notice(
        "waiting",
        "The patient wants no messages",
        "Ask them in person; they can fill it in here on a tablet.",
    ),
    "scales-asked-no-contact": Notice(
        "waiting",
        "There is no e-mail address or mobile number",
        "Nothing was sent; they can fill it in here on a tablet.",
    ),
    "scales-asked-nothing-open": Notice(
        "waiting",
        "No link could be sent",
        "Nobody was asked about this patient yet, so no message can be sent; fill it in here on a tablet.",
    ),
    "scale-filled": Notice("open", "The answers are kept"),
    "scale-sign": Notice(
        "closed",
        "A patient may be in danger",
        "The answers are kept. Somebody has to speak with the patient now.",
    ),
    "scale-voided": Notice("open", "It is marked as an error", "It stays on record and counts for nothing."),
    "report-told": Notice("open", "It is recorded that they were told", "What had not left is stopped."),
    "follow-up-noted": Notice("open", "What became of the visit is recorded"),
    "safety-settled": Notice("open", "It is written down and settled"),
    "chair-in-use": Notice("open", "The chair is in use again"),
    "chair-out-of-use": Notice("open", "The chair is out of use", "It takes no new bookings."),
    **ACCOUNT_NOTICES,
}
