"""Who may do what. Deny by default: a route without a policy fails the guard test."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from referral.domain.codes import Role


class Permission(StrEnum):
    """What a route asks for."""

    SEE_WORK = "see-work"
    ASK = "ask"
    BOOK = "book"
    PRINT = "print"
    SEE_ANSWER = "see-answer"
    SEE_DOCUMENT = "see-document"
    RECORD_CONSULTATION = "record-consultation"
    START_TREATMENT = "start-treatment"
    REVIEW = "review"
    ASK_OVERRIDE = "ask-override"
    DECIDE_OVERRIDE = "decide-override"
    VOID = "void"
    MANAGE_DIRECTORY = "manage-directory"
    MANAGE_ACCOUNTS = "manage-accounts"
    SEE_AUDIT = "see-audit"
    SEE_DISCLOSURES = "see-disclosures"
    SEE_POLICY = "see-policy"
    CHANGE_POLICY = "change-policy"
    CHANGE_LETTERHEAD = "change-letterhead"
    REOPEN = "reopen"
    SIGNED_IN = "signed-in"


_FRONT_DESK: Final = frozenset(
    {
        Permission.SIGNED_IN,
        Permission.SEE_WORK,
        Permission.ASK,
        Permission.BOOK,
        Permission.PRINT,
        Permission.SEE_DOCUMENT,
        Permission.MANAGE_DIRECTORY,
        Permission.VOID,
        Permission.SEE_POLICY,
        Permission.SEE_DISCLOSURES,
    }
)
_CLINICIAN: Final = _FRONT_DESK | {
    Permission.SEE_ANSWER,
    Permission.RECORD_CONSULTATION,
    Permission.START_TREATMENT,
    Permission.ASK_OVERRIDE,
}

# Policy says nothing about a patient, so everybody may read it.
# The front desk reads no narrative, the administrator no patient data, the auditor only the audit
# and what it says a patient may ask for: the accounting of disclosures.
GRANTS: Final = {
    Role.FRONT_DESK: _FRONT_DESK,
    Role.CLINICIAN: _CLINICIAN,
    Role.MEDICAL_DIRECTOR: _CLINICIAN
    | {
        Permission.REVIEW,
        Permission.DECIDE_OVERRIDE,
        Permission.SEE_AUDIT,
        Permission.CHANGE_POLICY,
        Permission.REOPEN,
    },
    Role.ADMIN: frozenset(
        {
            *(Permission.SIGNED_IN, Permission.MANAGE_ACCOUNTS, Permission.SEE_POLICY, Permission.REOPEN),
            Permission.CHANGE_LETTERHEAD,
        }
    ),
    Role.AUDITOR: frozenset(
        {Permission.SIGNED_IN, Permission.SEE_AUDIT, Permission.SEE_DISCLOSURES, Permission.SEE_POLICY}
    ),
}


def may(role: Role | None, permission: Permission) -> bool:
    """Nobody signed in (None) may do nothing."""
    return role is not None and permission in GRANTS[role]
