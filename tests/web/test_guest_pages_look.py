"""The pages beside the way of an answer, for guests, patients and the desk: accessible at both widths."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO

import httpx
import pikepdf
import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, Page

from referral.domain.codes import Role
from referral.domain.credential import Minted, mint
from referral.domain.language import Language
from referral.domain.outgoing import MessageKind
from referral.domain.scales import FORMS, Scale, Source
from referral.letters.seal import Sealer
from referral.services import note_delivery
from referral.services.ask_scales import ask_scales
from referral.services.book_chair import NewBooking, book_chair
from referral.services.keep_chairs import add_chair
from referral.services.keep_scale import Filling, keep_scale
from referral.services.queue_message import queue_message
from referral.services.treat import record_consultation, start_treatment
from referral.services.write_to_clinician import write_to_clinician
from referral.storage import clinics, contacts, documents, outbox, patient_links, referrals, resources
from referral.translation import say
from tests.browser import run_chromium
from tests.database import NOW, ClinicFixture
from tests.journeys.looking import look
from tests.services.bookings import slot
from tests.web.client import application
from tests.web.desk import desk
from tests.web.portal_case import BORN, DETAILS, SIGNER, Browser, Case, make_case, serve
from tests.web.test_portal_follow_up import its_link, treat_and_ask

# In English and in light they are in test_every_page_looks.py; Spanish takes more room.
_GUESTS = [("es-MX", "dark")]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with run_chromium() as launched:
        yield launched


@pytest.fixture
def case(clinic: ClinicFixture) -> Case:
    return make_case(clinic)


@pytest.fixture
def address(case: Case) -> Iterator[str]:
    with serve(application(case.clinic, case.clock)) as found:
        yield found


@dataclass(frozen=True, slots=True)
class Walk:
    """One person's way from page to page; each that is passed is looked at."""

    page: Page
    name: str

    def to(self, path: str, name: str) -> None:
        self.page.goto(path)
        self.see(name)

    def see(self, name: str) -> None:
        look(self.page, f"{self.name}-{name}")

    def press(self, text: str) -> None:
        language = Language(self.page.locator("html").get_attribute("lang") or "")
        self.page.get_by_role("button", name=say(language, text), exact=True).first.click()

    def heading(self, text: str) -> bool:
        language = Language(self.page.locator("html").get_attribute("lang") or "")
        return self.page.get_by_role("heading", level=1).inner_text() == say(language, text)


def walk(chromium: Chromium, address: str, name: str, locale: str, scheme: str) -> Walk:
    # A colour on its way to another is measured as neither.
    context = chromium.new_context(
        base_url=address,
        locale=locale,
        color_scheme=scheme,  # type: ignore[arg-type]
        reduced_motion="reduce",
    )
    return Walk(context.new_page(), f"{name}-{locale[:2]}-{scheme}")


def lend(context: BrowserContext, client: httpx.Client, address: str) -> None:
    """Go on with a visit that was begun without a browser."""
    found = [{"name": name, "value": value, "url": address} for name, value in client.cookies.items()]
    context.add_cookies(found)  # type: ignore[arg-type]


@pytest.mark.parametrize(("locale", "scheme"), _GUESTS)
def test_what_stands_beside_the_answer_is_calm(
    case: Case, address: str, chromium: Chromium, locale: str, scheme: str
) -> None:
    way = walk(chromium, address, "portal", locale, scheme)
    with httpx.Client(base_url=address, timeout=60) as client:
        visit = Browser(case, client)
        visit.identify_by_fax()
        lend(way.page.context, client, address)
        for about in ("question", "call", "colleague"):
            way.to(f"/request/ask/{about}", f"ask-{about}")
        way.press("Send")
        way.see("ask-nothing-filled-in")
        for about in ("left", "wrong-address"):
            way.to(f"/request/not-for-me/{about}", f"not-for-me-{about}")
        for about in ("question", "call", "colleague", "left", "wrong-address"):
            way.to(f"/request/asked/{about}", f"asked-{about}")
        way.to("/request/assistant", "assistant")
        way.press("Continue")
        way.see("assistant-nothing-filled-in")
        way.to("/request/upload", "upload")
        way.press("Send the letter")
        way.see("upload-nothing-chosen")
        way.to("/request/uploaded", "uploaded")
        way.to("/request/nowhere", "error")
        visit.get("/request/ask/question")
        visit.post("/request/ask/question", {"text": "Does she still see her counsellor, and how often?"})
        written(
            case, "Every other week since May. Would you like us to ask the counsellor for a note as well?"
        )
        way.to("/request/conversation", "conversation")
        assert way.page.locator("time").count() == 2
        way.press("Send")
        way.see("conversation-nothing-written")
        way.to("/request", "request-with-messages")
        signed(visit)
        way.to("/request/since", "since-before")
        treated(case)
        way.to("/request/since", "since-under-way")
        assert way.heading("What happened since")
    way.page.context.close()


