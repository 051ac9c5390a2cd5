"""Reads what was typed on the pages of a course: whole numbers, amounts, times of the day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time
from decimal import Decimal, InvalidOperation

from referral.domain.errors import InvalidInput, Issue
from referral.web.staff.clock import Clock

Typed = Mapping[str, str]


class Reader:
    """Collects what cannot be read; `done()` raises all of it at once."""

    def __init__(self, typed: Typed, clock: Clock) -> None:
        self._typed = typed
        self._clock = clock
        self._issues: list[Issue] = []

    def text(self, name: str) -> str:
        return self._typed.get(name, "").strip()

    def ticked(self, name: str) -> bool:
        return bool(self.text(name))

    def whole(self, name: str) -> int | None:
        """None where nothing was typed."""
        text = self.text(name)
        if not text:
            return None
        if text.isascii() and text.isdecimal() and len(text) < 5:
            return int(text)
        self._issues.append(Issue("A whole number, please.", (name,), "value"))
        return None

    def amount(self, name: str) -> Decimal | None:
        """A number with a point or a comma; None where nothing was typed."""
        text = self.text(name).replace(",", ".")
        if not text:
            return None
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = Decimal(0)
        if not value.is_finite() or not 0 < value < 10000:
            self._issues.append(Issue("A number above zero, please.", (name,), "value"))
            return None
        return round(value, 3)

    def moment(self, name: str, day: datetime) -> datetime:
        """A time of the day of `day`, in the clinic's zone; nothing typed is now."""
        text = self.text(name)
        if not text:
            return self._clock.now
        try:
            hour = time.fromisoformat(text)
        except ValueError:
            self._issues.append(Issue("A time such as 14:30, please.", (name,), "value"))
            return self._clock.now
        local = day.astimezone(self._clock.zone).date()
        return datetime.combine(local, hour.replace(tzinfo=None), self._clock.zone)

    def need(self, name: str, text: str) -> None:
        """Something is missing in this field."""
        self._issues.append(Issue(text, (name,), "required"))

    def done(self) -> None:
        """Raises InvalidInput for everything that could not be read."""
        if self._issues:
            raise InvalidInput(*self._issues)
