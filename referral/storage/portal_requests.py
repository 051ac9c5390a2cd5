"""What the portal's pages say about a request, read in one statement: each of them is opened on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from sqlalchemy import and_, bindparam, exists, func, select
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from referral.domain.codes import ClinicianKind
from referral.domain.language import Language
from referral.domain.policy import Indication
from referral.domain.records import Order, Patient, Referral
from referral.storage import clinics, credentials, referrals, tables
from referral.storage.credentials import Credential
from referral.storage.db import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who was asked: what a signature begins with, and how days and texts are written for them.

    `kind`, `time_zone` and `language` are as in records.Clinician.
    """

    name: str
    credentials: str
    npi: str | None
    kind: ClinicianKind
    time_zone: str
    address: tuple[str, ...]
    language: Language | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalRequest:
    """A link with the request that it is about. Nothing of it was shown to anybody by being read.

    `letter_id` is the letter that this link came with. `has_turns`: something was said about the request.
    """

    credential: Credential
    referral: Referral
    asked: Asked
    patient: Patient
    order: Order
    letter_id: str | None
    has_turns: bool


_LINK: Final = tables.portal_credential
_REQUEST: Final = tables.referral
_ASKED: Final = tables.clinician
_PATIENT: Final = tables.patient
_ORDER: Final = tables.infusion_order
_MESSAGE: Final = tables.message
_INDICATION: Final = tables.order_indication
_TURN: Final = tables.conversation_turn

_ASKED_FIELDS: Final = tuple(Asked.__slots__)
_PATIENT_FIELDS: Final = tuple(Patient.__slots__)
_ORDER_FIELDS: Final = ("id", "patient_id", "status", "planned_sessions", "first_infusion_on", "created_at")
_INDICATIONS: Final = (
    select(
        func.jsonb_agg(
            aggregate_order_by(
                func.jsonb_build_array(_INDICATION.c.system, _INDICATION.c.code, _INDICATION.c.display),
                _INDICATION.c.position,
            ),
            type_=JSONB,
        )
    )
    .where(_INDICATION.c.clinic_id == _ORDER.c.clinic_id, _INDICATION.c.order_id == _ORDER.c.id)
    .scalar_subquery()
)
_HAS_TURNS: Final = exists().where(
    _TURN.c.clinic_id == _REQUEST.c.clinic_id, _TURN.c.referral_id == _REQUEST.c.id
)
_PARTS: Final = (
    (_LINK, credentials.FIELDS),
    (_REQUEST, referrals.FIELDS),
    (_ASKED, _ASKED_FIELDS),
    (_PATIENT, _PATIENT_FIELDS),
    (_ORDER, _ORDER_FIELDS),
    (tables.clinic, clinics.COLUMNS),
)
_READ: Final = (
    select(
        *(table.c[name] for table, names in _PARTS for name in names),
        _INDICATIONS,
        _MESSAGE.c.letter_id,
        _HAS_TURNS,
    )
    .select_from(_LINK)
    .join(_REQUEST, and_(_REQUEST.c.clinic_id == _LINK.c.clinic_id, _REQUEST.c.id == _LINK.c.referral_id))
    .join(_ASKED, and_(_ASKED.c.clinic_id == _LINK.c.clinic_id, _ASKED.c.id == _REQUEST.c.clinician_id))
    .join(_PATIENT, and_(_PATIENT.c.clinic_id == _LINK.c.clinic_id, _PATIENT.c.id == _REQUEST.c.patient_id))
    .join(_ORDER, and_(_ORDER.c.clinic_id == _LINK.c.clinic_id, _ORDER.c.id == _REQUEST.c.order_id))
    .join(tables.clinic, tables.clinic.c.clinic_id == _LINK.c.clinic_id)
    .outerjoin(_MESSAGE, and_(_MESSAGE.c.clinic_id == _LINK.c.clinic_id, _MESSAGE.c.id == _LINK.c.message_id))
    .where(_LINK.c.clinic_id == bindparam("clinic"), _LINK.c.selector == bindparam("link"))
)


def find_request(session: Session, selector: str) -> PortalRequest | None:
    """Whatever the state of the link is; None where there is none in this clinic.

    The transaction keeps the clinic: who asks is said on every page.
    """
    given = {"clinic": session.clinic, "link": selector}
    row = session.connection.execute(_READ, given).one_or_none()
    if row is None:
        return None
    values: Iterator[Any] = iter(row)
    link, request, asked, patient, order, clinic = (
        dict(zip(names, islice(values, len(names)), strict=True)) for _, names in _PARTS
    )
    clinics.keep(session, clinic)
    indications, letter_id, has_turns = values
    return PortalRequest(
        credential=credentials.to_credential(link.values()),
        referral=referrals.to_referral(request.values()),
        asked=_to_asked(asked),
        patient=Patient(**patient | {"address": tuple(patient["address"])}),
        order=Order(**order, indications=tuple(Indication(*parts) for parts in indications or ())),
        letter_id=letter_id,
        has_turns=has_turns,
    )


def _to_asked(values: dict[str, Any]) -> Asked:
    language = values["language"]
    return Asked(
        **values
        | {
            "kind": ClinicianKind(values["kind"]),
            "address": tuple(values["address"]),
            "language": Language(language) if language else None,
        }
    )
