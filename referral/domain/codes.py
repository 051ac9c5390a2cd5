"""FHIR code sets that rules use; values are the wire codes."""

from __future__ import annotations

from enum import StrEnum


class RequestStatus(StrEnum):
    """ServiceRequest.status: authorisation, which is the requester's."""

    DRAFT = "draft"
    ACTIVE = "active"
    ON_HOLD = "on-hold"
    REVOKED = "revoked"
    COMPLETED = "completed"
    ENTERED_IN_ERROR = "entered-in-error"


class TaskStatus(StrEnum):
    """Task.status: execution, which is the addressed clinician's. `received` means identity was proven."""

    DRAFT = "draft"
    REQUESTED = "requested"
    RECEIVED = "received"
    ACCEPTED = "accepted"
    IN_PROGRESS = "in-progress"
    ON_HOLD = "on-hold"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    FAILED = "failed"
    COMPLETED = "completed"
    ENTERED_IN_ERROR = "entered-in-error"


class BusinessStatus(StrEnum):
    """Task.businessStatus, local code system task-business-status."""

    AWAITING_CONSENT = "awaiting-consent"
    SENT = "sent"
    DELIVERY_FAILED = "delivery-failed"
    VIEWED = "viewed"
    AWAITING_INFORMATION = "awaiting-information"
    RECOMMENDED = "recommended"
    RECOMMENDED_WITH_CONDITIONS = "recommended-with-conditions"
    NOT_RECOMMENDED = "not-recommended"
    EXPIRED = "expired"
    LAPSED = "lapsed"


class Decision(StrEnum):
    """What the clinician says, local code system decision."""

    RECOMMENDED = "recommended"
    RECOMMENDED_WITH_CONDITIONS = "recommended-with-conditions"
    NOT_RECOMMENDED = "not-recommended"
    NEEDS_INFORMATION = "needs-information"
    NOT_MY_PATIENT = "not-my-patient"


POSITIVE = frozenset({Decision.RECOMMENDED, Decision.RECOMMENDED_WITH_CONDITIONS})


class ClinicianKind(StrEnum):
    """Kinds of outside clinician that a policy tells apart."""

    PSYCHIATRIST = "psychiatrist"
    PSYCHOLOGIST = "psychologist"
    PRIMARY_CARE = "primary-care"
    NURSE_PRACTITIONER = "nurse-practitioner"
    PHYSICIAN_ASSISTANT = "physician-assistant"
    SOCIAL_WORKER = "social-worker"
    OTHER = "other"


class Strength(StrEnum):
    """How well the identity of the answering person was established (weakest first)."""

    SINGLE_CHANNEL = "single-channel"
    RECORDED_BY_STAFF = "recorded-by-staff"
    PAPER_TO_VERIFIED_CONTACT = "paper-to-verified-contact"
    TWO_CHANNEL = "two-channel"


class Requirement(StrEnum):
    """What a clinic requires before an infusion, local code system gate-requirement."""

    INITIAL_CONSULTATION = "initial-consultation"
    RECOMMENDATION = "recommendation"


class Verdict(StrEnum):
    """The state of the recommendation requirement of one order."""

    NOT_REQUIRED = "not-required"
    NOT_REQUESTED = "not-requested"
    REQUESTED = "requested"
    ANSWERED_NEEDS_REVIEW = "answered-needs-review"
    SATISFIED = "satisfied"
    SATISFIED_WITH_CONDITIONS = "satisfied-with-conditions"
    DECLINED = "declined"
    EXPIRED = "expired"
    VOIDED = "voided"
    UNCLASSIFIED = "unclassified"
    OVERRIDDEN = "overridden"


class OverrideReason(StrEnum):
    """Why emergency access is asked for, local code system gate-override."""

    PAPER_ON_FILE = "paper-recommendation-on-file"
    PAIN_ONLY = "pain-indication-only"
    EMERGENCY = "emergency-clinician-decision"


class Channel(StrEnum):
    """How a message travels."""

    EMAIL = "email"
    FAX = "fax"
    SMS = "sms"
    POST = "post"
    PHONE = "phone"


class Role(StrEnum):
    """Staff roles; each may do what `web/policy.py` grants it and nothing else."""

    FRONT_DESK = "front-desk"
    CLINICIAN = "clinician"
    MEDICAL_DIRECTOR = "medical-director"
    ADMIN = "admin"
    AUDITOR = "auditor"


class ClientKind(StrEnum):
    """What a system that talks to /fhir is for.

    `record-system` does what the front desk can, `referrals` follows requests, `reader` only reads.
    """

    RECORD_SYSTEM = "record-system"
    REFERRALS = "referrals"
    READER = "reader"
