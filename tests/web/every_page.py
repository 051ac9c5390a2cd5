"""Every page of the product, made from the routes, with everybody to whom it shows something of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

import httpx
from fastapi.routing import RouteContext
from sqlalchemy import select

from referral.domain.codes import Channel, Role
from referral.domain.credential import random_token
from referral.domain.scales import Scale
from referral.services.ask_scales import ask_scales
from referral.services.manage_users import NewPerson, invite_user
from referral.services.second_factor import offer_second_factor
from referral.services.treat import record_consultation, start_treatment
from referral.storage import accounts, documents, tables
from referral.storage.db import Session
from referral.web.policy import Permission, may
from tests.database import NOW, ClinicFixture
from tests.test_rules import policies, routes
from tests.web.client import application
from tests.web.desk import add_person, desk
from tests.web.pages import WHO
from tests.web.portal_case import DETAILS, SIGNER, Browser
from tests.web.test_access_matrix import PATIENTS, STAGE_OF, Place, case_of, guest_at, paths, patient_at
from tests.web.test_portal_standing import standing_link

# What is asked for by machines and by pages, or is a file, a drawing or a stream.
_NO_PAGE: Final = re.compile(
    r"/(fhir|cds-services|\.well-known|health|metrics|live|lookups|documents)(/|$)"
    r"|/logos/|/pages/|^/reports/measure$|\.(\{ending\}|pdf|pem)$|^/request/letter$"
)
# Clinicians who have gone on from the request, by the last step that they have taken.
_FURTHER: Final = ("portal:decision", "portal:details", "portal:sign", "portal:standing", "portal:withdraw")
_RECORD: Final = "00000000-0000-4000-8000-00000000000a"
# What a page is drawn with, whatever the words are.
_DRAWN: Final = re.compile(r'<[a-z]\w*|class="[^"]*"')


@dataclass(frozen=True, slots=True)
class Door:
    """A page as one visitor is shown it; `who` names the visitor."""

    path: str
    who: str


@dataclass(slots=True)
class Visits:
    """`clients` are everybody's browsers without a screen, by name: their cookies open the pages."""

    place: Place
    address: str
    stack: ExitStack
    clients: dict[str, httpx.Client] = field(default_factory=dict)
    _found: dict[str, tuple[list[Door], list[str]]] = field(default_factory=dict)

    def doors(self, kind: str) -> tuple[list[Door], list[str]]:
        """The pages whose policy is of this kind, each once; and routes that show nobody one."""
        if kind not in self._found:
            self._found[kind] = self._opened(kind)
        return self._found[kind]

    def _opened(self, kind: str) -> tuple[list[Door], list[str]]:
        found: list[Door] = []
        silent: list[str] = []
        seen: set[str] = set()
        for route in routes(application(self.place.clinic)):
            (policy,) = set(policies(route))
            path = str(route.path)
            if "GET" not in (route.methods or ()) or _NO_PAGE.search(path) or not policy.startswith(kind):
                continue
            before = len(found)
            found.extend(self._shown(route, policy, seen))
            if len(found) == before:
                silent.append(path)
        return found, silent

    def _shown(self, route: RouteContext, policy: str, seen: set[str]) -> Iterator[Door]:
        for path in _filled_in(route, self.place):
            for name in self._may_see(path, policy):
                answer = self.clients[name].get(path)
                if answer.status_code != 200:
                    continue
                assert answer.headers["content-type"].startswith("text/html"), path
                # The same page about somebody else: once is enough.
                drawn = f"{route.path} {_DRAWN.findall(answer.text)}"
                if drawn not in seen:
                    seen.add(drawn)
                    yield Door(path, name)

    def _may_see(self, path: str, policy: str) -> list[str]:
        kind, _, rest = policy.partition(":")
        if kind == "staff":
            able = [f"staff:{role}" for role in WHO if may(role, Permission(rest))]
            # The first page is a board for whoever works with patients, and a word to who does not.
            return able if path == "/" else able[:1]
        if kind == "public":
            return [name for name in self.clients if not name.startswith("staff")]
        return [name for name in self.clients if name.startswith(kind)]


def _filled_in(route: RouteContext, place: Place) -> Iterator[str]:
    """One of each thing, and everything that the code itself counts up."""
    one = {name: ids[:1] for name, ids in place.ids.items()}
    if route.path == "/bookings/new":
        yield f"/bookings/new?order={one['order_id'][0]}&day=2026-11-10"
        return
    yield from paths(route, replace(place, ids={**one, "scale": [Scale.PHQ_9, Scale.PAIN]}))


