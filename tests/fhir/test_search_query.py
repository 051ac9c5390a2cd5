from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.fhir.intervals import interval
from referral.fhir.problems import InvalidSearch
from referral.fhir.search_parameters import IndexEntry, extract
from referral.fhir.search_query import Clause, Include, SearchQuery, Sort, parse_search
from referral.fhir.search_values import (
    DateValue,
    NumberValue,
    ReferenceValue,
    StringValue,
    TokenValue,
    UriValue,
    split_values,
)
from tests.fhir.refusals import refusal_of

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def search(kind: str, query: str, **options: Any) -> SearchQuery:
    return parse_search(kind, query, now=NOW, **options)


def only(kind: str, query: str) -> Clause:
    (clause,) = search(kind, query).clauses
    return clause


def refused(kind: str, query: str, **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidSearch) as caught:
        search(kind, query, **options)
    return [(issue.expression[0], issue.code) for issue in caught.value.issues]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a", TokenValue(None, "a")),
        ("http://s|a", TokenValue("http://s", "a")),
        ("|a", TokenValue("", "a")),
        ("http://s|", TokenValue("http://s", None)),
        (r"a\,b", TokenValue(None, "a,b")),
        (r"s|a\|b", TokenValue("s", "a|b")),
    ],
)
def test_tokens_are_read(text: str, value: TokenValue) -> None:
    assert only("Task", f"identifier={text}").values == (value,)


def test_commas_are_or_and_repetition_is_and() -> None:
    found = search("Task", "status=requested,accepted&status:not=draft&code=x")
    assert [len(clause.values) for clause in found.clauses] == [2, 1, 1]
    assert found.clauses[1].modifier == "not"


@pytest.mark.parametrize(
    ("query", "targets"),
    [
        ("patient=7", ("Patient/7",)),
        ("patient=Patient/7", ("Patient/7",)),
        ("patient=https://here.example/fhir/Patient/7", ("Patient/7",)),
        ("patient=https://there.example/fhir/Patient/7", ("https://there.example/fhir/Patient/7",)),
        ("patient=Patient/7/_history/2", ("Patient/7",)),
        ("subject:Group=7", ("Group/7",)),
        ("subject=7", ("Device/7", "Group/7", "Location/7", "Patient/7")),
        ("instantiates-canonical=http://x/p|1", ("http://x/p|1",)),
    ],
)
def test_references_are_read_in_every_form(query: str, targets: tuple[str, ...]) -> None:
    found = search("ServiceRequest", query, base_url="https://here.example/fhir/")
    assert found.clauses[0].values == (ReferenceValue(targets),)


def test_an_identifier_of_a_reference_is_a_token() -> None:
    assert only("Task", "owner:identifier=http://npi|9") == Clause(
        "owner:identifier", "token", (TokenValue("http://npi", "9"),)
    )


def test_missing_asks_for_presence() -> None:
    assert only("Task", "owner:missing=true") == Clause("owner", "reference", missing=True)
    assert only("Task", "period:missing=false").missing is False


@pytest.mark.parametrize("modifier", [None, "exact", "contains"])
def test_strings_are_folded_and_kept(modifier: str | None) -> None:
    name = f"family:{modifier}" if modifier else "family"
    assert only("Patient", urlencode({name: "MÜLler"})) == Clause(
        "family", "string", (StringValue("muller", "MÜLler"),), modifier
    )


def test_a_plus_sign_that_was_not_encoded_is_a_plus_sign() -> None:
    plain, encoded = (only("Task", f"modified=ge2026-03-01T10:00:00{plus}02:00") for plus in ("+", "%2B"))
    assert plain == encoded
    assert plain.values[0] == DateValue(
        "ge", datetime(2026, 3, 1, 8, tzinfo=UTC), datetime(2026, 3, 1, 8, 0, 1, tzinfo=UTC)
    )


def test_quantities_have_a_precision() -> None:
    value = only("Observation", "value-quantity=5.40|http://unitsofmeasure.org|mg").values[0]
    assert value == NumberValue(
        "eq", Decimal("5.40"), Decimal("5.395"), Decimal("5.405"), "http://unitsofmeasure.org", "mg"
    )
    assert only("Observation", "value-quantity=lt1e2").values[0] == NumberValue(
        "lt", Decimal("1E+2"), Decimal(50), Decimal(150)
    )


def test_a_chain_asks_every_type_that_it_may_lead_to() -> None:
    clause = only("Task", "owner.name:contains=oka")
    assert clause.types_asked == {"Organization", "Patient", "Practitioner"}
    assert {link.clause.modifier for link in clause.links} == {"contains"}
    assert clause.name == "owner.name"
    assert only("Task", "owner:Practitioner.name=oka").types_asked == {"Practitioner"}
    with pytest.raises(ValueError, match=r"owner\.name asks about other resources"):
        clause.accepts([])


