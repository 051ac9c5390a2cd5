"""Starting treatment from the command line: by a person of the clinic, and through the same gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from referral import logs
from referral.cli import app
from referral.domain.codes import Role
from referral.domain.credential import random_token
from referral.embedded import Engines
from referral.services.accounts import NewUser, add_user
from referral.storage import orders, recommendations
from tests.database import MASTER_KEY, ClinicFixture
from tests.storage.gate_rows import open_order
from tests.storage.test_gate import present

PASSWORD = "a long enough password"
Start = Callable[..., Result]


@pytest.fixture
def start(clinic: ClinicFixture, engines: Engines) -> Iterator[Start]:
    """`referral start-treatment ORDER --by …` beside the running database."""
    environment = {
        "REFERRAL_DATABASE_URL": engines.app_url,
        "REFERRAL_REDIS_URL": engines.redis_url,
        "REFERRAL_MASTER_KEY": MASTER_KEY,
    }

    def run(order_id: str, email: str, password: str = PASSWORD) -> Result:
        words = ["start-treatment", order_id, "--by", email, "--password-stdin"]
        return CliRunner().invoke(app, words, input=f"{password}\n", env=environment)

    yield run
    logs.configure("json")  # the command's went to the runner's standard error, which is closed


def account(clinic: ClinicFixture, role: Role) -> str:
    email = f"{random_token(size=9).lower()}@clinic.example"
    with clinic.transaction() as session:
        new = NewUser(email=email, name="Robin Test", role=role, password=PASSWORD)
        add_user(session, clinic.actor, new)
    return email


def test_treatment_starts_through_the_gate_and_not_after_voiding(clinic: ClinicFixture, start: Start) -> None:
    nurse = account(clinic, Role.CLINICIAN)
    with clinic.transaction() as session:
        order, given = open_order(session, present())
    done = start(order.id, nurse)
    assert (done.exit_code, done.stderr) == (0, "")
    with clinic.transaction() as session:
        made = orders.starts(session, order.id)
        recommendations.remark(session, given.id, "void", "user-1", "withdrawn", cause="revoked")
    assert done.stdout == f"Treatment is started: Procedure/{made[0].id}\n"

    refused = start(order.id, nurse)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "Treatment may not start.\nThere is no valid recommendation.\n"
    with clinic.transaction() as session:
        assert len(orders.starts(session, order.id)) == 1
        noted = session.connection.execute(
            text("SELECT patient_id, outcome, actor_id FROM audit_event WHERE subtype = 'refused'")
        ).all()
    assert [(row.patient_id, row.outcome, row.actor_id) for row in noted] == [
        (order.patient_id, "8", made[0].started_by)
    ]


def test_only_somebody_who_may_treat_and_knows_the_password_starts(
    clinic: ClinicFixture, other_clinic: ClinicFixture, start: Start
) -> None:
    with clinic.transaction() as session:
        order, _ = open_order(session, present())
    desk, nurse = account(clinic, Role.FRONT_DESK), account(clinic, Role.CLINICIAN)
    stranger = account(other_clinic, Role.CLINICIAN)
    refusals = [
        start(order.id, desk),
        start(order.id, nurse, "not the password, but long"),
        start(order.id, "nobody@clinic.example"),
        start(order.id, stranger),
        start("no-such-order", nurse),
    ]
    assert [refusal.exit_code for refusal in refusals] == [1] * 5
    assert all(len(refusal.stderr.splitlines()) == 1 for refusal in refusals)
    with clinic.transaction() as session:
        assert orders.starts(session, order.id) == []
