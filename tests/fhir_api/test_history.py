"""Histories of a type and of one resource, page by page."""

from __future__ import annotations

from datetime import timedelta

import pytest

from referral.fhir.publication import PUBLISHED_AT
from referral.services.interactions import INTERACTIONS
from tests.database import Clock
from tests.fhir_api.client import Answer, FhirClient, Json
from tests.fhir_api.people import Referred, patient, practitioner


def versions(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    assert answer.body["type"] == "history"
    return [f"{row['id']}/{row['meta']['versionId']}" for row in answer.resources]


def link(answer: Answer, relation: str) -> str | None:
    urls: dict[str, str] = {row["relation"]: row["url"] for row in answer.body["link"]}
    found = urls.get(relation)
    return found.removeprefix("http://testserver/fhir/") if found else None


def change(fhir: FhirClient, made: Json, gender: str) -> None:
    path = f"Patient/{made['id']}"
    assert fhir.put(path, {**made, "gender": gender}).status == 200


def pages(fhir: FhirClient, path: str) -> list[list[str]]:
    found: list[list[str]] = []
    following: str | None = path
    while following is not None:
        answer = fhir.get(following)
        found.append(versions(answer))
        following = link(answer, "next")
        assert len(found) < 50
    return found


def test_the_history_of_a_type_has_every_version_newest_first(timed: FhirClient, clock: Clock) -> None:
    timed.create(practitioner())
    one, two = timed.create(patient()), timed.create(patient())
    clock.forward()
    change(timed, one, "other")
    clock.forward()
    change(timed, two, "male")
    clock.forward()
    change(timed, one, "male")
    answer = timed.get("Patient/_history")
    a, b = one["id"], two["id"]
    assert versions(answer)[:3] == [f"{a}/3", f"{b}/2", f"{a}/2"]
    assert sorted(versions(answer)[3:]) == sorted([f"{a}/1", f"{b}/1"])
    assert answer.body["total"] == 5
    newest, oldest = answer.body["entry"][0], answer.body["entry"][-1]
    assert newest["request"] == {"method": "PUT", "url": f"Patient/{a}"}
    assert newest["response"] == {
        "status": "200 OK",
        "etag": 'W/"3"',
        "lastModified": newest["resource"]["meta"]["lastUpdated"],
    }
    assert newest["fullUrl"] == f"http://testserver/fhir/Patient/{a}"
    assert oldest["request"] == {"method": "POST", "url": "Patient"}
    assert oldest["resource"]["gender"] == "female"


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_pages_hold_each_version_once(timed: FhirClient, clock: Clock, count: int) -> None:
    made = [timed.create(patient()) for _ in range(3)]
    for place, gender in enumerate(("other", "male", "unknown", "female")):
        # Two of them at the very same moment.
        if place % 2:
            clock.forward()
        for person in made[: place + 1]:
            change(timed, person, gender)
    every = versions(timed.get("Patient/_history?_count=200"))
    assert len(every) == len(set(every)) == 12
    found = pages(timed, f"Patient/_history?_count={count}")
    assert [version for page in found for version in page] == every
    assert {len(page) for page in found[:-1]} <= {count}
    first = timed.get(f"Patient/_history?_count={count}")
    assert "total" not in first.body
    assert link(first, "self") == f"Patient/_history?_count={count}"


def test_what_is_written_meanwhile_moves_no_page(timed: FhirClient, clock: Clock) -> None:
    made = [timed.create(patient()) for _ in range(4)]
    first = timed.get("Patient/_history?_count=2")
    clock.forward()
    for person in made:
        change(timed, person, "other")
    rest = pages(timed, str(link(first, "next")))
    assert sorted(versions(first) + [version for page in rest for version in page]) == sorted(
        f"{person['id']}/1" for person in made
    )


@pytest.mark.parametrize(
    ("since", "found"),
    [
        ("2026-11-03T17:00:00Z", 3),
        ("2026-11-03T17:01:00Z", 2),
        ("2026-11-03T18:01:00+01:00", 2),
        ("2026-11-03T18:01:00 01:00", 2),
        ("2026-11-03T17:01:00.001Z", 1),
        ("2026-11-04", 0),
        ("1900", 3),
        ("9999-12-31T23:59:59Z", 0),
        ("0001-01-01T00:00:00Z", 3),
    ],
)
def test_since(timed: FhirClient, clock: Clock, since: str, found: int) -> None:
    made = timed.create(patient())
    clock.forward()
    change(timed, made, "other")
    clock.forward()
    change(timed, made, "male")
    for path in ("Patient/_history", f"Patient/{made['id']}/_history"):
        answer = timed.get(f"{path}?_since={since}")
        assert len(versions(answer)) == found, path
        assert versions(timed.get(str(link(answer, "self")))) == versions(answer)
        assert [len(page) for page in pages(timed, f"{path}?_count=1&_since={since}")] == [1] * found or [0]


def test_the_history_of_one_is_paged_by_its_versions_whatever_the_clock_said(
    timed: FhirClient, clock: Clock
) -> None:
    made = timed.create(patient())
    timed.create(patient())
    clock.forward(-3600)
    change(timed, made, "other")
    clock.forward(-3600)
    change(timed, made, "male")
    id = made["id"]
    assert pages(timed, f"Patient/{id}/_history?_count=2") == [[f"{id}/3", f"{id}/2"], [f"{id}/1"]]


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("_count=0", "http._count"),
        ("_count=-1", "http._count"),
        ("_count=many", "http._count"),
        ("_count=", "http._count"),
        ("_since=yesterday", "http._since"),
        ("_since=", "http._since"),
        ("_since=2026-13-01", "http._since"),
        ("_at=soon", "http._at"),
        ("_summary=count&_summary=most", "http._summary"),
        ("_elements=a;b", "http._elements"),
        ("_list=1", "http._list"),
        ("_sort=-_lastUpdated", "http._sort"),
        ("_cursor=abc", "_cursor"),
        ("_cursor=%00", "_cursor"),
        ("_cursor=", None),
        ("_since=%00", "http._since"),
    ],
)
def test_what_cannot_be_answered_as_asked_is_refused(fhir: FhirClient, query: str, place: str | None) -> None:
    made = fhir.create(patient())
    for path in ("Patient/_history", f"Patient/{made['id']}/_history"):
        answer = fhir.get(f"{path}?{query}")
        assert answer.status == (400 if place else 200), path
        if place:
            assert answer.expressions == [place]


