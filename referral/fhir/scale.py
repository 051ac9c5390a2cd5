"""PHQ-9, GAD-7, PCL-5 and pain: Questionnaire, QuestionnaireResponse and the Observation of the total.

Reading is wide where safety asks for it: a sign of self-harm is found by its LOINC code or by its words, and
what cannot be read as "not at all" counts as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from referral.domain.language import Language
from referral.domain.scale_texts import Wording
from referral.domain.scales import FORMS, SELF_HARM, Form, KeptScale, Question, SafetyTask, Scale, band_of
from referral.fhir.elements import Ref, Resource, codings, concept, every, instant, reference, text_of
from referral.fhir.publication import publication
from referral.fhir.systems import (
    DEFAULT,
    LOINC,
    OBSERVATION_CATEGORY,
    TRANSLATION,
    LocalSystems,
)

ORDINAL: Final = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
_MIN: Final = "http://hl7.org/fhir/StructureDefinition/minValue"
_MAX: Final = "http://hl7.org/fhir/StructureDefinition/maxValue"
_VERSION: Final = "1.0.0"
_SURVEY: Final = concept(OBSERVATION_CATEGORY, "survey", "Survey")
# The code at the end of a link id: 44260-8, /44260-8, 44249-1/44260-8.
_CODE: Final = re.compile(r"(?:^|[^0-9])(\d{4,6}-\d)$")
_WORDS_OF_SELF_HARM: Final = ("better off dead", "mejor muert", "hurting yourself", "lastimarse")


# ---- Questionnaires


def canonical(scale: Scale, *, local: LocalSystems = DEFAULT) -> str:
    """With its version."""
    return f"{local.base}/Questionnaire/{scale}|{_VERSION}"


def published(local: LocalSystems = DEFAULT) -> list[Resource]:
    """The Questionnaires of all scales."""
    return [_questionnaire(form, local) for form in FORMS.values()]


def _questionnaire(form: Form, local: LocalSystems) -> Resource:
    return {
        "resourceType": "Questionnaire",
        "id": form.scale.value,
        "url": f"{local.base}/Questionnaire/{form.scale}",
        **publication(),
        "version": _VERSION,
        "name": "".join(part.capitalize() for part in form.scale.split("-")),
        "title": form.title,
        "description": f"{form.title}, in the words of its authors; scored when it is filled in.",
        "subjectType": ["Patient"],
        "code": [{"system": LOINC, "code": form.panel}],
        "item": [
            {"linkId": "intro", **_said("text", form.intro), "type": "display"},
            *(_item(form, question, local) for question in form.questions),
        ],
    }


def _item(form: Form, question: Question, local: LocalSystems) -> Resource:
    item: Resource = {"linkId": question.link_id}
    if question.loinc:
        item["code"] = [{"system": LOINC, "code": question.loinc}]
    item |= {**_said("text", question.text), "required": False}
    if form.scale is Scale.PAIN:
        bounds = [{"url": _MIN, "valueInteger": 0}, {"url": _MAX, "valueInteger": form.highest}]
        return item | {"type": "integer", "extension": bounds}
    options = [
        {"valueCoding": {**_coding(form, a.value, local), **_said("display", a.text)}} for a in form.answers
    ]
    return item | {"type": "choice", "answerOption": options}


def _said(name: str, text: Wording) -> Resource:
    """In English, with Spanish beside it in HL7's extension for translations."""
    spanish = [
        {"url": "lang", "valueCode": Language.SPANISH.value},
        {"url": "content", "valueString": text.es},
    ]
    return {name: text.en, f"_{name}": {"extension": [{"url": TRANSLATION, "extension": spanish}]}}


def _coding(form: Form, value: int, local: LocalSystems) -> Resource:
    """An answer with its number: LOINC's where it has a list, ours where none is known."""
    answer = form.answers[value]
    system = LOINC if answer.code.startswith("LA") else local.system("scale-answer")
    number = [{"url": ORDINAL, "valueDecimal": value}]
    return {"extension": number, "system": system, "code": answer.code, "display": answer.text.en}


# ---- What was filled in


