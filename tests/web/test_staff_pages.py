"""Today, patients, directory, outbox, documents and the look-ups of the type-ahead."""

from __future__ import annotations

import re
import uuid
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from referral.domain.calls import CallReason
from referral.domain.codes import Role
from referral.domain.outgoing import MessageState
from referral.domain.policy import ICD_10_CM, Indication
from referral.domain.records import Referral
from referral.services.ask_clinic import ask_clinic
from referral.services.queue_call import queue_call
from referral.services.request_recommendation import NewOrder, place_order
from referral.storage import audit, directory, documents, outbox, referrals, tables
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.web.desk import Desk, OpenDesk

LINK = "http://127.0.0.1:8000/r/selector/secret"


@pytest.fixture
def referral(clinic: ClinicFixture) -> Referral:
    with clinic.transaction() as session:
        return people.asked_once(session, clinic)


@pytest.fixture
def robin(clinic: ClinicFixture, open_desk: OpenDesk) -> Desk:
    return open_desk(clinic)


def section(desk: Desk, heading: str) -> str:
    """The text of one section of Today."""
    text = desk.get("/")
    start = text.index(heading)
    ends = [text.index(other) for other in ("Next infusions", "Needs me", "To call") if other in text]
    return text[start : min((end for end in ends if end > start), default=len(text))]


def keep(session: Session, kind: str, content: bytes, referral: Referral, content_type: str) -> str:
    made = str(uuid.uuid4())
    documents.add(
        session,
        id=made,
        kind=kind,
        content_type=content_type,
        content=content,
        now=NOW,
        patient_id=referral.patient_id,
        referral_id=referral.id,
    )
    return made


# ---- Today


def test_a_quiet_day_says_so(robin: Desk) -> None:
    text = robin.get("/")
    for sentence in ("No infusions are planned.", "Nothing waits for you.", "Nobody to call."):
        assert sentence in text


def test_the_next_chairs_show_the_gate_with_its_reason_and_one_step(
    clinic: ClinicFixture, robin: Desk
) -> None:
    with clinic.transaction() as session:
        patient, clinician = people.patient(session, clinic), people.clinician(session, clinic)
        new = NewOrder(
            patient_id=patient.id, indications=(people.DEPRESSION,), first_infusion_on=date(2026, 11, 12)
        )
        people.ask(session, clinic, place_order(session, clinic.actor, new, NOW), clinician)
        past = NewOrder(
            patient_id=patient.id, indications=(people.PAIN,), first_infusion_on=date(2026, 11, 2)
        )
        place_order(session, clinic.actor, past, NOW)
    row = section(robin, "Next infusions")
    assert "Thu, Nov 12 No chair booked Maria José Nguyễn recurrent depression (F33.2) Closed" in row
    assert "Consultation not recorded. The letter to Chidi Okafor, MD goes out by e-mail now." in row
    assert "See request" in row
    assert "chronic pain" not in row


def test_a_letter_that_did_not_arrive_waits_for_a_person_until_the_next_one_goes(
    clinic: ClinicFixture, robin: Desk, referral: Referral
) -> None:
    with clinic.transaction() as session:
        message = outbox.find(session, referral_id=referral.id)[0]
        outbox.move(session, message, MessageState.FAILED, last_error="550", finished_at=NOW)
    assert "The letter to Chidi Okafor, MD by e-mail did not arrive." in section(robin, "Needs me")
    robin.get(f"/requests/{referral.id}")
    robin.post(f"/requests/{referral.id}/resend", resend_channel="fax")
    assert "did not arrive" not in section(robin, "Needs me")


def test_a_clinician_who_is_locked_out_waits_for_a_person_until_a_fresh_link_goes(
    clinic: ClinicFixture, robin: Desk, referral: Referral
) -> None:
    with clinic.transaction() as session:
        referrals.note(session, referral.id, "portal-frozen", "selector-1", NOW)
    needs = section(robin, "Needs me")
    assert "Link locked" in needs
    assert "Ten wrong tries have locked the link to Chidi Okafor, MD." in needs
    assert "Link locked after ten wrong tries" in robin.get(f"/requests/{referral.id}")
    robin.post(f"/requests/{referral.id}/resend", resend_channel="fax")
    assert "Link locked" not in section(robin, "Needs me")


