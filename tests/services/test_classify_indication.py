"""One unknown code gets its class: for every order that has it, and once."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from referral.domain.errors import InvalidInput, StaleVersion, TransitionRefused
from referral.domain.policy import ICD_10_CM, Indication, IndicationClass, IndicationRule
from referral.domain.policy_change import Move, changes
from referral.domain.records import Order
from referral.services.change_policy import PolicySaved, PreviewOutdated
from referral.services.classify_indication import (
    CodeEffect,
    classify_indication,
    closed_by_undoing,
    look_at_code,
    newest_classification,
    undo_classification,
)
from referral.services.find_policy import find_policy
from referral.storage import audit
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.services.test_policy_change import UNKNOWN, policy, save, status, treated


def click(
    clinic: ClinicFixture, order: Order, code: str, chosen: str, system: str = ICD_10_CM
) -> PolicySaved:
    """Look in one transaction, click in another, as a person does."""
    indication = next(i for i in order.indications if (i.system, i.code) == (system, code))
    with clinic.transaction() as session:
        effect = look_at_code(session, policy(session), indication, NOW)
    return click_after(clinic, order, indication, chosen, effect)


def click_after(
    clinic: ClinicFixture, order: Order, indication: Indication, chosen: str, effect: CodeEffect
) -> PolicySaved:
    known = chosen in effect.classes
    seen = effect.classes[IndicationClass(chosen)].digest if known else ""
    with clinic.transaction() as session:
        return classify_indication(
            session,
            people.director(clinic),
            order.id,
            (indication.system, indication.code),
            chosen,
            based_on=effect.version,
            seen=seen,
            now=NOW,
        )


def test_classifying_opens_every_order_with_the_code_and_longer_ones(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        same, other, longer = (
            treated(session, clinic, Indication(ICD_10_CM, code, "pain")) for code in ("R52", "r52", "R52.1")
        )
    with clinic.transaction() as session:
        effect = look_at_code(session, policy(session), Indication(ICD_10_CM, "R52", ""), NOW)
    assert effect.orders == 3
    opens = {chosen: len(seen.moving(Move.OPENS)) for chosen, seen in effect.classes.items()}
    assert opens == {IndicationClass.PAIN: 3, IndicationClass.MENTAL_HEALTH: 0}
    saved = click(clinic, same, "R52", "pain")
    assert (saved.version, saved.opened) == (2, 3)
    with clinic.transaction() as session:
        assert {status(session, order) for order in (same, other, longer)} == {"active"}
        step = find_policy(session).history[0]
    assert step.made.reason == "R52 was not classified; it is chronic pain."
    with pytest.raises(TransitionRefused):
        click(clinic, other, "r52", "pain")


@pytest.mark.parametrize(
    ("code", "chosen", "field"),
    [("R52", "", "requirement"), ("R52", "other", "requirement"), ("R5", "pain", "requirement")],
)
def test_a_class_must_be_chosen_and_the_code_must_be_one(
    clinic: ClinicFixture, code: str, chosen: str, field: str
) -> None:
    with clinic.transaction() as session:
        order = treated(session, clinic, Indication(ICD_10_CM, code, "pain"))
    with pytest.raises(InvalidInput) as refused:
        click(clinic, order, code, chosen)
    assert refused.value.issues[0].expression == (field,)


def test_the_same_code_of_two_systems_is_classified_one_by_one(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        order = treated(session, clinic, UNKNOWN, Indication("urn:ours", "R52", "our own R52"))
    click(clinic, order, "R52", "pain", "urn:ours")
    with clinic.transaction() as session:
        assert [i.system for i in policy(session).unclassified(order.indications)] == [ICD_10_CM]
        assert [(c.indication.system, c.orders) for c in find_policy(session).unclassified] == [
            (ICD_10_CM, 1)
        ]


def test_of_two_clicks_at_once_on_what_was_seen_one_counts_and_the_other_leaves_nothing(
    clinic: ClinicFixture,
) -> None:
    """On two codes, or on the same one with two classes: the second person has not seen what is in force."""
    with clinic.transaction() as session:
        first, second = (
            treated(session, clinic, Indication(ICD_10_CM, code, "x")) for code in ("R52", "R45.1")
        )
        before = policy(session)
        seen = {
            order.id: look_at_code(session, before, order.indications[0], NOW) for order in (first, second)
        }
    barrier = threading.Barrier(3)
    ended: list[object] = []

    def person(order: Order, chosen: str) -> None:
        barrier.wait()
        try:
            ended.append(click_after(clinic, order, order.indications[0], chosen, seen[order.id]).version)
        except (StaleVersion, TransitionRefused) as refused:
            ended.append(type(refused))

    clicks = ((first, "pain"), (first, "mental-health"), (second, "pain"))
    threads = [threading.Thread(target=person, args=choice) for choice in clicks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended.count(2) == 1
    assert len(ended) == 3
    with clinic.transaction() as session:
        after = policy(session)
        assert after.version == 2
        assert len(after.rules) == len(before.rules) + 1
        for order in (first, second):
            known = after.classify(order.indications[0])
            assert (status(session, order) == "active") == (known is IndicationClass.PAIN)


def test_an_order_that_came_after_the_look_is_looked_at_first(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        order = treated(session, clinic, UNKNOWN)
        effect = look_at_code(session, policy(session), UNKNOWN, NOW)
    with clinic.transaction() as session:
        later = treated(session, clinic, UNKNOWN)
    with pytest.raises(PreviewOutdated):
        click_after(clinic, order, UNKNOWN, "pain", effect)
    with clinic.transaction() as session:
        assert policy(session).version == 1
        assert {status(session, o) for o in (order, later)} == {"on-hold"}
    assert click(clinic, order, "R52", "pain").opened == 2


# ---- Taking it back


def test_undoing_closes_what_it_opened_and_the_code_is_unknown_again(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        order, longer = (
            treated(session, clinic, Indication(ICD_10_CM, code, "pain")) for code in ("R52", "R52.1")
        )
        before = policy(session)
        assert newest_classification(session) is None
    click(clinic, order, "R52", "pain")
    with clinic.transaction() as session:
        made = newest_classification(session)
        assert made is not None
        assert (made.policy.version, made.rule.prefix) == (2, "R52")
        assert closed_by_undoing(session, made, NOW) == 2
    with clinic.transaction() as session:
        undone = undo_classification(session, people.director(clinic), 2, NOW)
        assert (undone.version, undone.closed, undone.opened) == (3, 2, 0)
    with clinic.transaction() as session:
        assert {status(session, o) for o in (order, longer)} == {"on-hold"}
        assert not changes(before, policy(session))
        assert find_policy(session).history[0].made.reason.startswith("R52 is unclassified again")
        assert newest_classification(session) is None
        (entry,) = (e for e in audit.find(session, limit=50) if e.subtype == "undo-classification")
        assert entry.detail["closes"] == 2
    with pytest.raises(TransitionRefused), clinic.transaction() as session:
        undo_classification(session, people.director(clinic), 3, NOW)


def test_only_the_newest_version_is_undone_and_only_a_classification(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        order = treated(session, clinic, UNKNOWN)
    click(clinic, order, "R52", "pain")
    with clinic.transaction() as session:
        new = replace(policy(session), allow_override=True)
    save(clinic, new)
    with pytest.raises(StaleVersion), clinic.transaction() as session:
        undo_classification(session, people.director(clinic), 2, NOW)
    with pytest.raises(TransitionRefused), clinic.transaction() as session:
        undo_classification(session, people.director(clinic), 3, NOW)
    with clinic.transaction() as session:
        assert policy(session).version == 3
        assert status(session, order) == "active"


def test_a_rule_that_was_stricter_than_a_shorter_one_is_not_undone_with_a_click(
    clinic: ClinicFixture,
) -> None:
    """Without it the shorter one would count again, and could open orders that nobody has looked at."""
    with clinic.transaction() as session:
        order = treated(session, clinic, UNKNOWN)
    click(clinic, order, "R52", "pain")
    stricter = IndicationRule(ICD_10_CM, "R52.1", IndicationClass.MENTAL_HEALTH)
    with clinic.transaction() as session:
        new = replace(policy(session), rules=(*policy(session).rules, stricter))
    save(clinic, new)
    with clinic.transaction() as session:
        assert newest_classification(session) is None
