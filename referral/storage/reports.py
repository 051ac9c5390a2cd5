"""The clinic's own figures, each counted by one statement over the requests of a period.

A period is [since, until) and holds the requests that were made in it, whatever became of them later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import text

from referral.domain.calendar import Hours
from referral.storage.closures import hours_from
from referral.storage.db import PLANNED_ANEW, Session

_PERIOD: Final = "r.clinic_id = :clinic AND r.created_at >= :since AND r.created_at < :until"
_REACHED: Final = "('accepted', 'delivered')"
_POSITIVE: Final = "('recommended', 'recommended-with-conditions')"


@dataclass(frozen=True, slots=True)
class Period:
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """How many requests have come at least so far; who has answered on paper has opened it, too."""

    requested: int
    delivered: int
    opened: int
    identified: int
    answered: int
    usable: int
    copies: int


# Sets that are joined: a question asked anew for each of a million requests takes minutes. An answer that
# counts by itself, or because people of the clinic have said so, is usable (domain/gate.py). What was sent
# about a request is not older than the period.
_FUNNEL: Final = text(f"""
    WITH asked AS MATERIALIZED (
           SELECT r.id, r.status = 'completed' AS answered, r.delivered_at IS NOT NULL AS delivered,
                  r.status = 'completed' OR r.identified_at IS NOT NULL AS identified
             FROM referral r WHERE {_PERIOD}),
         opened AS (SELECT DISTINCT referral_id AS id FROM referral_event
                     WHERE clinic_id = :clinic AND event = 'portal-opened'),
         copied AS (SELECT DISTINCT referral_id AS id FROM message
                     WHERE clinic_id = :clinic AND created_at >= :since AND kind = 'thank-you'
                       AND state IN {_REACHED}),
         reviewed AS (SELECT DISTINCT ON (recommendation_id) recommendation_id AS id, accepted
                        FROM recommendation_review WHERE clinic_id = :clinic
                       ORDER BY recommendation_id, recommendation_review.id DESC),
         confirmed AS (SELECT DISTINCT recommendation_id AS id FROM recommendation_confirmation
                        WHERE clinic_id = :clinic),
         voided AS (SELECT DISTINCT recommendation_id AS id FROM recommendation_void
                     WHERE clinic_id = :clinic),
         usable AS (SELECT DISTINCT a.referral_id AS id FROM recommendation a
                      LEFT JOIN reviewed v ON v.id = a.id
                      LEFT JOIN confirmed f ON f.id = a.id
                      LEFT JOIN voided x ON x.id = a.id
                     WHERE a.clinic_id = :clinic AND a.decision IN {_POSITIVE} AND x.id IS NULL
                       AND (a.strength = ANY (:strong) OR f.id IS NOT NULL)
                       AND coalesce(v.accepted, NOT ((:flags AND cardinality(a.red_flags) > 0)
                                                     OR (:conditions AND a.decision <> 'recommended'))))
    SELECT count(*) AS requested, count(*) FILTER (WHERE identified OR delivered) AS delivered,
           count(*) FILTER (WHERE identified OR opened.id IS NOT NULL) AS opened,
           count(*) FILTER (WHERE identified) AS identified, count(*) FILTER (WHERE answered) AS answered,
           count(usable.id) FILTER (WHERE answered) AS usable,
           count(copied.id) FILTER (WHERE answered) AS copies
      FROM asked LEFT JOIN opened USING (id) LEFT JOIN usable USING (id)
      LEFT JOIN copied USING (id)""")  # noqa: S608 - made of constants


def funnel(
    session: Session, period: Period, *, strong: Iterable[str], flags: bool, conditions: bool
) -> Funnel:
    """`strong`, `flags` and `conditions` are the clinic's policy: what counts without a second look."""
    given = _given(session, period) | {"strong": list(strong), "flags": flags, "conditions": conditions}
    row = session.connection.execute(_FUNNEL, given, execution_options=PLANNED_ANEW).one()
    return Funnel(**row._asdict())


def _given(session: Session, period: Period) -> dict[str, Any]:
    return {"clinic": session.clinic, "since": period.since, "until": period.until}


# ---- How old the open ones are


def ageing(session: Session, steps: Iterable[datetime]) -> tuple[int, list[int]]:
    """Open requests that were not delivered yet; and those delivered at or before each of `steps`."""
    moments = list(steps)
    step = "count(*) FILTER (WHERE r.delivered_at <= :s{n}) AS s{n}"
    counted = ", ".join(step.format(n=n) for n in range(len(moments)))
    statement = text(
        f"SELECT count(*) FILTER (WHERE r.delivered_at IS NULL) AS waiting, {counted}"  # noqa: S608 - made of constants
        " FROM referral r WHERE r.clinic_id = :clinic AND r.closed_at IS NULL"
    )
    given = {"clinic": session.clinic, **{f"s{n}": moment for n, moment in enumerate(moments)}}
    row = session.connection.execute(statement, given).one()
    return row.waiting, [getattr(row, f"s{n}") for n in range(len(moments))]


