"""Who may do what. Deny by default: a route without a policy fails the guard test."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from referral.domain.codes import Role


class Permission(StrEnum):
    """What a route asks for."""

    SEE_WORK = "see-work"
    ASK = "ask"
    SEE_ANSWER = "see-answer"
    SEE_DOCUMENT = "see-document"
    RECORD_CONSULTATION = "record-consultation"
    START_TREATMENT = "start-treatment"
    REVIEW = "review"
    VOID = "void"
    MANAGE_DIRECTORY = "manage-directory"
    MANAGE_ACCOUNTS = "manage-accounts"
    SEE_AUDIT = "see-audit"
    SIGNED_IN = "signed-in"


_FRONT_DESK: Final = frozenset(
    {
        Permission.SIGNED_IN,
        Permission.SEE_WORK,
        Permission.ASK,
        Permission.SEE_DOCUMENT,
        Permission.MANAGE_DIRECTORY,
        Permission.VOID,
    }
)
_CLINICIAN: Final = _FRONT_DESK | {
    Permission.SEE_ANSWER,
    Permission.RECORD_CONSULTATION,
    Permission.START_TREATMENT,
}

# The front desk reads no narrative, the administrator no patient data, the auditor only the audit.
GRANTS: Final = {
    Role.FRONT_DESK: _FRONT_DESK,
    Role.CLINICIAN: _CLINICIAN,
    Role.MEDICAL_DIRECTOR: _CLINICIAN | {Permission.REVIEW, Permission.SEE_AUDIT},
    Role.ADMIN: frozenset({Permission.SIGNED_IN, Permission.MANAGE_ACCOUNTS}),
    Role.AUDITOR: frozenset({Permission.SIGNED_IN, Permission.SEE_AUDIT}),
}


def may(role: Role | None, permission: Permission) -> bool:
    """Nobody signed in (None) may do nothing."""
    return role is not None and permission in GRANTS[role]
