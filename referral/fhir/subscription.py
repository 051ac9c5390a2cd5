"""A Subscription as the R4 backport of topic-based subscriptions writes it: read, checked, and shown.

Secrets in `channel.header` are taken out before anything is stored: the resource shows their names only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from referral.domain.outgoing_urls import Reach, UnusableUrl, check_url
from referral.domain.subscription import (
    EVENTS_AT_ONCE,
    HEARTBEAT_SECONDS,
    MOST_FILTERS,
    TIMEOUT_SECONDS,
    USUAL_EVENTS_AT_ONCE,
    USUAL_TIMEOUT,
    Content,
    SubscriptionStatus,
)
from referral.fhir.elements import Resource, every
from referral.fhir.intervals import interval
from referral.fhir.problems import InvalidSearch, Issue
from referral.fhir.search_model import Clause
from referral.fhir.search_values import TokenValue
from referral.fhir.subscription_topics import TOPICS, TopicDefinition, find_topic
from referral.fhir.systems import BASE

BACKPORT: Final = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
PROFILE: Final = f"{BACKPORT}backport-subscription"
FILTER: Final = f"{BACKPORT}backport-filter-criteria"
PAYLOAD_CONTENT: Final = f"{BACKPORT}backport-payload-content"
HEARTBEAT: Final = f"{BACKPORT}backport-heartbeat-period"
TIMEOUT: Final = f"{BACKPORT}backport-timeout"
MAX_COUNT: Final = f"{BACKPORT}backport-max-count"
# Whose it is: set by the server, so that each client finds its own and nobody else's.
OWNER: Final = f"{BASE}/CodeSystem/subscription-client"
JSON_TYPES: Final = ("application/fhir+json", "application/json")
HIDDEN: Final = "***"
_MOST_HEADERS: Final = 10
_LONGEST_HEADER: Final = 4000
# Tokens of RFC 9110; values of visible ASCII, spaces and tabs, which cannot end a line.
_HEADER: Final = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}):[ \t]*([\x20-\x7e\t]*)")
# What describes the message itself is ours to say, and what describes the connection nobody's.
_NOT_THEIRS: Final = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade", "te", "trailer"}
    | {"expect", "keep-alive", "proxy-authorization", "proxy-connection", "accept-encoding"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a client asks for. `headers` are name and value; a hidden value means: as it was before."""

    wants: SubscriptionStatus
    topic: TopicDefinition
    filters: tuple[str, ...]
    content: Content
    endpoint: str
    headers: tuple[tuple[str, str], ...]
    heartbeat_seconds: int | None
    timeout_seconds: int
    max_count: int
    ends_at: datetime | None


def read_subscription(
    document: Resource, reach: Reach, now: datetime, *, current: str | None = None
) -> tuple[Asked | None, list[Issue]]:
    """What is asked for, or None and everything that is wrong with it.

    `current` is the status that is stored: a document that was read may be sent back with it.
    """
    reading = _Reading()
    channel = document.get("channel") or {}
    reading.status(document, current)
    reading.channel(channel)
    topic = reading.topic(document)
    asked = {
        "filters": reading.filters(document, topic),
        "content": reading.content(channel),
        "endpoint": reading.endpoint(channel, reach),
        "headers": reading.headers(channel),
        "heartbeat_seconds": reading.number(channel, HEARTBEAT, HEARTBEAT_SECONDS, None),
        "timeout_seconds": reading.number(channel, TIMEOUT, TIMEOUT_SECONDS, USUAL_TIMEOUT),
        "max_count": reading.number(channel, MAX_COUNT, EVENTS_AT_ONCE, USUAL_EVENTS_AT_ONCE),
        "ends_at": reading.end(document, now),
    }
    if reading.issues or topic is None:
        return None, reading.issues
    return Asked(wants=SubscriptionStatus(document["status"]), topic=topic, **asked), []


