"""Clinics and the versions of their policies."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, func, insert, select, update

from referral.domain.codes import ClinicianKind, Strength
from referral.domain.errors import NotFound
from referral.domain.ladder_draft import from_data, to_data
from referral.domain.policy import IndicationClass, IndicationRule, Policy
from referral.domain.reminders import Ladder
from referral.storage import letterheads
from referral.storage.db import Session
from referral.storage.letterheads import StoredLogo
from referral.storage.tables import clinic, indication_rule, policy_version


@dataclass(frozen=True, slots=True, kw_only=True)
class Clinic:
    """`letterhead` and `settings` are plain data; `wrapped_key` and `seal_key` are encrypted.

    `logo` is there for the clinic of the transaction only.
    """

    id: str
    slug: str
    name: str
    time_zone: str
    letterhead: dict[str, Any]
    settings: dict[str, Any]
    wrapped_key: bytes
    seal_key: bytes
    logo: StoredLogo | None = None


def add(session: Session, new: Clinic, policy: Policy, ladder: Ladder, now: datetime) -> None:
    """A clinic starts with its first policy: without one its gate would be closed for everything."""
    session.enter_clinic(new.id)
    session.connection.execute(
        insert(clinic),
        {
            "clinic_id": new.id,
            "slug": new.slug,
            "name": new.name,
            "time_zone": new.time_zone,
            "letterhead": new.letterhead,
            "settings": new.settings,
            "wrapped_key": new.wrapped_key,
            "seal_key": new.seal_key,
            "created_at": now,
        },
    )
    add_policy(session, policy, ladder, created_by="system")


# What a clinic is made of, for those who read it together with something else.
COLUMNS: Final = (
    *("clinic_id", "slug", "name", "time_zone"),
    *("letterhead", "settings", "wrapped_key", "seal_key"),
)


def keep(session: Session, values: Mapping[str, Any]) -> None:
    """This transaction has read its clinic's COLUMNS already, with something else."""
    session.kept.setdefault(("clinic", session.clinic), _from_columns(values))


def _from_columns(values: Mapping[str, Any]) -> Clinic:
    rest = {name: values[name] for name in COLUMNS[1:]}
    return Clinic(id=str(values["clinic_id"]), **rest)


def _to_clinic(row: Any) -> Clinic:
    return _from_columns({name: getattr(row, name) for name in COLUMNS})


def current(session: Session) -> Clinic:
    """The clinic of this transaction, with its logo."""
    found = get(session, session.clinic)
    digest = found.letterhead.get("logo")
    if digest and found.logo is None:
        found = replace(found, logo=letterheads.get_logo(session, digest))
        session.kept["clinic", session.clinic] = found
    return found


def change_settings(session: Session, **values: Any) -> None:
    """Write some settings of this transaction's clinic; the others stay as they are."""
    session.connection.execute(
        update(clinic)
        .where(clinic.c.clinic_id == session.clinic)
        .values(settings=clinic.c.settings.concat(values))
    )
    session.kept.pop(("clinic", session.clinic), None)


_ONE: Final = select(clinic).where(clinic.c.clinic_id == bindparam("clinic_id"))
_NEWEST: Final = select(func.max(policy_version.c.version)).where(
    policy_version.c.clinic_id == bindparam("clinic_id")
)


def get(session: Session, clinic_id: str) -> Clinic:
    """Any clinic, entered or not; raises NotFound for an unknown id."""
    kept: Clinic | None = session.kept.get(("clinic", clinic_id))
    if kept is not None:
        return kept
    row = session.connection.execute(_ONE, {"clinic_id": clinic_id}).one_or_none()
    if row is None:
        raise NotFound("There is no such clinic.")
    found = session.kept["clinic", clinic_id] = _to_clinic(row)
    return found


_SLUGS: Final[dict[str, str]] = {}


def slug_of(session: Session) -> str:
    """The name of this transaction's clinic in addresses; it never changes, so it is read once a process."""
    found = _SLUGS.get(session.clinic)
    if found is None:
        found = _SLUGS[session.clinic] = current(session).slug
    return found


