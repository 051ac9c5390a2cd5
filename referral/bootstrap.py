"""Settings → Runtime: what a process needs to do its work, made once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from referral.channels.base import Channels, OutboxViewer, Transport
from referral.channels.fax import FaxTransport
from referral.channels.fax_mail import FaxMailTransport
from referral.channels.http_provider import Provider
from referral.channels.npi_registry import NpiRegistry
from referral.channels.outgoing import Outgoing
from referral.channels.print_batch import PrintTransport
from referral.channels.provider_urls import ProviderAccount
from referral.channels.return_address import ReturnAddresses
from referral.channels.sinch import SinchFax
from referral.channels.sms import TwilioSms
from referral.channels.smtp import SmtpTransport
from referral.channels.webhooks import Receiver, TwilioReceiver, fax_receiver
from referral.config import Settings
from referral.domain.codes import Channel
from referral.domain.language import Language
from referral.domain.outgoing_urls import Reach
from referral.domain.providers import read_limits
from referral.storage.db import Database, Session
from referral.storage.vault import Vault
from referral.translation import translations

# For all of one call; shorter than the lease of a message.
_PROVIDER_SECONDS: Final = 15.0


class Clock(Protocol):
    """The present, aware UTC."""

    def __call__(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Runtime:
    """Shared by all requests or tasks of a process; `now` is a pretend clock where the settings say so."""

    settings: Settings
    database: Database
    channels: Channels
    now: Clock
    outgoing: Outgoing
    # None where nobody outside may be asked.
    registry: NpiRegistry | None
    receivers: Mapping[str, Receiver]

    def transaction(self, clinic_id: str | None = None) -> AbstractContextManager[Session]:
        return self.database.transaction(clinic_id)

    def close(self) -> None:
        self.database.close()


def build_runtime(
    settings: Settings, *, pool_size: int = 8, longest_statement: timedelta | None = None
) -> Runtime:
    """Connects lazily: a database that is down is noticed by the first request, not here."""
    if settings.database_url is None:
        raise ValueError("no database: the supervisor sets REFERRAL_DATABASE_URL for its children")
    for language in Language:
        # A catalogue that cannot be read stops the start, not the first reader.
        translations(language)
    receivers = _receivers(settings)
    return Runtime(
        settings=settings,
        database=Database(
            settings.database_url,
            Vault(settings.master_key_bytes),
            pool_size=pool_size,
            longest_statement=longest_statement,
        ),
        channels=_channels(settings, receivers),
        now=_clock(settings.pretend_now_file),
        outgoing=Outgoing(Reach(settings.outgoing_networks, development=settings.demo)),
        registry=NpiRegistry(settings.nppes_url) if settings.nppes_url else None,
        receivers=receivers,
    )


def _clock(pretend: Path | None) -> Clock:
    if pretend is None:
        return lambda: datetime.now(UTC)
    path = os.fspath(pretend)

    def now() -> datetime:
        # As directly as can be: it is asked several times a message.
        file = os.open(path, os.O_RDONLY)
        try:
            return datetime.fromisoformat(os.read(file, 64).decode().strip()).astimezone(UTC)
        finally:
            os.close(file)

    return now


def _receivers(settings: Settings) -> dict[str, Receiver]:
    """How the configured providers call, by the name that is part of the address."""
    found: list[Receiver] = []
    if settings.sms is not None:
        found.append(TwilioReceiver(settings.sms.secret))
    if settings.fax is not None:
        found.append(fax_receiver(settings.fax.secret, signed=settings.fax.switch("signed", default=True)))
    return {receiver.name: receiver for receiver in found}


def _sms(given: ProviderAccount, address: Callable[[str], str]) -> Transport:
    return TwilioSms(
        Provider(given.account, at_once=TwilioSms.at_once, timeout=_PROVIDER_SECONDS),
        sender=given.options.get("service") or given.options["from"],
        account_sid=given.options.get("account"),
        repeatable=given.switch("idempotent", default=False),
        address=address,
    )


def _fax(given: ProviderAccount, address: Callable[[str], str]) -> Transport:
    adapter = SinchFax(
        sender=given.options.get("from", ""),
        header=given.options.get("header", ""),
        repeatable=given.switch("idempotent", default=False),
    )
    provider = Provider(given.account, at_once=FaxTransport.at_once, timeout=_PROVIDER_SECONDS)
    return FaxTransport(provider, adapter, address)


def _channels(settings: Settings, receivers: Mapping[str, Receiver]) -> Channels:
    """Every channel has a transport: the outbox viewer where no provider is configured.

    Paper needs no provider: people of the clinic print and mail it.
    """
    transports: dict[Channel, Transport] = {channel: OutboxViewer() for channel in Channel}
    transports[Channel.POST] = PrintTransport()
    returns = None
    if settings.returned_mail is not None:
        returns = ReturnAddresses(settings.master_key_bytes, settings.return_domain)
    if settings.smtp is not None:
        server = settings.smtp
        smtp = SmtpTransport(
            server.host,
            server.port,
            security=server.security,
            user=server.user,
            password=server.password,
            mail_from=settings.mail_from,
            ca_file=server.ca_file,
            returns=returns,
        )
        transports[Channel.EMAIL] = smtp
        if settings.fax_mail is not None:
            transports[Channel.FAX] = FaxMailTransport(smtp, settings.fax_mail, settings.mail_from)
    if settings.sms is not None:
        transports[Channel.SMS] = _sms(settings.sms, receivers["sms"].address)
    if settings.fax is not None:
        transports[Channel.FAX] = _fax(settings.fax, receivers["fax"].address)
    return Channels(transports, settings.mail_from, returns, read_limits(settings.provider_limits))
