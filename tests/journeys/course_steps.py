"""The steps of one course, taken in two ways: on the clinic's pages, or by FHIR from a record system.

Both give the same values at the same moments, so that both have to end in the same rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

import httpx
from playwright.sync_api import Locator, Page, expect

from referral.domain.scales import FORMS, Scale
from referral.fhir.json import decode, encode
from referral.fhir.systems import BASE
from referral.services.demo import PASSWORD
from tests.fhir_api import people
from tests.journeys.desk import sign_in
from tests.journeys.service import Clock
from tests.web.desk import Forms

Json = dict[str, Any]
LOINC, RXNORM, SCT = (
    "http://loinc.org",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
    "http://snomed.info/sct",
)
UCUM = "http://unitsofmeasure.org"
SUPERVISOR = "Elena Whitcombe, MD"
NAUSEA, SEIZURE = "422587007", "91175000"
MILLIGRAMS, KILOGRAMS, PER_KILOGRAM = 35, 70, 0.5
BEFORE = {"systolic": 124, "diastolic": 78, "heart_rate": 72, "saturation": 98, "breaths": 14}
DURING = {"systolic": 141, "diastolic": 88, "heart_rate": 84}
AFTER = {"systolic": 126, "diastolic": 80, "heart_rate": 70, "saturation": 99}
_SINGLES = (("heart_rate", "8867-4", "/min"), ("saturation", "2708-6", "%"), ("breaths", "9279-1", "/min"))


class Course(Protocol):
    """What happens at the clinic. A session begins, goes on and ends by the steps in this order."""

    def decide(self) -> None: ...
    def begin(self) -> None: ...
    def give(self) -> None: ...
    def measure(self, phase: str, values: Mapping[str, int]) -> None: ...
    def notice_nausea(self) -> None: ...
    def stop(self) -> None: ...
    def finish(self) -> None: ...
    def seizure_at_home(self) -> None: ...
    def change_medication(self, day: str, words: str) -> None: ...
    def end(self) -> None: ...


# ---- The pages: drawn by a browser, or their forms sent as a browser sends them


class Drawn:
    """Fills in the form that a button sends, and presses the button."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def sign_in(self, who: str, then: str) -> None:
        sign_in(self.page, who)
        self.get(then)

    def get(self, path: str) -> None:
        self.page.goto(path)

    @property
    def path(self) -> str:
        return httpx.URL(self.page.url).path

    def post(self, path: str, fields: Mapping[str, str]) -> None:
        button = self.page.locator(f'[formaction="{path}"], form[action="{path}"] button[type=submit]').first
        form = button.locator("xpath=ancestor::form[1]")
        folded = form.locator("xpath=ancestor::details[1]")
        if folded.count() and folded.get_attribute("open") is None:
            folded.locator("summary").first.click()
        for name, value in fields.items():
            _fill_in(form.locator(f'[name="{name}"]'), value)
        with self.page.expect_navigation():
            button.click()
        expect(self.page.locator("[role=status]:not([hidden])").first).to_be_visible()


def _fill_in(field: Locator, value: str) -> None:
    kind = field.first.evaluate("e => e.type")
    if kind in ("radio", "checkbox"):
        field.and_(field.page.locator(f'[value="{value}"]')).first.check()
    elif kind == "select-one":
        field.select_option(value)
    else:
        field.fill(value)


class Sent(Forms):
    """The same without drawing."""

    def sign_in(self, who: str, then: str) -> None:
        """`then` is the page that is shown to whoever has signed in."""
        known = {"email": f"{who}@harborlight.example", "password": PASSWORD, "next": then}
        self.page = ""
        self.post("/sign-in", known)
        assert self.path == then

    def post(self, path: str, data: Mapping[str, str] | None = None, **changes: Any) -> str:
        found = super().post(path, dict(data or {}), **changes)
        assert self.status == 200, found
        return found


