"""Bundles: a transaction in one transaction of the database, a batch in one for each entry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
from fastapi import Request

from referral.domain.errors import ReferralError
from referral.fhir.answer_bundles import Outcome, batch_response
from referral.fhir.bundle import Entry, parse_batch
from referral.fhir.json import encode
from referral.fhir.operation_outcome import located, operation_outcome
from referral.fhir.problems import Issue, TooLarge
from referral.services.write_bundle import Door, carry_out_alone, transact
from referral.storage.db import Session
from referral.web.errors import note_refusal, status_for_system
from referral.web.fhir_bundle_reads import read_entry
from referral.web.fhir_client import Caller
from referral.web.fhir_wire import Wanted

MOST_READ: Final = 16 * 1024 * 1024
_REASONS = {
    400: "400 Bad Request",
    401: "401 Unauthorized",
    403: "403 Forbidden",
    404: "404 Not Found",
    405: "405 Method Not Allowed",
    409: "409 Conflict",
    412: "412 Precondition Failed",
    413: "413 Content Too Large",
    422: "422 Unprocessable Content",
    429: "429 Too Many Requests",
    503: "503 Service Unavailable",
}


def carry_out_bundle(request: Request, caller: Caller, how: Wanted, bundle: dict[str, Any]) -> dict[str, Any]:
    """The batch-response or transaction-response; a refused transaction raises and has done nothing."""
    batch = parse_batch(bundle, base_url=caller.base_url)
    reads = _Reads(caller)
    door = Door(caller.access, caller.now, caller.base_url, how.returns, reads.read)
    if batch.atomic:
        with caller.transaction() as session:
            outcomes = transact(session, replace(door, now=caller.now), batch.entries)
    else:
        done = {entry.index: _alone(request, caller, door, entry) for entry in batch.entries}
        done |= {
            index: _refused(request, problem, f"Bundle.entry[{index}]")
            for index, problem in batch.refused.items()
        }
        outcomes = [done[index] for index in sorted(done)]
    return batch_response(outcomes, caller.base_url, atomic=batch.atomic)


@dataclass(slots=True)
class _Reads:
    """What the entries of one Bundle read. `left` is how many bytes more may go out.

    A Bundle of one megabyte can ask for hundreds of pages, which would be in memory at the same time.
    """

    caller: Caller
    left: int = MOST_READ

    def read(self, session: Session, entry: Entry) -> Outcome:
        outcome = read_entry(session, self.caller, entry)
        if outcome.resource is None:
            return outcome
        body = msgspec.Raw(encode(outcome.resource))
        self.left -= len(body)
        if self.left < 0:
            text = (
                f"The entries of one Bundle may read {MOST_READ // 2**20} MiB; send several, or use _count."
            )
            raise TooLarge(Issue(text, (f"{entry.expression}.request.url",), "too-costly"))
        return replace(outcome, resource=body)


def _alone(request: Request, caller: Caller, door: Door, entry: Entry) -> Outcome:
    try:
        with caller.transaction() as session:
            return carry_out_alone(session, replace(door, now=caller.now), entry)
    except ReferralError as error:
        return _refused(request, error, f"{entry.expression}.request")


def _refused(request: Request, error: ReferralError, where: str) -> Outcome:
    """`where` is what an issue points at that names no element."""
    status = status_for_system(error)
    note_refusal(request, error, status)
    return Outcome(_REASONS[status], outcome=operation_outcome(located(error.issues, where)))
