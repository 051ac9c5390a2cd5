"""Faxes in the shape of Sinch's Fax API, version 3."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from referral.channels.base import Fate, Outcome, Progress, Sent
from referral.channels.fax import Fax
from referral.channels.http_provider import Answer, Call, not_ours

KEY_LABEL: Final = "referral-key"
# The vendor tries a busy line again by itself: three times, five minutes apart.
_RETRIES: Final = {"maxRetries": "3", "retryDelaySeconds": "300"}
_FATES: Final = {"COMPLETED": Fate.DELIVERED, "FAILURE": Fate.FAILED}
_PAGE: Final = 200
# Its messages are for people and may change: only what is clearly about the number marks it as bad.
_BAD_NUMBER: Final = (
    "invalid number",
    "not a valid",
    "invalid phone",
    "not in service",
    "disconnected",
    "unallocated",
    "does not exist",
    "no fax",
    "not a fax",
    "voice",
    "human",
)
_BUSY: Final = ("busy", "no answer", "did not answer", "not answered")


def key_of(fax: dict[str, Any]) -> str:
    """Our key, "" where the fax is none of ours."""
    labels = fax.get("labels")
    return str(labels.get(KEY_LABEL, "")) if isinstance(labels, dict) else ""


def progress_of(fax: dict[str, Any]) -> Progress:
    """What its words for a state mean; the reason is made of our words, never of its."""
    fate = _FATES.get(str(fax.get("status")), Fate.PENDING)
    if fate is not Fate.FAILED:
        return Progress(fate)
    said = f"{fax.get('errorMessage') or ''}".lower()
    code = fax.get("errorCode")
    number = f" ({code})" if isinstance(code, int) else ""
    if any(words in said for words in _BUSY):
        return Progress(fate, f"the line was busy or nobody answered{number}")
    if any(words in said for words in _BAD_NUMBER):
        return Progress(fate, f"no fax machine answers at this number{number}", bad_address=True)
    return Progress(fate, f"the fax provider could not deliver it{number}")


class SinchFax:
    """Calls and answers; `header` stands on each page and must not tell what kind of clinic sends it."""

    name = "fax"

    def __init__(self, *, sender: str = "", header: str = "", repeatable: bool = False) -> None:
        self._sender, self._header, self.repeatable = sender, header[:50], repeatable

    def submission(self, fax: Fax) -> Call:
        """One multipart body; the labels let us find it again."""
        fields = {
            "to": fax.to,
            "resolution": "FINE",
            "headerPageNumbers": "true",
            "labels": json.dumps({KEY_LABEL: str(fax.key)}),
            **_RETRIES,
        }
        if self._sender:
            fields["from"] = self._sender
        if self._header:
            fields["headerText"] = self._header
        if fax.reports_to:
            fields |= {"callbackUrl": fax.reports_to, "callbackUrlContentType": "application/json"}
        boundary = f"referral-{fax.key.hex}"
        headers = (
            ("Content-Type", f"multipart/form-data; boundary={boundary}"),
            ("Idempotency-Key", str(fax.key)),
        )
        return Call("POST", "/faxes", headers=headers, content=_multipart(boundary, fields, fax.pdf))

    def taken(self, answer: Answer) -> Sent:
        """400 about `to` is about the recipient; everything else of 4xx is about our account or request."""
        said = answer.json
        if answer.status < 300:
            if said.get("id"):
                return Sent(Outcome.ACCEPTED, reference=str(said["id"])[:64])
            reason = f"the fax provider answered {answer.status} without a name for it"
            return Sent(Outcome.UNKNOWN, reason=reason)
        if answer.status in (400, 422) and _about_number(said):
            return Sent(Outcome.REFUSED, reason="the fax provider refuses this number", bad_address=True)
        return not_ours(answer, "fax")

    def search(self, to: str, since: datetime, page: int) -> Call:
        begun = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        query = {"to": to, "createTime>": begun, "page": str(page), "pageSize": str(_PAGE)}
        return Call("GET", "/faxes", query)

    def found(self, answer: Answer, key: uuid.UUID) -> tuple[str | None, bool]:
        said = answer.json
        rows = said.get("faxes")
        faxes = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        reference = next((str(row["id"]) for row in faxes if key_of(row) == str(key) and row.get("id")), None)
        return reference, _page_of(said, "pageNumber") < _page_of(said, "totalPages")

    def status(self, reference: str) -> Call:
        return Call("GET", f"/faxes/{quote(reference, safe='')}")

    def progress(self, answer: Answer) -> Progress:
        return progress_of(answer.json)

    def file(self, reference: str) -> Call:
        return Call("GET", f"/faxes/{quote(reference, safe='')}/file.pdf")


def _about_number(said: dict[str, Any]) -> bool:
    details = said.get("details") or said.get("errors")
    rows = details if isinstance(details, list) else []
    fields = {str(row.get("field") or row.get("param")) for row in rows if isinstance(row, dict)}
    return "to" in fields or ("field" in said and said["field"] == "to")


def _multipart(boundary: str, fields: dict[str, str], pdf: bytes) -> bytes:
    """Values are ours: a number in E.164, settings, our address. None of them holds a line break."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n'
        + ("Content-Type: application/json\r\n" if name == "labels" else "")
        + f"\r\n{value}\r\n"
        for name, value in fields.items()
    ]
    opening = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="letter.pdf"\r\n'
        "Content-Type: application/pdf\r\n\r\n"
    )
    return "".join([*parts, opening]).encode() + pdf + f"\r\n--{boundary}--\r\n".encode()


def _page_of(said: dict[str, Any], name: str) -> int:
    """1 where it gives no number."""
    text = str(said.get(name, ""))
    return int(text) if text.isdecimal() and len(text) < 10 else 1