class ByPages:
    """A nurse on the pages. `hand` is whoever fills them in: a browser, or nobody who has to see them."""

    def __init__(self, order: str, hand: Drawn | Sent) -> None:
        self.order = order
        self.hand = hand
        self._session = ""

    def at_the_tablet(self, hand: Drawn | Sent) -> None:
        """Takes over, signed in anew."""
        self.hand = hand
        hand.sign_in("nurse", f"/orders/{self.order}/course")

    def _on(self, page: str, step: str, **fields: str) -> None:
        """What was shown after the step before is the page for this one."""
        if self.hand.path != page:
            self.hand.get(page)
        self.hand.post(f"{page}/{step}", fields)

    def _on_course(self, step: str, **fields: str) -> None:
        self._on(f"/orders/{self.order}/course", step, **fields)

    def _in_session(self, step: str, **fields: str) -> None:
        self._on(self._session, step, **fields)

    def decide(self) -> None:
        told = dict.fromkeys(("risks_discussed", "benefits_discussed", "self_pay_notice"), "yes")
        self._on_course("plan", planned_sessions="12", spacing_days="7")
        self._on_course("decide", decision="candidate", **told)

    def begin(self) -> None:
        self._on_course("start", supervisor=SUPERVISOR, physician_present="yes", **_typed(BEFORE))
        self._session = self.hand.path

    def give(self) -> None:
        self._in_session("dose", milligrams=f"{MILLIGRAMS}", kilograms=f"{KILOGRAMS}")

    def measure(self, phase: str, values: Mapping[str, int]) -> None:
        self._in_session("vitals", phase=phase, **_typed(values))

    def notice_nausea(self) -> None:
        self._in_session("effect", effect=NAUSEA, severity="mild")

    def stop(self) -> None:
        if isinstance(self.hand, Drawn):
            self.hand.post(f"{self._session}/stop", {})
            return
        dose = re.search(r'name="dose" value="([^"]+)"', self.hand.page)
        assert dose is not None
        self.hand.post(f"{self._session}/stop", {"dose": dose[1]})

    def finish(self) -> None:
        self._in_session("finish", state="completed", discharge="yes", ride="yes")

    def seizure_at_home(self) -> None:
        self._on_course("event", effect=SEIZURE, severity="severe")

    def change_medication(self, day: str, words: str) -> None:
        self._on_course("medication", changed_on=day, medication_words=words)

    def end(self) -> None:
        self._on_course("end", ending="completed")


def _typed(values: Mapping[str, int]) -> dict[str, str]:
    return {name: f"{value}" for name, value in values.items()}


# ---- By FHIR


def own(name: str, **value: object) -> Json:
    return {"url": f"{BASE}/StructureDefinition/{name}", **value}


