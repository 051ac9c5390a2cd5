"""Settings: read from REFERRAL_* variables here and nowhere else."""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from referral.channels.provider_urls import ProviderAccount, read_fax_url, read_sms_url
from referral.domain.outgoing_urls import Network, read_networks
from referral.domain.providers import read_limits

PREFIX = "REFERRAL_"
MASTER_KEY_BYTES = 32
_POSTGRES_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
_NEED_A_MAIL_SERVER = ("bounce_dir", "bounce_listen", "bounce_domain", "fax_mail", "smtp_ca_file")
# What a limit of calls may be set for; the names of the transports.
_PROVIDERS = ("sms", "fax", "smtp", "fax-mail")
_REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+socket")


class SettingsError(Exception):
    """Start-up is refused; the message names every value that is missing or wrong, one a line."""


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed in."""

    host: str
    port: int
    user: str | None
    password: str | None
    security: Literal["none", "starttls", "tls"]
    ca_file: Path | None = None


def _postgres_url(url: str) -> str:
    """Return the URL in SQLAlchemy's spelling for psycopg 3."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _POSTGRES_SCHEMES:
        raise ValueError("must look like postgresql://USER:PASSWORD@HOST/DATABASE")
    return f"postgresql+psycopg://{rest}"


def _redis_url(url: str) -> str:
    """Return the URL in redis-py's spelling."""
    parts = urlsplit(url)
    if parts.scheme not in _REDIS_SCHEMES:
        raise ValueError("must look like redis://HOST:6379/0, rediss://… or unix:///PATH?db=0")
    if parts.scheme == "redis+socket":
        database = parse_qs(parts.query).get("virtual_host", ["0"])[0]
        return f"unix://{parts.path}?db={database}"
    return url


def _provider_limits(text: str) -> str:
    unknown = [name for name in read_limits(text) if name not in _PROVIDERS]
    if unknown:
        raise ValueError(f"names no provider {unknown[0]}; there is {', '.join(_PROVIDERS)}")
    return text