# ---- How long answers take


@dataclass(frozen=True, slots=True)
class Asked:
    """A clinician of the period, as far as their calendar follows from it."""

    id: str
    time_zone: str
    hours: Hours | None


_ASKED: Final = text(f"""
    SELECT c.id, c.name, c.credentials, c.time_zone, c.hours
      FROM clinician c JOIN (SELECT DISTINCT r.clinician_id FROM referral r WHERE {_PERIOD}
                             AND r.status = 'completed' AND r.delivered_at IS NOT NULL) r
           ON r.clinician_id = c.id
     WHERE c.clinic_id = :clinic""")  # noqa: S608 - made of constants


def asked(session: Session, period: Period) -> tuple[list[Asked], dict[str, str]]:
    """Clinicians who have answered requests of the period, and their names by id."""
    rows = session.connection.execute(_ASKED, _given(session, period), execution_options=PLANNED_ANEW).all()
    people = [Asked(row.id, row.time_zone, hours_from(row.hours) if row.hours else None) for row in rows]
    return people, {row.id: f"{row.name}, {row.credentials}".rstrip(", ") for row in rows}


@dataclass(frozen=True, slots=True)
class Days:
    """One calendar, day after day: when it opens and closes, and how many seconds were open before."""

    opens: list[datetime]
    closes: list[datetime]
    before: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """How long the answers of a group took, in business days of their recipients.

    `fast` came within five. `paused` requests stood still meanwhile, for `paused_days` business days in all:
    they are told beside, and the clock goes on.
    """

    answers: int
    median: float
    fast: int
    paused: int
    paused_days: int


# The days of all calendars are arrays, each calendar behind the other: a day is found by its place, where a
# join would compare each answer with each day. Moments are seconds since 1970.
_TOOK: Final = text(f"""
    WITH who AS (SELECT * FROM unnest(CAST(:clinician AS text[]), CAST(:place AS int[]),
                                      CAST(:zone AS text[]), CAST(:length AS float8[]))
                   AS t (clinician_id, place, zone, length)),
         asked AS MATERIALIZED (
           SELECT r.id, r.clinician_id, r.shifted_days, who.place, who.length,
                  date_trunc('week', r.created_at AT TIME ZONE :zone_of_clinic)::date AS week,
                  date_part('epoch', r.delivered_at) AS began, date_part('epoch', r.closed_at) AS ended,
                  who.place + (r.delivered_at AT TIME ZONE who.zone)::date - CAST(:first AS date) AS b,
                  who.place + (r.closed_at AT TIME ZONE who.zone)::date - CAST(:first AS date) AS e
             FROM referral r JOIN who ON who.clinician_id = r.clinician_id
            WHERE {_PERIOD} AND r.status = 'completed' AND r.delivered_at IS NOT NULL
              AND r.closed_at >= r.delivered_at),
         sent AS (SELECT DISTINCT ON (m.referral_id) m.referral_id AS id, m.channel
                    FROM asked JOIN message m ON m.referral_id = asked.id
                   WHERE m.clinic_id = :clinic AND m.created_at >= :since
                     AND m.kind IN ('request', 'reminder') AND m.state IN {_REACHED}
                   ORDER BY m.referral_id, m.finished_at),
         answer AS (
           SELECT clinician_id, channel, length, shifted_days, week,
                  (CAST(:before AS float8[]))[e] - (CAST(:before AS float8[]))[b]
                  + greatest(least(ended, (CAST(:closes AS float8[]))[e]) - (CAST(:opens AS float8[]))[e], 0)
                  - greatest(least(began, (CAST(:closes AS float8[]))[b]) - (CAST(:opens AS float8[]))[b], 0)
                  AS open
             FROM asked LEFT JOIN sent USING (id)
            WHERE b >= place AND e < place + :days)
    SELECT clinician_id, channel, week, grouping(clinician_id, channel, week) AS kind, count(*) AS answers,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY open / length) AS median,
           count(*) FILTER (WHERE open <= 5 * length) AS fast,
           count(*) FILTER (WHERE shifted_days > 0) AS paused,
           coalesce(sum(shifted_days), 0) AS paused_days
      FROM answer GROUP BY GROUPING SETS ((clinician_id), (channel), (week), ())""")  # noqa: S608 - made of constants
_KINDS: Final = {3: "clinician", 5: "channel", 6: "week", 7: "all"}


