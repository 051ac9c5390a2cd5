"""The narrative of a resource: XHTML that a browser may be given.

Refused rather than cleaned, because a narrative is part of a signed record and may not change on the way
in. What is accepted is well-formed XML out of a short list of elements and attributes, and reads the same
to an HTML parser: so no CDATA, no processing instructions, no declarations, and no comments that the two
would end in different places.
"""

from __future__ import annotations

import html.entities
import re
from typing import Any, Final
from xml.parsers import expat

XHTML: Final = "http://www.w3.org/1999/xhtml"

_ELEMENTS: Final = frozenset((
    "a", "abbr", "acronym", "address", "b", "bdo", "big", "blockquote", "br", "caption", "center", "cite",
    "code", "col", "colgroup", "dd", "del", "dfn", "div", "dl", "dt", "em", "font", "h1", "h2", "h3", "h4",
    "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "ol", "p", "pre", "q", "s", "samp", "small", "span",
    "strike", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul",
    "var",
))  # fmt: skip
_ATTRIBUTES: Final = frozenset((
    "abbr", "align", "alt", "axis", "bgcolor", "border", "cellhalign", "cellpadding", "cellspacing",
    "cellvalign", "char", "charoff", "charset", "cite", "class", "color", "cols", "colspan", "coords",
    "datetime", "dir", "face", "frame", "headers", "height", "href", "hreflang", "hspace", "id", "lang",
    "longdesc", "name", "nowrap", "rel", "rev", "rowspan", "rules", "scope", "shape", "size", "span", "src",
    "start", "style", "summary", "tabindex", "title", "type", "valign", "value", "vspace", "width",
    "accesskey", "xml:lang",
))  # fmt: skip
# Links and pictures may go to the web, to mail, into this document, to bundled parts and, for pictures,
# into themselves.
_ADDRESS: Final = re.compile(
    r"(?:(?:https?|ftp)://|mailto:|tel:|#|urn:|/|[\w.-]+(?:[/#?]|$))[^\s<>]*", re.ASCII
)
_PICTURE: Final = re.compile(r"data:\s?image/(?:png|gif|jpeg);base64,[A-Za-z0-9+/=\s]*")
_ADDRESS_ATTRIBUTES: Final = frozenset({"href", "src", "cite", "longdesc"})
# A background out of the narrative itself or from beside it, as HL7's own generator writes them.
_STYLE_PICTURE: Final = re.compile(
    r"url\(\s*(?:[\w-]+\.(?:png|gif|jpg)|data:\s?image/(?:png|gif|jpeg);base64,[A-Za-z0-9+/=]*)\s*\)"
)
# url() in a style fetches, expression() and -moz-binding once ran code; none lays out a narrative.
_ACTIVE_STYLE: Final = re.compile(
    r"url\s*\(|expression|javascript|@import|-moz-binding|behavior|\\", re.IGNORECASE
)
_OPENING: Final = re.compile(r"<\?|<!(?!--)|<!--(?:-?>)")
_ENTITY: Final = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_BUILT_IN: Final = frozenset({"amp", "lt", "gt", "quot", "apos"})


def narrative_problem(div: Any) -> str | None:
    """None, or the end of a sentence that says why this div may not be shown."""
    if type(div) is not str or not div.startswith("<div"):
        return "has to be XHTML in a text: one <div> element"
    if _OPENING.search(div):
        return "may not contain CDATA, declarations, processing instructions or broken comments"
    reader = _Reader()
    try:
        reader.read(without_names(div))
    except (expat.ExpatError, ValueError):
        return "is not well-formed XHTML"
    if reader.problem is None and not reader.has_content:
        return "has to say something"
    return reader.problem


class _Reader:
    """Keeps the first problem and whether there is anything to read."""

    def __init__(self) -> None:
        self.problem: str | None = None
        self.has_content = False

    def read(self, div: str) -> None:
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.CharacterDataHandler = self._text
        parser.Parse(div.encode(), True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name not in _ELEMENTS:
            self._found(f"may not contain the element <{name[:20]}>")
        self.has_content |= name == "img"
        for attribute, value in attributes.items():
            problem = _attribute_problem(attribute, value)
            if problem:
                self._found(problem)

    def _text(self, text: str) -> None:
        self.has_content = self.has_content or not text.isspace()

    def _found(self, problem: str) -> None:
        self.problem = self.problem or problem


def _attribute_problem(name: str, value: str) -> str | None:
    if name == "xmlns":
        return None if value == XHTML else "has to be in the XHTML namespace"
    if name not in _ATTRIBUTES:
        return f"may not contain the attribute {name[:20]}"
    if name in _ADDRESS_ATTRIBUTES:
        safe = _ADDRESS.fullmatch(value) or (name == "src" and _PICTURE.fullmatch(value))
        return None if safe else f"has a {name} that may not be followed"
    if name == "style" and _ACTIVE_STYLE.search(_STYLE_PICTURE.sub("", value)):
        return "has a style that fetches or runs something"
    return None


def without_names(div: str) -> str:
    """HTML's named characters, such as `&nbsp;`, as themselves: XML knows five of them."""
    return _ENTITY.sub(_character, div)


def _character(match: re.Match[str]) -> str:
    name = match[1]
    if name in _BUILT_IN or name not in html.entities.name2codepoint:
        return match[0]
    return chr(html.entities.name2codepoint[name])
