"""What these harnesses share with the tests of the services."""

from tests.services.conftest import renderer

__all__ = ["renderer"]
