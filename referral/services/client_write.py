"""One resource that a client creates or changes, as the use cases behind the FHIR door receive it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import InvalidInput, Issue
from referral.storage import audit, resources
from referral.storage.db import Session
from referral.storage.resources import Stored


@dataclass(frozen=True, slots=True)
class ClientWrite:
    """`document` is valid and carries its id; `current` is what is stored now, None for something new.

    `warnings` is for what whoever wrote it has to know although it was done.
    """

    session: Session
    actor: Actor
    document: dict[str, Any]
    now: datetime
    current: Stored | None = None
    warnings: list[Issue] = field(default_factory=list)

    def warn(self, text: str, *expression: str) -> None:
        """Tell the client beside its success."""
        self.warnings.append(Issue(text, expression, "informational", "warning"))

    @property
    def type(self) -> str:
        return str(self.document["resourceType"])

    @property
    def id(self) -> str:
        return str(self.document["id"])

    def store(self, document: dict[str, Any] | None = None) -> None:
        """Keep the document as it was sent, or the one given, with its audit row."""
        document = document or self.document
        if self.current is None:
            stored = resources.create(self.session, [document], self.now)[0]
        else:
            stored = resources.replace(self.session, document, self.current.version, self.now)
        entry = AuditEntry(
            action=Action.CREATE if self.current is None else Action.UPDATE,
            subtype="create" if self.current is None else self._update,
            entity=stored.reference,
            patient_id=resources.record_of(self.session, document),
            detail={"version": stored.version},
        )
        audit.record(self.session, self.actor, entry)

    @property
    def _update(self) -> str:
        return "patch" if resources.is_patch(self.session, self.type, self.id) else "update"

    def lay_over(self, *managed: str) -> None:
        """Keep what the client sent with our elements as they stand; where nothing differs, write nothing.

        The workflow may have written newer versions than `current` meanwhile.
        """
        newest = resources.read(self.session, self.type, self.id)
        ours = newest.document
        merged = {name: value for name, value in self.document.items() if name not in managed}
        merged |= {name: ours[name] for name in managed if name in ours}
        unmanaged = {name: value for name, value in merged.items() if name != "meta"}
        if unmanaged != {name: value for name, value in ours.items() if name != "meta"}:
            ClientWrite(self.session, self.actor, merged, self.now, newest).store()


def refuse(text: str, *expression: str, code: str = "business-rule") -> NoReturn:
    """Raises InvalidInput with one issue."""
    raise InvalidInput(Issue(text, expression, code))
