"""A new clinic: its row, its keys, its first policy."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from referral.domain.errors import InvalidInput, Issue
from referral.domain.policy import Policy
from referral.domain.reminders import Ladder
from referral.letters.seal_key import make_seal_key
from referral.storage import clinics
from referral.storage.clinics import Clinic
from referral.storage.db import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClinic:
    """`letterhead` has the keys of letters.content.Letterhead that differ from the defaults."""

    slug: str
    name: str
    time_zone: str
    letterhead: dict[str, Any] = field(default_factory=dict)


def set_up_clinic(session: Session, new: NewClinic, now: datetime) -> str:
    """Returns the clinic's id. It starts with the default policy and ladder and its own document seal."""
    try:
        ZoneInfo(new.time_zone)
    except (ValueError, OSError):
        raise InvalidInput(Issue(f"There is no time zone {new.time_zone}.", ("time_zone",))) from None
    wrapped = session.vault.new_clinic_key()
    seal_key = make_seal_key(f"{new.name} document seal", now)
    clinic = Clinic(
        id=clinics.new_clinic_id(),
        slug=new.slug,
        name=new.name,
        time_zone=new.time_zone,
        letterhead={
            "tagline": "",
            "address_lines": [],
            "telephone": "",
            "fax": "",
            "website": "",
            "signer_name": "",
            "signer_title": "Medical Director",
            "neutral_name": new.name,
            "accent": "#0f5257",
            **new.letterhead,
        },
        settings={"closed_days": []},
        wrapped_key=wrapped,
        seal_key=session.vault.seal(wrapped, seal_key, "seal-key"),
    )
    clinics.add(session, clinic, Policy(), Ladder(), now)
    return clinic.id
