"""One resource for each invariant of fhir.md section 8 that breaks it, and nothing else.

By key: the resource, and the element that has to be named.
"""

from __future__ import annotations

from typing import Any, Final

from tests.fhir.faults import CONTAINED, made, order

Json = dict[str, Any]
_CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_VERIFICATION: Final = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_SCOPE: Final = "http://terminology.hl7.org/CodeSystem/consentscope"
_ITEM: Final = {"linkId": "1", "type": "string"}
_RESPONSE: Final = {"status": "200"}


def asked(**changes: Any) -> Json:
    return made("Questionnaire", item=[{**_ITEM, **changes}])


def timed(**repeat: Any) -> Json:
    return order(occurrenceTiming={"repeat": repeat})


def extended(name: str, value: Any) -> Json:
    return order(extension=[{"url": "http://x.example", name: value}])


def bundle(type: str, *entries: Json, **more: Any) -> Json:
    return {"resourceType": "Bundle", "type": type, **({"entry": list(entries)} if entries else {}), **more}


def listed(**contains: Any) -> Json:
    return made("ValueSet", compose=None, expansion={"timestamp": "2026-03-01", "contains": [contains]})


def offered(**parameter: Any) -> Json:
    row = {"name": "x", "use": "in", "min": 0, "max": "1", **parameter}
    return made("OperationDefinition", parameter=[row])


def consented(scope: str) -> Json:
    return made("Consent", patient=None, scope={"coding": [{"system": _SCOPE, "code": scope}]})