def visits(place: Place, address: str, stack: ExitStack) -> Visits:
    """Everybody who comes to this clinic, each as far as they have come; all closed with `stack`."""
    made, clinic = Visits(place, address, stack), place.clinic

    def client(**cookies: str) -> httpx.Client:
        sent = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
        new = httpx.Client(verify=False, base_url=address, headers=sent, cookies=cookies, timeout=60)
        return stack.enter_context(new)

    made.clients["nobody"] = client()
    for role in WHO:
        person = desk(address, clinic, role)
        stack.enter_context(person.client)
        made.clients[f"staff:{role}"] = person.client
        with clinic.transaction() as session:
            offer_second_factor(session, replace(clinic.actor, id=person.user_id))
    for step in ("code", "enrol"):
        made.clients[f"step:{step}"] = client(referral_step=half_in(clinic, step))
    made.clients["locked"] = client(referral_staff=locked(clinic))
    for name in STAGE_OF:
        made.clients[name] = guest_at(name, clinic, client()).client
    for name in PATIENTS:
        made.clients[name] = patient_at(name, clinic, client()).client
    for name in _FURTHER:
        made.clients[name] = client()
        further(name, clinic, made.clients[name])
    with clinic.transaction() as session:
        new = NewPerson("zoe@clinic.example", "Zoe Example", Role.AUDITOR)
        invited = invite_user(session, clinic.actor, new, NOW)
        ask_scales_of_patients(session, clinic)
        documents.add(
            session, id=_RECORD, kind="receipt", content_type="application/pdf", content=b"%PDF-1.7", now=NOW
        )
    place.ids.update(token=[invited.token], reference=[_RECORD])
    for one in made.clients.values():
        one.follow_redirects = False
    return made


def half_in(clinic: ClinicFixture, step: str) -> str:
    """The token of somebody whose password was right and whose second step is missing."""
    person, token = add_person(clinic, Role.FRONT_DESK), random_token()
    with clinic.transaction() as session:
        offer_second_factor(session, replace(clinic.actor, id=person.id))
        new = accounts.NewSession(token=token, csrf_token=random_token(size=18), stage=step)
        accounts.add_session(session, person, new, NOW)
    return token


def locked(clinic: ClinicFixture) -> str:
    """The token of a session that was left alone for half an hour."""
    person, token = add_person(clinic, Role.FRONT_DESK), random_token()
    with clinic.transaction() as session:
        accounts.open_session(session, token, person, random_token(size=18), NOW - timedelta(minutes=30))
    return token


def further(name: str, clinic: ClinicFixture, client: httpx.Client) -> None:
    """The browser of a clinician who has come this far with the answer, which is a recommendation.

    "Standing" is who comes back later, by the letter that asks whether it is still true.
    """
    visit = Browser(case_of(name, clinic), client)
    visit.open(visit.case.link(Channel.FAX))
    visit.give_birth_date()
    steps: dict[str, dict[str, Any]] = {
        "decision": {"decision": "recommended"},
        "details": {**DETAILS, "action": "continue"},
        "sign": SIGNER,
        "withdraw": {},
    }
    visit.get("/request")
    for step, given in steps.items():
        if step == "withdraw":
            visit.get("/request/withdraw")
        assert visit.post(f"/request/{step}", given).status_code == 200
        if name == f"portal:{step}" or (name, step) == ("portal:standing", "sign"):
            break
    if name == "portal:sign":
        order_id = visit.case.referral.order_id
        with clinic.transaction() as session:
            record_consultation(session, clinic.actor, order_id, NOW, NOW)
            start_treatment(session, clinic.actor, order_id, visit.case.patient.id, NOW)
    if name == "portal:standing":
        visit.open(standing_link(visit.case))
        visit.give_birth_date()


def ask_scales_of_patients(session: Session, clinic: ClinicFixture) -> None:
    """Whoever has a page of their own is asked to fill in everything."""
    order, patient = tables.infusion_order.c, tables.patient.c
    theirs = select(order.id).where(order.patient_id == patient.id, patient.given == "Ines")
    for id in session.connection.scalars(theirs).all():
        ask_scales(session, clinic.actor, id, Scale, NOW)
