"""Every route that the application has, asked by everybody who should not get through.

The list is made from the application itself; a path parameter that this test cannot fill in fails it.
"""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import httpx
import pytest
from fastapi.routing import RouteContext
from sqlalchemy import func, select

from referral.domain.calls import CallReason
from referral.domain.codes import Channel, Role
from referral.domain.course import Phase
from referral.domain.credential import mint
from referral.domain.outgoing import MessageKind
from referral.domain.records import Referral
from referral.domain.scales import SELF_HARM, Scale, Source
from referral.services.ask_clinic import ask_clinic
from referral.services.book_chair import NewBooking, Slot, book_chair
from referral.services.interactions import INTERACTIONS
from referral.services.judge_recommendation import review_recommendation
from referral.services.keep_calendar import close_days
from referral.services.keep_chairs import add_chair
from referral.services.keep_scale import Filling, keep_scale
from referral.services.prove_identity import Stage
from referral.services.queue_call import queue_call
from referral.services.queue_message import queue_message
from referral.services.record_session import Measured, measure
from referral.services.smart_clients import NewClient, register_client
from referral.services.treat import record_consultation, start_treatment
from referral.storage import calls as call_tasks
from referral.storage import (
    contacts,
    directory,
    documents,
    outbox,
    patient_links,
    print_batches,
    safety_tasks,
    tables,
)
from referral.storage.print_batches import Item
from referral.web.policy import Permission, may
from referral.web.staff import bookings as booking_pages
from referral.web.staff import contacts as contact_pages
from referral.web.staff import course as course_pages
from referral.web.staff import course_records as record_pages
from referral.web.staff import fax_inbox as fax_pages
from referral.web.staff import order as order_pages
from referral.web.staff import outbox as outbox_pages
from referral.web.staff import overrides as override_pages
from referral.web.staff import paper as paper_pages
from referral.web.staff import request as request_pages
from tests.database import NOW, ClinicFixture, Clock, make_clinic
from tests.fhir_api.cds_ehr import AUDIENCE, Ehr
from tests.services import incoming, people
from tests.storage import emergency
from tests.test_rules import policies, routes
from tests.web.client import application
from tests.web.desk import desk
from tests.web.portal_case import BORN, Browser, Case, serve

Ids = dict[str, list[str]]

_STEPS: Final = {
    "/requests/{referral_id}/{step}": {name: rule[0] for name, rule in request_pages._STEPS.items()},
    "/orders/{order_id}/{step}": {name: rule[0] for name, rule in order_pages._STEPS.items()},
    "/orders/{order_id}/course/{step}": {name: rule[0] for name, rule in course_pages._COURSE_STEPS.items()},
    "/orders/{order_id}/sessions/{session_id}/{step}": {
        name: rule[0] for name, rule in course_pages._SESSION_STEPS.items()
    },
    "/records/{part}/{record_id}/{step}": {name: rule[0] for name, rule in record_pages._STEPS.items()},
    "/bookings/{booking_id}/{step}": {name: rule[0] for name, rule in booking_pages._STEPS.items()},
    "/chairs/{chair_id}/{step}": {name: rule[0] for name, rule in booking_pages._CHAIR_STEPS.items()},
    "/directory/{clinician_id}/contacts/{contact_id}/{step}": {
        name: rule[0] for name, rule in contact_pages._STEPS.items()
    },
    "/outbox/{message_id}/{step}": {name: rule[0] for name, rule in outbox_pages._STEPS.items()},
    "/print/{batch_id}/{step}": {name: rule[0] for name, rule in paper_pages._STEPS.items()},
    "/fax-inbox/{fax_id}/{step}": {name: rule[0] for name, rule in fax_pages._STEPS.items()},
    "/overrides/{override_id}/{step}": dict.fromkeys(override_pages._ACTS, Permission.DECIDE_OVERRIDE),
}
# What ends or locks the session of whoever asks.
_ENDS_A_SESSION: Final = ("/sign-out", "/lock", "/sign-in/leave")
_ENDS_A_VISIT: Final = ("/request/leave", "/request/hand-over", "/request/not-for-me/", "/status/leave")
# Guests by how far they have come; an assistant comes as far as the clinician and cannot sign.
STAGE_OF: Final = {
    "portal": Stage.IDENTIFIED,
    "portal:assistant": Stage.IDENTIFIED,
    "portal:birth-date": Stage.BIRTH_DATE,
    "portal:second-factor": Stage.SECOND_FACTOR,
}
PATIENTS: Final = {"patient": ("visiting", "identified"), "patient:visiting": ("visiting",)}
_REFUSED: Final = frozenset({303, 400, 401, 403, 404, 405, 409, 412, 415, 422})