@dataclass(frozen=True, slots=True)
class Groups:
    """What answers took: in all (None where nobody has answered), and by clinician, channel and week."""

    all: Took | None
    clinician: Mapping[str, Took]
    channel: Mapping[str, Took]
    week: Mapping[date, Took]


def took(
    session: Session,
    period: Period,
    zone: str,
    first: date,
    calendars: Iterable[tuple[Days, float]],
    people: Iterable[tuple[Asked, int]],
) -> Groups:
    """`calendars` are days from `first` on, each with the seconds of its usual day; `people` say whose.

    `zone` is that of the clinic, for weeks.
    """
    given = _given(session, period) | _calendars(first, list(calendars), list(people))
    rows = session.connection.execute(_TOOK, given | {"zone_of_clinic": zone}, execution_options=PLANNED_ANEW)
    found: dict[str, dict[Any, Took]] = {kind: {} for kind in _KINDS.values()}
    for row in rows:
        kind = _KINDS[row.kind]
        key = None if kind == "all" else getattr(row, f"{kind}_id" if kind == "clinician" else kind)
        if row.answers:
            found[kind][key] = Took(
                answers=row.answers,
                median=float(row.median),
                fast=row.fast,
                paused=row.paused,
                paused_days=int(row.paused_days),
            )
    return Groups(
        found["all"].get(None),
        found["clinician"],
        {key: value for key, value in found["channel"].items() if key is not None},
        dict(sorted(found["week"].items())),
    )


def _calendars(
    first: date, calendars: list[tuple[Days, float]], people: list[tuple[Asked, int]]
) -> dict[str, Any]:
    """The days of all calendars one behind the other; `place` is where a clinician's begin, from 1."""
    days = len(calendars[0][0].opens) if calendars else 0
    return {
        "first": first,
        "days": days,
        "opens": [moment.timestamp() for found, _ in calendars for moment in found.opens],
        "closes": [moment.timestamp() for found, _ in calendars for moment in found.closes],
        "before": [seconds for found, _ in calendars for seconds in found.before],
        "clinician": [one.id for one, _ in people],
        "place": [number * days + 1 for _, number in people],
        "zone": [one.time_zone for one, _ in people],
        "length": [calendars[number][1] for _, number in people],
    }


# ---- Recommendations that end, emergency access

_ENDING: Final = text(f"""
    SELECT floor(extract(epoch FROM a.valid_until - CAST(:now AS timestamptz)) / 604800), count(*)
      FROM infusion_order o JOIN recommendation a ON a.clinic_id = o.clinic_id AND a.order_id = o.id
      LEFT JOIN (SELECT DISTINCT recommendation_id FROM recommendation_void WHERE clinic_id = :clinic) x
           ON x.recommendation_id = a.id
      LEFT JOIN (SELECT DISTINCT ON (recommendation_id) recommendation_id, accepted
                   FROM recommendation_review WHERE clinic_id = :clinic
                  ORDER BY recommendation_id, id DESC) v ON v.recommendation_id = a.id
     WHERE o.clinic_id = :clinic AND o.status IN ('on-hold', 'active')
       AND a.valid_until > :now AND a.valid_until <= :soon AND a.decision IN {_POSITIVE}
       AND x.recommendation_id IS NULL AND coalesce(v.accepted, true)
     GROUP BY 1""")  # noqa: S608 - made of constants


def ending(session: Session, now: datetime, soon: datetime) -> dict[int, int]:
    """Recommendations that count and end until `soon`, by the week from now, 0 is the first."""
    given = {"clinic": session.clinic, "now": now, "soon": soon}
    rows = session.connection.execute(_ENDING, given, execution_options=PLANNED_ANEW)
    return {int(row[0]): int(row[1]) for row in rows}


_OVERRIDES: Final = text("""
    SELECT count(*) AS asked, count(*) FILTER (WHERE d.outcome = 'approved') AS approved,
           count(*) FILTER (WHERE d.outcome = 'declined') AS declined, count(s.id) AS used,
           count(*) FILTER (WHERE v.justified) AS justified,
           count(*) FILTER (WHERE NOT v.justified) AS unjustified
      FROM override_request q
      LEFT JOIN override_decision d ON d.clinic_id = q.clinic_id AND d.request_id = q.id
      LEFT JOIN override_review v ON v.clinic_id = q.clinic_id AND v.request_id = q.id
      LEFT JOIN treatment_start s ON s.clinic_id = q.clinic_id AND s.override_id = q.id
     WHERE q.clinic_id = :clinic AND q.requested_at >= :since AND q.requested_at < :until""")


def overrides(session: Session, period: Period) -> dict[str, int]:
    """Requests for emergency access of the period by what became of them."""
    row = session.connection.execute(_OVERRIDES, _given(session, period)).one()
    return dict(row._asdict())
