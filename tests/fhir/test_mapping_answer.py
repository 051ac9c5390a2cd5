"""What an answer, a message, a consultation and a treatment leave in the record; the gate as Parameters."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import Any

import pytest

from referral.domain.codes import Channel, Decision, Requirement, Verdict
from referral.domain.gate import RequirementState
from referral.domain.outgoing import MessageKind, MessageState
from referral.fhir import answer, communication, encounter, gate, procedure, provenance
from referral.fhir.answer import ANSWER_LETTER, LETTER, KeptDocument, Opinion
from referral.fhir.communication import Attempt
from referral.fhir.operations import GATE
from referral.fhir.provenance import Agent
from referral.fhir.systems import DEFAULT, LOCAL_CODES
from tests.fhir.mapping_samples import CLOSED, LATER, NOW, OPEN, ORDER, OVERRIDDEN, assert_valid, referral

OPINION = Opinion(
    id="opinion1",
    referral_id="request1",
    patient_id="p1",
    clinician_id="role1",
    response_id="qr1",
    decision=Decision.RECOMMENDED_WITH_CONDITIONS,
    answered_at=NOW,
    conditions="Blood pressure below 140/90 first",
    red_flags=("psychosis", "pregnancy"),
)


@pytest.mark.parametrize("decision", list(Decision))
def test_the_decision_is_a_valid_observation(decision: Decision) -> None:
    written = answer.decision_observation(replace(OPINION, decision=decision, conditions=None, red_flags=()))
    assert_valid(written)
    assert written["valueCodeableConcept"]["coding"][0]["code"] == decision
    assert not {"note", "component"} & set(written)


def test_conditions_and_red_flags_are_readable_without_the_form() -> None:
    written = answer.decision_observation(OPINION)
    assert_valid(written)
    assert written["note"] == [{"text": "Blood pressure below 140/90 first"}]
    flags = [c["valueCodeableConcept"]["coding"][0]["code"] for c in written["component"]]
    assert flags == ["psychosis", "pregnancy"]


@pytest.mark.parametrize("type_", [LETTER, ANSWER_LETTER])
def test_a_document_is_described_by_size_and_both_digests(type_: Any) -> None:
    content = b"%PDF-1.7 invented"
    kept = KeptDocument(
        id="d1",
        type=type_,
        patient_id="p1",
        content_type="application/pdf",
        size=len(content),
        sha1=hashlib.sha1(content, usedforsecurity=False).digest(),
        sha256=hashlib.sha256(content).digest(),
        created_at=NOW,
        title="Recommendation 2026-000123",
        referral_id="request1",
    )
    written = answer.document_reference(
        kept,
        author="PractitionerRole/role1",
        custodian="Organization/clinic",
        authenticator="PractitionerRole/role1",
        replaces="d0",
    )
    assert_valid(written)
    attachment = written["content"][0]["attachment"]
    assert base64.b64decode(attachment["hash"]) == kept.sha1
    assert attachment["url"] == "Binary/d1"
    assert written["masterIdentifier"]["value"].startswith("ni:///sha-256;")
    held = answer.binary("d1", "application/pdf", content, security_context="DocumentReference/d1")
    assert_valid(held)
    assert base64.b64decode(held["data"]) == content


@pytest.mark.parametrize(
    "kind",
    ["author", "transcriptionist", "verification", "review", "source", "modification", "administrative"],
)
@pytest.mark.parametrize("data", [None, b"eyJhbGciOiJSUzI1NiJ9..c2ln"])
def test_a_provenance_with_every_kind_of_signature_is_valid(kind: str, data: bytes | None) -> None:
    written = provenance.provenance(
        "prov1",
        ("QuestionnaireResponse/qr1", "Observation/opinion1", "Task/task1/_history/3"),
        (
            Agent("author", "Practitioner/pract1", "Organization/org1"),
            Agent("enterer", DEFAULT.staff("u1"), "Organization/clinic"),
        ),
        recorded_at=NOW,
        signatures=(
            provenance.signature(
                kind, "Practitioner/pract1", at=NOW, on_behalf_of="Organization/org1", data=data
            ),
        ),
        revision_of="QuestionnaireResponse/qr1/_history/1",
    )
    assert_valid(written)
    signed = written["signature"][0]
    assert signed["type"][0]["system"] == "urn:iso-astm:E1762-95:2013"
    assert ("data" in signed) is (data is not None)
    assert written["entity"][0]["role"] == "revision"


def test_the_author_signs_with_the_code_of_an_author() -> None:
    signed = provenance.signature("author", "PractitionerRole/role1", at=NOW)
    assert signed["type"][0]["code"] == "1.2.840.10065.1.12.1.1"


@pytest.mark.parametrize("state", list(MessageState))
@pytest.mark.parametrize("channel", list(Channel))
@pytest.mark.parametrize("kind", list(MessageKind))
def test_every_message_in_every_state_is_a_valid_communication(
    state: MessageState, channel: Channel, kind: MessageKind
) -> None:
    attempt = Attempt(
        id="m1",
        kind=kind,
        channel=channel,
        state=state,
        sent_at=NOW if state in (MessageState.ACCEPTED, MessageState.DELIVERED) else None,
        letter="DocumentReference/d1",
    )
    written = communication.to_fhir(attempt, referral(), sender="Organization/clinic")
    assert_valid(written)
    assert ("statusReason" in written) is (written["status"] == "not-done")


@pytest.mark.parametrize(
    ("channel", "code"),
    [
        (Channel.EMAIL, "EMAILWRIT"),
        (Channel.FAX, "FAXWRIT"),
        (Channel.POST, "MAILWRIT"),
        (Channel.PHONE, "PHONE"),
        (Channel.SMS, "sms"),
    ],
)
def test_the_medium_has_its_code(channel: Channel, code: str) -> None:
    attempt = Attempt(id="m1", kind=MessageKind.REQUEST, channel=channel, state=MessageState.QUEUED)
    written = communication.to_fhir(attempt, referral())
    assert written["medium"][0]["coding"][0]["code"] == code


def test_a_failed_message_says_why_and_a_second_try_takes_the_reason_away() -> None:
    failed = Attempt(
        id="m1",
        kind=MessageKind.REQUEST,
        channel=Channel.FAX,
        state=MessageState.FAILED,
        failure="invalid-phone-number",
        failure_text="No fax answers there",
    )
    written = communication.changes(failed)
    assert written["status"] == "not-done"
    assert written["statusReason"]["coding"][0]["code"] == "invalid-phone-number"
    assert written["statusReason"]["text"] == "No fax answers there"
    again = communication.changes(replace(failed, state=MessageState.DELIVERED, received_at=LATER))
    assert again == {
        "status": "completed",
        "statusReason": None,
        "sent": None,
        "received": "2026-12-09T22:00:00.000Z",
    }


def test_the_initial_consultation_does_not_look_like_a_start_of_treatment() -> None:
    written = encounter.consultation(
        "e1",
        ORDER,
        held_at=NOW,
        participant="PractitionerRole/role1",
        service_provider="Organization/clinic",
    )
    assert_valid(written)
    assert "basedOn" not in written
    assert written["status"] == "finished"


@pytest.mark.parametrize(("ended_at", "status"), [(None, "in-progress"), (LATER, "completed")])
def test_an_infusion_is_a_procedure_based_on_the_order(ended_at: Any, status: str) -> None:
    written = procedure.infusion(
        "t1",
        order_id="order1",
        patient_id="p1",
        started_at=NOW,
        ended_at=ended_at,
        performer="PractitionerRole/role1",
        condition_ids=("c1",),
    )
    assert_valid(written)
    assert written["status"] == status
    assert written["basedOn"] == [{"reference": "ServiceRequest/order1"}]


def test_a_closed_gate_gives_the_parameters_of_the_specification() -> None:
    written = gate.parameters(CLOSED)
    assert_valid(written)
    assert written == {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "open", "valueBoolean": False},
            {"name": "asOf", "valueInstant": "2026-11-25T21:00:00.123Z"},
            {"name": "reason", "valueString": CLOSED.reasons[0]},
            {
                "name": "requirement",
                "part": [
                    {"name": "code", "valueCode": "initial-consultation"},
                    {"name": "satisfied", "valueBoolean": True},
                    {"name": "by", "valueReference": {"reference": "Encounter/e1"}},
                ],
            },
            {
                "name": "requirement",
                "part": [
                    {"name": "code", "valueCode": "recommendation"},
                    {"name": "satisfied", "valueBoolean": False},
                ],
            },
        ],
    }


def test_an_open_gate_names_the_answer_and_until_when_it_counts() -> None:
    written = gate.parameters(OPEN)
    assert_valid(written)
    assert written["parameter"][0] == {"name": "open", "valueBoolean": True}
    assert [p["name"] for p in written["parameter"]] == ["open", "asOf", "requirement", "requirement"]
    assert written["parameter"][3]["part"][2:] == [
        {"name": "by", "valueReference": {"reference": "Observation/opinion1"}},
        {"name": "validUntil", "valueDateTime": "2026-12-09T22:00:00.000Z"},
    ]


def test_a_refused_start_leaves_an_issue_and_a_banner() -> None:
    issue = gate.detected_issue("i1", ORDER, CLOSED, author="PractitionerRole/role1", task_ids=("task1",))
    assert_valid(issue)
    assert issue["detail"] == CLOSED.reasons[0]
    banner = gate.flag("f1", ORDER, CLOSED, since=NOW, author="PractitionerRole/role1")
    assert_valid(banner)
    assert banner["status"] == "active"
    ended = gate.flag("f1", ORDER, CLOSED, since=NOW, ended_at=LATER)
    assert_valid(ended)
    assert ended["status"] == "inactive"


@pytest.mark.parametrize("code", list(LOCAL_CODES["gate-override"]))
def test_an_override_is_a_mitigation_of_the_issue(code: str) -> None:
    issue = gate.detected_issue("i1", ORDER, CLOSED)
    issue["mitigation"] = [gate.override_mitigation(code, at=NOW, author="PractitionerRole/role1")]
    assert_valid(issue)


@pytest.mark.parametrize(
    ("verdict", "consulted", "topic"),
    [
        (Verdict.REQUESTED, True, "recommendation-missing"),
        (Verdict.NOT_REQUESTED, False, "recommendation-missing"),
        (Verdict.SATISFIED, False, "consultation-missing"),
        (Verdict.UNCLASSIFIED, True, "not-classified"),
    ],
)
def test_the_topic_says_what_is_missing(verdict: Verdict, consulted: bool, topic: str) -> None:
    decision = replace(
        CLOSED,
        verdict=verdict,
        requirements=(
            RequirementState(Requirement.INITIAL_CONSULTATION, consulted),
            RequirementState(Requirement.RECOMMENDATION, verdict is Verdict.SATISFIED),
        ),
    )
    assert gate.topic(decision) == topic


def test_emergency_access_is_named_with_its_end_and_the_recommendation_stays_unsatisfied() -> None:
    written = gate.parameters(OVERRIDDEN)
    assert_valid(written)
    assert written["parameter"][0] == {"name": "open", "valueBoolean": True}
    assert written["parameter"][3]["part"][1] == {"name": "satisfied", "valueBoolean": False}
    assert written["parameter"][4:] == [
        {
            "name": "override",
            "part": [
                {"name": "validUntil", "valueDateTime": "2026-12-09T22:00:00.000Z"},
                {"name": "remark", "valueString": OVERRIDDEN.remark},
            ],
        }
    ]
    named = {parameter["name"] for parameter in GATE.to_fhir()["parameter"]}
    assert {parameter["name"] for parameter in written["parameter"]} <= named


def test_with_emergency_access_something_else_is_missing() -> None:
    closed = replace(
        OVERRIDDEN,
        open=False,
        reasons=("The initial consultation has not been recorded.",),
        requirements=(
            RequirementState(Requirement.INITIAL_CONSULTATION, False),
            RequirementState(Requirement.RECOMMENDATION, False),
        ),
    )
    assert gate.topic(closed) == "consultation-missing"
    assert gate.topic(replace(closed, override=None)) == "recommendation-missing"
