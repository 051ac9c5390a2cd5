"""What the front desk enters about clinicians."""

from tests.database import ClinicFixture
from tests.services import people


def test_contacts_that_the_desk_entered_say_so(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        made = people.clinician(session, clinic)
    assert {contact.source for contact in made.contacts} == {"front-desk"}
    assert all(contact.is_verified for contact in made.contacts)
