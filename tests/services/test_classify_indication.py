"""One unknown code gets its class: for every order that has it, and once."""

from __future__ import annotations

import threading

import pytest

from referral.domain.errors import InvalidInput, TransitionRefused
from referral.domain.policy import ICD_10_CM, Indication
from referral.domain.records import Order
from referral.services.classify_indication import classify_indication
from referral.services.find_policy import find_policy
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.services.test_policy_change import UNKNOWN, policy, status, treated


def test_classifying_opens_every_order_with_the_code_and_longer_ones(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        same, other, longer = (
            treated(session, clinic, Indication(ICD_10_CM, code, "pain")) for code in ("R52", "r52", "R52.1")
        )
    with clinic.transaction() as session:
        saved = classify_indication(session, people.director(clinic), same.id, ICD_10_CM, "R52", "pain", NOW)
        assert (saved.version, saved.opened) == (2, 3)
    with clinic.transaction() as session:
        assert {status(session, order) for order in (same, other, longer)} == {"active"}
        step = find_policy(session).history[0]
    assert step.made.reason == "R52 was not classified; it is chronic pain."
    with pytest.raises(TransitionRefused), clinic.transaction() as session:
        classify_indication(session, people.director(clinic), other.id, ICD_10_CM, "r52", "pain", NOW)


@pytest.mark.parametrize(
    ("code", "chosen", "field"),
    [("R52", "", "requirement"), ("R52", "other", "requirement"), ("R5", "pain", "requirement")],
)
def test_a_class_must_be_chosen_and_the_code_must_be_one(
    clinic: ClinicFixture, code: str, chosen: str, field: str
) -> None:
    with clinic.transaction() as session:
        order = treated(session, clinic, Indication(ICD_10_CM, code, "pain"))
    with pytest.raises(InvalidInput) as refused, clinic.transaction() as session:
        classify_indication(session, people.director(clinic), order.id, ICD_10_CM, code, chosen, NOW)
    assert refused.value.issues[0].expression == (field,)


def test_the_same_code_of_two_systems_is_classified_one_by_one(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        order = treated(session, clinic, UNKNOWN, Indication("urn:ours", "R52", "our own R52"))
    with clinic.transaction() as session:
        classify_indication(session, people.director(clinic), order.id, "urn:ours", "R52", "pain", NOW)
    with clinic.transaction() as session:
        assert [i.system for i in policy(session).unclassified(order.indications)] == [ICD_10_CM]
        assert [(c.indication.system, c.orders) for c in find_policy(session).unclassified] == [
            (ICD_10_CM, 1)
        ]


def test_two_directors_at_once_make_two_versions(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        first, second = (
            treated(session, clinic, Indication(ICD_10_CM, code, "x")) for code in ("R52", "R45.1")
        )
    barrier = threading.Barrier(2)

    def classify(order: Order) -> None:
        barrier.wait()
        code = order.indications[0].code
        with clinic.transaction() as session:
            classify_indication(session, people.director(clinic), order.id, ICD_10_CM, code, "pain", NOW)

    threads = [threading.Thread(target=classify, args=(order,)) for order in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with clinic.transaction() as session:
        assert policy(session).version == 3
        assert {status(session, order) for order in (first, second)} == {"active"}
