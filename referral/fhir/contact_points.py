"""Addresses and telecom of clinicians: which of them may carry a letter, and how they are written."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

from referral.domain.codes import Channel
from referral.domain.records import Contact
from referral.fhir.contact_values import usable_address
from referral.fhir.elements import Resource, every, strings
from referral.fhir.systems import DATA_ABSENT, US_CORE_DIRECT

_CONTACT_IDS: Final = uuid.UUID("5c0a3f0e-6d0b-5b57-8f5e-1a3d3b0d6f11")
_CHANNELS: Final = {
    "email": Channel.EMAIL,
    "fax": Channel.FAX,
    "phone": Channel.PHONE,
    "sms": Channel.SMS,
}
_SYSTEMS: Final = {channel: system for system, channel in _CHANNELS.items()}
_LAST: Final = 10_000
# Work first; somebody's home only when nothing else is known, and never what is no longer used.
_USE: Final = {"work": 0, None: 1, "mobile": 2, "temp": 3, "billing": 4, "home": 5}
# The same for a patient, who lives somewhere.
AT_HOME: Final = {"home": 0, None: 1, "temp": 2, "billing": 3, "work": 4}
_CITY_LINE: Final = re.compile(r"(?P<city>[^,]+), (?P<state>[A-Z]{2}) (?P<zip>\d{5}(?:-\d{4})?)")
_HOME_COUNTRY: Final = frozenset({"", "US", "USA", "UNITED STATES", "UNITED STATES OF AMERICA"})


_UNKNOWN: Final = {"extension": [{"url": DATA_ABSENT, "valueCode": "unknown"}]}
# Of somebody who is reached by post alone: US Core wants a role to have a contact point (pd-1), and each to
# have a system and a value, or to say that they are not known.
UNREACHABLE: Final[Resource] = {"_system": _UNKNOWN, "_value": _UNKNOWN, "use": "work"}


def telecom(contacts: Iterable[Contact]) -> list[Resource]:
    """ContactPoints in the order of the contacts; a postal address is no ContactPoint."""
    usable = [contact for contact in contacts if contact.channel in _SYSTEMS]
    return [
        {
            "system": _SYSTEMS[contact.channel],
            "value": contact.address,
            "use": "work",
            "rank": rank,
        }
        for rank, contact in enumerate(usable, start=1)
    ]


def contacts_from(clinician_id: str, holders: Iterable[Mapping[str, Any] | None]) -> tuple[Contact, ...]:
    """Contacts in the order of `holders`, within each by rank and use; the same address only once.

    A contact's id follows from clinician, channel and address, so that reading the same resources again
    gives the same ids, however it is written. What nothing can be sent to is left out, Direct addresses too:
    they look like e-mail, but mail does not reach them. The resource itself stays as it was sent.
    """
    found: dict[tuple[Channel, str], Contact] = {}
    for holder in holders:
        points = [point for point in every(holder, "telecom") if is_in_use(point)]
        points.sort(key=lambda point: (point.get("rank") or _LAST, _USE.get(point.get("use"), 3)))
        for point in points:
            channel = _CHANNELS[point["system"]]
            address = usable_address(channel, written(point))
            if address is None:
                continue
            key = f"{clinician_id}:{channel}:{address.casefold()}"
            contact = Contact(
                id=str(uuid.uuid5(_CONTACT_IDS, key)), channel=channel, address=address, source="ehr"
            )
            found.setdefault((channel, address.casefold()), contact)
    return tuple(found.values())


def is_in_use(point: Mapping[str, Any]) -> bool:
    """It is of a kind that we know, not given up, and no Direct address: mail does not reach those."""
    if point.get("system") not in _CHANNELS or point.get("use") == "old":
        return False
    return not any(
        extension.get("url") == US_CORE_DIRECT and extension.get("valueBoolean") is True
        for extension in every(point, "extension")
    )


def written(point: Mapping[str, Any]) -> str:
    """The bare number or address, without a scheme such as `tel:`."""
    value = str(point.get("value") or "")
    scheme, _, rest = value.partition(":")
    return rest if scheme.strip().lower() in ("tel", "fax", "sms", "mailto") else value


def address(lines: tuple[str, ...]) -> Resource:
    """An Address from letter lines; the last line is split where it reads 'City, ST ZIP'."""
    result: Resource = {"use": "work", "text": "\n".join(lines)}
    match = _CITY_LINE.fullmatch(lines[-1])
    streets = lines[:-1] if match else lines
    if streets:
        result["line"] = list(streets)
    if match:
        result.update(city=match["city"], state=match["state"], postalCode=match["zip"], country="US")
    return result


def address_lines(
    holders: Iterable[Mapping[str, Any] | None], uses: Mapping[Any, int] = _USE
) -> tuple[str, ...]:
    """Letter lines of the best address of all: streets, 'City, ST ZIP', a country other than the US."""
    addresses = [a for holder in holders for a in every(holder, "address") if a.get("use") != "old"]
    addresses.sort(key=lambda a: uses.get(a.get("use"), 3))
    for candidate in addresses:
        lines = _lines(candidate)
        if lines:
            return lines
    return ()


def _lines(value: Mapping[str, Any]) -> tuple[str, ...]:
    city, state, postal_code, country = (
        str(value.get(part) or "").strip() for part in ("city", "state", "postalCode", "country")
    )
    region = f"{state} {postal_code}".strip()
    place = ", ".join(part for part in (city, region) if part)
    lines = [*strings(value, "line"), *([place] if place else [])]
    if not lines:
        lines = [line.strip() for line in str(value.get("text") or "").splitlines() if line.strip()]
    elif country.upper() not in _HOME_COUNTRY:
        lines.append(country)
    return tuple(lines)
