"""Threads for calls to providers: a few per transport and process, and others for what is urgent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from referral.channels.base import Transport

_URGENT: Final = 4


class Pools:
    """Made on first use: a process that is forked later must not inherit threads."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, bool], ThreadPoolExecutor] = {}

    def of(self, transport: Transport, *, urgent: bool) -> ThreadPoolExecutor:
        """As many threads as the transport may have calls; urgent ones never wait for those of others."""
        key = (transport.name, urgent)
        if key not in self._made:
            size = min(_URGENT, transport.at_once) if urgent else transport.at_once
            self._made[key] = ThreadPoolExecutor(size, thread_name_prefix=f"call-{transport.name}")
        return self._made[key]
