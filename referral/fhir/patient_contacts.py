"""The ways to reach a patient that a Patient names."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final

from referral.domain.codes import Channel
from referral.domain.records import Contact
from referral.fhir.contact_points import AT_HOME, address_lines, is_in_use, written
from referral.fhir.contact_values import usable_address
from referral.fhir.elements import every

_CONTACT_IDS: Final = uuid.UUID("b6f7d0d5-9a0c-5a63-9f8f-0c1f7e0f4f7e")
# Longer than any address that fits an envelope.
_LONGEST_ADDRESS: Final = 400


def contacts_of_patient(resource: Mapping[str, Any]) -> tuple[Contact, ...]:
    """E-mail, telephone, text message, post: each address once, in the order of the record.

    Only a number that the record calls a mobile, or one for text messages, is written to: a text message to
    a landline is read out to whoever picks up. Fax numbers of patients are left out.
    """
    id = str(resource.get("id") or "")
    found = {
        (channel, address.casefold()): Contact(
            id=str(uuid.uuid5(_CONTACT_IDS, f"{id}:{channel}:{address.casefold()}")),
            channel=channel,
            address=address,
            source="ehr",
        )
        for channel, address in _named(resource)
    }
    return tuple(found.values())


def _named(resource: Mapping[str, Any]) -> Iterator[tuple[Channel, str]]:
    for point in every(resource, "telecom"):
        if not is_in_use(point):
            continue
        for channel in _channels(point):
            address = usable_address(channel, written(point))
            if address is not None:
                yield channel, address
    address = ", ".join(address_lines([resource], AT_HOME))
    if 0 < len(address) <= _LONGEST_ADDRESS:
        yield Channel.POST, address


def _channels(point: Mapping[str, Any]) -> tuple[Channel, ...]:
    if point["system"] == "phone":
        return (Channel.PHONE, Channel.SMS) if point.get("use") == "mobile" else (Channel.PHONE,)
    return {"email": (Channel.EMAIL,), "sms": (Channel.SMS,)}.get(point["system"], ())