def _networks(value: object) -> object:
    try:
        return read_networks(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("must be networks with commas between them, such as 10.20.0.0/16") from None


def _base_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must look like https://referrals.example.org")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must not have a path: the service lives at the root of its host")
    return url.rstrip("/")


def _lookup_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must look like https://npiregistry.cms.hhs.gov/api/")
    if parts.scheme == "http" and not _is_this_machine(parts.hostname):
        raise ValueError("must be https, unless it is a proxy on this machine")
    return url


def _smtp_url(url: SecretStr) -> SecretStr:
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError("must look like smtp://USER:PASSWORD@HOST:587?starttls=1 or smtps://…")
    plain = parts.scheme == "smtp" and not _starttls(parts.query)
    if plain and parts.username and not _is_this_machine(parts.hostname):
        raise ValueError("would send the password in plain text: add ?starttls=1, or use smtps://")
    return url


def _starttls(query: str) -> bool:
    return parse_qs(query).get("starttls", ["0"])[0] not in ("0", "no", "false")


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _authorities(path: Path) -> Path:
    try:
        ssl.create_default_context(cafile=path)
    except OSError:  # an SSLError is one
        raise ValueError("cannot be read as certificates (PEM)") from None
    return path


def _listener(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise ValueError("must look like 0.0.0.0:2525 or [::]:2525")
    return text


def _mail_domain(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?", text):
        raise ValueError("must be a mail domain such as fax.example.org")
    return text.lower()


def _provider_url(read: Callable[[str], ProviderAccount]) -> AfterValidator:
    """Refuses what `read` refuses."""

    def check(url: SecretStr) -> SecretStr:
        read(url.get_secret_value())
        return url

    return AfterValidator(check)


def _master_key(key: SecretStr) -> SecretStr:
    try:
        raw = base64.b64decode(key.get_secret_value(), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != MASTER_KEY_BYTES:
        raise ValueError("must be 32 random bytes in base64, as `openssl rand -base64 32` prints")
    return key


class Settings(BaseSettings):
    """What one process of the service needs to know.

    Without `database_url` and `redis_url` the embedded default is meant: the service runs its own
    PostgreSQL and Redis-compatible server in `data_dir`.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    # The address that people and EHRs use; portal links start with it. https makes cookies Secure.
    base_url: Annotated[str, AfterValidator(_base_url)] = ""
    data_dir: Path = Path(".data")
    # Where the events go that a restore must not undo; None means `audit-stream` in data_dir.
    audit_dir: Path | None = None
    # The service's own role, without ownership and subject to row-level security.
    database_url: Annotated[str, AfterValidator(_postgres_url)] | None = None
    # The owner, for `referral migrate`; None means database_url.
    migration_database_url: Annotated[str, AfterValidator(_postgres_url)] | None = None
    redis_url: Annotated[str, AfterValidator(_redis_url)] | None = None
    # None: messages are kept and shown in the outbox viewer instead of being sent.
    smtp_url: Annotated[SecretStr, AfterValidator(_smtp_url)] | None = None
    sms_url: Annotated[SecretStr, _provider_url(read_sms_url)] | None = None
    fax_url: Annotated[SecretStr, _provider_url(read_fax_url)] | None = None
    # How many calls each provider takes at once and in a second, over all workers: sms=16@20,fax=4.
    provider_limits: Annotated[str, AfterValidator(_provider_limits)] = ""
    mail_from: str = "Referrals <no-reply@referral.example>"
    # Authorities to trust for the mail server, in place of the system's.
    smtp_ca_file: Annotated[Path, AfterValidator(_authorities)] | None = None
    # A Maildir with mail that comes back; None: nobody looks for it, unless bounce_listen is set.
    bounce_dir: Path | None = None
    # Where we take such mail in ourselves, HOST:PORT.
    bounce_listen: Annotated[str, AfterValidator(_listener)] | None = None
    # The domain of the addresses that it comes back to; None means that of mail_from.
    bounce_domain: Annotated[str, AfterValidator(_mail_domain)] | None = None
    # The domain of a gateway that makes a fax of a mail to NUMBER@DOMAIN.
    fax_mail: Annotated[str, AfterValidator(_mail_domain)] | None = None
    # Private networks in which receivers of subscriptions may be, such as 10.20.0.0/16.
    outgoing_networks: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)] = ()
    # Where machines put faxes that come in: a folder in it for each clinic, named by its short name.
    fax_in_dir: Path | None = None
    # https://npiregistry.cms.hhs.gov/api/; None: nobody outside is told whom a clinic looks for.
    nppes_url: Annotated[str, AfterValidator(_lookup_url)] | None = None
    # 32 bytes in base64; every other secret is derived from it. The embedded default makes its own.
    master_key: Annotated[SecretStr, AfterValidator(_master_key)] | None = None
    # Set by the supervisor for its children: the two URLs point at the engines that it runs.
    embedded: bool = False
    # Invented people and accounts with known passwords: on, and only possible, on the embedded default.
    demo: bool = False
    log_format: Literal["auto", "console", "json"] = "auto"
    worker_concurrency: Annotated[int, Field(ge=1, le=64)] = 2
    # For tests of the reminder ladder: a file holding an ISO instant that every process takes for now.
    pretend_now_file: Path | None = None
    # Other programs than the bundled ones, for the embedded default.
    postgres_bin: Path | None = None
    valkey_server: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: dict[str, object]) -> dict[str, object]:
        filled = dict(values)
        if not filled.get("base_url"):
            filled["base_url"] = f"http://127.0.0.1:{filled.get('port', 8000)}"
        filled.setdefault("embedded", "database_url" not in filled and "redis_url" not in filled)
        filled.setdefault("demo", filled["embedded"])
        return filled

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        wrong = _do_not_fit(given, embedded=self.embedded, demo=self.demo)
        wrong += [
            f"{PREFIX}{name}: http is for development only; a provider is reached by https"
            for name, account in (("SMS_URL", self.sms), ("FAX_URL", self.fax))
            if account is not None and account.is_plain and not self.embedded
        ]
        if wrong:
            raise ValueError("\n".join(wrong))
        return self

    @property
    def broker_url(self) -> str | None:
        """`redis_url` in kombu's spelling."""
        if self.redis_url is None or not self.redis_url.startswith("unix://"):
            return self.redis_url
        parts = urlsplit(self.redis_url)
        database = parse_qs(parts.query).get("db", ["0"])[0]
        return f"redis+socket://{parts.path}?virtual_host={database}"

    @property
    def smtp(self) -> SmtpServer | None:
        if self.smtp_url is None:
            return None
        parts = urlsplit(self.smtp_url.get_secret_value())
        starttls = _starttls(parts.query)
        implicit = parts.scheme == "smtps"
        return SmtpServer(
            host=parts.hostname or "",
            port=parts.port or (465 if implicit else 587 if starttls else 25),
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            security="tls" if implicit else "starttls" if starttls else "none",
            ca_file=self.smtp_ca_file,
        )

    @property
    def returned_mail(self) -> Path | None:
        """The Maildir for mail that comes back; None where nobody looks for it."""
        if self.bounce_dir is None and self.bounce_listen is None:
            return None
        return (self.bounce_dir or self.data_dir / "bounces").absolute()

    @property
    def return_domain(self) -> str:
        return self.bounce_domain or parseaddr(self.mail_from)[1].rpartition("@")[2]

    @property
    def sms(self) -> ProviderAccount | None:
        return None if self.sms_url is None else read_sms_url(self.sms_url.get_secret_value())

    @property
    def fax(self) -> ProviderAccount | None:
        return None if self.fax_url is None else read_fax_url(self.fax_url.get_secret_value())

    @property
    def master_key_bytes(self) -> bytes:
        if self.master_key is None:
            raise SettingsError(f"{PREFIX}MASTER_KEY: is missing")
        return base64.b64decode(self.master_key.get_secret_value())

    @property
    def stream_dir(self) -> Path:
        """The exported stream of every clinic (docs/adr/0008)."""
        return (self.audit_dir or self.data_dir / "audit-stream").absolute()

    @property
    def secure_cookies(self) -> bool:
        return self.base_url.startswith("https://")

    def as_environment(self) -> dict[str, str]:
        """The variables that give a child process these settings."""
        environment = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is not None:
                text = _as_text(value)
                environment[PREFIX + name.upper()] = text
        return environment


def _as_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def load_settings(**overrides: object) -> Settings:
    """Read the environment; raise SettingsError naming everything that is missing or wrong.

    Overrides win over the environment. On the embedded default the master key is made on first use.
    """
    problems = _unknown_variables()
    settings = None
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        problems += _in_words(error)
        if any(problem["loc"] for problem in error.errors()):  # then pydantic has not looked at the whole
            problems += _whole_picture(overrides)
    if problems or settings is None:
        raise SettingsError("\n".join(problems))
    data_dir = settings.data_dir.absolute()
    key = settings.master_key or (SecretStr(_own_master_key(data_dir)) if settings.embedded else None)
    return settings.model_copy(update={"data_dir": data_dir, "master_key": key})


def _whole_picture(overrides: dict[str, object]) -> list[str]:
    """What does not fit together, judged by which values are there at all."""
    variables = {name.removeprefix(PREFIX).lower() for name, text in os.environ.items() if text}
    given = {name for name in Settings.model_fields if name in variables or overrides.get(name) is not None}
    embedded = "embedded" in given or not given & {"database_url", "redis_url"}
    return _do_not_fit(given, embedded=embedded, demo=embedded)


def _do_not_fit(given: set[str], *, embedded: bool, demo: bool) -> list[str]:
    """Name the settings that others make necessary or impossible."""
    wrong = []
    for one, other in (("database_url", "redis_url"), ("redis_url", "database_url")):
        if one in given and other not in given:
            both = "set both addresses, or neither for the embedded default"
            wrong.append(f"{PREFIX}{other.upper()}: is missing; {both}")
    if not embedded and "master_key" not in given:
        wrong.append(f"{PREFIX}MASTER_KEY: is missing; `openssl rand -base64 32` makes one, keep it safe")
    if demo and not embedded:
        wrong.append(f"{PREFIX}DEMO: demo accounts are only possible on the embedded default")
    if {"fax_url", "fax_mail"} <= given:
        wrong.append(f"{PREFIX}FAX_MAIL: faxes leave by {PREFIX}FAX_URL or by this one; set one of them")
    if "smtp_url" in given and "mail_from" not in given:
        wrong.append(f"{PREFIX}MAIL_FROM: is missing; mail needs a sender")
    if "smtp_url" not in given:
        needy = [name for name in _NEED_A_MAIL_SERVER if name in given]
        wrong += [f"{PREFIX}{name.upper()}: needs a mail server; set {PREFIX}SMTP_URL" for name in needy]
    if "bounce_domain" in given and not given & {"bounce_dir", "bounce_listen"}:
        where = f"set {PREFIX}BOUNCE_DIR or {PREFIX}BOUNCE_LISTEN"
        wrong.append(f"{PREFIX}BOUNCE_DOMAIN: nobody would look for what comes back there; {where}")
    return wrong


def _unknown_variables() -> list[str]:
    """A misspelt setting would otherwise be ignored in silence."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    return [
        f"{name}: is not a setting of this service"
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and name not in known
    ]


def _in_words(error: ValidationError) -> list[str]:
    """The value is never repeated: it may be a secret."""
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        text = problem["msg"].removeprefix("Value error, ")
        if problem["loc"]:
            lines.append(f"{PREFIX}{str(problem['loc'][0]).upper().removeprefix(PREFIX)}: {text}")
        else:
            lines.append(text)
    return lines


def _own_master_key(data_dir: Path) -> str:
    """Read the key beside the embedded data, made by the first process that asks."""
    path = data_dir / "master.key"
    data_dir.mkdir(parents=True, exist_ok=True)
    candidate = data_dir / f".master.key.{os.getpid()}"
    if not path.exists():
        descriptor = os.open(candidate, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(base64.b64encode(secrets.token_bytes(MASTER_KEY_BYTES)).decode() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(candidate, path)  # fails where another process was first; its key is the one
        except FileExistsError:
            pass
        finally:
            candidate.unlink()
    return _master_key(SecretStr(path.read_text().strip())).get_secret_value()
