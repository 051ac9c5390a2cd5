"""The list of infusion orders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from referral.domain.codes import Verdict
from referral.services.find_orders import OrderState
from referral.web.dependencies import Visitor
from referral.web.policy import Permission
from referral.web.staff import present
from referral.web.staff.clock import Clock
from referral.web.staff.list_models import Empty, Filter, Row, Shape
from referral.web.staff.lists import Cell
from referral.web.staff.models import Link
from referral.web.staff.rows import order_row

SHAPE: Final = Shape(
    path="/orders",
    one="order",
    title="Orders",
    intro="Infusion orders, with what their gate says.",
    columns=(
        *("Order", "Patient", "Indication", "First infusion", "Ordered", "Gate", "Recommendation"),
        "Reason",
    ),
    search="Patient or order number",
    filters=(
        Filter(
            name="state",
            label="State",
            options=(
                ("", "All in use"),
                ("blocked", "Blocked"),
                ("requested", "Waiting for an answer"),
                ("not-asked", "Blocked, nobody being asked"),
                ("open", "Ready to treat"),
                ("ended", "Ended"),
            ),
            main=True,
        ),
    ),
    pinned=(("patient", "Only the orders of one patient"),),
    sorts=(
        ("", "Next infusion first"),
        ("newest", "Newest first"),
        ("oldest", "Oldest first"),
        ("patient", "By patient"),
    ),
    empty=Empty(
        title="No order is in use.",
        text="A new request makes the order, too.",
        link=Link("New request", "/requests/new"),
    ),
    no_match="Look for fewer letters, or choose another state.",
    actions=(Link("All patients", "/patients"),),
    primary=Link("New request", "/requests/new"),
)


def row(visitor: Visitor, state: OrderState, clock: Clock) -> Row:
    """The gate with its reason, and the one step that brings the order on."""
    shown = order_row(state, clock)
    return Row(
        title=shown.patient,
        href=shown.href,
        lead=shown.infusion,
        lead_text="" if shown.infusion else "No date",
        detail=f"{shown.number} · {shown.indication}",
        badges=(shown.badge,),
        sentence=shown.reason,
        action=order_step(visitor, state),
        about=f"{shown.patient}, {shown.number}",
    )


def order_step(visitor: Visitor, state: OrderState, *, later: bool = False) -> Link:
    """The one thing that brings this order on; an infusion booked for a `later` day does not start."""
    href = f"/orders/{state.order.id}"
    waiting = next((f for f in state.requests if f.referral.is_open), None)
    consulted = state.decision.requirements[0].satisfied
    if state.decision.open:
        starts = visitor.may(Permission.START_TREATMENT) and not later
        return Link("Start", f"{href}#start") if starts else Link("See order", href)
    if not consulted and visitor.may(Permission.RECORD_CONSULTATION):
        return Link("Consultation", f"{href}#consultation")
    if state.decision.verdict is Verdict.ANSWERED_NEEDS_REVIEW:
        answered = next((f for f in state.requests if not f.referral.is_open), None)
        return Link("See answer", f"/requests/{answered.referral.id}" if answered else href)
    if waiting is not None:
        return Link("See request", f"/requests/{waiting.referral.id}")
    if visitor.may(Permission.ASK) and state.decision.verdict in present.ASKABLE:
        return Link("Ask a clinician", present.ask_href(state.order))
    return Link("See order", href)


def cells(state: OrderState, clock: Clock) -> Iterator[Cell]:
    """As SHAPE.columns."""
    order, shown = state.order, order_row(state, clock)
    yield from (shown.number, shown.patient, shown.indication)
    yield order.first_infusion_on.isoformat() if order.first_infusion_on else ""
    yield clock.local(order.created_at).isoformat()
    yield from ("open" if state.decision.open else "closed", present.verdict_words(state), shown.reason)
