"""Mutants of a module: each differs from it in one place, as a slip of the hand would.

Why not one of the published tools: mutmut 3.8 runs on this code, but mutates functions only, and much of the
rule is in tables and defaults at the top of the module; its other half is SQL (tests/storage/sql_mutants.py).
In one process a mutant costs milliseconds, so all of them are run with the tests.

What is mutated: comparisons, and/or/not, conditions, constants, members of enumerations, elements of tuples,
defaults, arguments, returned values and whole statements. Not: docstrings, annotations, decorators and
imports, which decide nothing.
"""

from __future__ import annotations

import ast
import copy
import importlib
import itertools
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import EnumType
from typing import Any, Final

_COMPARE: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """`name` says what is different and stays the same when lines move."""

    name: str
    tree: ast.Module


def mutants(source: str, enumerations: dict[str, EnumType]) -> Iterator[Mutant]:
    """All of them; `enumerations` by the name that the module uses, for members that are mistaken."""
    tree = ast.parse(source)
    seen: Counter[str] = Counter()
    for path, node in _places(tree, ()):
        for changed in _changes(node, enumerations):
            place = _inside(tree, path)
            if ast.dump(changed) == ast.dump(node):
                continue
            name = f"{place}: {_text(node)} -> {_text(changed)}"
            seen[name] += 1
            mutated = copy.deepcopy(tree)
            _put(mutated, path, changed)
            yield Mutant(
                f"{name} #{seen[name]}" if seen[name] > 1 else name, ast.fix_missing_locations(mutated)
            )


Path_ = tuple[tuple[str, int | None], ...]
_SKIPPED: Final = {"annotation", "returns", "decorator_list", "ctx", "op", "ops"}


def _places(node: ast.AST, path: Path_) -> Iterator[tuple[Path_, ast.AST]]:
    if isinstance(node, ast.Import | ast.ImportFrom) or _is_docstring(node):
        return
    if path:
        yield path, node
    for field, value in ast.iter_fields(node):
        if field in _SKIPPED:
            continue
        if isinstance(value, ast.AST):
            yield from _places(value, (*path, (field, None)))
        elif isinstance(value, list):
            for place, item in enumerate(value):
                if isinstance(item, ast.AST):
                    yield from _places(item, (*path, (field, place)))


def _is_docstring(node: ast.AST) -> bool:
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_text and isinstance(node.value.value, str)  # type: ignore[attr-defined]


def _changes(node: ast.AST, enumerations: dict[str, EnumType]) -> Iterator[ast.AST]:
    yield from _of_operators(node)
    yield from _of_values(node, enumerations)
    yield from _of_collections(node)
    yield from _of_statements(node)


def _of_operators(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Compare):
        for other in _COMPARE[type(node.ops[0])]:
            yield ast.Compare(node.left, [other(), *node.ops[1:]], node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        for left_out in range(len(node.values)):
            rest = [value for place, value in enumerate(node.values) if place != left_out]
            yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield ast.comprehension(node.target, node.iter, [], node.is_async)
        yield ast.comprehension(node.target, node.iter, [ast.UnaryOp(ast.Not(), node.ifs[0])], node.is_async)


def _of_values(node: ast.AST, enumerations: dict[str, EnumType]) -> Iterator[ast.AST]:
    if isinstance(node, ast.Constant):
        value = node.value
        if isinstance(value, bool):
            yield ast.Constant(not value)
        elif isinstance(value, int):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        elif isinstance(value, str):
            yield ast.Constant(f"{value}!")
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        members: list[Any] = list(enumerations.get(node.value.id, ()))
        yield from (
            ast.Attribute(node.value, other.name, ast.Load()) for other in members if other.name != node.attr
        )
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        yield node.value


def _of_collections(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Tuple | ast.List) and isinstance(node.ctx, ast.Load):
        for left_out in range(len(node.elts)):
            rest = [element for place, element in enumerate(node.elts) if place != left_out]
            yield type(node)(rest, ast.Load())
        for place in range(len(node.elts) - 1):
            swapped = [*node.elts]
            swapped[place], swapped[place + 1] = swapped[place + 1], swapped[place]
            yield type(node)(swapped, ast.Load())
    elif isinstance(node, ast.Call):
        for place in range(len(node.keywords)):
            yield ast.Call(node.func, node.args, node.keywords[:place] + node.keywords[place + 1 :])


def _of_statements(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.If):
        yield ast.If(ast.Constant(True), node.body, node.orelse)
        yield ast.If(ast.Constant(False), node.body, node.orelse)
    elif isinstance(node, ast.Expr | ast.Assign | ast.AugAssign):
        yield ast.Pass()
    elif isinstance(node, ast.Return) and node.value is not None:
        yield ast.Return(ast.Constant(None))


def _put(tree: ast.AST, path: Path_, new: ast.AST) -> None:
    for field, place in path[:-1]:
        tree = getattr(tree, field) if place is None else getattr(tree, field)[place]
    field, place = path[-1]
    if place is None:
        setattr(tree, field, new)
    else:
        getattr(tree, field)[place] = new


def _inside(tree: ast.AST, path: Path_) -> str:
    """The names of the classes and functions around a place."""
    names = []
    for field, place in path:
        tree = getattr(tree, field) if place is None else getattr(tree, field)[place]
        if isinstance(tree, ast.FunctionDef | ast.ClassDef):
            names.append(tree.name)
    return ".".join(names) or "module"


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.comprehension):
        return " ".join(["for", ast.unparse(node.target), *(f"if {ast.unparse(test)}" for test in node.ifs)])
    text = " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split())
    return text if len(text) <= 90 else f"{text[:60]} … {text[-25:]}"


def module_of(name: str, tree: ast.Module) -> types.ModuleType:
    """A module of this name with this code, not in sys.modules."""
    made = types.ModuleType(name)
    made.__file__ = sys.modules[name].__file__
    # dataclasses look their module up while it is being made.
    kept, sys.modules[name] = sys.modules[name], made
    try:
        exec(compile(tree, f"<mutant of {name}>", "exec"), made.__dict__)
    finally:
        sys.modules[name] = kept
    return made


def is_killed(name: str, tree: ast.Module, tests: Iterable[types.CodeType]) -> bool:
    """Whether a test of the compiled test modules fails when `name` is the mutant."""
    kept = importlib.import_module(name)
    try:
        sys.modules[name] = module_of(name, tree)
        for code in tests:
            namespace: dict[str, Any] = {"__name__": "mutated"}
            exec(code, namespace)
            for known, function in list(namespace.items()):
                if known.startswith("test_") and isinstance(function, types.FunctionType):
                    _run(function)
    except Exception:  # noqa: BLE001 - whatever goes wrong, somebody has noticed
        return True
    finally:
        sys.modules[name] = kept
    return False


def _run(function: Callable[..., object]) -> None:
    """With every combination of its parameters."""
    marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
    choices = []
    for mark in marks:
        names = mark.args[0]
        names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
        values = [(value,) if len(names) == 1 else value for value in mark.args[1]]
        choices.append([dict(zip(names, value, strict=True)) for value in values])
    for combination in itertools.product(*choices):
        arguments: dict[str, object] = {}
        for part in combination:
            arguments |= part
        function(**arguments)
