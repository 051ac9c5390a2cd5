"""Figures of the whole installation, for the metrics: counts and ages, no clinic and no person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from referral.channels.returned_mail import News
from referral.domain.codes import Channel
from referral.domain.providers import Circuit
from referral.services.read_returned_mail import Ignored
from referral.storage import (
    clinics,
    mode,
    outbox,
    outbox_figures,
    referrals,
    returned_mail,
    safety_events,
)
from referral.storage import (
    providers as provider_states,
)
from referral.storage.db import Session

_CIRCUITS: Final = {Circuit.CLOSED: 0, Circuit.PROBING: 1, Circuit.OPEN: 2}
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Figure:
    """One value. Those of the same name have the same labels, and are one family."""

    name: str
    meaning: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def figures(session: Session, now: datetime, providers: Mapping[Channel, str]) -> list[Figure]:
    """Summed over all clinics; ages are the oldest in any of them, in seconds.

    `providers` is what each channel goes by in this installation.
    """
    depth, age, open_requests, waiting = 0, 0.0, 0, 0
    restoring = len(mode.restoring(session))
    returned = returned_mail.counts(session, now - _DAY)
    counts: Counter[tuple[str, str]] = Counter()
    ages: dict[tuple[str, str], float] = {}
    for clinic in clinics.every(session):
        session.enter_clinic(clinic.id)
        waiting += safety_events.waiting(session)
        due, oldest = outbox.depth(session, now)
        depth, age = depth + due, max(age, oldest)
        open_requests += referrals.count_open(session)
        for pile in outbox_figures.piles(session):
            where = (str(pile.state), providers[pile.channel])
            counts[where] += pile.count
            ages[where] = max(ages.get(where, 0.0), (now - pile.since).total_seconds())
    return [
        Figure("referral_outbox_due", "Messages that are due and not yet sent.", depth),
        Figure("referral_outbox_age_seconds", "Age of the oldest message that is due.", age),
        *_piles(counts, ages, sorted(set(providers.values()))),
        *_circuits(session, now, sorted(set(providers.values()))),
        *_returned(returned),
        Figure("referral_requests_open", "Requests that wait for an answer.", open_requests),
        Figure(
            "referral_stream_waiting",
            "Events that are not exported yet; more than a few need somebody.",
            waiting,
        ),
        Figure("referral_restore_mode", "Clinics that are closed after a restore.", restoring),
    ]


def _piles(
    counts: Counter[tuple[str, str]], ages: Mapping[tuple[str, str], float], providers: list[str]
) -> Iterator[Figure]:
    """Every state and provider, nothing left out: an alert needs a zero to be well again."""
    for state in outbox_figures.STATES:
        for provider in providers:
            where, labels = (str(state), provider), {"state": str(state), "provider": provider}
            yield Figure(
                "referral_outbox_messages",
                "Messages that have not ended, and those of open requests that wait for a person.",
                counts[where],
                labels,
            )
            yield Figure(
                "referral_outbox_oldest_seconds",
                "Since when the oldest of them has been due, or has waited for a person.",
                ages.get(where, 0.0),
                labels,
            )


def _circuits(session: Session, now: datetime, in_use: list[str]) -> Iterator[Figure]:
    """Of the providers in use; one that was never called has closed its circuit."""
    known = {provider.name: provider for provider in provider_states.every(session)}
    for name in in_use:
        found, labels = known.get(name), {"provider": name}
        yield Figure(
            "referral_provider_circuit",
            "0: closed, messages leave. 1: one call at a time tries it. 2: open, nothing is sent.",
            _CIRCUITS[found.circuit(now)] if found is not None else 0,
            labels,
        )
        yield Figure(
            "referral_provider_failures",
            "Calls in a row that the provider did not answer.",
            found.failures if found is not None else 0,
            labels,
        )


def _returned(counts: Mapping[str, int]) -> Iterator[Figure]:
    for outcome in (*News, *Ignored):
        yield Figure(
            "referral_mail_returned",
            "Mail that came back in the last 24 hours, by what became of it.",
            counts.get(outcome, 0),
            {"outcome": str(outcome)},
        )
