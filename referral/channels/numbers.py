"""Telephone numbers as providers want them."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Final

from referral.channels.base import UnusableAddress

# What people write into a number; anything else, such as a line break, is no part of one.
_WRITTEN: Final = frozenset("+0123456789 ()-./")


@cache
def _library() -> ModuleType:
    """Loaded by processes that send: its tables take some hundredths of a second."""
    import phonenumbers

    return phonenumbers


def e164(written: str) -> str:
    """`+13035550120`; a number without a country is one of the United States.

    Raises UnusableAddress, without quoting it, for what cannot be dialled: letters, an extension, too few
    digits.
    """
    library = _library()
    try:
        if not written or len(written) > 40 or not set(written) <= _WRITTEN:
            raise ValueError
        number = library.parse(written, "US")
        possible = library.is_possible_number_with_reason(number) == library.ValidationResult.IS_POSSIBLE
    except (ValueError, library.NumberParseException):
        possible = False
    if not possible:
        raise UnusableAddress("This is no telephone number that can be dialled; please correct the contact.")
    text: str = library.format_number(number, library.PhoneNumberFormat.E164)
    return text
