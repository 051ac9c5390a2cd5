"""Every list: what its address asks for, page after page, its file, and what the audit says of it."""

from __future__ import annotations

import base64
import csv
import html
import io
import re
from datetime import timedelta

import pytest
from sqlalchemy import update

from referral.domain.codes import BusinessStatus, Role
from referral.domain.records import Referral
from referral.services.keep_directory import NewPatient, add_patient
from referral.storage import audit, tables
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.web.desk import Desk, OpenDesk

LISTS = {
    Role.FRONT_DESK: (
        *("/requests", "/orders", "/patients", "/directory", "/outbox", "/outbox/on-call", "/calls"),
        *("/fax-inbox", "/bookings/all", "/recommendations", "/print/batches"),
    ),
    Role.MEDICAL_DIRECTOR: ("/reviews", "/overrides"),
    Role.ADMIN: ("/systems",),
    Role.AUDITOR: ("/audit",),
}
EVERY = [(role, path) for role, paths in LISTS.items() for path in paths]


@pytest.fixture
def robin(clinic: ClinicFixture, open_desk: OpenDesk) -> Desk:
    return open_desk(clinic)


def titles(desk: Desk) -> list[str]:
    found = re.findall(r'class="row__title">(?:<a [^>]*>)?([^<]*)', desk.page)
    return [html.unescape(title) for title in found]


def follow(desk: Desk, rel: str) -> None:
    """Where the link to the next or the previous page leads."""
    (href,) = re.findall(rf'href="([^"]*)" rel="{rel}"', desk.page)
    desk.get(html.unescape(href))


def rows(desk: Desk, path: str) -> list[dict[str, str]]:
    answer = desk.client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(answer.text[1:])))


def many(clinic: ClinicFixture, count: int, **first: str) -> None:
    with clinic.transaction() as session:
        for number in range(count):
            new = NewPatient(given=f"N{number:03d}", family="Ferngarten", birth_date="1980-01-01")
            add_patient(session, clinic.actor, new, NOW)
        if first:
            add_patient(session, clinic.actor, NewPatient(**first), NOW)


def requests(clinic: ClinicFixture, *families: str) -> dict[str, Referral]:
    with clinic.transaction() as session:
        asked = people.clinician(session, clinic)
        return {
            family: people.ask(
                session,
                clinic,
                people.order(session, clinic, people.patient(session, clinic, given="Ann", family=family)),
                asked,
            )[0]
            for family in families
        }


def change(clinic: ClinicFixture, referral: Referral, **values: object) -> None:
    table = tables.referral
    with clinic.transaction() as session:
        session.connection.execute(update(table).where(table.c.id == referral.id).values(**values))


@pytest.mark.parametrize(("role", "path"), EVERY, ids=[path for _, path in EVERY])
def test_an_empty_list_says_what_to_do_and_an_odd_address_is_its_beginning(
    clinic: ClinicFixture, open_desk: OpenDesk, role: Role, path: str
) -> None:
    """Whatever somebody has typed or pasted into the address, in whichever order it is."""
    person = open_desk(clinic, role)
    for query in ("", "?sort=none&state=none&after=%00&before=WyJ4Il0&from=never&q=%F0%9F%90%9D"):
        person.get(path + query)
        assert person.status == 200
        assert 'class="empty"' in person.page or titles(person)
    for sort in set(re.findall(r'<option value="([^"]*)"', person.page)):
        person.get(f"{path}?sort={sort}&state={sort}&after=WyJuZXdlc3QiLCJ4Il0")
        assert person.status == 200
    found = rows(person, f"{path}?format=csv&state=all")
    # Who takes a list away is on record, whatever is in it.
    with clinic.transaction() as session:
        noted = [row for row in audit.find(session, limit=200) if row.subtype == "export-list"]
    assert len(noted) >= max(1, len({row.patient_id for row in noted}))
    assert {row.actor_id for row in noted} == {person.user_id}
    assert found is not None


def test_pages_follow_each_other_without_a_gap_and_back_again(clinic: ClinicFixture, robin: Desk) -> None:
    many(clinic, 120)
    robin.get("/patients?q=ferngarten")
    seen = [titles(robin)]
    assert "50 of 120 patients" in robin.text
    for _ in range(2):
        follow(robin, "next")
        seen.append(titles(robin))
    assert [len(page) for page in seen] == [50, 50, 20]
    assert [name for page in seen for name in page] == [f"N{number:03d} Ferngarten" for number in range(120)]
    assert 'rel="next"' not in robin.page
    follow(robin, "prev")
    assert titles(robin) == seen[1]
    follow(robin, "prev")
    assert titles(robin) == seen[0]
    assert 'rel="prev"' not in robin.page


