"""What may never be told to whoever sees an envelope, a screen or a tray, checked in the templates.

A fax cover, an e-mail, a text message and what shows in the window of an envelope may use the values that are
listed here and no others: not a patient's, and no value as a whole, from which anything could be taken. It is
read from the syntax trees of a template, of what it extends, includes and imports, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from jinja2 import Environment, TemplateError, meta, nodes

from referral.channels import texts
from referral.domain.language import Language
from referral.domain.outgoing import MessageKind
from referral.letters import markup

# Everything that a mail or a text message may say; a value that is added to `texts.Words` is not among them
# until somebody has thought about it here.
_MESSAGE: Final = frozenset(
    {
        *("sender_name", "request_number", "telephone", "link", "short_code", "page", "reply_by", "code"),
        *("minutes", "language"),
    }
)
# Of what is drawn: where it says who writes, to whom and about which request.
_OUTSIDE: Final = frozenset(
    {
        *("language", "tight.letter", "letter.letter_id", "letter.request_number", "letter.written_on"),
        *("letter.written_at", "letter.language", "clinic.neutral_name", "clinic.telephone", "clinic.fax"),
        *("clinic.address_lines", "clinic.website"),
    }
)
_FAX_COVER: Final = _OUTSIDE | {
    *("letter.clinician_name", "letter.recipient_lines", "letter.fax_number", "letter.pages", "letter.again"),
}
_ENVELOPE: Final = _OUTSIDE | {"address.lines", "address.size_class", "letter.due_on", "letter.asked_on"}
FAX_COVER: Final = "fax_cover.html.j2"
# Of every letter that has an address: what lies behind the window when the sheet has slid, as far as it may.
_WINDOW: Final = ("addressed", "reference")
# What the language itself brings into a template.
_OWN: Final = frozenset({"loop", "self", "super", "caller", "varargs", "kwargs", "true", "false", "none"})


class PrivacyLeak(Exception):
    """A template may tell what it must not; the service does not start with it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`allowed` values of one template; with `blocks` only these parts of it are looked at."""

    template: str
    what: str
    allowed: frozenset[str]
    blocks: tuple[str, ...] = ()


def rules() -> Iterator[tuple[Environment, Rule]]:
    """Every template that is seen by others than its reader."""
    messages = texts.environment(Language.ENGLISH)
    for kind in MessageKind:
        yield messages, Rule(f"long/{kind}.txt.j2", "an e-mail", _MESSAGE)
        yield messages, Rule(f"short/{kind}.txt.j2", "a text message", _MESSAGE)
    letters = markup.environment(Language.ENGLISH)
    yield letters, Rule(FAX_COVER, "a fax cover", _FAX_COVER)
    for name in sorted(layout.template for layout in markup.LAYOUTS.values()):
        yield letters, Rule(name, "the window of an envelope", _ENVELOPE, _WINDOW)


@cache
def leaks() -> tuple[str, ...]:
    """A sentence for each value that a template uses and must not; empty when all is well."""
    return tuple(sentence for environment, rule in rules() for sentence in check(environment, rule))


def refuse(found: Sequence[str]) -> None:
    """Called with `leaks()` when a process starts. Raises PrivacyLeak where there are any."""
    if found:
        raise PrivacyLeak("\n".join(found))


def check(environment: Environment, rule: Rule) -> list[str]:
    """What is wrong with one template, in sentences that name no value of a person."""
    try:
        found = _Reader(environment).read(rule)
    except (TemplateError, _Unreadable) as error:
        return [f"{rule.template} cannot be checked, so it is no {rule.what.split(' ', 1)[1]}: {error}"]
    return [
        f"{rule.template} uses {value}, which {rule.what} must not say."
        for value in sorted(found - rule.allowed)
    ]


class _Unreadable(Exception):
    """Something whose values are only known when it is filled in."""


class _Reader:
    """Collects the values that templates use, by their full names such as `letter.request_number`."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._globals = frozenset(environment.globals) | _OWN
        self._seen: set[str] = set()

    def read(self, rule: Rule) -> set[str]:
        """Of the template as it is drawn: of a block that is written anew, the old text does not count."""
        chain = self._chain(rule.template)
        blocks = self._blocks(chain)
        found: set[str] = set()
        if rule.blocks:
            for name in rule.blocks:
                for block in blocks.get(name, ()):
                    found |= self._values(block.body, blocks, _locals([block]))
            return found
        for tree in chain:
            outside = [part for part in tree.body if not isinstance(part, nodes.Block)]
            # Of a template that extends another, text outside of blocks is dropped; what is set there counts.
            found |= self._values(outside if tree is not chain[-1] else tree.body, blocks, _locals([tree]))
        if len(chain) == 1:
            # A name that is set in one place of a template is not set in another.
            found |= meta.find_undeclared_variables(chain[0]) & _roots(chain[0]) - self._globals
        return found

    def _parse(self, name: str) -> nodes.Template:
        loader = self._environment.loader
        if loader is None:
            raise _Unreadable("it has no place to be read from")
        source, _, _ = loader.get_source(self._environment, name)
        return self._environment.parse(source, name)

    def _chain(self, name: str) -> list[nodes.Template]:
        """The template and what it extends, the outermost last."""
        chain = [self._parse(name)]
        while True:
            extended = list(chain[-1].find_all(nodes.Extends))
            if not extended:
                return chain
            if len(chain) > 8:
                raise _Unreadable("it extends too many others")
            chain.append(self._parse(_constant(extended[0].template)))

    def _blocks(self, chain: Sequence[nodes.Template]) -> dict[str, tuple[nodes.Block, ...]]:
        """The block that is drawn by each name, with those that it calls by super()."""
        drawn: dict[str, tuple[nodes.Block, ...]] = {}
        open_to_super: set[str] = set()
        for tree in chain:
            for block in tree.find_all(nodes.Block):
                if block.name not in drawn or block.name in open_to_super:
                    drawn[block.name] = (*drawn.get(block.name, ()), block)
                    calls_super = any(name.name == "super" for name in block.find_all(nodes.Name))
                    (open_to_super.add if calls_super else open_to_super.discard)(block.name)
        return drawn

    def _values(
        self,
        body: Iterable[nodes.Node],
        blocks: dict[str, tuple[nodes.Block, ...]],
        local: frozenset[str],
    ) -> set[str]:
        found: set[str] = set()
        for node in body:
            found |= self._of(node, blocks, local)
        return found

    def _of(
        self, node: nodes.Node, blocks: dict[str, tuple[nodes.Block, ...]], local: frozenset[str]
    ) -> set[str]:
        if isinstance(node, nodes.Block):
            chosen = blocks.get(node.name, (node,))
            return set().union(*(self._values(one.body, blocks, local | _locals([one])) for one in chosen))
        if isinstance(node, nodes.Include | nodes.Import | nodes.FromImport):
            return self._other(_constant(node.template))
        if isinstance(node, nodes.Name):
            known = node.ctx != "load" or node.name in local or node.name in self._globals
            return set() if known else {node.name}
        path = _path(node)
        if path is not None and path.partition(".")[0] not in local | self._globals:
            return {path}
        return self._values(node.iter_child_nodes(), blocks, local)

    def _other(self, name: str) -> set[str]:
        if name in self._seen:
            return set()
        self._seen.add(name)
        tree = self._parse(name)
        return self._values(tree.body, {}, _locals([tree]))


