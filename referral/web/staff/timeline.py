"""What happened to one request, in sentences, newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, Final

from referral.domain.calls import CallOutcome, CallReason
from referral.domain.codes import Channel, Decision
from referral.domain.follow_up import CHANGES, Outcome
from referral.domain.life import Cause
from referral.domain.outgoing import MessageKind
from referral.domain.report_rules import Occasion, Withheld
from referral.services.find_requests import RequestView, has_words
from referral.services.forget_faxes import KEPT
from referral.storage.referrals import ReferralEvent
from referral.web.staff import present
from referral.web.staff.call_words import CALLED, WHY
from referral.web.staff.clock import Clock, days
from referral.web.staff.life_view import CAUSE
from referral.web.staff.models import Link
from referral.web.staff.plan_view import plans
from referral.web.staff.request_models import Event

_Detail = dict[str, Any]
_FAX_GONE: Final = f"the fax itself was removed {KEPT.days} days after it was dealt with"

# Event → colour, symbol, title. A title that depends on the detail is in _TITLES.
_LOOKS: Final[dict[str, tuple[str, str, str]]] = {
    "asked": ("info", "pen", "Asked"),
    "letter-ready": ("neutral", "document", "Letter made"),
    "sent": ("info", "mail", "Sent"),
    "delivered": ("open", "open", "Delivered"),
    "not-delivered": ("closed", "warning", "Not delivered"),
    "failed-after-all": ("closed", "warning", "Sent, but not delivered after all"),
    "mail-delayed": ("waiting", "waiting", "The mail is delayed on its way"),
    "automatic-reply": ("neutral", "mail", "An automatic reply came back"),
    "wrong-recipient": ("closed", "warning", "A contact is somebody else’s"),
    "resent": ("info", "mail", "Sent again"),
    "message-retried": ("info", "mail", "A message is tried again"),
    "message-parked": ("waiting", "pause", "A message was set aside"),
    "message-cancelled": ("neutral", "neutral", "A message was cancelled"),
    "mailed": ("info", "mail", "Printed and mailed"),
    "put-back": ("waiting", "mail", "Printed, not mailed; it waits for the next batch"),
    "identity-proven": ("info", "shield", "Opened; the clinician has proven who they are"),
    "taken-on": ("info", "user", "Accepted by the clinician’s system"),
    "begun": ("info", "pen", "Begun by the clinician’s system"),
    "answered": ("open", "pen", "Answered"),
    "needs-visit": ("waiting", "waiting", "The clinician wants to see the patient first"),
    "not-my-patient": ("closed", "closed", "The clinician says: not my patient"),
    "asked-question": ("waiting", "mail", "The clinician asks the clinic a question"),
    "asked-call": ("waiting", "phone", "The clinician asks to be called"),
    "asked-colleague": ("waiting", "user", "The clinician says that a colleague should answer"),
    "asked-reply": ("waiting", "mail", "The clinician has written to the clinic"),
    "left-practice": ("closed", "user", "The clinician has left this practice"),
    "wrong-address": ("closed", "warning", "The request did not reach the right person"),
    "clinic-question": ("info", "mail", "The clinic has asked the clinician"),
    "clinic-reply": ("info", "mail", "The clinic has replied"),
    "seen-to": ("open", "user", "Seen to"),
    "letter-uploaded": ("waiting", "document", "A letter was uploaded"),
    "letter-unreadable": ("closed", "warning", "An uploaded letter cannot be read"),
    "assistant-fills": ("info", "user", "An assistant fills it in; the clinician signs"),
    "late-answer": ("waiting", "pen", "A later answer has come; the first stands"),
    "late-settled": ("open", "open", "The medical director has read both answers"),
    "portal-opened": ("neutral", "neutral", "The link was opened"),
    "portal-frozen": ("closed", "shield", "Link locked after ten wrong tries"),
    "portal-no-birth-date": ("closed", "warning", "The clinician could not be identified: no date of birth"),
    "fresh-link": ("info", "mail", "The clinician asked for a fresh link"),
    "fax-received": ("waiting", "fax", "A fax has come"),
    "fax-late": ("waiting", "fax", "A fax has come after the request was closed"),
    "fax-taken-off": ("neutral", "fax", "The fax belonged elsewhere"),
    "fax-filed": ("info", "fax", "The fax is filed; nothing of it has to be written down"),
    "fax-differs": ("closed", "fax", "The fax says something else than the answer on record"),
    "fax-transcribed": ("open", "fax", "The fax is written down"),
    "paused": ("waiting", "pause", "Reminders paused"),
    "resumed": ("info", "waiting", "Reminders go on"),
    "held": ("waiting", "pause", "Put on hold"),
    "extended": ("info", "waiting", "Given more time"),
    "away": ("waiting", "pause", "The clinician is away"),
    "undone": ("neutral", "neutral", "Undone"),
    "replanned": ("info", "waiting", "The plan has moved"),
    "step-taken": ("neutral", "mail", "The letter that goes another way takes the place of a reminder"),
    "step-escalate": ("waiting", "warning", "Somebody of the clinic was told"),
    "attended": ("open", "user", "Seen to"),
    "cancelled": ("neutral", "neutral", "Cancelled"),
    "expired": ("closed", "closed", "Expired without an answer"),
    "accepted": ("open", "open", "Accepted by the medical director"),
    "declined": ("closed", "closed", "Declined by the medical director"),
    "confirmed-by-phone": ("open", "phone", "Confirmed by telephone"),
    "voided": ("closed", "closed", "Recommendation voided"),
    "withdrawn": ("closed", "closed", "The clinician has withdrawn the recommendation"),
    "validity-over": ("closed", "waiting", "The recommendation has become too old to count"),
    "renewal-asked": ("info", "mail", "Asked whether the answer is still true"),
    "standing-opened": ("info", "shield", "Opened again; the clinician has proven who they are"),
    "renewed": ("open", "pen", "Renewed by the clinician: still true"),
    "contradicted": ("waiting", "user", "Another clinician does not recommend it"),
    "conflict-kept": ("open", "open", "The medical director keeps it although another clinician refused"),
    "step-remind": ("info", "mail", "A reminder was due"),
    "step-remind-other-channel": ("info", "mail", "A reminder by another channel was due"),
    "call-queued": ("waiting", "phone", "Put on the list of calls"),
    "called": ("info", "phone", "Called"),
    "step-call": ("waiting", "phone", "Put on the list of calls"),
    "step-suggest-another": ("waiting", "user", "Time to ask a second clinician"),
    "patient-not-told": ("waiting", "user", "The patient was not written to; please tell them"),
    "patient-told-by-hand": ("info", "mail", "The patient is written to"),
    "report-owed": ("info", "document", "A report to the clinician is due"),
    "report-told": ("open", "phone", "A report was told to the clinician by voice"),
    "report-withheld": ("waiting", "document", "A report to the clinician is not sent"),
    "follow-up-asked": ("info", "mail", "The office was asked whether the patient was seen"),
    "follow-up-outcome": ("open", "user", "Follow-up visit"),
    "consent-withdrawn": ("closed", "shield", "The patient has withdrawn consent: nothing goes out any more"),
}
_WHY_MOVED: Final = {
    "hours": "other hours",
    "closed-days": "closed days were added",
    "opened-days": "closed days were taken back",
    "calendar": "hours or closed days were changed",
}
_MACHINES: Final = frozenset({"worker", "sweep", "system"})


def timeline(view: RequestView, clock: Clock) -> tuple[Event, ...]:
    """Newest first."""
    told = zip(view.events, (*view.events[1:], None), strict=True)
    shown = [event for event, after in told if not _is_told_by(event, after)]
    return tuple(_event(event, view, clock) for event in reversed(shown))


def _is_told_by(event: ReferralEvent, after: ReferralEvent | None) -> bool:
    """The plan that an absence has moved stands with the absence, and that of its undoing with the undo."""
    if event.event != "replanned" or after is None or after.at != event.at:
        return False
    plan = (event.detail.get("before"), event.detail.get("after"))
    return (after.detail.get("before"), after.detail.get("after")) == plan


def _event(event: ReferralEvent, view: RequestView, clock: Clock) -> Event:
    state, icon, title = _LOOKS.get(
        event.event, ("neutral", "neutral", event.event.replace("-", " ").capitalize())
    )
    made = _TITLES.get(event.event)
    parts = [_detail(event, view, clock), _by(event, view), _fax_gone(event, view)]
    return Event(
        state=state,
        icon=icon,
        title=made(event.detail) if made else title,
        when=clock.moment(event.at),
        plan=plans(event.detail, clock),
        detail=" · ".join(part for part in parts if part),
        links=tuple(_links(event, view)),
        quote=view.question_words.get(str(event.detail.get("document", "")), ""),
    )


def _links(event: ReferralEvent, view: RequestView) -> Iterator[Link]:
    if event.detail.get("message") and event.event != "letter-ready":
        yield Link("See the message", f"/outbox/{event.detail['message']}")
    if event.detail.get("fax") in view.kept_faxes:
        yield Link("See the fax", f"/fax-inbox/{event.detail['fax']}")


def _fax_gone(event: ReferralEvent, view: RequestView) -> str:
    fax = event.detail.get("fax")
    return "" if fax is None or fax in view.kept_faxes else _FAX_GONE


def _by(event: ReferralEvent, view: RequestView) -> str:
    """The person of the clinic, or of the practice; machines are not named."""
    if event.actor in _MACHINES:
        return ""
    return f"by {view.users[event.actor]}" if event.actor in view.users else ""


def _what(detail: _Detail) -> str:
    kind = present.MESSAGE_KIND[MessageKind(detail["kind"])]
    return f"{kind} by {present.CHANNEL[Channel(detail['channel'])]}"


def _sent(detail: _Detail) -> str:
    return f"{_what(detail)}: {'sent' if detail.get('real') else 'kept here, not sent'}"


def _answered(detail: _Detail) -> str:
    return f"Answered: {present.DECISION[Decision(detail['decision'])].text.lower()}"


_TITLES: Final[dict[str, Callable[[_Detail], str]]] = {
    "sent": _sent,
    "delivered": lambda detail: f"{_what(detail)}: delivered",
    "not-delivered": lambda detail: f"{_what(detail)}: not delivered",
    "failed-after-all": lambda detail: f"{_what(detail)}: sent, but not delivered after all",
    "wrong-recipient": lambda detail: (
        f"Wrong {present.CHANNEL[Channel(detail['channel'])]} contact: nothing goes there any more"
    ),
    "resent": lambda detail: f"Send again by {present.CHANNEL[Channel(detail['channel'])]}",
    "mail-delayed": lambda detail: f"{_what(detail)}: delayed on its way",
    "automatic-reply": lambda detail: f"{_what(detail)}: an automatic reply came back",
    "message-retried": lambda detail: f"{_what(detail)}: to be tried again",
    "message-parked": lambda detail: f"{_what(detail)}: set aside",
    "message-cancelled": lambda detail: f"{_what(detail)}: cancelled",
    "letter-ready": lambda detail: f"{present.MESSAGE_KIND[MessageKind(detail['kind'])]}: letter made",
    "answered": _answered,
    "called": lambda detail: f"Called: {CALLED[CallOutcome(detail['outcome'])].lower()}",
}


def _detail(event: ReferralEvent, view: RequestView, clock: Clock) -> str:
    told = _DETAILS.get(event.event)
    if told is not None:
        return told(event.detail, view, clock)
    hidden = has_words(event) and event.detail.get("document") and not view.question_words
    return "the words are for clinical staff" if hidden else ""


def _reason(detail: _Detail, _view: RequestView, _clock: Clock) -> str:
    """As the provider's answer was put into our words; nobody is named in it."""
    reason = str(detail.get("reason", ""))
    return f"{reason[:1].upper()}{reason[1:]}"


