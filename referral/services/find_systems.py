"""The list of connected systems."""

from __future__ import annotations

from datetime import datetime

from referral.domain.audit import Actor
from referral.domain.listing import Page, View
from referral.services.note_shown import note_shown
from referral.storage.api_clients import ApiClient
from referral.storage.db import Session
from referral.storage.lists import plain


def find_systems(session: Session, actor: Actor, view: View, now: datetime) -> Page[ApiClient]:
    """A page names no patient and leaves no audit row; a file of it does."""
    page = plain.systems(session, view, now)
    if view.export:
        note_shown(session, actor, view.noted("systems"), (), list="systems", rows=len(page.rows))
    return page