@pytest.mark.parametrize("path", ["/patients", "/patients?sort=name-down", "/requests?sort=patient"])
def test_the_place_of_a_page_names_nobody(clinic: ClinicFixture, robin: Desk, path: str) -> None:
    """The address of the next page is written down by proxies and kept by browsers."""
    many(clinic, 60)
    requests(clinic, *(f"Ferngarten{number}" for number in range(51)))
    robin.get(path)
    (place,) = re.findall(r"[?&;]after=([^\"&]+)", robin.page)
    told = base64.urlsafe_b64decode(place + "=" * (-len(place) % 4))
    assert b"ferngarten" not in told.lower()
    assert b"name" not in told
    # It is taken as it was told, and by nobody else.
    before, flipped = titles(robin), ("A" if place[20] != "A" else "B").join((place[:20], place[21:]))
    robin.get(f"{path}{'&' if '?' in path else '?'}after={flipped}")
    assert (titles(robin), 'rel="prev"' in robin.page) == (before, False)
    robin.get(f"{path}{'&' if '?' in path else '?'}after={place}")
    assert 'rel="prev"' in robin.page


def test_what_comes_in_between_moves_no_row_of_the_next_page(clinic: ClinicFixture, robin: Desk) -> None:
    many(clinic, 60)
    robin.get("/patients?q=ferngarten")
    first = titles(robin)
    many(clinic, 0, given="A000", family="Ferngarten", birth_date="1980-01-01")
    follow(robin, "next")
    assert titles(robin) == [f"N{number:03d} Ferngarten" for number in range(50, 60)]
    follow(robin, "prev")
    assert titles(robin) == first


def test_another_order_turns_the_list_around_and_keeps_the_filter(clinic: ClinicFixture, robin: Desk) -> None:
    many(clinic, 55, given="Zoe", family="Ostrander", birth_date="1990-02-02")
    robin.get("/patients?q=ferngarten&sort=name-down")
    assert titles(robin)[0] == "N054 Ferngarten"
    follow(robin, "next")
    assert titles(robin) == [f"N{number:03d} Ferngarten" for number in range(4, -1, -1)]


def test_a_file_has_every_row_that_the_filters_let_through_and_is_on_each_record(
    clinic: ClinicFixture, robin: Desk
) -> None:
    many(clinic, 60, given="Zoe", family="Ostrander", birth_date="1990-02-02")
    found = rows(robin, "/patients?q=ferngarten&format=csv")
    assert [row["Given name"] for row in found] == [f"N{number:03d}" for number in range(60)]
    assert found[0]["Born"] == "1980-01-01"
    with clinic.transaction() as session:
        noted = [row for row in audit.find(session, limit=200) if row.subtype == "export-list"]
    assert len({row.patient_id for row in noted}) == 60
    assert {row.detail["list"] for row in noted} == {"patients"}
    assert {row.actor_id for row in noted} == {robin.user_id}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\uff1d"])
def test_no_cell_of_a_file_is_a_formula(clinic: ClinicFixture, robin: Desk, start: str) -> None:
    many(clinic, 0, given="Zoe", family=f"{start}cmd|' /C calc'!A0", birth_date="1990-02-02")
    (row,) = rows(robin, "/patients?format=csv")
    assert row["Family name"].startswith("'")


def test_requests_are_found_by_state_age_due_day_channel_and_whom_they_are_about(
    clinic: ClinicFixture, robin: Desk
) -> None:
    made = requests(clinic, "Overdue", "Bounced", "Waiting", "Answered")
    change(clinic, made["Overdue"], due_at=NOW - timedelta(days=1), started_at=NOW - timedelta(days=14))
    change(clinic, made["Bounced"], business_status=BusinessStatus.DELIVERY_FAILED)
    with clinic.transaction() as session:
        people.respond_with(session, clinic, made["Answered"])

    def shown(query: str) -> set[str]:
        robin.get(f"/requests{query}")
        return {title.removeprefix("Ann ") for title in titles(robin)}

    assert shown("") == {"Overdue", "Bounced", "Waiting"}
    assert shown("?state=overdue") == {"Overdue"}
    assert shown("?state=not-delivered") == {"Bounced"}
    assert "Send again : Ann Bounced" in robin.text
    assert shown("?state=answered") == {"Answered"}
    assert shown("?state=all") == {"Overdue", "Bounced", "Waiting", "Answered"}
    assert shown("?age=8") == {"Overdue"}
    assert shown("?due=today") == {"Overdue"}
    assert shown("?channel=email&state=all") == {"Overdue", "Bounced", "Waiting", "Answered"}
    assert shown("?channel=post&state=all") == set()
    assert "No request matches." in robin.text
    assert shown("?q=wait") == {"Waiting"}
    assert shown("?q=okafor+bounced") == {"Bounced"}
    assert shown(f"?q={made['Waiting'].number}") == {"Waiting"}
    assert shown(f"?q={int(made['Waiting'].number[-5:])}") == {"Waiting"}
    assert shown(f"?patient={made['Waiting'].patient_id}") == {"Waiting"}
    assert "Only the requests about one patient." in robin.text


