"""What the front desk enters about clinicians, and that nobody vouches for what they entered themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from referral.domain.codes import Strength, Verdict
from referral.domain.errors import Forbidden
from referral.domain.gate import GateDecision
from referral.services.judge_recommendation import confirm_by_phone
from referral.services.keep_directory import verify_contact
from referral.storage import directory
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture
from tests.services import people


def test_contacts_that_the_desk_entered_say_so(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        made = people.clinician(session, clinic)
    assert {contact.source for contact in made.contacts} == {"front-desk"}
    assert all(contact.is_verified for contact in made.contacts)


def test_who_enters_a_clinician_vouches_for_no_contact_of_theirs(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        made = people.clinician(session, clinic, verified=False)
        assert not any(contact.is_verified for contact in made.contacts)
        first = made.contacts[0].id
        with pytest.raises(Forbidden, match="Somebody else of the clinic has to call"):
            verify_contact(session, clinic.actor, made.id, first, NOW)
        verify_contact(session, people.colleague(clinic), made.id, first, NOW)
        known = {
            contact.id: contact.is_verified for contact in directory.get_clinician(session, made.id).contacts
        }
    assert [id for id, verified in known.items() if verified] == [first]


def test_who_entered_a_clinician_confirms_no_answer_of_theirs(clinic: ClinicFixture) -> None:
    """Else one person could invent a clinician with an own address, and answer for them."""
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic, verified=False)
        people.respond_with(session, clinic, referral, strength=Strength.SINGLE_CHANNEL)
        with pytest.raises(Forbidden, match="Somebody else of the clinic has to call"):
            confirm(session, clinic, "user-1", referral.id)
        assert confirm(session, clinic, "user-2", referral.id).verdict is Verdict.SATISFIED


def confirm(session: Session, clinic: ClinicFixture, who: str, referral_id: str) -> GateDecision:
    actor = replace(clinic.actor, id=who)
    return confirm_by_phone(
        session, actor, referral_id, spoke_with="Front desk", called_number="303-555-0121", now=NOW
    )
