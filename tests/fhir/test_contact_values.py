"""What may be typed or sent as a telephone number or a mail address, and what becomes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.domain.codes import Channel
from referral.domain.errors import InvalidInput
from referral.fhir.contact_values import (
    doubt_about,
    normal_address,
    normal_mail,
    normal_telephone,
    usable_address,
)

_ONE = "+13035550142"
_NUMBERS = {
    "303-555-0142": _ONE,
    "(303) 555-0142": _ONE,
    "(+1) 303-555-0142": _ONE,
    " 303.555.0142 ": _ONE,
    "303 555\u20110142": _ONE,
    "303\u00a0555\u00a00142": _ONE,
    "\uff13\uff10\uff13-\uff15\uff15\uff15-\uff10\uff11\uff14\uff12": _ONE,
    "1 303 555 0142": _ONE,
    "+1 303 555 0142": _ONE,
    "tel:+1-303-555-0142": _ONE,
    "fax:3035550142": _ONE,
    "800-555-0100": "+18005550100",
    "787-555-0142": "+17875550142",
    "+44 20 7183 8750": "+442071838750",
    "011 44 20 7183 8750": "+442071838750",
}
_EXTENSIONS = (
    "303-555-0142 x12",
    "303-555-0142, ext. 12",
    "303.555.0142 extension 12",
    "303 555 0142,,12",
    "303-555-0142 #12",
    "+1 (303) 555-0142 (ext 12)",
    "+13035550142;ext=12",
)
_REFUSED_NUMBERS = {
    "555-0142": "area code",
    "911": "Short numbers",
    "988": "Short numbers",
    "72345": "Short numbers",
    "900-555-0100": "premium-rate",
    "1-900-555-0100": "premium-rate",
    "303-976-1234": "premium-rate",
    "+44 909 879 0000": "premium-rate",
    "+979 1 2345 6789": "premium-rate",
    "+882 16 12345678": "no country",
    "+44 1": "not a telephone number",
    "+999 303 555 0142": "not a telephone number",
    "303 555 01421": "not a telephone number",
    "303-555-0142/303-555-0143": "not a telephone number",
    "303-555-0142 or 303-555-0143": "digits alone",
    "1-800-FLOWERS": "digits alone",
    "ask for Ines": "digits alone",
    "*67 303 555 0142": "not a telephone number",
    "#31#3035550142": "not a telephone number",
    "\u0663\u0660\u0663\u0665\u0665\u0665\u0660\u0661\u0664\u0662": "not a telephone number",
    "+": "not a telephone number",
    "": "not a telephone number",
    "3" * 500: "not a telephone number",
    "303-555-0142\r\nBcc: all@evil.example": "cannot be seen",
    "303-555-0142\n": "cannot be seen",
    "303-555-0142\x00": "cannot be seen",
    "\u202e2410-555-303": "cannot be seen",
    "\u202a303-555-0142\u202c": "cannot be seen",
    "303\u200b555\u200b0142": "cannot be seen",
}


@pytest.mark.parametrize("typed", _NUMBERS)
@pytest.mark.parametrize("channel", [Channel.PHONE, Channel.FAX, Channel.SMS])
def test_a_number_is_kept_in_one_form(typed: str, channel: Channel) -> None:
    kept = normal_address(channel, typed)
    assert kept == _NUMBERS[typed]
    assert normal_address(channel, kept) == kept


@pytest.mark.parametrize("typed", _REFUSED_NUMBERS)
@pytest.mark.parametrize("channel", [Channel.PHONE, Channel.FAX, Channel.SMS])
def test_a_number_that_reaches_nobody_is_refused_with_what_to_do(typed: str, channel: Channel) -> None:
    with pytest.raises(InvalidInput) as caught:
        normal_telephone(typed, "clinician_fax", channel)
    (issue,) = caught.value.issues
    assert _REFUSED_NUMBERS[typed] in issue.text
    assert issue.text.endswith(".")
    assert issue.expression == ("clinician_fax",)
    assert usable_address(channel, typed) is None


@pytest.mark.parametrize("typed", _EXTENSIONS)
def test_people_are_called_at_an_extension_and_machines_are_not(typed: str) -> None:
    kept = normal_telephone(typed)
    assert kept == "+13035550142;ext=12"
    assert normal_telephone(kept) == kept
    for channel, words in ((Channel.FAX, "direct fax number"), (Channel.SMS, "mobile number")):
        with pytest.raises(InvalidInput, match=words):
            normal_telephone(typed, channel=channel)


def test_a_landline_is_doubted_for_text_messages_where_the_country_tells() -> None:
    assert "landline" in doubt_about(Channel.SMS, "+442071838750")
    assert "landline" in doubt_about(Channel.SMS, "+18005550100")
    assert doubt_about(Channel.SMS, "+447400123456") == ""
    assert doubt_about(Channel.SMS, _ONE) == ""
    assert doubt_about(Channel.FAX, "+442071838750") == ""


_MAILS = {
    "Okafor@BeaconHill.example": "okafor@beaconhill.example",
    "  office@practice.example ": "office@practice.example",
    "o'neil+ketamine@practice.example": "o'neil+ketamine@practice.example",
    "praxis@b\u00fccher.example": "praxis@xn--bcher-kva.example",
    "praxis@xn--bcher-kva.example": "praxis@xn--bcher-kva.example",
    # A host in Cyrillic letters is shown for what it is.
    "billing@\u0440\u0430\u0443\u0440\u0430l.example": "billing@xn--l-7sba6dbr.example",
    "a@\uff45xample.example": "a@example.example",
}
_REFUSED_MAILS = {
    "": "not an e-mail address",
    "office": "not an e-mail address",
    "office@practice": "not an e-mail address",
    "office@localhost": "not an e-mail address",
    "office@practice.invalid": "not an e-mail address",
    "office@[192.0.2.1]": "not an e-mail address",
    "office@practice..example": "not an e-mail address",
    ".office@practice.example": "not an e-mail address",
    '"office desk"@practice.example': "not an e-mail address",
    "office desk@practice.example": "not an e-mail address",
    "a" * 65 + "@practice.example": "not an e-mail address",
    "a@" + "b" * 64 + ".example": "not an e-mail address",
    "a@" + "bb." * 100 + "example": "not an e-mail address",
    "m\u00fcller@practice.example": "before the @",
    "a@x.example, b@y.example": "one address",
    "a@x.example; b@y.example": "one address",
    "a@b@x.example": "one address",
    "Chidi Okafor <okafor@practice.example>": "without a name",
    "office@practice.example\r\nBcc: all@evil.example": "cannot be seen",
    "office@practice.example\nSubject: hello": "cannot be seen",
    "office\x00@practice.example": "cannot be seen",
    "office@practice.example\u2028": "cannot be seen",
    "\u202eoffice@practice.example": "cannot be seen",
    "office@\u202eelpmaxe.practice": "cannot be seen",
    "off\u200bice@practice.example": "cannot be seen",
    "off\u00adice@practice.example": "cannot be seen",
}


@pytest.mark.parametrize("typed", _MAILS)
def test_a_mail_address_is_kept_in_the_form_that_mail_travels_by(typed: str) -> None:
    kept = normal_mail(typed)
    assert kept == _MAILS[typed]
    assert normal_mail(kept) == kept


@pytest.mark.parametrize("typed", _REFUSED_MAILS)
def test_a_mail_address_that_cannot_be_used_is_refused_with_what_to_do(typed: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        normal_mail(typed, "clinician_email")
    (issue,) = caught.value.issues
    assert _REFUSED_MAILS[typed] in issue.text
    assert issue.expression == ("clinician_email",)
    assert usable_address(Channel.EMAIL, typed) is None


_TRICKY = st.text(st.sampled_from("0123456789+-().xX,;=#ext@<>\"' \r\n\t\x00\u202e\u200ba.é"), max_size=40)


@given(_TRICKY, st.sampled_from([Channel.EMAIL, Channel.FAX, Channel.SMS, Channel.PHONE]))
def test_what_is_kept_is_plain_and_stays_what_it_is(typed: str, channel: Channel) -> None:
    kept = usable_address(channel, typed)
    if kept is not None:
        assert kept.isascii()
        assert kept.isprintable()
        assert " " not in kept
        assert usable_address(channel, kept) == kept
