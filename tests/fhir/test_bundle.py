from __future__ import annotations

import copy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.fhir.answer_bundles import Found, Outcome, Version, batch_response, history, searchset
from referral.fhir.bundle import (
    MAX_ENTRIES,
    conditional_references,
    parse_batch,
    processing_order,
    reference_map,
    rewrite,
    temporary_references,
)
from referral.fhir.json import decode, encode
from referral.fhir.operation_outcome import all_well, operation_outcome
from referral.fhir.problems import InvalidResource, TooLarge
from referral.fhir.validation import validate
from tests.fhir import examples
from tests.fhir.refusals import refusal_of

PATIENT = {"resourceType": "Patient", "id": "p"}
URN = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"


def transaction(*rows: dict[str, Any], kind: str = "transaction") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(rows)}


def row(method: str, url: str, resource: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"request": {"method": method, "url": url, **more}}
    return found if resource is None else {**found, "resource": resource}


def refused(bundle: dict[str, Any]) -> set[tuple[str, str]]:
    with pytest.raises(InvalidResource) as caught:
        parse_batch(bundle)
    return {(issue.expression[0], issue.code) for issue in caught.value.issues}


def test_entries_are_read_with_their_conditions() -> None:
    batch = parse_batch(
        transaction(
            {**row("POST", "Patient", PATIENT, ifNoneExist="identifier=a|b"), "fullUrl": URN},
            row("PUT", "https://here.example/fhir/Patient/p", PATIENT, ifMatch='W/"3"'),
            row("PUT", "Patient?identifier=a%7Cb", PATIENT),
            row("PATCH", "Task/t", {"resourceType": "Binary"}),
            row("DELETE", "/Subscription/s"),
            row("GET", "Task?owner=x&_count=5", ifNoneMatch='W/"1"'),
            row("POST", "ServiceRequest/i1/$gate"),
        ),
        base_url="https://here.example/fhir",
    )
    assert batch.atomic
    assert [(e.method, e.type, e.id, e.query) for e in batch.entries] == [
        ("POST", "Patient", None, None),
        ("PUT", "Patient", "p", None),
        ("PUT", "Patient", None, "identifier=a%7Cb"),
        ("PATCH", "Task", "t", None),
        ("DELETE", "Subscription", "s", None),
        ("GET", "Task", None, "owner=x&_count=5"),
        ("POST", "ServiceRequest", "i1", None),
    ]
    first = batch.entries[0]
    assert (first.full_url, first.if_none_exist) == (URN, "identifier=a|b")
    assert batch.entries[1].if_match == 'W/"3"'
    assert batch.entries[5].if_none_match == 'W/"1"'
    assert batch.entries[6].operation == "$gate"


def test_a_transaction_deletes_then_creates_then_updates_then_reads() -> None:
    batch = parse_batch(
        transaction(
            row("GET", "Patient/1"), row("PUT", "Patient/p", PATIENT), row("POST", "Patient", PATIENT),
            row("PATCH", "Task/1", PATIENT), row("DELETE", "Flag/1"), row("POST", "Patient", PATIENT),
        )
    )  # fmt: skip
    assert [entry.index for entry in processing_order(batch.entries)] == [4, 2, 5, 1, 3, 0]


