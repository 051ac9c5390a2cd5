"""Words that belong to one person only, planted through every door of the running service, and looked for.

They may be in the database, on pages of those who may read them, and in the letter; nowhere else.
"""

from __future__ import annotations

import html
import io
import os
import re
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import httpx
import pikepdf
import pytest
import redis

from referral.domain.outgoing import MessageKind, lane_of
from referral.domain.policy import ICD_10_CM
from referral.services.demo import PASSWORD
from tests.fhir_api.cds_ehr import SERVICE, bundle, encoded, hook
from tests.fhir_api.people import condition, order, patient, practitioner, role
from tests.journeys.service import Service, last_business_morning, run_service
from tests.processes import eventually
from tests.services.people import FLAGS

BORN = date(1977, 3, 9)
# Each word occurs nowhere else in the world.
PATIENT = {
    "given": "Qzgivenia",
    "family": "Qzfamilius",
    "birth_date": BORN.isoformat(),
    "patient_phone": "303-555-0171",
    "patient_email": "qzpatient@qzhome.example",
}
CLINICIAN = {
    "clinician_given": "Qzdocia",
    "clinician_family": "Qzmedicus",
    "credentials": "QzMD",
    "practice": "Qzpractice",
    "address_line1": "77 Qzstreet",
    "city": "Qzville",
    "clinician_email": "qzdoctor@qzclinic.example",
    "clinician_fax": "303-555-0172",
    "clinician_phone": "303-555-0173",
}
# Another patient, whose clinician has left the practice.
OTHER_PATIENT = {
    "given": "Qzotherina",
    "family": "Qzothersen",
    "birth_date": "1969-08-23",
    "patient_email": "qzother@qzhome.example",
}
OTHER_CLINICIAN = {
    "clinician_given": "Qzformer",
    "clinician_family": "Qzleaver",
    "credentials": "Qzosteopath",
    "practice": "Qzoldpractice",
    "clinician_email": "qzdeparted@qzclinic.example",
}
SUCCESSOR = {"name": "Qzcolleague Qzsuccessor", "telephone": "303-555-0178"}
LETTERHEAD = {
    "clinic_name": "Qzharbor Clinic",
    "tagline": "Qztagline",
    "address": "88 Qzavenue",
    "website": "qzharbor.example",
    "signer_name": "Qzsigner Qzsignature",
    "signer_title": "Qztitle",
}
NARRATIVE = {
    "medication": "qzsertraline 100 mg",
    "conditions": "qzlithium level first",
    "conditions-other": "qzother condition",
    "risk-note": "qzrisk of her own",
    "comment": "qzcomment on her marriage",
    "question": "qzquestion about her brother",
    "reply": "qzreply of the clinic",
    "thanks": "qzthanks for the reply",
}


_TELEPHONE = re.compile(r"\d{3}-\d{3}-\d{4}")


@dataclass
class Planted:
    """What must not be found, by where it was planted."""

    words: dict[str, str] = field(default_factory=dict)

    def plant(self, values: dict[str, str], prefix: str = "") -> dict[str, str]:
        self.words |= {f"{prefix}{name}": value for name, value in values.items()}
        return values

    def add(self, name: str, word: str) -> str:
        assert len(word) > 4, name
        self.words[name] = word
        return word

    def found_in(self, where: str, text: str, allowed: Iterable[str] = ()) -> list[tuple[str, str]]:
        lower = text.casefold()
        return [
            (where, name)
            for name, word in self.words.items()
            if name not in allowed and word.casefold() in lower
        ]


def hidden(page: str) -> dict[str, str]:
    fields = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in fields}


@dataclass
class Browser:
    client: httpx.Client
    page: str = ""

    def get(self, path: str) -> str:
        self.page = self.client.get(path).text
        return self.page

    def post(self, path: str, data: dict[str, Any] | None = None) -> str:
        self.page = self.client.post(path, data={**hidden(self.page), **(data or {})}).text
        return self.page


