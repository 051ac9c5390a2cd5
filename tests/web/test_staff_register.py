"""The national register at the desk: found after the own directory, added, asked live, and warned about."""

from __future__ import annotations

import json
import threading
from datetime import date
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from referral.channels.npi_registry import NpiRegistry
from referral.domain.codes import Channel, ClinicianKind, Role
from referral.domain.errors import Unavailable
from referral.domain.nppes import Layout, Registered, cells_of, read_header, read_row
from referral.storage import directory, referrals, register_import
from tests import nppes
from tests.database import NOW, ClinicFixture
from tests.nppes import clinician, npi
from tests.processes import eventually
from tests.receiver import Receiver, receiving
from tests.register import empty_register
from tests.services import people
from tests.web.client import application
from tests.web.desk import Desk, OpenDesk, desk
from tests.web.portal_case import serve

__all__ = ["empty_register"]
DEPRESSION = "http://hl7.org/fhir/sid/icd-10-cm|F33.2"


def layout() -> Layout:
    found = read_header(nppes.row(dict(zip(nppes.HEADER, nppes.HEADER, strict=True))).encode())
    assert found is not None
    return found


def fill(clinic: ClinicFixture, *people_: dict[str, str]) -> None:
    columns = layout()
    records = [read_row(columns, cells_of(columns, nppes.row(one).encode())) for one in people_]
    with clinic.transaction() as session:
        register_import.put(session, records, NOW.date())


@pytest.fixture
def robin(clinic: ClinicFixture, open_desk: OpenDesk, empty_register: None) -> Desk:
    return open_desk(clinic, Role.FRONT_DESK)


