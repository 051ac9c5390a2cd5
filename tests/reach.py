"""Which functions the code of one function leads to, read from the source without running it.

Names are followed through imports, assignments and re-exports. What an object's method does is not, so what
is looked for has to be reached by the name of a function at some point on the way.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]


def sources(package: str = "referral") -> dict[str, str]:
    """The text of every module by its dotted name."""
    found = {}
    for path in (ROOT / package).rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = path.read_text(encoding="utf-8")
    return found


class Code:
    """`texts` by module. A node is `module.name` of something at the top level of a module."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._modules: set[str] = set()
        self._imports: dict[str, dict[str, str]] = {}
        self._nodes: dict[str, list[ast.AST]] = {}
        self._known: dict[str, set[str]] = {}
        for module, text in texts.items():
            self._add(module, text)

    def _add(self, module: str, text: str) -> None:
        tree = ast.parse(text)
        self._modules.add(module)
        self._imports[module] = dict(_imports(tree))
        for statement in tree.body:
            for name in _defines(statement):
                self._nodes.setdefault(f"{module}.{name}", []).append(statement)

    def beside(self, module: str, text: str) -> Code:
        """The same code and one more module."""
        more = copy.copy(self)
        more._modules, more._imports, more._nodes = set(self._modules), {**self._imports}, {**self._nodes}
        more._known = {**self._known}
        more._add(module, text)
        return more

    def holding(self, words: str) -> set[str]:
        """Nodes with a string that has these words in it."""
        return {
            node
            for node, trees in self._nodes.items()
            for tree in trees
            for part in ast.walk(tree)
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and words in part.value
        }

    def reached_from(self, *starts: str) -> set[str]:
        """All nodes that lie on a way from these, themselves included."""
        seen: set[str] = set()
        waiting = list(starts)
        while waiting:
            node = waiting.pop()
            if node not in seen and node in self._nodes:
                seen.add(node)
                if node not in self._known:
                    self._known[node] = set(self._next(node))
                waiting.extend(self._known[node])
        return seen

    def _next(self, node: str) -> Iterator[str]:
        module = node.rpartition(".")[0]
        for tree in self._nodes[node]:
            for part in ast.walk(tree):
                if isinstance(part, ast.Name):
                    yield self._resolved(module, part.id)
                elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
                    owner = self._imports[module].get(part.value.id, "")
                    if owner in self._modules:
                        yield self._resolved(owner, part.attr)

    def _resolved(self, module: str, name: str) -> str:
        """Where it is defined, through imports and re-exports."""
        for _ in range(10):
            if f"{module}.{name}" in self._nodes or name not in self._imports.get(module, {}):
                break
            module, _, name = self._imports[module][name].rpartition(".")
        return f"{module}.{name}"


def _defines(statement: ast.stmt) -> Iterable[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Local name and what it stands for; imports within functions too."""
    for part in ast.walk(tree):
        if isinstance(part, ast.ImportFrom) and part.module and not part.level:
            for alias in part.names:
                yield alias.asname or alias.name, f"{part.module}.{alias.name}"
        elif isinstance(part, ast.Import):
            for alias in part.names:
                if alias.asname:
                    yield alias.asname, alias.name
