"""Signatures of webhooks, against examples that their makers publish, and without any secret."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from referral.channels import signatures
from tests.database import NOW

URL = "https://mycompany.com/myapp.php?foo=1&bar=2"


@pytest.mark.parametrize(
    ("caller", "signature"),
    [("+14158675309", "RSOYDt4T1cUTdK1PDd93/VVr8B8="), ("+12349013030", "0/KCTR6DLpKmkAf8muzZqo1nDgQ=")],
)
def test_the_examples_of_twilios_documentation(caller: str, signature: str) -> None:
    fields = [("To", "+18005551212"), ("CallSid", "CA1234567890ABCDE"), ("Digits", "1234")]
    fields += [("Caller", caller), ("From", caller)]
    assert signatures.twilio_ok("12345", URL, fields, signature)
    assert not signatures.twilio_ok("12346", URL, fields, signature)
    assert not signatures.twilio_ok("12345", URL + "&", fields, signature)
    assert not signatures.twilio_ok("12345", URL, [*fields, ("Digits", "5")], signature)
    assert not signatures.twilio_ok("12345", URL, fields, signature.lower())


def test_without_a_secret_nothing_is_genuine_however_well_it_is_signed() -> None:
    stamp = str(int(NOW.timestamp()))
    assert not signatures.twilio_ok("", URL, [], signatures.twilio_signature("", URL, []))
    assert not signatures.body_ok("", stamp, b"x", signatures.body_signature("", stamp, b"x"), NOW)
    assert not signatures.path_ok("", signatures.path_token("", "clinic", "message"), "clinic", "message")
    assert signatures.clinic_secret("", "clinic") == ""


@pytest.mark.parametrize(
    ("seconds", "fresh"), [(0, True), (300, True), (-300, True), (301, False), (-301, False), (10**9, False)]
)
def test_a_body_is_believed_for_five_minutes(seconds: int, fresh: bool) -> None:
    stamp = str(int(NOW.timestamp()) + seconds)
    expected = hmac.new(b"secret", stamp.encode() + b".body", hashlib.sha256).hexdigest()
    assert signatures.body_ok("secret", stamp, b"body", expected, NOW) is fresh
    assert not signatures.body_ok("secret", stamp, b"Body", expected, NOW)
    assert not signatures.body_ok("Secret", stamp, b"body", expected, NOW)


@pytest.mark.parametrize("stamp", ["", "-5", "1e9", "٣", "²", "9" * 13, "1 ", "0x1", "\x00"])
def test_a_time_that_is_none_is_refused(stamp: str) -> None:
    signature = signatures.body_signature("secret", stamp, b"")
    assert not signatures.body_ok("secret", stamp, b"", signature, NOW)


def test_a_secret_of_a_path_or_a_clinic_fits_no_other() -> None:
    token = signatures.path_token("secret", "clinic", "message")
    assert signatures.path_ok("secret", token, "clinic", "message")
    for wrong in (("clinic", "other"), ("other", "message"), ("clinic",)):
        assert not signatures.path_ok("secret", token, *wrong)
    assert not signatures.path_ok("secret", token[:-1], "clinic", "message")
    assert signatures.clinic_secret("secret", "a") != signatures.clinic_secret("secret", "b")
    assert signatures.clinic_secret("secret", "a") != signatures.clinic_secret("other", "a")