def test_a_missing_date_of_birth_that_keeps_a_clinician_out_is_on_the_board_until_it_is_there(
    clinic: ClinicFixture, robin: Desk, referral: Referral
) -> None:
    def set_birth_date(born: date | None) -> None:
        with clinic.transaction() as session:
            session.connection.execute(update(tables.patient).values(birth_date=born))

    with clinic.transaction() as session:
        referrals.note(session, referral.id, "portal-no-birth-date", "selector-1", NOW)
    set_birth_date(None)
    assert "the date of birth of the patient is not on file" in section(robin, "Needs me")
    set_birth_date(date(1986, 4, 12))
    assert "date of birth" not in section(robin, "Needs me")


def test_answers_refusals_questions_and_unknown_codes_need_somebody(
    clinic: ClinicFixture, robin: Desk, open_desk: OpenDesk
) -> None:
    with clinic.transaction() as session:
        clinician = people.clinician(session, clinic)
        asked = {}
        for family in ("Review", "Refusal", "Question", "Return", "Callback"):
            patient = people.patient(session, clinic, given="Ann", family=family)
            asked[family] = people.ask(session, clinic, people.order(session, clinic, patient), clinician)[0]
        unknown = people.patient(session, clinic, given="Ann", family="Unknown")
        people.order(session, clinic, unknown, Indication(ICD_10_CM, "R52", "Pain, unspecified"))
        weighed = people.answers("recommended-with-conditions", conditions="Slowly.")
        people.respond_with(session, clinic, asked["Review"], weighed)
        against = people.answers("not-recommended", reason_code="unstable", reason="Not now.")
        people.respond_with(session, clinic, asked["Refusal"], against)
        people.respond_with(session, clinic, asked["Return"], people.answers("not-my-patient"))
        portal = people.portal_actor(clinic)
        ask_clinic(session, portal, asked["Question"].id, "question", "Which dose?", NOW)
        ask_clinic(session, portal, asked["Callback"].id, "call", "", NOW)
    needs = section(robin, "Needs me")
    for words in (
        "Ann Review Answer to review",
        "Ann Refusal Not recommended",
        "Ann Question Clinician asks",
        "Ann Return Not their patient",
        "Ann Unknown Not classified",
        "the medical director can classify it",
    ):
        assert words in needs
    assert "Callback" not in needs
    assert "Which dose?" not in needs
    assert "Asks to be called" in section(robin, "To call")
    assert "can classify it" not in section(open_desk(clinic, Role.MEDICAL_DIRECTOR), "Needs me")


def test_who_has_not_answered_after_the_third_rung_is_to_be_called(
    clinic: ClinicFixture, robin: Desk, referral: Referral
) -> None:
    assert "Nobody to call." in section(robin, "To call")
    with clinic.transaction() as session:
        late = referrals.change(session, referral, climbed=3, started_at=NOW - timedelta(days=8))
        queue_call(session, late, CallReason.LADDER, NOW)
    words = "Chidi Okafor, MD about Maria José Nguyễn No answer yet Waiting 6 business days."
    assert words in section(robin, "To call")


# ---- Patients and directory


def test_patients_are_found_by_name_and_date_of_birth_and_each_look_is_recorded(
    clinic: ClinicFixture, robin: Desk, referral: Referral
) -> None:
    for query in ("nguyen", "jose+ngu", "1986-04-12"):
        assert "Maria José Nguyễn" in robin.get(f"/patients?q={query}")
        assert "1 order, 1 open request" in robin.text
    assert "No patient matches." in robin.get("/patients?q=1986-04-13")
    text = robin.get(f"/patients/{referral.patient_id}")
    assert "born Apr 12, 1986" in text
    assert referral.number in text
    with clinic.transaction() as session:
        seen = [
            row.subtype for row in audit.find(session, patient_id=referral.patient_id) if row.action == "R"
        ]
    assert seen == ["patient", *["list-patients"] * 3]


