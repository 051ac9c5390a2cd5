"""What was typed into a form and what is wrong with it, as templates read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Form:
    """Typed values and error sentences by field name; errors in the order of the page.

    `token` is the CSRF token. `version` is the version of the thing as it was shown, empty for something new.
    `key` marks one showing of the form, so that sending it twice does the work once.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    version: str = ""
    key: str = ""

    def value(self, name: str) -> str:
        """What was typed, empty when nothing was."""
        return self.values.get(name, "")

    def error(self, name: str) -> str:
        """What is wrong with this field, empty when nothing is."""
        return self.errors.get(name, "")