def response(
    kept: KeptScale, answers: Mapping[str, int], *, author: Ref, source: Ref, local: LocalSystems = DEFAULT
) -> Resource:
    """The QuestionnaireResponse of a scale that was filled in here."""
    form = FORMS[kept.scale]
    made: Resource = {
        "resourceType": "QuestionnaireResponse",
        "id": kept.id,
        "identifier": local.identifier("questionnaire-response", kept.id),
        "questionnaire": canonical(kept.scale, local=local),
        "status": "completed",
        "subject": {"reference": f"Patient/{kept.patient_id}"},
        "authored": instant(kept.taken_at),
        "author": reference(author),
        "source": reference(source),
        "item": [
            {
                "linkId": question.link_id,
                "text": question.text.en,
                "answer": [_answer(form, answers[question.link_id], local)],
            }
            for question in form.questions
            if question.link_id in answers
        ],
    }
    if kept.order_id is not None:
        made["basedOn"] = [{"reference": f"ServiceRequest/{kept.order_id}"}]
    if not made["item"]:
        del made["item"]
    return made


def _answer(form: Form, value: int, local: LocalSystems) -> Resource:
    if form.scale is Scale.PAIN:
        return {"valueInteger": value}
    return {"valueCoding": _coding(form, value, local)}


def observation(kept: KeptScale, *, performer: Ref) -> Resource:
    """The total, which the caller has made sure is there; it comes from the response of the same filling."""
    form, total = FORMS[kept.scale], kept.total or 0
    made: Resource = {
        "resourceType": "Observation",
        "id": kept.observation_id,
        "status": "final",
        "category": [_SURVEY],
        "code": concept(LOINC, form.total, form.total_name),
        "subject": {"reference": f"Patient/{kept.patient_id}"},
        "effectiveDateTime": instant(kept.taken_at),
        "issued": instant(kept.taken_at),
        "performer": [reference(performer)],
        "valueInteger": total,
        "interpretation": [{"text": band_of(kept.scale, total)}],
        "derivedFrom": [{"reference": f"QuestionnaireResponse/{kept.id}"}],
    }
    if kept.order_id is not None:
        made["basedOn"] = [{"reference": f"ServiceRequest/{kept.order_id}"}]
    if kept.missing:
        made["note"] = [{"text": f"{kept.missing} answers are missing; the total is an estimate."}]
    return made


# ---- What a client says


def scale_of(document: Mapping[str, Any]) -> Scale | None:
    """Which scale a QuestionnaireResponse fills in: by its questionnaire, else by the codes of its items."""
    named = str(document.get("questionnaire") or "").partition("|")[0].rpartition("/")[2].casefold()
    for form in FORMS.values():
        if named in (form.scale, form.panel):
            return form.scale
    found = {_code_of(item) for item in _items(document)}
    return next(
        (f.scale for f in FORMS.values() if found & {question.link_id for question in f.questions}), None
    )


def answers_in(document: Mapping[str, Any], scale: Scale) -> dict[str, int]:
    """Answers by link id; those that cannot be read are left out."""
    form = FORMS[scale]
    found: dict[str, int] = {}
    for item in _items(document):
        link_id = _code_of(item)
        for answer in every(item, "answer"):
            value = _number(answer, form)
            if link_id in {question.link_id for question in form.questions} and value is not None:
                found[link_id] = value
    return found


def self_harm_in(document: Mapping[str, Any]) -> tuple[bool, int | None]:
    """Whether a QuestionnaireResponse or Observation says so, and with which number where it can be read.

    An answer that cannot be read counts as a sign: a person looks at it.
    """
    values: list[int | None] = []
    if document.get("resourceType") == "Observation":
        parts = [document, *every(document, "component")]
        said = [part for part in parts if _asks_of_self_harm(part.get("code"), "")]
        values = [_number(part, FORMS[Scale.PHQ_9]) for part in said if _has_value(part)]
    else:
        for item in _items(document):
            if _code_of(item) == SELF_HARM or _asks_of_self_harm(item, str(item.get("text") or "")):
                values += [_number(answer, FORMS[Scale.PHQ_9]) for answer in every(item, "answer")]
    signs = [value for value in values if value != 0]
    numbers = [value for value in signs if value is not None]
    return bool(signs), max(numbers) if numbers else None


def total_in(document: Mapping[str, Any]) -> tuple[Scale, int] | None:
    """The scale and the total that an Observation states, None for any other Observation."""
    codes = {code for system, code, _ in codings(document.get("code")) if system == LOINC}
    for form in FORMS.values():
        if form.total in codes:
            value = _whole(document)
            return (form.scale, value) if value is not None and 0 <= value <= form.highest else None
    return None