@contextmanager
def browser(service: Service, planted: Planted, who: str) -> Iterator[Browser]:
    headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin", "User-Agent": f"qzagent-{who}"}
    with httpx.Client(
        verify=False, base_url=service.address, headers=headers, follow_redirects=True, timeout=60
    ) as client:
        yield Browser(client)
        for name, value in client.cookies.items():
            if len(value) > 20:
                planted.add(f"cookie {name} of {who}", value)


@contextmanager
def overheard(service: Service) -> Iterator[list[str]]:
    """Everything that is said to the broker meanwhile."""
    said: list[str] = []
    with service.valkey() as valkey, valkey.monitor() as monitor:

        def listen() -> None:
            try:
                said.extend(str(ring["command"]) for ring in monitor.listen())
            except (redis.RedisError, OSError, ValueError, AttributeError):
                return  # the connection was closed below

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        yield said
        monitor.connection.disconnect()
        listener.join(60)


def sign_in(service: Service, planted: Planted, visit: Browser, who: str) -> None:
    visit.get("/sign-in")
    visit.post(
        "/sign-in", {"email": "qznobody@qzclinic.example", "password": planted.add("typo", "qzpassword!")}
    )
    visit.post("/sign-in", {"email": f"{who}@harborlight.example", "password": PASSWORD})
    assert "Today" in visit.page


def dress(service: Service, planted: Planted) -> None:
    """The administrator gives letters another head, after a logo that is no picture."""
    planted.plant(LETTERHEAD, "letterhead ")
    with browser(service, planted, "admin") as visit:
        visit.get("/sign-in")
        visit.post("/sign-in", {"email": "admin@harborlight.example", "password": PASSWORD})
        typed = {
            **LETTERHEAD,
            "neutral_name": "Harbor Light",
            "telephone": "303-555-0142",
            "fax": "303-555-0143",
            "accent": "#0f5257",
        }
        name = planted.add("name of the logo's file", "qzlogo-file.png")
        for content in (b"no picture", b""):
            data = {**hidden(visit.get("/settings/letterhead/edit")), **typed}
            files = {"logo_file": (name if content else "", content, "image/png")}
            visit.page = visit.client.post("/settings/letterhead/preview", data=data, files=files).text
        visit.client.get("/settings/letterhead/look.gif", params=LETTERHEAD)
        assert "The letterhead is saved" in visit.post("/settings/letterhead"), visit.page


def ask(
    visit: Browser,
    planted: Planted,
    patient: dict[str, str] = PATIENT,
    clinician: dict[str, str] = CLINICIAN,
    prefix: str = "",
) -> str:
    """A request about a new patient to a new clinician; its number."""
    visit.get("/requests/new")
    typed = {
        "action": "send",
        "patient": "new",
        "clinician": "new",
        "clinician_kind": "psychiatrist",
        "npi": "9000000015" if clinician is CLINICIAN else "",
        "address_state": "CO",
        "postal_code": "80203",
        "indication": f"{ICD_10_CM}|F33.2",
        "infusions": "6",
        **planted.plant(patient, prefix),
        **planted.plant(clinician, prefix),
    }
    found = re.search(r"Request (R-[\w-]+)", visit.post("/requests/new", typed))
    assert found is not None, visit.page
    return found[1]


def verify(service: Service, planted: Planted) -> None:
    """A colleague calls the clinician's office, so that a code can be faxed there."""
    with browser(service, planted, "nurse") as visit:
        visit.get("/sign-in")
        visit.post("/sign-in", {"email": "nurse@harborlight.example", "password": PASSWORD})
        listed = visit.get(f"/directory?q={CLINICIAN['clinician_family']}")
        found = re.search(r"/directory/[0-9a-f-]{36}", listed)
        assert found is not None
        pages = re.findall(r'href="(/directory/[^"]+/contacts/[^"]+)"', visit.get(found[0]))
        assert len(pages) >= 2
        for page in pages:
            visit.get(page)
            visit.post(f"{page}/verify", {"spoke_with": "the front desk"})