def looked_up(robin: Desk, words: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = robin.client.get("/lookups/clinicians", params={"q": words}).json()["items"]
    return items


def test_the_own_directory_comes_first_and_nobody_twice(clinic: ClinicFixture, robin: Desk) -> None:
    with clinic.transaction() as session:
        own = people.clinician(session, clinic, given="Wei", family="Chen", npi=npi(1))
    fill(
        clinic,
        clinician(1),
        clinician(2, given="TARA"),
        clinician(3, given="OMAR", code="1223G0001X"),
        clinician(4, given="NOOR", deactivated="11/01/2026"),
    )
    items = looked_up(robin, "chen")
    assert items[0]["value"] == own.id
    assert [item["value"] for item in items[1:]] == [f"npi:{npi(n)}" for n in (4, 3, 2)]
    assert items[3]["label"] == "Tara Chen, M.D."
    assert items[3]["detail"] == "Psychiatry (2084P0800X) · Boulder, CO · national register"
    assert [item["warning"] for item in items[1:]] == [
        "NPI deactivated on November 1, 2026",
        "Not accepted by clinic policy",
        "",
    ]
    assert [item["value"] for item in looked_up(robin, npi(2))] == [f"npi:{npi(2)}"]


def test_a_deactivated_npi_in_the_own_directory_is_warned_about(clinic: ClinicFixture, robin: Desk) -> None:
    with clinic.transaction() as session:
        own = people.clinician(session, clinic, npi=npi(7))
    fill(clinic, nppes.deactivated(7, "11/01/2026"))
    assert looked_up(robin, "okafor")[0]["warning"] == "NPI deactivated on November 1, 2026"
    assert "NPI deactivated on November 1, 2026" in robin.get(f"/directory/{own.id}")


def test_somebody_of_the_register_is_asked_in_one_go(clinic: ClinicFixture, robin: Desk) -> None:
    """And becomes a clinician of the clinic, whose fax is a hint that a call has to confirm."""
    with clinic.transaction() as session:
        patient = people.patient(session, clinic)
    fill(clinic, clinician(2, family="O'BRIEN", given="TARA"))
    robin.get("/requests/new")
    form = {"patient": patient.id, "indication": DEPRESSION, "infusions": "6", "clinician": f"npi:{npi(2)}"}
    preview = robin.client.post("/requests/new/preview", data={**robin.hidden(), **form}).text
    assert "Tara O’Brien" in preview or "Tara O&#39;Brien" in preview
    assert "not verified by a call yet" in preview
    robin.post("/requests/new", {**form, "action": "send"})
    assert robin.path.startswith("/requests/"), robin.text
    with clinic.transaction() as session:
        (made,) = directory.find_by_npi(session, [npi(2)]).values()
        (asked,) = referrals.find(session, clinician_id=made.id)
        by_channel = {contact.channel: contact for contact in made.contacts}
    assert asked.patient_id == patient.id
    assert made.name == "Tara O'Brien"
    assert made.taxonomy == "2084P0800X"
    assert made.time_zone == "America/Denver"
    assert {contact.source for contact in made.contacts} == {"nppes"}
    assert not any(contact.is_verified for contact in made.contacts)
    assert by_channel[Channel.FAX].address == "+13035550122"
    assert by_channel[Channel.POST].address == "900 Example St, Boulder, CO 80302-1234"
    text = robin.get(f"/directory/{made.id}")
    assert "From the NPI registry, as a hint" in text


def test_the_register_has_a_page_where_one_is_added_once(clinic: ClinicFixture, robin: Desk) -> None:
    assert "has not been imported yet" in robin.get("/directory/register?q=chen")
    fill(clinic, clinician(1), clinician(2, given="TARA", entity="2", organization="CHEN CARE"))
    text = robin.get("/directory/register?q=chen boulder")
    assert "Wei Chen, M.D." in text
    assert "Psychiatry (2084P0800X)" in text
    assert "900 Example St, Boulder, CO 80302-1234" in text
    assert "Chen Care" not in text
    fields = robin.hidden()
    robin.post("/directory/register/add")
    assert "The clinician is in the directory" in robin.text
    robin.client.post("/directory/register/add", data=fields)
    with clinic.transaction() as session:
        assert len(directory.find_clinicians(session, "chen")) == 1
    assert "Nobody new is found" in robin.get("/directory/register?q=chen")
    assert robin.client.post("/directory/register/add", data={**fields, "npi": npi(2)}).status_code == 404
    assert robin.client.post("/directory/register/look-up", data=fields).status_code == 404


# ---- Live, at the register itself


def answer(*results: dict[str, Any]) -> bytes:
    return json.dumps({"result_count": len(results), "results": list(results)}).encode()


# In the shape that the API answers in (version 2.1); invented people.
LIVE: dict[str, Any] = {
    "created_epoch": "1183680000000",
    "enumeration_type": "NPI-1",
    "last_updated_epoch": "1790812800000",
    "number": npi(5),
    "addresses": [
        {
            "country_code": "US", "country_name": "United States", "address_purpose": "MAILING",
            "address_type": "DOM", "address_1": "PO BOX 9", "city": "ALBANY", "state": "NY",
            "postal_code": "122070009", "telephone_number": "518-555-0100", "fax_number": "518-555-0101",
        },
        {
            "country_code": "US", "country_name": "United States", "address_purpose": "LOCATION",
            "address_type": "DOM", "address_1": "900 EXAMPLE ST", "address_2": "STE 4", "city": "BOULDER",
            "state": "CO", "postal_code": "803021234", "telephone_number": "303-555-0121",
            "fax_number": "303-555-0122",
        },
    ],
    "practiceLocations": [],
    "basic": {
        "first_name": "PRIYA", "last_name": "RAMAN", "middle_name": "--", "credential": "MD",
        "sole_proprietor": "NO", "sex": "F", "enumeration_date": "2007-07-06", "last_updated": "2026-10-01",
        "certification_date": "2026-10-01", "status": "A", "name_prefix": "Dr.", "name_suffix": "--",
    },
    "taxonomies": [
        {
            "code": "207R00000X", "taxonomy_group": "", "desc": "Internal Medicine", "state": "CO",
            "license": "DR.1", "primary": False,
        },
        {
            "code": "2084P0800X", "taxonomy_group": "", "desc": "Psychiatry & Neurology, Psychiatry",
            "state": "CO", "license": "DR.1", "primary": True,
        },
    ],
    "identifiers": [],
    "endpoints": [],
    "other_names": [],
}  # fmt: skip


def asked_of(receiver: Receiver) -> list[dict[str, str]]:
    return [dict(parse_qsl(urlsplit(call.path).query)) for call in receiver.calls]


def test_a_record_of_the_register_itself_is_read_as_one_of_the_file() -> None:
    with receiving() as receiver:
        receiver.answer = answer(LIVE, LIVE | {"number": "1234567890"})
        (found,) = NpiRegistry(receiver.url).find("priya raman co")
    assert found == Registered(
        npi(5), "1", "RAMAN", "PRIYA", "", "MD", "", ("2084P0800X", "207R00000X"), ClinicianKind.PSYCHIATRIST,
        ("900 EXAMPLE ST", "STE 4", "BOULDER, CO 80302-1234"), "BOULDER", "CO", "303-555-0121",
        "303-555-0122", date(2026, 10, 1), None,
    )  # fmt: skip
    assert asked_of(receiver) == [
        {
            "version": "2.1", "limit": "50", "enumeration_type": "NPI-1", "state": "CO",
            "first_name": "priya*", "last_name": "raman*",
        }
    ]  # fmt: skip


def test_names_are_asked_for_in_both_orders_and_an_npi_by_itself() -> None:
    with receiving() as receiver:
        receiver.answer = answer()
        assert NpiRegistry(receiver.url).find("raman priya") == []
        assert NpiRegistry(receiver.url).find(f"raman {npi(5)}") == []
        assert NpiRegistry(receiver.url).find(" ") == []
    names = [
        (asked.get("first_name"), asked.get("last_name"), asked.get("number")) for asked in asked_of(receiver)
    ]
    assert names == [("raman*", "priya*", None), ("priya*", "raman*", None), (None, None, npi(5))]


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (200, b"<html>Sign in to the hospital's network</html>", "could not be read"),
        (200, b"[]", "could not be read"),
        (
            200,
            b'{"Errors": [{"description": "Field last_name too short", "number": "02"}]}',
            "did not understand",
        ),
        (200, b'{"results": {"a": 1}}', "could not be read"),
        (200, b'{"results": [7]}', "could not be read"),
        (403, b"", "refused the question"),
        (302, b"", "refused the question"),
        (500, b"", "refused the question"),
    ],
)
def test_a_register_that_answers_nonsense_is_said_so(status: int, body: bytes, sentence: str) -> None:
    with receiving() as receiver:
        receiver.status, receiver.answer = status, body
        with pytest.raises(Unavailable, match=sentence):
            NpiRegistry(receiver.url).find("raman")


