"""Reads of the gate and of resources that go to the database together."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from referral.domain.audit import Actor
from referral.domain.errors import SignInRequired, Unavailable
from referral.domain.policy import ICD_10_CM, Indication
from referral.services.request_recommendation import NewOrder, place_order
from referral.storage.db import Database
from referral.storage.joint_reads import AskedGate, AskedResource, read_gates, read_resources
from referral.storage.orders import FactsOfOrder
from referral.storage.resources import Stored
from referral.storage.tables import audit_event
from referral.storage.vault import Vault
from referral.web.together import Together
from tests.database import NOW, ClinicFixture
from tests.services.people import patient

READERS = 40


def order_of(clinic: ClinicFixture, code: str) -> str:
    with clinic.transaction() as session:
        new = NewOrder(
            patient_id=patient(session, clinic).id, indications=(Indication(ICD_10_CM, code, code),)
        )
        return place_order(session, clinic.actor, new, NOW).id


def read_all(database: Database, asked: list[tuple[Actor, str]]) -> list[FactsOfOrder | None]:
    async def together() -> list[FactsOfOrder | None]:
        reads = Together(database, read_gates)
        return await asyncio.gather(*(reads.read(AskedGate(actor, order)) for actor, order in asked))

    return asyncio.run(together())


def test_each_reader_sees_its_own_clinic_and_leaves_its_own_audit_row(
    clinic: ClinicFixture, other_clinic: ClinicFixture
) -> None:
    orders = {clinic.id: order_of(clinic, "F33.2"), other_clinic.id: order_of(other_clinic, "F43.10")}
    readers = [
        Actor(here.id, "client", f"reader-{number}", None, None, None)
        for number in range(READERS)
        for here in (clinic, other_clinic)
    ]
    # Every reader asks for both orders; one of them is another clinic's.
    asked = [(reader, order) for reader in readers for order in orders.values()]
    answers = read_all(clinic.database, asked)
    for (reader, order), found in zip(asked, answers, strict=True):
        assert (found is not None) == (orders[reader.clinic_id] == order)
    codes = {found.facts.indications[0].code for found in answers if found is not None}
    assert codes == {"F33.2", "F43.10"}
    for here in (clinic, other_clinic):
        with here.transaction() as session:
            rows = session.connection.execute(
                select(audit_event.c.actor_id, audit_event.c.entity).where(
                    audit_event.c.clinic_id == here.id, audit_event.c.subtype == "gate"
                )
            )
            written = Counter((row.actor_id, row.entity) for row in rows)
        assert written == Counter(
            (reader.id, f"ServiceRequest/{orders[here.id]}")
            for reader in readers
            if reader.clinic_id == here.id
        )


def test_when_the_database_is_away_everybody_is_told(clinic: ClinicFixture) -> None:
    away = Database("postgresql+psycopg://nobody@127.0.0.1:1/none", Vault(bytes(32)))
    asked = [(clinic.actor, "x")] * 3

    async def together() -> list[object]:
        reads = Together(away, read_gates)
        return list(
            await asyncio.gather(*(reads.read(AskedGate(*one)) for one in asked), return_exceptions=True)
        )

    told = asyncio.run(together())
    assert [type(error) for error in told] == [Unavailable] * 3


def test_a_reader_who_leaves_takes_nobody_along(clinic: ClinicFixture) -> None:
    order = order_of(clinic, "F33.2")

    async def together() -> FactsOfOrder | None:
        reads = Together(clinic.database, read_gates)
        leaving = asyncio.create_task(reads.read(AskedGate(clinic.actor, order)))
        staying = asyncio.create_task(reads.read(AskedGate(clinic.actor, order)))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        return await staying

    assert asyncio.run(together()) is not None


def test_each_reader_of_a_resource_sees_its_own_clinic_and_leaves_its_own_audit_row(
    clinic: ClinicFixture, other_clinic: ClinicFixture
) -> None:
    ids = {}
    for here in (clinic, other_clinic):
        with here.transaction() as session:
            ids[here.id] = patient(session, here).id
    readers = [
        Actor(here.id, "client", f"reader-{number}", None, None, None)
        for number in range(READERS)
        for here in (clinic, other_clinic)
    ]
    # Every reader asks for both patients; one of them is another clinic's.
    asked = [AskedResource(reader, "Patient", id) for reader in readers for id in ids.values()]

    async def together() -> list[Stored | None]:
        reads = Together(clinic.database, read_resources)
        return await asyncio.gather(*(reads.read(one) for one in asked))

    for one, found in zip(asked, asyncio.run(together()), strict=True):
        assert (found is not None) == (ids[one.actor.clinic_id] == one.id)
        assert found is None or found.document["id"] == one.id
    for here in (clinic, other_clinic):
        with here.transaction() as session:
            rows = session.connection.execute(
                select(audit_event.c.actor_id, audit_event.c.entity, audit_event.c.patient_id).where(
                    audit_event.c.clinic_id == here.id, audit_event.c.subtype == "read"
                )
            )
            written = Counter(tuple(row) for row in rows)
        assert written == Counter(
            (reader.id, f"Patient/{ids[here.id]}", ids[here.id])
            for reader in readers
            if reader.clinic_id == here.id
        )


def test_one_whose_token_was_taken_back_is_refused_and_the_others_are_answered(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        id = patient(session, clinic).id
    stranger = AskedResource(Actor(clinic.id, "client", "gone", None, None, None), "Patient", id, b"x" * 32)
    known = AskedResource(clinic.actor, "Patient", id)

    async def together() -> list[Any]:
        reads = Together(clinic.database, read_resources)
        every = (reads.read(one) for one in (known, stranger, known))
        return list(await asyncio.gather(*every, return_exceptions=True))

    first, refused, last = asyncio.run(together())
    assert first.document["id"] == last.document["id"] == id
    assert isinstance(refused, SignInRequired)