@pytest.mark.parametrize(("locale", "scheme"), _GUESTS)
def test_the_question_about_a_visit_is_calm(
    case: Case, address: str, chromium: Chromium, locale: str, scheme: str
) -> None:
    treat_and_ask(case)
    way = walk(chromium, address, "portal", locale, scheme)
    with httpx.Client(base_url=address, timeout=60) as client:
        visit = Browser(case, client)
        visit.open(its_link(case))
        visit.give_birth_date()
        lend(way.page.context, client, address)
    way.to("/request", "visit-asked")
    way.press("Send")
    way.see("visit-nothing-chosen")
    way.page.locator('[name="outcome"][value="moved"]').check()
    way.see("visit-moved-chosen")
    way.press("Send")
    way.see("visit-moved-nowhere")
    way.page.locator('[name="moved_to"]').fill("2026-12-18")
    way.press("Send")
    way.see("visit-moved")
    way.page.locator("summary").click()
    way.page.locator('[name="outcome"][value="seen"]').check()
    way.page.locator('[name="seen_on"]').fill("2026-12-02")
    way.press("Send")
    way.see("visit-seen")
    assert way.heading("Thank you")
    way.page.context.close()


def written(case: Case, words: str) -> None:
    with case.clinic.transaction() as session:
        version = referrals.get(session, case.referral.id).version
        write_to_clinician(session, case.clinic.actor, case.referral.id, version, words, NOW)


def signed(visit: Browser) -> None:
    visit.get("/request")
    visit.post("/request/decision", {"decision": "recommended"})
    visit.post("/request/details", {**DETAILS, "action": "continue"})
    assert visit.post("/request/sign", SIGNER).status_code == 200


def treated(case: Case) -> None:
    order_id = case.referral.order_id
    with case.clinic.transaction() as session:
        record_consultation(session, case.clinic.actor, order_id, NOW, NOW)
        start_treatment(session, case.clinic.actor, order_id, case.patient.id, NOW)
        add_chair(session, case.clinic.actor, "By the window", NOW)
        book_chair(session, case.clinic.actor, NewBooking(order_id=order_id, slot=slot()), NOW)


@pytest.mark.parametrize(("locale", "scheme"), _GUESTS)
def test_the_page_of_the_seal_is_calm_whatever_it_finds(
    case: Case, address: str, chromium: Chromium, locale: str, scheme: str
) -> None:
    way = walk(chromium, address, "verify", locale, scheme)
    reference, sealed = kept_record(case.clinic)
    changed = sealed.replace(b"/Rotate 0", b"/Rotate 9")
    assert changed != sealed
    way.to("/verify", "door")
    for name, content in (("unchanged", sealed), ("changed", changed), ("unknown", b"%PDF-1.7\n%%EOF")):
        file = {"name": "record.pdf", "mimeType": "application/pdf", "buffer": content}
        way.page.locator("#file").set_input_files(file)  # type: ignore[arg-type]
        way.press("Check the file")
        way.see(name)
    way.to(f"/verify/{reference}", "known-reference")
    way.to("/verify/00000000-0000-4000-8000-000000000000", "unknown-reference")
    way.page.context.close()


def kept_record(clinic: ClinicFixture) -> tuple[str, bytes]:
    """A small file with the clinic's seal, as a record of an answer would be kept."""
    plain, made = BytesIO(), pikepdf.new()
    made.add_blank_page().Rotate = 0
    made.save(plain)
    reference = "00000000-0000-4000-8000-00000000000a"
    with clinic.transaction() as session:
        found = clinics.current(session)
        key = session.vault.open(found.wrapped_key, found.seal_key, "seal-key")
        # Sealing has an event loop of its own, and the browser's runs in this thread.
        with ThreadPoolExecutor() as pool:
            sealed = pool.submit(Sealer(key).seal, plain.getvalue(), "Recorded answer", NOW).result()
        documents.add(
            session, id=reference, kind="receipt", content_type="application/pdf", content=sealed, now=NOW
        )
    return reference, sealed


# ---- The patient


def reached_by_mail(case: Case) -> None:
    with case.clinic.transaction() as session:
        points = [{"system": "email", "value": "maren@home.example"}]
        resources.amend(session, "Patient", case.patient.id, {"telecom": points}, NOW)


def patients_link(case: Case) -> Minted:
    """As the message of business day 8 would have carried it."""
    minted = mint()
    reached_by_mail(case)
    with case.clinic.transaction() as session:
        (contact,) = contacts.of_patients(session, [case.patient.id])[case.patient.id]
        queue_message(session, case.referral, MessageKind.PATIENT_STATUS, contact, NOW)
        new = patient_links.NewPatientLink(
            minted=minted,
            patient_id=case.patient.id,
            message_id=outbox.to_patient(session, case.patient.id)[0].id,
            expires_at=NOW + timedelta(days=14),
        )
        patient_links.add_many(session, [new], NOW)
    return minted


def born(way: Walk, year: int) -> None:
    for name, value in (("month", BORN.month), ("day", BORN.day), ("year", year)):
        way.page.locator(f"#birth_{name}").fill(str(value))
    way.press("Show my message")


