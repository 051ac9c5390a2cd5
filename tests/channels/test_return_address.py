"""Addresses for what comes back: short enough, read in any case of letters, and not to be made up."""

from __future__ import annotations

import random
import uuid

from referral.channels.return_address import ReturnAddresses, Returned, looks_like_one

RETURNS = ReturnAddresses(b"k" * 32, "mail.harborlight.example")
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def test_an_address_says_clinic_message_and_try_in_sixty_four_letters() -> None:
    for generation in (1, 7, 255):
        clinic, message = str(uuid.uuid4()), uuid.uuid4()
        token = RETURNS.token(clinic, message, generation)
        address = RETURNS.address(token)
        assert len(address.partition("@")[0]) <= 64
        returned = RETURNS.read(address)
        assert returned == Returned(clinic.replace("-", "")[:8], message, generation)
        assert returned.is_of(clinic)
        assert not returned.is_of(str(uuid.uuid4()))
        assert RETURNS.read(f"<{token.upper()}@harborlight.example>") == returned
        assert RETURNS.is_ours(address.upper())


def test_a_generation_that_no_byte_holds_is_left_open() -> None:
    clinic, message = str(uuid.uuid4()), uuid.uuid4()
    returned = RETURNS.read(RETURNS.token(clinic, message, 256))
    assert returned is not None
    assert returned.generation == 0


def test_every_changed_letter_is_noticed() -> None:
    token = RETURNS.token(str(uuid.uuid4()), uuid.uuid4(), 1)
    for place, letter in enumerate(token):
        if letter == "-":
            continue
        for other in ALPHABET.replace(letter, ""):
            changed = token[:place] + other + token[place + 1 :]
            assert looks_like_one(changed)
            assert RETURNS.read(changed) is None, (place, other)


def test_nobody_with_another_key_makes_an_address_of_ours() -> None:
    theirs = ReturnAddresses(b"x" * 32, RETURNS.domain)
    address = theirs.address(theirs.token(str(uuid.uuid4()), uuid.uuid4(), 1))
    assert RETURNS.read(address) is None
    assert not RETURNS.is_ours(address)


def test_addresses_of_others_are_not_ours() -> None:
    token = RETURNS.token(str(uuid.uuid4()), uuid.uuid4(), 1)
    for address in (
        "desk@mail.harborlight.example",
        f"bounce+{token}@other.example",
        f"bounce+{token}x@mail.harborlight.example",
        f"xbounce+{token}@mail.harborlight.example",
        f"{token}@mail.harborlight.example",
        "bounce+@mail.harborlight.example",
        "",
    ):
        assert not RETURNS.is_ours(address), address


def test_random_tokens_are_never_taken() -> None:
    dice = random.Random(5)
    for _ in range(20_000):
        letters = "".join(dice.choice(ALPHABET) for _ in range(54))
        assert RETURNS.read(f"bounce+{letters[:34]}-{letters[34:]}@x.example") is None
