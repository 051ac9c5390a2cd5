"""What was typed into a form and what is wrong with it, as templates read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Told:
    """Something that was done, and when (a When of the page)."""

    sentence: str
    when: Any


@dataclass(frozen=True, slots=True)
class Conflict:
    """Somebody was faster: why nothing was changed, what they have done, and what was typed, by its field."""

    text: str
    deeds: tuple[Told, ...]
    typed: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Form:
    """Typed values and error sentences by field name; errors in the order of the page.

    `token` is the CSRF token. `version` is the version of the thing as it was shown, empty for something new.
    `key` marks one showing of the form, so that sending it twice does the work once.
    `mark` says how far the audit was when the form was shown; `conflict` what was done after that.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    version: str = ""
    key: str = ""
    mark: str = ""
    conflict: Conflict | None = None

    def value(self, name: str) -> str:
        """What was typed, empty when nothing was."""
        return self.values.get(name, "")

    def error(self, name: str) -> str:
        """What is wrong with this field, empty when nothing is."""
        return self.errors.get(name, "")
