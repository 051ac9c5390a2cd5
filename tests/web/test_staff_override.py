"""Emergency access on the pages: asking, deciding, using, reviewing, and who may not."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from referral.domain.codes import Role
from referral.domain.listing import View
from referral.domain.records import Referral
from referral.services.accounts import WRONG
from referral.services.lapse_orders import lapse_orders
from referral.services.treat import record_consultation
from referral.storage import accounts, orders, overrides, referrals, resources
from referral.storage.lists import overrides as listed_overrides
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.storage import emergency
from tests.web.client import application
from tests.web.desk import Desk, OpenDesk, desk
from tests.web.portal_case import serve

PASSWORD = "a quiet harbour at dawn"
HASHED = PasswordHasher(time_cost=1, memory_cost=64).hash(PASSWORD)
WORDS = "The psychiatrist is on a plane; she is suicidal since this morning."
ASKED = {
    "reason_code": "emergency-clinician-decision",
    "reason": WORDS,
    "password": PASSWORD,
}


@pytest.fixture
def referral(clinic: ClinicFixture) -> Referral:
    """Somebody was asked and has not answered; nothing else is missing, and policy allows overrides."""
    with clinic.transaction() as session:
        asked = people.asked_once(session, clinic)
        record_consultation(session, clinic.actor, asked.order_id, NOW, NOW)
        emergency.allow(session)
    return asked


@pytest.fixture
def sit(clinic: ClinicFixture, open_desk: OpenDesk) -> Callable[..., Desk]:
    """Somebody of a role, who has a password."""

    def sit_down(role: Role) -> Desk:
        made = open_desk(clinic, role)
        with clinic.transaction() as session:
            accounts.change_user(session, made.user_id, password_hash=HASHED)
        return made

    return sit_down


def asking(person: Desk, referral: Referral, **changes: str) -> str:
    person.get(f"/orders/{referral.order_id}/override")
    return person.post(f"/orders/{referral.order_id}/override", ASKED | changes)


def override_id(clinic: ClinicFixture) -> str:
    with clinic.transaction() as session:
        return listed_overrides.listed(session, View(), NOW).rows[0].id


def decide(person: Desk, id: str, decision: str = "approve", password: str = PASSWORD) -> str:
    person.get(f"/overrides/{id}")
    return person.post(f"/overrides/{id}/decide", decision=decision, password=password)


def status(clinic: ClinicFixture, order_id: str) -> tuple[str, str]:
    with clinic.transaction() as session:
        published = resources.read(session, "ServiceRequest", order_id).document["status"]
        return orders.get(session, order_id).status, published


def misses(clinic: ClinicFixture, user_id: str) -> int:
    with clinic.transaction() as session:
        return accounts.get_users(session)[user_id].failed_sign_ins


def test_from_the_emergency_to_its_review(
    clinic: ClinicFixture, referral: Referral, sit: Callable[..., Desk]
) -> None:
    nico, elena = sit(Role.CLINICIAN), sit(Role.MEDICAL_DIRECTOR)
    order = f"/orders/{referral.order_id}"
    assert "Ask for emergency access" in nico.get(order)
    said = asking(nico, referral)
    assert "Emergency access is asked for" in said
    assert "To be decided" in said
    assert "Ask for emergency access" not in said
    assert "a medical director has to decide" in nico.get("/")

    id = override_id(clinic)
    today = elena.get("/")
    assert "Somebody asks to treat without the recommendation" in today
    assert f'href="/overrides/{id}#decide"' in elena.page
    assert WORDS in elena.get(f"/overrides/{id}")
    assert "Emergency access is given" in decide(elena, id)
    assert status(clinic, referral.order_id) == ("active", "active")
    assert "Your review is due" in elena.get("/")

    assert "One infusion may start without the recommendation" in nico.get("/")
    page = nico.get(order)
    assert "Emergency access: one infusion may start" in page
    assert "needs a recommendation from a psychiatrist" in page
    started = nico.post(f"{order}/start")
    assert "Treatment is started" in started
    assert "Emergency access, approved by" in started
    assert "Closed: treatment may not start" in started
    assert status(clinic, referral.order_id) == ("on-hold", "on-hold")
    nico.get(order)
    assert "There is no valid recommendation" in nico.post(f"{order}/start", {"another": "yes"})
    assert nico.status == 422

    elena.get(f"/overrides/{id}")
    elena.post(f"/overrides/{id}/review", note="It could not have waited, the chart says so.")
    assert elena.status == 400
    assert 'id="outcome-error"' in elena.page
    elena.post(f"/overrides/{id}/review", outcome="justified", note="short")
    assert 'id="note-error"' in elena.page
    done = elena.post(f"/overrides/{id}/review", outcome="justified", note="It could not have waited.")
    assert "The review is recorded" in done
    assert "It could not have waited." in done
    assert "Your review is due" not in elena.get("/")
    report = elena.get("/overrides")
    assert "Justified" in report
    assert "Asked for in 90 days 1 Approved 1 Declined 0 Used for a start 1 Found justified 1" in report


def test_the_requests_go_on_meanwhile(
    clinic: ClinicFixture, referral: Referral, sit: Callable[..., Desk]
) -> None:
    with clinic.transaction() as session:
        before = referrals.get(session, referral.id)
    nico, elena = sit(Role.CLINICIAN), sit(Role.MEDICAL_DIRECTOR)
    asking(nico, referral)
    decide(elena, override_id(clinic))
    nico.get(f"/orders/{referral.order_id}")
    nico.post(f"/orders/{referral.order_id}/start")
    with clinic.transaction() as session:
        after = referrals.get(session, referral.id)
    assert (after.status, after.next_step_at) == (before.status, before.next_step_at)
    assert after.is_open


def test_systems_see_it_too(clinic: ClinicFixture, referral: Referral, sit: Callable[..., Desk]) -> None:
    asking(sit(Role.CLINICIAN), referral)
    decide(sit(Role.MEDICAL_DIRECTOR), override_id(clinic))
    with clinic.transaction() as session:
        found = session.connection.scalars(
            text(
                "SELECT body FROM resource WHERE type = 'DetectedIssue'"
                " AND body @> jsonb_build_object('implicated', jsonb_build_array("
                "jsonb_build_object('reference', CAST(:order AS text))))"
            ),
            {"order": f"ServiceRequest/{referral.order_id}"},
        ).all()
        case = overrides.get(session, override_id(clinic))
    (issue,) = [body for body in found if "mitigation" in body]
    (mitigation,) = issue["mitigation"]
    codes = [coding["code"] for coding in mitigation["action"]["coding"]]
    assert codes == ["EMAUTH", "emergency-clinician-decision"]
    assert mitigation["author"]["identifier"]["value"] == case.decided_by
    assert issue["author"]["identifier"]["value"] == case.requested_by
    assert issue["evidence"] == [{"detail": [{"reference": f"Task/{referral.task_id}"}]}]
    assert WORDS not in str(found)


def test_a_wrong_password_reads_and_counts_as_at_the_sign_in(
    clinic: ClinicFixture, referral: Referral, sit: Callable[..., Desk]
) -> None:
    nico, elena = sit(Role.CLINICIAN), sit(Role.MEDICAL_DIRECTOR)
    said = asking(nico, referral, password="something else entirely")
    assert nico.status == 401
    assert WRONG in said
    assert WORDS in said
    assert "something else entirely" not in nico.page
    assert misses(clinic, nico.user_id) == 1
    with clinic.transaction() as session:
        assert overrides.of_order(session, referral.order_id) == []
    asking(nico, referral)
    assert misses(clinic, nico.user_id) == 0
    id = override_id(clinic)
    assert WRONG in decide(elena, id, password="")
    assert elena.status == 401
    assert misses(clinic, elena.user_id) == 1
    with clinic.transaction() as session:
        assert overrides.get(session, id).approved is None


def test_an_account_without_a_password_proves_nothing(
    clinic: ClinicFixture, referral: Referral, open_desk: OpenDesk
) -> None:
    nico = open_desk(clinic, Role.CLINICIAN)
    assert WRONG in asking(nico, referral)
    assert nico.status == 401


def test_the_reason_is_text_on_the_page(
    clinic: ClinicFixture, referral: Referral, sit: Callable[..., Desk]
) -> None:
    words = "<script>alert(1)</script> it cannot wait, believe me"
    asking(sit(Role.CLINICIAN), referral, reason=words)
    elena = sit(Role.MEDICAL_DIRECTOR)
    assert words in elena.get(f"/overrides/{override_id(clinic)}")
    assert "<script>alert" not in elena.page


def test_ten_wrong_passwords_pause_the_account_here_as_well(
    clinic: ClinicFixture, referral: Referral, sit: Callable[..., Desk]
) -> None:
    nico = sit(Role.CLINICIAN)
    for _ in range(10):
        asking(nico, referral, password="something else entirely")
    assert WRONG in asking(nico, referral)
    assert nico.status == 401
    with clinic.transaction() as session:
        assert accounts.get_users(session)[nico.user_id].locked_until is not None
        assert overrides.of_order(session, referral.order_id) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"reason": "x" * 29}, "reason"),
        ({"reason": "x" * 20 + " " * 20}, "reason"),
        ({"reason_code": ""}, "reason_code"),
        ({"reason_code": "because"}, "reason_code"),
    ],
)
def test_a_reason_is_coded_and_said_before_any_password_is_tried(
    clinic: ClinicFixture,
    referral: Referral,
    sit: Callable[..., Desk],
    change: dict[str, str],
    field: str,
) -> None:
    nico = sit(Role.CLINICIAN)
    asking(nico, referral, **change, password="something else entirely")
    assert nico.status == 400
    assert f'id="{field}-error"' in nico.page
    assert misses(clinic, nico.user_id) == 0


def test_a_decision_has_to_be_one(
    clinic: ClinicFixture, referral: Referral, sit: Callable[..., Desk]
) -> None:
    asking(sit(Role.CLINICIAN), referral)
    elena, id = sit(Role.MEDICAL_DIRECTOR), override_id(clinic)
    assert "Approve it or decline it." in decide(elena, id, decision="", password="wrong")
    assert elena.status == 400
    assert misses(clinic, elena.user_id) == 0
    assert "Emergency access is declined" in decide(elena, id, decision="decline")
    assert status(clinic, referral.order_id)[0] == "on-hold"
    assert "decided already" in elena.post(f"/overrides/{id}/decide", decision="approve", password=PASSWORD)


def test_where_policy_does_not_allow_it_nobody_is_offered_it(
    clinic: ClinicFixture, referral: Referral, sit: Callable[..., Desk]
) -> None:
    nico = sit(Role.CLINICIAN)
    nico.get(f"/orders/{referral.order_id}/override")
    form = nico.hidden()
    with clinic.transaction() as session:
        emergency.allow(session, on=False)
    assert "mergency access" not in nico.get(f"/orders/{referral.order_id}")
    assert "Clinic policy does not allow emergency access" in nico.get(
        f"/orders/{referral.order_id}/override"
    )
    assert "Why can it not wait?" not in nico.text
    sent = nico.client.post(f"/orders/{referral.order_id}/override", data=ASKED | form)
    assert sent.status_code == 422
    assert "Clinic policy does not allow emergency access" in sent.text
    elena = sit(Role.MEDICAL_DIRECTOR)
    assert "emergency accesses" not in elena.get("/")


def test_what_else_is_missing_is_said_instead_of_the_form(
    clinic: ClinicFixture, sit: Callable[..., Desk]
) -> None:
    with clinic.transaction() as session:
        asked = people.asked_once(session, clinic)
        emergency.allow(session)
    nico = sit(Role.CLINICIAN)
    assert "Ask for emergency access" not in nico.get(f"/orders/{asked.order_id}")
    said = nico.get(f"/orders/{asked.order_id}/override")
    assert "more than that is missing. The initial consultation has not been recorded." in said
    said = nico.post(f"/orders/{asked.order_id}/override", ASKED)
    assert nico.status == 422
    assert "more than that is missing" in said


def test_a_medical_director_who_asked_leaves_the_rest_to_another(
    clinic: ClinicFixture, referral: Referral, sit: Callable[..., Desk]
) -> None:
    elena, other = sit(Role.MEDICAL_DIRECTOR), sit(Role.MEDICAL_DIRECTOR)
    asking(elena, referral)
    id = override_id(clinic)
    page = elena.get(f"/overrides/{id}")
    assert "another medical director has to decide" in page
    assert "Record my decision" not in page
    assert "Whoever asks for emergency access" in decide(elena, id)
    assert elena.status == 403
    assert "Emergency access is given" in decide(other, id)
    assert "another medical director has to review it" in elena.get(f"/overrides/{id}")
    elena.post(f"/overrides/{id}/review", outcome="justified", note="It could not have waited.")
    assert elena.status == 403
    with clinic.transaction() as session:
        assert overrides.get(session, id).justified is None


def test_the_front_desk_sees_that_there_was_one_and_not_why(
    clinic: ClinicFixture, referral: Referral, sit: Callable[..., Desk]
) -> None:
    asking(sit(Role.CLINICIAN), referral)
    id = override_id(clinic)
    robin = sit(Role.FRONT_DESK)
    page = robin.get(f"/orders/{referral.order_id}")
    assert "To be decided" in page
    assert WORDS not in page
    assert f"/overrides/{id}" not in robin.page
    assert "Somebody asks to treat" not in robin.get("/")
    for path in ("/overrides", f"/overrides/{id}", f"/orders/{referral.order_id}/override"):
        robin.get(path)
        assert robin.status == 403, path


def test_a_clinician_decides_and_reviews_nothing(
    clinic: ClinicFixture, referral: Referral, sit: Callable[..., Desk]
) -> None:
    asking(sit(Role.CLINICIAN), referral)
    id, other = override_id(clinic), sit(Role.CLINICIAN)
    other.get(f"/orders/{referral.order_id}")
    for step in ("decide", "review"):
        other.post(f"/overrides/{id}/{step}", decision="approve", password=PASSWORD)
        assert other.status == 403


def test_a_double_click_asks_once(
    clinic: ClinicFixture, referral: Referral, sit: Callable[..., Desk]
) -> None:
    nico, path = sit(Role.CLINICIAN), f"/orders/{referral.order_id}/override"
    nico.get(path)
    form = ASKED | nico.hidden()
    with ThreadPoolExecutor(3) as clicks:
        sent = list(clicks.map(lambda _: nico.client.post(path, data=form).status_code, range(3)))
    assert sorted(sent) == [200, 422, 422]
    with clinic.transaction() as session:
        assert len(overrides.of_order(session, referral.order_id)) == 1


def test_after_the_hour_the_order_goes_back_on_hold(
    clinic: ClinicFixture, referral: Referral, sit: Callable[..., Desk], engines: Any
) -> None:
    asking(sit(Role.CLINICIAN), referral)
    id = override_id(clinic)
    decide(sit(Role.MEDICAL_DIRECTOR), id)
    with clinic.transaction() as session:
        assert lapse_orders(session, datetime.now(UTC)) == 0
    assert status(clinic, referral.order_id) == ("active", "active")
    emergency.age(engines.admin_url, id, "61 minutes")
    with clinic.transaction() as session:
        assert lapse_orders(session, datetime.now(UTC)) == 1
    assert status(clinic, referral.order_id) == ("on-hold", "on-hold")


def test_a_review_that_nobody_did_in_72_hours_is_overdue(
    clinic: ClinicFixture, referral: Referral, sit: Callable[..., Desk]
) -> None:
    asking(sit(Role.CLINICIAN), referral)
    decide(sit(Role.MEDICAL_DIRECTOR), override_id(clinic))
    decided = datetime.now(UTC)
    for later, overdue in ((timedelta(hours=71), False), (timedelta(hours=73), True)):
        now = decided + later
        with serve(application(clinic, lambda now=now: now)) as address:  # type: ignore[misc]
            elena = desk(address, clinic, Role.MEDICAL_DIRECTOR)
            with clinic.transaction() as session:
                session.connection.execute(
                    text("UPDATE staff_session SET created_at = :now, seen_at = :now WHERE user_id = :id"),
                    {"now": now, "id": elena.user_id},
                )
            assert ("Review overdue" in elena.get("/")) is overdue
            assert "1 to review" in elena.text
            assert f"To be reviewed now 1 Overdue {int(overdue)}" in elena.get("/overrides")
            elena.client.close()


def test_a_request_of_an_unknown_id_is_not_found(sit: Callable[..., Desk]) -> None:
    elena = sit(Role.MEDICAL_DIRECTOR)
    for path in ("/overrides/nothing", "/orders/nothing/override"):
        elena.get(path)
        assert elena.status == 404
    elena.get("/")
    elena.post("/overrides/nothing/decide", decision="approve", password=PASSWORD)
    assert elena.status == 404
