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
# An answer that counts by itself or because the people of the clinic have said so (domain/gate.py).
_USABLE: Final = f"""
    EXISTS (SELECT FROM recommendation a
            LEFT JOIN LATERAL (SELECT v.accepted FROM recommendation_review v WHERE v.clinic_id = a.clinic_id
                               AND v.recommendation_id = a.id ORDER BY v.id DESC LIMIT 1) v ON true
            WHERE a.clinic_id = r.clinic_id AND a.order_id = r.order_id AND a.referral_id = r.id
              AND a.decision IN {_POSITIVE}
              AND coalesce(v.accepted, NOT ((:flags AND cardinality(a.red_flags) > 0)
                                            OR (:conditions AND a.decision <> 'recommended')))
              AND (a.strength = ANY (:strong)
                   OR EXISTS (SELECT FROM recommendation_confirmation f WHERE f.clinic_id = a.clinic_id
                              AND f.recommendation_id = a.id))
              AND NOT EXISTS (SELECT FROM recommendation_void x WHERE x.clinic_id = a.clinic_id
                              AND x.recommendation_id = a.id))"""  # noqa: S608 - made of constants


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


_FUNNEL: Final = text(f"""
    SELECT count(*) AS requested,
           count(*) FILTER (WHERE delivered) AS delivered, count(*) FILTER (WHERE opened) AS opened,
           count(*) FILTER (WHERE identified) AS identified, count(*) FILTER (WHERE answered) AS answered,
           count(*) FILTER (WHERE usable) AS usable, count(*) FILTER (WHERE copied) AS copies
    FROM (SELECT answered, identified,
                 identified OR EXISTS (SELECT FROM referral_event e WHERE e.clinic_id = :clinic
                                       AND e.referral_id = f.id AND e.event = 'portal-opened') AS opened,
                 identified OR delivered_at IS NOT NULL AS delivered, answered AND usable AS usable,
                 answered AND EXISTS (SELECT FROM message m WHERE m.clinic_id = :clinic
                                      AND m.referral_id = f.id AND m.kind = 'thank-you'
                                      AND m.state IN {_REACHED}) AS copied
          FROM (SELECT r.id, r.delivered_at, r.status = 'completed' AS answered,
                       r.status = 'completed' OR r.identified_at IS NOT NULL AS identified,
                       CASE WHEN r.status = 'completed' THEN {_USABLE} ELSE false END AS usable
                FROM referral r WHERE {_PERIOD}) f) g""")  # noqa: S608 - made of constants


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
    SELECT c.id, c.name, c.credentials, c.time_zone, c.hours FROM clinician c WHERE c.clinic_id = :clinic
       AND EXISTS (SELECT FROM referral r WHERE {_PERIOD} AND r.clinician_id = c.id AND r.status = 'completed'
                   AND r.delivered_at IS NOT NULL)""")  # noqa: S608 - made of constants


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


_TOOK: Final = text(f"""
    WITH day AS (SELECT * FROM unnest(CAST(:calendar AS int[]), CAST(:day AS date[]),
                                      CAST(:opens AS timestamptz[]), CAST(:closes AS timestamptz[]),
                                      CAST(:before AS float8[])) AS t (calendar, day, opens, closes, before)),
         who AS (SELECT * FROM unnest(CAST(:clinician AS text[]), CAST(:of AS int[]), CAST(:zone AS text[]),
                                      CAST(:length AS float8[])) AS t (clinician_id, calendar, zone, length)),
         answer AS (
           SELECT r.clinician_id, m.channel, who.length, r.shifted_days,
                  date_trunc('week', r.created_at AT TIME ZONE :zone_of_clinic)::date AS week,
                  e.before + extract(epoch FROM greatest(least(r.closed_at, e.closes) - e.opens, '0'))
                - b.before - extract(epoch FROM greatest(least(r.delivered_at, b.closes) - b.opens, '0'))
                  AS open
             FROM referral r
             JOIN who ON who.clinician_id = r.clinician_id
             JOIN day b ON b.calendar = who.calendar AND b.day = (r.delivered_at AT TIME ZONE who.zone)::date
             JOIN day e ON e.calendar = who.calendar AND e.day = (r.closed_at AT TIME ZONE who.zone)::date
             LEFT JOIN LATERAL (SELECT m.channel FROM message m WHERE m.clinic_id = r.clinic_id
                                   AND m.referral_id = r.id AND m.kind IN ('request', 'reminder')
                                   AND m.state IN {_REACHED} ORDER BY m.finished_at LIMIT 1) m ON true
            WHERE {_PERIOD} AND r.status = 'completed' AND r.delivered_at IS NOT NULL
              AND r.closed_at >= r.delivered_at)
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
    """As arrays: one row of `day` for each day of each calendar, one of `who` for each clinician."""
    length = {number: seconds for number, (_, seconds) in enumerate(calendars)}
    start = first.toordinal()
    found: dict[str, list[Any]] = {name: [] for name in ("calendar", "day", "opens", "closes", "before")}
    for number, (days, _) in enumerate(calendars):
        found["calendar"] += [number] * len(days.opens)
        found["day"] += [date.fromordinal(start + place) for place in range(len(days.opens))]
        found["opens"] += days.opens
        found["closes"] += days.closes
        found["before"] += days.before
    return {
        **found,
        "clinician": [one.id for one, _ in people],
        "of": [number for _, number in people],
        "zone": [one.time_zone for one, _ in people],
        "length": [length[number] for _, number in people],
    }


# ---- Recommendations that end, emergency access

_ENDING: Final = text(f"""
    SELECT floor(extract(epoch FROM a.valid_until - CAST(:now AS timestamptz)) / 604800), count(*)
      FROM recommendation a
     WHERE a.clinic_id = :clinic AND a.valid_until > :now AND a.valid_until <= :soon
       AND a.decision IN {_POSITIVE}
       AND NOT EXISTS (SELECT FROM recommendation_void x WHERE x.clinic_id = a.clinic_id
                       AND x.recommendation_id = a.id)
       AND coalesce((SELECT v.accepted FROM recommendation_review v WHERE v.clinic_id = a.clinic_id
                     AND v.recommendation_id = a.id ORDER BY v.id DESC LIMIT 1), true)
       AND EXISTS (SELECT FROM infusion_order o WHERE o.clinic_id = a.clinic_id AND o.id = a.order_id
                   AND o.status IN ('on-hold', 'active'))
     GROUP BY 1""")  # noqa: S608 - made of constants


def ending(session: Session, now: datetime, soon: datetime) -> dict[int, int]:
    """Recommendations that count and end until `soon`, by the week from now, 0 is the first."""
    given = {"clinic": session.clinic, "now": now, "soon": soon}
    return {int(row[0]): int(row[1]) for row in session.connection.execute(_ENDING, given)}


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
