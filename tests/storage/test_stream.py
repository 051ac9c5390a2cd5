"""The exported stream: in order, whole lines only, and every change of it is noticed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from referral.storage.safety_events import SafetyEvent
from referral.storage.stream import Stream, StreamBroken, is_copy, settle

AT = datetime(2026, 11, 3, 17, 0, tzinfo=UTC)


def event(position: int) -> SafetyEvent:
    at = AT + timedelta(seconds=position)
    return SafetyEvent(position, f"event-{position}", at, "voided", f"rec-{position}", {"cause": "revoked"})


@pytest.fixture
def stream(data_dir: Path) -> Iterator[Stream]:
    made = Stream(data_dir, "clinic-1")
    with made.writing():
        yield made


def test_what_was_written_is_read_again_in_order(stream: Stream) -> None:
    assert (stream.head(), list(stream.read())) == (None, [])
    stream.append(event(n) for n in (1, 2))
    stream.append([event(3)])
    # A restore leaves a gap; the chain goes over it.
    stream.append([event(7)])
    assert list(stream.read()) == [event(n) for n in (1, 2, 3, 7)]
    assert stream.head() == event(7)


def test_a_line_that_was_cut_short_is_written_over(stream: Stream) -> None:
    stream.append(event(n) for n in (1, 2))
    (file,) = stream.folder.glob("*.jsonl")
    with file.open("ab") as half:
        half.write(b'{"previous": "00')
    assert stream.head() == event(2)
    assert list(stream.read()) == [event(1), event(2)]
    stream.append([event(3)])
    assert list(stream.read()) == [event(n) for n in (1, 2, 3)]


def test_a_large_stream_goes_on_in_a_second_file(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("referral.storage.stream._SEGMENT_BYTES", 500)
    for n in range(1, 9):
        stream.append([event(n)])
    assert len(list(stream.folder.glob("*.jsonl"))) > 1
    assert list(stream.read()) == [event(n) for n in range(1, 9)]
    assert stream.head() == event(8)


@pytest.mark.parametrize("number", range(6))
def test_a_line_that_is_changed_removed_moved_or_repeated_breaks_the_chain(
    stream: Stream, number: int
) -> None:
    stream.append(event(n) for n in range(1, 6))
    (file,) = stream.folder.glob("*.jsonl")
    lines = file.read_bytes().splitlines(keepends=True)
    damaged = [
        [*lines[:2], lines[2].replace(b"rec-3", b"rec-9"), *lines[3:]],
        [*lines[:2], *lines[3:]],
        lines[1:],
        [lines[1], lines[0], *lines[2:]],
        [*lines[:3], *lines[2:]],
        [*lines[:2], b"nothing\n", *lines[3:]],
    ][number]
    file.write_bytes(b"".join(damaged))
    with pytest.raises(StreamBroken):
        list(stream.read())


def test_several_writers_take_turns(data_dir: Path) -> None:
    def write() -> None:
        for _ in range(20):
            mine = Stream(data_dir, "clinic-1")
            with mine.writing():
                head = mine.head()
                mine.append([event((head.position if head else 0) + 1)])

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [line.position for line in Stream(data_dir, "clinic-1").read()] == list(range(1, 81))


def test_a_copy_of_the_directory_is_known_for_one(data_dir: Path) -> None:
    original, copy = data_dir / "original", data_dir / "copy"
    assert not is_copy(original)
    original.mkdir()
    settle(original)
    settle(original)
    assert not is_copy(original)
    shutil.copytree(original, copy)
    assert is_copy(copy)
    settle(copy)
    assert not is_copy(copy)