@dataclass(frozen=True, slots=True)
class Place:
    """A clinic with one of everything: its words, that occur nowhere else, and its ids by path parameter."""

    clinic: ClinicFixture
    words: dict[str, str]
    referral: Referral
    ids: Ids
    resources: tuple[tuple[str, str], ...]


def words_of(mark: str) -> dict[str, str]:
    return {
        "given": f"Zwetschga{mark}",
        "family": f"Fernblick{mark}",
        "called": f"Angerufen{mark}",
        "clinician": f"Auswaerts{mark}",
        "practice": f"Jenseits Praxis {mark}",
        "street": f"99 {mark} Lane",
        "email": f"fern@{mark}.example",
        "conditions": f"only with her lithium level known, {mark}",
        "question": f"does she still see her counsellor, {mark}",
        "letter": f"letter-of-{mark}",
        "chair": f"Armchair of {mark}",
        "emergency": f"her psychiatrist is at sea, says the harbour of {mark}",
    }


def furnish(clinic: ClinicFixture, mark: str) -> Place:
    words = words_of(mark)
    with clinic.transaction() as session:
        patient = people.patient(session, clinic, given=words["given"], family=words["family"])
        asked = people.clinician(
            session,
            clinic,
            family=words["clinician"],
            practice=words["practice"],
            address=(words["street"], "Denver, CO 80203"),
            email=words["email"],
        )
        order = people.order(session, clinic, patient)
        (referral,) = people.ask(session, clinic, order, asked)
        ask_clinic(session, people.portal_actor(clinic), referral.id, "question", words["question"], NOW)
        record_consultation(session, clinic.actor, order.id, NOW, NOW)
        kept = uuid.uuid4().hex
        content = words["letter"].encode()
        documents.add(
            session,
            id=kept,
            kind="request-letter",
            content_type="application/pdf",
            content=content,
            now=NOW,
            patient_id=patient.id,
        )
        given = people.answers("recommended-with-conditions", conditions=words["conditions"])
        people.respond_with(session, clinic, referral, given)
        review_recommendation(
            session, people.director(clinic), referral.id, accepted=True, reason="Seen and agreed.", now=NOW
        )
        treated = start_treatment(session, clinic.actor, order.id, patient.id, NOW)
        pulse = Measured(taken_at=NOW, phase=Phase.DURING, heart_rate=72)
        (vital,) = measure(session, clinic.actor, treated, pulse, NOW)
        blocked = people.order(session, clinic, patient)
        record_consultation(session, clinic.actor, blocked.id, NOW, NOW)
        emergency.allow(session)
        asker = emergency.person(session, clinic, Role.CLINICIAN)
        override = emergency.ask(session, asker, blocked, words["emergency"])
        seat = add_chair(session, clinic.actor, words["chair"], NOW)
        to = Slot(starts_at=NOW + timedelta(days=20), ends_at=NOW + timedelta(days=20, hours=2))
        machine = NewClient(name=f"Machine of {mark}")
        system = register_client(session, clinic.actor, machine, None, NOW).client
        fax = incoming.attached(session, clinic, referral)
        booked = book_chair(session, clinic.actor, NewBooking(order_id=order.id, slot=to), NOW)
        days = (f"{NOW.date() + timedelta(days=200)}", "", "")
        closed = close_days(session, clinic.actor, asked.id, days, NOW)
        sheet = Item(
            message_id=outbox.find(session, referral_id=referral.id)[0].id,
            place=1,
            document_id=kept,
            sha256=b"",
            pages=1,
            postal_code="80203",
        )
        # No two people of a place have the same name: pages are searched for names.
        filled = Filling(
            id=uuid.uuid4().hex,
            patient_id=patient.id,
            order_id=order.id,
            scale=Scale.PHQ_9,
            answers={SELF_HARM: 1},
            source=Source.STAFF,
        )
        keep_scale(session, clinic.actor, filled, NOW)
        (sign,) = safety_tasks.waiting(session)
        about = people.patient(session, clinic, given="Ruth", family=words["called"])
        (to_call,) = people.ask(
            session,
            clinic,
            people.order(session, clinic, about),
            people.clinician(session, clinic, npi="", family="Called"),
        )
        queue_call(session, to_call, CallReason.OWN, NOW)
        call = call_tasks.find_open(session, 1)[0]
        batch = print_batches.add(session, str(uuid.uuid4()), clinic.actor.id, [sheet], NOW)
    with clinic.transaction() as session:
        found = directory.get_clinician(session, asked.id)
        rows = session.connection.execute(select(tables.resource.c.type, tables.resource.c.id)).all()
        ids = {
            "referral_id": [referral.id],
            "order_id": [order.id],
            "session_id": [treated],
            "part": ["vital"],
            "record_id": [vital.id],
            "booking_id": [booked.id],
            "chair_id": [seat.id],
            "override_id": [override],
            "user_id": [asker.actor.id],
            "fax_id": [fax.id],
            "number": ["1"],
            "batch_id": [batch.id],
            "closure_id": [closed.id],
            "call_id": [call.id],
            "task_id": [sign.id],
            "client_id": [system.id],
            "patient_id": [patient.id],
            "clinician_id": [asked.id],
            "contact_id": [contact.id for contact in found.contacts],
            "document_id": list(session.connection.scalars(select(tables.document.c.id))),
            "message_id": [str(row.id) for row in outbox.find(session, referral_id=referral.id)],
        }
    return Place(clinic, words, referral, ids, tuple((row.type, row.id) for row in rows))


