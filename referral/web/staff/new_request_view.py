"""The New request page: what was typed, what it leads to, and what may be chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from referral.domain.contacts import FAILING
from referral.domain.contacts import health as contact_health
from referral.domain.language import Language
from referral.domain.policy import Policy
from referral.domain.records import Patient
from referral.services.add_from_register import clinician_of
from referral.services.find_indications import find_indications
from referral.services.find_people import look_up_clinicians, look_up_patients
from referral.services.find_registered import deactivations, look_up_register
from referral.services.preview_request import Preview, preview_request
from referral.services.send_new_request import Draft
from referral.storage import clinics, directory, register
from referral.web.dependencies import Visitor
from referral.web.staff import contact_view, present
from referral.web.staff.clock import Clock
from referral.web.staff.frame import clock_of, form_of, new_key
from referral.web.staff.ladder_models import DatedStep
from referral.web.staff.models import Choice, Fact, Link
from referral.web.staff.new_clinician import typed_clinician
from referral.web.staff.new_request_choices import (
    clinician_choice,
    clinician_options,
    indication_choice,
    is_registered,
    npi_of,
    patient_choice,
    registered_choice,
)
from referral.web.staff.new_request_form import Typed, draft_of
from referral.web.staff.patient_view import LANGUAGES
from referral.web.staff.plan_view import dated
from referral.web.staff.request_models import Duplicate, Finder, Need, NewRequestPage

_FOUND: Final = 8


@dataclass(frozen=True, slots=True)
class Searches:
    """What was found for the words in the three boxes."""

    patients: tuple[Choice, ...] = ()
    indications: tuple[Choice, ...] = ()
    clinicians: tuple[Choice, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


def search(visitor: Visitor, typed: Typed) -> Searches:
    """For browsers without script: every box that has words is searched."""
    policy, _ = clinics.policy_in_force(visitor.session)
    words = {
        name: typed.values.get(f"{name}_query", "")[:100] for name in ("patient", "indication", "clinician")
    }
    people, more_people = look_up_patients(visitor.session, visitor.actor, words["patient"], _FOUND)
    codes, more_codes = find_indications(words["indication"], policy, _FOUND)
    chosen = typed.values.get("patient", "")
    asked, more_asked = clinician_choices(
        visitor, policy, words["clinician"], "" if chosen == "new" else chosen, _FOUND
    )
    return Searches(
        tuple(patient_choice(p) for p in people),
        tuple(indication_choice(c.indication, policy) for c in codes),
        tuple(asked),
        {
            "patient": _note(words["patient"], len(people), more=more_people),
            "indication": _note(words["indication"], len(codes), more=more_codes),
            "clinician": _note(words["clinician"], len(asked), more=more_asked),
        },
    )


def clinician_choices(
    visitor: Visitor, policy: Policy, words: str, patient_id: str, limit: int
) -> tuple[list[Choice], bool]:
    """The clinic's own directory first; what room is left is for the national register."""
    session = visitor.session
    own, more = look_up_clinicians(session, visitor.actor, words, patient_id, limit)
    gone = deactivations(session, own)
    others, others_more = look_up_register(session, words, limit - len(own))
    choices = [clinician_choice(one, policy, gone.get(one.npi or "")) for one in own]
    return choices + [registered_choice(one, policy) for one in others], more or others_more


def _note(words: str, count: int, *, more: bool) -> str:
    if not words.strip():
        return ""
    if count == 0:
        return "Nothing found. Try fewer letters."
    return "There are more; type further to narrow them down." if more else "Choose one below."


def preview(visitor: Visitor, typed: Typed) -> Preview:
    """What sending this would do."""
    zone = clinics.current(visitor.session).time_zone
    chosen = typed.values.get("clinician", "")
    clinician = typed_clinician(typed.values, zone) if chosen == "new" else None
    record = register.get(visitor.session, npi_of(chosen)) if is_registered(chosen) else None
    if record is not None:
        clinician = clinician_of(record, zone)
    return preview_request(
        visitor.session,
        visitor.actor,
        draft_of(typed),
        clinician,
        visitor.runtime.settings.base_url,
        visitor.now,
    )


def new_request_page(
    visitor: Visitor,
    typed: Typed,
    errors: Mapping[str, str] | None = None,
    searches: Searches | None = None,
) -> NewRequestPage:
    """The whole page from what was typed, so that nothing typed is ever lost."""
    found, shown = searches or Searches(), preview(visitor, typed)
    policy, clock = shown.policy, clock_of(visitor)
    values = {"language": "en", **typed.values}
    return NewRequestPage(
        form=form_of(visitor, values, errors, key=typed.key or new_key()),
        patients=_finder("patient", typed, _chosen_patient(visitor, typed), found.patients, found),
        indications=_finder(
            "indication",
            typed,
            [indication_choice(i, policy, checked=True) for i in typed.indications],
            found.indications,
            found,
        ),
        clinicians=_finder(
            "clinician", typed, _chosen_clinician(visitor, typed, shown), found.clinicians, found
        ),
        languages=tuple(Choice(code, name) for code, name in LANGUAGES.items()),
        options=clinician_options(policy),
        need=_need(shown),
        duplicate=_duplicate(shown, clock),
        warning=""
        if shown.eligible or shown.clinician is None
        else present.ineligible(shown.clinician.kind, policy),
        summary=_summary(shown, draft_of(typed), clock),
        letter=shown.letter,
        letter_lang=(shown.clinician.language if shown.clinician else None) or Language.ENGLISH,
        steps=_steps(shown, clock),
        send_label="Place the order" if shown.needed is False else "Send request",
    )


