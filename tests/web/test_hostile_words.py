"""Markup, scripts and odd characters in what records say about people, on every page that shows them."""

from __future__ import annotations

import html
import re

import pytest

from referral.domain.codes import Channel, Role
from referral.services.book_chair import NewBooking, book_chair
from referral.services.keep_chairs import add_chair
from referral.services.treat import record_consultation
from referral.storage import bookings, directory, orders, overrides, referrals
from tests.database import NOW, ClinicFixture, Clock
from tests.fhir_api.client import FhirClient, connect
from tests.fhir_api.people import ICD, condition, order, patient, practitioner, request, role
from tests.services.bookings import slot
from tests.storage import emergency
from tests.web.desk import OpenDesk
from tests.web.portal_case import Browser, Case

PAYLOADS = {
    "element": "<img src=x onerror=alert(1)>",
    "script": "</title><script>alert(1)</script>",
    "attribute": "\" onmouseover=alert(1) x='",
    "template": "{{ 7 * 7 }}{% raw %}${7*7}",
    "address": "javascript:alert(1)",
    "direction": "\u202eevil\u2066 👩🏽‍⚕️",
}


@pytest.fixture(params=list(PAYLOADS.values()), ids=list(PAYLOADS))
def case(clinic: ClinicFixture, request: pytest.FixtureRequest) -> Case:
    return hostile(clinic, str(request.param))


def hostile(clinic: ClinicFixture, word: str) -> Case:
    """A request in which everything that a record may say is the word."""
    fhir: FhirClient = connect(clinic)
    subject = f"Patient/{fhir.create(patient(name=[{'family': word, 'given': [word]}]))['id']}"
    coded = {"coding": [{"system": ICD, "code": "F33.2", "display": word}], "text": word}
    said = condition(subject)
    said["code"] = coded
    reason = f"Condition/{fhir.create(said)['id']}"
    person = fhir.create(
        practitioner(name=[{"family": word, "given": [word], "suffix": [word]}], address=[{"line": [word]}])
    )
    practice = fhir.create({"resourceType": "Organization", "name": word})
    points = [{"system": "fax", "value": "303-555-0120"}, {"system": "phone", "value": word}]
    asked = fhir.create(
        role(
            f"Practitioner/{person['id']}",
            organization={"reference": f"Organization/{practice['id']}"},
            telecom=points,
        )
    )
    placed = f"ServiceRequest/{fhir.create(order(subject, reason))['id']}"
    made = fhir.create(request(subject, f"PractitionerRole/{asked['id']}", basedOn=[{"reference": placed}]))
    with clinic.transaction() as session:
        referral = referrals.get(session, made["id"])
        who = directory.get_patient(session, referral.patient_id)
        clinician = directory.get_clinician(session, referral.clinician_id)
        add_chair(session, clinic.actor, word[:40], NOW)
        book_chair(session, clinic.actor, NewBooking(order_id=referral.order_id, slot=slot()), NOW)
        record_consultation(session, clinic.actor, referral.order_id, NOW, NOW)
        emergency.allow(session)
        asker = emergency.person(session, clinic, Role.CLINICIAN)
        emergency.ask(session, asker, orders.get(session, referral.order_id), word * 3)
    return Case(clinic, referral, who, clinician, Clock())


def pages(case: Case) -> list[str]:
    referral = case.referral
    with case.clinic.transaction() as session:
        (booking,) = bookings.of_order(session, referral.order_id)
        (override,) = overrides.of_order(session, referral.order_id)
    return [
        *("/", "/orders", "/bookings", "/bookings?day=2026-11-17", "/patients", "/directory", "/outbox"),
        *(f"/bookings/{booking.id}", f"/bookings/new?order={referral.order_id}"),
        *("/overrides", f"/overrides/{override.id}", f"/orders/{referral.order_id}/override"),
        *(f"/requests/{referral.id}", f"/orders/{referral.order_id}", f"/patients/{referral.patient_id}"),
        f"/directory/{referral.clinician_id}",
        f"/requests/new?patient={referral.patient_id}&order={referral.order_id}",
    ]


def harmless(page: str) -> bool:
    """No element, attribute, address or computed text that came from a word."""
    tags = re.findall(r"<[a-zA-Z/][^>]*>", page)
    return (
        not any(re.match(r"<img|<script>", tag) for tag in tags)
        and not any(re.search(r"\son\w+=|(href|src|action)=.javascript:", tag) for tag in tags)
        and "49${" not in page
        and "</title><script" not in page
    )


def test_what_a_record_says_is_text_on_every_page_of_the_clinic(case: Case, open_desk: OpenDesk) -> None:
    desk, shown = open_desk(case.clinic, Role.MEDICAL_DIRECTOR), 0
    for path in pages(case):
        desk.get(path)
        assert desk.status == 200, path
        assert harmless(desk.page), path
        shown += case.patient.family in desk.text
    assert shown >= 5
    for path in ("/lookups/patients?q=", "/lookups/clinicians?q="):
        answer = desk.client.get(path)
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_a_record_says_is_text_in_the_portal(case: Case) -> None:
    with case.browser() as browser:
        shown = _walk(browser, case)
    assert shown == ["/request", "/request/details", "/request/review"]


def _walk(browser: Browser, case: Case) -> list[str]:
    """The pages that say the word, which have to say it as text."""
    shown = []
    browser.open(case.link(Channel.FAX))
    assert case.patient.birth_date is not None
    browser.give_birth_date(case.patient.birth_date)
    for path, decision in (
        ("/request", ""),
        ("/request/details", "not-recommended"),
        ("/request/review", ""),
    ):
        if decision:
            browser.post("/request/decision", {"decision": decision})
        assert browser.get(path).status_code == 200, path
        assert harmless(browser.page), path
        if (
            html.escape(case.patient.family).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
            in browser.page
        ):
            shown.append(path)
    return shown