@pytest.fixture(scope="module")
def places(database: Any) -> tuple[Place, Place]:
    """Ours, and the one whose data must not be reached."""
    return furnish(make_clinic(database), "hither"), furnish(make_clinic(database), "yonder")


@dataclass(frozen=True, slots=True)
class Visitor:
    """`role` is None for everybody but staff; `token` is the CSRF token of a session."""

    name: str
    client: httpx.Client
    role: Role | None = None
    token: str = ""

    def call(self, method: str, path: str) -> httpx.Response:
        if path.startswith(("/fhir", "/cds-services")):
            type = path.split("/")[2] if path.count("/") > 1 else ""
            body = {"resourceType": type} if method in ("POST", "PUT", "PATCH") else None
            return self.client.request(method, path, json=body)
        data = {"csrf_token": self.token, "version": "1", "key": "x"} if method == "POST" else None
        return self.client.request(method, path, data=data)


@pytest.fixture(scope="module")
def visitors(places: tuple[Place, Place]) -> Iterator[list[Visitor]]:
    """Nobody, each role, a client with every scope, guests and a patient at each stage: all of our clinic."""
    ours = places[0].clinic
    with ExitStack() as stack:
        address = stack.enter_context(serve(application(ours)))

        def browser(**headers: str) -> httpx.Client:
            sent = {"Origin": "null", "Sec-Fetch-Site": "same-origin", **headers}
            return stack.enter_context(httpx.Client(verify=False, base_url=address, headers=sent, timeout=60))

        made = [Visitor("nobody", browser())]
        for role in Role:
            person = desk(address, ours, role)
            stack.enter_context(person.client)
            person.get("/")
            person.client.follow_redirects = False
            made.append(Visitor(f"staff:{role}", person.client, role, person.hidden()["csrf_token"]))
        with ours.transaction() as session:
            token = register_client(session, ours.actor, NewClient(name="An EHR"), None, NOW).token
        made.append(Visitor("client", browser(Authorization=f"Bearer {token}")))
        made.append(Visitor("cds-client", _signing(ours, browser())))
        made.extend(guest_at(name, ours, browser()) for name in STAGE_OF)
        made.extend(patient_at(name, ours, browser()) for name in PATIENTS)
        yield made


