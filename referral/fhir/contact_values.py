"""Telephone numbers and mail addresses as people and systems write them, in the one form that is kept.

Every way by which one enters comes through here. Nothing is asked of the network.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import PhoneNumberFormat, PhoneNumberType, ValidationResult

from referral.domain.codes import Channel
from referral.domain.errors import InvalidInput, Issue

_REGION: Final = "US"
_NORTH_AMERICA: Final = 1
# Satellite networks and shared-cost numbers of no country (ITU E.164 country codes 87x, 88x and 979).
_NO_COUNTRY: Final = phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY
# What a number is written with; letters stand for an extension alone.
_NUMBER: Final = re.compile(
    r"(?:(?:tel|fax|sms):)?(?P<number>\(?\+?[\d\s().\-/]+)"
    r"(?:(?:;\s*ext=|[,;]?\s*\(?ext(?:ension)?\.?|[,;]?\s*x\.?|,+|\#)\s*(?P<extension>\d{1,7})\)?)?\s*",
    re.IGNORECASE | re.ASCII,
)
# Longer than any number with its country, its extension and its dashes.
_LONGEST: Final = 60
_EXAMPLE: Final = "for example 303-555-0142"
_NOT_A_NUMBER: Final = f"This is not a telephone number; write ten digits, {_EXAMPLE}."
_UNSEEN: Final = "It holds characters that cannot be seen. Delete it and type it by hand."
_PREMIUM: Final = (
    "This is a premium-rate number. Ask the practice for a number that costs nothing extra to reach."
)
_NO_EXTENSION: Final = {
    Channel.FAX: "A fax cannot be sent to an extension. Ask for the direct fax number.",
    Channel.SMS: "A text message cannot be sent to an extension. Ask for a mobile number.",
}
_DASHES: Final = str.maketrans(dict.fromkeys("‐‑‒–—−﹣－", "-"))


def normal_telephone(typed: str, field: str = "", channel: Channel = Channel.PHONE) -> str:
    """E.164; an extension follows as `;ext=12` (RFC 3966). Raises InvalidInput with what to do.

    A number without a country is one of the United States. Those that nobody has (555) are accepted.
    """
    if _holds_unseen(typed):
        raise _refusal(_UNSEEN, field)
    written = unicodedata.normalize("NFKC", typed.strip().translate(_DASHES))
    match = _NUMBER.fullmatch(written) if len(written) <= _LONGEST else None
    if match is None:
        letters = any(character.isalpha() for character in written)
        text = f"Write the number in digits alone, {_EXAMPLE}." if letters else _NOT_A_NUMBER
        raise _refusal(text, field)
    number = _parsed(match["number"], field)
    if not match["extension"]:
        return phonenumbers.format_number(number, PhoneNumberFormat.E164)
    if channel in _NO_EXTENSION:
        raise _refusal(_NO_EXTENSION[channel], field)
    return f"{phonenumbers.format_number(number, PhoneNumberFormat.E164)};ext={match['extension']}"


def _parsed(written: str, field: str) -> phonenumbers.PhoneNumber:
    try:
        number = phonenumbers.parse(written, _REGION)
    except phonenumbers.NumberParseException:
        raise _refusal(_NOT_A_NUMBER, field) from None
    reason = phonenumbers.is_possible_number_with_reason(number)
    digits = sum(character.isdigit() for character in written)
    if digits < 7:
        raise _refusal("Short numbers cannot be reached from here. Give the full number.", field)
    if reason == ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
        raise _refusal(f"The area code is missing; write ten digits, {_EXAMPLE}.", field)
    if reason != ValidationResult.IS_POSSIBLE:
        raise _refusal(_NOT_A_NUMBER, field)
    if _costs_extra(number):
        raise _refusal(_PREMIUM, field)
    at_home = number.country_code == _NORTH_AMERICA
    if phonenumbers.region_code_for_number(number) == _NO_COUNTRY or not (
        at_home or phonenumbers.is_valid_number(number)
    ):
        raise _refusal(f"This number belongs to no country. Write it with its country, {_EXAMPLE}.", field)
    return number


def _costs_extra(number: phonenumbers.PhoneNumber) -> bool:
    """Also 976, an exchange of pay-per-call services in every North American area."""
    if phonenumbers.number_type(number) == PhoneNumberType.PREMIUM_RATE:
        return True
    return number.country_code == _NORTH_AMERICA and str(number.national_number)[3:6] == "976"


def doubt_about(channel: Channel, address: str) -> str:
    """Why a number that was accepted may not work, as a sentence; empty where nothing speaks against it.

    North American numbers do not tell a landline from a mobile; those of many other countries do.
    """
    if channel is not Channel.SMS:
        return ""
    kind = phonenumbers.number_type(phonenumbers.parse(address, _REGION))
    if kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.TOLL_FREE, PhoneNumberType.UAN):
        return "This looks like a landline, which gets no text messages. Please ask whether it is a mobile."
    return ""


def normal_mail(typed: str, field: str = "") -> str:
    """Lower case, the host in its ASCII form. Raises InvalidInput with what to do.

    Mail servers on the way must be able to take it: accents are possible in the host alone (IDN).
    """
    if _holds_unseen(typed):
        raise _refusal(_UNSEEN, field)
    written = typed.strip()
    try:
        found = validate_email(
            written, check_deliverability=False, test_environment=True, allow_smtputf8=False, strict=True
        )
    except EmailNotValidError:
        raise _refusal(_why_no_mail(written), field) from None
    return str(found.ascii_email).lower()


def _why_no_mail(written: str) -> str:
    if "<" in written:
        return "Write the address alone, without a name around it."
    if written.count("@") > 1 or re.search(r"[,;]\s*\S+$", written):
        return "Give one address only."
    if "@" in written and not written.partition("@")[0].isascii():
        return "Mail cannot be sent to letters with accents before the @. Ask for another address."
    return "This is not an e-mail address; it looks like office@practice.example."


def _holds_unseen(typed: str) -> bool:
    """Control characters forge headers; format characters turn the reading direction or hide."""
    return any(unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs") for character in typed)


def _refusal(text: str, field: str) -> InvalidInput:
    return InvalidInput(Issue(text, (field,) if field else (), "value"))


def normal_address(channel: Channel, typed: str, field: str = "") -> str:
    """By what the channel goes to; a postal address is several lines and not checked here."""
    return normal_mail(typed, field) if channel is Channel.EMAIL else normal_telephone(typed, field, channel)


def usable_address(channel: Channel, written: str) -> str | None:
    """The form that is kept of what a record names; None where nothing can be sent there."""
    try:
        return normal_address(channel, written)
    except InvalidInput:
        return None
