"""What HL7 publishes as examples goes in and comes out unchanged."""

from __future__ import annotations

import pytest

from referral.fhir.definitions import MESSAGE_TYPES, METADATA_TYPES
from referral.fhir.json import decode, encode
from referral.services.interactions import INTERACTIONS
from tests.fhir import examples
from tests.fhir_api.client import FhirClient, Json

WRITABLE = [
    name
    for name in examples.names()
    if name.split("/")[0] not in MESSAGE_TYPES and "create" in INTERACTIONS[name.split("/")[0]]
]
# Treatment is taken only under an order of this clinic; one that did not happen is a record like any other.
UNDER_AN_ORDER = {"Procedure", "MedicationAdministration"}
# Examples that are refused as they stand: treatment of no order, and a change asked for by a search instead
# of by one of our topics (tests/fhir_api/test_subscriptions.py).
NOT_TAKEN = UNDER_AN_ORDER | {"Subscription"}
# What no client writes, so that an example cannot come back: tests/fhir/test_xml.py has them in both formats.
WRITTEN_HERE = {
    "AuditEvent": "a client that could write one could forge the record",
    "DetectedIssue": "the gate says when it is closed",
    "Flag": "the gate says when it is closed",
    **dict.fromkeys(METADATA_TYPES, "the program publishes its own"),
}


def plain(document: Json) -> Json:
    kept = {name: value for name, value in document.items() if name not in ("id", "meta")}
    meta = {k: v for k, v in document.get("meta", {}).items() if k not in ("versionId", "lastUpdated")}
    return {**kept, "meta": meta} if meta else kept


def test_every_type_has_an_example_that_round_trips_or_a_reason_why_not() -> None:
    assert {name.split("/")[0] for name in WRITABLE} == set(INTERACTIONS) - set(WRITTEN_HERE)
    assert not [type for type in WRITTEN_HERE if "create" in INTERACTIONS[type]]


@pytest.mark.parametrize("type", sorted(UNDER_AN_ORDER))
def test_treatment_that_did_not_happen_round_trips(fhir: FhirClient, type: str) -> None:
    sent = {**examples.example(type), "status": "not-done"}
    made = fhir.post(type, sent)
    assert made.status == 201, made.body
    for content in (made.content, fhir.get(f"{type}/{made.id}").content):
        assert encode(sort(plain(decode(content)))) == encode(sort(plain(sent)))


@pytest.mark.parametrize("name", WRITABLE)
def test_an_example_round_trips_without_loss(fhir: FhirClient, name: str) -> None:
    sent = examples.example(name)
    type = sent["resourceType"]
    made = fhir.post(type, sent)
    if type in UNDER_AN_ORDER and made.status == 422:
        assert made.issues[0]["code"] == "business-rule"
        return
    if type == "Subscription":
        # They ask for changes by a search; here a topic is asked for (tests/fhir_api/test_subscriptions.py).
        assert (made.status, "Subscription.criteria" in made.expressions) == (422, True)
        return
    assert made.status == 201, made.body
    for content in (made.content, fhir.get(f"{type}/{made.id}").content):
        # Digits as well: 1.50 is not 1.5 in text.
        assert encode(sort(plain(decode(content)))) == encode(sort(plain(sent)))
    again = fhir.put(f"{type}/{made.id}", {**sent, "id": made.id})
    assert again.status in ({200} if "update" in INTERACTIONS[type] else {405}), again.body
    assert made.id in [row["id"] for row in fhir.get(f"{type}?_id={made.id}").resources]


def sort(value: object) -> object:
    if isinstance(value, dict):
        return {name: sort(value[name]) for name in sorted(value)}
    return [sort(item) for item in value] if isinstance(value, list) else value