def code_of(desk: Browser, number: str) -> str:
    """The six digits that were faxed, read where messages end that no provider takes."""

    def found() -> str:
        for href in re.findall(r'href="(/outbox/[\w-]{36})"', desk.get(f"/outbox?q={number}")):
            code = re.search(r"\b\d{6}\b", re.sub(r"<[^>]+>", " ", desk.get(href)).replace(number, ""))
            if code is not None and "code" in desk.page.casefold():
                return code[0]
        return ""

    return eventually(found, 60)


def answer(service: Service, planted: Planted, desk: Browser, number: str) -> None:
    link = service.post.link(number)
    secret = planted.add("secret of the link", link.rsplit("/", 1)[1])
    with browser(service, planted, "clinician") as visit:
        visit.get(f"/r/selector/{secret}")
        visit.get(link.removeprefix(service.address))
        visit.post(link.removeprefix(service.address))
        visit.post("/request/send-code")
        code = planted.add("one-time code", code_of(desk, number))
        visit.post("/request/one-time-code", {"one_time_code": "000000"})
        visit.post("/request/one-time-code", {"one_time_code": code})
        visit.post("/request/birth-date", {"birth_month": "1", "birth_day": "2", "birth_year": "1903"})
        parts = {"birth_month": BORN.month, "birth_day": BORN.day, "birth_year": BORN.year}
        visit.post("/request/birth-date", {name: str(value) for name, value in parts.items()})
        assert PATIENT["family"] in visit.page
        planted.plant(NARRATIVE)
        visit.get("/request/ask/question")
        visit.post("/request/ask/question", {"text": NARRATIVE["question"]})
        reply(service, planted, number)
        assert NARRATIVE["reply"] in visit.get("/request/conversation")
        visit.post("/request/conversation", {"text": NARRATIVE["thanks"]})
        upload(visit, planted)
        visit.get("/request")
        visit.post("/request/decision", {"decision": "recommended-with-conditions"})
        visit.post("/request/details", details(service, visit.page))
        signer = {
            "signer-name": "Qzdocia Qzmedicus",
            "signer-credentials": "QzMD",
            "signer-npi": "9000000015",
        }
        visit.post("/request/sign", {**signer, "attestation": "yes"})
        assert "your answer has arrived" in visit.page, visit.page


def reply(service: Service, planted: Planted, number: str) -> None:
    """The medical director, since the front desk neither reads nor writes narrative."""
    with browser(service, planted, "director") as visit:
        visit.get("/sign-in")
        visit.post("/sign-in", {"email": "director@harborlight.example", "password": PASSWORD})
        found = re.search(r"/requests/[0-9a-f-]{36}", visit.get(f"/requests?q={number}"))
        assert found is not None, visit.page
        assert NARRATIVE["question"] in visit.get(found[0])
        visit.post(f"{found[0]}/reply", {"reply": NARRATIVE["reply"]})


def upload(visit: Browser, planted: Planted) -> None:
    """A letter whose name and title say more than a name should."""
    mine = planted.plant({"file": "qzletter-file.pdf", "title": "qzletter title"}, "letter's ")
    data, files = hidden(visit.get("/request/upload")), {"letter": (mine["file"], pdf(mine["title"]))}
    visit.page = visit.client.post("/request/upload", data=data, files=files).text
    assert "your letter has arrived" in visit.page


def pdf(title: str) -> bytes:
    made, out = pikepdf.new(), io.BytesIO()
    made.add_blank_page(page_size=(612, 792))
    made.docinfo["/Title"] = title
    made.save(out)
    return out.getvalue()


