"""Every mutant of the rule of gate and override is noticed by its tests, or listed with a reason why not."""

from __future__ import annotations

import ast
import tomllib
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from referral.domain import codes
from tests.mutants import is_killed, mutants

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
ENUMERATIONS = {
    name: getattr(codes, name) for name in ("Decision", "Requirement", "Strength", "Verdict", "ClinicianKind")
}
# By module: the tests that have to notice.
RULES = {"gate": ("test_gate.py", "test_gate_words.py"), "override": ("test_override.py",)}


def equivalent() -> dict[str, dict[str, str]]:
    """By module and mutant, the reason why it decides nothing differently."""
    return tomllib.loads((HERE / "equivalent_mutants.toml").read_text(encoding="utf-8"))


def compiled(name: str) -> list[types.CodeType]:
    return [compile((HERE / file).read_text(encoding="utf-8"), file, "exec") for file in RULES[name]]


@pytest.mark.parametrize("name", RULES)
def test_every_mutant_is_killed_or_equivalent(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    source = (ROOT / "referral" / "domain" / f"{name}.py").read_text(encoding="utf-8")
    tests, module = compiled(name), f"referral.domain.{name}"
    assert not is_killed(module, ast.parse(source), tests)
    every = list(mutants(source, ENUMERATIONS))
    alive = {mutant.name for mutant in every if not is_killed(module, mutant.tree, tests)}
    listed = equivalent().get(name, {})
    record_property("figure", f"{module}: {len(every)} mutants, {len(alive)} alive, {len(listed)} equivalent")
    assert sorted(alive - listed.keys()) == []
    # A reason for a mutant that is killed, or is not made any more, is out of date.
    assert sorted(listed.keys() - alive) == []
    assert all(len(reason) > 20 for reason in listed.values())
