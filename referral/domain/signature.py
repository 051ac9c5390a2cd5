"""What a signature begins with: the clinic fills in what it has on file, and whoever signs corrects it."""

from __future__ import annotations

from typing import Protocol

from referral.domain.codes import ClinicianKind
from referral.domain.time_zones import state_of


class Signer(Protocol):
    """Who was asked; see records.Clinician."""

    @property
    def name(self) -> str: ...
    @property
    def credentials(self) -> str: ...
    @property
    def kind(self) -> ClinicianKind: ...
    @property
    def npi(self) -> str | None: ...
    @property
    def address(self) -> tuple[str, ...]: ...


def signature_of(signer: Signer) -> dict[str, str]:
    """By link id of the form, only what is known.

    The state of the license is taken to be that of the practice's address.
    """
    values = {
        "signer-name": signer.name,
        "signer-credentials": signer.credentials,
        "signer-role": signer.kind.value,
        "signer-license-state": state_of(signer.address) or "",
        "signer-npi": signer.npi or "",
    }
    return {link_id: value for link_id, value in values.items() if value}
