"""A clinic's letterhead as pages show it, and what a form about it carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from referral.domain.letterhead_draft import LIMITS, LetterheadDraft
from referral.services.find_letterhead import LetterheadStep, LetterheadView
from referral.storage.clinics import Clinic
from referral.web.form import Form
from referral.web.staff.clock import Clock
from referral.web.staff.letterhead_models import (
    LetterheadForm,
    LetterheadPage,
    LetterheadPreview,
    LetterheadStepRow,
    Look,
)
from referral.web.staff.models import Fact

# Everything that the form sends and a preview carries on; a chosen file has become the digest of its logo.
NAMES: Final = (*LIMITS, "accent", "address", "logo")
_LOOKS: Final = {"screen": "As a PDF and on paper", "fax": "As it arrives by fax"}


def draft_from(typed: Mapping[str, str]) -> LetterheadDraft:
    """What was typed."""
    names = (*LIMITS, "accent")
    return LetterheadDraft({name: typed.get(name, "") for name in names}, typed.get("address", ""))


def values_of(clinic: Clinic) -> dict[str, str]:
    """The form filled in with the letterhead in force."""
    body: Mapping[str, Any] = clinic.letterhead
    texts = {name: str(body.get(name, "")) for name in (*LIMITS, "accent")}
    address = "\n".join(body["address_lines"])
    return {**texts, "clinic_name": clinic.name, "address": address, "logo": body.get("logo", "")}


def letterhead_page(view: LetterheadView, clock: Clock, *, may_change: bool) -> LetterheadPage:
    """As it is in force, with its history."""
    values = values_of(view.clinic)
    return LetterheadPage(
        version=view.version,
        facts=(
            Fact("Name on letters", values["clinic_name"]),
            Fact("Line below the name", values["tagline"] or "None"),
            Fact("Neutral sender’s name", values["neutral_name"]),
            Fact("Address", ", ".join(view.clinic.letterhead["address_lines"]) or "None"),
            Fact("Telephone", values["telephone"] or "None"),
            Fact("Fax", values["fax"] or "None"),
            Fact("Website", values["website"] or "None"),
            Fact(
                "Signed by",
                ", ".join(filter(None, (values["signer_name"], values["signer_title"]))) or "None",
            ),
            Fact("Color", values["accent"]),
        ),
        accent=values["accent"],
        logo=logo_path(values["logo"]),
        picture="/settings/letters/request.png",
        pdf="/settings/letters/request.pdf",
        history=tuple(_step(step, clock) for step in view.history),
        edit="/settings/letterhead/edit" if may_change else "",
    )


def _step(step: LetterheadStep, clock: Clock) -> LetterheadStepRow:
    made = step.made
    by = step.by or ("Set up with the clinic" if made.version == 1 else "The system")
    return LetterheadStepRow(made.version, clock.moment(made.created_at), by, step.changed)


def logo_path(digest: str) -> str:
    """Where the picture of a logo is; empty for none."""
    return f"/settings/letterhead/logos/{digest}" if digest else ""


def letterhead_form(form: Form, stale: str = "", changed: tuple[str, ...] = ()) -> LetterheadForm:
    """The page of the form."""
    return LetterheadForm(form, logo_path(form.value("logo")), stale, changed)


def letterhead_preview(form: Form, changed: tuple[str, ...]) -> LetterheadPreview:
    """What would change, and a letter that looks like it."""
    hidden = tuple((name, form.value(name)) for name in NAMES if form.value(name))

    def look(style: str, ending: str) -> str:
        return f"/settings/letterhead/look.{ending}?{urlencode([*hidden, ('style', style)])}"

    looks = tuple(Look(label, look(style, "png"), look(style, "pdf")) for style, label in _LOOKS.items())
    return LetterheadPreview(form, hidden, changed, looks)
