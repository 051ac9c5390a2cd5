"""Orders: what the gate says, starting treatment, the consultation, unknown indications, the list."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from referral.domain.codes import Role
from referral.domain.policy import ICD_10_CM, Indication
from referral.domain.records import Referral
from referral.storage import audit, clinics, orders, resources
from tests.database import ClinicFixture
from tests.services import people
from tests.web.desk import Desk, OpenDesk

CONSULTATION = {"consulted_on": "2026-11-02", "consulted_by": "Nico Prescriber, MD"}


@pytest.fixture
def referral(clinic: ClinicFixture) -> Referral:
    with clinic.transaction() as session:
        return people.asked_once(session, clinic)


@pytest.fixture
def nico(clinic: ClinicFixture, open_desk: OpenDesk, referral: Referral) -> Desk:
    """A prescriber, looking at the order."""
    made = open_desk(clinic, Role.CLINICIAN)
    made.get(f"/orders/{referral.order_id}")
    return made


def starts(clinic: ClinicFixture, order_id: str) -> int:
    with clinic.transaction() as session:
        return len(orders.starts(session, order_id))


def test_treatment_is_refused_with_every_reason_and_allowed_when_they_are_met(
    nico: Desk, clinic: ClinicFixture, referral: Referral
) -> None:
    path = f"/orders/{referral.order_id}"
    assert "Closed: treatment may not start" in nico.text
    refused = nico.post(f"{path}/start")
    assert nico.status == 422
    assert "Treatment may not start: The initial consultation has not been recorded." in refused
    assert "Treatment may not start: There is no valid recommendation." in refused
    with clinic.transaction() as session:
        noted = audit.find(session, entity=f"ServiceRequest/{referral.order_id}")
    assert any((row.subtype, row.outcome, row.actor_id) == ("refused", "8", nico.user_id) for row in noted)
    assert "The consultation is recorded" in nico.post(f"{path}/consultation", CONSULTATION)
    with clinic.transaction() as session:
        people.respond_with(session, clinic, referral)
    assert "Open: treatment may start" in nico.get(path)
    started = nico.post(f"{path}/start")
    assert "Treatment is started" in started
    assert "Recommendation by Chidi Okafor, MD" in started
    assert starts(clinic, referral.order_id) == 1


def test_a_double_click_starts_one_infusion_and_a_second_of_the_day_has_to_be_meant(
    nico: Desk, clinic: ClinicFixture, referral: Referral
) -> None:
    path = f"/orders/{referral.order_id}"
    nico.post(f"{path}/consultation", CONSULTATION)
    with clinic.transaction() as session:
        people.respond_with(session, clinic, referral)
    nico.get(path)
    form = nico.hidden()
    with ThreadPoolExecutor(3) as clicks:
        done = list(clicks.map(lambda _: nico.client.post(f"{path}/start", data=form), range(3)))
    assert any(answer.status_code == 200 for answer in done)
    assert starts(clinic, referral.order_id) == 1
    assert "A second infusion today is meant" in nico.get(path)
    nico.post(f"{path}/start")
    assert (nico.status, starts(clinic, referral.order_id)) == (400, 1)
    assert "Tick this if a second one is meant." in nico.text
    nico.post(f"{path}/start", {"another": "yes"})
    assert starts(clinic, referral.order_id) == 2


def test_the_front_desk_sees_the_gate_but_may_not_start_or_record(
    clinic: ClinicFixture, referral: Referral, open_desk: OpenDesk
) -> None:
    robin = open_desk(clinic)
    text = robin.get(f"/orders/{referral.order_id}")
    assert "Closed: treatment may not start" in text
    assert "Start an infusion now" not in text
    assert "Record the consultation" not in text
    for step, data in (("start", {}), ("consultation", CONSULTATION), ("classify", {"code": "R52"})):
        robin.get(f"/orders/{referral.order_id}")
        robin.post(f"/orders/{referral.order_id}/{step}", data)
        assert robin.status == 403


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"consulted_on": "", "consulted_by": "Nico"}, "consulted_on"),
        ({"consulted_on": "2026-11-04", "consulted_by": "Nico"}, "consulted_on"),
        ({"consulted_on": "2026-11-02", "consulted_by": "  "}, "consulted_by"),
    ],
)
def test_a_consultation_needs_a_day_that_has_come_and_a_person(
    nico: Desk, referral: Referral, form: dict[str, str], field: str
) -> None:
    nico.post(f"/orders/{referral.order_id}/consultation", form)
    assert nico.status == 400
    assert f'id="{field}-error"' in nico.page
    assert all(value.strip() in nico.page for value in form.values())


def test_the_consultation_says_who_held_it(nico: Desk, clinic: ClinicFixture, referral: Referral) -> None:
    nico.post(f"/orders/{referral.order_id}/consultation", CONSULTATION)
    assert "Held on Mon, Nov 2." in nico.text
    with clinic.transaction() as session:
        facts = orders.facts(session, referral.order_id).facts
        encounter = resources.read(session, "Encounter", str(facts.consulted)).document
    assert encounter["participant"][0]["individual"]["display"] == "Nico Prescriber, MD"


def test_an_unknown_indication_is_classified_by_the_medical_director_for_every_order(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    unknown = Indication(ICD_10_CM, "R52", "Pain, unspecified")
    with clinic.transaction() as session:
        patient = people.patient(session, clinic)
        first = people.order(session, clinic, patient, unknown)
        second = people.order(session, clinic, patient, unknown)
    nico = open_desk(clinic, Role.CLINICIAN)
    nico.get(f"/orders/{first.id}")
    assert "Indication not classified: Pain, unspecified (R52)" in nico.text
    assert "Classify an indication" not in nico.text
    nico.post(f"/orders/{first.id}/consultation", CONSULTATION)
    nico.get(f"/orders/{second.id}")
    nico.post(f"/orders/{second.id}/consultation", CONSULTATION)
    elena = open_desk(clinic, Role.MEDICAL_DIRECTOR)
    elena.get(f"/orders/{first.id}")
    elena.post(f"/orders/{first.id}/classify", code="R52")
    assert elena.status == 400
    assert 'id="requirement-error"' in elena.page
    elena.post(f"/orders/{first.id}/classify", code="R52", requirement="pain")
    assert "The indication is classified" in elena.text
    assert "Open: treatment may start" in elena.text
    assert "Open: treatment may start" in nico.get(f"/orders/{second.id}")
    with clinic.transaction() as session:
        policy, _ = clinics.policy_in_force(session)
        assert policy.version == 2
        assert orders.get(session, second.id).status == "active"
    elena.post(f"/orders/{first.id}/classify", code="R52", requirement="mental-health")
    assert elena.status == 422


def test_orders_are_found_by_name_number_and_state(
    clinic: ClinicFixture, open_desk: OpenDesk, referral: Referral
) -> None:
    with clinic.transaction() as session:
        other = people.patient(session, clinic, given="Samuel", family="Okonkwo")
        pain = people.order(session, clinic, other, people.PAIN)
    robin = open_desk(clinic)
    number = f"O-{pain.id[:8]}"
    for query, found in (
        ("", {"Nguyễn", "Okonkwo"}),
        ("?q=maria+nguyen", {"Nguyễn"}),
        (f"?q={number}", {"Okonkwo"}),
        ("?state=requested", {"Nguyễn"}),
        ("?state=not-asked", {"Okonkwo"}),
        ("?state=open", set()),
        ("?q=okonkwo&state=requested", set()),
        ("?q=100%25", set()),
        ("?state=nonsense&page=x", {"Nguyễn", "Okonkwo"}),
    ):
        text = robin.get(f"/orders{query}")
        assert {name for name in ("Nguyễn", "Okonkwo") if name in text} == found, query


def test_an_order_that_is_not_there_is_no_page(clinic: ClinicFixture, open_desk: OpenDesk) -> None:
    nico = open_desk(clinic, Role.CLINICIAN)
    nico.get("/")
    nico.post("/orders/no-such-order/start")
    assert nico.status == 404
    nico.get("/orders/no-such-order")
    assert nico.status == 404
