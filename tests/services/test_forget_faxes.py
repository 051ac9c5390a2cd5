"""What came in by fax and was dealt with is removed after a while; what a request was given stays."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from referral.domain.errors import NotFound
from referral.domain.fax import FaxSource
from referral.services.attach_fax import assign_fax, dismiss_fax, file_fax
from referral.services.forget_faxes import KEPT, forget_faxes
from referral.services.take_fax import Arrived, Reading, page_id, read_due, take_fax
from referral.storage import documents, faxes, tables
from referral.storage.faxes import Fax
from tests import fax as paper
from tests.database import NOW, ClinicFixture, Clock
from tests.services.sending import asked


def came_in(clinic: ClinicFixture, number: int = 0) -> Fax:
    """A fax of one page that names no request; each number is another page."""
    with clinic.transaction() as session:
        arrived = Arrived(source=FaxSource.WEBHOOK, content=paper.blank(number), reference=uuid.uuid4().hex)
        id = take_fax(session, arrived, NOW)
    read_due(Reading(database=clinic.database, now=Clock(NOW)), clinic.id)
    with clinic.transaction() as session:
        return faxes.get(session, str(id))


def dismissed(clinic: ClinicFixture) -> Fax:
    fax = came_in(clinic)
    with clinic.transaction() as session:
        return dismiss_fax(session, clinic.actor, fax.id, fax.version, "An advertisement.", NOW)


def forget(clinic: ClinicFixture, now: datetime) -> int:
    with clinic.transaction() as session:
        return forget_faxes(session, now)


def kept_of(clinic: ClinicFixture) -> int:
    """How many documents of faxes there are."""
    table = tables.document
    with clinic.transaction() as session:
        query = select(func.count()).where(table.c.clinic_id == clinic.id, table.c.kind.like("%fax%"))
        return int(session.connection.scalar(query) or 0)


def test_what_was_nobodys_is_gone_with_its_pages_after_ninety_days(clinic: ClinicFixture) -> None:
    fax = dismissed(clinic)
    assert (fax.pages, kept_of(clinic)) == (1, 2)
    assert forget(clinic, NOW + KEPT - timedelta(seconds=1)) == 0
    assert forget(clinic, NOW + KEPT) == 1
    assert kept_of(clinic) == 0
    with clinic.transaction() as session, pytest.raises(NotFound):
        faxes.get(session, fax.id)
    assert forget(clinic, NOW + KEPT) == 0


def test_a_request_keeps_the_copy_that_it_was_given(clinic: ClinicFixture) -> None:
    referral, fax = asked(clinic), came_in(clinic)
    with clinic.transaction() as session:
        given = assign_fax(session, clinic.actor, fax.id, fax.version, referral.id, NOW)
        file_fax(session, clinic.actor, fax.id, given.version, "Nothing to write down.", NOW)
    assert forget(clinic, NOW + KEPT) == 1
    with clinic.transaction() as session:
        copy = documents.get(session, str(given.record_id))
        assert (copy.referral_id, documents.sizes(session, [page_id(fax.id, 1)])) == (referral.id, {})
    assert kept_of(clinic) == 1


def test_what_waits_for_a_person_waits_however_long(clinic: ClinicFixture) -> None:
    referral, fax = asked(clinic), came_in(clinic)
    came_in_later = came_in(clinic, 1)
    with clinic.transaction() as session:
        assign_fax(session, clinic.actor, fax.id, fax.version, referral.id, NOW)
    assert forget(clinic, NOW + 9 * KEPT) == 0
    with clinic.transaction() as session:
        assert faxes.get(session, came_in_later.id).document_id is not None


def test_the_database_removes_no_other_document_and_no_fax_that_waits(clinic: ClinicFixture) -> None:
    """Whatever the program asks for."""
    referral, fax = asked(clinic), came_in(clinic)
    with clinic.transaction() as session:
        for kind, about in (("receipt", None), ("incoming-fax", referral.id), ("fax", None)):
            id = str(uuid.uuid4())
            documents.add(
                session, id=id, kind=kind, content_type="x", content=b"x", now=NOW, referral_id=about
            )
            assert documents.remove(session, [id]) == 0
        waiting = tables.incoming_fax.c.id == fax.id
        assert session.connection.execute(tables.incoming_fax.delete().where(waiting)).rowcount == 0


def test_another_clinics_faxes_are_left_alone(clinic: ClinicFixture, other_clinic: ClinicFixture) -> None:
    dismissed(other_clinic)
    assert forget(clinic, NOW + KEPT) == 0
    assert kept_of(other_clinic) == 2