_DOCUMENT: Final = {"timestamp": "2026-03-01T10:00:00Z", "identifier": {"system": "urn:x", "value": "1"}}
_COMPOSITION: Final = {
    "resource": {
        "resourceType": "Composition",
        "status": "final",
        "type": {"text": "Note"},
        "date": "2026-03-01",
        "author": [{"display": "x"}],
        "title": "x",
    }
}
BROKEN: Final[dict[str, tuple[Json, str]]] = {
    "ele-1": (order(code={"id": "x"}), "ServiceRequest.code"),
    "ext-1 both": (
        order(
            extension=[
                {"url": "http://x", "valueString": "a", "extension": [{"url": "b", "valueString": "c"}]}
            ]
        ),
        "ServiceRequest.extension[0]",
    ),
    "ext-1 none": (order(extension=[{"url": "http://x"}]), "ServiceRequest.extension[0]"),
    "dom-5": (
        order(contained=[{**CONTAINED, "meta": {"security": [{"code": "R"}]}}], subject={"reference": "#p"}),
        "ServiceRequest.contained[0].meta.security",
    ),
    "con-2": (
        made("Condition", evidence=[{"id": "x", "extension": [{"url": "http://x", "valueCode": "a"}]}]),
        "Condition.evidence[0]",
    ),
    "con-5": (
        made(
            "Condition",
            clinicalStatus={"coding": [{"system": _CLINICAL, "code": "active"}]},
            verificationStatus={"coding": [{"system": _VERIFICATION, "code": "entered-in-error"}]},
            abatementDateTime=None,
        ),
        "Condition.clinicalStatus",
    ),
    "ppc-3": (consented("research"), "Consent.patient"),
    "ppc-4": (consented("adr"), "Consent.patient"),
    "ppc-5": (consented("treatment"), "Consent.patient"),
    "sev-1": (made("AuditEvent", entity=[{"name": "x", "query": "eA=="}]), "AuditEvent.entity[0].query"),
    "que-3": (asked(type="display", code=[{"code": "x"}]), "Questionnaire.item[0].code"),
    "que-4": (
        asked(type="choice", answerOption=[{"valueString": "x"}], answerValueSet="http://x"),
        "Questionnaire.item[0].answerValueSet",
    ),
    "que-5": (asked(type="boolean", answerValueSet="http://x"), "Questionnaire.item[0].answerValueSet"),
    "que-6": (asked(type="display", required=True), "Questionnaire.item[0].required"),
    "que-8": (
        asked(type="group", item=[{"linkId": "2", "type": "string"}], initial=[{"valueString": "x"}]),
        "Questionnaire.item[0].initial",
    ),
    "que-9": (asked(type="display", readOnly=True), "Questionnaire.item[0].readOnly"),
    "que-10": (asked(type="date", maxLength=3), "Questionnaire.item[0].maxLength"),
    "que-11": (
        asked(type="choice", answerOption=[{"valueString": "x"}], initial=[{"valueString": "x"}]),
        "Questionnaire.item[0].initial",
    ),
    "que-13": (asked(initial=[{"valueString": "x"}, {"valueString": "y"}]), "Questionnaire.item[0].initial"),
    "bdl-2": (
        bundle("collection", {"resource": order(), "search": {"mode": "match"}}),
        "Bundle.entry[0].search",
    ),
    "bdl-4": (bundle("batch-response", {"resource": order()}), "Bundle.entry[0].response"),
    "bdl-5": (bundle("collection", {"fullUrl": "urn:uuid:1"}), "Bundle.entry[0]"),
    "bdl-8": (
        bundle("collection", {"fullUrl": "http://x/Patient/1/_history/1", "resource": order()}),
        "Bundle.entry[0].fullUrl",
    ),
    "bdl-9": (bundle("document", _COMPOSITION, timestamp=_DOCUMENT["timestamp"]), "Bundle.identifier"),
    "bdl-10": (bundle("document", _COMPOSITION, identifier=_DOCUMENT["identifier"]), "Bundle.timestamp"),
    "bdl-11": (bundle("document", {"resource": order()}, **_DOCUMENT), "Bundle.entry"),
    "bdl-12": (bundle("message", {"resource": order()}), "Bundle.entry"),
    "vsd-2": (
        made("ValueSet", compose={"include": [{"valueSet": ["http://x"], "concept": [{"code": "x"}]}]}),
        "ValueSet.compose.include[0].system",
    ),
    "vsd-3": (
        made(
            "ValueSet",
            compose={
                "include": [
                    {
                        "system": "http://x",
                        "concept": [{"code": "x"}],
                        "filter": [{"property": "a", "op": "=", "value": "b"}],
                    }
                ]
            },
        ),
        "ValueSet.compose.include[0].filter",
    ),
    "vsd-6": (listed(system="http://x", abstract=True), "ValueSet.expansion.contains[0]"),
    "vsd-9": (listed(system="http://x", display="x"), "ValueSet.expansion.contains[0]"),
    "vsd-10": (listed(code="x"), "ValueSet.expansion.contains[0].code"),
    "spd-1": (made("SearchParameter", xpath="x", xpathUsage=None), "SearchParameter.xpath"),
    "spd-2": (made("SearchParameter", type="token", chain=["x"]), "SearchParameter.chain"),
    "opd-1": (offered(), "OperationDefinition.parameter[0]"),
    "opd-2": (offered(type="code", searchType="token"), "OperationDefinition.parameter[0].searchType"),
    "opd-3": (
        offered(type="code", targetProfile=["http://x"]),
        "OperationDefinition.parameter[0].targetProfile",
    ),
    "tim-1": (timed(duration=1), "ServiceRequest.occurrence.repeat.duration"),
    "tim-2": (timed(period=1), "ServiceRequest.occurrence.repeat.period"),
    "tim-4": (timed(duration=-1, durationUnit="h"), "ServiceRequest.occurrence.repeat.duration"),
    "tim-5": (timed(period=-1, periodUnit="h"), "ServiceRequest.occurrence.repeat.period"),
    "tim-6": (timed(periodMax=2, count=1), "ServiceRequest.occurrence.repeat.periodMax"),
    "tim-7": (timed(durationMax=2, count=1), "ServiceRequest.occurrence.repeat.durationMax"),
    "tim-8": (timed(countMax=2, frequency=1), "ServiceRequest.occurrence.repeat.countMax"),
    "tim-9": (timed(offset=5, count=1), "ServiceRequest.occurrence.repeat.offset"),
    "tim-10": (timed(timeOfDay=["10:00:00"], when=["HS"]), "ServiceRequest.occurrence.repeat.when"),
    "age-1": (extended("valueAge", {"value": 1}), "ServiceRequest.extension[0].value"),
    "cnt-3": (extended("valueCount", {"value": 1}), "ServiceRequest.extension[0].value"),
    "dis-1": (extended("valueDistance", {"value": 1}), "ServiceRequest.extension[0].value"),
    "drt-1": (
        extended("valueDuration", {"value": 1, "code": "h", "system": "http://x"}),
        "ServiceRequest.extension[0].value",
    ),
    "exp-1": (extended("valueExpression", {"language": "text/cql"}), "ServiceRequest.extension[0].value"),
    "trd-2": (
        extended(
            "valueTriggerDefinition",
            {"type": "named-event", "name": "x", "condition": {"language": "text/cql", "expression": "x"}},
        ),
        "ServiceRequest.extension[0].value.condition",
    ),
    "trd-3": (
        extended("valueTriggerDefinition", {"type": "named-event"}),
        "ServiceRequest.extension[0].value",
    ),
    "drq-1": (
        extended("valueDataRequirement", {"type": "Patient", "codeFilter": [{"code": [{"code": "x"}]}]}),
        "ServiceRequest.extension[0].value.codeFilter[0]",
    ),
    "drq-2": (
        extended("valueDataRequirement", {"type": "Patient", "dateFilter": [{"valueDateTime": "2026"}]}),
        "ServiceRequest.extension[0].value.dateFilter[0]",
    ),
}
