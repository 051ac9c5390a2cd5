"""Faxes that come in: from the real letter through a bad scan to the request that it belongs to, once."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from PIL import Image
from sqlalchemy import func, select

from referral.domain.codes import Channel, Strength
from referral.domain.fax import FaxSource, FaxState, MatchedBy
from referral.domain.outgoing import MessageKind, MessageState
from referral.domain.records import Referral
from referral.letters import scan_child
from referral.letters.child import Child
from referral.letters.render import Renderer
from referral.letters.scan import MOST_WRITTEN, TIMEOUT, ScanRefused, _scan, read_scan
from referral.services.attach_fax import (
    assign_fax,
    dismiss_fax,
    file_fax,
    restore_fax,
    take_fax_off,
)
from referral.services.deliver_messages import deliver_due
from referral.services.queue_message import queue_message
from referral.services.resend import resend
from referral.services.take_fax import Arrived, Reading, page_id, read_due, take_fax
from referral.services.take_fax_folder import take_folder, whole_files
from referral.storage import directory, documents, faxes, outbox, referrals, resources, tables, waiting
from referral.storage.faxes import Fax
from tests import fax as paper
from tests.database import MASTER_KEY, NOW, ClinicFixture, Clock
from tests.processes import ROOT
from tests.services import people
from tests.services.sending import delivery


def reading(clinic: ClinicFixture) -> Reading:
    return Reading(database=clinic.database, now=Clock(NOW))


def letter_of(clinic: ClinicFixture, renderer: Renderer, **changes: object) -> tuple[Referral, bytes]:
    """A request that was really sent by fax, and the PDF that went out."""
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic, **({"email": ""} | changes))
    deliver_due(delivery(clinic, renderer), clinic.id)
    with clinic.transaction() as session:
        (message,) = outbox.find(session, referral_id=referral.id)
        assert message.channel is Channel.FAX
        return referrals.get(session, referral.id), documents.get(session, str(message.letter_id)).content


def all_faxes(clinic: ClinicFixture) -> list[Fax]:
    with clinic.transaction() as session:
        return faxes.listed(session, tuple(FaxState), limit=50)


def taken(clinic: ClinicFixture, folder: Path) -> Fax:
    assert take_folder(reading(clinic), clinic.id, folder) == 1
    return all_faxes(clinic)[0]


def events(clinic: ClinicFixture, referral: Referral) -> list[str]:
    with clinic.transaction() as session:
        return [event.event for event in referrals.events(session, referral.id)]


@pytest.mark.parametrize(
    ("down", "turn", "skew", "compression"),
    [(98, 180, 0.0, "group3"), (98, 0, 2.5, "group4"), (196, 180, -3.0, "group4"), (196, 90, 1.0, "group3")],
)
def test_the_form_page_of_the_real_letter_finds_its_request_however_it_was_fed(
    clinic: ClinicFixture,
    renderer: Renderer,
    data_dir: Path,
    down: int,
    turn: int,
    skew: float,
    compression: str,
) -> None:
    referral, letter = letter_of(clinic, renderer)
    sheet = paper.dirty(paper.page(letter, 2, down=down, turn=turn, skew=skew), seed=down + turn)
    sent = paper.tiff(sheet, down=down, compression=compression)
    file = paper.put(data_dir, "+13035550120-0001.tif", sent)
    fax = taken(clinic, data_dir)
    assert (fax.state, fax.referral_id, fax.matched_by) == (
        FaxState.MATCHED,
        referral.id,
        MatchedBy.BARCODE,
    )
    assert (fax.source, fax.from_number, fax.pages) == (FaxSource.FOLDER, "+13035550120", 1)
    assert not file.exists()
    (moved,) = (data_dir / "taken").iterdir()
    assert moved.read_bytes() == sent
    with clinic.transaction() as session:
        kept = documents.get(session, str(fax.record_id))
        assert (kept.content, kept.patient_id, kept.referral_id) == (sent, referral.patient_id, referral.id)
        shown = resources.read(session, "DocumentReference", str(fax.record_id)).document
        assert shown["subject"] == {"reference": f"Patient/{referral.patient_id}"}
        picture = Image.open(io.BytesIO(documents.get(session, page_id(fax.id, 1)).content))
    # Upright again: the code stands in the upper right corner of the form.
    (code,) = scan_child.codes_of(picture)
    corner = code.position.top_left
    assert corner.x > picture.width * 0.6
    assert corner.y < picture.height * 0.25


def test_whoever_has_answered_by_fax_is_not_reminded(
    clinic: ClinicFixture, renderer: Renderer, data_dir: Path
) -> None:
    referral, letter = letter_of(clinic, renderer)
    assert referral.next_step_at is not None
    with clinic.transaction() as session:
        contact = directory.get_clinician(session, referral.clinician_id).contacts[0]
        queue_message(session, referral, MessageKind.REMINDER, contact, NOW, ordinal=1)
    paper.put(data_dir, "1.tif", paper.tiff(paper.page(letter, 2)))
    fax = taken(clinic, data_dir)
    with clinic.transaction() as session:
        held = referrals.get(session, referral.id)
        reminders = [
            m.state for m in outbox.find(session, referral_id=referral.id) if m.kind is MessageKind.REMINDER
        ]
    assert (held.held_at, held.next_step_at) == (NOW, None)
    assert reminders == [MessageState.CANCELLED]
    assert "fax-received" in events(clinic, referral)
    # Sending again mends a locked link; it does not make a fax unread.
    with clinic.transaction() as session:
        resend(session, clinic.actor, referral.id, held.version, "fax", NOW)
        assert referrals.get(session, referral.id).held_at == NOW
        file_fax(session, clinic.actor, fax.id, fax.version, "Only a cover sheet.", NOW)
        freed = referrals.get(session, referral.id)
    assert (freed.held_at, freed.next_step_at) == (None, referral.next_step_at)


def test_a_fax_in_the_middle_of_a_stack_is_found_on_any_page_and_turns_the_others(
    clinic: ClinicFixture, renderer: Renderer, data_dir: Path
) -> None:
    referral, letter = letter_of(clinic, renderer)
    cover = Image.new("1", (paper.WIDTH, 2156), 255)
    cover.paste(0, (0, 0, 400, 300))
    sheets = [cover.rotate(180), paper.page(letter, 2, turn=180)]
    paper.put(data_dir, "stack.TIFF", paper.tiff(*sheets))
    fax = taken(clinic, data_dir)
    assert (fax.referral_id, fax.pages) == (referral.id, 2)
    with clinic.transaction() as session:
        first = Image.open(io.BytesIO(documents.get(session, page_id(fax.id, 1)).content)).convert("L")
    assert first.getpixel((50, 50)) == 0


def test_the_first_page_sent_back_is_recognised_and_its_secret_is_kept_nowhere(
    clinic: ClinicFixture, renderer: Renderer, data_dir: Path
) -> None:
    referral, letter = letter_of(clinic, renderer)
    (link,) = (text for text in read_scan(letter).codes[0] if "/r/" in text)
    paper.put(data_dir, "1.pdf", letter)
    fax = taken(clinic, data_dir)
    assert (fax.referral_id, fax.pages) == (referral.id, 2)
    secret = link.rsplit("/", 1)[1]
    with clinic.transaction() as session:
        for table in tables.metadata.sorted_tables:
            rows = session.connection.execute(select(table)).all()
            assert secret not in str(rows), table.name


def test_the_code_of_another_clinic_or_an_invented_one_matches_nothing(
    clinic: ClinicFixture, other_clinic: ClinicFixture, renderer: Renderer, data_dir: Path
) -> None:
    """Both have a request of the same number: the number is not what counts."""
    theirs, letter = letter_of(other_clinic, renderer)
    ours, _ = letter_of(clinic, renderer)
    assert ours.number == theirs.number
    paper.put(data_dir, "theirs.tif", paper.tiff(paper.page(letter, 2)))
    fax = taken(clinic, data_dir)
    assert (fax.state, fax.referral_id, fax.suggested) == (FaxState.UNMATCHED, None, ())
    assert "fax-received" not in events(clinic, ours) + events(other_clinic, theirs)
    import segno

    out = io.BytesIO()
    segno.make("R:AAAAAAAAAAAAAAAA:2", error="q", micro=False).save(out, kind="png", scale=8, border=6)
    forged = Image.new("L", (paper.WIDTH, 2156), 255)
    forged.paste(Image.open(out).convert("L"), (1200, 100))
    paper.put(data_dir, "forged.tif", paper.tiff(forged.convert("1")))
    assert taken(clinic, data_dir).state is FaxState.UNMATCHED
    assert {fax.state for fax in all_faxes(clinic)} == {FaxState.UNMATCHED}


def test_two_requests_in_one_fax_are_for_a_person(
    clinic: ClinicFixture, renderer: Renderer, data_dir: Path
) -> None:
    one, first = letter_of(clinic, renderer)
    other, second = letter_of(clinic, renderer, npi="", family="Second")
    paper.put(data_dir, "two.tif", paper.tiff(paper.page(first, 2), paper.page(second, 2)))
    fax = taken(clinic, data_dir)
    assert (fax.state, set(fax.suggested)) == (FaxState.UNMATCHED, {one.id, other.id})


def test_a_closed_request_gets_its_late_answer_and_stays_closed(
    clinic: ClinicFixture, renderer: Renderer, data_dir: Path
) -> None:
    referral, letter = letter_of(clinic, renderer)
    with clinic.transaction() as session:
        people.respond_with(session, clinic, referral, strength=Strength.TWO_CHANNEL)
        closed = referrals.get(session, referral.id)
    paper.put(data_dir, "late.tif", paper.tiff(paper.page(letter, 2)))
    fax = taken(clinic, data_dir)
    assert (fax.state, fax.referral_id, fax.is_late) == (FaxState.MATCHED, referral.id, True)
    assert events(clinic, referral)[-1] == "fax-late"
    with clinic.transaction() as session:
        assert referrals.get(session, referral.id) == closed


def test_an_assigned_fax_is_like_a_matched_one_and_can_be_taken_off_again(
    clinic: ClinicFixture, renderer: Renderer, data_dir: Path
) -> None:
    referral, _ = letter_of(clinic, renderer)
    paper.put(data_dir, "blank.tif", paper.blank())
    fax = taken(clinic, data_dir)
    assert fax.state is FaxState.UNMATCHED
    with clinic.transaction() as session:
        given = assign_fax(session, clinic.actor, fax.id, fax.version, referral.id, NOW)
        assert (given.state, given.matched_by) == (FaxState.MATCHED, MatchedBy.STAFF)
        assert referrals.get(session, referral.id).held_at == NOW
        record = resources.read(session, "DocumentReference", str(given.record_id)).document
        assert record["status"] == "current"
    with clinic.transaction() as session:
        off = take_fax_off(session, clinic.actor, fax.id, given.version, NOW)
        freed = referrals.get(session, referral.id)
        record = resources.read(session, "DocumentReference", str(given.record_id)).document
    assert (off.state, off.referral_id, freed.held_at) == (FaxState.UNMATCHED, None, None)
    assert freed.next_step_at == referral.next_step_at
    assert record["status"] == "entered-in-error"
    with clinic.transaction() as session:
        gone = dismiss_fax(session, clinic.actor, fax.id, off.version, "An advertisement.", NOW)
        assert waiting.read(session, NOW).faxes == 0
        restore_fax(session, clinic.actor, fax.id, gone.version, NOW)
        assert waiting.read(session, NOW).faxes == 1


def test_the_same_file_again_is_the_same_fax(clinic: ClinicFixture, data_dir: Path) -> None:
    sent = paper.blank()
    paper.put(data_dir, "1.tif", sent)
    taken(clinic, data_dir)
    paper.put(data_dir, "2.tif", sent)
    taken(clinic, data_dir)
    assert len(all_faxes(clinic)) == 1
    assert len(list((data_dir / "taken").iterdir())) == 2


def test_only_whole_files_are_taken(data_dir: Path) -> None:
    written = data_dir / "now.tif"
    written.write_bytes(b"II*\0half")
    (data_dir / ".hidden.tif").write_bytes(b"")
    (data_dir / "notes.txt").write_bytes(b"")
    (data_dir / "link.tif").symlink_to("/etc/passwd")
    (data_dir / "folder.tif").mkdir()
    old = written.stat().st_mtime - 60
    for name in (".hidden.tif", "notes.txt", "folder.tif"):
        os.utime(data_dir / name, (old, old))
    os.utime(data_dir / "link.tif", (old, old), follow_symlinks=False)
    assert list(whole_files(data_dir)) == []
    assert list(whole_files(data_dir, written.stat().st_mtime + 30)) == [written]
    assert list(whole_files(data_dir / "missing")) == []


def test_a_file_that_cannot_be_moved_stays_and_does_not_stop_the_others(
    clinic: ClinicFixture, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = paper.put(data_dir, "+13035550199-1.tif", paper.blank(1))
    # What cannot be read lies in `refused`, and there is something else of that name.
    bad = paper.put(data_dir, "+13035550198-2.tif", b"II*\0 nothing")
    (data_dir / "refused").write_text("no folder")
    assert take_folder(reading(clinic), clinic.id, data_dir) == 1
    assert bad.exists()
    assert not stuck.exists()
    assert {fax.state for fax in all_faxes(clinic)} == {FaxState.UNMATCHED, FaxState.UNREADABLE}
    assert "fax.file_left" in caplog.text
    assert "0198" not in caplog.text


def test_a_name_that_is_too_long_to_be_kept_whole_is_cut(clinic: ClinicFixture, data_dir: Path) -> None:
    long = paper.put(data_dir, "x" * 250 + ".tif", paper.blank(1))
    assert take_folder(reading(clinic), clinic.id, data_dir) == 1
    assert not long.exists()
    (kept,) = (data_dir / "taken").iterdir()
    assert kept.suffix == ".tif"


def test_a_file_that_no_transaction_takes_does_not_stop_the_others(
    clinic: ClinicFixture, engines: Any, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What the database refuses is refused for one file."""
    odd = paper.put(data_dir, "+13035550198-1.tif", paper.blank(1))
    good = paper.put(data_dir, "+13035550199-2.tif", paper.blank(2))
    os.utime(odd, (1, 1))
    fault = "ADD CONSTRAINT fault CHECK (from_number <> '+13035550198') NOT VALID"
    with psycopg.connect(
        engines.admin_url.replace("postgresql+psycopg", "postgresql"), autocommit=True
    ) as owner:
        owner.execute(f"ALTER TABLE incoming_fax {fault}")
        try:
            assert take_folder(reading(clinic), clinic.id, data_dir) == 1
        finally:
            owner.execute("ALTER TABLE incoming_fax DROP CONSTRAINT fault")
    assert (odd.exists(), good.exists()) == (True, False)
    assert "fax.file_left" in caplog.text
    assert "0198" not in caplog.text


