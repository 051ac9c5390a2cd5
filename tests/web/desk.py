"""A browser of the clinic's own people."""

from __future__ import annotations

import html
import re
import uuid
from typing import Any, Protocol

import httpx

from referral.domain.codes import Role
from referral.domain.credential import random_token
from referral.storage import accounts
from referral.storage.accounts import StaffUser
from tests.database import NOW, ClinicFixture


class Forms:
    """Pages and their forms without drawing them; keeps the page that is shown, as a browser does."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.page = ""
        self.status = 0
        self.path = ""
        self.headers: dict[str, str] = {}

    def get(self, path: str) -> str:
        return self._shown(self.client.get(path))

    def post(self, path: str, data: dict[str, Any] | None = None, **changes: Any) -> str:
        """Send a form with the hidden fields of the page that is shown."""
        return self._shown(self.client.post(path, data={**self.hidden(), **(data or {}), **changes}))

    def hidden(self) -> dict[str, str]:
        return {
            name: html.unescape(value)
            for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', self.page)
        }

    def _shown(self, response: httpx.Response) -> str:
        self.status, self.path = response.status_code, response.url.path
        self.headers = dict(response.headers)
        if "html" in response.headers.get("content-type", ""):
            self.page = response.text
        return self.text

    @property
    def text(self) -> str:
        """What is read on the page: without markup, spaces as one."""
        body = re.sub(r"<(template|head|svg)\b.*?</\1>", " ", self.page, flags=re.DOTALL)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


class Desk(Forms):
    """One signed-in person."""

    def __init__(self, clinic: ClinicFixture, client: httpx.Client, user_id: str) -> None:
        super().__init__(client)
        self.clinic = clinic
        self.user_id = user_id


class OpenDesk(Protocol):
    """The fixture `open_desk`."""

    def __call__(self, clinic: ClinicFixture, role: Role = ...) -> Desk: ...


def add_person(clinic: ClinicFixture, role: Role, name: str = "Robin Desk") -> StaffUser:
    """A user without a usable password: hashing one takes longer than the test."""
    user = StaffUser(
        clinic_id=clinic.id,
        id=str(uuid.uuid4()),
        email=f"{uuid.uuid4().hex}@clinic.example",
        name=name,
        role=role,
        password_hash="!",
        active=True,
        failed_sign_ins=0,
        locked_until=None,
    )
    with clinic.transaction() as session:
        accounts.add_user(session, user)
    return user


def desk(server: str, clinic: ClinicFixture, role: Role) -> Desk:
    """Somebody of this role with a running session."""
    user, token = add_person(clinic, role), random_token()
    with clinic.transaction() as session:
        accounts.open_session(session, token, user, random_token(size=18), NOW)
    # To read the certificates of the world takes longer than most pages, and nobody here speaks TLS.
    client = httpx.Client(
        verify=False,
        base_url=server,
        cookies={"referral_staff": token},
        follow_redirects=True,
        timeout=30,
        headers={"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    )
    return Desk(clinic, client, user.id)
