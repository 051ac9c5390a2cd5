"""How well the return leg works: each measure, or what belongs together, counted by one statement.

A period is [since, until). Courses belong to it by their end; CMS50 counts requests of a year instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import text

from referral.storage.db import PLANNED_ANEW, Session
from referral.storage.reports import Period


@dataclass(frozen=True, slots=True)
class Proportion:
    """`excluded` are left out of the denominator; a numerator is never more than it."""

    denominator: int
    numerator: int
    excluded: int = 0


@dataclass(frozen=True, slots=True)
class Spread:
    """Days of `counted` out of `population`: a quarter took at most `low`, three quarters at most `high`.

    They and `median` are None where nothing was counted.
    """

    population: int
    counted: int
    low: float | None = None
    median: float | None = None
    high: float | None = None


# One row for every recommender of a course that ended: a corrected report counts instead of the one before.
# What the patient has refused, also when it was on its way, or the clinician has not wanted, is left out:
# nobody failed there. A report that no contact could carry counts against us.
_REPORTED: Final = text("""
    SELECT count(*) FILTER (WHERE NOT ruled_out) AS denominator,
           count(*) FILTER (WHERE m.state IN ('accepted', 'delivered')) AS numerator,
           count(*) FILTER (WHERE ruled_out) AS excluded
      FROM course_report r
      LEFT JOIN message m ON m.clinic_id = r.clinic_id AND m.id = r.message_id
     CROSS JOIN LATERAL (SELECT coalesce(r.withheld_for IN ('consent', 'not-wanted'), false)
             OR coalesce(m.state = 'cancelled', false) AND EXISTS (
                  SELECT FROM consent_decision d
                   WHERE d.clinic_id = r.clinic_id AND d.patient_id = r.patient_id
                     AND d.scope = 'treatment-disclosure' AND d.decision = 'withdrawn'
                     AND d.at >= r.created_at) AS ruled_out) o
     WHERE r.clinic_id = :clinic AND r.occasion = 'end-of-course'
       AND r.happened_at >= :since AND r.happened_at < :until
       AND NOT EXISTS (
             SELECT FROM course_report newer
              WHERE newer.clinic_id = r.clinic_id AND newer.referral_id = r.referral_id
                AND newer.occasion = r.occasion AND newer.about = r.about AND newer.version > r.version)""")


def reported(session: Session, period: Period) -> Proportion:
    """Recommenders of courses that ended in the period, and those who have the end-of-course report."""
    given = {"clinic": session.clinic, "since": period.since, "until": period.until}
    row = session.connection.execute(_REPORTED, given, execution_options=PLANNED_ANEW).one()
    return Proportion(row.denominator, row.numerator, row.excluded)


# The first request about each patient in the year, until October 31; the patient has been seen in the year.
# The report is an answer of that very clinician to that very request, after it and within the year: who has
# said that it is not their patient, or that they want to see the patient first, has given no answer.
_CMS50: Final = text("""
    WITH asked AS (
           SELECT DISTINCT ON (r.patient_id) r.patient_id, r.id, r.created_at
             FROM referral r
            WHERE r.clinic_id = :clinic AND r.created_at >= :since AND r.created_at < :cutoff
            ORDER BY r.patient_id, r.created_at, r.id),
         seen AS (
           SELECT o.patient_id FROM infusion_order o
             JOIN consultation c ON c.clinic_id = o.clinic_id AND c.order_id = o.id
            WHERE o.clinic_id = :clinic AND c.held_at >= :since AND c.held_at < :until
           UNION
           SELECT o.patient_id FROM infusion_order o
             JOIN treatment_start s ON s.clinic_id = o.clinic_id AND s.order_id = o.id
            WHERE o.clinic_id = :clinic AND s.started_at >= :since AND s.started_at < :until)
    SELECT count(*) AS denominator,
           count(*) FILTER (WHERE EXISTS (
             SELECT FROM recommendation a
              WHERE a.clinic_id = :clinic AND a.referral_id = asked.id
                AND a.answered_at >= asked.created_at AND a.answered_at < :until
                AND NOT EXISTS (SELECT FROM recommendation_void x WHERE x.clinic_id = :clinic
                                AND x.recommendation_id = a.id AND x.cause IN ('denied', 'entered-in-error'))
           )) AS numerator
      FROM asked JOIN seen USING (patient_id)""")


def cms50(session: Session, year: Period, cutoff: datetime) -> Proportion:
    """CMS50v14, closing the referral loop: `cutoff` is the moment after October 31 of the year."""
    given = {"clinic": session.clinic, "since": year.since, "until": year.until, "cutoff": cutoff}
    row = session.connection.execute(_CMS50, given, execution_options=PLANNED_ANEW).one()
    return Proportion(row.denominator, row.numerator)


# Courses by what was said last of their end, and the visits that were promised for them. A visit that lies
# before the end of the course is no follow-up of it.
_VISITS: Final = text("""
    WITH ended AS (
           SELECT patient_id, order_id, (ended_at AT TIME ZONE :zone)::date AS ended_on
             FROM (SELECT DISTINCT ON (e.order_id) e.* FROM course_end e WHERE e.clinic_id = :clinic
                    ORDER BY e.order_id, e.version DESC) newest
            WHERE NOT in_error AND ended_at >= :since AND ended_at < :until),
         course AS (
           SELECT ended.patient_id, bool_or(f.due_on IS NOT NULL) AS dated,
                  bool_or(f.settled_at IS NULL AND f.due_on >= :today) AS ahead,
                  min(f.outcome_on) FILTER (WHERE f.outcome_on >= ended.ended_on) - ended.ended_on AS days
             FROM ended
             LEFT JOIN follow_up f ON f.clinic_id = :clinic AND f.order_id = ended.order_id
              AND f.outcome IS DISTINCT FROM 'superseded'
              AND NOT EXISTS (SELECT FROM recommendation_void x WHERE x.clinic_id = :clinic
                              AND x.recommendation_id = f.recommendation_id
                              AND x.cause IN ('denied', 'entered-in-error'))
            GROUP BY ended.patient_id, ended.order_id, ended.ended_on),
         person AS (
           SELECT bool_or(dated) AS dated, bool_or(ahead) AS ahead, bool_or(days IS NOT NULL) AS seen
             FROM course GROUP BY patient_id)
    SELECT p.*, c.*
      FROM (SELECT count(*) AS people, count(*) FILTER (WHERE dated) AS dated,
                   count(*) FILTER (WHERE dated AND seen) AS seen,
                   count(*) FILTER (WHERE dated AND NOT seen AND ahead) AS ahead FROM person) p,
           (SELECT count(*) AS courses, count(days) AS visited,
                   percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY days) AS quarters
              FROM course) c""")


@dataclass(frozen=True, slots=True)
class Visits:
    """Of patients whose courses ended: those with a day for a visit (`dated`), and of these those seen.

    Who is not seen yet and has until today or longer is left out of `seen`. `days` is by course, from the
    clinic's day of its end to that of its first visit.
    """

    dated: Proportion
    seen: Proportion
    days: Spread


def visits(session: Session, period: Period, zone: str, today: date) -> Visits:
    """Follow-up visits after the courses that ended in the period; `today` is the clinic's."""
    given = {"clinic": session.clinic, "since": period.since, "until": period.until}
    given |= {"zone": zone, "today": today}
    row = session.connection.execute(_VISITS, given, execution_options=PLANNED_ANEW).one()
    return Visits(
        dated=Proportion(row.people, row.dated),
        seen=Proportion(row.dated - row.ahead, row.seen, row.ahead),
        days=Spread(row.courses, row.visited, *(row.quarters or ())),
    )
