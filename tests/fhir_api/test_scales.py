"""Scales by FHIR: scored when they come, and a sign of self-harm is never only a number."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from referral.domain.errors import InvalidInput, TransitionRefused
from referral.domain.scales import FORMS, SELF_HARM, Scale, Source
from referral.fhir import scale as mapping
from referral.services.keep_scale import Filling, keep_scale, void_scale
from referral.services.raise_safety import settle_safety
from referral.services.treat import record_consultation, start_treatment
from referral.storage import documents, safety_tasks, scales
from tests.database import NOW, ClinicFixture
from tests.fhir_api.client import Answer, FhirClient, Json, connect
from tests.services import people
from tests.web.portal_case import Case, make_case

LA = ("LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9")


@pytest.fixture
def case(clinic: ClinicFixture) -> Case:
    return make_case(clinic)


@pytest.fixture
def fhir(clinic: ClinicFixture) -> FhirClient:
    return connect(clinic)


def coded(value: int) -> Json:
    return {"valueCoding": {"system": "http://loinc.org", "code": LA[value]}}


def phq(case: Case, *values: int, last: Json | None = None, **changes: Any) -> Json:
    """As a client of LOINC's own form sends it: link ids end with the code."""
    codes = [question.link_id for question in FORMS[Scale.PHQ_9].questions]
    answers = [coded(value) for value in values] + ([last] if last else [])
    items = [
        {"linkId": f"/44249-1/{code}", "answer": [answer]}
        for code, answer in zip(codes, answers, strict=False)
    ]
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": "http://loinc.org/q/44249-1",
        "status": "completed",
        "subject": {"reference": f"Patient/{case.patient.id}"},
        "authored": "2026-11-03T09:00:00-07:00",
        "item": items,
        **changes,
    }


def put(fhir: FhirClient, document: Json) -> Answer:
    return fhir.put(f"{document['resourceType']}/{document['id']}", document)


def waiting(case: Case) -> list[tuple[str, int | None]]:
    with case.clinic.transaction() as session:
        return [(task.source, task.answer) for task in safety_tasks.waiting(session)]


def scores(case: Case) -> list[tuple[Scale, int, int]]:
    with case.clinic.transaction() as session:
        found = scales.of_order(session, case.referral.order_id)
    return [(one.scale, one.total, one.sessions) for one in found]


def test_a_response_is_scored_and_its_total_is_an_observation(case: Case, fhir: FhirClient) -> None:
    made = fhir.create(phq(case, 1, 2, 3, 0, 1, 2, 3, 0, 0))
    assert scores(case) == [(Scale.PHQ_9, 12, 0)]
    found = fhir.get(f"Observation?patient={case.patient.id}&code=http://loinc.org|44261-6").resources
    assert [(one["valueInteger"], one["status"]) for one in found] == [(12, "final")]
    assert found[0]["derivedFrom"] == [{"reference": f"QuestionnaireResponse/{made['id']}"}]
    assert found[0]["interpretation"] == [{"text": "moderate"}]
    assert waiting(case) == []
    # A correction changes the score and the same Observation, and an error takes both away.
    corrected = put(fhir, made | {"status": "amended", "item": phq(case, *[0] * 9)["item"]})
    assert corrected.status == 200
    assert scores(case) == [(Scale.PHQ_9, 0, 0)]
    again = fhir.get(f"Observation/{found[0]['id']}").body
    assert (again["valueInteger"], again["status"]) == (0, "amended")
    assert put(fhir, corrected.body | {"status": "entered-in-error"}).status == 200
    assert scores(case) == []


@pytest.mark.parametrize(
    ("last", "answer"),
    [
        (coded(1), 1),
        ({"valueInteger": 3}, 3),
        ({"valueString": "Nearly every day"}, 3),
        # What nobody can read is a sign until a person has looked.
        ({"valueString": "sometimes"}, None),
        ({"valueCoding": {"system": "urn:other", "code": "9"}}, None),
    ],
)
def test_question_nine_raises_a_task_at_once(
    case: Case, fhir: FhirClient, last: Json, answer: int | None
) -> None:
    made = fhir.create(phq(case, *[0] * 8, last=last))
    source = f"QuestionnaireResponse/{made['id']}"
    assert waiting(case) == [(source, answer)]
    (task,) = fhir.get(f"Task?patient={case.patient.id}&priority=stat").resources
    assert (task["status"], task["priority"]) == ("requested", "stat")
    assert task["focus"] == {"reference": source}
    # Nobody ends it from outside, and sending the same again raises nothing more.
    assert put(fhir, task | {"status": "completed"}).status == 422
    assert put(fhir, made).status == 200
    assert waiting(case) == [(source, answer)]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "in-progress"},
        {"questionnaire": "urn:somebody:else", "item": [{"linkId": "q9", "answer": [coded(2)]}]},
    ],
)
def test_neither_a_draft_nor_another_form_hides_it(
    case: Case, fhir: FhirClient, changes: dict[str, Any]
) -> None:
    sent = phq(case, *[0] * 8, 2) | changes
    for item in sent["item"]:
        if item["linkId"] == "q9":
            item["text"] = "Thoughts that you would be better off dead, or of hurting yourself"
    fhir.create(sent)
    assert [answer for _, answer in waiting(case)] == [2]
    assert scores(case) == []


def observation(case: Case, code: str, **changes: Any) -> Json:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{case.patient.id}"},
        "effectiveDateTime": "2026-11-02T09:00:00-07:00",
        **changes,
    }


