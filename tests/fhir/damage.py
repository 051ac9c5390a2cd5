"""HL7's examples, damaged at random: the same seed makes the same damage."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

from tests.fhir import examples


def nodes(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items: Any = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, item in items:
        yield (*path, key)
        yield from nodes(item, (*path, key))


JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    10**30,
    "",
    " ",
    "x",
    "true",
    "2026-13-01",
    "#a",
    [],
    {},
    [None],
    [[]],
    [{}],
    ["a"],
    {"x": 1},
    {"a": {}},
    {"reference": "Foo/1"},
    {"coding": "x"},
    {"coding": [[]]},
    "Patient/1",
    "2026-02-30T10:00:00Z",
    {"extension": []},
    {"start": 1, "end": []},
    "-" * 300,
]


def mutated(seed: int) -> dict[str, Any]:
    """An example of HL7 with one to three elements replaced, removed or renamed."""
    dice = random.Random(seed)
    resource = examples.example(
        dice.choice([name for name in examples.names() if name not in examples.NOT_R4])
    )
    for _ in range(dice.randint(1, 3)):
        path = dice.choice(list(nodes(resource)) or [("resourceType",)])
        holder: Any = resource
        for step in path[:-1]:
            holder = holder[step]
        chance = dice.random()
        if chance < 0.6:
            holder[path[-1]] = copy.deepcopy(dice.choice(JUNK))
        elif chance < 0.8 or not isinstance(holder, dict):
            del holder[path[-1]]
        else:
            holder[dice.choice(["_", "x"]) + str(path[-1])] = holder.pop(path[-1])
    return resource
