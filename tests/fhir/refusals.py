"""What a call refuses: its issues, or none. Every other exception fails the test."""

from __future__ import annotations

from collections.abc import Callable

from referral.domain.errors import InvalidInput, Issue


def refusal_of(call: Callable[[], object]) -> tuple[Issue, ...]:
    """Empty when the call was not refused; a refusal without an issue does not count as one."""
    try:
        call()
    except InvalidInput as refused:
        if not refused.issues:
            raise AssertionError("a refusal has to say why") from refused
        return refused.issues
    return ()
