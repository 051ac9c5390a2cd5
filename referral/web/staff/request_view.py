"""The page of one request: what happened, what comes next, what was answered, what this person may do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

from referral.domain.calls import CallReason
from referral.domain.codes import Channel
from referral.domain.contacts import in_order
from referral.domain.conversation import EXITS
from referral.domain.form import BY_LINK_ID, Item, Kind
from referral.domain.npi import KIND_LABEL
from referral.domain.records import Clinician, Contact, Referral
from referral.services.find_requests import Answered, RequestView
from referral.services.follow_requests import Followed
from referral.services.keep_late_answer import takes_late_answers
from referral.web.dependencies import Visitor
from referral.web.form import Form
from referral.web.policy import Permission
from referral.web.staff import contact_view, present, story
from referral.web.staff.call_view import call_choices
from referral.web.staff.clock import Clock, born, days
from referral.web.staff.contacts import SOURCES, channel_choices
from referral.web.staff.conversation_view import conversation
from referral.web.staff.escalation_view import brought_up
from referral.web.staff.late_view import late_row
from referral.web.staff.models import Badge, Choice, Fact, Link
from referral.web.staff.plan_view import plan_card
from referral.web.staff.request_models import Answer, RedFlag, RequestPage
from referral.web.staff.rows import is_living, message_row
from referral.web.staff.timeline import timeline

_FOLLOW_UP: Final = ("continues-care", "next-visit", "medication-adjuster", "crisis-contact", "reports")
_CARE: Final = ("last-seen", "diagnosis-confirmed", "prior-treatments", "medication")


def request_page(
    visitor: Visitor, view: RequestView, clock: Clock, form: Form, failed: str = ""
) -> RequestPage:
    """As this visitor may see it; `failed` is the step that came back with errors."""
    followed, referral = view.followed, view.followed.referral
    receipts = visitor.may(Permission.SEE_ANSWER)
    return RequestPage(
        number=referral.number,
        href=f"/requests/{referral.id}",
        patient=Link(present.named(view.state.patient), f"/patients/{referral.patient_id}"),
        born=born(view.state.patient.birth_date),
        clinician=Link(present.titled(followed.clinician), f"/directory/{followed.clinician.id}"),
        kind=KIND_LABEL[followed.clinician.kind],
        badge=present.request_badge(referral),
        gate=story.gate(view.state, clock),
        facts=_facts(view, clock),
        timeline=timeline(view, clock),
        messages=tuple(
            message_row(
                m, followed.clinician, clock, receipts=receipts, living=is_living(visitor, m, referral)
            )
            for m in followed.messages
        ),
        form=form,
        actions=tuple(_actions(visitor, view)),
        channels=_channels(followed, form, clock),
        contacts=contact_choices(followed.clinician),
        contact_kinds=channel_choices(),
        contact_sources=SOURCES,
        call=call_choices(CallReason.OWN, followed.clinician, form.values),
        reasons=tuple(Choice(code, words) for code, words in present.CANCEL_REASONS.items()),
        brought_up=brought_up(view.escalations, followed, view.state, clock),
        plan=plan_card(view, clock, may_act=visitor.may(Permission.ASK)),
        answer=_answer(view.answer, followed, clock, may_read=receipts) if view.answer else None,
        failed=failed,
        fax=f"/fax-inbox/{view.fax_id}" if view.fax_id else "",
        record=f"/requests/{referral.id}/transcribe"
        if _takes_more(referral) and visitor.may(Permission.ASK)
        else "",
        conversation=conversation(view, clock, may_read=receipts),
        late=tuple(late_row(one, clock) for one in view.late),
        upload=f"/uploads/{referral.id}" if visitor.may(Permission.ASK) and _takes_more(referral) else "",
    )


def _takes_more(referral: Referral) -> bool:
    """Where an answer may still be written down: as the answer, or beside it."""
    return referral.is_open or takes_late_answers(referral)


def _facts(view: RequestView, clock: Clock) -> tuple[Fact, ...]:
    referral, order, clinician = view.followed.referral, view.state.order, view.followed.clinician
    facts = [
        Fact(
            "Clinician",
            f"{present.titled(clinician)}, {KIND_LABEL[clinician.kind]}",
            f"/directory/{clinician.id}",
        ),
        Fact("Telephone", present.telephone_of(clinician) or "none on file"),
        Fact(
            "Patient",
            f"{present.named(view.state.patient)}, born {born(view.state.patient.birth_date)}",
            f"/patients/{referral.patient_id}",
        ),
        Fact("Indication", present.indications(order)),
        Fact("Order", present.order_number(order), f"/orders/{order.id}"),
        Fact("Asked", clock.moment(referral.created_at).text),
        Fact("Due", clock.moment(referral.due_at).text),
        Fact("Waited", days(view.followed.waited, none="less than a business day")),
    ]
    if order.first_infusion_on:
        facts.append(Fact("First infusion", clock.day(order.first_infusion_on).text))
    if referral.status_reason and not referral.is_open:
        facts.append(Fact("Ended because", present.status_reason(referral.status_reason)))
    return tuple(facts)


def _actions(visitor: Visitor, view: RequestView) -> Iterator[str]:
    """The steps that the state allows and this role may take, in the order of the page."""
    referral, answer = view.followed.referral, view.answer
    if answer is not None and answer.needs_director(view.policy) and visitor.may(Permission.REVIEW):
        yield "review"
    if answer is not None and answer.needs_call(view.policy) and visitor.may(Permission.ASK):
        yield "confirm"
    yield from _in_conversation(visitor, view)
    if referral.is_open and visitor.may(Permission.ASK):
        yield from _while_open(view)
    living = answer is not None and not answer.recommendation.voided
    usable = view.state.order.status in ("on-hold", "active")
    if answer is not None and living and answer.positive and usable and visitor.may(Permission.ASK):
        yield "renewal"
    if living and visitor.may(Permission.VOID):
        yield "void"
    if any(one.waits for one in view.late) and visitor.may(Permission.REVIEW):
        yield "late"
    if referral.is_open and visitor.may(Permission.ASK):
        yield "cancel"


def _in_conversation(visitor: Visitor, view: RequestView) -> Iterator[str]:
    """Nothing where the clinician has said that it is not for them: somebody else is looked for first."""
    is_open = view.followed.referral.is_open
    waiting = {one.turn.about for one in view.said if one.turn.waits}
    if is_open and waiting & EXITS:
        return
    if visitor.may(Permission.SEE_ANSWER) and (is_open or view.answer is not None):
        yield "reply"
    if waiting and visitor.may(Permission.ASK):
        yield "seen-to"


def _while_open(view: RequestView) -> Iterator[str]:
    referral = view.followed.referral
    if view.escalations:
        yield "attend"
    if (referral.held_at is not None or view.paused) and not view.first:
        yield "resume"
    yield "call"
    if in_order(view.followed.clinician.contacts):
        yield "resend"
    yield "contact"
    if referral.held_at is None and not view.first:
        yield "pause"
    yield "away"
    yield "extend"


def contact_choices(clinician: Clinician) -> tuple[Choice, ...]:
    """What a new contact may stand instead of."""
    known = tuple(Choice(c.id, f"Instead of {contact_view.by_words(c)}") for c in clinician.contacts)
    return (Choice("", "One more way to reach them"), *known)


def _channels(followed: Followed, form: Form, clock: Clock) -> tuple[Choice, ...]:
    """The best contact of each channel; the one that did not carry the last letter is suggested."""
    best: dict[Channel, Contact] = {}
    for contact in in_order(followed.clinician.contacts):
        best.setdefault(contact.channel, contact)
    used = next((m.channel for m in followed.messages if m.patient_id is None), None)
    suggested = form.value("resend_channel") or next((c for c in best if c != used), next(iter(best), ""))
    return tuple(
        Choice(
            channel,
            present.CHANNEL[channel].capitalize(),
            f"{present.address_of(contact)}. {contact_view.why(contact, clock)}",
            contact_view.badges(contact)[-1],
            checked=channel == suggested,
        )
        for channel, contact in best.items()
    )


def _answer(answer: Answered, followed: Followed, clock: Clock, *, may_read: bool) -> Answer:
    found = answer.recommendation
    return Answer(
        badge=_answer_badge(answer),
        decision=present.DECISION[found.decision].text,
        signed=answer.signer or present.titled(followed.clinician),
        when=clock.moment(found.answered_at),
        conditions=answer.words.get("conditions", ""),
        reason=answer.words.get("reason", ""),
        red_flags=_red_flags(answer) if may_read else (),
        follow_up=_told(answer, (*_CARE, *_FOLLOW_UP), clock) if may_read else (),
        strength=present.STRENGTH[found.strength]
        + (" Confirmed by telephone." if found.confirmed_by_phone else ""),
        valid_until=f"Valid until {clock.date_of(found.valid_until)}." if answer.positive else "",
        document=f"/documents/{answer.document_id}" if may_read and answer.document_id else "",
        restricted="" if may_read else "What was written, and any red flags, are for clinical staff.",
    )


def _answer_badge(answer: Answered) -> Badge:
    """Does it count?"""
    if answer.recommendation.voided:
        return Badge("closed", "Voided")
    if answer.recommendation.review is False:
        return Badge("closed", "Not accepted")
    if not answer.positive:
        return Badge("closed", "Counts against it")
    return Badge("waiting", "Does not count yet") if answer.waits else Badge("open", "Counts")


def _red_flags(answer: Answered) -> tuple[RedFlag, ...]:
    return tuple(
        RedFlag(BY_LINK_ID[id].text, answer.words.get(id, "Yes or not known")) for id in answer.red_flags
    )


def _told(answer: Answered, link_ids: tuple[str, ...], clock: Clock) -> tuple[Fact, ...]:
    def in_words(item: Item, given: str) -> str:
        return clock.day(date.fromisoformat(given)).text if item.kind is Kind.DATE else given

    items = [BY_LINK_ID[id] for id in link_ids if answer.words.get(id)]
    return tuple(Fact(item.text, in_words(item, answer.words[item.link_id])) for item in items)