def look_in_as_patient(service: Service, planted: Planted, number: str) -> None:
    """What the ladder writes on business day 8, and the page behind its link."""
    kind = MessageKind.PATIENT_STATUS
    with service.database() as database:
        database.execute(
            "INSERT INTO message (clinic_id, id, referral_id, kind, ordinal, channel, contact_id, lane,"
            " not_before, created_at, patient_id)"
            " SELECT r.clinic_id, gen_random_uuid(), r.id, %(kind)s, 1, c.channel, c.id, %(lane)s,"
            " %(now)s, %(now)s, r.patient_id"
            " FROM referral r JOIN contact c ON c.clinic_id = r.clinic_id AND c.patient_id = r.patient_id"
            " WHERE r.number = %(number)s AND c.channel = 'email'",
            {"kind": kind, "lane": lane_of(kind), "now": service.clock.now, "number": number},
        )
    service.sweep()

    def link() -> str:
        mails = [m for m in list(service.post.mailbox.messages) if m["To"] == OTHER_PATIENT["patient_email"]]
        found = [re.search(r"/p/\S+", mail.get_content()) for mail in mails]
        return next((one[0] for one in found if one is not None), "")

    path = eventually(link, 60)
    _, _, selector, secret = path.split("/")
    planted.add("secret of the patient's link", secret)
    with browser(service, planted, "patient") as visit:
        visit.get(path)
        visit.get(f"/p/selector/{secret}")
        visit.post(path)
        visit.post("/status/birth-date", {"birth_month": "1", "birth_day": "2", "birth_year": "1903"})
        visit.post("/status/birth-date", {"birth_month": "8", "birth_day": "23", "birth_year": "1969"})
        assert OTHER_CLINICIAN["clinician_family"] in visit.page, visit.page
        visit.post("/status/fresh-link", {"selector": selector})


def send_away(service: Service, planted: Planted, number: str) -> None:
    """Whoever opens the link says who has taken over; nobody asks them for anything before."""
    link = service.post.link(number)
    planted.add("secret of the other link", link.rsplit("/", 1)[1])
    planted.plant(SUCCESSOR, "successor's ")
    with browser(service, planted, "stranger") as visit:
        visit.post(link.removeprefix(service.address))
        visit.get("/request/not-for-me/left")
        visit.post("/request/not-for-me/left", SUCCESSOR)
    assert "Thank you" in visit.page, visit.page


def details(service: Service, page: str) -> dict[str, Any]:
    """Every question of the page answered, those for words with words."""
    words = {
        name: NARRATIVE.get(name, f"qz{name}") for name in re.findall(r'<textarea[^>]* name="([\w-]+)"', page)
    }
    radios = dict(re.findall(r'type="radio" name="([\w-]+)" value="([^"]+)"', page))
    boxes: dict[str, list[str]] = {}
    for name, value in re.findall(r'type="checkbox" name="([\w-]+)" value="([^"]+)"', page):
        boxes.setdefault(name, []).append(value)
    return {
        **words,
        **radios,
        **boxes,
        **dict.fromkeys(FLAGS, "no"),
        "last-seen": service.clock.today.isoformat(),
        "diagnosis-confirmed": "yes",
        "action": "continue",
    }


def knock_at_odd_doors(service: Service, planted: Planted) -> None:
    """Words in paths, queries, headers and bodies that nobody asked for."""
    words = iter(f"qzodd{number:02d}" for number in range(120))

    def word() -> str:
        return planted.add(found := next(words), found)

    with httpx.Client(verify=False, base_url=service.address, timeout=60) as client:
        old = ("", "requests/", "static/", "r/a/", "fhir/", "fhir/Patient/", "documents/", "calls/", "print/")
        new = ("outbox/", "fax-inbox/", "closed-days/", "hooks/fax-in/", f"hooks/sms/{uuid.uuid4()}/")
        for path in (*old, *new):
            for method in ("GET", "POST", "PUT", "DELETE"):
                client.request(method, f"/{path}{word()}", params={"q": word()} if method == "GET" else None)
        headers = {
            name: word() for name in ("Authorization", "Referer", "Cookie", "X-Forwarded-For", "Prefer")
        }
        client.get("/fhir/Patient", headers=headers)
        for path in (f"hooks/sms/{uuid.uuid4()}/{uuid.uuid4()}/{word()}", f"hooks/fax-in/{uuid.uuid4()}"):
            signed = {name: word() for name in ("X-Fax-Signature", "X-Twilio-Signature")}
            client.post(f"/{path}", json={"fax": {"from": word()}, "To": word()}, headers=signed)
        client.get("/request", headers={"Host": f"{word()}.example"})
        client.post("/request/code", data={"code": word()}, headers={"Origin": "null"})
        client.post("/request/fresh-link", data={"code": word(), "selector": word()})


