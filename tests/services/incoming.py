"""Faxes that came in, for tests of other things."""

from __future__ import annotations

from referral.domain.fax import FaxSource
from referral.domain.records import Referral
from referral.letters.scan import read_scan
from referral.services.attach_fax import assign_fax
from referral.services.take_fax import Arrived, settle, take_fax
from referral.storage import faxes
from referral.storage.db import Session
from referral.storage.faxes import Fax
from tests import fax as paper
from tests.database import NOW, ClinicFixture


def arrived(session: Session, from_number: str | None = "+13035550120", seed: int = 0) -> Fax:
    """One without a code of ours, read and in the inbox."""
    content = paper.blank(seed)
    came = Arrived(
        source=FaxSource.WEBHOOK, content=content, reference=f"fax-{seed}", from_number=from_number
    )
    id = take_fax(session, came, NOW)
    assert id is not None
    return settle(session, faxes.get(session, id), read_scan(content), NOW)


def attached(session: Session, clinic: ClinicFixture, referral: Referral) -> Fax:
    """And given to a request by a person."""
    fax = arrived(session)
    return assign_fax(session, clinic.actor, fax.id, fax.version, referral.id, NOW)
