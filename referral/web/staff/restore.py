"""The page of a clinic that is closed after a restore: what was found, and the two people who reopen it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Request
from starlette.responses import Response

from referral.services.accounts import check_password
from referral.services.restore_mode import approve
from referral.storage import accounts, mode
from referral.storage.mode import Mode
from referral.web.dependencies import PostedDep, Visitor, staff
from referral.web.policy import Permission
from referral.web.staff.frame import SignedIn, clock_of, done, form_of, show, texts
from referral.web.staff.models import RestorePage, RestoreStep
from referral.web.turn import Router

router: Final = Router()
Reopen = Annotated[Visitor, staff(Permission.REOPEN)]

_WRONG: Final = "This is not your password, or the account is paused for 15 minutes after too many tries."
_DONE: Final = {
    "voided": "Recommendations voided again",
    "declined": "Recommendations declined again",
    "closed": "Requests closed again",
    "sent": "Messages that had left and do not leave again",
    "link-ended": "Links ended again",
    "order-ended": "Orders ended again",
    "account-ended": "Accounts ended again",
    "client-ended": "Systems shut out again",
    "client-rekeyed": "Systems whose keys had been changed: shut out, register them again",
    "cds-client-ended": "Record systems shut out of the advice again",
    "contact-ended": "Contacts taken off again",
    "contact-barred": "Contacts that reach somebody else, marked again",
    "doubted": "Recommendations that the medical director has to accept again",
    "parked": "Messages that wait for a person",
    "expired-links": "Other links, which have run out",
    "ended-subscriptions": "Subscriptions that their systems have to ask for again",
}


@router.get("/restore")
def show_restore(request: Request, visitor: SignedIn) -> Response:
    """Whether the clinic is open, for everybody who is signed in."""
    return _page(request, visitor)


@router.post("/restore")
def approve_reopening(request: Request, visitor: Reopen, posted: PostedDep) -> Response:
    """One of the two people approves; the password is given again with it."""
    given = texts(posted).get("password", "")[:1000]
    user = check_password(visitor.session, visitor.account.email, given, visitor.now)
    if user is None:
        return _page(request, visitor, {"password": _WRONG}, 422)
    opened = approve(visitor.session, visitor.actor, user, visitor.now)
    return done(visitor, "/restore", "reopened" if opened else "reopening-approved")


def _page(
    request: Request, visitor: Visitor, errors: dict[str, str] | None = None, status: int = 200
) -> Response:
    state = mode.current(visitor.session)
    found = state.reconciled.detail if state.reconciled else {}
    page = RestorePage(
        restoring=state.restoring,
        reason=state.entered.reason if state.entered else "",
        steps=_steps(visitor, state),
        done=tuple(f"{_DONE.get(kind, kind)}: {count}" for kind, count in found.get("done", {}).items()),
        lost=tuple(found.get("lost", ())),
        may_approve=state.reconciled is not None
        and visitor.may(Permission.REOPEN)
        and visitor.account.user_id not in state.approved_by,
        form=form_of(visitor, {}, errors or {}),
    )
    return show(request, visitor, "staff/restore.html.j2", "", page, status)


def _steps(visitor: Visitor, state: Mode) -> tuple[RestoreStep, ...]:
    """What has happened and what comes next, in order."""
    clock, names = clock_of(visitor), accounts.get_users(visitor.session)

    def when(event: Any) -> str:
        return str(clock.moment(event.at).text) if event else ""

    approved = [names[id].name for id in state.approved_by if id in names]
    return (
        RestoreStep("Closed", when(state.entered), is_done=state.entered is not None),
        RestoreStep(
            "Reconciled with the exported stream",
            when(state.reconciled) or "An operator runs `referral reconcile` on the server.",
            is_done=state.reconciled is not None,
        ),
        RestoreStep(
            "Approved by two people, a medical director among them",
            f"So far: {', '.join(approved)}." if approved else "Nobody has approved yet.",
            is_done=False,
        ),
    )
