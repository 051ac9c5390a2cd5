"""300 pieces of markup in every field of the letterhead's form: on its pages they are text."""

from __future__ import annotations

from referral.domain.codes import Role
from tests.database import ClinicFixture
from tests.letters.payloads import MARKUP
from tests.letters.test_hostile_texts import tags
from tests.web.desk import OpenDesk
from tests.web.test_staff_letterhead import EDIT, TYPED


def test_what_is_typed_into_the_letterhead_is_text_on_its_pages(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    """In each sending every field has another one; all pass through all fields' places in turn."""
    ada, names = open_desk(clinic, Role.ADMIN), list(TYPED)
    seen = 0
    ada.get(EDIT)
    ada.post("/settings/letterhead/edit", {**ada.hidden(), **dict.fromkeys(names, "x")})
    wanted = tags(ada.page)
    for start in range(0, len(MARKUP), len(names)):
        given = {
            name: MARKUP[(start + place) % len(MARKUP)][:120].replace("\n", " ")
            for place, name in enumerate(names)
        }
        ada.get(EDIT)
        ada.post("/settings/letterhead/edit", {**ada.hidden(), **given})
        assert ada.status == 200
        found = tags(ada.page)
        assert (found.found, found.addresses) == (wanted.found, wanted.addresses), given
        seen += len(given)
    assert seen >= 300
    hostile = {"signer_name": "Dr <b onclick=x>Lee</b>", "tagline": "{{ 7 * 7 }} <img src=x>"}
    ada.get(EDIT)
    ada.post("/settings/letterhead", {**TYPED, **hostile})
    assert ada.path == "/settings/letterhead"
    assert not [tag for tag in tags(ada.page).found if "onclick" in tag or tag.startswith("<b ")]
    assert "{{ 7 * 7 }} <img src=x>" in ada.text
