"""The form as a Questionnaire, and answers as QuestionnaireResponses."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from referral.domain.answers import Answers, check_answers
from referral.domain.codes import ClinicianKind, Decision
from referral.domain.form import ITEMS, Kind, items_for
from referral.domain.language import Language
from referral.fhir import questionnaire
from referral.fhir.questionnaire import Filled, answers_from_response, to_fhir
from referral.translation import say
from tests.fhir.mapping_samples import NOW, NPI, all_values, assert_valid

TODAY = date(2026, 11, 25)
KINDS = list(ClinicianKind)


def raw_answers(
    kind: ClinicianKind, decision: Decision = Decision.RECOMMENDED_WITH_CONDITIONS
) -> dict[str, list[str]]:
    """An answer to every item that is asked of `kind`, as a page would send it."""
    raw: dict[str, list[str]] = {}
    for item in items_for(kind):
        if item.options:
            codes = [str(option.code) for option in item.options]
            raw[item.link_id] = codes[:2] if item.kind is Kind.MANY else codes[-1:]
        elif item.kind is Kind.DATE:
            raw[item.link_id] = [TODAY.isoformat()]
        else:
            raw[item.link_id] = ["yes"] if item.kind is Kind.TICK else ["Some words"]
    return {**raw, "decision": [decision], "signer-npi": [NPI], "signer-license-state": ["CO"]}


def answered(kind: ClinicianKind, decision: Decision = Decision.RECOMMENDED_WITH_CONDITIONS) -> Answers:
    return check_answers(raw_answers(kind, decision), kind, TODAY)


def response(kind: ClinicianKind, answers: Answers) -> dict[str, Any]:
    return questionnaire.response(
        Filled(
            id="qr1",
            referral_id="request1",
            patient_id="p1",
            kind=kind,
            answers=answers,
            source="PractitionerRole/role1",
            author="PractitionerRole/role1",
            authored_at=NOW,
        )
    )


def items_of(resource: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        node["linkId"]: node for node in all_values(resource) if isinstance(node, dict) and "linkId" in node
    }


@pytest.mark.parametrize("index", range(len(KINDS) + 1))
def test_every_published_questionnaire_is_valid(index: int) -> None:
    assert_valid(questionnaire.published()[index])


def test_each_discipline_has_its_form_with_exactly_its_items() -> None:
    for kind in KINDS:
        asked = {i.link_id for i in items_for(kind)}
        found = items_of(questionnaire.to_fhir(kind))
        assert {link_id for link_id in found if not link_id.startswith("section-")} - {
            f"{link_id}-hint" for link_id in asked
        } == asked
    assert "hypertension" not in items_of(questionnaire.to_fhir(ClinicianKind.PSYCHOLOGIST))


def test_every_text_of_the_form_stands_in_spanish_beside_the_english() -> None:
    def texts(node: Any) -> Iterator[tuple[str, Any]]:
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from texts(child)
        if isinstance(node, dict) and "linkId" in node:
            yield node["text"], node.get("_text")
        for option in node.get("answerOption", []) if isinstance(node, dict) else ():
            yield option["valueCoding"]["display"], option["valueCoding"].get("_display")

    found = list(texts(to_fhir(ClinicianKind.PSYCHIATRIST)["item"]))
    assert len(found) > 60
    for english, beside in found:
        (translation,) = beside["extension"]
        assert translation["url"] == "http://hl7.org/fhir/StructureDefinition/translation"
        lang, content = translation["extension"]
        assert lang == {"url": "lang", "valueCode": "es"}
        assert content["valueString"] == say(Language.SPANISH, english)
        assert content["valueString"] != english or english in ("No", "NPI")


def test_the_form_of_all_says_who_is_asked_and_requires_only_what_everybody_is_asked() -> None:
    found = items_of(questionnaire.to_fhir())
    assert {item.link_id for item in ITEMS} <= set(found)
    codes = {e["valueCode"] for e in found["psychosis"]["extension"]}
    assert codes == {"psychiatrist", "psychologist", "social-worker"}
    assert not found["psychosis"]["required"]
    assert found["pregnancy"]["required"]


def test_an_item_is_enabled_by_the_answers_that_make_it_needed() -> None:
    found = items_of(questionnaire.to_fhir(ClinicianKind.PSYCHIATRIST))
    conditions = found["conditions"]["enableWhen"]
    assert [c["answerCoding"]["code"] for c in conditions] == ["recommended-with-conditions"]
    assert "enableBehavior" not in found["conditions"]
    assert found["psychosis"]["enableBehavior"] == "any"
    options = [{**o["valueCoding"], "_display": None} for o in found["decision"]["answerOption"]]
    assert {**conditions[0]["answerCoding"], "_display": None} in options


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("decision", list(Decision))
def test_an_answer_comes_back_through_the_check_as_it_was_given(
    kind: ClinicianKind, decision: Decision
) -> None:
    answers = answered(kind, decision)
    written = response(kind, answers)
    assert_valid(written)
    read = check_answers(answers_from_response(written), kind, TODAY)
    assert read == answers


def test_the_response_names_the_form_and_its_items_belong_to_it() -> None:
    kind = ClinicianKind.PRIMARY_CARE
    written = response(kind, answered(kind))
    form = questionnaire.to_fhir(kind)
    assert written["questionnaire"] == f"{form['url']}|{form['version']}"
    assert set(items_of(written)) <= set(items_of(form))


def test_source_and_author_differ_when_staff_key_an_answer_in() -> None:
    kind = ClinicianKind.PSYCHOLOGIST
    written = questionnaire.response(
        Filled(
            id="qr1",
            referral_id="request1",
            patient_id="p1",
            kind=kind,
            answers=answered(kind),
            source="PractitionerRole/role1",
            author="PractitionerRole/front-desk",
            authored_at=NOW,
        )
    )
    assert_valid(written)
    assert written["source"] != written["author"]


@pytest.mark.parametrize(
    ("link_id", "answer", "read"),
    [
        ("decision", {"valueCoding": {"code": "recommended"}}, "recommended"),
        ("decision", {"valueCoding": {"display": "I recommend it"}}, "recommended"),
        ("decision", {"valueString": "I recommend it"}, "recommended"),
        ("psychosis", {"valueBoolean": False}, "no"),
        ("attestation", {"valueBoolean": True}, "yes"),
        ("last-seen", {"valueDateTime": "2026-11-01T10:00:00-05:00"}, "2026-11-01"),
        ("last-seen", {"valueDate": "2026-11-01"}, "2026-11-01"),
        ("signer-npi", {"valueInteger": 1234567893}, "1234567893"),
        ("conditions", {"valueString": "  Blood pressure first  "}, "Blood pressure first"),
        ("not-ours", {"valueString": "kept"}, "kept"),
    ],
)
def test_answers_of_every_type_are_read(link_id: str, answer: dict[str, Any], read: str) -> None:
    resource = {"item": [{"linkId": link_id, "answer": [answer]}]}
    assert answers_from_response(resource) == {link_id: [read]}


def test_items_are_found_below_items_and_below_answers_in_document_order() -> None:
    resource = {
        "item": [
            {
                "linkId": "group",
                "item": [
                    {
                        "linkId": "reports",
                        "answer": [
                            {
                                "valueCoding": {"code": "decision"},
                                "item": [{"linkId": "conditions", "answer": [{"valueString": "a"}]}],
                            },
                            {"valueCoding": {"code": "mid-course"}},
                        ],
                    }
                ],
            },
            {"linkId": "conditions", "answer": [{"valueString": "b"}]},
            {"linkId": "reason", "answer": []},
        ]
    }
    assert answers_from_response(resource) == {
        "reports": ["decision", "mid-course"],
        "conditions": ["a", "b"],
    }


def test_a_response_nested_very_deeply_is_read_without_overflow() -> None:
    item: dict[str, Any] = {"linkId": "reason", "answer": [{"valueString": "deep"}]}
    for _ in range(20_000):
        item = {"linkId": "g", "item": [item]}
    assert answers_from_response({"item": [item]}) == {"reason": ["deep"]}


@pytest.mark.parametrize("damage", [{"item": None}, {"item": [None, 3]}, {"item": [{"linkId": 3}]}, {}])
def test_a_response_without_usable_items_gives_no_answers(damage: dict[str, Any]) -> None:
    before = copy.deepcopy(damage)
    assert answers_from_response(damage) == {}
    assert damage == before
