"""Holds a resource that R4 allows against profiles: those of US Core, and ours as they are published."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from referral.fhir.definitions import resource_types
from referral.fhir.own_profile_checks import own_profile, own_profile_issues
from referral.fhir.problems import Issue
from referral.fhir.profiles import PROFILES, US_CORE_VERSION, Binding, Codes, Profile, Slice, find_profile
from referral.fhir.us_core_rules import WARNED

_BASE: Final = "http://hl7.org/fhir/StructureDefinition/"
# (FHIRPath, the element): what stands at a path.
Place = tuple[str, Any]


def is_known(canonical: str) -> bool:
    """Whether a resource can be held against this profile here."""
    return (
        find_profile(canonical) is not None
        or own_profile(canonical) is not None
        or _base_type(canonical) is not None
    )


def _base_type(canonical: str) -> str | None:
    """The type whose definition in R4 itself this is."""
    url = canonical.partition("|")[0]
    name = url.removeprefix(_BASE)
    return name if url.startswith(_BASE) and name in resource_types() else None


def claimed(resource: dict[str, Any]) -> list[str]:
    """What `meta.profile` says, as canonical URLs, each once."""
    found = resource.get("meta", {}).get("profile", ())
    return [canonical for canonical in dict.fromkeys(found) if canonical is not None]


def claim_issues(resource: dict[str, Any]) -> list[Issue]:
    """Errors and warnings against every profile that the resource claims and that is known here."""
    issues: dict[Issue, None] = {}
    for canonical in claimed(resource):
        issues |= dict.fromkeys(profile_issues(resource, canonical))
    return list(issues)


def profile_issues(resource: dict[str, Any], canonical: str) -> list[Issue]:
    """Errors, and warnings where a value set is only expected; none for a profile that is not known.

    Takes a resource without faults against R4 itself.
    """
    type = resource["resourceType"]
    own = own_profile(canonical)
    profile = find_profile(canonical)
    wanted = profile.type if profile else own["type"] if own else _base_type(canonical)
    if wanted not in (None, type):
        text = f"{canonical} is a profile of {wanted}; this is a {type}."
        return [Issue(text, (f"{type}.meta.profile",), "invariant")]
    if own is not None:
        return own_profile_issues(resource, own)
    return list(_us_core_issues(resource, profile)) if profile else []


def unknown_profile(canonical: str) -> Issue:
    """An error that says what can be asked for instead."""
    way = "see supportedProfile in /fhir/metadata for those that are"
    if canonical.partition("|")[0] in PROFILES:
        way = f"its version {US_CORE_VERSION} is: leave the version out, or name that one"
    text = f"The profile {canonical[:200]} is not known here, so nothing was checked against it; {way}."
    return Issue(text, ("Parameters.parameter.where(name = 'profile').value",), "not-supported")


def _us_core_issues(resource: dict[str, Any], profile: Profile) -> Iterator[Issue]:
    type = profile.type
    for path in profile.required:
        yield from _missing(resource, profile, path)
    for path, most in (profile.most or {}).items():
        for where, holder in _holders(resource, type, path):
            if len(_listed(holder.get(_last(path)))) > most:
                text = f"may be there {most} time{'s' if most > 1 else ''} at most in {profile.name}"
                yield _issue(f"{where}.{_last(path)}", text, "structure")
    for row in profile.slices:
        yield from _slice(resource, profile, row)
    for binding in profile.bindings:
        yield from _unbound(resource, profile, binding)
    for rule in profile.rules:
        for below, text in rule(resource):
            where = f"{type}.{below}" if below else type
            if text.startswith(WARNED):
                yield _issue(where, text.removeprefix(WARNED), "code-invalid", "warning")
            else:
                yield _issue(where, text, "invariant")


def _missing(resource: dict[str, Any], profile: Profile, path: str) -> Iterator[Issue]:
    name = _last(path)
    for where, holder in _holders(resource, profile.type, path):
        if name not in holder and f"_{name}" not in holder:
            yield _issue(f"{where}.{name}", f"is missing, and {profile.name} needs it", "required")


def _slice(resource: dict[str, Any], profile: Profile, row: Slice) -> Iterator[Issue]:
    found = [place for place in _places(resource, profile.type, row.path) if _of(place[1], row.codes)]
    where = f"{profile.type}.{row.path}"
    if not found and row.path in resource:
        yield _issue(where, f"needs one that is {row.wanted}, as {profile.name} says", "required")
    elif row.most is not None and len(found) > row.most:
        text = f"may be {row.wanted} {row.most} time at most in {profile.name}"
        yield _issue(found[row.most][0], text, "structure")


def _unbound(resource: dict[str, Any], profile: Profile, row: Binding) -> Iterator[Issue]:
    for where, concept in _places(resource, profile.type, row.path):
        if _of(concept, row.codes):
            continue
        if row.required:
            text = f"needs a code of {row.wanted}, as {profile.name} says"
            yield _issue(f"{where}.coding", text, "code-invalid")
        elif concept.get("coding"):
            text = f"has no code of {row.wanted}; {profile.name} wants one wherever one fits"
            yield _issue(f"{where}.coding", text, "code-invalid", "warning")


def _of(concept: dict[str, Any], codes: Codes) -> bool:
    """Whether one of the codings is of the set."""
    for coding in concept.get("coding", ()):
        system, code = coding.get("system"), coding.get("code")
        if system in codes and code is not None:
            allowed = codes[system]
            if allowed is None or code in allowed:
                return True
    return False


def _holders(resource: dict[str, Any], type: str, path: str) -> list[Place]:
    """What may have the last step of the path."""
    above = path.rpartition(".")[0]
    return _places(resource, type, above) if above else [(type, resource)]


def _places(resource: dict[str, Any], type: str, path: str) -> list[Place]:
    found: list[Place] = [(type, resource)]
    for step in path.split("."):
        below: list[Place] = []
        for where, holder in found:
            value = holder.get(step)
            if isinstance(value, list):
                below += [(f"{where}.{step}[{index}]", item) for index, item in enumerate(value)]
            elif value is not None:
                below.append((f"{where}.{step}", value))
        found = below
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _issue(where: str, text: str, code: str, severity: str = "error") -> Issue:
    return Issue(f"{where} {text}.", (where,), code, severity)
