"""A ladder as the medical director types it: what is refused, with which sentence, at which field."""

from dataclasses import replace

import pytest

from referral.domain.codes import Channel
from referral.domain.errors import InvalidInput
from referral.domain.ladder_draft import (
    CHOICES,
    MOST_RUNGS,
    PATIENT_CHANNELS,
    RungDraft,
    checked_ladder,
    draft_of,
    from_data,
    ladder_changes,
    to_data,
    words_of,
)
from referral.domain.reminders import Audience, Ladder, Rung, Step

CUSTOM = Ladder(
    (
        Rung(1, Step.REMIND, Channel.FAX),
        Rung(3, Step.REMIND_OTHER_CHANNEL),
        Rung(5, Step.CALL, to=Audience.CLINICIAN),
        Rung(7, Step.ESCALATE, to=Audience.MEDICAL_DIRECTOR),
        Rung(60, Step.EXPIRE),
    ),
    Channel.FAX,
)


def lines(*pairs: tuple[str, str]) -> list[RungDraft]:
    return [RungDraft(day, what) for day, what in pairs]


@pytest.mark.parametrize("ladder", [Ladder(), CUSTOM])
def test_a_ladder_survives_being_stored(ladder: Ladder) -> None:
    assert from_data(to_data(ladder)) == ladder


def test_a_ladder_survives_its_form() -> None:
    assert checked_ladder("fax", draft_of(CUSTOM)) == CUSTOM


def test_the_form_of_the_first_ladder_means_the_same() -> None:
    again = checked_ladder("", draft_of(Ladder()))
    assert not ladder_changes(Ladder(), again)
    assert [r.audience for r in again.rungs] == [r.audience for r in Ladder().rungs]


def test_what_older_versions_have_stored_is_still_read() -> None:
    assert from_data([[2, "remind"], [10, "expire"]]) == Ladder((Rung(2, Step.REMIND), Rung(10, Step.EXPIRE)))


def test_empty_lines_are_left_out() -> None:
    made = checked_ladder("", lines(("2", "remind"), ("", ""), (" 9 ", "expire")))
    assert made == Ladder((Rung(2, Step.REMIND), Rung(9, Step.EXPIRE)))


@pytest.mark.parametrize(
    ("typed", "where", "words"),
    [
        ([("2", "remind"), ("2", "expire")], "day_2", "come after business day 2"),
        ([("5", "remind"), ("4", "call:front-desk"), ("9", "expire")], "day_2", "come after business day 5"),
        ([("2", "remind"), ("4", "call:front-desk")], "what_2", "has to end the request"),
        ([], "what_1", "has to end the request"),
        ([("5", "expire"), ("6", "remind")], "what_1", "Nothing can follow"),
        ([("2", "remind"), ("5", "expire"), ("6", "expire")], "what_2", "expire only once"),
        ([("5", "expire")], "what_1", "at least one reminder or call"),
        ([("0", "remind"), ("5", "expire")], "day_1", "from 1 to 60"),
        ([("61", "remind"), ("62", "expire")], "day_1", "from 1 to 60"),
        ([("two", "remind"), ("5", "expire")], "day_1", "whole number"),
        ([("-1", "remind"), ("5", "expire")], "day_1", "whole number"),
        ([("٢", "remind"), ("5", "expire")], "day_1", "whole number"),
        ([("2", ""), ("5", "expire")], "what_1", "Choose what happens"),
        ([("2", "remind:pigeon"), ("5", "expire")], "what_1", "Choose what happens"),
        ([("", "remind"), ("5", "expire")], "day_1", "whole number"),
        (
            [*[(str(day), "remind") for day in range(1, MOST_RUNGS + 1)], ("40", "expire")],
            f"day_{MOST_RUNGS + 1}",
            "at most 12",
        ),
    ],
)
def test_a_bad_ladder_is_refused_with_a_sentence(
    typed: list[tuple[str, str]], where: str, words: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_ladder("", lines(*typed))
    assert any(issue.expression == (where,) and words in issue.text for issue in refused.value.issues)


def test_an_unknown_channel_of_the_request_is_refused() -> None:
    with pytest.raises(InvalidInput, match="from the list"):
        checked_ladder("phone", draft_of(Ladder()))


def test_changes_are_told_by_the_day() -> None:
    after = Ladder((Rung(2, Step.REMIND, Channel.FAX), Rung(3, Step.ESCALATE), Rung(10, Step.EXPIRE)))
    told = ladder_changes(Ladder((Rung(2, Step.REMIND), Rung(4, Step.CALL), Rung(10, Step.EXPIRE))), after)
    assert told == (
        "Business day 2: reminder by fax where there is one, not reminder by the same channel.",
        "Business day 3 is new: the medical director is told.",
        "Business day 4 goes: the front desk calls the practice.",
    )
    by_fax = ladder_changes(Ladder(), Ladder(request_channel=Channel.FAX))
    assert by_fax == ("The request goes out by fax where there is one, not by the best contact on file.",)
    assert ladder_changes(after, after) == ()


def test_every_choice_has_words() -> None:
    assert all(words_of(rung) for rung in CHOICES.values())
    assert len({words_of(rung) for rung in CHOICES.values()}) == len(CHOICES)


@pytest.mark.parametrize("channels", PATIENT_CHANNELS.values(), ids=list(PATIENT_CHANNELS))
def test_by_what_the_patient_is_told_is_kept_with_the_ladder(channels: tuple[Channel, ...]) -> None:
    ladder = replace(Ladder(), patient_channels=channels)
    assert from_data(to_data(ladder)) == ladder
    assert checked_ladder("", draft_of(ladder), channels).patient_channels == channels
    usual = channels == Ladder().patient_channels
    assert bool(ladder_changes(Ladder(), ladder)) is not usual
