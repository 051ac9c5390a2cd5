"""Five ways to one record: the first valid answer stands, what comes later is kept and shown beside it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pikepdf
import pytest

from referral.domain.codes import Channel, Decision, Role
from referral.domain.errors import InvalidInput, TransitionRefused
from referral.domain.fax import FaxSource, FaxState
from referral.domain.late_answer import CameBy
from referral.services.attention import Reason
from referral.services.find_today import find_today
from referral.services.judge_recommendation import revoke_recommendation
from referral.services.record_answer import Call, record_answer
from referral.services.take_fax import Reading, read_due
from referral.services.take_letter import take_letter
from referral.services.transcribe_fax import transcribe_fax
from referral.storage import faxes, late_answers, recommendations, referrals, resources
from tests.database import NOW, ClinicFixture
from tests.services import incoming, people
from tests.web.desk import OpenDesk
from tests.web.portal_case import DETAILS, SIGNER, Browser, Case, make_case

CALL = Call("Robin at the desk", "303-555-0120", read_back=True)


@pytest.fixture
def case(clinic: ClinicFixture) -> Case:
    return make_case(clinic)


def pdf(words: str = "") -> bytes:
    made, out = pikepdf.new(), io.BytesIO()
    made.add_blank_page(page_size=(612, 792))
    made.docinfo["/Title"] = words
    made.save(out, deterministic_id=True)
    return out.getvalue()


def values(decision: Decision) -> dict[str, list[str]]:
    given = {**DETAILS, **SIGNER, "decision": decision.value}
    if decision is Decision.NOT_RECOMMENDED:
        given |= {"reason-code": "other", "reason": "Not now."}
    return {name: [v] if isinstance(v, str) else list(v) for name, v in given.items()}


def by_portal(case: Case, decision: Decision, channel: Channel, *, by_code: bool) -> None:
    with case.browser() as browser:
        minted = case.link(channel)
        if by_code:
            browser.get("/request")
            browser.post("/request/code", {"code": minted.short_code})
        else:
            browser.open(minted)
        browser.give_birth_date()
        fill_in(browser, decision)
        browser.post("/request/sign", SIGNER)


def fill_in(browser: Browser, decision: Decision = Decision.RECOMMENDED) -> None:
    browser.post("/request/decision", {"decision": decision.value})
    browser.post("/request/details", {**DETAILS, "action": "continue"})


def by_link(case: Case, decision: Decision) -> None:
    by_portal(case, decision, Channel.FAX, by_code=False)


def by_code(case: Case, decision: Decision) -> None:
    by_portal(case, decision, Channel.POST, by_code=True)


def by_call(case: Case, decision: Decision) -> None:
    with case.clinic.transaction() as session:
        record_answer(session, case.clinic.actor, case.referral.id, values(decision), CALL, NOW)


def by_fax(case: Case, decision: Decision) -> None:
    with case.clinic.transaction() as session:
        fax = incoming.attached(session, case.clinic, case.referral)
        transcribe_fax(session, case.clinic.actor, fax.id, fax.version, values(decision), NOW)


def by_letter(case: Case, decision: Decision) -> None:
    with case.clinic.transaction() as session:
        id = take_letter(session, case.clinic.actor, case.referral.id, pdf(), FaxSource.UPLOAD, NOW)
    read(case)
    with case.clinic.transaction() as session:
        fax = faxes.get(session, id)
        assert fax.state is FaxState.MATCHED, fax.problem
        transcribe_fax(session, case.clinic.actor, fax.id, fax.version, values(decision), NOW)


def read(case: Case) -> None:
    """What a worker does with files that came in."""
    read_due(Reading(database=case.clinic.database, now=case.clock), case.clinic.id)


WAYS: dict[str, tuple[Callable[[Case, Decision], None], str]] = {
    "link": (by_link, "paper-to-verified-contact"),
    "code": (by_code, "paper-to-verified-contact"),
    "fax": (by_fax, "recorded-by-staff"),
    "call": (by_call, "recorded-by-staff"),
    "upload": (by_letter, "recorded-by-staff"),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_lands_on_the_same_record_and_a_later_call_is_kept_beside_it(case: Case, way: str) -> None:
    answer, strength = WAYS[way]
    answer(case, Decision.RECOMMENDED)
    by_call(case, Decision.NOT_RECOMMENDED)
    with case.clinic.transaction() as session:
        first = recommendations.find(session, referral_id=case.referral.id)
        assert first is not None
        assert (first.decision, first.strength) == ("recommended", strength)
        (late,) = late_answers.of_referral(session, case.referral.id)
        assert (late.decision, late.differs, late.came_by) == ("not-recommended", True, CameBy.CALL)
        issue = resources.read(session, "DetectedIssue", late.id).document
        assert {"reference": f"Observation/{first.id}"} in issue["implicated"]
        assert {"reference": f"QuestionnaireResponse/{late.response_id}"} in issue["implicated"]
        assert issue["status"] == "preliminary"
        response = resources.read(session, "QuestionnaireResponse", late.response_id).document
        assert response["basedOn"] == [{"reference": f"ServiceRequest/{case.referral.id}"}]


@pytest.mark.parametrize("way", ["fax", "call", "upload"])
def test_what_staff_write_down_afterwards_is_kept_with_the_way_it_came(case: Case, way: str) -> None:
    by_link(case, Decision.RECOMMENDED)
    WAYS[way][0](case, Decision.RECOMMENDED)
    with case.clinic.transaction() as session:
        (late,) = late_answers.of_referral(session, case.referral.id)
        assert (late.came_by, late.differs) == (way, False)
        assert len(list(_answers(session, case))) == 1


def _answers(session: object, case: Case) -> list[object]:
    found = recommendations.find(session, referral_id=case.referral.id)  # type: ignore[arg-type]
    return [found] if found else []


def test_two_answers_are_for_the_medical_director_who_says_that_the_first_stands(
    case: Case, open_desk: OpenDesk
) -> None:
    by_link(case, Decision.RECOMMENDED)
    by_call(case, Decision.NOT_RECOMMENDED)
    assert Reason.LATE_ANSWER in reasons(case)
    desk = open_desk(case.clinic, Role.FRONT_DESK)
    desk.get(f"/requests/{case.referral.id}")
    assert "Says something else" in desk.text
    assert "The medical director reads both." in desk.text
    director = open_desk(case.clinic, Role.MEDICAL_DIRECTOR)
    director.get(f"/requests/{case.referral.id}")
    director.post(f"/requests/{case.referral.id}/late", {"late_reason": ""})
    assert director.status == 400
    director.post(f"/requests/{case.referral.id}/late", {"late_reason": "Spoke with them: misheard."})
    assert "The first goes on standing" in director.text
    assert Reason.LATE_ANSWER not in reasons(case)
    with case.clinic.transaction() as session:
        (late,) = late_answers.of_referral(session, case.referral.id)
        assert resources.read(session, "DetectedIssue", late.id).document["status"] == "final"


def reasons(case: Case) -> list[Reason]:
    with case.clinic.transaction() as session:
        found = find_today(session, case.clinic.actor, NOW.date(), NOW)
    return [item.reason for item in found.attention]


def test_a_request_that_ended_without_an_answer_takes_none(case: Case) -> None:
    with case.clinic.transaction() as session:
        given = people.answers("not-my-patient")
        people.respond_with(session, case.clinic, case.referral, given)
        with pytest.raises(TransitionRefused):
            record_answer(
                session, case.clinic.actor, case.referral.id, values(Decision.RECOMMENDED), CALL, NOW
            )


def test_nothing_is_kept_beside_an_answer_that_was_taken_back(case: Case) -> None:
    by_link(case, Decision.RECOMMENDED)
    with case.clinic.transaction() as session:
        director = people.director(case.clinic)
        revoke_recommendation(session, director, case.referral.id, reason="Taken back by telephone.", now=NOW)
    with pytest.raises(TransitionRefused, match="ask again"):
        by_call(case, Decision.RECOMMENDED)
    with case.clinic.transaction() as session:
        assert late_answers.of_referral(session, case.referral.id) == []


# ---- Letters


def test_the_clinician_uploads_a_letter_instead_of_typing(case: Case, open_desk: OpenDesk) -> None:
    with case.browser() as browser:
        browser.identify_by_fax()
        page = browser.get("/request/upload").text
        assert 'enctype="multipart/form-data"' in page
        sent = upload(browser, pdf())
        assert "your letter has arrived" in sent
    assert case.state().held_for == "fax"
    assert case.state().next_step_at is None
    read(case)
    with case.clinic.transaction() as session:
        (fax,) = faxes.of_referral(session, case.referral.id)
    assert (fax.state, fax.source, fax.pages) == (FaxState.MATCHED, FaxSource.PORTAL, 1)
    desk = open_desk(case.clinic)
    assert "Uploaded letter" in desk.get(f"/fax-inbox/{fax.id}")
    assert "Record this answer" in desk.text


def upload(browser: Browser, content: bytes, name: str = "letter.pdf") -> str:
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', browser.page))
    return browser.client.post("/request/upload", data=hidden, files={"letter": (name, content)}).text


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "Choose a file"),
        (b"<html>hello</html>", "neither a TIFF nor a PDF"),
        (b"MZ\x90\x00" + b"\0" * 100, "neither a TIFF nor a PDF"),
        (b"\x89PNG\r\n\x1a\n", "neither a TIFF nor a PDF"),
        (b"%PDF-1.7" + b"\0" * (16 * 1024 * 1024), "larger than 16 MB"),
    ],
    ids=["empty", "html", "program", "picture", "large"],
)
def test_what_is_no_letter_is_refused_at_once(case: Case, content: bytes, sentence: str) -> None:
    with case.browser() as browser:
        browser.identify_by_fax()
        browser.get("/request/upload")
        assert sentence in upload(browser, content)
    assert case.state().held_at is None


@pytest.mark.parametrize("hostile", [b"%PDF-1.7\n%%EOF", b"II*\0" + b"\xff" * 200], ids=["pdf", "tiff"])
def test_a_letter_that_cannot_be_read_holds_nobodys_reminders(case: Case, hostile: bytes) -> None:
    with case.clinic.transaction() as session:
        referrals.change(session, referrals.get(session, case.referral.id), delivered_at=NOW)
        id = take_letter(session, case.clinic.actor, case.referral.id, hostile, FaxSource.PORTAL, NOW)
    assert case.state().held_for == "fax"
    read(case)
    with case.clinic.transaction() as session:
        assert faxes.get(session, id).state is FaxState.UNREADABLE
    assert case.state().held_at is None
    assert "letter-unreadable" in case.events()


def test_nobody_sends_a_large_file_without_having_been_identified(case: Case) -> None:
    with case.browser() as browser:
        browser.open(case.link(Channel.FAX))
        for _ in range(2):
            answered = upload(browser, pdf())
        assert "your letter has arrived" not in answered
    with case.clinic.transaction() as session:
        assert faxes.meant_for(session, case.referral.id) == []


def test_a_sixth_letter_within_a_day_is_refused_and_the_same_one_counts_once(case: Case) -> None:
    actor = people.portal_actor(case.clinic)
    with case.clinic.transaction() as session:

        def send(words: str) -> str:
            return take_letter(session, actor, case.referral.id, pdf(words), FaxSource.PORTAL, NOW)

        sent = [send(str(n)) for n in range(4)]
        assert send("0") == sent[0]
        send("4")
        with pytest.raises(InvalidInput):
            send("5")


def test_staff_upload_a_letter_on_the_request(case: Case, open_desk: OpenDesk) -> None:
    desk = open_desk(case.clinic, Role.FRONT_DESK)
    assert "Upload the clinician’s letter" in desk.get(f"/requests/{case.referral.id}")
    desk.get(f"/uploads/{case.referral.id}")
    hidden = desk.hidden()
    answer = desk.client.post(f"/uploads/{case.referral.id}", data=hidden, files={"letter": ("a.txt", b"hi")})
    assert answer.status_code == 400
    assert "neither a TIFF nor a PDF" in answer.text
    desk.client.post(f"/uploads/{case.referral.id}", data=hidden, files={"letter": ("a.pdf", pdf())})
    with case.clinic.transaction() as session:
        (fax,) = faxes.meant_for(session, case.referral.id)
    assert fax.source is FaxSource.UPLOAD