def _locals(trees: Iterable[nodes.Node]) -> frozenset[str]:
    """Names that a template gives itself: loops, arguments of macros, `set`, imports."""
    found: set[str] = set()
    for tree in trees:
        found |= {name.name for name in tree.find_all(nodes.Name) if name.ctx in ("store", "param")}
        found |= {macro.name for macro in tree.find_all(nodes.Macro)}
        found |= {part.target for part in tree.find_all(nodes.Import)}
        for part in tree.find_all(nodes.FromImport):
            found |= {name if isinstance(name, str) else name[1] for name in part.names}
    # An own name that is a value's as well would hide it.
    return frozenset(found) - {"letter", "clinic", "address", "manifest", "record"}


def _roots(tree: nodes.Template) -> set[str]:
    """Names that stand by themselves, not only before a dot."""
    before_dots = {id(node.node) for node in tree.find_all(nodes.Getattr)}
    before_dots |= {id(node.node) for node in tree.find_all(nodes.Getitem)}
    return {name.name for name in tree.find_all(nodes.Name) if id(name) not in before_dots}


def _path(node: nodes.Node) -> str | None:
    """`letter.request_number` of an attribute or a key that is written out; None for anything else."""
    names: list[str] = []
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        if isinstance(node, nodes.Getattr):
            names.append(node.attr)
        elif isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            names.append(node.arg.value)
        else:
            names.clear()
            return None
        node = node.node
    if not names or not isinstance(node, nodes.Name):
        return None
    # What is taken from an allowed value (a method of a date, a line of a list) is no more than that value.
    return f"{node.name}.{names[-1]}"


def _constant(template: nodes.Node) -> str:
    if isinstance(template, nodes.Const) and isinstance(template.value, str):
        return template.value
    raise _Unreadable("it takes in another template whose name is only known when it is filled in")
