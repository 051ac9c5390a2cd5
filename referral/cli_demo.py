"""The courses of the demo clinic's invented people, with reports that are kept here and sent nowhere."""

from __future__ import annotations

from datetime import datetime

from referral.bootstrap import Runtime
from referral.channels.base import Channels, OutboxViewer
from referral.domain.codes import Channel
from referral.letters.render import Renderer
from referral.services.batches import Delivery
from referral.services.deliver_messages import deliver_due
from referral.services.demo_courses import add_demo_courses
from referral.storage.demo_history import dating_back


def add_courses(runtime: Runtime, clinic_id: str) -> None:
    """On the embedded default only: its database belongs to whoever runs it."""
    settings = runtime.settings
    renderer = Renderer(settings.data_dir / "fonts")
    channels = Channels({channel: OutboxViewer() for channel in Channel}, runtime.channels.mail_from)

    def deliver(at: datetime) -> None:
        delivery = Delivery(
            database=runtime.database,
            channels=channels,
            renderer=renderer,
            base_url=settings.base_url,
            now=lambda: at,
        )
        deliver_due(delivery, clinic_id)

    owner = str(settings.migration_database_url or settings.database_url)
    with dating_back(owner, clinic_id) as date_back:
        add_demo_courses(lambda: runtime.transaction(clinic_id), date_back, deliver, runtime.now())