def _signing(ours: ClinicFixture, client: httpx.Client) -> httpx.Client:
    """A system on our trust list of CDS Hooks, with a new token for each call."""
    ehr = Ehr(ours)
    ehr.trust()

    def sign(request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = f"Bearer {ehr.sign(aud=[AUDIENCE, f'{AUDIENCE}/feedback'])}"
        return request

    client.auth = sign
    return client


def guest_at(name: str, ours: ClinicFixture, client: httpx.Client) -> Visitor:
    """Somebody who was asked by our clinic about another patient, at one stage of the way in."""
    visit = Browser(case_of(name, ours), client)
    visit.open(visit.case.link(Channel.EMAIL if STAGE_OF[name] is Stage.SECOND_FACTOR else Channel.FAX))
    if STAGE_OF[name] is Stage.IDENTIFIED:
        visit.give_birth_date()
    if name == "portal:assistant":
        visit.get("/request/assistant")
        visit.post("/request/assistant", {"name": "Kim Reyes"})
    return Visitor(name, client, None, _token_on(visit.page, client))


def case_of(name: str, ours: ClinicFixture) -> Case:
    """A request about a patient whose name nobody else of the place has: pages are searched for names."""
    with ours.transaction() as session:
        named = name.rpartition(":")[2].title()
        patient = people.patient(session, ours, given="Guest", family=named, birth_date=BORN.isoformat())
        order = people.order(session, ours, patient)
        (referral,) = people.ask(session, ours, order, people.clinician(session, ours, npi="", family="Own"))
        clinician = directory.get_clinician(session, referral.clinician_id)
    return Case(ours, referral, patient, clinician, Clock(NOW))


def _token_on(page: str, client: httpx.Client) -> str:
    client.follow_redirects = False
    (token,) = set(re.findall(r'name="csrf_token" value="([^"]*)"', page))
    return str(token)


def patient_at(name: str, ours: ClinicFixture, client: httpx.Client) -> Visitor:
    """Another patient of our clinic with a link of their own, before or after the one check."""
    minted = mint()
    with ours.transaction() as session:
        person = people.patient(
            session, ours, given="Ines", family=f"Ownpage{len(name)}", email="ines@home.example"
        )
        order = people.order(session, ours, person)
        (asked,) = people.ask(session, ours, order, people.clinician(session, ours, npi="", family="Theirs"))
        (contact,) = contacts.of_patients(session, [person.id])[person.id]
        queue_message(session, asked, MessageKind.PATIENT_STATUS, contact, NOW)
        new = patient_links.NewPatientLink(
            minted=minted,
            patient_id=person.id,
            message_id=outbox.to_patient(session, person.id)[0].id,
            expires_at=NOW + timedelta(days=14),
        )
        patient_links.add_many(session, [new], NOW)
    client.follow_redirects = True
    page = client.post(f"/p/{minted.selector}/{minted.secret}").text
    born = person.birth_date
    assert born is not None
    if "identified" in PATIENTS[name]:
        (token,) = set(re.findall(r'name="csrf_token" value="([^"]*)"', page))
        given = {"birth_month": born.month, "birth_day": born.day, "birth_year": born.year}
        page = client.post("/status/birth-date", data={"csrf_token": token, **given}).text
        assert "Hello Ines" in page
    return Visitor(name, client, None, _token_on(page, client))


def paths(route: RouteContext, place: Place) -> Iterator[str]:
    """The route's path with everything of `place` filled in."""
    template = str(route.path)
    names = re.findall(r"{(\w+)(?::\w+)?}", template)
    if template.startswith("/fhir/"):
        yield from _fhir_paths(template, place)
        return
    known: Ids = {
        "step": list(_STEPS.get(template, ())),
        "about": ["question", "call", "colleague", "left", "wrong-address"],
        "service": ["ketamine-recommendation-gate"],
        "selector": ["selector"],
        "secret": ["secret"],
        "provider": ["sms", "fax", "carrier-pigeon"],
        # Letters that are drawn take a while, and are of nobody: test_staff_letterhead.py looks at them.
        "kind": ["carrier-pigeon"],
        "ending": ["exe"],
        "digest": ["digest"],
        "reference": ["reference"],
        "clinic_id": [place.clinic.id],
        "token": ["token"],
        "scale": ["phq-9", "carrier-pigeon"],
        "report_id": ["carrier-pigeon"],
        **place.ids,
    }
    assert set(names) <= known.keys(), f"{template} has a parameter that this test cannot fill in"
    for values in itertools.product(*(known[name] for name in names)):
        yield template.format(**dict(zip(names, values, strict=True)))


def _fhir_paths(template: str, place: Place) -> Iterator[str]:
    if "{id}" not in template:
        nothing = template.replace("{rest:path}", "Patient/1/2/3/4")
        yield from dict.fromkeys(nothing.replace("{type}", type) for type in INTERACTIONS)
        return
    fixed = re.match(r"/fhir/([A-Z]\w+)/", template)
    for type, id in place.resources:
        if fixed is None or type == fixed[1]:
            yield template.replace("{type}", type).replace("{id}", id).replace("{version}", "1")


def calls(place: Place, visitor: Visitor) -> Iterator[tuple[RouteContext, str, str, str]]:
    """(route, its policy, method, path) of everything that can be asked.

    Whoever is no system comes no further than the door of FHIR: one resource of each type shows that to
    nobody, and one of each route, another for each visitor, to all others. Whoever is no staff comes no
    further than the door of a staff page: one of each route shows it.
    """
    if visitor.name != "client":
        place = replace(place, resources=tuple(dict(reversed(place.resources)).items()))
    for route in routes(application(place.clinic)):
        (policy,) = set(policies(route))
        every = list(paths(route, place))
        if _stays_at_the_door(visitor, policy):
            first = (len(visitor.name) + len(str(route.path))) % max(len(every), 1)
            every = every[first : first + 1]
        for method in sorted(route.methods or ()):
            for path in every:
                yield route, policy, method, path


def _stays_at_the_door(visitor: Visitor, policy: str) -> bool:
    if policy.startswith("staff"):
        return visitor.role is None
    of_fhir = policy.startswith("client:") and policy != "client:cds"
    return of_fhir and visitor.name not in ("client", "nobody")


def is_meant_for(policy: str, visitor: Visitor, step: Permission | None) -> bool:
    """Whether this kind of visitor may come to the route at all."""
    kind, _, rest = policy.partition(":")
    if kind == "staff":
        allowed = may(visitor.role, Permission(rest))
        return allowed and (step is None or may(visitor.role, step))
    if kind == "portal":
        return STAGE_OF.get(visitor.name, "") in rest.split("|")
    if kind == "patient":
        return rest in PATIENTS.get(visitor.name, ())
    return kind in ("public", visitor.name) or (policy, visitor.name) == ("client:cds", "cds-client")


def step_of(route: RouteContext, path: str) -> Permission | None:
    return _STEPS.get(str(route.path), {}).get(path.rsplit("/", 1)[-1])


def test_every_policy_lets_somebody_through_who_visits_here(
    places: tuple[Place, Place], visitors: list[Visitor]
) -> None:
    """So a new kind of policy needs a visitor before it passes."""
    every = {policy for route in routes(application(places[0].clinic)) for policy in policies(route)}
    assert [p for p in sorted(every) if not any(is_meant_for(p, one, None) for one in visitors)] == []
    assert {policy.partition(":")[0] for policy in every} == {
        "public",
        "staff",
        "client",
        "portal",
        "patient",
    }


def rows(place: Place) -> dict[str, Any]:
    """How many rows each table has for this clinic, and how many times its resources were written."""
    counted = [
        select(func.count())
        .select_from(table)
        .where(table.c.clinic_id == place.clinic.id)
        .scalar_subquery()
        .label(table.name)
        for table in tables.metadata.sorted_tables
        if "clinic_id" in table.c
    ]
    versions = select(func.sum(tables.resource.c.version)).scalar_subquery().label("versions")
    with place.clinic.transaction() as session:
        return dict(session.connection.execute(select(*counted, versions)).mappings().one())


def test_nothing_of_another_clinic_is_read_or_changed_by_anybody(
    places: tuple[Place, Place], visitors: list[Visitor]
) -> None:
    theirs = places[1]
    before, wrong, asked = rows(theirs), [], 0
    for visitor in visitors:
        for route, policy, method, path in calls(theirs, visitor):
            if path.startswith(_ENDS_A_VISIT) or (path in _ENDS_A_SESSION and visitor.role):
                continue  # these end the visit; what they may do is tested with the sessions themselves
            response = visitor.call(method, path)
            asked += 1
            told = [word for word in theirs.words.values() if word in response.text]
            names_one = "_id}" in str(route.path) or "{id}" in str(route.path)
            refused = response.status_code in _REFUSED
            if told or response.status_code >= 500 or (names_one and not refused):
                wrong.append((visitor.name, method, route.path, response.status_code, told))
            if not is_meant_for(policy, visitor, step_of(route, path)) and not refused:
                wrong.append((visitor.name, method, route.path, response.status_code, ["not meant for them"]))
    assert wrong == []
    assert asked > 1500
    assert rows(theirs) == before


@dataclass(frozen=True, slots=True)
class Look:
    """What one visitor gets of the own clinic; `named` are the patients of the audit rows that it left."""

    visitor: Visitor
    route: RouteContext
    policy: str
    path: str
    status: int
    text: str
    named: frozenset[str | None]

    @property
    def is_meant(self) -> bool:
        return is_meant_for(self.policy, self.visitor, step_of(self.route, self.path))


@pytest.fixture(scope="module")
def looks(places: tuple[Place, Place], visitors: list[Visitor]) -> list[Look]:
    """Everything that can be asked by GET in the own clinic, by everybody, once."""
    ours, log, seen = places[0], tables.audit_event, []
    for visitor in visitors:
        for route, policy, method, path in calls(ours, visitor):
            if method != "GET":
                continue
            with ours.clinic.transaction() as session:
                before = session.connection.scalar(select(func.max(log.c.id)))
            got = visitor.call(method, path)
            with ours.clinic.transaction() as session:
                new = select(log.c.patient_id).where(log.c.id > before)
                named = frozenset(session.connection.scalars(new))
            seen.append(Look(visitor, route, policy, path, got.status_code, got.text, named))
    return seen


def test_in_the_own_clinic_each_comes_as_far_as_the_policy_says(looks: list[Look]) -> None:
    """The other half: what is refused above is not refused because nothing works."""
    told = [look for look in looks if not look.policy.startswith("public")]
    wrong = [
        (look.visitor.name, look.route.path, look.status)
        for look in told
        if (look.status == 200 and not look.is_meant)
        or (look.policy.startswith("staff") and look.is_meant and look.status not in (200, 403, 404))
    ]
    assert wrong == []
    assert sum(look.status == 200 for look in told) > 100


def _about(place: Place) -> dict[str, list[str]]:
    """By patient of the clinic, what shows that an answer is about them."""
    people_here = select(tables.patient.c.id, tables.patient.c.given, tables.patient.c.family)
    with place.clinic.transaction() as session:
        found = session.connection.execute(people_here.where(tables.patient.c.clinic_id == place.clinic.id))
        marks = {row.id: [row.id, *([f"{row.given} {row.family}"] if row.family else [])] for row in found}
    own = ("given", "family", "conditions", "question", "letter", "emergency")
    (first,) = place.ids["patient_id"]
    return {**marks, first: [*marks[first], *(place.words[name] for name in own)]}


def test_every_look_at_a_patient_leaves_a_row_that_names_the_patient(
    places: tuple[Place, Place], looks: list[Look]
) -> None:
    """Whatever door it goes through: what was shown is found again by a search for the patient."""
    seen, unnamed = set(), []
    marks = _about(places[0])
    for look in looks:
        if look.status != 200 or not look.is_meant:
            continue
        shown = {id for id, words in marks.items() if any(word in look.text for word in words)}
        if shown:
            seen.add((look.visitor.name.partition(":")[0], look.route.path))
        unnamed += [(look.visitor.name, look.path, id) for id in sorted(shown - look.named)]
    assert unnamed == []
    # Staff pages, the portal, FHIR: the marks are found where they should be.
    assert len({path for _, path in seen}) > 15, sorted(seen)
    assert {kind for kind, _ in seen} >= {"staff", "portal", "client"}


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.ADMIN, Role.AUDITOR])
def test_no_page_shows_narrative_to_who_may_not_read_it(
    places: tuple[Place, Place], looks: list[Look], role: Role
) -> None:
    words = places[0].words
    hidden: tuple[str, ...] = (words["conditions"], words["question"])
    if role is not Role.FRONT_DESK:
        hidden = tuple(word for name, word in words.items() if name != "letter")
    asked = [look for look in looks if look.visitor.role is role]
    assert [(look.path, word) for look in asked for word in hidden if word in look.text] == []
    assert any(look.status == 200 for look in asked)


