"""What may be typed into the form of a policy, and what is said about the rest."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.domain.codes import ClinicianKind, Strength
from referral.domain.errors import InvalidInput
from referral.domain.policy import ICD_10_CM, SNOMED_CT, IndicationClass, IndicationRule, Policy
from referral.domain.policy_draft import KINDS, STRENGTHS, checked, checked_rule, draft_of
from referral.domain.sctid import is_valid_sctid

POLICY = Policy()
ICD_CODES = st.from_regex(r"[A-Z][0-9][0-9A-Z](\.[0-9A-Z]{1,4})?", fullmatch=True)
RULES = st.dictionaries(
    st.one_of(
        st.tuples(st.just(ICD_10_CM), ICD_CODES),
        st.tuples(st.just(SNOMED_CT), st.sampled_from(["35489007", "370143000", "82423001"])),
        st.tuples(st.just("urn:elsewhere"), st.sampled_from(["DEP", "PAIN 2"])),
    ),
    st.sampled_from(IndicationClass),
    min_size=1,
)


def _policy(rules: dict[tuple[str, str], IndicationClass], **rest: Any) -> Policy:
    return Policy(rules=tuple(IndicationRule(*of, into) for of, into in rules.items()), **rest)


POLICIES = st.builds(
    _policy,
    RULES,
    eligible=st.frozensets(st.sampled_from(KINDS), min_size=1),
    validity=st.integers(1, 3660).map(lambda days: timedelta(days=days)),
    longest_gap=st.integers(1, 3660).map(lambda days: timedelta(days=days)),
    counts_at_once=st.frozensets(st.sampled_from(STRENGTHS)),
    allow_single_channel=st.booleans(),
    red_flags_need_director=st.booleans(),
    conditions_need_director=st.booleans(),
    allow_override=st.booleans(),
)


@given(policy=POLICIES, before=st.sampled_from([POLICY, replace(POLICY, rules=())]))
def test_a_policy_that_is_shown_in_the_form_comes_back_as_it_was(policy: Policy, before: Policy) -> None:
    again = checked(draft_of(policy), before)
    assert set(again.rules) == set(policy.rules)
    assert len(again.rules) == len(policy.rules)
    assert replace(again, rules=()) == replace(policy, rules=())


def test_codes_may_be_typed_in_any_way_that_people_do() -> None:
    draft = replace(draft_of(POLICY), codes={"icd_mental": " f33,F412;\n f43. \tF53.0 "})
    rules = checked(draft, POLICY).rules
    assert [rule.prefix for rule in rules] == ["F33", "F41.2", "F43", "F53.0"]
    assert {(rule.system, rule.indication_class) for rule in rules} == {
        (ICD_10_CM, IndicationClass.MENTAL_HEALTH)
    }


def wrong(**changes: object) -> dict[str, list[str]]:
    """Sentences by field of the default policy with something changed; `codes` are added to what stands."""
    draft = draft_of(POLICY)
    codes = {**draft.codes, **changes.pop("codes", {})}  # type: ignore[dict-item]
    with pytest.raises(InvalidInput) as refused:
        checked(replace(draft, codes=codes, **changes), POLICY)  # type: ignore[arg-type]
    found: dict[str, list[str]] = {}
    for issue in refused.value.issues:
        found.setdefault(issue.expression[0], []).append(issue.text)
    return found


@pytest.mark.parametrize("days", ["0", "", "-1", "1.5", "3661", "many", "٣", "999999999999", "1e2"])
def test_days_are_whole_and_from_one_to_ten_years(days: str) -> None:
    assert wrong(validity_days=days) == {"validity_days": ["Write whole days, from 1 to 3660."]}
    assert wrong(longest_gap_days=days) == {"longest_gap_days": ["Write whole days, from 1 to 3660."]}


def test_somebody_must_be_eligible_and_nobody_whose_kind_is_unknown_can_be() -> None:
    assert "no recommendation could ever count" in wrong(eligible=frozenset())["eligible"][0]
    assert list(wrong(eligible=frozenset({"other"}))) == ["eligible"]
    assert list(wrong(eligible=frozenset({"psychiatrist", "dentist"}))) == ["eligible"]


def test_one_mailbox_alone_never_counts_at_once() -> None:
    assert list(wrong(counts_at_once=frozenset({Strength.SINGLE_CHANNEL}))) == ["counts_at_once"]


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("icd_mental", "F3", "F3 is too short: write at least three characters, for example F33."),
        ("icd_mental", "F33, F", "F is too short: write at least three characters, for example F33."),
        ("icd_pain", "G89.4, M54, G89.4", "G89.4 stands here twice."),
        ("icd_pain", "G894, g89.4", "G89.4 stands here twice."),
        ("icd_pain", "PAIN", "PAIN is not an ICD-10-CM code; write F33 or F33.2."),
        ("icd_pain", "F45.42.1", "F45.42.1 is not an ICD-10-CM code; write F33 or F33.2."),
        ("snomed_pain", "82423002", "82423002 is not a SNOMED CT code; check its digits."),
        ("snomed_pain", "pain", "PAIN is not a SNOMED CT code; check its digits."),
        ("other_pain", "PAIN", "PAIN is not complete; write the system, a bar, and the code."),
        ("other_pain", "urn:x|", "urn:x| is not complete; write the system, a bar, and the code."),
        (
            "other_mental",
            f"{ICD_10_CM}|F20",
            f"{ICD_10_CM}|F2… belongs in the list of its code system."
            if len(ICD_10_CM) + 4 > 40
            else f"{ICD_10_CM}|F20 belongs in the list of its code system.",
        ),
    ],
)
def test_a_code_that_cannot_be_meant_is_named_beside_its_field(field: str, typed: str, sentence: str) -> None:
    assert wrong(codes={field: typed})[field] == [sentence]


def test_a_code_in_two_classes_is_named_beside_both_fields() -> None:
    found = wrong(codes={"icd_pain": "G89.4, F33"})
    assert found.keys() == {"icd_mental", "icd_pain"}
    assert all("F33 stands under mental health and under chronic pain" in s[0] for s in found.values())


def test_a_longer_code_may_be_in_the_other_class() -> None:
    draft = replace(draft_of(POLICY), codes={"icd_mental": "F45", "icd_pain": "F45.42"})
    assert len(checked(draft, POLICY).rules) == 2


def test_a_policy_without_any_code_is_refused() -> None:
    nothing = dict.fromkeys(("icd_mental", "icd_pain", "snomed_mental", "snomed_pain"), " ,\n")
    assert "every order would stay closed" in wrong(codes=nothing)["icd_mental"][0]


def test_too_many_codes_are_refused() -> None:
    many = ", ".join(f"F{number:02}.{letter}" for number in range(100) for letter in "ABCDEF")
    assert wrong(codes={"icd_mental": many})["icd_mental"] == ["These are too many: at most 500 codes."]


def test_every_mistake_is_said_at_once() -> None:
    found = wrong(eligible=frozenset(), validity_days="0", codes={"icd_pain": "G8", "snomed_mental": "1"})
    assert found.keys() == {"eligible", "validity_days", "icd_pain", "snomed_mental"}


def test_an_odd_code_that_is_in_force_already_does_not_stand_in_the_way() -> None:
    odd = IndicationRule(SNOMED_CT, "ODD-7", IndicationClass.PAIN)
    before = replace(POLICY, rules=(*POLICY.rules, odd))
    assert odd in checked(draft_of(before), before).rules
    with pytest.raises(InvalidInput, match="ODD-7 is not a SNOMED CT code"):
        checked(draft_of(before), POLICY)


def test_what_an_order_calls_its_indication_becomes_a_rule_unless_it_is_too_short() -> None:
    rule = checked_rule(ICD_10_CM, " r52 ", IndicationClass.PAIN)
    assert rule == IndicationRule(ICD_10_CM, "R52", IndicationClass.PAIN)
    for code in ("R5", " ", ""):
        with pytest.raises(InvalidInput, match="too short"):
            checked_rule(ICD_10_CM, code, IndicationClass.PAIN)
    assert checked_rule("urn:elsewhere", "7", IndicationClass.PAIN).prefix == "7"


@pytest.mark.parametrize("rule", [rule for rule in POLICY.rules if rule.system == SNOMED_CT])
def test_the_snomed_codes_of_the_default_policy_check_out(rule: IndicationRule) -> None:
    code = rule.prefix
    assert is_valid_sctid(code)
    # The check digit finds every single wrong digit and every swap of neighbours.
    for place, digit in enumerate(code):
        for other in "0123456789":
            if other != digit:
                assert not is_valid_sctid(code[:place] + other + code[place + 1 :])
    for place in range(len(code) - 1):
        swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
        assert swapped == code or not is_valid_sctid(swapped)


@pytest.mark.parametrize("value", ["", "0", "00000", "1" * 19, "٣٥٤٨٩٠٠٧", "35489007 ", "-35489007"])
def test_what_is_no_number_of_the_right_length_is_no_snomed_code(value: str) -> None:
    assert not is_valid_sctid(value)


def test_kinds_and_strengths_that_can_be_chosen_leave_out_the_unknown_and_the_weakest() -> None:
    assert set(ClinicianKind) - set(KINDS) == {ClinicianKind.OTHER}
    assert set(Strength) - set(STRENGTHS) == {Strength.SINGLE_CHANNEL}
