"""$everything, $docref and $populate, by GET and by POST."""

from __future__ import annotations

from dataclasses import replace

import pytest

from referral.fhir.compartment import EVERYTHING_TYPES
from referral.fhir.structure import check_resource
from tests.database import ClinicFixture
from tests.fhir_api.client import Answer, FhirClient, Json
from tests.fhir_api.people import Referred, condition, patient, practitioner
from tests.fhir_api.test_access import limited
from tests.fhir_api.test_history import link


@pytest.fixture
def referred(fhir: FhirClient) -> Referred:
    """With somebody else's record beside it."""
    other = f"Patient/{fhir.create(patient(name=[{'family': 'Outsider'}]))['id']}"
    fhir.create(condition(other))
    return Referred(fhir)


def references(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    assert answer.body["type"] == "searchset"
    return answer.references


def parameters(**values: Json) -> Json:
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": name.replace("_", "-") if name == "on_demand" else name, **value}
            for name, value in values.items()
        ],
    }


# ---- $everything


def test_everything_is_the_record_and_what_it_refers_to(referred: Referred) -> None:
    referred.consult()
    made = referred.fhir.create(referred.answer())
    fhir = referred.fhir
    fhir.create(practitioner("9000000023"))
    answer = fhir.get(f"{referred.patient}/$everything")
    found = references(answer)
    assert found[0] == referred.patient
    assert len(found) == len(set(found))
    assert {
        *(referred.condition, referred.order, referred.request, referred.role, referred.practitioner)
    } <= set(found)
    assert f"QuestionnaireResponse/{made['id']}" in found
    types = {reference.partition("/")[0] for reference in found}
    assert types >= {
        "Task",
        "Communication",
        "Observation",
        "Encounter",
        "Questionnaire",
    }
    assert types <= set(EVERYTHING_TYPES)
    assert "Outsider" not in answer.content.decode()
    assert sum(reference.startswith("Practitioner/") for reference in found) == 1
    modes = {e["resource"]["resourceType"]: e["search"]["mode"] for e in answer.body["entry"]}
    assert (modes["Task"], modes["Practitioner"]) == ("match", "include")
    assert answer.body["total"] == len(found)
    assert check_resource(answer.body) == []


@pytest.mark.parametrize("count", [1, 4, 7, 1000])
def test_everything_page_by_page_is_everything_once(referred: Referred, count: int) -> None:
    whole = references(referred.fhir.get(f"{referred.patient}/$everything"))
    found: list[str] = []
    following: str | None = f"{referred.patient}/$everything?_count={count}"
    while following:
        page = referred.fhir.get(following)
        assert len(references(page)) <= count
        found += references(page)
        following = link(page, "next")
    assert found == whole


def test_everything_of_some_types_of_a_time_and_since(referred: Referred) -> None:
    fhir, path = referred.fhir, f"{referred.patient}/$everything"
    encounter = referred.consult()  # of 2 November, between 16 and 17
    some = references(fhir.get(f"{path}?_type=Encounter,Practitioner"))
    assert some == [f"Encounter/{encounter['id']}", referred.practitioner]
    with_start = references(fhir.get(f"{path}?_type=Encounter,Condition&start=2026-11-03"))
    assert with_start == [referred.condition]  # without a date it belongs to every time
    assert len(references(fhir.get(f"{path}?_type=Encounter&start=2026-11-01&end=2026-11-02"))) == 1
    assert references(fhir.get(f"{path}?_type=Encounter&end=2026-11-01")) == []
    assert references(fhir.get(f"{path}?_since=2027-01-01T00:00:00Z")) == []
    assert len(references(fhir.get(f"{path}?_since=2026-11-03T17:00:00Z"))) > 5


