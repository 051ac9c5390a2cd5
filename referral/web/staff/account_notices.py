"""What a step on an account answers with."""

from __future__ import annotations

from typing import Final

from referral.web.staff.models import Notice

ACCOUNT_NOTICES: Final = {
    "password-changed": Notice("open", "The password is changed", "Your other sessions have ended."),
    "factor-off": Notice(
        "waiting", "The second factor is off", "From now on the password alone lets you in."
    ),
    "session-ended": Notice("open", "The session has ended"),
    "sessions-ended": Notice("open", "The sessions have ended"),
    "role-changed": Notice("open", "The role is changed", "It holds with the next click."),
    "user-disabled": Notice("open", "The account is disabled", "Every session of it has ended."),
    "user-enabled": Notice("open", "The account is enabled again"),
    "factor-reset": Notice(
        "open", "The second factor is reset", "Every session has ended; the password alone lets them in now."
    ),
    "rules-saved": Notice("open", "The rules are saved"),
}