def test_the_most_urgent_request_is_first_and_other_orders_can_be_chosen(
    clinic: ClinicFixture, robin: Desk
) -> None:
    made = requests(clinic, "Beta", "Gamma", "Alpha")
    for days, family in enumerate(("Gamma", "Alpha", "Beta")):
        moment = NOW + timedelta(days=days)
        change(clinic, made[family], due_at=moment, created_at=NOW - timedelta(days=days))

    def order(query: str) -> list[str]:
        robin.get(f"/requests{query}")
        return [title.removeprefix("Ann ") for title in titles(robin)]

    assert order("") == ["Gamma", "Alpha", "Beta"]
    assert order("?sort=patient") == ["Alpha", "Beta", "Gamma"]
    assert order("?sort=newest") == ["Gamma", "Alpha", "Beta"]
    assert order("?sort=oldest") == ["Beta", "Alpha", "Gamma"]


def test_nobody_sees_a_list_of_another_clinic(
    clinic: ClinicFixture, other_clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    requests(clinic, "Hidden")
    other = open_desk(other_clinic)
    for path in ("/requests?state=all", "/orders", "/patients", "/outbox", "/directory"):
        assert "Hidden" not in other.get(path)
        assert titles(other) == []
        assert rows(other, f"{path}{'&' if '?' in path else '?'}format=csv") == []


# ---- The audit


def test_the_auditor_finds_who_looked_at_a_patient_and_sees_no_patient(
    clinic: ClinicFixture, robin: Desk, open_desk: OpenDesk
) -> None:
    made = requests(clinic, "Searched", "Other")
    robin.get(f"/requests/{made['Searched'].id}")
    auditor = open_desk(clinic, Role.AUDITOR)
    auditor.get(f"/audit?person={robin.user_id}")
    assert "Robin Desk" in auditor.text
    assert "A request was read" in auditor.text
    for query in (
        "Searched 1986-04-12",
        made["Searched"].patient_id,
        f"Patient/{made['Searched'].patient_id}",
    ):
        found = rows(auditor, f"/audit?q={query}&format=csv")
        assert {row["Patient"] for row in found} == {made["Searched"].patient_id}
        assert "A request was read" in {row["What"] for row in found}
    by_number = rows(auditor, f"/audit?q={made['Searched'].number}&format=csv")
    assert {row["Record"] for row in by_number} == {f"ServiceRequest/{made['Searched'].id}"}
    auditor.get("/audit?q=Searched")
    assert "No entry matches." in auditor.text
    everything = auditor.client.get("/audit?format=csv").text
    assert "Searched" not in everything
    assert "Nguy" not in everything


def test_the_audit_is_narrowed_by_action_period_and_outcome_and_looking_is_recorded(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    requests(clinic, "Someone")
    auditor = open_desk(clinic, Role.AUDITOR)
    created = rows(auditor, "/audit?action=C&format=csv")
    assert created
    assert {row["Action"] for row in created} == {"Created"}
    assert rows(auditor, "/audit?outcome=refused&format=csv") == []
    assert rows(auditor, "/audit?to=2020-01-01&format=csv") == []
    everything = rows(auditor, "/audit?from=2020-01-01&format=csv")
    assert len(everything) > len(created)
    with clinic.transaction() as session:
        looked = [row.subtype for row in audit.find(session, limit=10) if row.actor_id == auditor.user_id]
    assert set(looked) == {"export-list"}


def test_only_who_may_read_the_audit_gets_it(clinic: ClinicFixture, open_desk: OpenDesk) -> None:
    for role in (Role.FRONT_DESK, Role.CLINICIAN, Role.ADMIN):
        assert open_desk(clinic, role).client.get("/audit?format=csv").status_code == 403
