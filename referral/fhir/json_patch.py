"""JSON Patch (RFC 6902) on a stored document, within bounds: decimals keep their digits.

The library carries out the operations; what stands here is what a client may ask of it. An array of a
hundred bytes that copies the document into itself again and again would fill the memory, so what copies and
moves may take up is counted, and how deep a value may come to lie is known before it is put there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from jsonpatch import JsonPatch, JsonPatchException, JsonPatchTestFailed
from jsonpointer import EndOfList, JsonPointer, JsonPointerException

from referral.domain.errors import ReferralError
from referral.fhir.json import MAX_BYTES, MAX_DEPTH, decode_any, deeper_than, encode
from referral.fhir.problems import Issue, TooLarge, Unreadable

MEDIA_TYPE: Final = "application/json-patch+json"
MAX_OPERATIONS: Final = 500
# Copying small values costs more time than their bytes say.
_MOST_COPIED: Final = MAX_BYTES // 4
_WITH_VALUE: Final = frozenset({"add", "replace", "test"})
_WITH_SOURCE: Final = frozenset({"copy", "move"})
_KNOWN: Final = _WITH_VALUE | _WITH_SOURCE | {"remove"}


class PatchConflict(ReferralError):
    """A `test` failed, or a pointer names nothing: the resource is not what the client took it for."""

    code = "conflict"

    def __init__(self, text: str, expression: str) -> None:
        super().__init__(text)
        self._expression = expression

    @property
    def issues(self) -> tuple[Issue, ...]:
        return (Issue(str(self), (self._expression,), self.code),)


@dataclass(frozen=True, slots=True)
class Patch:
    """Operations that can be read; whether they fit a document is seen when they are applied."""

    operations: tuple[dict[str, Any], ...]

    def apply(self, document: dict[str, Any]) -> Any:
        """What becomes of `document`, which is used up; not validated.

        Raises PatchConflict where an operation does not fit, TooLarge for what would be too big or too deep.
        """
        result: Any = document
        left = _MOST_COPIED
        for index, operation in enumerate(self.operations):
            try:
                left -= _cost(result, operation, index)
                if left < 0:
                    _too_large(f"What is copied and moved is more than {_MOST_COPIED} bytes", index)
                result = JsonPatch([operation]).apply(result, in_place=True)
            except JsonPatchTestFailed as error:
                _conflict(
                    "the resource holds something else there than is tested for", operation, index, error
                )
            except (JsonPatchException, JsonPointerException) as error:
                _conflict("this cannot be done with the resource as it stands", operation, index, error)
        if len(encode(result)) > MAX_BYTES:
            _too_large(
                f"The patched resource would have more than {MAX_BYTES} bytes", len(self.operations) - 1
            )
        return result


def read_json_patch(raw: bytes) -> Patch:
    """The body of a PATCH; raises Unreadable or TooLarge."""
    return patch_of(decode_any(raw))


def patch_of(operations: Any) -> Patch:
    """As `read_json_patch`, of JSON that is decoded already."""
    if not isinstance(operations, list) or not operations:
        raise Unreadable(Issue("A JSON Patch is an array of operations.", ("http.body",), "structure"))
    if len(operations) > MAX_OPERATIONS:
        text = f"The patch has {len(operations)} operations; at most {MAX_OPERATIONS} are taken."
        raise TooLarge(Issue(f"{text} Send the whole resource with PUT.", ("http.body",), "too-costly"))
    for index, operation in enumerate(operations):
        _check(operation, index)
    return Patch(tuple(operations))


def _check(operation: Any, index: int) -> None:
    name = operation.get("op") if isinstance(operation, dict) else None
    if not isinstance(name, str) or name not in _KNOWN:
        _unreadable(index, "op", f"has to be one of {', '.join(sorted(_KNOWN))}")
    if name in _WITH_VALUE and "value" not in operation:
        _unreadable(index, "value", f"is missing, and {name} needs one")
    for member in ("path", "from") if name in _WITH_SOURCE else ("path",):
        _check_pointer(operation.get(member), index, member)


def _check_pointer(text: Any, index: int, member: str) -> None:
    if not isinstance(text, str):
        _unreadable(index, member, "has to be a JSON Pointer such as /name/0/family")
    try:
        steps = len(JsonPointer(text).parts)
    except JsonPointerException:
        _unreadable(index, member, "has to be a JSON Pointer such as /name/0/family")
    if steps > MAX_DEPTH:
        _too_large(f"The pointer has more than {MAX_DEPTH} steps", index)


def _cost(document: Any, operation: Mapping[str, Any], index: int) -> int:
    """Bytes that are copied or moved; TooLarge where they would come to lie too deep."""
    if operation["op"] in _WITH_SOURCE:
        value = JsonPointer(operation["from"]).resolve(document)
        if isinstance(value, EndOfList):
            raise JsonPointerException("behind the end of a list there is nothing")
        cost = len(encode(value))
    elif operation["op"] in ("add", "replace"):
        value, cost = operation["value"], 0
    else:
        return 0
    if cost <= _MOST_COPIED and deeper_than(value, MAX_DEPTH - len(JsonPointer(operation["path"]).parts)):
        _too_large(f"The patched resource would be nested deeper than {MAX_DEPTH} levels", index)
    return cost


def _where(index: int) -> str:
    return f"http.body[{index}]"


def _unreadable(index: int, member: str, text: str) -> NoReturn:
    issue = Issue(f"{member} of operation {index} {text}.", (f"{_where(index)}.{member}",), "structure")
    raise Unreadable(issue)


def _too_large(text: str, index: int) -> NoReturn:
    raise TooLarge(Issue(f"{text}.", (_where(index),), "too-costly"))


def _conflict(text: str, operation: Mapping[str, Any], index: int, cause: Exception) -> NoReturn:
    """The library's own words would show what the resource holds."""
    shown = ascii(operation["path"])[1:-1][:100]
    what = f"Operation {index} ({operation['op']} {shown}): {text}. Read it again and adapt the patch."
    raise PatchConflict(what, _where(index)) from cause