def test_an_observation_of_question_nine_raises_one_too(case: Case, fhir: FhirClient) -> None:
    fhir.create(observation(case, SELF_HARM, valueInteger=0))
    assert waiting(case) == []
    made = fhir.create(
        observation(case, SELF_HARM, valueCodeableConcept={"coding": [coded(1)["valueCoding"]]})
    )
    part = {"code": {"coding": [{"system": "http://loinc.org", "code": SELF_HARM}]}, "valueInteger": 2}
    panel = fhir.create(observation(case, "44249-1", component=[part]))
    assert set(waiting(case)) == {(f"Observation/{made['id']}", 1), (f"Observation/{panel['id']}", 2)}


def test_a_total_that_comes_alone_is_a_score_and_the_same_filling_counts_once(
    case: Case, fhir: FhirClient
) -> None:
    fhir.create(observation(case, "70274-6", valueInteger=14))
    assert scores(case) == [(Scale.GAD_7, 14, 0)]
    fhir.create(observation(case, "44261-6", valueQuantity={"value": 4, "unit": "{score}"}))
    fhir.create(phq(case, 1, 1, 1, 1, 0, 0, 0, 0, 0, authored="2026-11-02T09:00:00-07:00"))
    assert scores(case) == [(Scale.GAD_7, 14, 0), (Scale.PHQ_9, 4, 0)]
    # A total that the scale does not have is stored, and scores nothing.
    fhir.create(observation(case, "70274-6", valueInteger=22, effectiveDateTime="2026-11-01"))
    assert len(scores(case)) == 2


def fill(case: Case, scale: Scale, *values: int, id: str = "f-1", days: int = 0) -> None:
    answers = {q.link_id: v for q, v in zip(FORMS[scale].questions, values, strict=False)}
    new = Filling(
        id=id,
        patient_id=case.patient.id,
        order_id=case.referral.order_id,
        scale=scale,
        answers=answers,
        source=Source.STAFF,
    )
    with case.clinic.transaction() as session:
        keep_scale(session, case.clinic.actor, new, NOW + timedelta(days=days))


@pytest.mark.parametrize("scale", Scale)
def test_what_is_filled_in_here_reads_back_as_it_was(case: Case, fhir: FhirClient, scale: Scale) -> None:
    form = FORMS[scale]
    values = [min(n % 3, form.answers[-1].value) for n in range(len(form.questions))]
    fill(case, scale, *values, id=f"f-{scale}")
    stored = fhir.get(f"QuestionnaireResponse/f-{scale}").body
    assert mapping.scale_of(stored) is scale
    assert list(mapping.answers_in(stored, scale).values()) == values
    form_there = fhir.get(f"Questionnaire?url={stored['questionnaire']}").resources
    assert [one["id"] for one in form_there] == [scale]
    (total,) = fhir.get(f"Observation?patient={case.patient.id}&code=http://loinc.org|{form.total}").resources
    assert total["valueInteger"] == sum(values)
    for document in (stored, total):
        assert fhir.post(f"{document['resourceType']}/$validate", document).body["issue"][0]["severity"] in (
            "information",
            "warning",
        )
    # It is a record: a client does not rewrite it.
    assert put(fhir, stored | {"status": "amended"}).status == 422
    assert put(fhir, total | {"valueInteger": 0}).status == 422


def test_sessions_are_those_that_had_begun_by_then(case: Case) -> None:
    with case.clinic.transaction() as session:
        people.respond_with(session, case.clinic, case.referral)
        order_id = case.referral.order_id
        record_consultation(session, case.clinic.actor, order_id, NOW, NOW)
    fill(case, Scale.PHQ_9, *[2] * 8, 0, id="before")
    with case.clinic.transaction() as session:
        start_treatment(session, case.clinic.actor, order_id, case.patient.id, NOW)
    # The start has the time of the database: what comes after it lies after every day on which this runs.
    fill(case, Scale.PHQ_9, *[1] * 8, 0, id="after", days=20000)
    fill(case, Scale.PAIN, 7, id="pain", days=20001)
    fill(case, Scale.PCL_5, 1, 2, 3, id="too-few", days=20002)
    assert scores(case) == [(Scale.PHQ_9, 16, 0), (Scale.PHQ_9, 8, 1), (Scale.PAIN, 7, 1)]
    with case.clinic.transaction() as session:
        assert [one.total for one in scales.filled(session, order_id)] == [None, 7, 8, 16]
        void_scale(session, case.clinic.actor, order_id, "before", NOW)
    assert scores(case) == [(Scale.PHQ_9, 8, 1), (Scale.PAIN, 7, 1)]


def test_a_sign_is_settled_with_an_action_in_words_and_by_nothing_else(case: Case, fhir: FhirClient) -> None:
    fill(case, Scale.PHQ_9, *[0] * 8, 2)
    with case.clinic.transaction() as session:
        (task,) = safety_tasks.waiting(session)
    director = people.director(case.clinic)
    for action, note in (("", "x" * 40), ("spoke-safe", "fine"), ("dismiss", "x" * 40)):
        with case.clinic.transaction() as session, pytest.raises(InvalidInput):
            settle_safety(session, director, task.id, action, note, NOW)
    words = "Called at 10:05; has a safety plan, sister is with her. Call again tomorrow."
    with case.clinic.transaction() as session:
        settle_safety(session, director, task.id, "safety-plan", words, NOW)
        done = safety_tasks.get(session, task.id)
        assert documents.get(session, str(done.note_id)).content.decode() == words
    assert waiting(case) == []
    shown = fhir.get(f"Task/{task.id}").body
    assert (shown["status"], shown["statusReason"]["coding"][0]["code"]) == ("completed", "safety-plan")
    assert "sister" not in str(shown)
    with case.clinic.transaction() as session, pytest.raises(TransitionRefused):
        settle_safety(session, director, task.id, "safety-plan", words, NOW)