def _finder(
    name: str, typed: Typed, chosen: Sequence[Choice], found: tuple[Choice, ...], searches: Searches
) -> Finder:
    known = {choice.value for choice in chosen}
    return Finder(
        query=typed.values.get(f"{name}_query", "")[:100],
        chosen=tuple(chosen),
        found=tuple(choice for choice in found if choice.value not in known),
        note=searches.notes.get(name, ""),
    )


def _chosen_patient(visitor: Visitor, typed: Typed) -> list[Choice]:
    wanted = typed.values.get("patient", "")
    found: dict[str, Patient] = directory.get_patients(visitor.session, [wanted]) if wanted else {}
    return [patient_choice(patient, checked=True) for patient in found.values()]


def _chosen_clinician(visitor: Visitor, typed: Typed, shown: Preview) -> list[Choice]:
    chosen, policy = typed.values.get("clinician", ""), shown.policy
    if shown.clinician is None or chosen == "new":
        return []
    if is_registered(chosen):
        record = register.get(visitor.session, npi_of(chosen))
        return [registered_choice(record, policy, checked=True)] if record else []
    gone = deactivations(visitor.session, [shown.clinician]).get(shown.clinician.npi or "")
    return [clinician_choice(shown.clinician, policy, gone, checked=True)]


def _need(shown: Preview) -> Need | None:
    if shown.needed is None:
        return None
    # "Recommendation needed, because …": the title says the first half.
    _, _, because = shown.need_sentence.partition(", because ")
    why = f"{because[:1].upper()}{because[1:]}" or shown.need_sentence
    if shown.unclassified:
        return Need("waiting", "Not in clinic policy", why)
    return (
        Need("info", "Recommendation needed", why)
        if shown.needed
        else Need("open", "No recommendation needed", why)
    )


def _duplicate(shown: Preview, clock: Clock) -> Duplicate | None:
    if shown.other is None or shown.needed is False:
        return None
    referral, clinician = shown.other
    since = clock.date_of(referral.created_at)
    who = "this clinician" if shown.same_clinician else present.titled(clinician)
    return Duplicate(
        f"There is an open request to {who} about this patient since {since}.",
        Link(f"See {referral.number}", f"/requests/{referral.id}"),
        may_ask=not shown.same_clinician,
    )


def _summary(shown: Preview, draft: Draft, clock: Clock) -> tuple[Fact, ...]:
    """What sending would do; empty until there is enough to say."""
    if not (shown.patient_name and shown.needed is not None):
        return ()
    year = f", born {shown.birth_year}" if shown.birth_year else ""
    facts = [
        Fact("About", f"{shown.patient_name}{year}"),
        Fact("For", ", ".join(indication.label for indication in draft.indications)),
    ]
    if draft.infusions:
        first = f", first on {clock.day(draft.first_infusion).text}" if draft.first_infusion else ""
        facts.append(Fact("Course", f"{draft.infusions} infusions{first}"))
    if shown.known_order is not None:
        number = present.order_number(shown.known_order)
        facts.append(
            Fact("Order", f"{number} is waiting already and is used", f"/orders/{shown.known_order.id}")
        )
    if shown.needed and shown.clinician is not None:
        facts += _sending(shown, clock)
    return tuple(facts)


def _steps(shown: Preview, clock: Clock) -> tuple[DatedStep, ...]:
    """What follows by itself; nothing where the request itself cannot leave."""
    ready = shown.patient_name and shown.needed and shown.sending is not None
    if not ready or shown.sending is None or shown.sending.contact is None:
        return ()
    return tuple(dated(step, clock) for step in shown.sending.steps)


def _sending(shown: Preview, clock: Clock) -> list[Fact]:
    if shown.clinician is None or shown.sending is None:
        return []
    facts, contact = [Fact("To", present.titled(shown.clinician))], shown.sending.contact
    if contact is None:
        return [*facts, Fact("By", "no e-mail, fax or address on file")]
    health = "verified" if contact.is_verified else "not verified by a call yet"
    sick = [c for c in shown.clinician.contacts if contact_health(c) in FAILING]
    return [
        *facts,
        Fact("By", f"{contact_view.by_words(contact)}, {health}"),
        Fact("So far", contact_view.why(contact, clock)),
        *(Fact("Not by", f"{contact_view.by_words(c)}. {contact_view.why(c, clock)}") for c in sick),
        Fact("Leaves", clock.soon(shown.sending.leaves_at)),
        Fact("Reply by", clock.moment(shown.sending.due_at).text),
    ]
