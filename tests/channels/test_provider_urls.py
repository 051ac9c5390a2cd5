"""Accounts as they are written in settings: what is wrong is said in a sentence, without the secret in it."""

from __future__ import annotations

import pytest

from referral.channels.provider_urls import Account, read_fax_url, read_sms_url
from referral.config import Settings, SettingsError, load_settings
from tests.test_config import SERVERS, clean_environment, given

__all__ = ["clean_environment"]

SMS = "twilio+https://AC1:hunter2-token@api.twilio.com"
FAX = "sinch+https://key:hunter2-secret@fax.api.sinch.com/v3/projects/p1"


def test_an_sms_account_is_read_from_its_address() -> None:
    read = read_sms_url(f"{SMS}?from=%2B1%20303-555-0100")
    assert read.account == Account(base="https://api.twilio.com", user="AC1", password="hunter2-token")
    assert (read.secret, read.is_plain, read.options) == ("hunter2-token", False, {"from": "+13035550100"})
    assert read_sms_url(f"{SMS}?service=MG1&secret=another-token-1").secret == "another-token-1"


def test_a_fax_account_is_read_from_its_address() -> None:
    read = read_fax_url(f"{FAX}/?secret=webhook-secret&header=Harbor+Light&signed=no")
    base = "https://fax.api.sinch.com/v3/projects/p1"
    assert read.account == Account(base=base, user="key", password="hunter2-secret")
    assert (read.secret, read.switch("signed", default=True)) == ("webhook-secret", False)
    assert read_fax_url(FAX).secret == ""
    assert read_fax_url("sinch+http://a%2Fb:p%40q@[::1]:8099/v3/projects/p1").account == Account(
        base="http://[::1]:8099/v3/projects/p1", user="a/b", password="p@q"
    )


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("https://api.twilio.com", "must look like twilio"),
        ("twilio+ftp://a:hunter2@h?from=+13035550100", "must look like twilio"),
        ("sinch+https://a:hunter2@h?from=%2B13035550100", "must look like twilio"),
        ("twilio+https://a:hunter2@h:port?from=%2B13035550100", "must look like twilio"),
        ("twilio+https://api.twilio.com?from=%2B13035550100", "name and secret before the @"),
        ("twilio+http://a:hunter2@api.twilio.com?from=%2B13035550100", "on this machine only"),
        (SMS, "must name who sends"),
        (f"{SMS}?from=%2B13035550100&service=MG1", "must name who sends"),
        (f"{SMS}?from=hunter2", "cannot be dialled"),
        (f"{SMS}?from=", "empty"),
        (f"{SMS}?service=AC1", "begins with MG"),
        (f"{SMS}?from=%2B13035550100&hunter=2", "options that are not known"),
        (f"{SMS}?from=%2B13035550100&idempotent=perhaps", "yes or no"),
        (f"{SMS}?service=MG1&secret=short", "can be guessed"),
    ],
)
def test_a_wrong_sms_address_is_refused_in_a_sentence(url: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refusal:
        read_sms_url(url)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sinch+https://k:hunter2@fax.api.sinch.com/v3", "the project in its path"),
        (f"{FAX}?header={'x' * 51}", "more than 50"),
        (f"{FAX}?header=a%0d%0ab", "control character"),
        (f"{FAX}?signed=1", "yes or no"),
        (f"{FAX}?secret=hunter2", "can be guessed"),
    ],
)
def test_a_wrong_fax_address_is_refused_in_a_sentence(url: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refusal:
        read_fax_url(url)
    assert "hunter2" not in str(refusal.value)


def test_the_start_is_refused_naming_the_setting(clean_environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as refusal:
        given(clean_environment, REFERRAL_SMS_URL=SMS, REFERRAL_FAX_URL=f"{FAX}?secret=hunter2")
    lines = str(refusal.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["REFERRAL_SMS_URL", "REFERRAL_FAX_URL"]
    assert "hunter2" not in str(refusal.value)


def test_http_is_for_development(clean_environment: pytest.MonkeyPatch) -> None:
    plain = "twilio+http://AC1:hunter2-token@127.0.0.1:8099?from=%2B13035550100"
    made = given(clean_environment, REFERRAL_SMS_URL=plain)
    assert isinstance(made, Settings)
    assert made.sms is not None
    with pytest.raises(SettingsError, match="REFERRAL_SMS_URL: http is for development only"):
        given(clean_environment, **SERVERS, REFERRAL_SMS_URL=plain)


def test_a_child_process_gets_the_accounts_too(clean_environment: pytest.MonkeyPatch) -> None:
    parent = given(clean_environment, REFERRAL_SMS_URL=f"{SMS}?service=MG1", REFERRAL_FAX_URL=FAX)
    for name, value in parent.as_environment().items():
        clean_environment.setenv(name, value)
    child = load_settings()
    assert (child.sms, child.fax) == (parent.sms, parent.fax)
    assert "hunter2" not in repr(child) + repr(child.sms)