def bring_faxes(service: Service, planted: Planted) -> None:
    """What a machine writes into names and files; one of them is no fax."""
    mine = {name: f"qzfax{name}" for name in ("name", "title", "broken", "inside")}
    planted.plant(mine, "fax ")
    folder = service.fax_folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (
        (f"+13035550179-{mine['name']}.pdf", pdf(mine["title"])),
        (f"{mine['broken']}.tif", b"II*\0" + mine["inside"].encode()),
    ):
        file = folder / name
        file.write_bytes(content)
        os.utime(file, (1, 1))


def listed_faxes(service: Service) -> int:
    with service.database() as database:
        return len(database.execute("SELECT id FROM incoming_fax").fetchall())


def write_by_fhir(service: Service, planted: Planted) -> None:
    token = planted.add("bearer token", service.token)
    mine = {
        name: f"qzfhir{name}" for name in ("family", "given", "mrn", "condition", "family2", "note", "json")
    }
    planted.plant(mine, "fhir ")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    with httpx.Client(
        verify=False, base_url=f"{service.address}/fhir", headers=headers, timeout=60
    ) as client:
        person = {"family": mine["family"], "given": [mine["given"]]}
        mrn = {"system": "http://ehr.example/mrn", "value": mine["mrn"]}
        made = client.post("/Patient", json=patient(name=[person], identifier=[mrn])).json()
        subject = f"Patient/{made['id']}"
        said = condition(subject)
        said["code"]["text"] = mine["condition"]
        reason = f"Condition/{client.post('/Condition', json=said).json()['id']}"
        client.post("/ServiceRequest", json=order(subject, reason, note=[{"text": mine["note"]}]))
        client.get("/Patient", params={"family": mine["family"], "identifier": mine["mrn"]})
        client.get("/Patient", params={"nonsense": mine["family"]}, headers={"Prefer": "handling=strict"})
        client.post("/Patient", content=f'{{"resourceType": "Patient", "{mine["json"]}": ')
        client.post("/Patient", json=patient(birthDate=mine["json"], name=[{"family": mine["family2"]}]))
        who = client.post("/Practitioner", json=practitioner(name=[{"family": mine["family2"]}])).json()
        client.post("/PractitionerRole", json=role(f"Practitioner/{who['id']}"))