def test_has_names_what_points_here() -> None:
    clause = only("Patient", "_has:Task:patient:status:not=draft")
    assert (clause.kind, clause.parameter, clause.types_asked) == ("has", "patient", frozenset({"Task"}))
    assert clause.links[0].clause == only("Task", "status:not=draft")
    assert clause.name == "_has:Task:patient:status"
    assert search("Patient", "name=x&_has:Task:patient:status=a").types_asked == {"Task"}


def test_a_value_set_stands_for_its_codes() -> None:
    clause = only("Task", "status:in=http://hl7.org/fhir/ValueSet/task-status|4.0.1")
    assert TokenValue("http://hl7.org/fhir/task-status", "requested") in clause.values
    assert clause.modifier is None
    ours = only("ServiceRequest", "code:not-in=https://referral.example/fhir/ValueSet/request-code")
    assert {value.value for value in ours.values if isinstance(value, TokenValue)} >= {
        "ketamine-recommendation"
    }
    assert ours.modifier == "not"


def test_addresses_above_are_those_that_it_lies_below() -> None:
    values = only("ValueSet", "url:above=http://a.example/fhir/ValueSet/x").values
    texts = [value.value for value in values if isinstance(value, UriValue)]
    assert texts == [
        "http://a.example/fhir/ValueSet/x", "http://a.example/fhir/ValueSet", "http://a.example/fhir",
        "http://a.example",
    ]  # fmt: skip
    below = only("ValueSet", "url:below=http://a.example/fhir")
    assert below.accepts([IndexEntry("url", None, "http://a.example/fhir/ValueSet/x")])
    assert not below.accepts([IndexEntry("url", None, "http://a.example/")])


def test_controls_are_read() -> None:
    found = search(
        "Task",
        "_sort=-authored-on,_id&_count=20&_include=Task:focus&_include=Task:owner:Practitioner"
        "&_revinclude=Provenance:target"
        "&_total=accurate&_elements=status,Task.owner&_summary=data&_cursor=abc&_format=json",
    )
    assert found.sort == (Sort("authored-on", "date", True), Sort("_id", "token"))
    assert found.count == 20
    assert found.include == (Include("Task", "focus"), Include("Task", "owner", "Practitioner"))
    assert found.revinclude == (Include("Provenance", "target"),)
    assert (found.total, found.elements, found.summary) == ("accurate", ("status", "owner"), "data")
    assert found.cursor == "abc"
    assert "_cursor" not in found.self_query()
    assert "_format=json" in found.self_query()


@pytest.mark.parametrize(
    ("asked", "given_"), [("0", 0), ("200", 200), ("1000000", 200), ("999999999999", 200)]
)
def test_the_count_is_capped(asked: str, given_: int) -> None:
    assert search("Task", f"_count={asked}").count == given_


def test_an_unknown_parameter_is_refused_or_named() -> None:
    assert refused("Task", "shoe=42&status=x", strict=True) == [("http.shoe", "not-supported")]
    found = search("Task", "shoe=42&status=x&shoe=43")
    assert found.ignored == ("shoe",)
    assert found.self_query() == "status=x"