def every(session: Session) -> list[Clinic]:
    """All clinics, oldest first; needs no clinic to have been entered."""
    rows = session.connection.execute(select(clinic).order_by(clinic.c.created_at, clinic.c.clinic_id))
    return [_to_clinic(row) for row in rows]


def find_by_slug(session: Session, slug: str) -> Clinic | None:
    """For commands, which know a clinic by its slug; None where there is none."""
    row = session.connection.execute(select(clinic).where(clinic.c.slug == slug)).one_or_none()
    return _to_clinic(row) if row else None


def add_policy(session: Session, policy: Policy, ladder: Ladder, created_by: str, reason: str = "") -> int:
    """Store the next version; returns its number. Older versions stay readable."""
    last = session.connection.scalar(_NEWEST, {"clinic_id": session.clinic})
    version = int(last or 0) + 1
    session.connection.execute(
        insert(policy_version),
        {
            "clinic_id": session.clinic,
            "version": version,
            "eligible": sorted(policy.eligible),
            "validity_days": policy.validity.days,
            "counts_at_once": sorted(policy.counts_at_once),
            "allow_single_channel": policy.allow_single_channel,
            "red_flags_need_director": policy.red_flags_need_director,
            "conditions_need_director": policy.conditions_need_director,
            "allow_override": policy.allow_override,
            "longest_gap_days": policy.longest_gap.days,
            "reason": reason,
            "ladder": to_data(ladder),
            "created_by": created_by,
        },
    )
    session.connection.execute(
        insert(indication_rule),
        [
            {
                "clinic_id": session.clinic,
                "version": version,
                "system": rule.system,
                "prefix": rule.prefix,
                "indication_class": rule.indication_class,
            }
            for rule in policy.rules
        ],
    )
    return version


# A version never changes, so a process may keep it; the number is read each time.
_KEPT: dict[tuple[str, int], tuple[Policy, Ladder]] = {}


def policy_in_force(session: Session) -> tuple[Policy, Ladder]:
    """The newest version. Raises NotFound where a clinic has none (its gate is closed then)."""
    version = session.connection.scalar(_NEWEST, {"clinic_id": session.clinic})
    if version is None:
        raise NotFound("This clinic has no policy.")
    return policy_of(session, int(version))


def kept_policy(clinic_id: str, version: int) -> Policy | None:
    """A version that this process has read before; spares the hot gate read a query."""
    found = _KEPT.get((clinic_id, version))
    return found[0] if found else None


def policy_of(session: Session, version: int) -> tuple[Policy, Ladder]:
    """A version never changes, so each is read once per process."""
    key = (session.clinic, version)
    if key in _KEPT:
        return _KEPT[key]
    found, settled = _load(session, version)
    if settled:
        _KEPT[key] = found
    return found


def _load(session: Session, version: int) -> tuple[tuple[Policy, Ladder], bool]:
    """The version, and whether it is there for good: one of this transaction may still be rolled back.

    The database dates each version with the time of its transaction (trigger check_policy_version).
    """
    of_version = (policy_version.c.clinic_id == session.clinic, policy_version.c.version == version)
    settled = (policy_version.c.created_at < func.now()).label("settled")
    row = session.connection.execute(select(policy_version, settled).where(*of_version)).one()
    rules = session.connection.execute(
        select(indication_rule.c.system, indication_rule.c.prefix, indication_rule.c.indication_class).where(
            indication_rule.c.clinic_id == session.clinic, indication_rule.c.version == version
        )
    )
    policy = Policy(
        version=version,
        rules=tuple(IndicationRule(r.system, r.prefix, IndicationClass(r.indication_class)) for r in rules),
        eligible=frozenset(ClinicianKind(kind) for kind in row.eligible),
        validity=timedelta(days=row.validity_days),
        counts_at_once=frozenset(Strength(strength) for strength in row.counts_at_once),
        allow_single_channel=row.allow_single_channel,
        red_flags_need_director=row.red_flags_need_director,
        conditions_need_director=row.conditions_need_director,
        allow_override=row.allow_override,
        longest_gap=timedelta(days=row.longest_gap_days),
    )
    return (policy, from_data(row.ladder)), bool(row.settled)


def new_clinic_id() -> str:
    """A random UUID."""
    return str(uuid.uuid4())
