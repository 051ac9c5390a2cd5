"""What a clinician fills in, checked."""

from datetime import date

import pytest

from referral.domain.answers import check_answers
from referral.domain.codes import ClinicianKind, Decision
from referral.domain.errors import InvalidInput
from referral.domain.form import BY_LINK_ID, ITEMS, items_for

TODAY = date(2026, 11, 3)
SIGNED = {"attestation": ["yes"], "signer-name": ["Chidi Okafor"], "signer-credentials": ["MD"]}


def complete(kind: ClinicianKind, decision: str = "recommended", **more: str) -> dict[str, list[str]]:
    """Every question that this kind of clinician has to answer, answered without a flag."""
    raw = {"decision": [decision], **SIGNED, "last-seen": ["2026-10-20"], "diagnosis-confirmed": ["yes"]}
    raw |= {item.link_id: ["no"] for item in items_for(kind) if item.red_flag}
    raw |= {"continues-care": ["yes"], "next-visit": ["4-weeks"], "medication-adjuster": ["we"]}
    return raw | {name.replace("_", "-"): [value] for name, value in more.items()}


@pytest.mark.parametrize(
    "kind", [ClinicianKind.PSYCHIATRIST, ClinicianKind.PSYCHOLOGIST, ClinicianKind.PRIMARY_CARE]
)
def test_a_complete_form_is_accepted_for_every_discipline(kind: ClinicianKind) -> None:
    answers = check_answers(complete(kind), kind, TODAY)
    assert answers.decision is Decision.RECOMMENDED
    assert answers.is_positive
    assert answers.red_flags == ()


def test_a_psychologist_is_not_asked_about_blood_pressure() -> None:
    asked = {item.link_id for item in items_for(ClinicianKind.PSYCHOLOGIST)}
    assert "hypertension" not in asked
    assert "psychosis" in asked
    assert "psychosis" not in {item.link_id for item in items_for(ClinicianKind.PRIMARY_CARE)}


@pytest.mark.parametrize("answer", ["yes", "unknown"])
def test_yes_and_dont_know_are_red_flags(answer: str) -> None:
    answers = check_answers(
        complete(ClinicianKind.PSYCHIATRIST, mania=answer), ClinicianKind.PSYCHIATRIST, TODAY
    )
    assert answers.red_flags == ("mania",)


def test_every_missing_answer_is_told_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        check_answers({"decision": ["recommended"]}, ClinicianKind.PSYCHOLOGIST, TODAY)
    missing = {issue.expression[0] for issue in caught.value.issues}
    assert {"psychosis", "continues-care", "attestation", "signer-name", "last-seen"} <= missing


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"decision": "certainly"}, "decision"),
        ({"last-seen": "2026-11-04"}, "last-seen"),
        ({"last-seen": "yesterday"}, "last-seen"),
        ({"signer-npi": "1234567890"}, "signer-npi"),
        ({"signer-license-state": "Atlantis"}, "signer-license-state"),
        ({"signer-role": "king"}, "signer-role"),
        ({"attestation": "maybe"}, "attestation"),
        ({"medication": "x" * 2001}, "medication"),
        ({"next-visit": "soon"}, "next-visit"),
    ],
)
def test_an_unusable_answer_names_its_question(change: dict[str, str], field: str) -> None:
    raw = complete(ClinicianKind.PSYCHIATRIST) | {name: [value] for name, value in change.items()}
    with pytest.raises(InvalidInput) as caught:
        check_answers(raw, ClinicianKind.PSYCHIATRIST, TODAY)
    assert field in {issue.expression[0] for issue in caught.value.issues}


def test_conditions_are_required_with_conditions_and_dropped_without() -> None:
    kind = ClinicianKind.PSYCHIATRIST
    with pytest.raises(InvalidInput, match="Which conditions"):
        check_answers(complete(kind, "recommended-with-conditions"), kind, TODAY)
    kept = check_answers(complete(kind, "recommended-with-conditions", conditions="BP first"), kind, TODAY)
    assert kept.text("conditions") == "BP first"
    assert check_answers(complete(kind, conditions="stray"), kind, TODAY).text("conditions") is None


def test_not_my_patient_needs_a_signature_and_nothing_else() -> None:
    answers = check_answers({"decision": ["not-my-patient"], **SIGNED}, ClinicianKind.PRIMARY_CARE, TODAY)
    assert answers.decision is Decision.NOT_MY_PATIENT


def test_nothing_is_ticked_for_the_clinician() -> None:
    assert all(not hasattr(item, "default") for item in ITEMS)
    assert BY_LINK_ID["attestation"].required


def test_the_word_clearance_is_never_used() -> None:
    words = " ".join([*(i.text + i.hint for i in ITEMS), *(o.text for i in ITEMS for o in i.options)])
    assert "clearance" not in words.lower()


@pytest.mark.parametrize("typed", ["20261110", "2026-W46-2", "2028-01-01", "9999-12-31"])
def test_a_planned_visit_is_a_plain_date_within_a_year(typed: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_answers(
            {"decision": ["needs-information"], "visit-planned": [typed]}, ClinicianKind.PSYCHIATRIST, TODAY
        )
    assert ("visit-planned",) in [issue.expression for issue in refused.value.issues]