@pytest.mark.parametrize(
    ("kind", "query", "code"),
    [
        ("Task", "status=", "invalid"),
        ("Task", "status=a,,b", "invalid"),
        ("Task", "status:exact=a", "not-supported"),
        ("Task", "status:foo=a", "not-supported"),
        ("Patient", "name:not=a", "not-supported"),
        ("Task", "owner.organization.name=x", "not-supported"),
        ("Task", "owner._has:Task:owner:status=x", "not-supported"),
        ("Task", "owner.shoe=x", "invalid"),
        ("Task", "owner.name=", "invalid"),
        ("Task", "owner:Patient.name:not=x", "not-supported"),
        ("Task", "owner:Encounter.status=x", "invalid"),
        ("Task", "owner:AuditEvent.type=x", "invalid"),
        ("Task", "focus.code=x", "invalid"),
        ("Task", "status.code=x", "invalid"),
        ("ServiceRequest", "instantiates-canonical.name=x", "invalid"),
        ("Patient", "_has=x", "invalid"),
        ("Patient", "_has:Task:patient=x", "invalid"),
        ("Patient", "_has:Shoe:patient:status=x", "not-supported"),
        ("Patient", "_has:AuditEvent:patient:type=x", "not-supported"),
        ("Patient", "_has:Task:status:code=x", "invalid"),
        ("Patient", "_has:Task:part-of:status=x", "invalid"),
        ("Patient", "_has:Task:patient:shoe=x", "invalid"),
        ("Patient", "_has:Task:patient:owner.name=x", "not-supported"),
        ("Patient", "_has:Task:patient:_has:Task:owner:status=x", "not-supported"),
        ("Patient", "_has:Task:patient:status=", "invalid"),
        ("Patient", "&".join(f"_has:Task:patient:status={i}" for i in range(11)), "too-costly"),
        ("Task", "status:in=http://nowhere.example/ValueSet/x", "not-found"),
        ("Task", "code:in=http://hl7.org/fhir/ValueSet/languages", "not-found"),
        ("Task", "status:of-type=a|b|c", "not-supported"),
        ("Task", "identifier:of-type=a|b", "invalid"),
        ("Task", "owner:text=x", "not-supported"),
        ("Observation", "code-value-quantity=a", "invalid"),
        ("Observation", "code-value-quantity=a$", "invalid"),
        ("Observation", "code-value-quantity=a$b", "invalid"),
        ("Observation", "code-value-quantity:not=a$5", "not-supported"),
        ("Observation", "_sort=code-value-quantity", "invalid"),
        ("Location", "near=91|0", "invalid"),
        ("Location", "near=1", "invalid"),
        ("Location", "near=1|2|3|parsecs", "invalid"),
        ("Location", "near=1|2|1e30", "invalid"),
        ("Location", "near:missing=true", "not-supported"),
        ("Task", "_text=x", "not-supported"),
        ("Task", "owner:missing=yes", "invalid"),
        ("Task", "modified=yesterday", "invalid"),
        ("Task", "modified=xx2026", "invalid"),
        ("Task", "modified=2026-02-30", "invalid"),
        ("Task", "identifier=a|b|c", "invalid"),
        ("Task", "identifier=|", "invalid"),
        ("Task", "owner=a/b/c", "invalid"),
        ("Task", "owner=a b", "invalid"),
        ("Observation", "value-quantity=much", "invalid"),
        ("Observation", "value-quantity=1|2", "invalid"),
        ("Task", "_count=-1", "invalid"),
        ("Task", "_count=ten", "invalid"),
        ("Task", "_count=1&_count=" + "9" * 5000, "invalid"),
        ("Task", "_sort=shoe", "invalid"),
        ("Task", "_sort=status,", "invalid"),
        ("Task", "_include=Task:status", "invalid"),
        ("Task", "_include=Task", "invalid"),
        ("Task", "_include:iterate=*:x", "invalid"),
        ("Task", "_include=Shoe:*", "invalid"),
        ("Task", "_revinclude=*", "invalid"),
        ("Task", "_revinclude=Task:patient", "invalid"),
        ("Task", "_revinclude=AuditEvent:entity", "invalid"),
        ("Task", "_include:exact=Task:focus", "not-supported"),
        ("Task", "_count:iterate=5", "not-supported"),
        (
            "Task",
            "_sort=status,code,owner,focus,due,intent,patient,subject,modified,period,priority",
            "too-costly",
        ),
        ("Task", "_include=Patient:link", "invalid"),
        ("Task", "_include=Task:focus:Shoe", "invalid"),
        ("Task", "_revinclude=Provenance:target:Patient", "invalid"),
        ("Task", "_total=maybe", "invalid"),
        ("Task", "_summary=short", "invalid"),
        ("Task", "_elements=a-b", "invalid"),
        ("Task", "status=" + ",".join("x" * 201), "too-costly"),
        ("Task", "&".join(["status=x"] * 101), "too-costly"),
        ("Task", "status=%ff", "structure"),
    ],
)
def test_what_cannot_be_answered_as_asked_is_refused_even_when_lenient(
    kind: str, query: str, code: str
) -> None:
    assert [found for _, found in refused(kind, query)] == [code]


def test_every_fault_of_a_query_is_told() -> None:
    assert len(refused("Task", "a=1&status=&_count=x&modified=z", strict=True)) == 4


PREFIX = {
    "eq": {"2026-03-05", "2026-03"},
    "ne": {"2026", "2026-02-28", "2026-04-01"},
    "gt": {"2026", "2026-04-01"},
    "lt": {"2026", "2026-02-28"},
    "ge": {"2026", "2026-04-01", "2026-03-05", "2026-03"},
    "le": {"2026", "2026-02-28", "2026-03-05", "2026-03"},
    "sa": {"2026-04-01"},
    "eb": {"2026-02-28"},
    "ap": {"2026", "2026-03-05", "2026-03", "2026-02-28", "2026-04-01"},
}