def coded(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def quantity(value: float, unit: str) -> Json:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


class ByFhir:
    """A record system with a token, which goes by the clinic's clock."""

    def __init__(self, http: httpx.Client, clock: Clock) -> None:
        self.http = http
        self.clock = clock
        self.patient = self.order = self.request = ""
        self._session: Json = {}
        self._dose: Json = {}

    # ---- The wire

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        answer = self.http.request(method, path, content=encode(body) if body else None)
        assert answer.status_code in (200, 201), answer.text
        found: Json = decode(answer.content, limit=10**8)
        return found

    def create(self, document: Json) -> Json:
        return self.call("POST", document["resourceType"], document)

    def put(self, document: Json) -> Json:
        return self.call("PUT", f"{document['resourceType']}/{document['id']}", document)

    @property
    def now(self) -> str:
        return self.clock.now.isoformat()

    # ---- The course

    def ask(self, patient: Json, performer: str) -> tuple[str, str, str]:
        """A patient, an order with its plan, and the request to a psychiatrist; references of the three."""
        person = f"Patient/{self.create(patient)['id']}"
        why = f"Condition/{self.create(people.condition(person))['id']}"
        weekly = {"repeat": {"count": 12, "frequency": 1, "period": 1, "periodUnit": "wk"}}
        order = f"ServiceRequest/{self.create(people.order(person, why, occurrenceTiming=weekly))['id']}"
        asked = self.create(people.request(person, performer, basedOn=[{"reference": order}]))
        return person, order, f"ServiceRequest/{asked['id']}"

    def psychiatrist(self, practitioner: Json, email: str) -> str:
        """Somebody whom the clinic does not know yet."""
        by = f"Practitioner/{self.create(practitioner)['id']}"
        role = self.create(people.role(by, telecom=[{"system": "email", "value": email}]))
        return f"PractitionerRole/{role['id']}"

    def agree(self) -> None:
        """The patient's consent that the recommender hears of the course."""
        self.create(
            {
                "resourceType": "Consent",
                "status": "active",
                "scope": coded("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
                "category": [coded("http://terminology.hl7.org/CodeSystem/v3-ActCode", "IDSCL")],
                "patient": {"reference": self.patient},
                "dateTime": self.now,
                "policy": [{"uri": "https://policy.example/release"}],
                "provision": {"type": "permit"},
            }
        )

    def decide(self) -> None:
        told = ("risks-discussed", "benefits-discussed", "self-pay-notice")
        yes = coded(f"{BASE}/CodeSystem/candidacy", "candidate")
        said = [own("candidacy", valueCodeableConcept=yes), *(own(one, valueBoolean=True) for one in told)]
        visit = people.consultation(self.patient, self.order)
        self.create({**visit, "extension": said, "period": {"start": self.now, "end": self.now}})

    def _about(self, type: str, status: str, **more: object) -> Json:
        return {
            "resourceType": type,
            "status": status,
            "subject": {"reference": self.patient},
            **more,
        }

    def _part(self) -> list[Json]:
        return [{"reference": f"Procedure/{self._session['id']}"}]

    def begin(self) -> None:
        supervisor = {
            "function": coded(f"{BASE}/CodeSystem/session-role", "supervising-physician"),
            "actor": {"display": SUPERVISOR},
        }
        self._session = self.create(
            self._about(
                "Procedure",
                "in-progress",
                code=people.INFUSION,
                basedOn=[{"reference": self.order}],
                performer=[supervisor],
                extension=[own("physician-present", valueBoolean=True)],
            )
        )
        self.measure("before", BEFORE)

    def give(self) -> None:
        per = own("dose-per-weight", valueQuantity=quantity(PER_KILOGRAM, "mg/kg"))
        self._dose = self.create(
            self._about(
                "MedicationAdministration",
                "in-progress",
                partOf=self._part(),
                medicationCodeableConcept=coded(RXNORM, "6130"),
                effectivePeriod={"start": self.now},
                dosage={"dose": quantity(MILLIGRAMS, "mg"), "extension": [per]},
            )
        )

    def measure(self, phase: str, values: Mapping[str, int]) -> None:
        """All of one moment in one transaction."""
        pressure = [
            {"code": coded(LOINC, code), "valueQuantity": quantity(values[name], "mm[Hg]")}
            for name, code in (("systolic", "8480-6"), ("diastolic", "8462-4"))
        ]
        taken = {"pressure": self._observed(phase, "85354-9", component=pressure)}
        for name, code, unit in _SINGLES:
            if name in values:
                taken[name] = self._observed(phase, code, valueQuantity=quantity(values[name], unit))
        self.call("POST", "", people.transaction(**taken))

    def _observed(self, phase: str, code: str, **value: object) -> Json:
        category = coded("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs")
        return self._about(
            "Observation",
            "final",
            partOf=self._part(),
            category=[category],
            code=coded(LOINC, code),
            effectiveDateTime=self.now,
            extension=[own("session-phase", valueCode=phase)],
            **value,
        )

    def _adverse(self, code: str, severity: str, seriousness: str, **more: object) -> None:
        base = "http://terminology.hl7.org/CodeSystem/adverse-event"
        made = self._about(
            "AdverseEvent",
            "",
            actuality="actual",
            event=coded(SCT, code),
            date=self.now,
            severity=coded(f"{base}-severity", severity),
            seriousness=coded(f"{base}-seriousness", seriousness),
            **more,
        )
        del made["status"]
        self.create(made)

    def notice_nausea(self) -> None:
        self._adverse(NAUSEA, "mild", "Non-serious", suspectEntity=[{"instance": self._part()[0]}])

    def seizure_at_home(self) -> None:
        self._adverse(SEIZURE, "severe", "Serious")

    def change_medication(self, day: str, words: str) -> None:
        self.create(
            {
                "resourceType": "Observation",
                "status": "final",
                "basedOn": [{"reference": self.order}],
                "code": coded(LOINC, "10160-0"),
                "subject": {"reference": self.patient},
                "effectiveDateTime": day,
                "valueString": words,
            }
        )

    def stop(self) -> None:
        period = {**self._dose["effectivePeriod"], "end": self.now}
        self.put({**self._dose, "status": "completed", "effectivePeriod": period})

    def finish(self) -> None:
        done = ("physician-present", "discharge-criteria-met", "ride-home")
        self.put(
            {
                **self._session,
                "status": "completed",
                "performedPeriod": {**self._session["performedPeriod"], "end": self.now},
                "extension": [own(name, valueBoolean=True) for name in done],
            }
        )

    def phq_9(self, *values: int) -> None:
        """What the patient has answered in the record system."""
        codes = ("LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9")
        items = [
            {"linkId": question.link_id, "answer": [{"valueCoding": {"system": LOINC, "code": codes[value]}}]}
            for question, value in zip(FORMS[Scale.PHQ_9].questions, values, strict=True)
        ]
        url = "http://loinc.org/q/44249-1"
        self.create(
            self._about(
                "QuestionnaireResponse", "completed", questionnaire=url, authored=self.now, item=items
            )
        )

    def end(self) -> None:
        self.put({**self.call("GET", self.order), "status": "completed"})
