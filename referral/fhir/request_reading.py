"""What the workflow reads out of a client's ServiceRequest, whatever else is in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from referral.domain.policy import Indication
from referral.fhir.condition import indications_from
from referral.fhir.elements import every, read_date, reference_id, strings
from referral.fhir.service_request import PLANNED_SESSIONS
from referral.fhir.systems import DEFAULT, LocalSystems


def subject_id(resource: Mapping[str, Any]) -> str | None:
    """The Patient's id; None for a group, a device, a location, or a reference that is not relative."""
    return reference_id(resource.get("subject"), "Patient")


def condition_ids(resource: Mapping[str, Any]) -> tuple[str, ...]:
    """Conditions given as the reason, in order."""
    found = (reference_id(reason, "Condition") for reason in every(resource, "reasonReference"))
    return tuple(dict.fromkeys(id_ for id_ in found if id_))


def unread_reasons(resource: Mapping[str, Any]) -> int:
    """How many reason references are no Condition of this server: each may hide an indication."""
    return sum(reference_id(r, "Condition") is None for r in every(resource, "reasonReference"))


def coded_reasons(resource: Mapping[str, Any]) -> tuple[Indication, ...]:
    """Indications out of reasonCode; those of the conditions are read from the Conditions."""
    found = [i for reason in every(resource, "reasonCode") for i in indications_from(reason)]
    return tuple({(i.system, i.code): i for i in found}.values())


def planned_sessions(resource: Mapping[str, Any], local: LocalSystems = DEFAULT) -> int | None:
    """How many infusions are planned: Timing.repeat.count, else our extension, else a whole quantity."""
    timing = resource.get("occurrenceTiming")
    repeat = timing.get("repeat") if isinstance(timing, Mapping) else None
    quantity = resource.get("quantityQuantity")
    candidates: list[object] = [repeat.get("count") if isinstance(repeat, Mapping) else None]
    for extension in every(resource, "extension"):
        if extension.get("url") == local.extension(PLANNED_SESSIONS):
            candidates += [extension.get("valuePositiveInt"), extension.get("valueInteger")]
    candidates.append(quantity.get("value") if isinstance(quantity, Mapping) else None)
    return next((count for value in candidates if (count := _whole(value)) is not None), None)


_DAYS: Final = {"d": 1, "wk": 7}


def spacing_days(resource: Mapping[str, Any]) -> int | None:
    """How many days from one infusion to the next: `2 per 1 wk` is 4, rounded to the nearest whole day."""
    timing = resource.get("occurrenceTiming")
    repeat = timing.get("repeat") if isinstance(timing, Mapping) else None
    if not isinstance(repeat, Mapping) or repeat.get("periodUnit") not in _DAYS:
        return None
    period, times = repeat.get("period"), _whole(repeat.get("frequency", 1))
    if isinstance(period, bool) or not isinstance(period, int | float | Decimal) or times is None:
        return None
    return round(float(period) * _DAYS[repeat["periodUnit"]] / times) or None


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return int(value) if value > 0 and value == int(value) else None


def first_infusion_on(resource: Mapping[str, Any]) -> date | None:
    """The first day of treatment as the client wrote it; None when there is no full date."""
    timing = resource.get("occurrenceTiming")
    if isinstance(timing, Mapping):
        dates = sorted(day for event in strings(timing, "event") if (day := read_date(event)))
        if dates:
            return dates[0]
        repeat = timing.get("repeat")
        bounds = repeat.get("boundsPeriod") if isinstance(repeat, Mapping) else None
        return read_date(bounds.get("start")) if isinstance(bounds, Mapping) else None
    period = resource.get("occurrencePeriod")
    if isinstance(period, Mapping):
        return read_date(period.get("start"))
    return read_date(resource.get("occurrenceDateTime"))
