"""All tables. The clinic is in every key; row-level security and grants are in the migrations."""

from __future__ import annotations

from referral.storage.tables.audit import audit_chain, audit_event
from referral.storage.tables.bookings import booking, chair
from referral.storage.tables.calendars import closure, replanning
from referral.storage.tables.calls import call_task
from referral.storage.tables.cds import cds_card, cds_client, cds_feedback, cds_token
from referral.storage.tables.clients import api_assertion, api_client, api_token
from referral.storage.tables.clinic import (
    clinic,
    indication_rule,
    kept_form,
    policy_rollout,
    policy_version,
    staff_session,
    staff_user,
)
from referral.storage.tables.columns import metadata
from referral.storage.tables.conversations import conversation_turn, late_answer
from referral.storage.tables.course import (
    course_decision,
    course_dose,
    course_effect,
    course_end,
    course_medicine,
    course_plan,
    course_session,
    course_vital,
)
from referral.storage.tables.course_reports import course_report
from referral.storage.tables.exports import bulk_export, bulk_export_part, bulk_export_patient
from referral.storage.tables.faxes import incoming_fax
from referral.storage.tables.follow_ups import follow_up
from referral.storage.tables.gate_facts import (
    consultation,
    gate,
    infusion_order,
    order_indication,
    recommendation,
    recommendation_confirmation,
    recommendation_review,
    recommendation_void,
    treatment_start,
)
from referral.storage.tables.letterhead import letterhead_logo, letterhead_version, sealed_record
from referral.storage.tables.life import conflict_decision
from referral.storage.tables.on_call import on_call_contact, safety_call
from referral.storage.tables.operation import operating_mode, safety_event
from referral.storage.tables.override import override_decision, override_request, override_review
from referral.storage.tables.paper import print_batch, print_item
from referral.storage.tables.patients import consent_decision, patient_link, patient_visit
from referral.storage.tables.people import clinician, contact, patient
from referral.storage.tables.portal import portal_credential, portal_session, portal_throttle
from referral.storage.tables.providers import provider
from referral.storage.tables.records import resource, resource_history, search_entry
from referral.storage.tables.register import npi_import, npi_key, npi_record, search_key
from referral.storage.tables.reports import provider_event, provider_poll
from referral.storage.tables.requests import document, message, referral, referral_event, request_number
from referral.storage.tables.returned_mail import returned_mail
from referral.storage.tables.scales import safety_task, scale_request, scale_score
from referral.storage.tables.subscriptions import subscription, subscription_event

__all__ = [
    "api_assertion",
    "api_client",
    "api_token",
    "audit_chain",
    "audit_event",
    "booking",
    "bulk_export",
    "bulk_export_part",
    "bulk_export_patient",
    "call_task",
    "cds_card",
    "cds_client",
    "cds_feedback",
    "cds_token",
    "chair",
    "clinic",
    "clinician",
    "closure",
    "conflict_decision",
    "consent_decision",
    "consultation",
    "contact",
    "conversation_turn",
    "course_decision",
    "course_dose",
    "course_effect",
    "course_end",
    "course_medicine",
    "course_plan",
    "course_report",
    "course_session",
    "course_vital",
    "document",
    "follow_up",
    "gate",
    "incoming_fax",
    "indication_rule",
    "infusion_order",
    "kept_form",
    "late_answer",
    "letterhead_logo",
    "letterhead_version",
    "message",
    "metadata",
    "npi_import",
    "npi_key",
    "npi_record",
    "on_call_contact",
    "operating_mode",
    "order_indication",
    "override_decision",
    "override_request",
    "override_review",
    "patient",
    "patient_link",
    "patient_visit",
    "policy_rollout",
    "policy_version",
    "portal_credential",
    "portal_session",
    "portal_throttle",
    "print_batch",
    "print_item",
    "provider",
    "provider_event",
    "provider_poll",
    "recommendation",
    "recommendation_confirmation",
    "recommendation_review",
    "recommendation_void",
    "referral",
    "referral_event",
    "replanning",
    "request_number",
    "resource",
    "resource_history",
    "returned_mail",
    "safety_call",
    "safety_event",
    "safety_task",
    "scale_request",
    "scale_score",
    "sealed_record",
    "search_entry",
    "search_key",
    "staff_session",
    "staff_user",
    "subscription",
    "subscription_event",
    "treatment_start",
]
