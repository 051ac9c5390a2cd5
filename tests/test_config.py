"""Settings: what is refused, and in which words."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from referral.config import Settings, SettingsError, SmtpServer, load_settings

KEY = base64.b64encode(bytes(32)).decode()
SERVERS = {
    "REFERRAL_DATABASE_URL": "postgresql://app:secret@db.example/referral",
    "REFERRAL_REDIS_URL": "redis://redis.example:6379/0",
    "REFERRAL_MASTER_KEY": KEY,
}


@pytest.fixture(autouse=True)
def clean_environment(data_dir: Path) -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("REFERRAL_")]:
            patch.delenv(name)
        patch.setenv("REFERRAL_DATA_DIR", str(data_dir))
        yield patch


def given(patch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        patch.setenv(name, value)
    return load_settings()


def test_nothing_set_means_the_embedded_default_with_a_key_of_its_own(data_dir: Path) -> None:
    settings = load_settings()
    assert settings.embedded
    assert settings.demo
    assert settings.base_url == "http://127.0.0.1:8000"
    assert not settings.secure_cookies
    key_file = data_dir / "master.key"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert len(settings.master_key_bytes) == 32
    assert load_settings().master_key_bytes == settings.master_key_bytes
    assert [path.name for path in data_dir.iterdir()] == ["master.key"]


def test_real_servers_switch_the_demo_off(clean_environment: pytest.MonkeyPatch) -> None:
    settings = given(clean_environment, **SERVERS)
    assert not settings.embedded
    assert not settings.demo
    assert settings.database_url == "postgresql+psycopg://app:secret@db.example/referral"
    assert settings.broker_url == "redis://redis.example:6379/0"


def test_demo_accounts_are_refused_on_real_servers(clean_environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="REFERRAL_DEMO: demo accounts are only possible"):
        given(clean_environment, **SERVERS, REFERRAL_DEMO="1")


def test_everything_wrong_is_named_at_once(clean_environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as refusal:
        given(
            clean_environment,
            REFERRAL_PORT="eighty",
            REFERRAL_REDIS_URL="http://redis.example",
            REFERRAL_SMTP_URL="smtp://mail.example",
            REFERRAL_BASE_URL="https://clinic.example/referrals",
            REFERRAL_WORKERS="4",
        )
    named = [line.partition(":")[0] for line in str(refusal.value).splitlines()]
    assert named == [
        "REFERRAL_WORKERS",
        "REFERRAL_PORT",
        "REFERRAL_BASE_URL",
        "REFERRAL_REDIS_URL",
        "REFERRAL_DATABASE_URL",
        "REFERRAL_MASTER_KEY",
        "REFERRAL_MAIL_FROM",
    ]


def test_a_wrong_secret_is_not_repeated_in_the_message(clean_environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="REFERRAL_MASTER_KEY: must be 32 random bytes") as refusal:
        given(clean_environment, **{**SERVERS, "REFERRAL_MASTER_KEY": "hunter2-hunter2"})
    assert "hunter2" not in str(refusal.value)


def test_child_processes_get_the_same_settings(clean_environment: pytest.MonkeyPatch) -> None:
    parent = load_settings().model_copy(
        update={
            "database_url": "postgresql+psycopg://referral_app@/referral?host=/run/x",
            "redis_url": "unix:///run/x/valkey.sock?db=0",
        }
    )
    for name, value in parent.as_environment().items():
        clean_environment.setenv(name, value)
    child = load_settings()
    assert child == parent
    assert child.embedded
    assert child.demo


@pytest.mark.parametrize(
    ("url", "redis_py", "kombu"),
    [
        ("unix:///run/v.sock?db=2", "unix:///run/v.sock?db=2", "redis+socket:///run/v.sock?virtual_host=2"),
        (
            "redis+socket:///run/v.sock?virtual_host=1",
            "unix:///run/v.sock?db=1",
            "redis+socket:///run/v.sock?virtual_host=1",
        ),
        ("rediss://:pw@r.example/1", "rediss://:pw@r.example/1", "rediss://:pw@r.example/1"),
    ],
)
def test_a_redis_address_is_spelt_for_both_libraries(
    url: str, redis_py: str, kombu: str, clean_environment: pytest.MonkeyPatch
) -> None:
    settings = given(clean_environment, **{**SERVERS, "REFERRAL_REDIS_URL": url})
    assert settings.redis_url == redis_py
    assert settings.broker_url == kombu


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", SmtpServer("mail.example", 25, None, None, "none")),
        ("smtp://mail.example:2525", SmtpServer("mail.example", 2525, None, None, "none")),
        (
            "smtp://clinic:p%40ss@mail.example?starttls=1",
            SmtpServer("mail.example", 587, "clinic", "p@ss", "starttls"),
        ),
        ("smtps://mail.example", SmtpServer("mail.example", 465, None, None, "tls")),
    ],
)
def test_a_mail_server_is_read_from_its_address(
    url: str, server: SmtpServer, clean_environment: pytest.MonkeyPatch
) -> None:
    settings = given(
        clean_environment, REFERRAL_SMTP_URL=url, REFERRAL_MAIL_FROM="Clinic <clinic@clinic.example>"
    )
    assert settings.smtp == server


def test_an_https_address_makes_cookies_secure(clean_environment: pytest.MonkeyPatch) -> None:
    settings = given(clean_environment, **SERVERS, REFERRAL_BASE_URL="https://referrals.example/")
    assert settings.secure_cookies
    assert settings.base_url == "https://referrals.example"


def test_private_networks_are_opened_by_name(clean_environment: pytest.MonkeyPatch) -> None:
    settings = given(clean_environment, REFERRAL_OUTGOING_NETWORKS="10.20.0.0/16, fd00::/8")
    assert [str(network) for network in settings.outgoing_networks] == ["10.20.0.0/16", "fd00::/8"]
    assert settings.as_environment()["REFERRAL_OUTGOING_NETWORKS"] == "10.20.0.0/16,fd00::/8"
    with pytest.raises(SettingsError, match="REFERRAL_OUTGOING_NETWORKS: must be networks"):
        given(clean_environment, REFERRAL_OUTGOING_NETWORKS="10.20.0.1/16")


MAIL = {
    **SERVERS,
    "REFERRAL_SMTP_URL": "smtps://mail.example",
    "REFERRAL_MAIL_FROM": "Desk <desk@clinic.example>",
}


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("smtp://clinic:secret@mail.example", True),
        ("smtp://clinic:secret@mail.example?starttls=0", True),
        ("smtp://clinic:secret@mail.example?starttls=1", False),
        ("smtps://clinic:secret@mail.example", False),
        ("smtp://clinic:secret@127.0.0.1", False),
        ("smtp://relay.example", False),
    ],
)
def test_a_password_is_never_sent_in_plain_text(
    clean_environment: pytest.MonkeyPatch, url: str, refused: bool
) -> None:
    if refused:
        with pytest.raises(SettingsError, match="would send the password in plain text") as why:
            given(clean_environment, **(MAIL | {"REFERRAL_SMTP_URL": url}))
        assert "secret" not in str(why.value)
    else:
        assert given(clean_environment, **(MAIL | {"REFERRAL_SMTP_URL": url})).smtp is not None


def test_where_mail_comes_back_follows_from_what_is_set(
    clean_environment: pytest.MonkeyPatch, data_dir: Path
) -> None:
    settings = given(clean_environment, **MAIL)
    assert (settings.returned_mail, settings.return_domain) == (None, "clinic.example")
    settings = given(clean_environment, **MAIL, REFERRAL_BOUNCE_LISTEN="[::]:2525")
    assert settings.returned_mail == data_dir / "bounces"
    settings = given(
        clean_environment, REFERRAL_BOUNCE_DIR="/var/mail/bounces", REFERRAL_BOUNCE_DOMAIN="Back.Example"
    )
    assert (settings.returned_mail, settings.return_domain) == (Path("/var/mail/bounces"), "back.example")
    environment = settings.as_environment()
    assert environment["REFERRAL_BOUNCE_DIR"] == "/var/mail/bounces"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({**SERVERS, "REFERRAL_BOUNCE_DIR": "/x"}, "REFERRAL_BOUNCE_DIR: needs a mail server"),
        ({**SERVERS, "REFERRAL_FAX_MAIL": "fax.example"}, "REFERRAL_FAX_MAIL: needs a mail server"),
        ({**MAIL, "REFERRAL_BOUNCE_DOMAIN": "back.example"}, "nobody would look for what comes back"),
        ({**MAIL, "REFERRAL_BOUNCE_LISTEN": "2525"}, "must look like 0.0.0.0:2525"),
        ({**MAIL, "REFERRAL_BOUNCE_LISTEN": "0.0.0.0:99999"}, "must look like 0.0.0.0:2525"),
        ({**MAIL, "REFERRAL_FAX_MAIL": "fax@example"}, "must be a mail domain"),
        ({**MAIL, "REFERRAL_SMTP_CA_FILE": "/nonexistent"}, "REFERRAL_SMTP_CA_FILE: cannot be read"),
        ({**MAIL, "REFERRAL_SMTP_CA_FILE": __file__}, "REFERRAL_SMTP_CA_FILE: cannot be read"),
        (
            {
                **MAIL,
                "REFERRAL_FAX_MAIL": "fax.example",
                "REFERRAL_FAX_URL": "sinch+https://KEY:SECRET@fax.example/v3/projects/ID",
            },
            "REFERRAL_FAX_MAIL: faxes leave by",
        ),
    ],
)
def test_what_does_not_fit_together_about_mail_is_said(
    clean_environment: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        given(clean_environment, **variables)
