"""What a call of `$validate` asks for: the resource, the mode and the profiles, out of body and query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from referral.fhir.problems import InvalidResource, Issue
from referral.fhir.profile_checks import is_known, unknown_profile
from referral.fhir.structure import MAX_ISSUES

MODES: Final = ("create", "update", "delete", "profile")
_TAKES: Final = "$validate takes resource, mode and profile"
_PROFILE_VALUES: Final = ("valueUri", "valueCanonical", "valueUrl", "valueString")
_MODE_VALUES: Final = ("valueCode", "valueString")


@dataclass(frozen=True, slots=True)
class ValidationRequest:
    """`resource` as it was sent, None where what is stored is meant; `profiles` are known here."""

    resource: Any
    mode: str | None
    profiles: tuple[str, ...]


def read_validation(body: Any, query: Iterable[tuple[str, str]]) -> ValidationRequest:
    """`body` is the resource itself, or Parameters around it, or None.

    Raises InvalidResource for a mode or a parameter that does not exist, and for a profile that is unknown:
    the answer to that is not that the resource is well.
    """
    asked = [(name, text) for name, text in query if name in ("mode", "profile")]
    resource = body
    if isinstance(body, dict) and body.get("resourceType") == "Parameters":
        resource, more = _read_parameters(body)
        asked += more
    modes = {text for name, text in asked if name == "mode"}
    profiles = tuple(dict.fromkeys(text for name, text in asked if name == "profile"))
    _require_sensible(modes, profiles)
    return ValidationRequest(resource, next(iter(modes), None), profiles)


def _require_sensible(modes: set[str], profiles: tuple[str, ...]) -> None:
    wrong = sorted(modes - set(MODES))
    if wrong or len(modes) > 1:
        given = ", ".join(sorted(modes))[:40]
        text = f"mode has to be one of {', '.join(MODES)}; it is {given}."
        raise InvalidResource(Issue(text, (_where("mode"),), "value"))
    if modes == {"profile"} and not profiles:
        text = "mode=profile needs the parameter profile: the canonical URL to check against."
        raise InvalidResource(Issue(text, (_where("profile"),), "required"))
    unknown = [unknown_profile(canonical) for canonical in profiles if not is_known(canonical)][:MAX_ISSUES]
    if unknown:
        raise InvalidResource(*unknown)


def _read_parameters(body: Mapping[str, Any]) -> tuple[Any, list[tuple[str, str]]]:
    resource, asked = None, []
    rows = body.get("parameter", [])
    for index, row in enumerate(rows if isinstance(rows, list) else [rows]):
        where = f"Parameters.parameter[{index}]"
        name = row.get("name") if isinstance(row, dict) else None
        if name == "resource":
            resource = row.get("resource")
            if resource is None:
                text = f"{where}.resource is missing."
                raise InvalidResource(Issue(text, (f"{where}.resource",), "required"))
        elif name in ("mode", "profile"):
            asked.append((name, _value(row, where, _MODE_VALUES if name == "mode" else _PROFILE_VALUES)))
        else:
            text = f"{where}: there is no parameter {ascii(name)[:40]}; {_TAKES}."
            raise InvalidResource(Issue(text, (f"{where}.name",), "value"))
    return resource, asked


def _value(row: Mapping[str, Any], where: str, names: tuple[str, ...]) -> str:
    found = next((row[name] for name in names if name in row), None)
    if not isinstance(found, str) or not found:
        raise InvalidResource(Issue(f"{where}.{names[0]} is missing.", (f"{where}.value",), "required"))
    return found


def _where(name: str) -> str:
    return f"Parameters.parameter.where(name = '{name}').value"
