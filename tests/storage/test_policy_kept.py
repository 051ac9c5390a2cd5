"""What a process keeps of a clinic's policy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from referral.domain.codes import ClinicianKind
from referral.domain.policy import Policy
from referral.domain.reminders import Ladder
from referral.storage import clinics
from tests.database import ClinicFixture

STRICT = replace(Policy(), eligible=frozenset({ClinicianKind.PSYCHIATRIST}))
WIDE = replace(Policy(), eligible=frozenset({ClinicianKind.SOCIAL_WORKER}))


class Undone(Exception):
    pass


def _made_read_and_undone(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        version = clinics.add_policy(session, WIDE, Ladder(), created_by="test")
        policy, _ = clinics.policy_in_force(session)
        assert (policy.version, policy.eligible) == (version, WIDE.eligible)
        raise Undone(version)


def test_a_version_that_was_rolled_back_is_not_kept(clinic: ClinicFixture) -> None:
    with pytest.raises(Undone) as undone:
        _made_read_and_undone(clinic)
    version = undone.value.args[0]
    with clinic.transaction() as session:
        assert clinics.add_policy(session, STRICT, Ladder(), created_by="test") == version
    with clinic.transaction() as session:
        assert clinics.policy_in_force(session)[0].eligible == STRICT.eligible
    kept = clinics.kept_policy(clinic.id, version)
    assert kept is not None
    assert kept.eligible == STRICT.eligible
