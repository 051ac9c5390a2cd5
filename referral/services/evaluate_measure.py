"""FHIR's $evaluate-measure: one measure over a period, for a system that may see all that is counted."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from referral.domain.audit import Action, AuditEntry
from referral.domain.errors import Forbidden, NotFound
from referral.fhir.measure import MEASURES
from referral.services.access import Access
from referral.services.measure_figures import find_measures, report_of
from referral.storage import audit
from referral.storage.db import Session

# Days of one period, as on the reports page.
LONGEST: Final = 800
# What the measures count: who may read some of these only, is not told of all of them.
_COUNTED: Final = ("ServiceRequest", "Task", "Procedure")


def require_measure(by: Access, name: str) -> None:
    """Raises Forbidden without the scopes, NotFound for a measure that is not counted here."""
    by.permit.require("Measure", "r")
    for type in _COUNTED:
        by.permit.require(type, "r")
        if not by.permit.is_whole(type, "r"):
            raise Forbidden(f"Measures count every {type}, and this client's scopes allow it some only.")
    if name not in MEASURES:
        raise NotFound(f"There is no Measure {name[:64]} here.")


def evaluate_measure(
    session: Session, by: Access, name: str, period: tuple[date, date], now: datetime
) -> dict[str, object]:
    """The MeasureReport over the days of `period`, both included; nothing is stored, no patient is named.

    Raises as require_measure() does.
    """
    require_measure(by, name)
    (found,) = find_measures(session, *period, now, {name})
    entry = AuditEntry(action=Action.EXECUTE, subtype="evaluate-measure", entity=f"Measure/{name}")
    audit.record(session, by.actor, entry)
    return report_of(session, found, now)
