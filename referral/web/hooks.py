"""Where providers call to tell what became of a message. The signature comes before everything else.

Answers are empty: 204 for whoever is genuine, about whatever message, 503 for whoever is to call again, 403
for everybody else.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from datetime import datetime
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Depends, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from referral.bootstrap import Runtime
from referral.channels.base import Fate
from referral.channels.webhooks import AskIt, Hook, News
from referral.domain.ids import is_uuid
from referral.services.take_report import Report, take_report
from referral.storage import mode, provider_polls
from referral.web.dependencies import RuntimeDep, public

log = structlog.get_logger(__name__)
router: Final = APIRouter(include_in_schema=False)
_LARGEST: Final = 64 * 1024
_SECONDS: Final = 20.0
# Connections to the database that calls of providers may hold at a time: people come first. A provider that
# is turned away calls again, or is asked.
_AT_ONCE: Final = threading.BoundedSemaphore(4)
_WHY: Final = public("the provider's signature is checked before anything is read; it learns nothing")


async def _whole(request: Request) -> bytes | None:
    """The body, None where it is too large for any report, too slow, or its sender has gone."""
    received = bytearray()
    try:
        async with asyncio.timeout(_SECONDS):
            async for chunk in request.stream():
                received += chunk
                if len(received) > _LARGEST:
                    return None
    except (ClientDisconnect, TimeoutError):
        return None
    return bytes(received)


BodyDep = Annotated[bytes | None, Depends(_whole)]


@router.post("/hooks/{provider}/{clinic_id}/{about}", dependencies=[_WHY])
@router.post("/hooks/{provider}/{clinic_id}/{about}/{token}", dependencies=[_WHY])
def take_call(
    request: Request,
    runtime: RuntimeDep,
    body: BodyDep,
    provider: str,
    clinic_id: str,
    about: str,
    token: str = "",
) -> Response:
    """One report, or a hint that there is one; `about` is a message with its generation, MESSAGE.2."""
    if body is None:
        return Response(status_code=413)
    receiver = runtime.receivers.get(provider)
    message_id, _, generation = about.partition(".")
    if receiver is None or not is_uuid(clinic_id) or not is_uuid(message_id):
        return Response(status_code=403)
    hook = Hook(
        url=f"{runtime.settings.base_url}{request.url.path}",
        clinic_id=clinic_id,
        message_id=uuid.UUID(message_id),
        generation=int(generation) if generation.isdecimal() and len(generation) < 5 else 0,
        token=token,
        headers=request.headers,
        body=body,
    )
    now = runtime.now()
    if not receiver.is_genuine(hook, now):
        log.warning("hook.refused", provider=provider)
        return Response(status_code=403)
    news = receiver.read(hook)
    if news is None:
        log.warning("hook.not_understood", provider=provider)
        return Response(status_code=204)
    return _taken(runtime, provider, hook, news, now)


def _taken(runtime: Runtime, provider: str, hook: Hook, news: News | AskIt, now: datetime) -> Response:
    if isinstance(news, News) and news.progress.fate is Fate.PENDING:
        return Response(status_code=204)
    if not _AT_ONCE.acquire(blocking=False):
        return Response(status_code=503, headers={"Retry-After": "30"})
    try:
        with runtime.transaction(hook.clinic_id) as session:
            if mode.is_restoring(session):
                # The backup may not know the message yet; told again, the news is taken.
                return Response(status_code=503, headers={"Retry-After": "600"})
            if isinstance(news, AskIt):
                provider_polls.ask_now(session, hook.message_id, now)
            else:
                take_report(session, _report(provider, hook, news, now), now)
    finally:
        _AT_ONCE.release()
    return Response(status_code=204)


def _report(provider: str, hook: Hook, news: News, now: datetime) -> Report:
    return Report(
        provider=provider,
        event_id=news.event_id,
        message_id=hook.message_id,
        fate=news.progress.fate,
        reason=news.progress.reason,
        at=news.at or now,
        reference=news.reference,
        bad_address=news.progress.bad_address,
        generation=news.generation,
    )
