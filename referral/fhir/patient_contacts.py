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
            # Of the address as it is written: the street in capitals is another row of the same patient.
            id=str(uuid.uuid5(_CONTACT_IDS, f"{id}:{channel}:{address}")),
            channel=channel,
            address=address,
            source="ehr",
        )
        for channel, address in _named(resource)
    }
    return tuple(found.values())


def with_mobile(resource: Mapping[str, Any], number: str | None) -> list[dict[str, Any]]:
    """Patient.telecom in which text messages go to `number` (E.164) alone; to nobody where it is None.

    Another mobile stays on record as one that is no longer used; everything else stays as it is.
    """
    points = [_for_texts(point, number) for point in every(resource, "telecom")]
    if number and not any(_takes_texts(point) for point in points):
        points.append({"system": "phone", "value": number, "use": "mobile"})
    return points


def _for_texts(point: Mapping[str, Any], number: str | None) -> dict[str, Any]:
    if not is_in_use(point) or point["system"] not in ("phone", "sms"):
        return dict(point)
    if number is not None and usable_address(Channel.SMS, written(point)) == number:
        return {**point, "use": "mobile"}
    return {**point, "use": "old"} if _takes_texts(point) else dict(point)


def _takes_texts(point: Mapping[str, Any]) -> bool:
    return is_in_use(point) and Channel.SMS in _channels(point)


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
