"""Asks the patient to fill in scales on their own page, and sends a link to it where one can be sent."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Channel
from referral.domain.consent import ConsentScope
from referral.domain.contacts import for_patient
from referral.domain.errors import InvalidInput, Issue
from referral.domain.outgoing import MessageKind
from referral.domain.scales import Scale
from referral.services.queue_message import queue_message
from referral.services.tell_patient import Untold
from referral.storage import audit, consents, contacts, orders, referrals, resources, scales
from referral.storage.db import Session

# A link is of no use on paper.
_WITH_LINK: Final = (Channel.EMAIL, Channel.SMS)


def ask_scales(
    session: Session, actor: Actor, order_id: str, wanted: Iterable[str], now: datetime
) -> Untold | None:
    """None where a link is on its way; else why none is, and the front desk hands over a tablet.

    What the patient was asked for already and has not filled in stays as it is. Raises InvalidInput for
    nothing, or for what is no scale.
    """
    try:
        asked = [Scale(name) for name in wanted]
    except ValueError as error:
        raise InvalidInput(Issue("Choose from the list.", ("scales",), "value")) from error
    if not asked:
        raise InvalidInput(Issue("Choose what the patient shall fill in.", ("scales",), "required"))
    order = orders.get(session, order_id, lock=True)
    for scale in asked:
        id = resources.new_id()
        scales.ask(session, id, order.patient_id, order.id, scale, by=actor.id, now=now)
    entry = AuditEntry(
        action=Action.EXECUTE,
        subtype="scale-asked",
        entity=f"ServiceRequest/{order.id}",
        patient_id=order.patient_id,
        detail={"scales": ",".join(asked)},
    )
    audit.record(session, actor, entry)
    return _send_link(session, order.patient_id, now)


def _send_link(session: Session, patient_id: str, now: datetime) -> Untold | None:
    """A message is about a request (docs/adr/0026): the newest one, whatever became of it."""
    about = referrals.find(session, patient_id=patient_id, limit=1)
    if not about:
        return Untold.NOTHING_OPEN
    if consents.has_withdrawn(session, patient_id, ConsentScope.PATIENT_MESSAGES):
        return Untold.REFUSED
    contact = for_patient(contacts.of_patients(session, [patient_id])[patient_id], _WITH_LINK)
    if contact is None:
        return Untold.NO_CONTACT
    queue_message(session, about[0], MessageKind.PATIENT_QUESTIONS, contact, now)
    return None
