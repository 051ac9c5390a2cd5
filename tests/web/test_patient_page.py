"""From the mail of business day 8 to the patient's own page, in Spanish, by a real mail server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from referral.domain.codes import Channel
from referral.domain.consent import ConsentScope
from referral.domain.credential import Minted, mint
from referral.domain.outgoing import MessageKind
from referral.letters.render import Renderer
from referral.services.deliver_messages import deliver_due
from referral.services.keep_directory import NewPatient, add_patient
from referral.services.queue_message import queue_message
from referral.services.send_reminders import send_reminders
from referral.storage import audit, consents, contacts, outbox, patient_links, referrals
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.services.conftest import renderer  # noqa: F401 - a fixture
from tests.services.sending import delivery
from tests.smtp import smtp_server
from tests.web.client import application
from tests.web.portal_case import BORN, Case, serve

MAIL = "maren@home.example"
TOLD = re.compile(r"(?i)ketamin|depress|depresi|F33|psych|psiq|psiqui|infusi|recommend|recomend|diagn")


@pytest.fixture(params=["es"])
def case(clinic: ClinicFixture, request: pytest.FixtureRequest) -> Case:
    with clinic.transaction() as session:
        new = NewPatient(
            given="Maren",
            family="Quillfeather",
            birth_date=BORN.isoformat(),
            email=MAIL,
            language=request.param,
        )
        patient = add_patient(session, clinic.actor, new, NOW)
        asked = people.clinician(session, clinic)
        (referral,) = people.ask(session, clinic, people.order(session, clinic, patient), asked)
    return Case(clinic, referral, patient, asked)


@pytest.fixture
def client(case: Case) -> Iterator[httpx.Client]:
    headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    with (
        serve(application(case.clinic, case.clock)) as address,
        httpx.Client(
            verify=False, base_url=address, timeout=60, follow_redirects=True, headers=headers
        ) as client,
    ):
        yield client


def link(case: Case) -> Minted:
    """As a message would have carried it."""
    minted = mint()
    with case.clinic.transaction() as session:
        (contact,) = contacts.of_patients(session, [case.patient.id])[case.patient.id]
        queue_message(session, case.referral, MessageKind.PATIENT_STATUS, contact, case.clock.now)
        sent = outbox.to_patient(session, case.patient.id)[0]
        new = patient_links.NewPatientLink(
            minted=minted,
            patient_id=case.patient.id,
            message_id=sent.id,
            expires_at=case.clock.now + timedelta(days=14),
        )
        patient_links.add_many(session, [new], case.clock.now)
    return minted


def path_of(minted: Minted) -> str:
    return f"/p/{minted.selector}/{minted.secret}"


def send(client: httpx.Client, path: str, page: httpx.Response, **values: str) -> httpx.Response:
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    return client.post(path, data={**hidden, **values})


def born(client: httpx.Client, page: httpx.Response, year: int = BORN.year) -> httpx.Response:
    values = {"birth_month": str(BORN.month), "birth_day": str(BORN.day), "birth_year": str(year)}
    return send(client, "/status/birth-date", page, **values)


def test_business_day_8_from_the_sweep_to_the_page_in_spanish(
    case: Case,
    client: httpx.Client,
    renderer: Renderer,  # noqa: F811 - the fixture
) -> None:
    with case.clinic.transaction() as session:
        referrals.change(session, case.referral, climbed=3, next_step_at=NOW)
        send_reminders(session, NOW.replace(day=16, hour=16, minute=5))
    case.clock.now = NOW.replace(day=16, hour=18)
    with smtp_server() as (mailbox, port):
        deliver_due(delivery(case.clinic, renderer, case.clock.now, port), case.clinic.id)
    (mail,) = [m for m in mailbox.messages if m["To"] == MAIL]
    words = f"{mail['Subject']}\n{mail.get_content()}"
    assert "Todavía esperamos un formulario de otro consultorio." in words
    assert not TOLD.search(words)
    assert "Quillfeather" not in words
    found = re.search(r"https://portal\.example(/p/[\w-]+/[\w-]+)", words)
    assert found is not None
    # The first page is the same for every link, and says nothing about anybody.
    door = client.get(found[1])
    assert door.content == client.get("/p/AAAAAAAAAAAAAAAA/wrong").content
    check = client.post(found[1])
    assert check.url.path == "/status"
    assert "Su fecha de nacimiento" in check.text
    assert "Maren" not in check.text
    page = born(client, check)
    assert "Esperamos un formulario" in page.text
    assert "Un formulario del consultorio de Chidi Okafor" in page.text
    assert "Lo pedimos el" in page.text
    assert 'lang="es"' in page.text
    assert not TOLD.search(page.text)
    # A name alone: the practice is called a psychiatry.
    assert "Beacon Hill" not in page.text
    assert "We are waiting for one form" in client.get("/status?language=en").text
    with case.clinic.transaction() as session:
        rows = audit.find(session, patient_id=case.patient.id, limit=200)
    assert {"disclose", "patient-link-opened", "patient-birth-date", "patient-status"} <= {
        row.subtype for row in rows
    }
    # The answer is not told, only that it is here.
    with case.clinic.transaction() as session:
        people.respond_with(session, case.clinic, referrals.get(session, case.referral.id))
    page = client.get("/status?language=es")
    assert "Ya llegó" in page.text
    assert not TOLD.search(page.text)


def test_a_patients_link_opens_no_request_and_a_clinicians_no_patients_page(
    case: Case, client: httpx.Client
) -> None:
    theirs, ours = case.link(Channel.EMAIL), link(case)
    assert client.post(f"/r/{ours.selector}/{ours.secret}").status_code == 403
    assert client.post(path_of(theirs)).status_code == 403
    born(client, client.post(path_of(ours)))
    assert "Esperamos" in client.get("/status").text
    shown = client.get("/request").text
    assert "Maren" not in shown
    assert "depress" not in shown


def test_ten_wrong_dates_stop_the_link_and_only_the_clinic_helps(case: Case, client: httpx.Client) -> None:
    minted = link(case)
    page = client.post(path_of(minted))
    for _ in range(4):
        page = born(client, page, 1901)
        assert page.status_code == 400
    assert "15 minutos" in born(client, page, 1901).text
    # The pause holds the right date back as well.
    assert client.get("/status").status_code == 403
    case.clock.forward(16 * 60)
    page = client.post(path_of(minted))
    for _ in range(4):
        page = born(client, page, 1901)
    assert "llámenos" in born(client, page, 1901).text
    assert client.post(path_of(minted)).status_code == 403
    assert client.post("/status/fresh-link", data={"selector": minted.selector}).status_code == 200
    with case.clinic.transaction() as session:
        sent = outbox.to_patient(session, case.patient.id)
        frozen = patient_links.get(session, minted.selector)
    assert MessageKind.PATIENT_LINK not in {m.kind for m in sent}
    assert frozen is not None
    assert frozen.attempts == 10
    # The clinician's reminders have nothing to do with it.
    assert case.state().held_at is None


def test_the_patient_says_no_to_messages_and_yes_again(case: Case, client: httpx.Client) -> None:
    page = born(client, client.post(path_of(link(case))))
    assert "Puede detener estos mensajes" in page.text
    page = send(client, "/status/messages", page)
    assert "Usted nos pidió que no le escribamos." in page.text
    with case.clinic.transaction() as session:
        assert consents.has_withdrawn(session, case.patient.id, ConsentScope.PATIENT_MESSAGES)
        assert not consents.has_withdrawn(session, case.patient.id, ConsentScope.RECOMMENDER)
        # What waited to leave does not.
        assert {m.state for m in outbox.to_patient(session, case.patient.id)} == {"cancelled"}
    page = send(client, "/status/messages", page)
    assert "Puede detener estos mensajes" in page.text


def test_an_old_link_brings_a_fresh_one_to_the_contact_on_file_alone(
    case: Case, client: httpx.Client
) -> None:
    minted = link(case)
    case.clock.forward(15 * 24 * 3600)
    answer = client.post(path_of(minted), headers={"Accept-Language": "es-MX,es;q=0.9"})
    assert answer.status_code == 403
    assert "Este enlace no se puede usar ahora" in answer.text
    known = send(client, "/status/fresh-link", answer)
    unknown = client.post("/status/fresh-link", data={"selector": "AAAAAAAAAAAAAAAA"})
    strip = re.compile(r"\s+")
    assert strip.sub(" ", known.text) == strip.sub(" ", unknown.text)
    for _ in range(4):
        send(client, "/status/fresh-link", answer)
    with case.clinic.transaction() as session:
        sent = [m for m in outbox.to_patient(session, case.patient.id) if m.kind is MessageKind.PATIENT_LINK]
    assert len(sent) == 3


def test_no_form_is_taken_without_its_token_or_before_the_check(case: Case, client: httpx.Client) -> None:
    page = client.post(path_of(link(case)))
    assert client.post("/status/messages", data={"wanted": "no"}).status_code == 403
    send(client, "/status/messages", page, wanted="no")
    with case.clinic.transaction() as session:
        assert not consents.has_withdrawn(session, case.patient.id, ConsentScope.PATIENT_MESSAGES)
    send(client, "/status/leave", page)
    assert client.get("/status").text.count("birth_month") == 0


def test_visits_end_by_themselves(case: Case, client: httpx.Client) -> None:
    born(client, client.post(path_of(link(case))))
    case.clock.forward(16 * 60)
    assert "birth_month" not in client.get("/status").text
    assert "Chidi" not in client.get("/status").text
