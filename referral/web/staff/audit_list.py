"""Who did what: the audit trail for people, with its file. Words of ours, ids and names; no narrative."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import Request
from starlette.responses import Response

from referral.domain.listing import Page, View
from referral.fhir.local_codes import AUDIT_WORDS
from referral.services.list_audit import list_audit, names
from referral.storage.audit import AuditRow
from referral.storage.db import Session
from referral.web.dependencies import Visitor, staff
from referral.web.policy import Permission
from referral.web.staff.clock import Clock
from referral.web.staff.frame import clock_of, query_of
from referral.web.staff.list_models import NEWEST_FIRST, Day, Empty, Filter, Row, Shape
from referral.web.staff.lists import Cell, show_list
from referral.web.staff.models import Badge, Link
from referral.web.staff.present import ROLE
from referral.web.turn import Router

router: Final = Router()
_SeeAudit = Annotated[Visitor, staff(Permission.SEE_AUDIT)]
_ACTION: Final = {"C": "Created", "R": "Read", "U": "Changed", "D": "Deleted", "E": "Done"}
_KIND: Final = {
    "staff": "Person of the clinic",
    "client": "Connected system",
    "portal": "Outside clinician",
    "system": "This service",
}


def _shape(people: Mapping[str, str], patient: str = "") -> Shape:
    """`patient` is the id of the one whom it is all about, where it is about one."""
    accounting = Link("Accounting of disclosures", f"/patients/{patient}/disclosures")
    return Shape(
        path="/audit",
        one="entry",
        many="entries",
        title="Audit",
        intro="Who did what to whose record. A patient is found by the number of a request, or by name and"
        " date of birth, as in Nguyen 1986-04-12.",
        columns=(
            *("Number", "Time (UTC)", "Who", "Name", "Kind", "Role", "Address", "Action", "What"),
            *("Record", "Patient", "Outcome", "Request id"),
        ),
        search="Request number, or name and date of birth",
        filters=(
            Filter(
                name="person",
                label="Person or system",
                options=(("", "Anybody"), *sorted(people.items(), key=lambda item: item[1].casefold())),
                main=True,
            ),
            Filter(
                name="action",
                label="Action",
                options=(("", "Any"), *_ACTION.items()),
                main=True,
            ),
            Filter(name="kind", label="Who", options=(("", "Anybody"), *_KIND.items())),
            Filter(
                name="outcome",
                label="Outcome",
                options=(("", "Any"), ("done", "Done"), ("refused", "Refused or failed")),
            ),
            Filter(
                name="what",
                label="What",
                options=(("", "Anything"), *sorted(AUDIT_WORDS.items(), key=lambda item: item[1].casefold())),
            ),
            Filter(
                name="looks",
                label="Looks at the audit itself",
                options=(("", "Left out"), ("shown", "Shown")),
            ),
        ),
        days=(Day(name="from", label="From"), Day(name="to", label="To")),
        pinned=(("patient", "Only what concerns one patient"), ("entity", "Only what concerns one record")),
        sorts=NEWEST_FIRST,
        actions=(accounting,) if patient else (),
        empty=Empty(title="Nothing was recorded yet."),
        no_match="Give the name with the date of birth, or the number of a request; or widen the days.",
    )


@router.get("/audit")
def show_audit(request: Request, visitor: _SeeAudit) -> Response:
    """By patient, person, action, period and record."""
    clock, people = clock_of(visitor), names(visitor.session)

    def find(session: Session, view: View) -> Page[AuditRow]:
        return list_audit(session, visitor.actor, view, visitor.now).page

    return show_list(
        request,
        visitor,
        _shape(people, quote(query_of(request, "patient"), safe="")),
        find,
        lambda entry: row(entry, people, clock, about_one=bool(query_of(request, "patient"))),
        lambda entry: cells(entry, people),
        "audit",
        follows=(),
    )


def who(entry: AuditRow, people: Mapping[str, str]) -> str:
    """A name where the clinic has one for the id; never that of a patient."""
    return people.get(entry.actor_id) or f"{_KIND.get(entry.actor_kind, entry.actor_kind)} {entry.actor_id}"


def _what(entry: AuditRow) -> str:
    return AUDIT_WORDS.get(entry.subtype, entry.subtype)


def row(entry: AuditRow, people: Mapping[str, str], clock: Clock, *, about_one: bool = False) -> Row:
    """Its record is the link: all that concerns it; so is its patient, unless the whole list is about one."""
    done = entry.outcome == "0"
    state = Badge("neutral", _ACTION.get(entry.action, entry.action), "info")
    refused = () if done else (Badge("closed", "Refused or failed", "warning"),)
    role = next((words for role, words in ROLE.items() if role == entry.actor_role), "")
    about = f"Patient/{entry.patient_id}" if entry.patient_id else ""
    record = entry.entity if entry.entity and entry.entity != about else ""
    return Row(
        title=who(entry, people),
        lead=clock.moment(entry.at),
        lead_text=f"No. {entry.id}",
        detail=" · ".join(part for part in (role, entry.address or "") if part),
        badges=(state, *refused),
        sentence=_what(entry),
        link=Link(record, f"/audit?entity={record}") if record else None,
        action=Link("All of this patient", f"/audit?patient={entry.patient_id}")
        if entry.patient_id and not about_one
        else None,
        about=f"entry {entry.id}",
    )


def cells(entry: AuditRow, people: Mapping[str, str]) -> Iterator[Cell]:
    """As the columns."""
    yield from (entry.id, entry.at.isoformat(timespec="milliseconds"), entry.actor_id)
    yield from (people.get(entry.actor_id, ""), entry.actor_kind, entry.actor_role, entry.address)
    yield from (_ACTION.get(entry.action, entry.action), _what(entry), entry.entity)
    yield from (entry.patient_id, "done" if entry.outcome == "0" else "refused or failed", entry.request_id)
