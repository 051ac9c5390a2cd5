"""Telephone numbers as providers want them."""

from __future__ import annotations

from functools import lru_cache

from referral.channels.base import UnusableAddress
from referral.domain.codes import Channel
from referral.domain.errors import InvalidInput
from referral.fhir.contact_values import normal_telephone


# An office is called again and again, and reading a number takes as long as a call to its provider.
@lru_cache(maxsize=1024)
def e164(written: str) -> str:
    """`+13035550120`; a number without a country is one of the United States.

    Raises UnusableAddress, without quoting it, for what cannot be dialled: letters, an extension, too few
    digits.
    """
    try:
        return normal_telephone(written, channel=Channel.FAX)
    except InvalidInput:
        text = "This is no telephone number that can be dialled; please correct the contact."
        raise UnusableAddress(text) from None
