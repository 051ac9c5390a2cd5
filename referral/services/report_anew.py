"""A report that turned out to be wrong is replaced, where its recipient has it, and stopped where not.

Words in somebody else's chart cannot be taken back: another report says what is right, and which one it
replaces (docs/adr/0039).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from referral.domain.audit import Actor
from referral.domain.outgoing import NOT_LEFT, MessageState
from referral.domain.records import Order
from referral.domain.report_rules import Withheld
from referral.services.report_back import News, report_again
from referral.services.still_wanted import cancel
from referral.storage import course_reports, outbox, referrals
from referral.storage.course_reports import CourseReport
from referral.storage.db import Session

# These hold whatever the report says.
_RULED_OUT: Final = (Withheld.CONSENT, Withheld.NOT_WANTED)
# Nobody has got it, and it is not on its way.
_NEVER_CAME: Final = (MessageState.FAILED, MessageState.DEAD, MessageState.CANCELLED)


def report_anew(
    session: Session,
    actor: Actor,
    order: Order,
    news: News,
    version: int,
    now: datetime,
    *,
    stands: bool = True,
    but: Collection[str] = (),
) -> frozenset[str]:
    """Owe another version of the report of this news to everybody who was owed one; returns their requests.

    `version` is that of what was corrected, so that repeating is harmless. What is still to be drawn is drawn
    as it is now. What does not stand at all is told only to who has been told of it. `but` are requests that
    are left out. The caller holds the order.
    """
    newest = {
        one.report.referral_id: one.report
        for one in course_reports.of_orders(session, [order.id])
        if (one.report.occasion, one.report.about) == (news.occasion, news.about) and not one.is_replaced
    }
    owed = {id for id, report in newest.items() if report.withheld_for not in _RULED_OUT}.difference(but)
    for referral_id in sorted(owed):
        if newest[referral_id].version < version:
            referrals.get(session, referral_id, lock=True)
            _replace(session, actor, newest[referral_id], news, version, now, stands=stands)
    return frozenset(owed)


def _replace(
    session: Session,
    actor: Actor,
    report: CourseReport,
    news: News,
    version: int,
    now: datetime,
    *,
    stands: bool,
) -> None:
    if report.state == "planned" and stands:
        return
    came = _may_have_come(session, report, now)
    corrects = report.id if came else report.corrects
    if stands or corrects is not None:
        report_again(session, actor, report.referral_id, news, now, version=version, corrects=corrects)
    else:
        why = Withheld.IN_ERROR
        course_reports.change(session, report.id, state="withheld", withheld_for=why)
        said = {"occasion": report.occasion, "why": why}
        referrals.note(session, report.referral_id, "report-withheld", actor.id, now, **said)


def _may_have_come(session: Session, report: CourseReport, now: datetime) -> bool:
    """Whether its recipient may know it already; what has not left is stopped."""
    message = outbox.get(session, report.message_id, lock=True) if report.message_id else None
    if message is not None and message.state in NOT_LEFT:
        cancel(session, [message], now)
        return report.told_at is not None
    left = message is not None and message.state not in _NEVER_CAME
    return left or report.told_at is not None
