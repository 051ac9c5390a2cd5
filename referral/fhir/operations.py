"""The OperationDefinitions of what is ours."""

from __future__ import annotations

from typing import Any

from referral.fhir.systems import DEFAULT, LocalSystems


def gate_operation(local: LocalSystems = DEFAULT) -> dict[str, Any]:
    """`$gate` on an infusion order: changes nothing, takes nothing, says open or closed and why."""
    parts = [
        _out("code", 1, "1", "code", "initial-consultation or recommendation"),
        _out("satisfied", 1, "1", "boolean", "Whether it is met"),
        _out("by", 0, "1", "Reference", "What met it: an Encounter, or the Observation of a decision"),
        _out("validUntil", 0, "1", "dateTime", "Until when what met it counts"),
    ]
    override = [
        _out("validUntil", 1, "1", "dateTime", "Until when one start may use it"),
        _out("remark", 1, "1", "string", "What is still missing, in a sentence"),
    ]
    return {
        "resourceType": "OperationDefinition",
        "id": "gate",
        "url": f"{local.base}/OperationDefinition/gate",
        "name": "Gate",
        "title": "May this infusion order be treated?",
        "status": "active",
        "kind": "operation",
        "affectsState": False,
        "code": "gate",
        "resource": ["ServiceRequest"],
        "system": False,
        "type": False,
        "instance": True,
        "parameter": [
            _out("open", 1, "1", "boolean", "Whether treatment may start"),
            _out("asOf", 1, "1", "instant", "The time of this advice"),
            _out("reason", 0, "*", "string", "One sentence for each requirement that is not met"),
            {**_out("requirement", 0, "*", None, "Each requirement of the clinic"), "part": parts},
            {
                **_out("override", 0, "1", None, "Emergency access in force: open for one start"),
                "part": override,
            },
        ],
    }


def _out(name: str, least: int, most: str, kind: str | None, words: str) -> dict[str, Any]:
    row = {"name": name, "use": "out", "min": least, "max": most, "documentation": words}
    return {**row, "type": kind} if kind else row
