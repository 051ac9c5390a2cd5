from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.fhir.json import MAX_BYTES, MAX_DEPTH, decode, decode_any, encode, encode_pretty
from referral.fhir.problems import TooLarge, Unreadable
from tests.fhir.refusals import refusal_of


@pytest.mark.parametrize(
    "number", ["1.50", "5.00", "-0.10", "0.1234567890123456789", "12345678901234567890123", "1E+2"]
)
def test_every_digit_of_a_number_survives(number: str) -> None:
    raw = f'{{"value":{number}}}'.encode()
    assert encode(decode(raw)) == raw


def test_an_exponent_keeps_its_value() -> None:
    assert decode(b'{"value":1.5e3}')["value"] == Decimal("1.5E+3")


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"\xff{}", "UTF-8"),
        (b'{"a":"\xc3\x28"}', "UTF-8"),
        (b'{"a":1,"a":2}', "twice"),
        (b'{"b":{"a":1,"\\u0061":2}}', "twice"),
        (b'{"a":"x\\u0000"}', "cannot be stored"),
        (b'{"\\u0000":1}', "cannot be stored"),
        (b'{"a":["\\ud800"]}', "surrogate"),
        (b'{"a":"\\udc00\\ud800"}', "surrogate"),
        (b"[]", "object"),
        (b'"text"', "object"),
        (b"null", "object"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":-Infinity}', "Infinity"),
        (b'{"a":1e999}', "range"),
        (b'{"a":1e-999999999}', "range"),
        (b'{"a":' + b"9" * 5000 + b"}", "range"),
        (b'{"a":0.' + b"1" * 50 + b"}", "range"),
        (b'{"a":1', "JSON"),
        (b'{"a":1}{}', "JSON"),
        (b'{"a":01}', "JSON"),
        (b'{"a":"\n"}', "JSON"),
        (b"", "JSON"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(raw: bytes, word: str) -> None:
    with pytest.raises(Unreadable, match=word) as refused:
        decode(raw)
    assert refused.value.issues[0].code == "structure"


def test_a_whole_surrogate_pair_and_a_byte_order_mark_are_taken() -> None:
    assert decode(b'\xef\xbb\xbf{"a":"\\ud83d\\ude00"}') == {"a": "😀"}


def nested(levels: int) -> bytes:
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


def test_depth_is_limited_and_depth_alone_does_no_harm() -> None:
    decode(nested(MAX_DEPTH))
    for levels in (MAX_DEPTH + 1, 900, 100_000):
        with pytest.raises(TooLarge, match="deeper"):
            decode(nested(levels))
    with pytest.raises(TooLarge, match="deeper"):
        decode_any(b"[" * 50_000 + b"]" * 50_000)


def test_size_is_limited_by_what_the_caller_allows() -> None:
    body = b'{"a":"' + b"x" * MAX_BYTES + b'"}'
    with pytest.raises(TooLarge) as refused:
        decode(body)
    assert refused.value.issues[0].code == "too-long"
    assert decode(body, limit=2 * MAX_BYTES)["a"] == "x" * MAX_BYTES


def test_a_patch_may_be_an_array() -> None:
    assert decode_any(b'[{"op":"test"}]') == [{"op": "test"}]


def test_pretty_json_says_the_same() -> None:
    value = {"a": [Decimal("1.50"), {"b": None}]}
    assert decode(encode_pretty(value)) == value
    assert b"\n" in encode_pretty(value)


@given(st.binary(max_size=300))
def test_bytes_are_read_or_refused_and_nothing_else(raw: bytes) -> None:
    if not refusal_of(lambda: decode(raw)):
        assert isinstance(decode(raw), dict)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text("xyz", max_size=3), JSON, max_size=4))
def test_what_is_written_is_read_again(value: dict[str, Any]) -> None:
    assert decode(encode(value)) == value
    assert decode(json.dumps(value).encode()) == value
