"""People of the national register as rows: who, what kind, where, and what speaks against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from referral.domain.npi import KIND_LABEL, deciding_taxonomy
from referral.domain.nppes import Registered, spoken_address
from referral.domain.nucc import taxonomy_name
from referral.domain.policy import Policy
from referral.web.staff import present
from referral.web.staff.models import Badge
from referral.web.staff.new_request_choices import deactivated


@dataclass(frozen=True, slots=True)
class RegisteredRow:
    """`reach` are numbers as the register has them: nobody has confirmed them."""

    npi: str
    name: str
    kind: str
    taxonomies: str
    address: str
    reach: str
    badges: tuple[Badge, ...]


@dataclass(frozen=True, slots=True)
class RegisterPage:
    """`is_empty`: nothing was ever imported. `may_ask`: the register itself can be asked."""

    query: str
    rows: tuple[RegisteredRow, ...]
    more: bool
    is_empty: bool
    may_add: bool
    may_ask: bool


def register_page(
    words: str,
    found: Sequence[Registered],
    policy: Policy,
    *,
    more: bool,
    is_empty: bool,
    may_add: bool,
    may_ask: bool,
) -> RegisterPage:
    """The page of what was found."""
    rows = tuple(_row(record, policy) for record in found)
    return RegisterPage(words, rows, more, is_empty, may_add, may_ask)


def _row(record: Registered, policy: Policy) -> RegisteredRow:
    reach = {"fax": record.fax, "telephone": record.phone}
    return RegisteredRow(
        npi=record.npi,
        name=f"{record.name}, {record.credentials}".rstrip(", "),
        kind=KIND_LABEL[record.kind].capitalize(),
        taxonomies="; ".join(taxonomy_name(code) for code in _shown(record)),
        address=", ".join(spoken_address(record.address)),
        reach=", ".join(f"{what} {present.phone(_e164(number))}" for what, number in reach.items() if number),
        badges=_badges(record, policy),
    )


def _shown(record: Registered) -> tuple[str, ...]:
    """The deciding one first; a long list says no more."""
    first = deciding_taxonomy(record.taxonomies)
    return tuple(dict.fromkeys((first, *record.taxonomies)))[:3] if first else ()


def _e164(number: str) -> str:
    digits = "".join(character for character in number if character.isdigit())
    return f"+1{digits}" if len(digits) == 10 else number


def _badges(record: Registered, policy: Policy) -> tuple[Badge, ...]:
    found = []
    if record.deactivated_on:
        found.append(Badge("closed", deactivated(record.deactivated_on), "warning"))
    if record.kind not in policy.eligible:
        found.append(Badge("waiting", "Not accepted by clinic policy", "warning"))
    if not record.fax and not record.address:
        found.append(Badge("waiting", "No fax or address", "warning"))
    return tuple(found)