def test_a_register_that_hangs_holds_few_who_ask() -> None:
    receiver = Receiver(answer=answer(), pause=threading.Event())
    with receiving(receiver):
        registry = NpiRegistry(receiver.url)
        asking = [threading.Thread(target=registry.find, args=("raman",)) for _ in range(4)]
        for thread in asking:
            thread.start()
        eventually(lambda: len(receiver.calls) == len(asking))
        with pytest.raises(Unavailable, match="Others are asking"):
            registry.find("raman")
        assert receiver.pause is not None
        receiver.pause.set()
        for thread in asking:
            thread.join()
        assert registry.find("raman") == []


def test_a_register_that_cannot_be_reached_is_said_so() -> None:
    with receiving() as receiver:
        url = receiver.url
    with pytest.raises(Unavailable, match="cannot be reached"):
        NpiRegistry(url).find("raman")


def test_the_desk_asks_the_register_itself_and_adds_what_it_says(
    clinic: ClinicFixture, empty_register: None
) -> None:
    with receiving() as receiver, serve(application(clinic, nppes_url=receiver.url)) as address:
        robin = desk(address, clinic, Role.FRONT_DESK)
        with robin.client:
            assert "Nobody new is found" in robin.get("/directory/register?q=raman")
            receiver.status = 503
            assert "did not answer" in robin.post("/directory/register/look-up")
            receiver.status, receiver.answer = 200, answer()
            assert "knows nobody by this" in robin.post("/directory/register/look-up")
            receiver.answer = answer(LIVE)
            text = robin.post("/directory/register/look-up")
            assert "Priya Raman, MD" in text
            assert "fax 303-555-0122" in text
            robin.post("/directory/register/add")
            assert robin.path.startswith("/directory/")
            assert "Priya Raman" in robin.text
