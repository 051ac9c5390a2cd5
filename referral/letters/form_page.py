"""The tick-box page: the form's items for one discipline, arranged as the paper shows them."""

from __future__ import annotations

from dataclasses import dataclass

from referral.domain.codes import ClinicianKind, Decision
from referral.domain.form import BY_LINK_ID, SECTIONS, VERSION, Item, Kind, Option, items_for


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the five answers, with what it asks for in addition."""

    option: Option
    more: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Section:
    number: int
    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class FormPage:
    version: str
    answers: tuple[Answer, ...]
    decision: Section
    care: Section
    flags: Section
    follow_up: Section
    signature: Section
    attestation: Item


def form_page(kind: ClinicianKind) -> FormPage:
    """Every item that this discipline is asked on paper stands on the page exactly once."""
    items = tuple(item for item in items_for(kind) if item.on_paper)

    def section(number: int, key: str) -> Section:
        chosen = tuple(item for item in items if item.section == key and item.kind is not Kind.TICK)
        return Section(number, SECTIONS[key], chosen)

    decision = section(1, "decision")
    answers = tuple(
        Answer(option, _asked_by(option, decision.items)) for option in BY_LINK_ID["decision"].options
    )
    return FormPage(
        version=VERSION,
        answers=answers,
        decision=decision,
        care=section(2, "care"),
        flags=section(3, "flags"),
        follow_up=section(4, "follow-up"),
        signature=section(5, "signature"),
        attestation=BY_LINK_ID["attestation"],
    )


def _asked_by(option: Option, items: tuple[Item, ...]) -> tuple[Item, ...]:
    wanted = frozenset({Decision(option.code)})
    return tuple(item for item in items if item.needed_when == ("decision", wanted))
