"""The reports page: pictures with words for who cannot see them, tables, files, periods."""

from __future__ import annotations

import csv
import io
import re

import pytest
from sqlalchemy import update

from referral.domain.codes import Role
from referral.storage import audit, tables
from referral.web.staff.pictures import Bar, bars, line
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.services.test_measures import IN_MAY, IN_OCTOBER, Same, asked, ended, promised
from tests.web.desk import OpenDesk


@pytest.fixture
def answered(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic, family="<b>Okafor</b>")
        people.respond_with(session, clinic, referral)
        table = tables.referral
        session.connection.execute(update(table).where(table.c.id == referral.id).values(delivered_at=NOW))


@pytest.mark.usefixtures("answered")
def test_each_figure_is_a_picture_with_words_a_table_and_a_file(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    robin = open_desk(clinic)
    robin.get("/reports")
    pictures = re.findall(r'<svg class="picture".*?</svg>', robin.page, re.DOTALL)
    # Nothing is open, ends or was overridden, and no letter was handed over.
    assert len(pictures) == 4
    for picture in pictures:
        named = re.search(r'aria-labelledby="(\S+) (\S+)"', picture)
        assert named is not None
        assert f'<title id="{named[1]}">' in picture
        assert f'<desc id="{named[2]}">' in picture
    assert "1 of 1 request were answered" in robin.text
    assert "<b>Okafor" not in robin.page
    answer = robin.client.get("/reports?report=clinicians&format=csv")
    (row,) = csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff")))
    assert (row["Answers"], row["Median business days"]) == ("1", "0.0")
    with clinic.transaction() as session:
        noted = [row for row in audit.find(session, limit=20) if row.subtype == "export-list"]
    assert [row.detail["list"] for row in noted] == ["report-clinicians"]


def test_a_quiet_clinic_and_an_odd_period_are_told_in_sentences(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    robin = open_desk(clinic)
    assert "Nobody was asked in this period." in robin.get("/reports?from=2026-10-01&to=2026-10-31")
    assert "from Thu, Oct 1 to Sat, Oct 31" in robin.text
    assert "The first day lies after the last one" in robin.get("/reports?from=2026-10-31&to=2026-10-01")
    assert "Choose at most 800 days" in robin.get("/reports?from=2001-01-01&to=2026-10-01")
    robin.get("/reports?from=never&to=%00")
    assert robin.status == 200


def test_who_sees_no_work_sees_no_report(clinic: ClinicFixture, open_desk: OpenDesk) -> None:
    for role in (Role.ADMIN, Role.AUDITOR):
        assert open_desk(clinic, role).client.get("/reports").status_code == 403


def test_a_picture_escapes_what_people_have_written_and_stays_in_its_frame() -> None:
    drawn = bars("b", "<i>", "a & b", [Bar('"><script>', 3, "<3>"), Bar("none", 0, "0")], top=2)
    assert "<script>" not in drawn
    assert "<3>" not in drawn
    assert 'width="100.00%"' in drawn
    assert 'width="0.00%"' in drawn
    one = line("l", "t", "d", [("Mon & Tue", 0.0)], 2.0)
    assert "Mon &amp; Tue" in one
    assert 'cx="50.00%"' in one


def test_follow_up_visits_are_a_picture_a_file_and_a_measure_report(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    with clinic.transaction() as session:
        order = people.order(session, clinic, people.patient(session, clinic))
        referral = asked(session, clinic, people.clinician(session, clinic), order, IN_MAY)
        promised(session, referral, Same(1, IN_OCTOBER, "", IN_MAY, visit="seen", days=9))
        ended(session, order, IN_OCTOBER, (False,))
    robin, period = open_desk(clinic), "from=2026-10-01&to=2026-10-31"
    text = robin.get(f"/reports?{period}")
    assert "Seen after 1 of 1 course." in text
    assert 'id="follow-up-days-d">A quarter within: 9 days; Half within: 9 days;' in robin.page
    answer = robin.client.get(f"/reports?{period}&report=follow-up-days&format=csv")
    rows = list(csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff"))))
    assert [(row["Figure"], row["Number"]) for row in rows[1:3]] == [("Seen", "1"), ("A quarter within", "9")]
    report = robin.client.get(f"/reports/measure?{period}&name=follow-up-seen").json()
    assert report["group"][0]["measureScore"] == {"value": 1.0}
