"""A version of the policy in the database: what it may hold, and that it never changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from referral.domain.policy import ICD_10_CM, IndicationClass, IndicationRule, Policy
from referral.domain.reminders import Ladder
from referral.storage import clinics, inspect, policies
from referral.storage.db import Session
from tests.database import ClinicFixture

VERSION = (
    "INSERT INTO policy_version"
    " (clinic_id, version, eligible, validity_days, counts_at_once, ladder, created_by)"
    " VALUES (current_clinic(), {version}, '{{{eligible}}}', {days}, '{{{counts}}}', '[]', 'me')"
)
GOOD = {"version": 2, "eligible": "psychiatrist", "days": 180, "counts": "two-channel"}
RULE = (
    "INSERT INTO indication_rule (clinic_id, version, system, prefix, indication_class)"
    " VALUES (current_clinic(), {version}, '{system}', '{prefix}', 'pain')"
)


def run(clinic: ClinicFixture, *statements: str) -> None:
    with clinic.transaction() as session:
        for statement in statements:
            session.connection.exec_driver_sql(statement)


def newest(session: Session) -> int:
    return clinics.policy_in_force(session)[0].version


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": 3},
        {"version": 1},
        {"version": 0},
        {"eligible": ""},
        {"days": 0},
        {"days": 3661},
        {"counts": "two-channel,single-channel"},
    ],
)
def test_the_database_refuses_a_version_that_no_clinic_can_mean(
    clinic: ClinicFixture, wrong: dict[str, object]
) -> None:
    with pytest.raises(DBAPIError):
        run(clinic, VERSION.format(**{**GOOD, **wrong}))
    run(clinic, VERSION.format(**GOOD))
    with clinic.transaction() as session:
        assert newest(session) == 2


@pytest.mark.parametrize("prefix", ["F3", "", " F33"])
def test_the_database_refuses_a_rule_that_would_match_too_much(clinic: ClinicFixture, prefix: str) -> None:
    rule = RULE.format(version=2, system=ICD_10_CM, prefix=prefix)
    with pytest.raises(DBAPIError):
        run(clinic, VERSION.format(**GOOD), rule)
    run(clinic, VERSION.format(**GOOD), RULE.format(version=2, system=ICD_10_CM, prefix="F33"))


BYPASSES = {
    "a rule for the version in force": RULE.format(version=1, system=ICD_10_CM, prefix="F20"),
    "a rule for a version to come": RULE.format(version=2, system=ICD_10_CM, prefix="F20"),
    "a change of a version": "UPDATE policy_version SET validity_days = 3660",
    "a change of its reason": "UPDATE policy_version SET reason = 'I was told to'",
    "emergency access switched on": "UPDATE policy_version SET allow_override = true",
    "a version taken away": "DELETE FROM policy_version",
    "a rule taken away": "DELETE FROM indication_rule",
    "a version dated back, so that a rule may follow": VERSION.format(**GOOD).replace(
        "'me')", "'me'); COMMIT; " + RULE.format(version=2, system=ICD_10_CM, prefix="F20") + "; --"
    ),
    "a rollout that is not there": "INSERT INTO policy_rollout (clinic_id, version)"
    " VALUES (current_clinic(), 1)",
    "a rollout of another version": "UPDATE policy_rollout SET version = 7",
    "a rollout taken away": "DELETE FROM policy_rollout",
    "the trigger switched off": "ALTER TABLE indication_rule DISABLE TRIGGER check_indication_rule",
    "the trigger's function called": "SELECT begin_rollout()",
}


def rules(clinic: ClinicFixture) -> str:
    with clinic.transaction() as session:
        found: str = session.connection.scalar(
            text(
                "SELECT md5(string_agg(r::text, '|' ORDER BY r::text) || (SELECT string_agg(p::text, '|')"
                " FROM policy_version p WHERE version = 1)) FROM indication_rule r"
            )
        )
        return found


@pytest.mark.parametrize("attempt", sorted(BYPASSES))
def test_the_applications_role_cannot_change_a_version(clinic: ClinicFixture, attempt: str) -> None:
    before = rules(clinic)
    with pytest.raises(DBAPIError):
        run(clinic, BYPASSES[attempt])
    assert rules(clinic) == before
    with clinic.transaction() as session:
        assert inspect.protections(session) == []


def test_every_field_of_a_policy_is_kept(clinic: ClinicFixture) -> None:
    rule = IndicationRule("urn:x", "P", IndicationClass.PAIN)
    first = Policy()
    changed = replace(
        first,
        rules=(rule,),
        eligible=frozenset(list(first.eligible)[:1]),
        validity=first.validity * 2,
        longest_gap=first.longest_gap * 2,
        counts_at_once=frozenset(),
        allow_single_channel=False,
        red_flags_need_director=False,
        conditions_need_director=False,
        allow_override=True,
    )
    with clinic.transaction() as session:
        clinics.add_policy(session, changed, Ladder(), "user-1", "because it was time")
    with clinic.transaction() as session:
        assert clinics.policy_in_force(session)[0] == replace(changed, version=2)
        made = policies.history(session)
    assert [(m.version, m.created_by, m.reason, m.finished) for m in made] == [
        (2, "user-1", "because it was time", False),
        (1, "system", "", True),
    ]


def test_a_version_is_dated_by_the_database_whatever_it_is_told(clinic: ClinicFixture) -> None:
    told = (
        VERSION.format(**GOOD)
        .replace("created_by)", "created_by, created_at)")
        .replace("'me')", "'me', '2099-01-01')")
    )
    run(clinic, told)
    with clinic.transaction() as session:
        assert policies.history(session)[0].created_at.year < 2099


def test_history_can_be_read_on_below_a_version(clinic: ClinicFixture) -> None:
    for _ in range(3):
        with clinic.transaction() as session:
            clinics.add_policy(session, Policy(), Ladder(), "user-1")
    with clinic.transaction() as session:
        assert [m.version for m in policies.history(session, limit=2)] == [4, 3]
        assert [m.version for m in policies.history(session, below=3)] == [2, 1]


def test_a_rollout_is_taken_by_one_worker_and_ends_with_a_newer_one(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        assert policies.take_rollout(session) is None
    with clinic.transaction() as session:
        clinics.add_policy(session, Policy(), Ladder(), "user-1")
    with clinic.transaction() as first, clinic.transaction() as second:
        taken = policies.take_rollout(first)
        assert taken is not None
        assert policies.take_rollout(second) is None
    with clinic.transaction() as session:
        clinics.add_policy(session, Policy(), Ladder(), "user-1")
    with clinic.transaction() as session:
        taken = policies.take_rollout(session)
        assert taken is not None
        assert taken.version == 3
        now = session.connection.scalar(text("SELECT now()"))
        policies.advance_rollout(session, 3, closed=1, opened=2, reached="o", finished_at=now)
    with clinic.transaction() as session:
        assert policies.take_rollout(session) is None
        made = policies.history(session)
    assert [(m.version, m.closed, m.opened, m.finished) for m in made] == [
        (3, 1, 2, True),
        (2, 0, 0, True),
        (1, 0, 0, True),
    ]