def test_a_clinician_is_added_found_by_city_and_verified_by_somebody_else(
    clinic: ClinicFixture, robin: Desk, open_desk: OpenDesk
) -> None:
    robin.get("/directory/new")
    robin.post("/directory/new", clinician_given="Ada", npi="123", clinician_fax="1")
    assert robin.status == 400
    for field in ("clinician_family", "clinician_kind", "npi", "clinician_fax"):
        assert f'id="{field}-error"' in robin.page
    assert 'value="Ada"' in robin.page
    form = {
        "clinician_given": "Ada",
        "clinician_family": "Sample",
        "clinician_kind": "nurse-practitioner",
        "time_zone": "",
        "clinician_fax": "312-555-0123",
        "address_line1": "1 Example Road",
        "city": "Springfield",
        "address_state": "IL",
        "postal_code": "62701",
    }
    hidden = robin.hidden()
    text = robin.post("/directory/new", form)
    assert "The clinician is in the directory" in text
    assert "does not accept a recommendation from a nurse practitioner" in text
    page = robin.path
    assert "is in the directory already" in robin.post("/directory/new", form, **hidden)
    assert robin.path == page
    assert "Ada Sample" in robin.get("/directory?q=springfield")
    robin.get(page)
    assert "please ask a colleague to call" in robin.text
    contact = re.findall(rf'href="({page}/contacts/[^"]+)"', robin.page)[0]
    robin.get(contact)
    assert "a colleague has to call" in robin.text
    assert "/verify" not in robin.page
    nico = open_desk(clinic, Role.CLINICIAN)
    nico.get(page)
    assert "please ask a colleague" not in nico.text
    refused = robin.post(f"{contact}/verify", spoke_with="Ana")
    assert robin.status == 403
    assert "Somebody else of the clinic has to call." in refused
    nico.get(contact)
    assert "Whom did you speak with?" in nico.post(f"{contact}/verify", spoke_with="")
    assert "The contact is verified" in nico.post(f"{contact}/verify", spoke_with="Ana")
    assert "by a call with Ana" in nico.text
    with clinic.transaction() as session:
        added = directory.get_clinician(session, page.removeprefix("/directory/"))
    assert [contact.is_verified for contact in added.contacts].count(True) == 1
    assert added.time_zone == "America/Chicago"
    nico.post(f"{page}/contacts/no-such-contact/verify", spoke_with="Ana")
    assert nico.status == 404


# ---- Outbox and documents


def deliver(session: Session, referral: Referral, *, real: bool) -> str:
    """As a worker leaves it: a mail with its link, and the letter."""
    letter = keep(session, "request-letter", b"%PDF-1.7 letter", referral, "application/pdf")
    head = "Subject: A secure request\r\nContent-Type: text/plain; charset=utf-8\r\n"
    mail = f"{head}\r\nHello,\r\n{LINK}\r\n".encode()
    envelope = keep(session, "envelope", mail, referral, "message/rfc822")
    claimed = outbox.find(session, referral_id=referral.id)[0]
    done: dict[str, Any] = {
        "letter_id": letter,
        "envelope_id": envelope,
        "sent_for_real": real,
        "finished_at": NOW,
    }
    outbox.move(session, claimed, MessageState.ACCEPTED, **done)
    return str(claimed.id)


def test_what_was_kept_here_is_shown_with_its_link_and_called_not_sent(
    clinic: ClinicFixture, robin: Desk, referral: Referral
) -> None:
    with clinic.transaction() as session:
        message = deliver(session, referral, real=False)
    assert "Kept here, not sent" in robin.get("/outbox")
    assert "No provider is set up for e-mail, fax and text message" in robin.text
    text = robin.get(f"/outbox/{message}")
    assert "Not sent" in text
    assert "A secure request" in text
    assert f'href="{LINK}"' in robin.page


def test_what_really_left_is_shown_without_its_link(
    clinic: ClinicFixture, robin: Desk, referral: Referral
) -> None:
    with clinic.transaction() as session:
        message = deliver(session, referral, real=True)
    text = robin.get(f"/outbox/{message}")
    assert "only in the recipient's copy" in text
    assert "secret" not in robin.page
    assert "Not sent" not in text


def test_the_outbox_is_filtered_by_state_number_and_recipient(
    clinic: ClinicFixture, robin: Desk, referral: Referral
) -> None:
    for query, shown in (
        ("?state=waiting", True),
        ("?state=sent", False),
        (f"?q={referral.number}", True),
        ("?q=okafor", True),
        ("?q=beaconhill", True),
        ("?q=lee", False),
    ):
        text = robin.get(f"/outbox{query}")
        assert ("By e-mail to okafor@beaconhill.example" in text) is shown, query
    for unknown in (str(uuid.uuid4()), "nonsense"):
        robin.get(f"/outbox/{unknown}")
        assert robin.status == 404