@pytest.mark.parametrize(
    ("bundle", "expression", "code"),
    [
        ({"resourceType": "Bundle", "type": "searchset"}, "Bundle.type", "value"),
        ({"resourceType": "Patient"}, "Bundle.type", "value"),
        ({"resourceType": "Bundle", "type": "batch", "entry": {}}, "Bundle.entry", "structure"),
        (transaction({"resource": PATIENT}), "Bundle.entry[0].request", "required"),
        (transaction(row("FETCH", "Patient")), "Bundle.entry[0].request.method", "value"),
        (transaction(row("GET", "")), "Bundle.entry[0].request.url", "required"),
        (transaction(row("GET", "Shoe/1")), "Bundle.entry[0].request.url", "not-supported"),
        (
            transaction(row("GET", "http://elsewhere.example/Patient/1")),
            "Bundle.entry[0].request.url",
            "not-supported",
        ),
        (transaction(row("POST", "Patient")), "Bundle.entry[0].resource", "required"),
        (transaction(row("POST", "Patient/1", PATIENT)), "Bundle.entry[0].request.url", "value"),
        (transaction(row("POST", "Task", PATIENT)), "Bundle.entry[0].resource.resourceType", "value"),
        (transaction(row("PUT", "Patient", PATIENT)), "Bundle.entry[0].request.url", "value"),
        (transaction(row("PUT", "Patient/q", PATIENT)), "Bundle.entry[0].resource.id", "value"),
        (transaction(row("DELETE", "Patient")), "Bundle.entry[0].request.url", "value"),
        (
            transaction(row("DELETE", "Flag/1"), row("DELETE", "Flag/1")),
            "Bundle.entry[1].request.url",
            "duplicate",
        ),
        (
            transaction(*[{**row("POST", "Patient", PATIENT), "fullUrl": URN}] * 2),
            "Bundle.entry[1].fullUrl",
            "duplicate",
        ),
    ],
)
def test_an_entry_that_cannot_be_read_is_named(bundle: dict[str, Any], expression: str, code: str) -> None:
    assert refused(bundle) == {(expression, code)}


def test_every_bad_entry_is_told_at_once() -> None:
    assert (
        len(refused(transaction(row("GET", "Shoe/1"), row("GET", "Task/1"), row("POST", "Task", PATIENT))))
        == 2
    )


def test_ten_thousand_entries_are_refused_without_being_read() -> None:
    parse_batch(transaction(*[row("GET", "Task")] * MAX_ENTRIES))
    with pytest.raises(TooLarge) as caught:
        parse_batch(transaction(*[row("GET", "Task")] * 10_000))
    assert caught.value.issues[0].code == "too-costly"
    assert "10000" in str(caught.value)


def test_references_are_rewritten_wherever_they_may_stand() -> None:
    resource: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "subject": {"reference": URN},
        "requester": {"reference": "Patient?identifier=a|b"},
        "performer": [{"reference": "Practitioner/7"}, {"reference": "Practitioner/8"}],
        "encounter": {"reference": f"{URN}/_history/1"},
        "instantiatesUri": [URN],
        "contained": [{"resourceType": "Condition", "subject": {"reference": URN}}],
        "extension": [
            {"url": "http://x", "valueUri": URN},
            {"url": "http://x", "valueReference": {"reference": URN}},
        ],
        "note": [{"text": "Practitioner/7"}],
        "text": {"status": "generated", "div": f'<div><a href="{URN}">x</a></div>'},
        "quantityQuantity": {"value": Decimal("1.50")},
    }
    before = copy.deepcopy(resource)
    assert conditional_references(resource) == {"Patient?identifier=a|b"}
    assert URN in temporary_references(resource)
    after = rewrite(
        resource,
        {URN: "Patient/1", "Patient?identifier=a|b": "Patient/2", "Practitioner/7": "Practitioner/3"},
    )
    assert after["subject"] == after["contained"][0]["subject"] == {"reference": "Patient/1"}
    assert after["encounter"] == {"reference": "Patient/1"}
    assert after["requester"] == {"reference": "Patient/2"}
    assert after["performer"] == [{"reference": "Practitioner/3"}, {"reference": "Practitioner/8"}]
    assert after["instantiatesUri"] == ["Patient/1"]
    assert after["extension"][0]["valueUri"] == "Patient/1"
    assert after["note"] == [{"text": "Practitioner/7"}], "text is not a reference"
    assert 'href="Patient/1"' in after["text"]["div"]
    assert after["quantityQuantity"] == {"value": Decimal("1.50")}
    assert resource == before


