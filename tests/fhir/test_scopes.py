"""Scopes as they are written, and what two lists of them have in common."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.domain.errors import Forbidden
from referral.fhir.permit import Permit
from referral.fhir.scopes import LETTERS, UnusableScope, granted, read_scope
from referral.services.client_write import ClientWrite

READABLE = [
    "system/Task.rus",
    "system/*.rs",
    "system/Subscription.crud",
    "system/Task.rus?owner=Practitioner/x",
    "system/ServiceRequest.rs?category=http://x.example/c|recommendation-request&status=active,on-hold",
]
UNREADABLE = [
    "",
    "system/Task",
    "system/Task.",
    "system/Task.sr",
    "system/Task.read",
    "system/Task.rr",
    "system/Task.*",
    "system/task.r",
    "system/Task.rs?",
    "user/Task.rs",
    "patient/Task.rs",
    " system/Task.rs",
    'system/Task.rs?owner="x"',
    "system/*.rs?_id=1",
    "system/Task.rs?nothing=1",
    "system/Task.rs?owner=",
    "system/Task.rs?owner.name=x",
    "system/Task.rs?owner:Practitioner=x",
    "system/Task.rs?status:not=draft",
    "system/Task.rs?owner:missing=true",
    "system/Task.rs?_has:Provenance:target:agent=x",
    "system/Task.rs?_lastUpdated=gt2020",
    "system/Task.rs?authored-on=ap2026",
    "system/Task.rs?_sort=owner",
    "system/Task.rs?_count=1",
    "system/Task.rs?_include=Task:owner",
    "system/Task.rs?status=a%00b",
    "system/Täsk.rs",
    "system/Task.rs?owner=Practitioner/" + "x" * 1000,
]


@pytest.mark.parametrize("text", READABLE)
def test_what_is_read_is_written_the_same(text: str) -> None:
    assert str(read_scope(text)) == text


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_cannot_be_answered_exactly_is_no_scope_and_grants_nothing(text: str) -> None:
    with pytest.raises(UnusableScope):
        read_scope(text)
    assert not any(Permit([text]).may(type, letter) for type in ("Task", "Patient") for letter in LETTERS)


def test_letters_have_one_order() -> None:
    for order in permutations(LETTERS):
        text = f"system/Task.{''.join(order)}"
        if "".join(order) == LETTERS:
            read_scope(text)
        else:
            with pytest.raises(UnusableScope):
                read_scope(text)


@pytest.mark.parametrize(
    ("asked", "registered", "both"),
    [
        ("system/Task.rs", ["system/Task.rus"], ["system/Task.rs"]),
        ("system/Task.cruds", ["system/Task.rus"], ["system/Task.rus"]),
        ("system/*.cruds", ["system/Task.rus", "system/Patient.r"], ["system/Task.rus", "system/Patient.r"]),
        ("system/Task.rs", ["system/*.rs"], ["system/Task.rs"]),
        ("system/Task.c system/Task.sr nonsense user/Task.rs", ["system/Task.rus"], []),
        ("system/Patient.rs", ["system/Task.rus"], []),
        ("system/Task.rs", ["system/Task.rus?owner=Practitioner/x"], ["system/Task.rs?owner=Practitioner/x"]),
        ("system/Task.rs?owner=Practitioner/x", ["system/Task.rus"], ["system/Task.rs?owner=Practitioner/x"]),
        (
            "system/Task.r?status=ready",
            ["system/Task.rus?owner=Practitioner/x"],
            ["system/Task.r?owner=Practitioner/x&status=ready"],
        ),
        ("system/Task.r  system/Task.r", ["system/Task.rus"], ["system/Task.r"]),
    ],
)
def test_what_is_asked_and_what_is_registered_meet(
    asked: str, registered: list[str], both: list[str]
) -> None:
    assert [str(scope) for scope in granted(asked, registered)] == both


_SCOPES = st.builds(
    lambda kind, letters, query: f"system/{kind}.{''.join(x for x in LETTERS if x in letters)}{query}",
    st.sampled_from(["*", "Task", "Patient"]),
    st.sets(st.sampled_from(LETTERS), min_size=1),
    st.sampled_from(["", "?status=ready", "?status=draft", "?gender=female"]),
)


@given(st.lists(_SCOPES, max_size=4), st.lists(_SCOPES, max_size=4), st.sampled_from(["ready", "draft"]))
def test_a_token_never_reaches_further_than_what_was_asked_and_what_was_registered(
    asked: list[str], registered: list[str], status: str
) -> None:
    token = Permit(str(scope) for scope in granted(" ".join(asked), registered))
    one, other = Permit(asked), Permit(registered)
    for document in (
        {"resourceType": "Task", "id": "1", "status": status},
        {"resourceType": "Patient", "id": "1"},
    ):
        given_one = ClientWrite(None, None, document, None)  # type: ignore[arg-type]
        for letter in LETTERS:
            both = one.allows(given_one, letter) and other.allows(given_one, letter)
            assert token.allows(given_one, letter) == both


def test_several_scopes_are_joined_by_or() -> None:
    permit = Permit(["system/Task.rs?status=ready", "system/Task.rs?status=draft", "system/Task.u"])
    alternatives = permit.within("Task", "r")
    assert alternatives is not None
    assert len(alternatives) == 2
    assert permit.within("Task", "u") is None
    assert permit.within("Patient", "r") == ()
    with pytest.raises(Forbidden):
        permit.require("Task", "c")
