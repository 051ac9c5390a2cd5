"""The form of a clinic's policy: what was typed as a draft, and a policy as what stands in the form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from referral.domain.codes import ClinicianKind, Strength
from referral.domain.npi import KIND_LABEL
from referral.domain.policy import Policy
from referral.domain.policy_draft import KINDS, RULE_FIELDS, STRENGTHS, PolicyDraft, draft_of
from referral.web.form import Form
from referral.web.staff.policy_models import Option, PolicyForm

_DAYS: Final = ("validity_days", "longest_gap_days")
_SWITCHES: Final = (
    "allow_single_channel",
    "red_flags_need_director",
    "conditions_need_director",
    "allow_override",
)
_KIND_NAMES: Final = {kind: f"eligible_{kind.replace('-', '_')}" for kind in KINDS}
_STRENGTH_NAMES: Final = {strength: f"counts_{strength.replace('-', '_')}" for strength in STRENGTHS}
# Everything that the form sends and a preview carries on; the reason is asked for at the end.
NAMES: Final = (*RULE_FIELDS, *_KIND_NAMES.values(), *_DAYS, *_STRENGTH_NAMES.values(), *_SWITCHES)

_KIND_DETAIL: Final = {
    ClinicianKind.PSYCHIATRIST: "MD or DO.",
    ClinicianKind.PSYCHOLOGIST: "PhD or PsyD.",
    ClinicianKind.PRIMARY_CARE: "Family, internal or general medicine.",
}
_STRENGTH_OPTION: Final = {
    Strength.TWO_CHANNEL: Option(
        "", "Two channels", "A link to one contact, a code to another, and the patient’s date of birth."
    ),
    Strength.PAPER_TO_VERIFIED_CONTACT: Option(
        "", "Letter or fax to a checked contact", "And the patient’s date of birth."
    ),
    Strength.RECORDED_BY_STAFF: Option(
        "", "Taken down by your staff", "From a fax that came back, or from a call that was read back."
    ),
}
_SWITCH_OPTION: Final = (
    Option(
        "allow_single_channel",
        "Clinicians with one mailbox only may answer there",
        "Their answer never counts before somebody of the clinic has called them.",
    ),
    Option(
        "red_flags_need_director",
        "Red flags need the medical director",
        "For example psychosis, pregnancy or unstable heart disease, and every “don’t know”.",
    ),
    Option(
        "conditions_need_director",
        "Conditions need the medical director",
        "“Recommended, if …” waits until you have accepted the condition.",
    ),
    Option(
        "allow_override",
        "Two people may open the gate in an emergency",
        "For one order, once, within 60 minutes, with a review afterwards. Off unless you need it.",
    ),
)


def draft_from(typed: Mapping[str, str]) -> PolicyDraft:
    """What was sent; a tick box that is missing is not ticked."""
    return PolicyDraft(
        codes={name: typed.get(name, "") for name in RULE_FIELDS},
        eligible=frozenset(kind for kind, name in _KIND_NAMES.items() if typed.get(name)),
        validity_days=typed.get("validity_days", ""),
        longest_gap_days=typed.get("longest_gap_days", ""),
        counts_at_once=frozenset(s for s, name in _STRENGTH_NAMES.items() if typed.get(name)),
        allow_single_channel=bool(typed.get("allow_single_channel")),
        red_flags_need_director=bool(typed.get("red_flags_need_director")),
        conditions_need_director=bool(typed.get("conditions_need_director")),
        allow_override=bool(typed.get("allow_override")),
    )


def values_of(policy: Policy) -> dict[str, str]:
    """The form filled in with a policy."""
    draft = draft_of(policy)
    ticked = [name for kind, name in _KIND_NAMES.items() if kind in draft.eligible]
    ticked += [name for strength, name in _STRENGTH_NAMES.items() if strength in draft.counts_at_once]
    ticked += [name for name in _SWITCHES if getattr(draft, name)]
    days = {"validity_days": draft.validity_days, "longest_gap_days": draft.longest_gap_days}
    return {**draft.codes, **days, **dict.fromkeys(ticked, "yes")}


def carried(typed: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What a preview takes along so that the next step has it again."""
    return tuple((name, typed[name]) for name in NAMES if typed.get(name))


def policy_form(form: Form, stale: str = "", changed: tuple[str, ...] = ()) -> PolicyForm:
    """The page of the form; codes of other systems have fields where there are any."""
    return PolicyForm(
        form=form,
        kinds=tuple(
            Option(
                name,
                f"{KIND_LABEL[kind][:1].upper()}{KIND_LABEL[kind][1:]}",
                _KIND_DETAIL.get(kind, ""),
            )
            for kind, name in _KIND_NAMES.items()
        ),
        strengths=tuple(
            Option(name, _STRENGTH_OPTION[strength].label, _STRENGTH_OPTION[strength].detail)
            for strength, name in _STRENGTH_NAMES.items()
        ),
        switches=_SWITCH_OPTION,
        show_other=any(form.value(name) or form.error(name) for name in ("other_mental", "other_pain")),
        stale=stale,
        changed=changed,
    )