_CRASH = """
import os, signal, sys
from pathlib import Path
from tests.database import NOW, MASTER_KEY
import base64
from referral.services.take_fax import Reading
from referral.services.take_fax_folder import take_folder
from referral.storage.db import Database
from referral.storage.vault import Vault

def die(event, arguments):
    if event == "os.rename" and "taken" in str(arguments[1]):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die)
url, clinic_id, folder = sys.argv[1:]
database = Database(url, Vault(base64.b64decode(MASTER_KEY)))
take_folder(Reading(database=database, now=lambda: NOW), clinic_id, Path(folder))
"""


def test_a_worker_killed_between_commit_and_move_makes_no_second_fax(
    clinic: ClinicFixture, renderer: Renderer, data_dir: Path
) -> None:
    referral, letter = letter_of(clinic, renderer)
    file = paper.put(data_dir, "1.tif", paper.tiff(paper.page(letter, 2)))
    command = [sys.executable, "-c", _CRASH, clinic.database.url, clinic.id, str(data_dir)]
    died = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert died.returncode == -9
    assert file.exists()
    (fax,) = all_faxes(clinic)
    assert fax.referral_id == referral.id
    assert take_folder(reading(clinic), clinic.id, data_dir) == 1
    assert not file.exists()
    assert all_faxes(clinic) == [fax]
    assert events(clinic, referral).count("fax-received") == 1