def test_everything_by_post(referred: Referred) -> None:
    path = f"{referred.patient}/$everything"
    body = parameters(
        _type={"valueCode": "Condition"}, _count={"valueInteger": 1}, start={"valueDate": "2020-01-01"}
    )
    answer = referred.fhir.post(path, body)
    assert references(answer) == [referred.condition]
    assert link(answer, "self") == f"{path}?start=2020-01-01&_count=1&_type=Condition"
    assert references(referred.fhir.get(str(link(answer, "self")))) == [referred.condition]
    bare = referred.fhir.call("POST", f"/fhir/{path}")
    assert references(bare) == references(referred.fhir.get(path))


def test_everything_refuses_what_it_cannot_read(referred: Referred) -> None:
    places = {
        "_type=Spaceship": "http._type",
        "_type=AuditEvent": "http._type",
        "_count=0": "http._count",
        "_count=many": "http._count",
        "_count=1&_count=2": "http._count",
        "_since=yesterday": "http._since",
        "start=tomorrow": "http.start",
        "start=2027-01-01&end=2026-01-01": "http.end",
        "_cursor=abc": "_cursor",
        "start=%00": "http.query",
    }
    for query, place in places.items():
        answer = referred.fhir.get(f"{referred.patient}/$everything?{query}")
        assert (answer.status, answer.expressions) == (400, [place]), query


def test_everything_has_a_patient_and_knows_its_parameters(
    referred: Referred, other_fhir: FhirClient
) -> None:
    fhir = referred.fhir
    assert fhir.get("Patient/nobody/$everything").status == 404
    assert other_fhir.get(f"{referred.patient}/$everything").status == 404
    assert fhir.get(f"{referred.patient}/$everything?colour=red").status == 200
    strict = fhir.get(f"{referred.patient}/$everything?colour=red", Prefer="handling=strict")
    assert (strict.status, strict.expressions) == (400, ["http.colour"])
    assert fhir.post(f"{referred.patient}/$everything", patient()).status == 400
    wrong = {"resourceType": "Parameters", "parameter": [{"valueString": "x"}]}
    assert fhir.post(f"{referred.patient}/$everything", wrong).status == 400
    other = next(row["id"] for row in fhir.get("Patient?name=Outsider").resources)
    cursor = str(link(fhir.get(f"{referred.patient}/$everything?_count=1"), "next")).partition("_cursor=")[2]
    assert fhir.get(f"Patient/{other}/$everything?_count=1&_cursor={cursor}").status == 400


def test_everything_is_what_the_scopes_reach(referred: Referred, clinic: ClinicFixture) -> None:
    path = f"{referred.patient}/$everything"
    reader = limited(clinic, referred.fhir, "system/Patient.r", "system/Condition.r", "system/Practitioner.r")
    # The practitioner is reached through what this client may not read.
    assert references(reader.get(path)) == [referred.patient, referred.condition]
    assert limited(clinic, referred.fhir, "system/Condition.r").get(path).status == 403


def test_taking_out_a_record_is_one_disclosure(referred: Referred) -> None:
    fhir = referred.fhir
    references(fhir.get(f"{referred.patient}/$everything"))
    references(fhir.get(f"DocumentReference/$docref?patient={referred.patient[8:]}"))
    export = "http://dicom.nema.org/resources/ontology/DCM|110106"
    found = fhir.get(f"AuditEvent?patient={referred.patient}&type={export}").resources
    assert [row["subtype"][1]["code"] for row in found] == ["docref", "everything"]
    for row in found:
        assert {"reference": referred.patient} in [entity["what"] for entity in row["entity"]]
        assert row["agent"][1]["type"]["coding"][0]["code"] == "110152"
    other = next(row["id"] for row in fhir.get("Patient?name=Outsider").resources)
    assert fhir.get(f"AuditEvent?patient=Patient/{other}&type={export}").resources == []


# ---- $docref


def letter(referred: Referred, code: str = "11488-4", **more: object) -> Json:
    return referred.fhir.create(
        {
            "resourceType": "DocumentReference",
            "status": "current",
            "type": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "subject": {"reference": referred.patient},
            "date": "2026-10-01T10:00:00Z",
            "content": [{"attachment": {"contentType": "text/plain", "data": "SGVsbG8="}}],
            **more,
        }
    )


