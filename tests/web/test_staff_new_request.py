"""New request: sent once, refused with everything kept, and what is said before it is sent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from referral.domain.codes import ClinicianKind
from referral.domain.outgoing import MessageKind
from referral.domain.policy import ICD_10_CM
from referral.domain.records import Clinician, Patient
from referral.services import find_indications
from referral.storage import audit, directory, orders, outbox, referrals
from tests.database import ClinicFixture
from tests.services import people
from tests.web.desk import Desk, OpenDesk

DEPRESSION = f"{ICD_10_CM}|F33.2"
FIBROMYALGIA = f"{ICD_10_CM}|M79.7"
COURSE = {"infusions": "6", "first_infusion": "2026-12-01"}
NEW_PATIENT = {
    "patient": "new",
    "given": "Zoë",
    "family": "Quartermaine",
    "birth_date": "1990-02-28",
    "language": "es",
    "patient_phone": "303-555-0199",
}
NEW_CLINICIAN = {
    "clinician": "new",
    "clinician_given": "Ada",
    "clinician_family": "Sample",
    "clinician_kind": "psychologist",
    "credentials": "PsyD",
    "npi": "9000000015",
    "practice": "Sample Psychology",
    "address_line1": "1 Example Road",
    "city": "Boston",
    "address_state": "MA",
    "postal_code": "02108",
    "clinician_fax": "617-555-0123",
}


@pytest.fixture
def robin(clinic: ClinicFixture, open_desk: OpenDesk) -> Desk:
    made = open_desk(clinic)
    made.get("/requests/new")
    return made


@pytest.fixture
def known(clinic: ClinicFixture) -> tuple[Patient, Clinician]:
    with clinic.transaction() as session:
        return people.patient(session, clinic), people.clinician(session, clinic)


def send(robin: Desk, *parts: dict[str, Any], **more: Any) -> str:
    data: dict[str, Any] = {"action": "send"}
    for part in (*parts, more):
        data |= part
    return robin.post("/requests/new", data)


def chosen(known: tuple[Patient, Clinician], indication: str = DEPRESSION) -> dict[str, Any]:
    return {"patient": known[0].id, "clinician": known[1].id, "indication": indication, **COURSE}


def test_one_page_makes_patient_clinician_order_request_and_letter(
    robin: Desk, clinic: ClinicFixture
) -> None:
    text = send(robin, NEW_PATIENT, NEW_CLINICIAN, COURSE, indication=[DEPRESSION])
    assert robin.status == 200
    assert robin.path.startswith("/requests/")
    assert "The request is on its way" in text
    assert "Ada Sample, PsyD about Zoë Quartermaine" in text
    assert "on its way" not in robin.get(robin.path)
    with clinic.transaction() as session:
        referral = referrals.get(session, robin.path.removeprefix("/requests/"))
        patient = directory.get_patient(session, referral.patient_id)
        clinician = directory.get_clinician(session, referral.clinician_id)
        order = orders.get(session, referral.order_id)
        messages = outbox.find(session, referral_id=referral.id)
    assert (patient.language, patient.telephone) == ("es", "+13035550199")
    assert clinician.kind is ClinicianKind.PSYCHOLOGIST
    assert clinician.time_zone == "America/New_York"
    assert clinician.address == ("1 Example Road", "Boston, MA 02108")
    assert not any(contact.is_verified for contact in clinician.contacts)
    assert (order.planned_sessions, str(order.first_infusion_on)) == (6, "2026-12-01")
    assert [(m.kind, m.channel) for m in messages] == [(MessageKind.REQUEST, "fax")]


def test_sending_the_same_showing_again_opens_what_the_first_one_made(
    robin: Desk, known: tuple[Patient, Clinician], clinic: ClinicFixture
) -> None:
    hidden = robin.hidden()
    send(robin, chosen(known))
    first = robin.path
    send(robin, chosen(known), hidden)
    assert robin.path == first
    send(robin, NEW_PATIENT, NEW_CLINICIAN, COURSE, hidden, indication=DEPRESSION)
    assert robin.path == first
    with clinic.transaction() as session:
        assert referrals.count_open(session) == 1
        assert directory.find_patients(session, "Quartermaine") == []


def test_clicking_twice_at_once_sends_one_request_for_one_new_patient(
    robin: Desk, clinic: ClinicFixture
) -> None:
    form = {
        **robin.hidden(),
        **NEW_PATIENT,
        **NEW_CLINICIAN,
        **COURSE,
        "indication": DEPRESSION,
        "action": "send",
    }
    with ThreadPoolExecutor(4) as clicks:
        answers = list(clicks.map(lambda _: robin.client.post("/requests/new", data=form), range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.url.path for answer in answers}) == 1
    with clinic.transaction() as session:
        assert referrals.count_open(session) == 1
        assert len(directory.find_patients(session, "Quartermaine")) == 1
        assert len(directory.find_clinicians(session, "Sample")) == 1


BAD = {
    "nothing chosen": (
        {},
        ("Choose a patient", "Choose at least one indication", "Choose a clinician", "How many"),
    ),
    "an empty new patient": (
        {"patient": "new", "indication": DEPRESSION, "clinician": "new", **COURSE},
        ("given name is missing", "family name is missing", "Choose the kind of clinician"),
    ),
    "a birthday to come": (NEW_PATIENT | {"birth_date": "2030-01-01"}, ("date of birth",)),
    "an unknown code": ({"indication": f"{ICD_10_CM}|F99.999"}, ("There is no ICD-10-CM code F99.999",)),
    "too many infusions": ({"infusions": "600"}, ("A number from 1 to 60",)),
    "a first infusion in the past": ({"first_infusion": "2026-01-01"}, ("This day has passed",)),
    "an NPI with a wrong check digit": (NEW_CLINICIAN | {"npi": "9000000016"}, ("NPI is not valid",)),
    "no way to reach them": (
        NEW_CLINICIAN | {"clinician_fax": "", "address_line1": "", "clinician_phone": "617-555-0124"},
        ("the request has to reach them",),
    ),
    "a number that is none": (NEW_CLINICIAN | {"clinician_fax": "303 555 012"}, ("not a telephone number",)),
    "a short number": (NEW_CLINICIAN | {"clinician_fax": "12"}, ("Give the full number",)),
    "a fax behind an extension": (
        NEW_CLINICIAN | {"clinician_fax": "303-555-0142 x5"},
        ("Ask for the direct fax number",),
    ),
    "a header in an address": (
        NEW_CLINICIAN | {"clinician_email": "a@x.example\r\nBcc: b@x.example"},
        ("type it by hand",),
    ),
    "a kind that policy does not accept": (
        NEW_CLINICIAN | {"clinician_kind": "social-worker"},
        ("does not count under the clinic", "This recommendation would not count"),
    ),
    "somebody who is gone": ({"patient": "no-such-patient"}, ("not on file any more",)),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_is_named_and_everything_typed_is_kept(
    robin: Desk, known: tuple[Patient, Clinician], clinic: ClinicFixture, case: str
) -> None:
    changes, sentences = BAD[case]
    typed = {} if case == "nothing chosen" else {**chosen(known), **changes}
    text = send(robin, {"indication_query": "a word of mine", **typed})
    assert robin.status in (400, 422), text
    assert "Not sent yet" in text
    for sentence in sentences:
        assert sentence in text
    for name, value in typed.items():
        if name in ("patient", "clinician", "indication") or value == "":
            continue
        assert value in robin.page, name
    assert "a word of mine" in robin.page
    if typed.get("patient") == known[0].id:
        assert f'value="{known[0].id}" checked' in robin.page
    with clinic.transaction() as session:
        assert referrals.count_open(session) == 0
        assert orders.find(session) == []
        assert directory.find_patients(session, "Quartermaine") == []
        assert directory.find_clinicians(session, "Sample") == []


def test_every_error_in_the_summary_leads_to_a_field_of_the_page(robin: Desk) -> None:
    send(robin, {"patient": "new", "clinician": "new"})
    links = {part.split('"')[0] for part in robin.page.split('<li><a href="#')[1:]}
    assert len(links) >= 6
    for link in links:
        assert f'id="{link}"' in robin.page


def test_a_patient_who_is_on_file_is_not_added_a_second_time(
    robin: Desk, known: tuple[Patient, Clinician]
) -> None:
    twin = {"patient": "new", "given": "maria jose", "family": "Nguyen", "birth_date": "1986-04-12"}
    text = send(robin, chosen(known), twin)
    assert "is on file already" in text


def test_chronic_pain_needs_no_recommendation_and_nobody_is_asked(
    robin: Desk, known: tuple[Patient, Clinician], clinic: ClinicFixture
) -> None:
    text = send(robin, chosen(known, FIBROMYALGIA), clinician="")
    assert robin.path.startswith("/orders/")
    assert "No recommendation is needed" in text
    with clinic.transaction() as session:
        assert referrals.count_open(session) == 0
        assert outbox.find(session) == []


def test_the_same_clinician_is_not_asked_twice_and_the_page_leads_to_the_first_request(
    robin: Desk, known: tuple[Patient, Clinician], clinic: ClinicFixture
) -> None:
    send(robin, chosen(known))
    first = robin.path
    robin.get("/requests/new")
    text = send(robin, chosen(known), ask_anyway="yes")
    assert robin.status == 409
    assert "being asked about this patient already" in text
    assert f'href="{first}"' in robin.page
    assert "Ask anyway" not in text
    with clinic.transaction() as session:
        assert referrals.count_open(session) == 1


def test_a_second_clinician_is_asked_only_on_purpose_and_for_the_same_order(
    robin: Desk, known: tuple[Patient, Clinician], clinic: ClinicFixture
) -> None:
    send(robin, chosen(known))
    robin.get("/requests/new")
    assert "tick “Ask anyway”" in send(robin, chosen(known), NEW_CLINICIAN)
    assert robin.status == 409
    send(robin, chosen(known), NEW_CLINICIAN, ask_anyway="yes")
    assert robin.path.startswith("/requests/")
    with clinic.transaction() as session:
        open_requests = referrals.find(session, is_open=True)
        assert len(open_requests) == 2
        assert len({referral.order_id for referral in open_requests}) == 1


def test_an_order_that_waits_is_prefilled_and_used(
    robin: Desk, known: tuple[Patient, Clinician], clinic: ClinicFixture
) -> None:
    with clinic.transaction() as session:
        order = people.order(session, clinic, known[0], people.DEPRESSION)
    page = robin.get(f"/requests/new?patient={known[0].id}&order={order.id}")
    assert "recurrent depression" in page
    assert 'value="6"' in robin.page
    send(robin, chosen(known))
    with clinic.transaction() as session:
        assert referrals.get(session, robin.path.removeprefix("/requests/")).order_id == order.id


def test_without_script_the_find_button_searches_and_keeps_what_was_chosen(
    robin: Desk, known: tuple[Patient, Clinician]
) -> None:
    words = {
        "patient_query": "nguy",
        "indication_query": "fibromyalgia",
        "clinician_query": "okafor",
        **COURSE,
    }
    text = robin.post("/requests/new", {"action": "find", "indication": DEPRESSION, **words})
    assert robin.status == 200
    assert "Not sent yet" not in text
    for value in (known[0].id, known[1].id, FIBROMYALGIA):
        assert f'value="{value}"' in robin.page
    assert f'value="{DEPRESSION}" checked' in robin.page
    assert 'value="2026-12-01"' in robin.page


def test_the_preview_says_what_sending_would_do_and_does_nothing(
    robin: Desk, known: tuple[Patient, Clinician], clinic: ClinicFixture
) -> None:
    text = robin.post("/requests/new/preview", chosen(known))
    assert "Recommendation needed" in text
    assert "e-mail to okafor@beaconhill.example, verified" in text
    assert "Please answer by" in text
    assert "Major depressive disorder, recurrent severe without psychotic features (F33.2)" in text
    assert "Send request" in text
    with clinic.transaction() as session:
        assert orders.find(session) == []
        assert outbox.find(session) == []
        looks = [row.subtype for row in audit.find(session, patient_id=known[0].id)]
    assert looks.count("preview-request") == 1


def test_a_code_outside_clinic_policy_is_sent_but_said_to_be_blocked(
    robin: Desk, known: tuple[Patient, Clinician]
) -> None:
    assert "Not in clinic policy" in robin.post("/requests/new/preview", chosen(known, f"{ICD_10_CM}|R52"))
    robin.get("/requests/new")
    text = send(robin, chosen(known, f"{ICD_10_CM}|R52"))
    assert "Indication not classified: Pain, unspecified (R52)" in text


def test_the_codes_are_read_before_anybody_searches_for_one(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    desk = open_desk(clinic)
    for page in ("/", "/requests/new"):
        find_indications.BEGUN.clear()
        desk.get(page)
        assert find_indications.BEGUN.is_set(), page
    # At the door already, where somebody types a password for longer than it takes.
    desk.client.cookies.clear()
    find_indications.BEGUN.clear()
    desk.get("/sign-in")
    assert find_indications.BEGUN.is_set()
