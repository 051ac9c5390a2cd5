"""Subscribers after a restore: nothing is sent until the clinic is open, and no number means two things."""

from __future__ import annotations

from referral.channels.outgoing import Outgoing
from referral.domain.outgoing_urls import Reach
from referral.domain.subscription import LEAP, Topic
from referral.services.notify_subscribers import Notifier, notify_due
from referral.services.reconcile import Newer
from referral.storage import resources, subscriptions
from tests.database import NOW, Clock
from tests.fhir_api.subscribing import kinds, numbers
from tests.receiver import receiving
from tests.services.listening import listen
from tests.services.restoring import Installation, installation, restored
from tests.services.sending import asked

__all__ = ["installation"]


def work(made: Installation) -> int:
    notifier = Notifier(
        database=made.clinic.database,
        outgoing=Outgoing(Reach(development=True)),
        base_url="https://referral.example",
        now=Clock(NOW),
    )
    return notify_due(notifier, [made.clinic.id])


def test_nothing_is_told_until_reopening_and_no_number_is_used_twice(installation: Installation) -> None:
    with receiving() as receiver:
        listen(installation.clinic, Topic.TASK, endpoint=receiver.url)
        copy = installation.backup()
        asked(installation.clinic)
        assert work(installation) == 1
        assert numbers(receiver) == [1, 2]
        clinic = restored(installation, copy)
        asked(clinic)  # what the sweep or a client of before may still write
        assert work(installation) == 0
        installation.reconcile(Newer.NOTHING)
        assert work(installation) == 0
        installation.reopen()
        assert work(installation) == 0, "its client has to begin anew"
        with clinic.transaction() as session:
            found = resources.read(session, "Subscription", "listener").document
            assert (found["status"], "restored" in found["error"]) == ("error", True)
            subscriptions.change(session, "listener", NOW, status="requested", not_before=NOW)
        assert work(installation) == 2
    assert kinds(receiver)[1:] == ["handshake", "event-notification"]
    assert numbers(receiver)[2:] == [LEAP + 1, LEAP + 2]
