"""The Bundles that are answered: search results, histories, and what came of a batch or transaction.

Resources may be dicts or `msgspec.Raw`, the stored JSON as it is: the encoder writes both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from referral.fhir.elements import instant

Body = dict[str, Any] | msgspec.Raw


@dataclass(frozen=True, slots=True)
class Found:
    """One row of a search: `Type/id` and what is stored. `mode` is match, include or outcome."""

    location: str
    resource: Body
    mode: str = "match"


@dataclass(frozen=True, slots=True)
class Version:
    """One row of a history, newest first. `resource` is None for a deletion."""

    type: str
    id: str
    version: int
    method: str
    at: datetime
    resource: Body | None = None

    @property
    def status(self) -> str:
        return {"POST": "201 Created", "DELETE": "204 No Content"}.get(self.method, "200 OK")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one entry. `location` is `Type/id/_history/v`."""

    status: str
    location: str | None = None
    etag: str | None = None
    last_modified: datetime | None = None
    resource: Body | None = None
    outcome: dict[str, Any] | None = None


def searchset(
    rows: Iterable[Found],
    base_url: str,
    links: dict[str, str],
    *,
    total: int | None = None,
    outcome: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """`links` maps self, next, previous to absolute URLs; `outcome` tells what was ignored."""
    entries: list[dict[str, Any]] = [
        {
            "fullUrl": f"{base_url}/{row.location}",
            "resource": row.resource,
            "search": {"mode": row.mode},
        }
        for row in rows
    ]
    if outcome is not None:
        entries.append({"resource": outcome, "search": {"mode": "outcome"}})
    return _bundle("searchset", entries, links, total)


def history(
    versions: Iterable[Version], base_url: str, links: dict[str, str], *, total: int | None = None
) -> dict[str, Any]:
    """Versions as they were written, each with the request that wrote it."""
    return _bundle("history", [_version_entry(version, base_url) for version in versions], links, total)


def batch_response(outcomes: Iterable[Outcome], base_url: str, *, atomic: bool) -> dict[str, Any]:
    """One entry per entry of the request, in its order."""
    kind = "transaction-response" if atomic else "batch-response"
    entries = [_outcome_entry(outcome, base_url) for outcome in outcomes]
    seen: set[str] = set()
    for entry in entries:
        # A fullUrl is there once (bdl-7), though several entries may have named the same resource.
        if entry.get("fullUrl") in seen:
            del entry["fullUrl"]
        seen.add(entry.get("fullUrl", ""))
    return _bundle(kind, entries, {}, None)


def etag(version: int) -> str:
    """The weak ETag of a version, as If-Match sends it back."""
    return f'W/"{version}"'


def _version_entry(version: Version, base_url: str) -> dict[str, Any]:
    url = version.type if version.method == "POST" else f"{version.type}/{version.id}"
    entry: dict[str, Any] = {"fullUrl": f"{base_url}/{version.type}/{version.id}"}
    if version.resource is not None:
        entry["resource"] = version.resource
    entry["request"] = {"method": version.method, "url": url}
    entry["response"] = {
        "status": version.status,
        "etag": etag(version.version),
        "lastModified": instant(version.at),
    }
    return entry


def _outcome_entry(row: Outcome, base_url: str) -> dict[str, Any]:
    response: dict[str, Any] = {"status": row.status}
    if row.location:
        response["location"] = f"{base_url}/{row.location}"
    if row.etag:
        response["etag"] = row.etag
    if row.last_modified is not None:
        response["lastModified"] = instant(row.last_modified)
    if row.outcome is not None:
        response["outcome"] = row.outcome
    entry: dict[str, Any] = {}
    if row.location:
        entry["fullUrl"] = f"{base_url}/{row.location.split('/_history/', maxsplit=1)[0]}"
    if row.resource is not None:
        entry["resource"] = row.resource
    return {**entry, "response": response}


def _bundle(
    kind: str, entries: list[dict[str, Any]], links: dict[str, str], total: int | None
) -> dict[str, Any]:
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": kind}
    if total is not None:
        bundle["total"] = total
    if links:
        bundle["link"] = [{"relation": relation, "url": url} for relation, url in links.items()]
    # An empty list is no valid JSON for FHIR.
    if entries:
        bundle["entry"] = entries
    return bundle
