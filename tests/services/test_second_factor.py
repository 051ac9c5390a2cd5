"""Codes that are shown twice at once, guesses at once, and the last administrators removing each other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyotp
import pytest

from referral.domain.audit import Actor
from referral.domain.codes import Role
from referral.domain.device import device_words
from referral.domain.errors import TransitionRefused
from referral.services.lock_session import KEPT_FOR, find_kept, forget_kept, keep_form
from referral.services.manage_users import change_role, disable_user
from referral.services.second_factor import confirm_second_factor, offer_second_factor, prove_code
from referral.storage import accounts, second_factors
from referral.storage.kept_forms import KeptForm
from tests.database import NOW, ClinicFixture
from tests.web.desk import add_person


def enrolled(clinic: ClinicFixture) -> tuple[Actor, pyotp.TOTP, tuple[str, ...]]:
    """Somebody whose app was set up a minute ago."""
    user = add_person(clinic, Role.FRONT_DESK)
    actor = Actor(clinic.id, "staff", user.id, user.role)
    with clinic.transaction() as session:
        offer_second_factor(session, actor)
        factor = second_factors.find(session, user.id)
        assert factor is not None
        app = pyotp.TOTP(factor.secret)
        codes = confirm_second_factor(session, actor, app.at(NOW.timestamp() - 60 + 30), NOW)
    return actor, app, codes


def all_at_once(clinic: ClinicFixture, actor: Actor, typed: list[str]) -> list[str]:
    def give(code: str) -> str:
        with clinic.transaction() as session:
            return prove_code(session, actor.id, code, "192.0.2.7", NOW)

    with ThreadPoolExecutor(len(typed)) as pool:
        return list(pool.map(give, typed))


@pytest.mark.parametrize("which", ["app", "paper"])
def test_of_eight_who_show_one_code_at_once_one_comes_in(clinic: ClinicFixture, which: str) -> None:
    actor, app, codes = enrolled(clinic)
    code = app.at(NOW.timestamp()) if which == "app" else codes[0]
    assert all_at_once(clinic, actor, [code] * 8).count("") == 1


def test_an_older_code_than_the_last_is_refused_and_one_of_the_minute_before_last_never_was_good(
    clinic: ClinicFixture,
) -> None:
    actor, app, _ = enrolled(clinic)
    for shift, right in ((-60, False), (60, False), (30, True), (0, False)):
        with clinic.transaction() as session:
            said = prove_code(session, actor.id, app.at(NOW.timestamp() + shift), None, NOW)
        assert (said == "") is right, shift


def test_guesses_at_once_are_all_counted_before_the_eleventh_is_looked_at(clinic: ClinicFixture) -> None:
    actor, app, codes = enrolled(clinic)
    assert "" not in all_at_once(clinic, actor, [f"guess {number}" for number in range(10)])
    with clinic.transaction() as session:
        assert accounts.get_user(session, actor.id).locked_until is not None
    assert "" not in all_at_once(clinic, actor, [app.at(NOW.timestamp()), codes[0]])


def test_a_code_of_one_person_is_worth_nothing_for_another(clinic: ClinicFixture) -> None:
    (_, _, codes), (other, _, _) = enrolled(clinic), enrolled(clinic)
    assert all_at_once(clinic, other, [codes[0]]) != [""]


Removal = Callable[[ClinicFixture, Actor, str], None]


def disabled(clinic: ClinicFixture, by: Actor, whom: str) -> None:
    with clinic.transaction() as session:
        disable_user(session, by, whom, NOW)


def demoted(clinic: ClinicFixture, by: Actor, whom: str) -> None:
    with clinic.transaction() as session:
        change_role(session, by, whom, Role.AUDITOR)


@pytest.mark.parametrize("remove", [disabled, demoted])
def test_two_administrators_who_remove_each_other_at_once_leave_one(
    clinic: ClinicFixture, remove: Removal
) -> None:
    ada, zoe = (add_person(clinic, Role.ADMIN) for _ in "ab")
    refused = []

    def go(by: str, whom: str) -> None:
        try:
            remove(clinic, replace(clinic.actor, id=by, role=Role.ADMIN), whom)
        except TransitionRefused:
            refused.append(by)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(go, (ada.id, zoe.id), (zoe.id, ada.id)))
    assert len(refused) == 1
    with clinic.transaction() as session:
        left = [one for one in accounts.get_users(session).values() if one.active and one.role is Role.ADMIN]
        assert len(left) == 1
        # The command line may not either.
        with pytest.raises(TransitionRefused, match="last administrator"):
            disable_user(session, Actor(clinic.id, "system", "command-line"), left[0].id, NOW)


def test_kept_forms_are_few_short_and_gone_after_two_hours(clinic: ClinicFixture) -> None:
    user = add_person(clinic, Role.FRONT_DESK)
    actor = Actor(clinic.id, "staff", user.id, user.role)
    form = KeptForm("/x", (("note", "as typed"), ("password", "secret"), ("code", "123456")))
    with clinic.transaction() as session:
        ids = [keep_form(session, actor, form, NOW.replace(minute=minute)) for minute in range(6)]
        found = [find_kept(session, user.id, str(id), NOW) for id in ids]
        assert found == [None, *[KeptForm("/x", (("note", "as typed"),))] * 5]
        assert find_kept(session, "somebody-else", str(ids[-1]), NOW) is None
        assert keep_form(session, actor, KeptForm("/x", (("note", "x" * 300_000),)), NOW) is None
        late = NOW.replace(minute=5) + KEPT_FOR
        assert find_kept(session, user.id, str(ids[-1]), late) is None
        assert forget_kept(session, late.replace(second=1)) == 5


def test_devices_are_told_in_words_of_ours() -> None:
    said = {
        "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/604.1": "Safari on an iPhone",
        "Mozilla/5.0 (X11; CrOS x86_64) Chrome/140.0 Safari/537.36": "Chrome on Chromebook",
        "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0": "Edge on Windows",
        "<script>": "An unknown browser",
    }
    assert {agent: device_words(agent) for agent in said} == said
