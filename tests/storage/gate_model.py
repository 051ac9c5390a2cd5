"""The rule once more, in sets, from the words of the product description and not from the program.

An order may be treated when it is in use, the initial consultation was held, every indication has a class,
and, where one is of the mental-health class, something is left of its answers after those that do not count
are taken away; or else emergency access is left that two people gave within the hour and nobody has used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

HOUR: Final = timedelta(minutes=60)
POSITIVE: Final = {"recommended", "recommended-with-conditions"}


@dataclass
class Answer:
    """`accepted` is the medical director's last word."""

    decision: str
    kind: str
    strength: str
    flagged: bool
    covers: frozenset[str]
    until: datetime
    void: bool = False
    confirmed: bool = False
    accepted: bool | None = None


@dataclass
class Access:
    """Emergency access to one order: asked for, perhaps approved or declined, perhaps used."""

    asked_by: int
    asked_at: datetime
    approved: bool | None = None
    decided_at: datetime | None = None
    used: bool = False
    stale: bool = False  # given before a restore

    def usable(self, at: datetime) -> bool:
        return (
            bool(self.approved)
            and not self.used
            and self.decided_at is not None
            and at < self.decided_at + HOUR
        )

    def waits(self, at: datetime) -> bool:
        return self.approved is None and at < self.asked_at + HOUR


@dataclass
class Order:
    status: str = "on-hold"
    consulted: bool = False
    indications: set[str] = field(default_factory=set)
    answers: dict[str, Answer] = field(default_factory=dict)
    accesses: dict[str, Access] = field(default_factory=dict)


@dataclass
class Clinic:
    """Policy and mode; `classes` says of each known code whether it is mental-health or pain."""

    classes: dict[str, str]
    eligible: set[str]
    sure: set[str]
    flags_wait: bool = True
    conditions_wait: bool = True
    emergencies: bool = False
    restoring: bool = False


def counting(clinic: Clinic, order: Order, at: datetime) -> set[str]:
    """The answers that are left after those that do not count."""
    every = order.answers.items()
    needed = {code for code in order.indications if clinic.classes.get(code) == "mental-health"}
    refused = {id for id, answer in every if answer.decision not in POSITIVE}
    void = {id for id, answer in every if answer.void}
    over = {id for id, answer in every if answer.until <= at}
    unfit = {id for id, answer in every if answer.kind not in clinic.eligible}
    elsewhere = {id for id, answer in every if needed - answer.covers}
    unsure = {id for id, answer in every if answer.strength not in clinic.sure and not answer.confirmed}
    declined = {id for id, answer in every if answer.accepted is False}
    waiting = {
        id
        for id, answer in every
        if answer.accepted is None
        and (
            (answer.flagged and clinic.flags_wait)
            or (answer.decision == "recommended-with-conditions" and clinic.conditions_wait)
        )
    }
    return set(order.answers) - refused - void - over - unfit - elsewhere - unsure - declined - waiting


def lacking(clinic: Clinic, order: Order, at: datetime) -> set[str]:
    """What is missing; emergency access does not stand in for anything here."""
    missing = set()
    if order.status not in {"on-hold", "active"}:
        missing.add("order")
    if not order.consulted:
        missing.add("consultation")
    classes = {clinic.classes.get(code) for code in order.indications}
    if not classes or None in classes:
        missing.add("class")
    elif "mental-health" in classes and not counting(clinic, order, at):
        missing.add("recommendation")
    return missing


def usable_access(clinic: Clinic, order: Order, at: datetime) -> set[str]:
    if not clinic.emergencies:
        return set()
    return {id for id, access in order.accesses.items() if access.usable(at)}


def is_open(clinic: Clinic, order: Order, at: datetime) -> bool:
    missing = lacking(clinic, order, at)
    return not missing or (missing == {"recommendation"} and bool(usable_access(clinic, order, at)))


def may_start(clinic: Clinic, order: Order, at: datetime) -> bool:
    """After a restore nothing starts, and afterwards nothing by emergency access from before."""
    missing = lacking(clinic, order, at)
    stale = {id for id, access in order.accesses.items() if access.stale}
    by_access = missing == {"recommendation"} and bool(usable_access(clinic, order, at) - stale)
    return not clinic.restoring and (not missing or by_access)


def may_ask(clinic: Clinic, order: Order, at: datetime) -> bool:
    needed = lacking(clinic, order, at) == {"recommendation"} and not is_open(clinic, order, at)
    return clinic.emergencies and needed and not any(access.waits(at) for access in order.accesses.values())


def may_approve(clinic: Clinic, order: Order, access: Access, person: int, at: datetime) -> bool:
    needed = lacking(clinic, order, at) == {"recommendation"} and not is_open(clinic, order, at)
    return clinic.emergencies and needed and access.waits(at) and person != access.asked_by