@pytest.mark.parametrize(("locale", "scheme"), _GUESTS)
def test_the_patients_page_is_calm(
    case: Case, address: str, chromium: Chromium, locale: str, scheme: str
) -> None:
    way, minted = walk(chromium, address, "patient", locale, scheme), patients_link(case)
    way.to("/status", "closed")
    link = f"/p/{minted.selector}/{minted.secret}"
    way.to(link, "door")
    way.page.locator("form button").nth(0 if locale == "en-US" else 1).click()
    # The record says English; whoever reads chooses.
    way.to(f"/status?language={locale[:2]}", "birth-date")
    born(way, 1901)
    way.see("birth-date-wrong")
    born(way, BORN.year)
    assert way.page.locator(".badge--waiting").count() == 1
    way.see("status")
    way.press("Do not write to me")
    way.see("said-no")
    with case.clinic.transaction() as session:
        ask_scales(session, case.clinic.actor, case.referral.order_id, Scale, NOW)
    way.to("/status", "to-fill-in")
    for scale in Scale:
        way.to(f"/status/questions/{scale}", f"scale-{scale}")
    way.press("Send my answers")
    way.see("scale-nothing-answered")
    way.page.goto("/status/questions/phq-9")
    for question in FORMS[Scale.PHQ_9].questions:
        way.page.locator(f"input[name='{question.link_id}'][value='1']").check(force=True)
    way.press("Send my answers")
    way.see("crisis-line")
    signed_elsewhere(case)
    way.to("/status", "arrived")
    way.press("Close")
    way.page.goto("/p/AAAAAAAAAAAAAAAA/wrong")
    way.page.locator("form button").first.click()
    way.see("unusable")
    way.press("Send me a new link")
    way.see("fresh-link")
    way.page.goto(link)
    way.page.locator("form button").first.click()
    for _ in range(5):
        born(way, 1901)
    way.see("paused")
    way.page.context.close()


def signed_elsewhere(case: Case) -> None:
    with case.browser() as visit:
        visit.identify_by_fax()
        signed(visit)


# ---- The desk


@pytest.mark.parametrize("scheme", ["dark"])
def test_what_the_desk_does_for_a_patient_is_calm(
    case: Case, address: str, chromium: Chromium, scheme: str
) -> None:
    way = walk(chromium, address, "desk", "en-US", scheme)
    roles = (Role.FRONT_DESK, Role.AUDITOR, Role.MEDICAL_DIRECTOR)
    robin, auditor, nico = (desk(address, case.clinic, role) for role in roles)
    path = f"/patients/{case.patient.id}"
    with robin.client, auditor.client, nico.client:
        lend(way.page.context, robin.client, address)
        reached_by_mail(case)
        way.page.goto(path)
        way.page.get_by_text("Tell the patient that we wait").click()
        way.see("patient-tell")
        way.press("Send it")
        way.see("patient-told")
        way.page.get_by_text("Add a mobile number").click()
        way.page.get_by_label("Mobile number").fill("12")
        way.press("Keep it")
        way.see("patient-no-number")
        with case.clinic.transaction() as session:
            for message in outbox.find(session, referral_id=case.referral.id):
                note_delivery.accepted(session, message, NOW, is_real=True)
        way.to(f"{path}/disclosures", "disclosures")
        way.to(f"/uploads/{case.referral.id}", "upload")
        way.press("Upload")
        way.see("upload-nothing-chosen")
        way.page.context.clear_cookies()
        lend(way.page.context, nico.client, address)
        scales_are_calm(way, case)
        way.page.context.clear_cookies()
        lend(way.page.context, auditor.client, address)
        way.to("/audit", "audit")
    way.page.context.close()


def scales_are_calm(way: Walk, case: Case) -> None:
    """Filled in on a tablet, drawn over time, and a sign of self-harm until it is seen to."""
    order_id = case.referral.order_id
    for number, value in enumerate((3, 2, 0)):
        answers = {question.link_id: value for question in FORMS[Scale.PHQ_9].questions}
        new = Filling(
            id=f"filled-{number}",
            patient_id=case.patient.id,
            order_id=order_id,
            scale=Scale.PHQ_9,
            answers=answers,
            source=Source.STAFF,
        )
        with case.clinic.transaction() as session:
            keep_scale(session, case.clinic.actor, new, NOW - timedelta(days=30 - 10 * number))
    way.to(f"/orders/{order_id}/scales", "scales")
    way.press("Send a link")
    way.see("scales-nothing-chosen")
    way.to(f"/orders/{order_id}/scales/gad-7", "scale")
    way.to("/", "today-safety")
    way.page.get_by_role("link", name="Call now").first.click()
    sign = way.page.url
    way.see("safety")
    way.press("Record and settle")
    way.see("safety-nothing-said")
    way.page.get_by_label("Spoke with the patient; no danger now").check(force=True)
    way.page.get_by_label("What you found").fill("Called at ten; no plan; sees her therapist tomorrow.")
    way.press("Record and settle")
    way.to(sign, "safety-settled")
    way.to(f"/orders/{order_id}", "order-with-scales")
