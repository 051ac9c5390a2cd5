"""Whoever has the mailbox and not the chart does not get more tries by asking for more links."""

from __future__ import annotations

from datetime import date, timedelta

from referral.domain.codes import Channel
from referral.domain.outgoing import MessageKind
from tests.database import ClinicFixture
from tests.web.portal_case import make_case

WRONG = date(1984, 1, 1)


def test_wrong_dates_over_several_links_end_the_fresh_ones(clinic: ClinicFixture) -> None:
    case = make_case(clinic)
    with case.browser() as browser:
        for wanted in (1, 2):
            minted = case.link(Channel.FAX)
            browser.open(minted)
            for day in range(4):
                browser.give_birth_date(WRONG + timedelta(days=day))
            browser.post("/request/fresh-link", {"selector": minted.selector})
            assert len(case.messages(MessageKind.FRESH_LINK)) == wanted
        minted = case.link(Channel.FAX)
        browser.open(minted)
        browser.give_birth_date(WRONG)
        browser.give_birth_date(WRONG)
        assert case.credential(minted).frozen_at is None
        browser.post("/request/fresh-link", {"selector": minted.selector})
    assert len(case.messages(MessageKind.FRESH_LINK)) == 2
