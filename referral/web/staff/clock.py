"""Days and times as people of one clinic read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from referral.web.staff.models import When

# Written out because strftime follows the locale of the process.
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONG_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Clock:
    """Says times as people of one clinic read them."""

    zone: ZoneInfo
    now: datetime

    @property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()

    def local(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()

    def date_of(self, moment: datetime) -> str:
        """The day alone, where the hour says nothing."""
        return self.day(self.local(moment)).text

    def _year(self, day: date) -> str:
        return "" if day.year == self.today.year else f", {day.year}"

    def day(self, day: date) -> When:
        """'Tue, Nov 3'; the year only where it is another one."""
        return When(
            f"{_DAYS[day.weekday()]}, {_MONTHS[day.month - 1]} {day.day}{self._year(day)}", day.isoformat()
        )

    def moment(self, moment: datetime) -> When:
        """'Tue, Nov 3, 10:00 AM'."""
        local = moment.astimezone(self.zone)
        text = f"{self.day(local.date()).text}, {self._hour(local)}"
        return When(text, moment.astimezone(UTC).isoformat(timespec="seconds"))

    def span(self, start: datetime, end: datetime) -> When:
        """'Tue, Nov 3, 10:00 AM to 12:00 PM MST'; the day of the end only where it is another one."""
        first, last = start.astimezone(self.zone), end.astimezone(self.zone)
        day = "" if first.date() == last.date() else f"{self.day(last.date()).text}, "
        text = f"{self.moment(start).text} to {day}{self._hour(last)} {last.tzname()}"
        return When(text, start.astimezone(UTC).isoformat(timespec="seconds"))

    def hour(self, moment: datetime) -> When:
        """'10:00 AM', where the day is known."""
        text = self._hour(moment.astimezone(self.zone))
        return When(text, moment.astimezone(UTC).isoformat(timespec="seconds"))

    def zone_name(self, moment: datetime) -> str:
        """'America/Denver (MST)', as it is on that day."""
        return f"{self.zone.key} ({moment.astimezone(self.zone).tzname()})"

    def soon(self, moment: datetime) -> str:
        """'now', 'today at 9:00 AM', 'on Thursday at 9:00 AM', 'on Thu, Dec 10, at 9:00 AM'."""
        local = moment.astimezone(self.zone)
        days = (local.date() - self.today).days
        if moment <= self.now:
            return "now"
        names = {0: "today", 1: "tomorrow"}
        day = names.get(days) or (
            f"on {_LONG_DAYS[local.weekday()]}" if days < 7 else f"on {self.day(local.date()).text},"
        )
        return f"{day} at {self._hour(local)}"

    @staticmethod
    def _hour(local: datetime) -> str:
        return f"{local.hour % 12 or 12}:{local.minute:02d} {'AM' if local.hour < 12 else 'PM'}"


def born(day: date | None) -> str:
    """'May 17, 1984'."""
    return f"{_MONTHS[day.month - 1]} {day.day}, {day.year}" if day else "date unknown"


def days(count: int, none: str = "since today") -> str:
    """'1 business day', '6 business days'; `none` for zero."""
    return none if count == 0 else f"{count} business day{'' if count == 1 else 's'}"