def test_docref_finds_the_documents_of_the_patient(referred: Referred) -> None:
    fhir = referred.fhir
    note, other = letter(referred), letter(referred, "34788-0", date="2026-06-01T10:00:00Z")
    old = letter(referred, status="superseded")
    letter(referred, status="entered-in-error")
    stranger = fhir.create(patient())
    letter(
        referred, subject={"reference": f"Patient/{stranger['id']}"}, author=[{"reference": referred.patient}]
    )
    path = f"DocumentReference/$docref?patient={referred.patient[8:]}"

    def ids(query: str = "") -> set[str]:
        return {reference.partition("/")[2] for reference in references(fhir.get(f"{path}{query}"))}

    assert ids() == {note["id"], other["id"]}
    assert ids("&type=http://loinc.org|34788-0") == {other["id"]}
    assert ids("&type=http://loinc.org|34788-0,http://loinc.org|11488-4") == {note["id"], other["id"]}
    assert ids("&start=2026-09-01") == {note["id"], old["id"]}
    assert ids("&start=2026-01-01&end=2026-06-30") == {other["id"]}
    assert ids("&profile=http://nobody.example/StructureDefinition/x") == set()
    code = {"coding": [{"system": "http://loinc.org", "code": "11488-4"}]}
    body = parameters(
        patient={"valueId": referred.patient[8:]},
        type={"valueCodeableConcept": code},
        on_demand={"valueBoolean": True},
    )
    answer = fhir.post("DocumentReference/$docref", body)
    assert answer.references == [f"DocumentReference/{note['id']}"]
    assert answer.body["total"] == 1
    assert answer.body["entry"][-1]["search"]["mode"] == "outcome"
    assert check_resource(answer.body) == []
    assert "entry" not in fhir.get("DocumentReference/$docref?patient=nobody").body


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("", "http.patient"),
        (f"patient={'x' * 65}", "http.patient"),
        ("patient=1&start=x", "http.start"),
        ("patient=1&type=", "http.type"),
    ],
)
def test_docref_refuses_what_it_cannot_read(fhir: FhirClient, query: str, place: str) -> None:
    answer = fhir.get(f"DocumentReference/$docref?{query}")
    assert (answer.status, answer.expressions) == (400, [place])


def test_docref_needs_the_right_to_search_documents(fhir: FhirClient, clinic: ClinicFixture) -> None:
    assert limited(clinic, fhir, "system/Patient.rs").get("DocumentReference/$docref?patient=1").status == 403
    assert (
        limited(clinic, fhir, "system/DocumentReference.s").get("DocumentReference/$docref?patient=1").status
        == 200
    )


# ---- $populate


FORM = "ketamine-recommendation-psychiatrist"


def response(answer: Answer) -> Json:
    assert answer.status == 200, answer.body
    assert check_resource(answer.body) == []
    made: Json = answer.body["parameter"][0]["resource"]
    assert made["resourceType"] == "QuestionnaireResponse"
    assert made["status"] == "in-progress"
    return made


def answers(made: Json) -> dict[str, Json]:
    rows = [item for section in made["item"] for item in section["item"]]
    return {item["linkId"]: item["answer"][0] for item in rows if "answer" in item}


def test_a_form_is_begun_for_the_clinician_who_was_asked(referred: Referred) -> None:
    fhir = referred.fhir
    before = fhir.get("QuestionnaireResponse?_summary=count").body["total"]
    made = response(fhir.get(f"Questionnaire/{FORM}/$populate?subject={referred.patient}"))
    assert made["basedOn"] == [{"reference": referred.request}]
    assert made["subject"] == {"reference": referred.patient}
    assert made["source"] == {"reference": referred.role}
    assert made["questionnaire"].partition("|")[0].endswith(f"/Questionnaire/{FORM}")
    assert answers(made)["signer-name"] == {"valueString": "Chidi Okafor"}
    signature = {"signer-name", "signer-credentials", "signer-role", "signer-license-state", "signer-npi"}
    assert answers(made).keys() <= signature
    assert answers(made)["signer-role"]["valueCoding"]["code"] == "psychiatrist"
    assert fhir.get("QuestionnaireResponse?_summary=count").body["total"] == before
    events = fhir.get(f"AuditEvent?patient={referred.patient}&entity={referred.request}").resources
    assert "populate" in str([row["subtype"] for row in events])