@pytest.mark.parametrize("prefix", PREFIX)
def test_a_prefix_compares_ranges(prefix: str) -> None:
    clause = only("Task", f"modified={prefix}2026-03")
    accepted = {
        text
        for text in ("2026", "2026-02-28", "2026-03-05", "2026-03", "2026-04-01")
        if clause.accepts(entries(text))
    }
    assert accepted == PREFIX[prefix]


def entries(modified: str) -> list[IndexEntry]:
    return extract({"resourceType": "Task", "lastModified": modified})


DATES = st.dates().map(str).flatmap(lambda day: st.sampled_from([day[:4], day[:7], day]))


@given(DATES, DATES)
def test_prefixes_agree_with_each_other(asked: str, stored: str) -> None:
    def accepts(prefix: str) -> bool:
        return only("Task", f"modified={prefix}{asked}").accepts(entries(stored))

    assert accepts("eq") is not accepts("ne")
    assert accepts("ge") is (accepts("gt") or accepts("eq"))
    assert accepts("le") is (accepts("lt") or accepts("eq"))
    assert not (accepts("sa") and accepts("eb"))
    assert not accepts("sa") or accepts("gt")
    assert not accepts("eb") or accepts("lt")
    low_high, own = interval(stored), interval(asked)
    assert low_high is not None
    assert own is not None
    apart = low_high[1] <= own[0] or own[1] <= low_high[0]
    assert apart is (accepts("sa") or accepts("eb"))


def test_about_reaches_a_tenth_of_the_way_to_now() -> None:
    value = only("Task", "modified=ap2026-11-15T12:00:00Z").values[0]
    assert isinstance(value, DateValue)
    assert value.low == NOW - timedelta(days=11)
    assert only("Task", "modified=ap0001").values
    assert only("Task", "modified=ap9999").values


@pytest.mark.parametrize(
    ("query", "accepted"),
    [
        ("family=mul", True),
        ("family=ller", False),
        ("family:contains=LLER", True),
        ("family:exact=Müller", True),
        ("family:exact=müller", False),
        ("given:missing=true", True),
        ("family:missing=true", False),
        ("gender:not=male", True),
        ("gender:not=female", False),
        ("gender=http://hl7.org/fhir/administrative-gender|female", True),
        ("gender=|female", False),
        ("identifier=|7", True),
        ("identifier=x|7", False),
        ("birthdate=1975", True),
        ("birthdate=gt1975", False),
        ("family=x,mull", True),
    ],
)
def test_a_clause_accepts_what_the_search_means(query: str, accepted: bool) -> None:
    patient = {
        "resourceType": "Patient",
        "name": [{"family": "Müller"}],
        "gender": "female",
        "birthDate": "1975-04-09",
        "identifier": [{"value": "7"}],
    }
    assert only("Patient", query).accepts(extract(patient)) is accepted


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a,b", ["a", "b"]),
        (r"a\,b,c", [r"a\,b", "c"]),
        (r"a\\,b", [r"a\\", "b"]),
        ("", [""]),
        (",", ["", ""]),
    ],
)
def test_values_are_split_where_no_backslash_stands(text: str, parts: list[str]) -> None:
    assert split_values(text) == parts


NAMES = st.sampled_from(
    [
        "status",
        "owner",
        "patient",
        "modified",
        "identifier",
        "_id",
        "_lastUpdated",
        "_count",
        "_sort",
        "_include",
        "_revinclude",
        "_elements",
        "shoe",
        "owner:missing",
        "status:not",
        "owner:identifier",
        "a.b",
        "",
        ":",
        "_has:x",
        "_has:Task:part-of:status",
        "_has:Task:part-of:modified:not",
        "owner.name",
        "patient.birthdate",
        "focus:ServiceRequest.authored",
        "owner:Practitioner.identifier:of-type",
        "identifier:of-type",
        "identifier:text",
        "status:in",
        "_profile:below",
        "_source:above",
        "_include:iterate",
        "_revinclude:iterate",
    ]
)


@given(st.lists(st.tuples(NAMES, st.text(max_size=12)), max_size=5), st.booleans())
def test_every_query_is_understood_or_refused(pairs: list[tuple[str, str]], strict: bool) -> None:
    query = urlencode([(name, value.encode("utf-8", "replace")) for name, value in pairs])
    if not refusal_of(lambda: search("Task", query, strict=strict)):
        found = search("Task", query, strict=strict)
        assert search("Task", found.self_query(), strict=True).clauses == found.clauses


@given(st.text(max_size=60))
def test_every_text_is_a_query_or_refused(text: str) -> None:
    refused = refusal_of(lambda: search("Patient", text))
    if refused:
        assert all(issue.text and issue.expression for issue in refused)
    else:
        found = search("Patient", text)
        assert search("Patient", found.self_query(), strict=True).clauses == found.clauses
