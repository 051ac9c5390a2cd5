"""An answer by telephone: written down on the form, read back, recorded as such."""

from __future__ import annotations

from referral.domain.codes import Decision, Role, Strength, TaskStatus
from referral.storage import documents, recommendations, referrals
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.web.desk import OpenDesk
from tests.web.test_staff_faxes import FORM

CALL = {"spoke_with": "Dr Okafor himself", "called_number": "303-555-0120", "read_back": "yes"}


def test_an_answer_by_telephone_is_recorded_with_whom_and_where(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    with clinic.transaction() as session:
        asked = people.asked_once(session, clinic)
    desk = open_desk(clinic, Role.FRONT_DESK)
    page = f"/requests/{asked.id}/transcribe"
    desk.get(f"/requests/{asked.id}")
    assert f'href="{page}"' in desk.page
    desk.get(page)
    assert 'value="Chidi Okafor"' in desk.page
    for missing, sentence in (
        ({"read_back": ""}, "read every answer back"),
        ({"spoke_with": ""}, "Whom did you speak with?"),
        ({"decision": ""}, "Please answer: Do you recommend it?"),
        ({"attestation": ""}, "Please answer: Agreement"),
    ):
        desk.post(page, {**FORM, **CALL, **missing})
        assert desk.status == 400
        assert sentence in desk.text
    with clinic.transaction() as session:
        assert recommendations.find(session, referral_id=asked.id) is None
    # Meanwhile the letter has left; the call goes on.
    with clinic.transaction() as session:
        referrals.change(session, referrals.get(session, asked.id), delivered_at=NOW)
    desk.post(page, {**FORM, **CALL})
    assert "The answer is recorded" in desk.text
    with clinic.transaction() as session:
        answer = recommendations.find(session, referral_id=asked.id)
        assert answer is not None
        assert (answer.decision, answer.strength) == (Decision.RECOMMENDED, Strength.RECORDED_BY_STAFF)
        evidence = documents.get(session, f"{answer.document_id}-evidence").content.decode()
        assert referrals.get(session, asked.id).status is TaskStatus.COMPLETED
    assert "Dr Okafor himself" in evidence
    assert "303-555-0120" in evidence


def test_a_second_answer_is_kept_beside_the_first_which_stands(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    with clinic.transaction() as session:
        asked = people.asked_once(session, clinic)
    desk = open_desk(clinic, Role.FRONT_DESK)
    page = f"/requests/{asked.id}/transcribe"
    desk.get(page)
    kept = desk.hidden()
    with clinic.transaction() as session:
        people.respond_with(session, clinic, asked)
    against = {"decision": "not-recommended", "reason-code": "other", "reason": "Not now."}
    desk.post(page, {**FORM, **CALL, **kept, **against})
    assert "A later answer" in desk.text
    assert "Says something else" in desk.text
    with clinic.transaction() as session:
        answer = recommendations.find(session, referral_id=asked.id)
    assert answer is not None
    assert answer.decision == Decision.RECOMMENDED
