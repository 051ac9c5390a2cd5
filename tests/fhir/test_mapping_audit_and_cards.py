"""Audit rows as AuditEvents, and the gate as CDS Hooks cards."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from typing import Any

import pytest

from referral.domain.gate import GateDecision
from referral.fhir import audit_event, cds_card, cds_request
from referral.fhir.audit_event import AuditRow
from referral.fhir.cds_card import Link, Subject
from referral.fhir.service_request import infusion_order
from tests.fhir.mapping_samples import CLOSED, NOW, OPEN, ORDER, OVERRIDDEN, all_values, assert_valid

ROW = AuditRow(
    id="42",
    at=NOW,
    actor_kind="staff",
    actor_id="user1",
    role="front-desk",
    address="192.0.2.7",
    request_id="req-1",
    action="R",
    subtype="request",
    entity="ServiceRequest/request1",
    patient_id="p1",
    outcome="0",
)
BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."


@pytest.mark.parametrize("action", ["C", "R", "U", "D", "E"])
@pytest.mark.parametrize("actor_kind", ["staff", "client", "portal", "system"])
@pytest.mark.parametrize(
    "less", [{}, {"patient_id": None}, {"entity": None, "address": None, "request_id": None, "role": None}]
)
def test_every_audit_row_is_a_valid_audit_event(action: Any, actor_kind: Any, less: dict[str, Any]) -> None:
    assert_valid(audit_event.to_fhir(replace(ROW, action=action, actor_kind=actor_kind, **less)))


@pytest.mark.parametrize(
    ("changes", "profile"),
    [
        ({}, "PatientRead"),
        ({"action": "C"}, "PatientCreate"),
        ({"subtype": "disclose"}, "PrivacyDisclosure.Source"),
        ({"action": "E"}, None),
        ({"outcome": "8"}, None),
        ({"patient_id": None}, None),
        ({"address": None}, None),
    ],
)
def test_a_profile_is_claimed_only_where_the_row_meets_it(
    changes: dict[str, Any], profile: str | None
) -> None:
    written = audit_event.to_fhir(replace(ROW, **changes))
    claimed = written.get("meta", {}).get("profile")
    assert claimed == (None if profile is None else [BALP + profile])


def test_who_read_what_of_whom_from_where_is_there_and_nobody_is_named() -> None:
    written = audit_event.to_fhir(ROW, site="clinic.example")
    server, client, user = written["agent"]
    assert server["type"]["coding"][0]["code"] == "110153"
    assert client["type"]["coding"][0]["code"] == "110152"
    assert client["network"] == {"address": "192.0.2.7", "type": "2"}
    assert user["who"]["identifier"]["value"] == "user1"
    assert user["requestor"] is True
    assert [e["what"].get("reference") for e in written["entity"]] == [
        "ServiceRequest/request1",
        "Patient/p1",
        None,
    ]
    assert written["entity"][2]["what"]["identifier"]["value"] == "req-1"
    assert not any("name" in node for node in all_values(written) if isinstance(node, dict))


def test_data_flows_the_other_way_when_something_is_written() -> None:
    server, client, user = audit_event.to_fhir(replace(ROW, action="C"))["agent"]
    assert server["type"]["coding"][0]["code"] == "110152"
    assert client["type"]["coding"][0]["code"] == "110153"
    assert user["type"]["coding"][0]["code"] == "AUT"


def test_a_disclosure_is_an_export_whatever_the_row_did() -> None:
    written = audit_event.to_fhir(replace(ROW, action="C", subtype="disclose"))
    assert_valid(written)
    assert written["type"]["code"] == "110106"
    assert written["action"] == "R"
    assert written["subtype"][0]["code"] == "disclose"
    assert written["agent"][0]["who"] == written["source"]["observer"]


@pytest.mark.parametrize("actor_kind", ["system", "portal"])
def test_a_disclosure_names_who_was_meant_to_get_it(actor_kind: Any) -> None:
    row = replace(ROW, subtype="disclose", actor_kind=actor_kind, recipient="PractitionerRole/role1")
    written = audit_event.to_fhir(row)
    assert_valid(written)
    source, recipient, actor = written["agent"]
    assert source["type"]["coding"][0]["code"] == "110153"
    assert recipient["type"]["coding"][0]["code"] == "110152"
    assert recipient["who"] == {"reference": "PractitionerRole/role1"}
    assert actor["requestor"] is True
    assert actor["who"]["identifier"]["value"] == "user1"
    assert recipient["requestor"] is False


@pytest.mark.parametrize("subtype", sorted(audit_event.DISCLOSURES))
def test_everything_that_leaves_the_clinic_is_of_the_type_that_an_accounting_asks_for(subtype: str) -> None:
    assert audit_event.to_fhir(replace(ROW, subtype=subtype))["type"]["code"] == "110106"
    assert audit_event.to_fhir(replace(ROW, subtype="portal-opened"))["type"]["code"] == "rest"


@pytest.mark.parametrize(("subtype", "code"), [("vread", "vread"), ("today", "read")])
def test_the_interaction_is_fhirs_word(subtype: str, code: str) -> None:
    assert audit_event.to_fhir(replace(ROW, subtype=subtype))["subtype"][0]["code"] == code


# ---- CDS Hooks

LINK = Link("Open request", "https://referral.example/requests/request1")
ACTIVE = infusion_order(replace(ORDER, status="active"))
SUBJECT = Subject(key="order1", hold=ACTIVE, links=(LINK,))


def made(decision: GateDecision = CLOSED, hook: str = "order-sign", **changes: Any) -> dict[str, Any]:
    card = cds_card.card(decision, hook, replace(SUBJECT, **changes))
    assert card is not None
    return card


def test_an_open_gate_has_nothing_to_say() -> None:
    assert cds_card.card(OPEN, "order-sign", SUBJECT) is None


@pytest.mark.parametrize("hook", ["patient-view", "order-sign"])
def test_emergency_access_is_a_remark_that_offers_neither_hold_nor_override(hook: str) -> None:
    card = made(OVERRIDDEN, hook)
    assert card["indicator"] == "info"
    assert card["summary"] == "Emergency access: one infusion may start without the recommendation"
    assert card["detail"].startswith(f"- {OVERRIDDEN.remark}")
    assert {"suggestions", "overrideReasons", "selectionBehavior"}.isdisjoint(card)
    other = replace(OVERRIDDEN, remark="Another order needs one.")
    assert len({card["uuid"], made(other, hook)["uuid"], made(CLOSED, hook)["uuid"]}) == 3


@pytest.mark.parametrize(
    ("hook", "critical", "indicator"),
    [
        ("patient-view", True, "info"),
        ("appointment-book", True, "warning"),
        ("order-sign", True, "critical"),
        ("encounter-start", True, "critical"),
        ("order-sign", False, "warning"),
    ],
)
def test_the_indicator_follows_hook_and_policy(hook: str, critical: bool, indicator: str) -> None:
    card = cds_card.card(CLOSED, hook, SUBJECT, critical=critical)
    assert card is not None
    assert card["indicator"] == indicator


def test_the_card_has_what_cds_hooks_requires_and_suggests_to_hold_the_order() -> None:
    card = made()
    uuid.UUID(card["uuid"])
    assert card["source"]["label"]
    assert card["source"]["topic"]["code"] == "recommendation-missing"
    assert card["selectionBehavior"] == "at-most-one"
    action = card["suggestions"][0]["actions"][0]
    assert action["type"] == "update"
    assert action["resource"] == {**ACTIVE, "status": "on-hold"}
    assert_valid(action["resource"])
    assert all(reason["display"] for reason in card["overrideReasons"])
    assert card["links"] == [{"label": "Open request", "url": LINK.url, "type": "absolute"}]
    assert ACTIVE["status"] == "active"


@pytest.mark.parametrize("hold", [None, infusion_order(ORDER), {**ACTIVE, "status": 1}, {"status": "draft"}])
def test_what_is_on_hold_or_cannot_be_updated_gets_no_suggestion(hold: Any) -> None:
    assert not {"suggestions", "selectionBehavior"} & set(made(hold=hold))


def test_the_summary_stays_below_140_characters_and_the_detail_keeps_every_reason_and_note() -> None:
    long = replace(CLOSED, reasons=("x" * 200 + ".", "Second reason."))
    card = made(long, notes=("A note.",))
    assert len(card["summary"]) < 140
    assert card["detail"].endswith("- Second reason.\n- A note.")


def test_words_of_a_client_cannot_become_markup_in_the_detail() -> None:
    bad = replace(CLOSED, reasons=("[Click](https://evil.example) <b>now</b>\n# heading",))
    detail = made(bad)["detail"]
    assert detail == "- \\[Click\\](https://evil.example) \\<b\\>now\\</b\\> \\# heading"


def test_the_same_order_and_reasons_give_the_same_card_on_a_hook() -> None:
    same = [made()["uuid"], made(links=(), notes=("More.",))["uuid"]]
    others = [
        made(replace(CLOSED, reasons=("Other.",)))["uuid"],
        made(hook="patient-view")["uuid"],
        made(key="order2")["uuid"],
    ]
    assert len({*same}) == 1
    assert len({*same, *others}) == 4


def test_a_smart_link_carries_its_context() -> None:
    link = Link("Open request", "https://referral.example/launch", "smart", '{"task":"task1"}')
    assert made(links=(link,))["links"][0]["appContext"] == '{"task":"task1"}'


def test_discovery_lists_one_service_on_every_hook() -> None:
    services = cds_card.discovery()["services"]
    assert [service["hook"] for service in services] == list(cds_request.HOOKS)
    assert {service["id"] for service in services} == {"ketamine-recommendation-gate"}
    assert all(service["description"] for service in services)
    for service in services:
        for template in service["prefetch"].values():
            # What CDS Hooks 2.0 asks every client to fill in: {{context.…}} and nothing else.
            assert set(re.findall(r"{{(.*?)}}", template)) <= {"context.patientId", "context.encounterId"}
