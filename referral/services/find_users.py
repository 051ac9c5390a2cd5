"""The list of the clinic's people."""

from __future__ import annotations

from datetime import datetime

from referral.domain.audit import Actor
from referral.domain.listing import Page, View
from referral.services.note_shown import note_shown
from referral.storage.accounts import StaffUser
from referral.storage.db import Session
from referral.storage.lists import users


def find_users(session: Session, actor: Actor, view: View, now: datetime) -> Page[StaffUser]:
    """A page names no patient and leaves no audit row; a file of it does."""
    page = users.listed(session, view, now)
    if view.export:
        note_shown(session, actor, view.noted("users"), (), list="users", rows=len(page.rows))
    return page