def test_an_entry_is_meant_by_its_full_url_and_by_its_old_id() -> None:
    batch = parse_batch(
        transaction(
            {**row("POST", "Patient", PATIENT), "fullUrl": "http://ehr.example/fhir/Patient/7"},
            {**row("POST", "Patient", PATIENT), "fullUrl": URN},
            {**row("PUT", "Patient/p", PATIENT), "fullUrl": "http://here.example/fhir/Patient/p"},
            row("GET", "Patient/1"),
        )
    )
    assert reference_map(batch.entries, {0: "Patient/a", 1: "Patient/b", 2: "Patient/p"}) == {
        "http://ehr.example/fhir/Patient/7": "Patient/a",
        "Patient/7": "Patient/a",
        URN: "Patient/b",
        "http://here.example/fhir/Patient/p": "Patient/p",
    }


def test_a_searchset_carries_stored_json_as_it_is_and_is_valid() -> None:
    stored = msgspec.Raw(b'{"resourceType":"Patient","id":"1","multipleBirthInteger":2}')
    bundle = searchset(
        [Found("Patient/1", stored), Found("Patient/2", {**PATIENT, "id": "2"}, "include")],
        "https://here.example/fhir",
        {
            "self": "https://here.example/fhir/Patient?name=x",
            "next": "https://here.example/fhir/Patient?_cursor=y",
        },
        total=1,
        outcome=operation_outcome([all_well("All is well.")]),
    )
    read = decode(encode(bundle))
    validate(read)
    assert [entry["search"]["mode"] for entry in read["entry"]] == ["match", "include", "outcome"]
    assert read["entry"][0]["fullUrl"] == "https://here.example/fhir/Patient/1"
    assert [link["relation"] for link in read["link"]] == ["self", "next"]


def test_an_empty_searchset_has_no_entries_but_a_total() -> None:
    bundle = searchset([], "https://here.example/fhir", {"self": "https://here.example/fhir/Task"}, total=0)
    validate(bundle)
    assert bundle["total"] == 0
    assert "entry" not in bundle


def test_a_history_tells_how_each_version_came_about() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    bundle = history(
        [Version("Flag", "1", 3, "DELETE", at), Version("Flag", "1", 2, "PUT", at, examples.example("Flag")),
         Version("Flag", "1", 1, "POST", at, examples.example("Flag"))],
        "https://here.example/fhir", {"self": "https://here.example/fhir/Flag/1/_history"}, total=3,
    )  # fmt: skip
    validate(bundle)
    assert [entry["response"]["etag"] for entry in bundle["entry"]] == ['W/"3"', 'W/"2"', 'W/"1"']
    assert [entry["request"]["url"] for entry in bundle["entry"]] == ["Flag/1", "Flag/1", "Flag"]
    assert "resource" not in bundle["entry"][0]


@pytest.mark.parametrize(("atomic", "kind"), [(True, "transaction-response"), (False, "batch-response")])
def test_a_response_has_one_entry_per_entry_asked(atomic: bool, kind: str) -> None:
    outcome = operation_outcome(InvalidResource(all_well("x")).issues)
    bundle = batch_response(
        [Outcome("201 Created", "Patient/1/_history/1", 'W/"1"', datetime(2026, 3, 1, tzinfo=UTC), PATIENT),
         Outcome("404 Not Found", outcome=outcome)],
        "https://here.example/fhir", atomic=atomic,
    )  # fmt: skip
    validate(bundle)
    assert bundle["type"] == kind
    assert bundle["entry"][0]["fullUrl"] == "https://here.example/fhir/Patient/1"
    assert bundle["entry"][0]["response"]["lastModified"] == "2026-03-01T00:00:00.000Z"
    assert bundle["entry"][1]["response"]["outcome"] == outcome


@given(
    st.recursive(
        st.none()
        | st.integers()
        | st.sampled_from(["POST", "Patient", "Patient/1", "transaction", "?", "$x", URN]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["request", "method", "url", "resource", "fullUrl", "resourceType"]), inner
            )
        ),
        max_leaves=12,
    )
)
def test_any_entry_is_read_or_refused(entry: Any) -> None:
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
    if not refusal_of(lambda: parse_batch(bundle)):
        assert all(found.type or found.operation for found in parse_batch(bundle).entries)