def test_a_begun_form_that_is_filled_in_is_an_answer(referred: Referred) -> None:
    fhir = referred.fhir
    made = response(fhir.get(f"Questionnaire/{FORM}/$populate?subject={referred.patient}"))
    given = {item["linkId"]: item["answer"] for item in referred.answer()["item"]}
    for section in made["item"]:
        for item in section["item"]:
            if item["linkId"] in given:
                item["answer"] = given[item["linkId"]]
    assert fhir.post("QuestionnaireResponse", {**made, "status": "completed"}).status == 201
    assert referred.task["status"] == "completed"


def test_the_request_is_named_in_the_context(referred: Referred) -> None:
    fhir = referred.fhir
    for named in (referred.request, f"Task/{referred.task['id']}"):
        content = {"name": "content", "valueReference": {"reference": named}}
        body = parameters(
            canonical={"valueCanonical": f"https://referral.example/fhir/Questionnaire/{FORM}"},
            subject={"valueReference": {"reference": referred.patient}},
            local={"valueBoolean": True},
        )
        context = {"name": "context", "part": [{"name": "name", "valueString": "request"}, content]}
        body["parameter"].append(context)
        made = response(fhir.post("Questionnaire/$populate", body))
        assert made["basedOn"] == [{"reference": referred.request}]
    wrong = fhir.get(f"Questionnaire/{FORM}/$populate?subject={referred.patient}&context={referred.order}")
    assert (wrong.status, wrong.expressions) == (422, ["http.context"])


def test_without_an_open_request_the_form_is_blank_and_says_why(fhir: FhirClient) -> None:
    who = f"Patient/{fhir.create(patient())['id']}"
    answer = fhir.get(f"Questionnaire/{FORM}/$populate?subject={who}")
    assert "basedOn" not in response(answer)
    assert answer.body["parameter"][1]["resource"]["issue"][0]["code"] == "not-found"


def test_a_form_of_somebody_else_keeps_its_initial_values(fhir: FhirClient) -> None:
    who = f"Patient/{fhir.create(patient())['id']}"
    form: Json = {
        "resourceType": "Questionnaire",
        "status": "active",
        "url": "http://ehr.example/Questionnaire/sleep",
        "version": "2",
        "item": [
            {"linkId": "1", "type": "group", "item": [
                {"linkId": "1.1", "text": "Hours", "type": "decimal", "initial": [{"valueDecimal": 7}]},
                {"linkId": "1.2", "type": "display", "text": "Thank you"},
            ]},
        ],
    }  # fmt: skip
    body = parameters(questionnaire={"resource": form}, subject={"valueReference": {"reference": who}})
    made = response(fhir.post("Questionnaire/$populate", body))
    assert made["questionnaire"] == "http://ehr.example/Questionnaire/sleep|2"
    assert answers(made) == {"1.1": {"valueDecimal": 7}}
    stored = fhir.create(form)
    for query in (
        f"canonical={form['url']}",
        f"canonical={form['url']}|2",
        f"questionnaireRef=Questionnaire/{stored['id']}",
    ):
        assert response(fhir.get(f"Questionnaire/$populate?subject={who}&{query}"))["item"] == made["item"]
    assert fhir.get(f"Questionnaire/$populate?subject={who}&canonical={form['url']}|3").status == 404


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (f"{FORM}/$populate", 400),
        (f"{FORM}/$populate?subject=Practitioner/1", 400),
        (f"{FORM}/$populate?subject=Patient/nobody", 404),
        ("nothing/$populate?subject=Patient/nobody", 404),
        ("$populate?subject=Patient/nobody", 400),
        ("$populate?subject=Patient/nobody&canonical=http://x.example/none", 404),
    ],
)
def test_populate_refuses_what_it_cannot_do(fhir: FhirClient, query: str, status: int) -> None:
    assert fhir.get(f"Questionnaire/{query}").status == status