def call_cds_hooks(service: Service, planted: Planted) -> None:
    """A chart that is sent along, a draft, an access token, feedback in words, a token that is refused."""
    names = ("family", "mrn", "note", "reason", "access", "display", "comment", "code", "broken", "issuer")
    mine = planted.plant({name: f"qzcds{name}" for name in names}, "cds ")
    chart = patient(
        id="ehr-1",
        name=[{"family": mine["family"]}],
        identifier=[{"system": "http://ehr.example/mrn", "value": mine["mrn"]}],
    )
    draft = order("Patient/ehr-1", id="d1", note=[{"text": mine["note"]}])
    draft["reasonCode"] = [{"text": mine["reason"]}]
    call = hook(
        "order-sign",
        "ehr-1",
        context={"draftOrders": bundle(draft)},
        prefetch={"patient": chart},
        fhirAuthorization={"access_token": mine["access"]},
    )
    with httpx.Client(verify=False, base_url=service.address, timeout=60) as client:
        ours = {"Authorization": f"Bearer {service.token}"}
        (card,) = client.post(SERVICE, json=call, headers=ours).json()["cards"]
        assert mine["reason"] in card["detail"]
        said = {
            "card": card["uuid"],
            "outcome": "overridden",
            "overrideReason": {
                "reason": {"code": mine["code"], "system": "http://ehr.example", "display": mine["display"]},
                "userComment": mine["comment"],
            },
            "outcomeTimestamp": "2026-11-03T17:00:00Z",
        }
        feedback = f"{SERVICE}/feedback"
        assert client.post(feedback, json={"feedback": [said]}, headers=ours).status_code == 200
        wrong = [{**said, "outcome": mine["broken"]}]
        assert client.post(feedback, json={"feedback": wrong}, headers=ours).status_code == 400
        forged = f"{encoded({'alg': 'ES384', 'kid': mine['issuer']})}.{encoded({'iss': mine['issuer']})}.AAAA"
        planted.add("cds token", forged)
        refused = client.post(SERVICE, json=call, headers={"Authorization": f"Bearer {forged}"})
        assert refused.status_code == 401
        assert not planted.found_in("a refusal", refused.text)


def crowd(service: Service, planted: Planted) -> None:
    """Patients with words in every element, half of them refused for one wrong element."""
    headers = {"Authorization": f"Bearer {service.token}", "Content-Type": "application/fhir+json"}
    with httpx.Client(
        verify=False, base_url=f"{service.address}/fhir", headers=headers, timeout=60
    ) as client:
        for number in range(24):
            mark = f"qzcrowd{number:02d}"
            names = ("family", "given", "street", "city", "mrn", "contact")
            mine = planted.plant({f"{mark} {name}": f"{mark}{name}" for name in names})
            family, given, street, city, mrn, contact = mine.values()
            sent = patient(
                name=[{"family": family, "given": [given]}],
                address=[{"line": [street], "city": city}],
                identifier=[{"system": "http://ehr.example/mrn", "value": mrn}],
                telecom=[{"system": "email", "value": f"{contact}@qzhome.example"}],
                **({"gender": mark} if number % 2 else {}),
            )
            answered = client.post("/Patient", json=sent, headers={"If-None-Exist": f"identifier={mrn}"})
            assert answered.status_code == (400 if number % 2 else 201)
            client.post("/Patient/_search", content=f"family={family}", headers=_FORM)


_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def break_things(service: Service, planted: Planted, desk: Browser) -> None:
    """Faults of the database that quote the whole row, met by the web process and by a worker."""
    unlucky = {"family": "Qzunlucky", "given": "Qzluckless", "birth_date": "1901-11-12"}
    planted.plant(unlucky, "unlucky ")
    with service.database() as database:
        database.execute("ALTER TABLE patient ADD CONSTRAINT fault CHECK (family <> 'Qzunlucky') NOT VALID")
        desk.get("/requests/new")
        typed = {"action": "send", "patient": "new", "clinician": "new", **unlucky}
        sent = desk.client.post(
            "/requests/new",
            data={**hidden(desk.page), **CLINICIAN, **typed, "indication": f"{ICD_10_CM}|F33.2"}
            | {"clinician_kind": "psychiatrist", "clinician_email": "qzother@qzclinic.example"},
        )
        assert sent.status_code == 500
        assert not planted.found_in("the answer to a bug", sent.text)
        database.execute("ALTER TABLE patient DROP CONSTRAINT fault")


def files(service: Service) -> dict[str, str]:
    """What is written outside of the database: output, logs, the broker's file."""
    below = [path for path in service.data_dir.rglob("*") if path.is_file() and "pg" not in path.parts]
    programs = [service.program.stdout, service.program.stderr]
    kept = [path for path in (*below, *programs) if "fonts" not in path.parts and path.name != "master.key"]
    return {path.name: path.read_bytes().decode("utf-8", "replace") for path in kept}