def _bomb(width: int, height: int) -> bytes:
    """Blank paper packs to nothing: the file is small, the picture is not."""
    out = io.BytesIO()
    Image.new("1", (width, height), 255).save(out, "TIFF", compression="group4")
    return out.getvalue()


def _long_pdf(pages: int) -> bytes:
    import pikepdf

    made, out = pikepdf.new(), io.BytesIO()
    for _ in range(pages):
        made.add_blank_page(page_size=(612, 792))
    made.save(out)
    return out.getvalue()


def _wide_pdf() -> bytes:
    import pikepdf

    made, out = pikepdf.new(), io.BytesIO()
    made.add_blank_page(page_size=(14000, 14000))
    made.save(out)
    return out.getvalue()


def _locked_pdf() -> bytes:
    import pikepdf

    made, out = pikepdf.new(), io.BytesIO()
    made.add_blank_page(page_size=(612, 792))
    made.save(out, encryption=pikepdf.Encryption(owner="a", user="b"))
    return out.getvalue()


BOMBS = {
    "too-large-page": [_bomb(11_000, 11_000), _bomb(60_000, 400), _wide_pdf()],
    "too-many-pages": [_long_pdf(61), paper.tiff(*[Image.new("1", (100, 100), 255)] * 61)],
    "damaged": [
        b"II*\0\x08\0\0\0\xff\xff" + bytes(200),
        b"%PDF-1.7\nnothing",
        paper.blank()[:-900],
        b"II*\0" + os.urandom(3000),
    ],
    "locked": [_locked_pdf()],
    "not-a-fax": [b"MZ" + bytes(100), b"", b"\x89PNG\r\n\x1a\n" + bytes(50)],
    "too-many-bytes": [b"II*\0" + bytes(17 * 1024 * 1024)],
}


