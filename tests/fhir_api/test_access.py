"""Who may call, and what is noted of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from referral.domain.credential import random_token
from referral.storage import api_clients
from referral.storage.api_clients import ApiClient
from tests.database import NOW, ClinicFixture
from tests.fhir_api.client import FhirClient
from tests.fhir_api.people import Referred, patient

PATHS = [
    ("GET", "/fhir/Patient"),
    ("GET", "/fhir/Patient/1"),
    ("GET", "/fhir/Patient/1/_history"),
    ("GET", "/fhir/Patient/1/_history/1"),
    ("POST", "/fhir/Patient"),
    ("POST", "/fhir/Patient/_search"),
    ("PUT", "/fhir/Patient/1"),
    ("PUT", "/fhir/Patient?identifier=1"),
    ("DELETE", "/fhir/Patient/1"),
    ("PATCH", "/fhir/Patient/1"),
    ("POST", "/fhir"),
    ("POST", "/fhir/"),
    ("GET", "/fhir/ServiceRequest/1/$gate"),
    ("GET", "/fhir/no/such/path/at/all"),
    ("POST", "/cds-services/ketamine-recommendation-gate"),
    ("POST", "/cds-services/ketamine-recommendation-gate/feedback"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize(
    "token", ["", "Bearer", "Bearer nonsense", "Basic dXNlcjpwYXNz", "Bearer " + "x" * 5000]
)
def test_without_a_good_token_nothing_is_read(fhir: FhirClient, method: str, path: str, token: str) -> None:
    """Not even a body that would be refused: it is not looked at."""
    body = b"{" if method in ("POST", "PUT", "PATCH") else None
    answer = fhir.call(method, path, body, Authorization=token, Content_Type="text/nonsense")
    assert answer.status == 401
    shown = token.startswith("Bearer ")
    assert answer.headers["www-authenticate"] == ('Bearer error="invalid_token"' if shown else "Bearer")
    assert answer.issues[0]["code"] == "login"


def limited(clinic: ClinicFixture, fhir: FhirClient, *scopes: str) -> FhirClient:
    token = random_token()
    with clinic.transaction() as session:
        client = ApiClient(clinic_id=clinic.id, id=random_token(size=9), name="Limited", scopes=scopes)
        api_clients.add_client(session, client, token, NOW)
    return replace(fhir, token=token)


def test_scopes_decide_what_a_client_does(clinic: ClinicFixture, fhir: FhirClient) -> None:
    made = fhir.create(patient())
    reader = limited(clinic, fhir, "system/Patient.rs")
    assert reader.get(f"Patient/{made['id']}").status == 200
    assert reader.get("Patient").resources
    assert reader.post("Patient", patient()).status == 403
    assert reader.put(f"Patient/{made['id']}", made).status == 403
    assert reader.get("Practitioner").status == 403
    assert reader.get("ServiceRequest/1/$gate").status == 403
    entry = {"resource": patient(), "request": {"method": "POST", "url": "Patient"}}
    assert reader.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}).status == 403
    other = limited(
        clinic, fhir, "system/Patient.sr", "patient/*.rs", "system/Patient.rs?nothing=1", "nonsense"
    )
    assert other.get(f"Patient/{made['id']}").status == 403


def test_what_scopes_do_not_allow_is_not_brought_along(clinic: ClinicFixture, fhir: FhirClient) -> None:
    referred = Referred(fhir)
    reader = limited(clinic, fhir, "system/ServiceRequest.rs")
    found = reader.get("ServiceRequest?_include=ServiceRequest:subject&_revinclude=Task:focus")
    assert {row.split("/")[0] for row in found.references} == {"ServiceRequest"}
    full = fhir.get("ServiceRequest?_include=ServiceRequest:subject&_revinclude=Task:focus")
    assert referred.patient in full.references


def test_reads_and_searches_are_an_accounting_of_disclosures(fhir: FhirClient) -> None:
    made, other = fhir.create(patient()), fhir.create(patient())
    fhir.get(f"Patient/{made['id']}")
    fhir.get(f"Patient/{made['id']}/_history")
    fhir.get(f"Patient/{made['id']}/_history/1")
    fhir.get("Patient?family=ng", X_Request_Id="asked-by-ehr")
    events = fhir.get(f"AuditEvent?patient=Patient/{made['id']}").resources
    ours = [
        coding["code"]
        for event in events
        for coding in event["subtype"]
        if "audit-subtype" in coding["system"]
    ]
    assert sorted(ours) == ["create", "history", "read", "search", "vread"]
    assert "asked-by-ehr" in str(events)
    assert all(f"Patient/{other['id']}" not in str(event) for event in events)
    assert "Nguy" not in str(events)
    assert fhir.get(f"AuditEvent/{events[0]['id']}").body["resourceType"] == "AuditEvent"
    assert fhir.get("AuditEvent/nothing").status == 404


def test_audit_events_are_searched_by_entity_and_date_and_paged(fhir: FhirClient) -> None:
    made = fhir.create(patient())
    for _ in range(5):
        fhir.get(f"Patient/{made['id']}")
    found = fhir.get(f"AuditEvent?entity=Patient/{made['id']}&_count=4")
    assert len(found.resources) == 4
    following = next(link["url"] for link in found.body["link"] if link["relation"] == "next")
    more = fhir.call("GET", following.removeprefix("http://testserver"))
    assert len(more.resources) >= 2
    assert not set(found.references) & set(more.references)
    assert fhir.get("AuditEvent?date=lt2020-01-01").resources == []
    assert fhir.get("AuditEvent?date=ge2020-01-01").resources
    assert fhir.get("AuditEvent?_cursor=nonsense").status == 400
    assert fhir.get("AuditEvent?_sort=agent").status == 400
    assert fhir.get("AuditEvent?_sort=-date").status == 200


def test_the_gate_read_leaves_its_audit_row(fhir: FhirClient) -> None:
    referred = Referred(fhir)
    referred.gate()
    events = fhir.get(f"AuditEvent?entity={referred.order}").resources
    assert any("gate" in [coding["code"] for coding in event["subtype"]] for event in events)
    assert fhir.get("ServiceRequest/nothing/$gate").status == 404
    assert fhir.get(f"{referred.request}/$gate").status == 404
