"""A QuestionnaireResponse that is begun for whoever answers (SDC $populate): what is known stands in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from referral.domain.codes import ClinicianKind
from referral.domain.form import SECTIONS, Item, items_for
from referral.domain.records import Clinician, Referral
from referral.domain.signature import signature_of
from referral.fhir.elements import Resource, every, instant
from referral.fhir.questionnaire import answer_to, canonical
from referral.fhir.systems import DEFAULT, LocalSystems

# Which of its own `value` properties an initial value is copied to; the same names.
_INITIAL: Final = "value"


@dataclass(frozen=True, slots=True)
class Known:
    """The request that is to be answered, who was asked, and whether that may be told."""

    request: Referral
    clinician: Clinician
    signs: bool = True


def begun_response(
    form: Mapping[str, Any], known: Known, at: datetime, *, local: LocalSystems = DEFAULT
) -> Resource:
    """Our form for this request: about whom, for which request, whose answer it will be, and who signs.

    The signature itself and every medical item are left to the clinician.
    """
    who = known.clinician
    signer = signature_of(who) if known.signs else {}
    sections: dict[str, list[Resource]] = {}
    for item in items_for(known.clinician.kind):
        sections.setdefault(item.section, []).append(_row(item, signer.get(item.link_id), local))
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": canonical_of(form),
        "basedOn": [{"reference": f"ServiceRequest/{known.request.id}"}],
        "status": "in-progress",
        "subject": {"reference": f"Patient/{known.request.patient_id}"},
        "authored": instant(at),
        "source": {"reference": f"PractitionerRole/{known.clinician.id}"},
        "item": [
            {"linkId": f"section-{section}", "text": SECTIONS[section], "item": rows}
            for section, rows in sections.items()
        ],
    }


def _row(item: Item, value: str | None, local: LocalSystems) -> Resource:
    row: Resource = {"linkId": item.link_id, "text": item.text}
    return {**row, "answer": [answer_to(item, value, local)]} if value else row


def blank_response(form: Mapping[str, Any], patient_id: str, at: datetime) -> Resource:
    """A form that is not ours, or one without a request: its items with the initial values that it names."""
    made: Resource = {
        "resourceType": "QuestionnaireResponse",
        "status": "in-progress",
        "subject": {"reference": f"Patient/{patient_id}"},
        "authored": instant(at),
    }
    address = canonical_of(form)
    if address:
        made["questionnaire"] = address
    items = list(_items(every(form, "item")))
    return {**made, "item": items} if items else made


def _items(items: Iterable[Mapping[str, Any]]) -> Iterable[Resource]:
    for item in items:
        if item.get("type") == "display":
            continue
        row: Resource = {"linkId": item["linkId"]}
        if item.get("text"):
            row["text"] = item["text"]
        if item.get("type") == "group":
            below = list(_items(every(item, "item")))
            yield {**row, "item": below} if below else row
            continue
        answers = [_initial(initial) for initial in every(item, "initial")]
        yield {**row, "answer": answers} if answers else row


def _initial(initial: Mapping[str, Any]) -> Resource:
    return {name: value for name, value in initial.items() if name.lstrip("_").startswith(_INITIAL)}


def canonical_of(form: Mapping[str, Any]) -> str | None:
    """`url|version`; None for a form without an address."""
    url, version = form.get("url"), form.get("version")
    return f"{url}|{version}" if url and version else url


def discipline_of(form: Mapping[str, Any]) -> tuple[bool, ClinicianKind | None]:
    """Whether this is our form, and whose; None for the form of all."""
    address = canonical_of(form)
    for kind in (None, *ClinicianKind):
        if address == canonical(kind):
            return True, kind
    return False, None