_FLOOD = "import sys\nwhile True: sys.stdout.buffer.write(bytes(1 << 20))"


def test_a_reader_that_a_file_has_made_its_own_does_not_fill_the_memory() -> None:
    """It writes without end: no more is read than honest pages can be, and it is ended."""
    ended, written = Child(("-c", _FLOOD), TIMEOUT, MOST_WRITTEN).run(b"x" * 1_000_000)
    assert (ended, len(written)) == (-9, MOST_WRITTEN + 1)


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"\0\0\0\x02{}",
        b"\0\0\0\xffx",
        b'\0\0\0\x16{"refused": "made up"}',
        b'\0\0\0\x23{"pages": [{"codes": []}], "sizes": [5]}<svg>',
    ],
)
def test_what_such_a_reader_writes_is_no_scan(written: bytes) -> None:
    out = f"import sys; sys.stdout.buffer.write({written!r})"
    ended, told = Child(("-c", out), TIMEOUT, MOST_WRITTEN).run(b"")
    assert (ended, told) == (0, written)
    with pytest.raises((struct.error, ValueError, KeyError, TypeError)):
        _scan(told)


@pytest.mark.parametrize(
    ("reason", "content"), [(reason, content) for reason, made in BOMBS.items() for content in made]
)
def test_what_is_not_safe_to_read_is_refused_with_its_reason(reason: str, content: bytes) -> None:
    with pytest.raises(ScanRefused) as refused:
        read_scan(content)
    assert refused.value.reason == reason