def moment_of(document: Mapping[str, Any], name: str) -> datetime | None:
    """`authored` or `effectiveDateTime` where it names an instant or a day (its beginning in UTC)."""
    try:
        moment = datetime.fromisoformat(str(document.get(name) or ""))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _asks_of_self_harm(value: object, text: str) -> bool:
    coded = any(system == LOINC and code == SELF_HARM for system, code, _ in codings(value))
    words = f"{text} {text_of(value)}".casefold()
    return coded or any(part in words for part in _WORDS_OF_SELF_HARM)


def _code_of(item: Mapping[str, Any]) -> str:
    """The link id, or the LOINC code at its end or at the end of the item's definition."""
    link_id = str(item.get("linkId") or "")
    for text in (link_id, str(item.get("definition") or "")):
        match = _CODE.search(text)
        if match:
            return match[1]
    return link_id


def _items(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    waiting = every(document, "item")[::-1]
    while waiting:
        item = waiting.pop()
        yield item
        below = every(item, "item") + [i for answer in every(item, "answer") for i in every(answer, "item")]
        waiting.extend(reversed(below))


def _has_value(part: Mapping[str, Any]) -> bool:
    return any(name.startswith("value") for name in part)


def _number(answer: Mapping[str, Any], form: Form) -> int | None:
    """A whole number within the scale: as such, by its code, its ordinal value or its words."""
    value = _whole(answer)
    if value is None:
        coded = answer.get("valueCoding")
        choices = (
            [coded] if isinstance(coded, Mapping) else every(answer.get("valueCodeableConcept"), "coding")
        )
        words = [str(answer.get("valueString") or ""), text_of(answer.get("valueCodeableConcept"))]
        value = next((n for choice in choices if (n := _of_coding(choice, form)) is not None), None)
        if value is None:
            value = next((n for text in words if (n := _of_words(text, form)) is not None), None)
    return value if value is not None and 0 <= value <= form.answers[-1].value else None


def _whole(holder: Mapping[str, Any]) -> int | None:
    quantity = holder.get("valueQuantity")
    for value in (
        holder.get("valueInteger"),
        holder.get("valueDecimal"),
        quantity.get("value") if isinstance(quantity, Mapping) else None,
    ):
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool) and value == int(value):
            return int(value)
    return None


def _of_coding(choice: Mapping[str, Any], form: Form) -> int | None:
    code = str(choice.get("code") or "")
    for answer in form.answers:
        if answer.code == code:
            return answer.value
    for extension in every(choice, "extension"):
        if str(extension.get("url") or "").endswith(("/ordinalValue", "/itemWeight")):
            return _whole(extension)
    return _of_words(str(choice.get("display") or ""), form)


def _of_words(text: str, form: Form) -> int | None:
    said = text.strip().casefold()
    for answer in form.answers:
        if said and said in (answer.text.en.casefold(), answer.text.es.casefold(), str(answer.value)):
            return answer.value
    return None


# ---- The task of a sign of self-harm


_SIGN: Final = (
    "A question about thoughts of self-harm was answered with more than “not at all”, or in a way that"
    " cannot be read. Speak with the patient now."
)
_EVENT: Final = "A serious adverse event was recorded. A physician sees to the patient now."


def safety_task(task: SafetyTask, *, requester: Ref, local: LocalSystems = DEFAULT) -> Resource:
    """A Task for the medical director, urgent beyond all others."""
    return {
        "resourceType": "Task",
        "id": task.id,
        "identifier": [local.identifier("safety-task", task.id)],
        "status": "requested",
        "intent": "order",
        "priority": "stat",
        "code": local.concept("task-code", "safety-check"),
        "description": _EVENT if task.is_event else _SIGN,
        "focus": {"reference": task.source},
        "for": {"reference": f"Patient/{task.patient_id}"},
        "authoredOn": instant(task.raised_at),
        "lastModified": instant(task.raised_at),
        "requester": reference(requester),
        "performerType": [{"text": "Medical director"}],
    }


def safety_settled(task: SafetyTask, at: datetime, by: Ref, *, local: LocalSystems = DEFAULT) -> Resource:
    """Laid over it once somebody has written down what was done; the words stay in the clinic."""
    return {
        "status": "completed",
        "statusReason": local.concept("safety-action", str(task.action)),
        "lastModified": instant(max(at, task.raised_at)),
        "executionPeriod": {"start": instant(task.raised_at), "end": instant(max(at, task.raised_at))},
        "owner": reference(by),
    }
