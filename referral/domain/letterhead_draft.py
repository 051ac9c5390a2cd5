"""What somebody typed for a clinic's letterhead, checked: which texts there are and how long each may be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from referral.domain.errors import InvalidInput, Issue

# What does not fit is refused here, before a letter would refuse it (letters/content.py).
LIMITS: Final = {
    "clinic_name": 60,
    "neutral_name": 60,
    "tagline": 80,
    "telephone": 30,
    "fax": 30,
    "website": 60,
    "signer_name": 120,
    "signer_title": 120,
}
_NEEDED: Final = {
    "clinic_name": "Write the clinic’s name as its letters show it.",
    "neutral_name": "Write a sender’s name for e-mails, text messages, fax covers and envelopes.",
    "telephone": "Write the telephone number that clinicians can call.",
    "signer_name": "Write who signs the letters.",
}
ADDRESS_LINES: Final = 3
_ADDRESS_LINE: Final = 44
# Words by which anybody who sees an envelope or a telephone's screen learns what the clinic treats.
_TELLING: Final = re.compile(r"(?i)ketamin|infusion|psych|depress|anxiety|ptsd|mental|behaviou?ral")
_NUMBER: Final = re.compile(r"\+?[0-9][0-9 ().\-]{5,}")


@dataclass(frozen=True, slots=True)
class LetterheadDraft:
    """`texts` by the names of LIMITS and `accent`; `address` as typed, a line each."""

    texts: Mapping[str, str]
    address: str

    def body(self) -> dict[str, object]:
        """What is kept, but for the name and the logo, which have places of their own."""
        lines = [" ".join(line.split()) for line in self.address.splitlines()]
        kept = {name: text for name, text in self.settled().items() if name != "clinic_name"}
        return {**kept, "address_lines": [line for line in lines if line]}

    def settled(self) -> dict[str, str]:
        """Every text on one line; the colour in small letters."""
        names = (*LIMITS, "accent")
        texts = {name: " ".join(self.texts.get(name, "").split()) for name in names}
        return {**texts, "accent": texts["accent"].lower()}


def check(draft: LetterheadDraft) -> None:
    """Raises InvalidInput with an issue for each field that cannot be used; colours are checked elsewhere."""
    issues, texts = [], draft.settled()
    for name, most in LIMITS.items():
        if not texts[name] and name in _NEEDED:
            issues.append(Issue(_NEEDED[name], (name,), "required"))
        elif len(texts[name]) > most:
            issues.append(Issue(f"There is room for {most} characters.", (name,), "too-long"))
    for name in ("telephone", "fax"):
        if texts[name] and not _NUMBER.fullmatch(texts[name]):
            text = "Write a number with its area code, for example 303-555-0142."
            issues.append(Issue(text, (name,), "value"))
    if _TELLING.search(texts["neutral_name"]):
        text = (
            "This name says what the clinic treats. It stands on envelopes and telephone screens: choose one"
            " that says who writes and nothing else."
        )
        issues.append(Issue(text, ("neutral_name",), "value"))
    issues += _address_issues(draft.body()["address_lines"])  # type: ignore[arg-type]  # a list of lines
    if issues:
        raise InvalidInput(*issues)


def _address_issues(lines: list[str]) -> list[Issue]:
    if not lines:
        return [Issue("Write the address to which an envelope comes back.", ("address",), "required")]
    if len(lines) > ADDRESS_LINES:
        return [Issue(f"There is room for {ADDRESS_LINES} lines.", ("address",), "too-long")]
    if any(len(line) > _ADDRESS_LINE for line in lines):
        return [Issue(f"A line has room for {_ADDRESS_LINE} characters.", ("address",), "too-long")]
    return []


def changes(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[str, ...]:
    """What differs between two versions, in sentences; keys as in `body`, with clinic_name and logo."""
    said = []
    for name, label in _LABELS.items():
        old, new = (_said(version.get(name)) for version in (before, after))
        if old == new:
            continue
        if name == "logo":
            said.append(
                "A logo was added."
                if not old
                else "The logo was taken away."
                if not new
                else "The logo was replaced."
            )
        elif not old or not new:
            said.append(f"{label}: {f'“{new}”, was empty' if new else f'empty, was “{old}”'}.")
        else:
            said.append(f"{label}: “{new}”, was “{old}”.")
    return tuple(said)


_LABELS: Final = {
    "clinic_name": "Name",
    "neutral_name": "Neutral sender’s name",
    "tagline": "Line below the name",
    "address_lines": "Address",
    "telephone": "Telephone",
    "fax": "Fax",
    "website": "Website",
    "signer_name": "Signed by",
    "signer_title": "Title",
    "accent": "Color",
    "logo": "Logo",
}


def _said(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "")