def broker(service: Service) -> str:
    with service.valkey() as valkey:
        return " ".join(f"{key!r} {valkey.dump(key)!r}" for key in valkey.keys("*"))


def records(service: Service) -> dict[str, str]:
    """Columns that are read by those who may not read narrative, or by machines."""
    queries = {
        "audit_event": "SELECT coalesce(entity, '') || detail::text FROM audit_event",
        "referral_event": "SELECT event || actor || detail::text FROM referral_event",
        "message.last_error": "SELECT coalesce(last_error, '') FROM message",
        "provider": "SELECT name || coalesce(last_error, '') || uses::text FROM provider",
        "provider_event": "SELECT provider || event_id || coalesce(reason, '') FROM provider_event",
        "returned_mail": "SELECT digest || outcome FROM returned_mail",
        "incoming_fax": "SELECT state || coalesce(problem, '') || suggested::text FROM incoming_fax",
        "call_task": "SELECT call_task::text FROM call_task",
        "print_item": "SELECT print_item::text FROM print_item",
        "replanning": "SELECT replanning::text FROM replanning",
        "contact.experience": "SELECT experience::text FROM contact",
        "message.secret_note": "SELECT coalesce(secret_note, '') FROM message",
        "portal_session": "SELECT coalesce(encode(sealed_draft, 'escape'), '') FROM portal_session",
        "document": "SELECT kind || encode(sealed_content, 'escape') FROM document",
    }
    with service.database() as database:
        return {
            name: "\n".join(str(row[0]) for row in database.execute(query).fetchall())
            for name, query in queries.items()
        }


@pytest.fixture
def service() -> Iterator[Service]:
    with run_service(last_business_morning()) as started:
        yield started


def test_what_belongs_to_a_person_is_found_nowhere_else(service: Service) -> None:
    planted = Planted()
    found: list[tuple[str, str]] = []
    with overheard(service) as said, browser(service, planted, "desk") as desk:
        sign_in(service, planted, desk, "desk")
        dress(service, planted)
        number = ask(desk, planted)
        other = ask(desk, planted, OTHER_PATIENT, OTHER_CLINICIAN, "other ")
        verify(service, planted)
        answer(service, planted, desk, number)
        look_in_as_patient(service, planted, other)
        send_away(service, planted, other)
        service.post.mailbox.answer = f"550 no mailbox {CLINICIAN['clinician_email']} here"
        knock_at_odd_doors(service, planted)
        write_by_fhir(service, planted)
        call_cds_hooks(service, planted)
        crowd(service, planted)
        break_things(service, planted, desk)
        bring_faxes(service, planted)
        service.sweep()
        eventually(lambda: listed_faxes(service) == 3, 60)
    telephones = {name: word for name, word in planted.words.items() if _TELEPHONE.fullmatch(word)}
    assert len(telephones) == 4
    planted.plant({f"{name}, digits": word.replace("-", "") for name, word in telephones.items()})
    planted.plant({"born, spelled": "March 9, 1977", "born, in figures": "03/09/1977"})
    planted.plant({"other born, spelled": "August 23, 1969", "other born, in figures": "08/23/1969"})
    assert len(planted.words) >= 200
    for where, text in {**files(service), "broker": broker(service), "monitor": " ".join(said)}.items():
        found += planted.found_in(where, text)
    for where, text in records(service).items():
        found += planted.found_in(where, text)
    for mail in service.post.mailbox.messages:
        mine = {
            name for name, word in planted.words.items() if name.startswith("secret of") or word == mail["To"]
        }
        found += planted.found_in(f"mail {mail['Subject']}", mail.as_string(), mine)
    assert found == []
    # The same search finds them where they belong.
    with service.database() as database:
        rows = database.execute("SELECT family || given || birth_date FROM patient").fetchall()
    assert planted.found_in("patient", " ".join(str(row[0]) for row in rows))
    assert len(said) > 5
    assert "request.failed" in service.program.stderr.read_text()