def test_a_clinician_of_the_clinic_is_shown_the_narrative(
    places: tuple[Place, Place], visitors: list[Visitor]
) -> None:
    visitor = next(v for v in visitors if v.role is Role.CLINICIAN)
    page = visitor.call("GET", f"/requests/{places[0].referral.id}").text
    assert places[0].words["conditions"] in page
    assert places[0].words["question"] in page


def _no_token(visitor: Visitor) -> Visitor:
    return Visitor(visitor.name, visitor.client, visitor.role, "")


def _of_another(visitor: Visitor) -> Visitor:
    return Visitor(visitor.name, visitor.client, visitor.role, "A" * 24)


@pytest.mark.parametrize("forged", [_no_token, _of_another])
def test_no_form_is_taken_without_the_token_of_its_own_session(
    places: tuple[Place, Place], visitors: list[Visitor], forged: Callable[[Visitor], Visitor]
) -> None:
    ours, taken = places[0], []
    before = rows(ours)
    for visitor in visitors:
        if not visitor.token:
            continue
        for route, policy, method, path in calls(ours, visitor):
            if method == "POST" and policy.startswith(("staff", "portal", "patient")):
                response = forged(visitor).call(method, path)
                if response.status_code not in (303, 403) or "/request/asked" in response.headers.get(
                    "location", ""
                ):
                    taken.append((visitor.name, route.path, response.status_code))
    assert taken == []
    changed = {name for name, count in rows(ours).items() if count != before[name]}
    assert changed <= {"audit_event"}
