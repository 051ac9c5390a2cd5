"""Questionnaire and QuestionnaireResponse, made from and read into the form of the rulebook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from referral.domain.answers import Answers
from referral.domain.codes import ClinicianKind
from referral.domain.form import BY_LINK_ID, ITEMS, SECTIONS, VERSION, Item, Kind, items_for
from referral.domain.language import Language
from referral.domain.npi import KIND_LABEL
from referral.fhir.elements import Ref, Resource, every, instant, reference
from referral.fhir.publication import publication
from referral.fhir.systems import DEFAULT, ITEM_CONTROL, ITEM_CONTROL_CODE, TRANSLATION, LocalSystems
from referral.translation import say

NAME: Final = "ketamine-recommendation"

_TYPES: Final = {
    Kind.CHOICE: "choice",
    Kind.FLAG: "choice",
    Kind.YES_NO: "choice",
    Kind.MANY: "choice",
    Kind.TEXT: "text",
    Kind.LINE: "string",
    Kind.DATE: "date",
    Kind.TICK: "boolean",
}
_ASKED: Final = {True: "a clinician, of whatever discipline,", False: "a clinician of this discipline"}
_HELP: Final = {
    "url": ITEM_CONTROL,
    "valueCodeableConcept": {
        "coding": [{"system": ITEM_CONTROL_CODE, "code": "help", "display": "Help-Button"}]
    },
}


def questionnaire_id(kind: ClinicianKind | None = None) -> str:
    """The id, and the end of the canonical: one form per discipline; None is the form with every item."""
    return f"{NAME}-{kind.value}" if kind else NAME


def canonical(kind: ClinicianKind | None = None, *, local: LocalSystems = DEFAULT) -> str:
    """The versioned canonical of a discipline's form."""
    return f"{local.base}/Questionnaire/{questionnaire_id(kind)}|{VERSION}"


def to_fhir(kind: ClinicianKind | None = None, *, local: LocalSystems = DEFAULT) -> Resource:
    """The Questionnaire of a discipline; or of all, where an extension says who is asked what.

    In the form of all, an item that only some disciplines are asked is not marked as required: whether it is
    depends on who answers, and `check_answers` knows that.
    """
    title = "Recommendation before ketamine infusions"
    items = ITEMS if kind is None else items_for(kind)
    return {
        "resourceType": "Questionnaire",
        "id": questionnaire_id(kind),
        "url": f"{local.base}/Questionnaire/{questionnaire_id(kind)}",
        **publication(),
        "version": VERSION,
        "name": "".join(part.capitalize() for part in questionnaire_id(kind).split("-")),
        "title": f"{title} ({KIND_LABEL[kind]})" if kind else title,
        "description": f"What {_ASKED[kind is None]} is asked about ketamine infusions for a patient.",
        "subjectType": ["Patient"],
        "item": [
            {
                "linkId": f"section-{section}",
                **_translated("text", text),
                "type": "group",
                "item": [_item(item, kind, local) for item in items if item.section == section],
            }
            for section, text in SECTIONS.items()
            if any(item.section == section for item in items)
        ],
    }


def published(local: LocalSystems = DEFAULT) -> list[Resource]:
    """Every Questionnaire that this server publishes: the form of all, and that of each discipline."""
    return [to_fhir(None, local=local), *(to_fhir(kind, local=local) for kind in ClinicianKind)]


def _item(item: Item, kind: ClinicianKind | None, local: LocalSystems) -> Resource:
    result: Resource = {
        "linkId": item.link_id,
        **_translated("text", item.text),
        "type": _TYPES[item.kind],
    }
    if item.asked_of is not None:
        url = local.extension("asked-of")
        result["extension"] = [{"url": url, "valueCode": asked.value} for asked in sorted(item.asked_of)]
    if item.needed_when is not None:
        other, wanted = item.needed_when
        result["enableWhen"] = [
            {"question": other, "operator": "=", "answerCoding": _coding(BY_LINK_ID[other], code, local)}
            for code in sorted(wanted)
        ]
        if len(wanted) > 1:
            result["enableBehavior"] = "any"
    is_for_all = kind is not None or item.asked_of is None
    result["required"] = item.required or (is_for_all and item.needed_when is not None)
    if item.kind is Kind.MANY:
        result["repeats"] = True
    if item.options:
        result["answerOption"] = [
            {"valueCoding": {**_coding(item, o.code, local), **_translated("display", o.text)}}
            for o in item.options
        ]
    elif item.kind in (Kind.TEXT, Kind.LINE):
        result["maxLength"] = item.max_length
    if item.hint:
        result["item"] = [
            {
                "linkId": f"{item.link_id}-hint",
                "extension": [_HELP],
                **_translated("text", item.hint),
                "type": "display",
            }
        ]
    return result