def test_the_form_of_another_discipline_is_refused(referred: Referred) -> None:
    path = f"Questionnaire/ketamine-recommendation-psychologist/$populate?subject={referred.patient}"
    answer = referred.fhir.get(path)
    assert (answer.status, answer.expressions) == (422, ["http.questionnaire"])


def test_who_was_asked_is_told_to_whom_may_read_it(referred: Referred, clinic: ClinicFixture) -> None:
    path = f"Questionnaire/{FORM}/$populate?subject={referred.patient}"
    scopes = ("system/Questionnaire.r", "system/Patient.r")
    assert "basedOn" not in response(limited(clinic, referred.fhir, *scopes).get(path))
    more = limited(clinic, referred.fhir, *scopes, "system/ServiceRequest.r").get(path)
    assert answers(response(more)) == {}
    assert limited(clinic, replace(referred.fhir), "system/Patient.r").get(path).status == 403


ODD_VALUES: list[Json] = [
    {},
    {"valueString": ""},
    {"valueString": "x" * 5000},
    {"valueString": "Patient/\u0000"},
    {"valueInteger": -1},
    {"valueInteger": 10**20},
    {"valueBoolean": True},
    {"valueReference": {}},
    {"valueReference": {"reference": "#"}},
    {"valueReference": {"reference": "https://elsewhere.example/fhir/Patient/1"}},
    {"valueReference": {"identifier": {"value": "1"}}},
    {"valueCodeableConcept": {"text": "words"}},
    {"valueCodeableConcept": {"coding": [{"display": "words"}]}},
    {"valueCoding": {"system": "http://loinc.org"}},
    {"valuePeriod": {"start": "2026"}},
    {"resource": {"resourceType": "Patient"}},
    {"resource": {"resourceType": "Questionnaire", "status": "active"}},
    {"part": [{"name": "content"}]},
    {
        "part": [
            {"name": "content", "valueString": "x"},
            {"name": "content", "resource": {"resourceType": "Task"}},
        ]
    },
    {"part": [{"name": "name", "part": [{"name": "content", "valueReference": {"reference": "Patient/1"}}]}]},
]


def test_odd_values_are_answered_and_never_an_error_of_ours(fhir: FhirClient) -> None:
    who = f"Patient/{fhir.create(patient())['id']}"
    names = {
        f"{who}/$everything": ("start", "_since", "_type", "_count", "_cursor"),
        "DocumentReference/$docref": ("patient", "start", "type", "on-demand", "profile"),
        "Questionnaire/$populate": ("subject", "context", "canonical", "questionnaire", "questionnaireRef"),
    }
    right: dict[str, Json] = {
        "subject": {"valueReference": {"reference": who}},
        "patient": {"valueId": who[8:]},
    }
    seen = set()
    for value in ODD_VALUES:
        entries: list[Json] = []
        for path, known in names.items():
            for name in known:
                rest = [{"name": key, **row} for key, row in right.items() if key != name]
                body = {"resourceType": "Parameters", "parameter": [{"name": name, **value}, *rest]}
                entries.append({"resource": body, "request": {"method": "POST", "url": path}})
        answer = fhir.post("", {"resourceType": "Bundle", "type": "batch", "entry": entries})
        assert answer.status in (200, 400), answer.body
        statuses = [row["response"]["status"][:3] for row in answer.body.get("entry", [])]
        assert all(status < "500" for status in statuses), (value, statuses)
        seen |= set(statuses)
    assert seen >= {"200", "400", "404"}
