"""What stays still until a person acts, as the Today board lists it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from referral.services.find_bookings import Seat
from referral.services.find_escalations import Escalation
from referral.services.find_orders import OrderState
from referral.services.follow_requests import Followed
from referral.storage.course_reports import Followed as Reported
from referral.storage.faxes import Fax
from referral.storage.outbox import Message
from referral.storage.policies import CodeInUse


class Reason(StrEnum):
    """Why something stays still until a person acts."""

    ESCALATED = "escalated"
    SUGGEST_ANOTHER = "suggest-another"
    NOT_DELIVERED = "not-delivered"
    LINK_FROZEN = "link-frozen"
    NOT_REACHED = "not-reached"
    NO_BIRTH_DATE = "no-birth-date"
    QUESTION = "question"
    COLLEAGUE = "colleague"
    LEFT = "left"
    WRONG_ADDRESS = "wrong-address"
    CONFIRM = "confirm"
    REVIEW = "review"
    DECLINED = "declined"
    GIVEN_BACK = "given-back"
    EXPIRED_REQUEST = "expired-request"
    EXPIRED_ANSWER = "expired-answer"
    EXPIRING = "expiring"
    VOIDED = "voided"
    CONFLICT = "conflict"
    UNCLASSIFIED = "unclassified"
    RELEASED = "released"
    FAX = "fax"
    FAX_LATE = "fax-late"
    FAX_DIFFERS = "fax-differs"
    LATE_ANSWER = "late-answer"
    FOLLOW_UP = "follow-up"
    LATE_REPORT = "late-report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """`followed` is the request that it is about, `seat` the booking; None where it is the order itself.

    `code` is an indication that nobody has classified; `state` is then one of the orders that wait for it.

    `report` is one that a recommender should have had by now.
    """

    reason: Reason
    state: OrderState
    since: datetime
    followed: Followed | None = None
    message: Message | None = None
    seat: Seat | None = None
    code: CodeInUse | None = None
    escalation: Escalation | None = None
    fax: Fax | None = None
    report: Reported | None = None
