"""What is shown where an unknown code gets its class."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClassChoice:
    """One class as a button: `value` is sent, `seen` tells what `detail` was worked out from.

    `field` is the name under which `seen` is sent.
    """

    value: str
    label: str
    detail: str
    field: str
    seen: str


@dataclass(frozen=True, slots=True)
class CodeChoices:
    """A code that clinic policy does not know; `title` names it, `orders` says how many wait for it.

    `version` is the policy that was looked at. `choices` is empty for a code that no rule can name.
    """

    order_id: str
    system: str
    code: str
    title: str
    orders: str
    version: str
    choices: tuple[ClassChoice, ...]


@dataclass(frozen=True, slots=True)
class Classified:
    """The newest version classified a code: what that did, and what taking it back would do."""

    title: str
    sentence: str
    version: str
