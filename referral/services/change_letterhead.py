"""The administrator changes how the clinic's letters look; letters that are drawn stay as they are."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import InvalidInput, Issue, NotFound, StaleVersion, Unavailable
from referral.domain.letterhead_draft import LetterheadDraft, changes, check
from referral.letters import fonts
from referral.letters.content import Letterhead, accent_problem
from referral.letters.logo import accept_logo
from referral.services.find_letterhead import as_values
from referral.services.letter_content import logo_of
from referral.storage import clinics, letterheads
from referral.storage.audit import record
from referral.storage.db import Session, hold
from referral.storage.letterheads import LetterheadVersion, StoredLogo

# A logo that was looked at and not saved stays so long, for somebody who comes back to the preview.
_UNUSED: Final = timedelta(days=1)
# Each takes a second or two and holds the connection of its request meanwhile.
_FEW_AT_A_TIME: Final = threading.BoundedSemaphore(2)


def keep_logo(session: Session, actor: Actor, content: bytes) -> str:
    """Check, clean and draw an uploaded file; returns its name in a draft. Raises InvalidInput on `logo`."""
    if not _FEW_AT_A_TIME.acquire(timeout=1):
        raise Unavailable("Another logo is being looked at. Please try again in a moment.")
    try:
        made = accept_logo(content)
    finally:
        _FEW_AT_A_TIME.release()
    kept = StoredLogo(**{name: getattr(made, name) for name in StoredLogo.__slots__})
    letterheads.add_logo(session, kept, actor.id)
    return made.digest


def drafted(session: Session, draft: LetterheadDraft, logo: str) -> Letterhead:
    """The letterhead that a draft would make; `logo` is a digest, empty for none.

    Raises InvalidInput with everything that is wrong, by field.
    """
    issues: list[Issue] = []
    try:
        check(draft)
    except InvalidInput as error:
        issues += error.issues
    texts = draft.settled()
    if problem := accent_problem(texts["accent"]):
        issues.append(Issue(problem, ("accent",), "value"))
    installed = fonts.install()
    for name, text in {**texts, "address": draft.address}.items():
        if installed.uncovered(text.replace("\r", "")):
            what = "A character of this cannot be printed; the fonts of letters do not have it."
            issues.append(Issue(what, (name,), "value"))
    try:
        picture = logo_of(letterheads.get_logo(session, logo)) if logo else None
    except NotFound:
        issues.append(Issue("Choose the logo again; this one was not kept.", ("logo",), "value"))
    if issues:
        raise InvalidInput(*issues)
    values = {**draft.body(), "address_lines": tuple(draft.body()["address_lines"])}  # type: ignore[arg-type]
    return Letterhead(clinic_name=texts["clinic_name"], logo=picture, **values)  # type: ignore[arg-type]


def change_letterhead(
    session: Session, actor: Actor, draft: LetterheadDraft, logo: str, *, based_on: int, now: datetime
) -> int:
    """Put the next version in force; returns its number.

    `based_on` is the version that the form was made from: StaleVersion when there is a newer one.
    InvalidInput as for `drafted`, and where nothing is different.
    """
    drafted(session, draft, logo)
    hold(session, "letterhead")
    before = letterheads.newest_version(session)
    if before != based_on:
        raise StaleVersion("Somebody else has changed the letterhead meanwhile; this is what it says now.")
    new = LetterheadVersion(
        version=before + 1,
        name=draft.settled()["clinic_name"],
        body=dict(draft.body()),
        logo=logo or None,
        created_by=actor.id,
        created_at=now,
    )
    clinic = clinics.current(session)
    changed = changes(as_values(clinic.name, clinic.letterhead), as_values(new.name, new.body, new.logo))
    if not changed:
        raise InvalidInput(Issue("Nothing is different from the letterhead in force.", ("clinic_name",)))
    letterheads.add_version(session, new)
    letterheads.forget_unused_logos(session, now - _UNUSED)
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype="letterhead-change",
        detail={"version": new.version, "changed": len(changed)},
    )
    record(session, actor, entry)
    return new.version
