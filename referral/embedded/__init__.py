"""The bundled PostgreSQL and Redis-compatible server: found, started, watched and stopped here."""

from referral.embedded.engines import Engines
from referral.embedded.errors import DataDirectoryInUse, EngineError
from referral.embedded.places import Addresses, running_addresses

__all__ = ["Addresses", "DataDirectoryInUse", "EngineError", "Engines", "running_addresses"]