def _shown(detail: _Detail) -> str:
    return "patient data had been shown" if detail.get("seen") else "no patient data had been shown"


def _on_day(name: str, words: str) -> Callable[[_Detail, RequestView, Clock], str]:
    return lambda detail, _view, clock: f"{words} {clock.day(date.fromisoformat(detail[name])).text}"


_DETAILS: Final[dict[str, Callable[[_Detail, RequestView, Clock], str]]] = {
    "not-delivered": _reason,
    "failed-after-all": _reason,
    "call-queued": lambda detail, _view, _clock: WHY[CallReason(detail["why"])].text.lower(),
    "paused": _on_day("until", "until"),
    "away": _on_day("until", "back on"),
    "extended": lambda detail, _view, _clock: f"by {days(detail['days'])}",
    "undone": lambda detail, _view, _clock: _LOOKS[detail["undone"]][2],
    "replanned": lambda detail, _view, _clock: _WHY_MOVED.get(detail["why"], ""),
    "renewed": _on_day("until", "valid until"),
    "report-owed": lambda detail, _view, _clock: (
        present.OCCASION[Occasion(detail["occasion"])] + (", corrected" if "corrects" in detail else "")
    ),
    "report-told": lambda detail, _view, _clock: present.OCCASION[Occasion(detail["occasion"])],
    "follow-up-outcome": lambda detail, _view, _clock: CHANGES[Outcome(detail["outcome"])].lower(),
    "report-withheld": lambda detail, _view, _clock: (
        f"{present.OCCASION[Occasion(detail['occasion'])]}: {present.WITHHELD[Withheld(detail['why'])]}"
    ),
    "renewal-asked": lambda detail, _view, _clock: f"by {present.CHANNEL[Channel(detail['channel'])]}",
    "voided": lambda detail, _view, _clock: CAUSE[Cause(detail["cause"])] if "cause" in detail else "",
    "needs-visit": _on_day("visit", "visit on"),
    "cancelled": lambda detail, _view, _clock: present.status_reason(detail.get("reason")),
    "not-my-patient": lambda detail, _view, _clock: (
        "patient data had been shown" if detail.get("seen") else ""
    ),
    "left-practice": lambda detail, _view, _clock: _shown(detail),
    "wrong-address": lambda detail, _view, _clock: _shown(detail),
    "asked": lambda _detail, view, _clock: present.titled(view.followed.clinician),
}
