"""XML and JSON are two ways to write the same resource."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree  # type: ignore[import-untyped]

from referral.fhir.definitions import shape_row
from referral.fhir.json import MAX_BYTES, decode, encode
from referral.fhir.models import model
from referral.fhir.problems import InvalidResource, TooLarge, Unreadable
from referral.fhir.validation import issues_in
from referral.fhir.xml import decode_xml, encode_xml
from tests.fhir import examples
from tests.fhir.damage import mutated
from tests.fhir.refusals import refusal_of

XMLNS = 'xmlns="http://hl7.org/fhir"'


def same(document: Any) -> bytes:
    """What has to be equal in both: every digit, but not the order of properties."""
    return encode(_sorted(document))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        made = {name: _sorted(value[name]) for name in sorted(value)}
        return {name: item for name, item in made.items() if item != []}
    if not isinstance(value, list):
        return value
    items = [_sorted(item) for item in value]
    # Nulls at the end only fill up the list beside this one.
    while items and items[-1] is None:
        items.pop()
    return items


SMALL = [name for name in examples.names() if name not in examples.NOT_R4 and name[:6] != "Bundle"]


def parse(text: str) -> dict[str, Any]:
    return decode_xml(text.encode())


def patient(content: str) -> str:
    return f"<Patient {XMLNS}>{content}</Patient>"


@pytest.mark.parametrize("name", [name for name in examples.names() if name not in examples.NOT_R4])
@pytest.mark.parametrize("pretty", [False, True])
def test_hl7s_examples_come_back_from_xml_as_they_were(name: str, pretty: bool) -> None:
    document = examples.example(name)
    xml = encode_xml(document, pretty=pretty)
    assert same(decode_xml(xml)) == same(document)
    # Another parser reads it as FHIR's XML, in the order in which R4 gives the elements.
    root = etree.fromstring(xml, etree.XMLParser(resolve_entities=False))
    assert root.tag == f"{{http://hl7.org/fhir}}{document['resourceType']}"
    row = shape_row(document["resourceType"])
    assert row is not None
    places = [list(row.elements).index(etree.QName(child).localname) for child in root]
    assert places == sorted(places)


# This one has ids on its groups.
_OTHERWISE = ("Provenance", "Measure/measure-exclusive-breastfeeding")


@pytest.mark.parametrize("name", [name for name in SMALL if not name.startswith(_OTHERWISE)])
def test_the_models_of_fhir_resources_read_what_is_written(name: str) -> None:
    """All but narratives, which they write anew, and ids of elements, which they take for elements."""
    document = _bare(examples.example(name))
    kind: Any = model(document["resourceType"])
    assert kind.model_validate_xml(encode_xml(document)) == kind.model_validate(document)


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items() if key != "text" or "div" not in item}
    return [_bare(item) for item in value] if isinstance(value, list) else value


# The models of fhir.resources are imported on first use, type by type.
@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_is_valid_comes_back_from_xml_as_it_was(seed: int) -> None:
    document = mutated(seed)
    if not issues_in(document):
        document = decode(encode(document))
        assert same(decode_xml(encode_xml(document))) == same(document)


TEXT = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\ufffe\uffff"), min_size=1
)
NUMBER = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**6), max_value=10**6, places=4)
EXTENSION = st.builds(lambda text: {"url": "http://x.example", "valueString": text}, TEXT)
BESIDE = st.one_of(
    st.none(),
    st.builds(lambda name: {"id": name}, st.from_regex(r"[a-z]{1,9}", fullmatch=True)),
    st.builds(lambda extension: {"extension": [extension]}, EXTENSION),
)


@st.composite
def names(draw: st.DrawFn) -> dict[str, Any]:
    pairs = draw(st.lists(st.tuples(st.none() | TEXT, BESIDE).filter(any), min_size=1, max_size=4))
    given, beside = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found: dict[str, Any] = {}
    if any(given):
        found["given"] = given
    if any(beside):
        found["_given"] = beside
    return found


@settings(max_examples=60)
@given(st.lists(names(), min_size=1, max_size=3), NUMBER, TEXT | st.sampled_from(["a\nb\tc\r\n", "  x  "]))
def test_texts_numbers_and_what_stands_beside_them_survive(
    people: list[dict[str, Any]], number: Decimal, text: str
) -> None:
    document = {
        "resourceType": "Observation",
        "contained": [{"resourceType": "Patient", "id": "p", "name": people}],
        "_status": {"extension": [{"url": "http://x.example", "valueDecimal": number}]},
        "code": {"id": "c", "text": text},
        "valueQuantity": {"value": number, "_unit": {"id": "u"}},
    }
    assert same(decode_xml(encode_xml(document))) == same(document)


def test_a_value_alone_with_an_extension_and_null_between_values() -> None:
    text = patient(
        '<name><given value="Ana"/><given id="g"><extension url="http://x"><valueCode value="unknown"/>'
        '</extension></given></name><active value="false"/><birthDate><extension url="http://x">'
        '<valueDecimal value="1.50"/></extension></birthDate>'
    )
    extension = {"url": "http://x", "valueCode": "unknown"}
    assert parse(text) == {
        "resourceType": "Patient",
        "name": [{"given": ["Ana", None], "_given": [None, {"id": "g", "extension": [extension]}]}],
        "active": False,
        "_birthDate": {"extension": [{"url": "http://x", "valueDecimal": Decimal("1.50")}]},
    }
    assert b'"valueDecimal":1.50' in encode(parse(text))


def test_a_narrative_is_kept_word_for_word() -> None:
    div = (
        "<div xmlns=\"http://www.w3.org/1999/xhtml\"\n class='a>b'>"
        "<p>a&#160;&amp; b<br ></br><!-- x --></p >\r\n</div >"
    )
    text = patient(f'<text><status value="generated"/>{div}</text>')
    for before in ("", "\ufeff", "\ufeff<!-- Nguyễn -->\r\n"):
        assert parse(before + text)["text"]["div"] == div
    assert div.encode() in encode_xml(parse(text))


def test_what_only_html_names_is_written_as_itself() -> None:
    document = {
        "resourceType": "Patient",
        "text": {"status": "generated", "div": "<div>5&nbsp;mg &lt; 6</div>"},
    }
    assert parse(encode_xml(document).decode())["text"]["div"] == (
        '<div xmlns="http://www.w3.org/1999/xhtml">5\u00a0mg &lt; 6</div>'
    )


def test_prefixes_comments_and_schema_hints_are_taken() -> None:
    text = (
        '\ufeff<?xml version="1.0" encoding="UTF-8"?>\n<!-- from an EHR -->'
        '<f:Patient xmlns:f="http://hl7.org/fhir" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        ' xsi:schemaLocation="http://hl7.org/fhir a.xsd"><f:active value="true"/><!-- x --></f:Patient>'
    )
    assert parse(text) == {"resourceType": "Patient", "active": True}


ENTITY = '<!DOCTYPE Patient [<!ENTITY a "xx"><!ENTITY f SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{ENTITY}{patient('<id value=' + chr(34) + '&a;' + chr(34) + '/>')}", "DOCTYPE"),
        (f'<!DOCTYPE Patient SYSTEM "http://127.0.0.1:1/x.dtd">{patient("")}', "DOCTYPE"),
        (patient('<text><status value="generated"/><div>&nbsp;</div></text>'), "undefined entity in line 1"),
        (patient("<name>"), "mismatched tag in line 1"),
        ("", "no element found"),
        ("{}", "not well-formed"),
        (f"<?xml version='1.0' encoding='iso-8859-1'?>{patient('')}", "UTF-8"),
        ("<Patient/>", 'xmlns="http://hl7.org/fhir"'),
        ('<html xmlns="http://www.w3.org/1999/xhtml"/>', 'xmlns="http://hl7.org/fhir"'),
        (patient(f'<multipleBirthInteger value="{"9" * 50}"/>'), "out of every sensible range"),
    ],
)
def test_what_is_not_the_xml_of_fhir_is_refused_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(Unreadable) as caught:
        parse(text)
    assert said in caught.value.issues[0].text


@pytest.mark.parametrize(
    ("content", "expression", "said"),
    [
        ('<foo value="1"/>', "Patient.foo", "is not an element of Patient (line 1)"),
        ('<x:active xmlns:x="http://x" value="1"/>', "Patient.active", "is not an element"),
        (
            '<active value="true"/>\n<active value="true"/>',
            "Patient.active",
            "2 times and may be there once (line 2)",
        ),
        ('<active value="TRUE"/>', "Patient.active", "has to be true or false"),
        ("<active/>", "Patient.active", "has to have a value or an extension"),
        ('<active value="true" unit="x"/>', "Patient.active", "an attribute 'unit'"),
        ('<name value="Ana"/>', "Patient.name[0]", "an attribute 'value'"),
        ("<name>Ana</name>", "Patient.name[0]", "contains text"),
        ('<name><id value="x"/></name>', "Patient.name[0].id", 'write id="…" into the tag'),
        ('<extension><url value="x"/></extension>', "Patient.extension[0].url", 'write url="…" into'),
        ('<multipleBirthInteger value="2.0"/>', "Patient.multipleBirth", "has to be a whole number"),
        (
            '<extension url="http://x"><valueDecimal value="1,5"/></extension>',
            "Patient.extension[0].value",
            "has to be a number such as 1.50",
        ),
        ("<contained/>", "Patient.contained[0]", "has to contain one resource"),
        ("<contained><Foo/></contained>", "Patient.contained[0]", "'Foo' is not a resource type"),
        ("<text><div>x</div></text>", "Patient.text.div", "has to be XHTML"),
    ],
)
def test_what_r4_does_not_know_is_named_where_it_stands(content: str, expression: str, said: str) -> None:
    with pytest.raises(InvalidResource) as caught:
        parse(patient(content))
    assert caught.value.issues[0].expression == (expression,)
    assert said in caught.value.issues[0].text


def test_size_and_depth_end_somewhere() -> None:
    with pytest.raises(TooLarge):
        decode_xml(b" " * (MAX_BYTES + 1))
    for deep in ("<contained><Patient>" * 40, "<extension url='a'>" * 33, "<a>" * 100_000):
        closing = "".join(
            f"</{part.split(' ')[0]}>" for part in reversed(deep.replace("<", "").split(">")[:-1])
        )
        with pytest.raises(TooLarge):
            parse(patient(deep + closing))


def test_a_flood_of_faults_is_cut() -> None:
    with pytest.raises(InvalidResource) as caught:
        parse(patient("".join(f"<a{n}/>" for n in range(5000))))
    assert len(caught.value.issues) == 100


def test_characters_that_xml_cannot_carry_do_not_break_it() -> None:
    written = encode_xml({"resourceType": "Patient", "language": "a\ufffe\x01\ud800b"})
    assert decode_xml(written)["language"] == "a\ufffd\ufffd\ufffdb"


def test_nothing_is_left_out_silently() -> None:
    with pytest.raises(LookupError):
        encode_xml({"resourceType": "Patient", "foo": 1})


@given(st.text(alphabet="<>/ \"'=&;!-[]ab?\n", max_size=60), st.booleans())
def test_anything_at_all_is_refused_or_read(content: str, inside: bool) -> None:
    assert all(issue.text for issue in refusal_of(lambda: parse(patient(content) if inside else content)))


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 10**6), st.binary(min_size=1, max_size=4))
def test_damaged_xml_is_refused_or_read(seed: int, place: int, junk: bytes) -> None:
    xml = encode_xml(examples.example(SMALL[seed % len(SMALL)]))
    place %= len(xml)
    damaged = xml[:place] + junk + xml[place + len(junk) :]
    assert all(issue.text for issue in refusal_of(lambda: issues_in(decode_xml(damaged))))
