"""The live register of clinicians: the NPPES Read API, version 2.1 (https://npiregistry.cms.hhs.gov/api-page)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

import httpx
import orjson

from referral.domain.codes import ClinicianKind
from referral.domain.errors import Unavailable
from referral.domain.npi import is_valid_npi
from referral.domain.nppes import ORGANIZATION, PERSON, Registered, address_of, kind_of
from referral.domain.time_zones import STATES

# People wait for it: for each step, and for all of one answer.
_STEP_SECONDS: Final = 5.0
_SECONDS: Final = 10.0
_MOST: Final = 50
_LONGEST: Final = 4 << 20
# A register that hangs must not hold every thread that serves pages.
_AT_ONCE: Final = 4
_ENTITIES: Final = {"NPI-1": PERSON, "NPI-2": ORGANIZATION}
_TOO_SHORT: Final = 2


class NpiRegistry:
    """One per process; safe to share between threads.

    The address is a setting, so that it may be that of a proxy of the network; proxies of the environment are
    used as well.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    def find(self, words: str) -> list[Registered]:
        """By NPI, or by first and last name with a state behind them. Raises Unavailable with what to do."""
        if not self._places.acquire(blocking=False):
            raise _gone("Others are asking the national register at this moment.")
        try:
            return self._found(words)
        finally:
            self._places.release()

    def _found(self, words: str) -> list[Registered]:
        found: dict[str, Registered] = {}
        for query in _queries(words):
            for record in self._ask(query):
                found[record.npi] = record
            if found:
                break
        return list(found.values())

    def _ask(self, query: Mapping[str, str]) -> list[Registered]:
        asked = {"version": "2.1", "limit": str(_MOST), **query}
        try:
            with (
                httpx.Client(timeout=_STEP_SECONDS, follow_redirects=False) as client,
                client.stream("GET", self._url, params=asked) as answer,
            ):
                content = _read(answer)
        except httpx.TimeoutException as error:
            raise _gone("The national register did not answer in time.") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _gone("The national register cannot be reached from this network.") from error
        if answer.status_code != httpx.codes.OK:
            raise _gone(f"The national register refused the question (status {answer.status_code}).")
        try:
            return list(_records(content))
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            # Objects where there should be lists, and the like: it is not what its documentation says.
            raise _gone("The answer of the national register could not be read.") from error


def _gone(what: str) -> Unavailable:
    return Unavailable(f"{what} Nothing was changed. Try again later, or enter the clinician by hand.")


def _read(answer: httpx.Response) -> bytes:
    """However slowly single bytes arrive."""
    deadline, content = time.monotonic() + _SECONDS, bytearray()
    for chunk in answer.iter_bytes():
        content += chunk
        if time.monotonic() > deadline or len(content) > _LONGEST:
            raise _gone("The answer of the national register was too slow or too long.")
    return bytes(content)


def _queries(words: str) -> Iterator[dict[str, str]]:
    """Names stand in either order; the API takes them apart, and a star behind two letters at least."""
    typed = words.replace(",", " ").split()
    npi = next((word for word in typed if is_valid_npi(word)), None)
    if npi is not None:
        yield {"number": npi}
        return
    state = typed.pop().upper() if len(typed) > 1 and typed[-1].upper() in STATES else ""
    names = [_begins(word) for word in typed[:4]]
    if not names:
        return
    where = {"enumeration_type": "NPI-1", **({"state": state} if state else {})}
    last, first = names[-1], " ".join(name.rstrip("*") for name in names[:-1])
    if not first:
        yield {**where, "last_name": last}
        return
    yield {**where, "first_name": f"{first}*", "last_name": last}
    yield {**where, "first_name": last, "last_name": f"{first}*"}


def _begins(word: str) -> str:
    plain = word.replace("*", "")
    return f"{plain}*" if len(plain) >= _TOO_SHORT else plain


def _records(content: bytes) -> Iterator[Registered]:
    """Raises ValueError and others for what is no answer of this register."""
    # No database takes the character NUL, and no name has one.
    answer = orjson.loads(content.replace(b"\\u0000", b""))
    if answer.get("Errors"):
        # Its words repeat what was looked for, which is nothing for a log.
        raise _gone("The national register did not understand the question.")
    for result in answer.get("results") or ():
        record = _record(result)
        if record is not None:
            yield record


def _record(result: Mapping[str, Any]) -> Registered | None:
    npi = str(result.get("number") or "")
    entity = _ENTITIES.get(str(result.get("enumeration_type")))
    if entity is None or not is_valid_npi(npi):
        return None
    basic = result.get("basic") or {}
    codes = sorted(result.get("taxonomies") or (), key=lambda taxonomy: not taxonomy.get("primary"))
    taxonomies = tuple(dict.fromkeys(str(t["code"]) for t in codes if t.get("code")))
    place: Mapping[str, Any] = next(
        (a for a in result.get("addresses") or () if a.get("address_purpose") in ("LOCATION", "PRIMARY")), {}
    )
    at = {name: str(place.get(name) or "").strip() for name in _ADDRESS}
    kind = kind_of(taxonomies) if entity == PERSON else ClinicianKind.OTHER
    is_off = basic.get("status") == "D"
    updated = _day(basic.get("last_updated"))
    return Registered(
        npi,
        entity,
        _text(basic, "last_name"),
        _text(basic, "first_name"),
        _text(basic, "middle_name"),
        _text(basic, "credential"),
        _text(basic, "organization_name"),
        taxonomies,
        kind,
        address_of(at["address_1"], at["address_2"], at["city"], at["state"], at["postal_code"]),
        at["city"],
        at["state"],
        at["telephone_number"],
        at["fax_number"],
        updated,
        (_day(basic.get("deactivation_date")) or updated) if is_off else None,
    )


_ADDRESS: Final = (
    *("address_1", "address_2", "city", "state", "postal_code"),
    *("telephone_number", "fax_number"),
)


def _text(basic: Mapping[str, Any], name: str) -> str:
    value = str(basic.get(name) or "").strip()
    return "" if value == "--" else value


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None
