"""$evaluate-measure: what a measure came to, for who may see all that is counted."""

from __future__ import annotations

import pytest

from referral.fhir.measure import MEASURES
from referral.fhir.validation import issues_in
from tests.database import ClinicFixture
from tests.fhir_api.client import FhirClient
from tests.fhir_api.test_access import limited

OCTOBER = "periodStart=2026-10-01&periodEnd=2026-10-31"


def test_each_measure_is_read_and_counted_by_its_id_or_its_url(fhir: FhirClient) -> None:
    for name in MEASURES:
        published = fhir.get(f"Measure/{name}").body
        report = fhir.get(f"Measure/{name}/$evaluate-measure?{OCTOBER}").body
        named = fhir.get(f"Measure/$evaluate-measure?{OCTOBER}&measure={published['url']}|1.0.0").body
        assert report["group"] == named["group"]
        assert report["contained"][0]["group"] == published["group"]
        inside = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": report}]}
        assert issues_in(inside) == []
        year = name == "cms50"
        assert report["period"] == {
            "start": "2026-01-01" if year else "2026-10-01",
            "end": "2026-12-31" if year else "2026-10-31",
        }


def test_a_post_and_an_entry_of_a_bundle_say_the_same(fhir: FhirClient) -> None:
    parameters = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "periodStart", "valueDate": "2026-10"},
            {"name": "periodEnd", "valueDate": "2026-10"},
            {"name": "reportType", "valueCode": "population"},
        ],
    }
    path = "Measure/follow-up-seen/$evaluate-measure"
    posted = fhir.post(path, parameters).body
    assert posted["period"] == {"start": "2026-10-01", "end": "2026-10-31"}
    entry = {"request": {"method": "GET", "url": f"{path}?{OCTOBER}"}}
    batch = fhir.post("", {"resourceType": "Bundle", "type": "batch", "entry": [entry]}).body
    assert batch["entry"][0]["resource"]["group"] == posted["group"]


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("periodStart=2026-10-01", 400, "periodEnd is needed"),
        ("periodStart=yesterday&periodEnd=2026", 400, "periodStart has to be a date"),
        ("periodStart=2026-02-30&periodEnd=2026", 400, "periodStart has to be a date"),
        ("periodStart=2026-10-02&periodEnd=2026-10-01", 400, "periodEnd has to lie after"),
        ("periodStart=2020&periodEnd=2026", 400, "at most 800 days"),
        (f"{OCTOBER}&reportType=subject", 400, "population only"),
        (f"{OCTOBER}&subject=Patient/1", 400, "of all together"),
    ],
)
def test_what_cannot_be_counted_is_refused(fhir: FhirClient, query: str, status: int, said: str) -> None:
    answer = fhir.get(f"Measure/follow-up-seen/$evaluate-measure?{query}")
    assert (answer.status, said in answer.content.decode()) == (status, True)


def test_only_what_is_published_is_counted(fhir: FhirClient) -> None:
    assert fhir.get(f"Measure/another/$evaluate-measure?{OCTOBER}").status == 404
    assert fhir.get(f"Measure/$evaluate-measure?{OCTOBER}").status == 400


def test_who_may_see_some_only_is_told_nothing_of_all(clinic: ClinicFixture, fhir: FhirClient) -> None:
    path = f"Measure/cms50/$evaluate-measure?{OCTOBER}"
    whole = ("system/Measure.r", "system/ServiceRequest.r", "system/Task.r", "system/Procedure.r")
    assert limited(clinic, fhir, *whole).get(path).status == 200
    for left in whole:
        assert limited(clinic, fhir, *(one for one in whole if one != left)).get(path).status == 403, left
    some = [one.replace("Task.r", "Task.r?status=completed") for one in whole]
    assert limited(clinic, fhir, *some).get(path).status == 403