class _Reading:
    """Collects what is wrong, so that a client can mend all of it at once."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []

    def refuse(self, text: str, expression: str, code: str = "business-rule") -> None:
        self.issues.append(Issue(text, (f"Subscription.{expression}",), code))

    def status(self, document: Resource, current: str | None) -> None:
        allowed = {SubscriptionStatus.REQUESTED, SubscriptionStatus.OFF, current or ""}
        if document.get("status") not in allowed:
            text = "A client sets requested, or off to end it; active and error are set by this server."
            self.refuse(text, "status")

    def channel(self, channel: Mapping[str, Any]) -> None:
        # Another kind of channel hides in an extension of the type.
        if channel.get("type") != "rest-hook" or "_type" in channel:
            self.refuse("The one channel of this server is rest-hook.", "channel.type", "not-supported")

    def topic(self, document: Resource) -> TopicDefinition | None:
        found = find_topic(document.get("criteria"))
        if found is None:
            known = ", ".join(row.url() for row in TOPICS.values())
            text = f"criteria has to be the canonical URL of a topic of this server: {known}."
            self.refuse(text, "criteria", "not-supported")
        return found

    def filters(self, document: Resource, topic: TopicDefinition | None) -> tuple[str, ...]:
        given = _extensions(document.get("_criteria"), FILTER)
        texts = tuple(str(row.get("valueString", "")) for row in given)
        if len(texts) > MOST_FILTERS:
            self.refuse(f"There are more than {MOST_FILTERS} filters.", "criteria.extension", "too-costly")
            return ()
        for place, text in enumerate(texts if topic else ()):
            try:
                topic.read_filter(text)  # type: ignore[union-attr]  # there is no text without a topic
            except InvalidSearch as error:
                for issue in error.issues:
                    where = f"criteria.extension[{place}].valueString"
                    self.refuse(f"This filter cannot be used. {issue.text}", where, issue.code)
        return texts

    def content(self, channel: Mapping[str, Any]) -> Content:
        if channel.get("payload") not in (None, *JSON_TYPES):
            text = "Notifications are application/fhir+json."
            self.refuse(text, "channel.payload", "not-supported")
        given = _extensions(channel.get("_payload"), PAYLOAD_CONTENT)
        code = given[0].get("valueCode") if given else Content.ID_ONLY
        if code in set(Content):
            return Content(code)
        text = (
            "Notifications say which resource has changed and never carry it: id-only, or empty. Read the"
            " resource with your token after the notification."
        )
        self.refuse(text, "channel.payload.extension.valueCode", "not-supported")
        return Content.ID_ONLY

    def endpoint(self, channel: Mapping[str, Any], reach: Reach) -> str:
        url = channel.get("endpoint")
        if not isinstance(url, str):
            self.refuse("A rest-hook needs the https address that is called.", "channel.endpoint", "required")
            return ""
        try:
            check_url(url, reach)
        except UnusableUrl as error:
            self.refuse(f"This address cannot be called. {error}", "channel.endpoint")
        return url

    def headers(self, channel: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        """Their values are secrets: no message repeats one."""
        given = channel.get("header") or []
        found: list[tuple[str, str]] = []
        for place, text in enumerate(given):
            match = (
                _HEADER.fullmatch(text) if isinstance(text, str) and len(text) <= _LONGEST_HEADER else None
            )
            if match is None:
                self.refuse("A header is written as 'Name: value'.", f"channel.header[{place}]", "value")
            elif match[1].lower() in _NOT_THEIRS:
                self.refuse("This header is set by the server itself.", f"channel.header[{place}]")
            else:
                found.append((match[1], match[2].rstrip()))
        if len(given) > _MOST_HEADERS:
            self.refuse(f"There are more than {_MOST_HEADERS} headers.", "channel.header", "too-costly")
        return tuple(found)

    def number(self, channel: Mapping[str, Any], url: str, bounds: tuple[int, int], usual: int | None) -> Any:
        given = _extensions(channel, url)
        if not given:
            return usual
        value = next((value for name, value in given[0].items() if name.startswith("value")), None)
        low, high = bounds
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            name = url.rpartition("/")[2]
            self.refuse(f"{name} has to be a number from {low} to {high}.", "channel.extension", "value")
            return usual
        return value

    def end(self, document: Resource, now: datetime) -> datetime | None:
        if "end" not in document:
            return None
        found = interval(document["end"])
        if found is None or found[0] is None:
            self.refuse("end has to be an instant.", "end", "value")
            return None
        if found[0] <= now and document.get("status") != SubscriptionStatus.OFF:
            self.refuse("end has passed already.", "end")
        return found[0]


def _extensions(holder: Any, url: str) -> list[Mapping[str, Any]]:
    return [row for row in every(holder, "extension") if row.get("url") == url]


def owned_by(client_id: str) -> Clause:
    """The condition that finds what a client has made itself."""
    return Clause("_tag", "token", (TokenValue(OWNER, client_id),))


def header_names(headers: Iterable[tuple[str, str]]) -> list[str]:
    """What is shown of headers: an Authorization stays recognisable, its value is gone."""
    return [f"{name}: {HIDDEN}" for name, _ in headers]


def shown(
    document: Resource, status: SubscriptionStatus, headers: Iterable[tuple[str, str]], client_id: str
) -> Resource:
    """The document as it is stored: with our status and owner, and without secrets."""
    meta = dict(document.get("meta") or {})
    tags = [tag for tag in meta.get("tag") or [] if tag.get("system") != OWNER]
    meta["tag"] = [*tags, {"system": OWNER, "code": client_id}]
    channel = {
        name: value for name, value in document["channel"].items() if name not in ("header", "_header")
    }
    names = header_names(headers)
    if names:
        channel["header"] = names
    kept = {name: value for name, value in document.items() if name not in ("error", "_error")}
    return {**kept, "meta": meta, "status": str(status), "channel": channel}


def tombstone(document: Resource) -> Resource:
    """What stays of a deleted one: no owner, so that nobody finds it, no address and no filter."""
    return {
        "resourceType": "Subscription",
        "id": document["id"],
        "status": str(SubscriptionStatus.OFF),
        "reason": "Deleted.",
        "criteria": document["criteria"],
        "channel": {"type": "rest-hook"},
    }