def test_a_refused_file_stands_in_the_inbox_and_lies_in_its_own_place(
    clinic: ClinicFixture, data_dir: Path
) -> None:
    paper.put(data_dir, "bomb.tif", _bomb(11_000, 11_000))
    fax = taken(clinic, data_dir)
    assert (fax.state, fax.problem) == (FaxState.UNREADABLE, "too-large-page")
    assert len(list((data_dir / "refused").iterdir())) == 1
    assert not (data_dir / "taken").exists()
    with clinic.transaction() as session:
        assert waiting.read(session, NOW).faxes == 1


def test_what_a_provider_brings_is_read_by_a_worker_once(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral, letter = letter_of(clinic, renderer)
    arrived = Arrived(source=FaxSource.WEBHOOK, content=letter, reference="fax-1", from_number="+13035550120")
    with clinic.transaction() as session:
        assert take_fax(session, arrived, NOW) is not None
        assert take_fax(session, arrived, NOW) is None
    assert read_due(reading(clinic), clinic.id) == 1
    assert read_due(reading(clinic), clinic.id) == 0
    (fax,) = all_faxes(clinic)
    assert (fax.state, fax.referral_id, fax.provider_reference) == (
        FaxState.MATCHED,
        referral.id,
        "fax-1",
    )


def test_a_fax_that_is_only_announced_is_fetched_and_waits_while_that_fails(clinic: ClinicFixture) -> None:
    asked: list[str] = []

    def fetch(reference: str) -> bytes:
        asked.append(reference)
        if len(asked) == 1:
            raise ConnectionError
        return paper.blank()

    clock = Clock(NOW)
    made = Reading(database=clinic.database, now=clock, fetch=fetch)
    with clinic.transaction() as session:
        take_fax(session, Arrived(source=FaxSource.WEBHOOK, content=None, reference="fax-2"), NOW)
    assert read_due(made, clinic.id) == 1
    assert [fax.state for fax in all_faxes(clinic)] == [FaxState.ANNOUNCED]
    clock.forward(150)
    read_due(made, clinic.id)
    assert asked == ["fax-2", "fax-2"]
    assert [(fax.state, fax.pages) for fax in all_faxes(clinic)] == [(FaxState.UNMATCHED, 1)]


def test_a_worker_that_dies_over_a_fax_does_not_stop_the_others(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        take_fax(session, Arrived(source=FaxSource.WEBHOOK, content=paper.blank(7), reference="x"), NOW)
    clock = Clock(NOW)
    for _ in range(3):
        with clinic.transaction() as session:
            assert faxes.claim(session, clock()) is not None
            assert faxes.claim(session, clock()) is None
        clock.forward(200)
    read_due(Reading(database=clinic.database, now=clock), clinic.id)
    (fax,) = all_faxes(clinic)
    assert (fax.state, fax.problem) == (FaxState.UNREADABLE, "too-slow")


def test_no_fax_is_seen_from_another_clinic(
    clinic: ClinicFixture, other_clinic: ClinicFixture, data_dir: Path
) -> None:
    paper.put(data_dir, "1.tif", paper.blank())
    taken(clinic, data_dir)
    with other_clinic.transaction() as session:
        assert session.connection.scalar(select(func.count()).select_from(tables.incoming_fax)) == 0
    assert MASTER_KEY