def _translated(name: str, text: str) -> Resource:
    """An element in English, with every other language in HL7's extension for translations beside it."""
    others = [
        {
            "url": TRANSLATION,
            "extension": [
                {"url": "lang", "valueCode": language.value},
                {"url": "content", "valueString": say(language, text)},
            ],
        }
        for language in Language
        if language is not Language.ENGLISH
    ]
    return {name: text, f"_{name}": {"extension": others}}


def _coding(item: Item, code: str, local: LocalSystems) -> Resource:
    """An answer as a Coding, in the words of the form; the decision has its own code system."""
    text = next(option.text for option in item.options if option.code == code)
    name = "decision" if item.link_id == "decision" else "form-answer"
    return {"system": local.system(name), "code": str(code), "display": text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """Who answered what when. `source` is whose answer it is, `author` who keyed it in."""

    id: str
    referral_id: str
    patient_id: str
    kind: ClinicianKind
    answers: Answers
    source: Ref
    author: Ref
    authored_at: datetime
    status: str = "completed"


def response(filled: Filled, *, local: LocalSystems = DEFAULT) -> Resource:
    """The QuestionnaireResponse, with the sections of the form; unanswered items are left out."""
    values = filled.answers.values
    sections: dict[str, list[Resource]] = {}
    for item in items_for(filled.kind):
        value = values.get(item.link_id)
        if value is not None:
            given = (value,) if isinstance(value, str) else value
            answers = [answer_to(item, one, local) for one in given]
            entry = {"linkId": item.link_id, "text": item.text, "answer": answers}
            sections.setdefault(item.section, []).append(entry)
    return {
        "resourceType": "QuestionnaireResponse",
        "id": filled.id,
        "identifier": local.identifier("questionnaire-response", filled.id),
        "basedOn": [{"reference": f"ServiceRequest/{filled.referral_id}"}],
        "questionnaire": canonical(filled.kind, local=local),
        "status": filled.status,
        "subject": {"reference": f"Patient/{filled.patient_id}"},
        "authored": instant(filled.authored_at),
        "author": reference(filled.author),
        "source": reference(filled.source),
        "item": [
            {"linkId": f"section-{section}", "text": SECTIONS[section], "item": items}
            for section, items in sections.items()
        ],
    }


def answer_to(item: Item, value: str, local: LocalSystems) -> Resource:
    """One answer as the item's type wants it."""
    if item.options:
        return {"valueCoding": _coding(item, value, local)}
    if item.kind is Kind.DATE:
        return {"valueDate": value}
    if item.kind is Kind.TICK:
        return {"valueBoolean": value == "yes"}
    return {"valueString": value}


def answers_from_response(resource: Mapping[str, Any]) -> dict[str, list[str]]:
    """Raw answers by link id, however the client nested its items, ready for `check_answers`.

    A boolean becomes yes or no, a coding its code; the wording of an option counts as its code.
    """
    found: dict[str, list[str]] = {}
    for item in _items(resource):
        link_id = item.get("linkId")
        if isinstance(link_id, str):
            values = [_text(answer, BY_LINK_ID.get(link_id)) for answer in every(item, "answer")]
            given = [value for value in values if value]
            if given:
                found.setdefault(link_id, []).extend(given)
    return found


def _items(resource: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every item in document order, below items and below answers; a stack, so that no depth overflows."""
    waiting = every(resource, "item")[::-1]
    while waiting:
        item = waiting.pop()
        yield item
        below = every(item, "item") + [i for answer in every(item, "answer") for i in every(answer, "item")]
        waiting.extend(reversed(below))


def _text(answer: Mapping[str, Any], item: Item | None) -> str:
    coded = answer.get("valueCoding")
    if isinstance(coded, Mapping):
        value: object = coded.get("code") or coded.get("display")
    else:
        value = next((v for name, v in answer.items() if name.startswith("value")), None)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float | Decimal):
        return str(value)
    if not isinstance(value, str):
        return ""
    text = value.strip()
    if item is None or not item.options:
        return text[:10] if item is not None and item.kind is Kind.DATE else text
    return next((str(o.code) for o in item.options if text in (o.code, o.text)), text)
