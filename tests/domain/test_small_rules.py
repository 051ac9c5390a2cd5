"""Credentials, transitions and messages."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.domain import credential, outgoing
from referral.domain.codes import TaskStatus
from referral.domain.errors import TransitionRefused
from referral.domain.referral import Event, next_status

NOW = datetime(2026, 11, 3, 17, 0, tzinfo=UTC)


def test_a_credential_has_the_promised_entropy_and_keeps_only_digests() -> None:
    minted = credential.mint()
    assert len(minted.selector) == 16
    assert len(minted.secret) == 43
    assert minted.secret not in repr(minted)
    assert credential.matches(minted.secret, minted.secret_digest)
    assert not credential.matches(minted.secret[:-1] + "!", minted.secret_digest)


def test_two_credentials_share_nothing() -> None:
    first, second = credential.mint(), credential.mint()
    assert {first.selector, first.secret, first.short_code}.isdisjoint(
        {second.selector, second.secret, second.short_code}
    )


@given(st.sampled_from("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
def test_a_code_survives_bad_handwriting(character: str) -> None:
    typed = {"0": "o", "1": "l", "V": "u"}.get(character, character.lower())
    assert credential.normal_code(f" {typed}-{typed} ") == character * 2


def test_a_link_lives_the_shorter_of_fourteen_days_and_the_due_date() -> None:
    assert credential.expires_at(NOW, NOW + timedelta(days=30)) == NOW + timedelta(days=14)
    assert credential.expires_at(NOW, NOW + timedelta(days=3)) == NOW + timedelta(days=3)
    assert credential.expires_at(NOW, NOW - timedelta(days=3)) == NOW + timedelta(days=1)


@pytest.mark.parametrize(
    "closed", [TaskStatus.COMPLETED, TaskStatus.CANCELLED, TaskStatus.REJECTED, TaskStatus.FAILED]
)
@pytest.mark.parametrize("event", list(Event))
def test_nothing_happens_to_a_closed_request(event: Event, closed: TaskStatus) -> None:
    with pytest.raises(TransitionRefused) as caught:
        next_status(event, closed)
    assert caught.value.expression == ("Task.status",)


def test_an_answer_completes_and_a_refusal_to_handle_it_rejects() -> None:
    assert next_status(Event.ANSWER, TaskStatus.RECEIVED) is TaskStatus.COMPLETED
    assert next_status(Event.REJECT, TaskStatus.RECEIVED) is TaskStatus.REJECTED
    assert next_status(Event.EXPIRE, TaskStatus.REQUESTED) is TaskStatus.CANCELLED
    assert next_status(Event.EXPIRE, TaskStatus.IN_PROGRESS) is TaskStatus.FAILED


def test_a_message_keeps_its_key_until_a_person_sends_it_again() -> None:
    message = uuid.uuid4()
    assert outgoing.provider_key(message, 1) == outgoing.provider_key(message, 1)
    assert outgoing.provider_key(message, 1) != outgoing.provider_key(message, 2)


@given(st.integers(1, 50), st.floats(0, 0.999))
def test_retries_wait_an_hour_at_most(tries: int, fraction: float) -> None:
    assert timedelta(0) <= outgoing.retry_delay(tries, fraction) <= timedelta(hours=1)