def test_a_letter_is_shown_in_the_browser_and_the_look_is_recorded(
    clinic: ClinicFixture, robin: Desk, referral: Referral
) -> None:
    with clinic.transaction() as session:
        letter = keep(session, "request-letter", b"%PDF-1.7 letter", referral, "application/pdf")
    response = robin.client.get(f"/documents/{letter}")
    assert response.content == b"%PDF-1.7 letter"
    assert response.headers["content-type"] == "application/pdf"
    assert response.headers["content-disposition"] == 'inline; filename="request-letter.pdf"'
    assert "frame-ancestors 'self'" in response.headers["content-security-policy"]
    with clinic.transaction() as session:
        looks = audit.find(session, entity=f"DocumentReference/{letter}")
    assert [(row.subtype, row.actor_id, row.patient_id) for row in looks] == [
        ("document", robin.user_id, referral.patient_id)
    ]


def test_a_signed_answer_is_for_clinical_staff_and_evidence_for_no_page(
    clinic: ClinicFixture, robin: Desk, referral: Referral, open_desk: OpenDesk
) -> None:
    with clinic.transaction() as session:
        receipt = keep(session, "receipt", b"%PDF-1.7 answer", referral, "application/pdf")
        evidence = keep(session, "evidence", b"{}", referral, "application/json")
    robin.get(f"/documents/{receipt}")
    assert robin.status == 403
    nico = open_desk(clinic, Role.CLINICIAN)
    assert nico.client.get(f"/documents/{receipt}").content == b"%PDF-1.7 answer"
    nico.get(f"/documents/{evidence}")
    assert nico.status == 404
    with clinic.transaction() as session:
        outcomes = {
            row.actor_id: row.outcome for row in audit.find(session, entity=f"DocumentReference/{receipt}")
        }
    assert outcomes == {robin.user_id: "8", nico.user_id: "0"}


# ---- Look-ups


def look_up(robin: Desk, what: str, **query: str) -> dict[str, Any]:
    answer: dict[str, Any] = robin.client.get(f"/lookups/{what}", params=query).json()
    return answer


def test_patients_and_clinicians_are_looked_up_with_warnings(clinic: ClinicFixture, robin: Desk) -> None:
    with clinic.transaction() as session:
        patient = people.patient(session, clinic)
        people.clinician(session, clinic, given="Tara", family="Quinn", kind="nurse-practitioner", npi="")
        first = people.clinician(session, clinic)
        people.ask(session, clinic, people.order(session, clinic, patient), first)
    found = look_up(robin, "patients", q="ngu")
    assert found == {
        "items": [
            {"value": patient.id, "label": "Maria José Nguyễn", "detail": "born Apr 12, 1986", "warning": ""}
        ],
        "more": False,
    }
    assert look_up(robin, "patients", q="") == {"items": [], "more": False}
    assert look_up(robin, "clinicians", q="quinn")["items"][0]["warning"] == "Not accepted by clinic policy"
    assert look_up(robin, "clinicians", q="") == {"items": [], "more": False}
    recent = look_up(robin, "clinicians", q="", patient=patient.id)["items"]
    assert [item["value"] for item in recent] == [first.id]
    with clinic.transaction() as session:
        assert any(row.subtype == "search-patients" for row in audit.find(session))


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("depression", "F33.2"),
        ("MDD", "F33.2"),
        ("ptsd", "F43.10"),
        ("OCD", "F42.9"),
        ("bipolar", "F31.81"),
        ("anxiety", "F41.1"),
        ("fibromyalgia", "M79.7"),
        ("CRPS", "G90.50"),
        ("fibro", "M79.7"),
        ("migraine", "G43.709"),
        ("back pain", "M54.50"),
        ("neuropathic", "G62.9"),
        ("chronic pain", "G89.4"),
        ("f33.2", "F33.2"),
        ("F332", "F33.2"),
        ("postpartum depression", "F53.0"),
    ],
)
def test_indications_are_found_by_the_words_that_clinics_use(robin: Desk, words: str, first: str) -> None:
    item = look_up(robin, "indications", q=words)["items"][0]
    assert item["value"] == f"{ICD_10_CM}|{first}"
    assert item["warning"] == ""


def test_a_code_outside_the_policy_comes_with_a_warning_and_nonsense_finds_nothing(robin: Desk) -> None:
    assert look_up(robin, "indications", q="R52")["items"][0]["warning"] == "Not classified"
    assert look_up(robin, "indications", q="zzzz") == {"items": [], "more": False}
    many = look_up(robin, "indications", q="pain")
    assert (len(many["items"]), many["more"]) == (10, True)


@pytest.mark.parametrize(
    "path", ["/lookups/patients?q=%00", "/orders?q=%00%27", "/outbox?q=%25%25", "/patients?q=_"]
)
def test_odd_characters_are_only_characters(robin: Desk, path: str) -> None:
    robin.get(path)
    assert robin.status == 200