def test_a_cursor_belongs_to_its_history(fhir: FhirClient) -> None:
    made = [fhir.create(patient()) for _ in range(3)]
    following = str(link(fhir.get("Patient/_history?_count=1"), "next"))
    cursor = following.partition("_cursor=")[2]
    assert fhir.get(f"Practitioner/_history?_count=1&_cursor={cursor}").status == 400
    assert fhir.get(f"Patient/{made[0]['id']}/_history?_count=1&_cursor={cursor}").status == 400
    assert fhir.get(f"Patient/_history?_count=2&_cursor={cursor}").status == 400
    assert fhir.get(f"Patient/_history?_count=1&_cursor={cursor[:-2]}").status == 400


def test_unknown_parameters_are_ignored_unless_strict(fhir: FhirClient) -> None:
    made = fhir.create(patient())
    answer = fhir.get("Patient/_history?shoesize=43&_format=json")
    assert versions(answer) == [f"{made['id']}/1"]
    assert link(answer, "self") == "Patient/_history"
    strict = fhir.get("Patient/_history?shoesize=43&_format=json", Prefer="handling=strict")
    assert (strict.status, strict.expressions) == (400, ["http.shoesize"])


def test_a_million_is_cut_down_to_a_page(fhir: FhirClient) -> None:
    for _ in range(3):
        answer = fhir.post(
            "",
            {
                "resourceType": "Bundle",
                "type": "transaction",
                "entry": [
                    {"resource": patient(), "request": {"method": "POST", "url": "Patient"}}
                    for _ in range(70)
                ],
            },
        )
        assert answer.status == 200
    assert [len(page) for page in pages(fhir, "Patient/_history?_count=1000000")] == [200, 10]


def test_another_clinic_sees_nothing_of_it(fhir: FhirClient, other_fhir: FhirClient) -> None:
    made = fhir.create(patient())
    change(fhir, made, "other")
    assert versions(other_fhir.get("Patient/_history")) == []
    assert other_fhir.get(f"Patient/{made['id']}/_history").status == 404


def test_every_patient_whose_data_went_out_has_an_audit_row(fhir: FhirClient) -> None:
    made = [fhir.create(patient()) for _ in range(2)]
    change(fhir, made[0], "other")
    assert len(versions(fhir.get("Patient/_history"))) == 3
    for person in made:
        events = fhir.get(f"AuditEvent?patient=Patient/{person['id']}").resources
        assert [row for row in events if "history" in str(row["subtype"])], person["id"]


def test_what_the_server_publishes_ends_the_last_page(fhir: FhirClient) -> None:
    found = versions(fhir.get("CodeSystem/_history"))
    assert len(found) > 5
    day, after = PUBLISHED_AT.date(), PUBLISHED_AT.date() + timedelta(days=1)
    assert found == versions(fhir.get(f"CodeSystem/_history?_since={day}"))
    assert versions(fhir.get(f"CodeSystem/_history?_since={after}")) == []
    assert versions(fhir.get(f"CodeSystem/{found[0].partition('/')[0]}/_history")) == [found[0]]


def test_every_type_answers_as_the_table_says(fhir: FhirClient) -> None:
    Referred(fhir)
    stated = fhir.get("metadata").body["rest"][0]["resource"]
    for row in stated:
        offered = {item["code"] for item in row["interaction"]}
        assert offered == set(INTERACTIONS[row["type"]])
        status = fhir.get(f"{row['type']}/_history").status
        assert status == (200 if "history-type" in offered else 405), row["type"]
    assert fhir.get("Spaceship/_history").status == 404
    assert [row["type"] for row in stated if "history-type" not in str(row["interaction"])] == ["AuditEvent"]
