"""An unknown code gets its class with one click on the board, and loses it with one more."""

from __future__ import annotations

import re

import pytest

from referral.domain.codes import Role
from referral.domain.policy import ICD_10_CM, Indication
from referral.domain.records import Order
from referral.services import classify_indication
from referral.services.treat import record_consultation
from referral.storage import clinics, orders
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.web.desk import Desk, OpenDesk


@pytest.fixture
def elena(clinic: ClinicFixture, open_desk: OpenDesk) -> Desk:
    """The medical director."""
    return open_desk(clinic, Role.MEDICAL_DIRECTOR)


def version(clinic: ClinicFixture) -> int:
    with clinic.transaction() as session:
        return clinics.policy_in_force(session)[0].version


@pytest.fixture
def waiting(clinic: ClinicFixture) -> tuple[Order, Order]:
    """Two orders that only an unknown code keeps closed."""
    with clinic.transaction() as session:
        patient = people.patient(session, clinic)
        unknown = Indication(ICD_10_CM, "R52", "Pain, unspecified")
        first, second = (people.order(session, clinic, patient, unknown) for _ in range(2))
        for order in (first, second):
            record_consultation(session, clinic.actor, order.id, NOW, NOW)
    return first, second


def statuses(clinic: ClinicFixture, placed: tuple[Order, ...]) -> set[str]:
    with clinic.transaction() as session:
        return {orders.get(session, order.id).status for order in placed}


def test_an_unknown_code_is_one_click_from_its_class_and_one_from_being_unknown_again(
    clinic: ClinicFixture, waiting: tuple[Order, Order], elena: Desk
) -> None:
    today = elena.get("/")
    assert today.count("Pain, unspecified (R52) is not in clinic policy, and 2 orders wait for it.") == 1
    named = "classify Pain, unspecified (R52)"
    assert f"Mental health : {named} Needs a recommendation. Opens no order at once." in today
    assert f"Chronic pain : {named} Needs no recommendation. Opens 2 orders at once." in today
    today = elena.post("/policy/classify", requirement="pain")
    assert (elena.status, elena.path) == (200, "/")
    assert "R52 is chronic pain now 2 orders are open because of it; undoing closes them again." in today
    assert "Not classified" not in today
    assert statuses(clinic, waiting) == {"active"}
    today = elena.post("/policy/undo")
    assert "The classification is undone" in today
    assert "Opens 2 orders at once." in today
    assert statuses(clinic, waiting) == {"on-hold"}
    assert version(clinic) == 3
    elena.post("/policy/classify", requirement="mental-health")
    assert "R52 is mental health now It counts for every order with this code. It opened none." in elena.text
    assert statuses(clinic, waiting) == {"on-hold"}


def test_a_stale_click_changes_nothing_and_shows_what_is_true_now(
    clinic: ClinicFixture, waiting: tuple[Order, Order], elena: Desk, open_desk: OpenDesk
) -> None:
    other = open_desk(clinic, Role.MEDICAL_DIRECTOR)
    other.get("/")
    elena.get("/")
    seen = elena.hidden()
    elena.post("/policy/classify", requirement="pain")
    # The same code, a moment later: whoever was second is told so, and no second version is made.
    other.post("/policy/classify", requirement="mental-health")
    assert other.status == 422
    assert "Nothing was changed This indication has been classified already." in other.text
    assert version(clinic) == 2
    elena.post("/policy/undo")
    for changed in (seen, {**elena.hidden(), "seen_pain": ""}, {**elena.hidden(), "version": ""}):
        elena.post("/policy/classify", changed, requirement="pain")
        assert elena.status == 412
        assert "nothing was classified. What each class would do now is shown below." in elena.text
        assert "Opens 2 orders at once." in elena.text
    assert (version(clinic), statuses(clinic, waiting)) == (3, {"on-hold"})
    for odd in ("2", "x", ""):
        elena.post("/policy/undo", version=odd)
        assert elena.status == 412
    elena.post("/policy/undo", version="3")
    assert elena.status == 422
    assert version(clinic) == 3


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.CLINICIAN])
def test_whoever_may_not_change_the_policy_sees_who_can(
    clinic: ClinicFixture, waiting: tuple[Order, Order], elena: Desk, open_desk: OpenDesk, role: Role
) -> None:
    elena.get("/")
    sent = {**elena.hidden(), "requirement": "pain"}
    person = open_desk(clinic, role)
    text = person.get("/?classified=2")
    assert "and 2 orders wait for it; the medical director can classify it." in text
    assert 'name="requirement"' not in person.page
    for door, data in (("classify", sent), ("undo", {"version": "1"})):
        person.get("/requests/new")
        token = person.hidden()["csrf_token"]
        assert person.client.post(f"/policy/{door}", data={**data, "csrf_token": token}).status_code == 403
    assert (version(clinic), statuses(clinic, waiting)) == (1, {"on-hold"})


def test_an_unknown_code_is_on_the_policy_page_and_classified_on_that_of_its_order(
    clinic: ClinicFixture, waiting: tuple[Order, Order], elena: Desk, open_desk: OpenDesk
) -> None:
    robin = open_desk(clinic)
    assert "R52 Pain, unspecified Not classified 2 orders blocked by it" in robin.get("/policy")
    assert "#classify" not in robin.page
    elena.get("/policy")
    (href,) = set(re.findall(r'href="(/orders/[^"#]+)#classify"', elena.page))
    text = elena.get(href)
    assert "2 orders in use wait for this code." in text
    assert "Opens 2 orders at once." in text
    assert "Opens no order at once." in text
    elena.post(f"{href}/classify", requirement="pain")
    assert "The indication is classified" in elena.text
    assert statuses(clinic, waiting) == {"active"}
    text = elena.get("/policy")
    assert "R52 was not classified; it is chronic pain." in text
    assert "2 orders opened so far" in text
    assert "Undo" not in robin.get("/policy")
    elena.post("/policy/undo")
    assert statuses(clinic, waiting) == {"on-hold"}
    assert "Undo" not in elena.get("/policy")


def test_codes_that_too_many_orders_have_are_looked_at_on_the_page_of_an_order(
    waiting: tuple[Order, Order], elena: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classify_indication, "MOST_LOOKED_AT", 1)
    elena.get("/")
    assert 'name="requirement"' not in elena.page
    assert re.search(r'href="/orders/[^"]+#classify">Classify', elena.page)
