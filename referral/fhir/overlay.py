"""Our elements laid over the resource that a client had sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

Key = Callable[[Mapping[str, Any]], object]


def _by_url(entry: Mapping[str, Any]) -> object:
    return entry.get("url")


def _by_namespace(entry: Mapping[str, Any]) -> object:
    """An identifier without a system stands for itself."""
    return entry.get("system") or ("value", entry.get("value"))


# Lists of which we own some entries and the client the others.
_MERGED: Final[dict[str, Key]] = {
    "extension": _by_url,
    "modifierExtension": _by_url,
    "identifier": _by_namespace,
}


def overlay(existing: Mapping[str, Any], managed: Mapping[str, Any]) -> dict[str, Any]:
    """A new resource: each managed element replaces the client's whole element, everything else is kept.

    Extensions and identifiers are merged entry by entry (by url, by system). A choice element of ours removes
    the other types of that choice, and the extensions of a primitive go with it. An extension of ours that
    has nothing but its url takes the client's away. Neither argument is changed; parts are shared with them.
    """
    result = dict(existing)
    for name, value in managed.items():
        for stale in _displaced(name, existing, managed):
            result.pop(stale, None)
        # QuestionnaireResponse and Bundle have one identifier, no list: it is an element like any other.
        key = _MERGED.get(name) if isinstance(value, list) else None
        if key is not None:
            value = _merge(existing.get(name), value, key)  # noqa: PLW2901 - the same element, merged
        if key is not None and not value:
            result.pop(name, None)
        else:
            result[name] = value
    return result


def _merge(had: object, ours: list[Any], key: Key) -> list[Any]:
    replaced = {key(entry) for entry in ours}
    theirs = had if isinstance(had, list) else []
    kept = [entry for entry in theirs if not isinstance(entry, Mapping) or key(entry) not in replaced]
    return kept + [entry for entry in ours if entry.keys() != {"url"}]


# The choice elements that our builders write.
_CHOICES: Final = ("occurrence", "performed", "effective", "value")


def _displaced(name: str, existing: Mapping[str, Any], managed: Mapping[str, Any]) -> list[str]:
    """What of the client's cannot stay beside our element `name`."""
    stale = [f"_{name}"] if f"_{name}" in existing and f"_{name}" not in managed else []
    choice = _choice_of(name)
    if choice is not None:
        stale += [other for other in existing if _is_type_of(other, choice) and other not in managed]
    return stale


@lru_cache(maxsize=512)
def _choice_of(name: str) -> str | None:
    """The choice that an element of ours is a type of; the names that our builders write are few."""
    return next((choice for choice in _CHOICES if _is_type_of(name, choice)), None)


def _is_type_of(name: str, choice: str) -> bool:
    plain = name.removeprefix("_")
    return plain.startswith(choice) and plain[len(choice) : len(choice) + 1].isupper()
