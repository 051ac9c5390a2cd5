"""The fields of a clinician who is not in the directory yet, as typed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

from referral.domain.codes import Channel, ClinicianKind
from referral.domain.records import Clinician, Contact
from referral.domain.time_zones import time_zone_of
from referral.fhir.contact_values import usable_address
from referral.services.keep_directory import NewClinician

_Typed = Mapping[str, str]
_CONTACTS: Final = {
    Channel.EMAIL: "clinician_email",
    Channel.FAX: "clinician_fax",
    Channel.PHONE: "clinician_phone",
}


def new_clinician(typed: _Typed) -> NewClinician:
    """The fields as the use case takes them; it checks them."""
    return NewClinician(
        given=typed.get("clinician_given", ""),
        family=typed.get("clinician_family", ""),
        kind=typed.get("clinician_kind", ""),
        credentials=typed.get("credentials", "")[:40],
        npi=typed.get("npi", "").replace(" ", "").replace("-", ""),
        practice=typed.get("practice", "")[:120],
        address=_address(typed),
        time_zone=typed.get("time_zone", "") or time_zone_of((typed.get("address_state", ""),), ""),
        email=typed.get("clinician_email", ""),
        fax=typed.get("clinician_fax", ""),
        phone=typed.get("clinician_phone", ""),
    )


def _address(typed: _Typed) -> tuple[str, ...]:
    """Street, suite, and the last line as the Postal Service writes it; nothing while there is no street."""
    city, state = typed.get("city", "").strip(), typed.get("address_state", "").strip()
    last = ", ".join(
        part for part in (city, f"{state} {typed.get('postal_code', '').strip()}".strip()) if part
    )
    lines = (typed.get("address_line1", ""), typed.get("address_line2", ""), last)
    return tuple(line.strip()[:80] for line in lines if line.strip()) if lines[0].strip() else ()


def typed_clinician(typed: _Typed, clinics_zone: str) -> Clinician | None:
    """As far as it was filled in, for the preview; None while there is no name or kind."""
    new = new_clinician(typed)
    if not (new.given.strip() and new.family.strip()) or new.kind not in set(ClinicianKind):
        return None
    usable = {channel: usable_address(channel, typed.get(field, "")) for channel, field in _CONTACTS.items()}
    contacts = [
        Contact(id=str(uuid.uuid4()), channel=channel, address=address, source="front-desk")
        for channel, address in usable.items()
        if address
    ]
    return Clinician(
        id="preview",
        name=f"{new.given.strip()} {new.family.strip()}",
        kind=ClinicianKind(new.kind),
        time_zone=new.time_zone or clinics_zone,
        credentials=new.credentials.strip(),
        practice=new.practice.strip(),
        address=new.address,
        contacts=(*contacts, *_postal(new.address)),
    )


def _postal(address: tuple[str, ...]) -> tuple[Contact, ...]:
    if not address:
        return ()
    return (Contact(id="post", channel=Channel.POST, address=", ".join(address), source="front-desk"),)
