"""Faxes as the pages show them: what each is, what this person may do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlencode

from referral.domain.codes import TaskStatus
from referral.domain.fax import FaxSource, FaxState, MatchedBy
from referral.domain.form import BY_LINK_ID, ITEMS
from referral.domain.records import Clinician
from referral.domain.signature import signature_of
from referral.letters.scan import REASONS
from referral.services.find_faxes import About, Candidate, FaxView, Why
from referral.services.keep_late_answer import takes_late_answers
from referral.storage.faxes import Fax
from referral.web.dependencies import Visitor
from referral.web.form import Form
from referral.web.policy import Permission
from referral.web.portal_questions import paper_sections
from referral.web.staff import present
from referral.web.staff.clock import Clock
from referral.web.staff.fax_models import FaxPage, PageShown
from referral.web.staff.models import Badge, Choice, Fact, Link

BADGE: Final = {
    FaxState.ANNOUNCED: Badge("neutral", "On its way", "waiting"),
    FaxState.RECEIVED: Badge("neutral", "Being read", "waiting"),
    FaxState.UNREADABLE: Badge("closed", "Cannot be read", "warning"),
    FaxState.UNMATCHED: Badge("waiting", "No request yet"),
    FaxState.MATCHED: Badge("waiting", "To be written down", "pen"),
    FaxState.DIFFERS: Badge("closed", "Differs from the answer", "warning"),
    FaxState.TRANSCRIBED: Badge("open", "Written down"),
    FaxState.FILED: Badge("open", "Filed"),
    FaxState.DISMISSED: Badge("neutral", "Set aside"),
}
ACTION: Final = {
    FaxState.UNREADABLE: "Look",
    FaxState.UNMATCHED: "Find the request",
    FaxState.MATCHED: "Write down",
    FaxState.DIFFERS: "Compare",
}
_BY: Final = {
    FaxSource.WEBHOOK: "fax provider",
    FaxSource.FOLDER: "fax folder",
    FaxSource.UPLOAD: "somebody of the clinic, who uploaded it",
    FaxSource.PORTAL: "the clinician, who uploaded it at the portal",
}
_HOW: Final[dict[MatchedBy | None, str]] = {
    MatchedBy.BARCODE: "the code on its page",
    MatchedBy.UPLOAD: "where it was uploaded",
}
_WHY: Final = {
    Why.CODE: "The code of this letter stands on the fax.",
    Why.NUMBER: "Found by its number.",
    Why.SENDER: "The fax comes from the number on file.",
    Why.RECENT: "Asked lately; nothing on the fax says so.",
}


def telephone(number: str) -> str:
    """'303-555-0120', as in the directory; other numbers as they are."""
    bare = number.removeprefix("+1")
    if len(bare) == 10 and bare.isdecimal():
        return f"{bare[:3]}-{bare[3:6]}-{bare[6:]}"
    return number


def title_of(fax: Fax) -> str:
    """By the number that sent it."""
    if fax.meant_for:
        return "Uploaded letter"
    return f"Fax from {telephone(fax.from_number)}" if fax.from_number else "Fax without a number"


def pages_of(fax: Fax) -> str:
    """'2 pages'; empty while it is on its way."""
    return "" if not fax.pages else f"{fax.pages} page{'' if fax.pages == 1 else 's'}"


def sentence_of(fax: Fax, about: About | None) -> str:
    """What it waits for, or what became of it."""
    if fax.state is FaxState.UNREADABLE:
        return f"{REASONS.get(fax.problem or '', REASONS['damaged'])} Ask the sender for it in another way."
    if fax.state is FaxState.UNMATCHED and len(fax.suggested) > 1:
        return "The codes of several requests stand on it."
    if fax.state is FaxState.UNMATCHED:
        return "No code of ours stands on it."
    if fax.state is FaxState.DISMISSED:
        return f"Belongs to nobody: {fax.reason or 'no reason given'}"
    if about is None:
        return "It appears here in a moment."
    who = present.titled(about.followed.clinician)
    late = " It came after the request was closed." if fax.is_late else ""
    return f"{who} about {present.named(about.state.patient)}, {about.followed.referral.number}.{late}"


def fax_page(
    visitor: Visitor,
    view: FaxView,
    clock: Clock,
    form: Form,
    shown: PageShown | None,
    *,
    query: str = "",
    values: Mapping[str, list[str]] | None = None,
    failed: str = "",
) -> FaxPage:
    """As this visitor may see it; `values` are what was typed into the form of the answer."""
    fax, about = view.fax, view.about
    actions = tuple(_actions(visitor, view))
    kind = about.followed.clinician.kind if about else None
    return FaxPage(
        title=title_of(fax),
        href=f"/fax-inbox/{fax.id}",
        badge=BADGE[fax.state],
        sentence=sentence_of(fax, about),
        facts=_facts(view, clock),
        form=form,
        shown=shown,
        actions=actions,
        candidates=tuple(_candidate(item, form, clock) for item in view.candidates),
        query=query,
        about=_link(about) if about else None,
        ask_again=_ask_again(view),
        answered=_answered(view, clock),
        sections=paper_sections(kind, values or {}) if kind and "transcribe" in actions else (),
        today=clock.today.isoformat(),
        failed=failed,
    )


def _link(about: About) -> Link:
    who, patient = present.titled(about.followed.clinician), present.named(about.state.patient)
    return Link(f"{who} about {patient}", f"/requests/{about.followed.referral.id}")


def _actions(visitor: Visitor, view: FaxView) -> Iterator[str]:
    """In the order of the page."""
    fax, about = view.fax, view.about
    if not visitor.may(Permission.ASK):
        return
    if fax.state is FaxState.UNMATCHED:
        yield "assign"
    if fax.state in (FaxState.UNMATCHED, FaxState.UNREADABLE):
        yield "dismiss"
    if fax.state is FaxState.DISMISSED:
        yield "restore"
    is_open = about is not None and about.followed.referral.is_open
    if fax.state is FaxState.MATCHED:
        if not is_open:
            yield "differ"
        if about is not None and (is_open or takes_late_answers(about.followed.referral)):
            yield "transcribe"
    if fax.state is FaxState.MATCHED or (fax.state is FaxState.DIFFERS and visitor.may(Permission.REVIEW)):
        yield "file"
    if fax.state in (FaxState.MATCHED, FaxState.DIFFERS, FaxState.FILED):
        yield "take-off"


def _candidate(item: Candidate, form: Form, clock: Clock) -> Choice:
    referral = item.about.followed.referral
    asked = f"Asked {clock.date_of(referral.created_at)}"
    day = item.about.state.patient.birth_date
    born = f", born {day.year}" if day else ""
    ended = "" if referral.is_open else ", closed"
    return Choice(
        value=referral.id,
        label=f"{referral.number}: {_link(item.about).label}{born}",
        detail=f"{_WHY[item.why]} {asked}{ended}.",
        checked=form.value("referral_id") == referral.id,
    )


def _facts(view: FaxView, clock: Clock) -> tuple[Fact, ...]:
    fax = view.fax
    by = _BY[fax.source]
    facts = [Fact("Received", clock.moment(fax.received_at).text)]
    if fax.from_number:
        facts.append(Fact("From", telephone(fax.from_number)))
    facts.append(Fact("Came by", by))
    if view.about:
        referral = view.about.followed.referral
        facts.append(Fact("Request", referral.number, f"/requests/{referral.id}"))
        patient = present.named(view.about.state.patient)
        facts.append(Fact("Patient", patient, f"/patients/{referral.patient_id}"))
        how = _HOW.get(fax.matched_by) or view.handled_by or "staff"
        facts.append(Fact("Matched by", how))
    if fax.reason:
        facts.append(Fact("Reason", fax.reason))
    return tuple(facts)


def _ask_again(view: FaxView) -> str:
    """Where a request has ended without an answer, a new one may take this fax."""
    about = view.about
    if about is None or about.followed.referral.is_open:
        return ""
    if about.followed.referral.status is TaskStatus.COMPLETED:
        return ""
    return present.ask_href(about.state.order)


def _answered(view: FaxView, clock: Clock) -> str:
    """What a late fax stands beside; '' where the request still waits for an answer."""
    referral = view.about.followed.referral if view.about else None
    if referral is None or referral.closed_at is None or view.fax.state is FaxState.TRANSCRIBED:
        return ""
    day = clock.date_of(referral.closed_at)
    if referral.status is TaskStatus.COMPLETED and view.decision is not None:
        return f"Answered on {day}: {present.DECISION[view.decision].text.lower()}. That answer stands."
    why = present.status_reason(referral.status_reason)
    return f"The request was closed on {day}{': ' + why if why else ''}."


def page_shown(fax: Fax, number: int, turn: int) -> PageShown | None:
    """None where there is no picture. `turn` is anticlockwise, in degrees."""
    if not fax.pages:
        return None
    number = min(max(number, 1), fax.pages)
    here = f"/fax-inbox/{fax.id}"

    def link(to: int, turned: int = 0) -> str:
        asked = {"page": to} | ({"turn": turned % 360} if turned % 360 else {})
        return f"{here}?{urlencode(asked)}#page"

    return PageShown(
        number=number,
        of=fax.pages,
        picture=f"{here}/pages/{number}" + (f"?turn={turn}" if turn else ""),
        turn_left=link(number, turn + 90),
        turn_right=link(number, turn - 90),
        before=link(number - 1, turn) if number > 1 else "",
        after=link(number + 1, turn) if number < fax.pages else "",
    )


def prefilled(about: About | None) -> dict[str, list[str]]:
    """The form of a fax before anybody has typed."""
    return signature_on_file(about.followed.clinician) if about else {}


def signature_on_file(clinician: Clinician) -> dict[str, list[str]]:
    """The signature as the directory has it; what was signed or said is what counts."""
    known = signature_of(clinician)
    return {id: [value] for id, value in known.items() if BY_LINK_ID[id].on_paper}


# Every item of the form by its field, for reading what was posted.
ANSWER_ITEMS: Final = ITEMS
