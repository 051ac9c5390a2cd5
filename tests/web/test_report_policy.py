"""Which reports recommenders get: set by the medical director, within what is obligatory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from referral.domain.codes import Role
from referral.domain.errors import InvalidInput
from referral.domain.language import Language
from referral.domain.report_rules import ALWAYS, Occasion
from referral.letters.report import ReportLetter
from referral.letters.samples import sample
from referral.services.change_report_policy import change_report_policy
from referral.services.report_back import News, report_policy
from tests.database import NOW, ClinicFixture
from tests.letters.samples import CLINIC
from tests.services.test_report_back import recommended, tell
from tests.web.desk import OpenDesk

EVENT = Occasion.ADVERSE_EVENT
DAYS = {
    "days_decision": "3",
    "days_mid_course": "5",
    "days_end_of_course": "5",
    "days_adverse_event": "1",
    "days_closure": "10",
    "mid_course_from": "6",
}


def test_what_is_switched_off_is_not_owed_and_what_is_obliged_stays(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    elena = open_desk(clinic, Role.MEDICAL_DIRECTOR)
    elena.get("/settings/reports")
    assert elena.text.count("Always sent") == len(ALWAYS)
    elena.post("/settings/reports", {**DAYS, "on_end_of_course": "yes"})
    assert "Which reports go out is saved" in elena.text
    with clinic.transaction() as session:
        kept = report_policy(session)
    assert kept.unasked == ALWAYS | {Occasion.END_OF_COURSE}
    assert (kept.within[Occasion.DECISION], kept.mid_course_from, kept.needs_consent) == (3, 6, False)
    referral = recommended(clinic, reports="")
    decided = News(occasion=Occasion.DECISION, happened_at=NOW, treats=True)
    assert tell(clinic, referral, decided).report.state == "withheld"


def test_a_serious_event_is_not_put_off_and_nothing_is_saved_that_is_out_of_range(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    elena = open_desk(clinic, Role.MEDICAL_DIRECTOR)
    elena.get("/settings/reports")
    elena.post("/settings/reports", {**DAYS, "days_adverse_event": "2", "days_closure": "x"})
    assert elena.status == 400
    assert 'id="days_closure-error"' in elena.page
    with clinic.transaction() as session:
        assert report_policy(session).within[Occasion.DECISION] == 2
        late = replace(report_policy(session), within={**report_policy(session).within, EVENT: 2})
        for wrong in (late, replace(report_policy(session), unasked=frozenset())):
            with pytest.raises(InvalidInput):
                change_report_policy(session, elena.clinic.actor, wrong, NOW)


def test_two_at_once_and_who_only_looks(clinic: ClinicFixture, open_desk: OpenDesk) -> None:
    elena, robin = open_desk(clinic, Role.MEDICAL_DIRECTOR), open_desk(clinic)
    elena.get("/settings/reports")
    shown = elena.hidden()
    elena.post("/settings/reports", DAYS)
    elena.post("/settings/reports", {**shown, **DAYS, "days_decision": "7"})
    assert elena.status == 409
    assert "Which reports recommenders get was changed" in elena.text
    assert "Within 3 business days" in robin.get("/settings/reports")
    assert "Send it unasked" not in robin.text
    robin.post("/settings/reports", {**robin.hidden(), **DAYS})
    assert robin.status == 403


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("occasion", Occasion)
def test_each_occasion_has_a_sample(occasion: Occasion, language: Language) -> None:
    letter = sample(f"report-{occasion}", CLINIC, language)
    assert isinstance(letter, ReportLetter)
    assert letter.occasion is occasion
    assert bool(letter.event) == (occasion is EVENT)


def test_the_page_leads_to_the_samples(clinic: ClinicFixture, open_desk: OpenDesk) -> None:
    elena = open_desk(clinic, Role.MEDICAL_DIRECTOR)
    elena.get("/settings/reports")
    for occasion in Occasion:
        assert f"/settings/letters/report-{occasion}.pdf" in elena.page
    assert elena.client.get("/settings/letters/report-never.pdf").status_code == 404
