"""What the database can tell about a search for AuditEvents before rows become resources.

Each condition lets through at least what its clause accepts: the resources made of the rows are looked at
after. Clauses about what has an index drive the search; without one a page looks through so many rows only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, false, or_, select, true

from referral.fhir.audit_event import DISCLOSURES
from referral.fhir.intervals import BEGINNING, END
from referral.fhir.search_model import Clause
from referral.fhir.search_values import DateValue, ReferenceValue, TokenValue, Value
from referral.storage.audit import COLUMNS, AuditRow
from referral.storage.db import PLANNED_ANEW, Session, flush
from referral.storage.tables import audit_event

# Without a clause that an index answers.
WINDOW: Final = 50_000
_DRIVEN: Final = frozenset({"patient", "entity", "date", "_id", "_lastUpdated", "agent:identifier"})
# `recorded` is told in milliseconds, the row knows more.
_TOLD: Final = timedelta(milliseconds=1)
_ACTION_OF: Final = {"create": "C", "read": "R", "update": "U", "delete": "D", "operation": "E"}


def is_driven(clauses: Sequence[Clause]) -> bool:
    """Whether an index answers one of them."""
    return any(clause.parameter in _DRIVEN and _is_plain(clause) for clause in clauses)


def find_rows(
    session: Session, clauses: Sequence[Clause], *, before: int | None, floor: int | None, limit: int
) -> list[AuditRow]:
    """Newest first, below `before`, from `floor` up."""
    flush(session)
    own = [audit_event.c.clinic_id == session.clinic]
    if before is not None:
        own.append(audit_event.c.id < before)
    if floor is not None:
        own.append(audit_event.c.id >= floor)
    asked = [_condition(clause) for clause in clauses if _is_plain(clause)]
    statement = select(*(audit_event.c[name] for name in COLUMNS)).where(*own, *asked)
    rows = session.connection.execute(
        statement.order_by(audit_event.c.id.desc()).limit(limit), execution_options=PLANNED_ANEW
    )
    return [AuditRow(*row) for row in rows]


def floor_of(session: Session, before: int | None) -> int | None:
    """The id WINDOW rows below `before`; None where there are fewer."""
    flush(session)
    own = [audit_event.c.clinic_id == session.clinic]
    if before is not None:
        own.append(audit_event.c.id < before)
    newest = select(audit_event.c.id).where(*own).order_by(audit_event.c.id.desc())
    found: int | None = session.connection.scalar(newest.offset(WINDOW - 1).limit(1))
    return found


def _is_plain(clause: Clause) -> bool:
    return clause.missing is None and clause.modifier is None and clause.parameter in _CONDITIONS


def _condition(clause: Clause) -> ColumnElement[bool]:
    condition = _CONDITIONS[clause.parameter]
    return or_(false(), *[condition(value) for value in clause.values])


def _patient(value: Value) -> ColumnElement[bool]:
    targets = value.targets if isinstance(value, ReferenceValue) else ()
    ids = [target.removeprefix("Patient/") for target in targets if target.startswith("Patient/")]
    return or_(audit_event.c.patient_id.in_(ids), audit_event.c.entity.in_(targets))


def _date(value: Value) -> ColumnElement[bool]:
    if not isinstance(value, DateValue):
        return true()
    since = {"eq": value.low, "ge": value.low, "ap": value.low, "gt": value.high, "sa": value.high}
    until = {"eq": value.high, "le": value.high, "ap": value.high, "lt": value.low, "eb": value.low}
    parts: list[ColumnElement[bool]] = []
    # At the ends of time there is nothing to take away or to add.
    if value.prefix in since and since[value.prefix] > BEGINNING:
        parts.append(audit_event.c.at >= since[value.prefix] - _TOLD)
    if value.prefix in until and until[value.prefix].year < END.year:
        parts.append(audit_event.c.at < until[value.prefix] + _TOLD)
    return and_(true(), *parts)


def _id(value: Value) -> ColumnElement[bool]:
    code = _code(value) or ""
    number = int(code) if code.isascii() and code.isdigit() and len(code) <= 18 else -1
    return audit_event.c.id == number


def _column(name: str) -> Callable[[Value], ColumnElement[bool]]:
    def condition(value: Value) -> ColumnElement[bool]:
        code = _code(value)
        return true() if code is None else audit_event.c[name] == code

    return condition


def _action(value: Value) -> ColumnElement[bool]:
    """A disclosure is told as a read, whatever was done."""
    own = _column("action")(value)
    return or_(own, audit_event.c.subtype.in_(DISCLOSURES)) if _code(value) == "R" else own


def _subtype(value: Value) -> ColumnElement[bool]:
    """A word of ours, or FHIR's for the interaction or the disclosure."""
    code = _code(value)
    if code is None:
        return true()
    parts = [audit_event.c.subtype == code]
    if code in _ACTION_OF:
        parts.append(audit_event.c.action == _ACTION_OF[code])
    if code == "disclose":
        parts.append(audit_event.c.subtype.in_(DISCLOSURES))
    return or_(*parts)


def _type(value: Value) -> ColumnElement[bool]:
    disclosed = audit_event.c.subtype.in_(DISCLOSURES)
    known: dict[str | None, ColumnElement[bool]] = {"rest": ~disclosed, "110106": disclosed, None: true()}
    return known.get(_code(value), false())


def _code(value: Value) -> str | None:
    """None for a system alone, which tells nothing here."""
    return value.value if isinstance(value, TokenValue) else None


_CONDITIONS: Final[dict[str, Callable[[Any], ColumnElement[bool]]]] = {
    "patient": _patient,
    "entity": _patient,
    "date": _date,
    "_lastUpdated": _date,
    "_id": _id,
    "action": _action,
    "outcome": _column("outcome"),
    "subtype": _subtype,
    "type": _type,
    "agent:identifier": _column("actor_id"),
    "entity:identifier": _column("request_id"),
}
