from __future__ import annotations

import nh3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.fhir.narrative import narrative_problem

XMLNS = 'xmlns="http://www.w3.org/1999/xhtml"'


@pytest.mark.parametrize(
    "inner",
    [
        "plain",
        '<p class="x" style="color: red">a<br/>b &amp; c&nbsp;d &lt;</p>',
        '<a href="https://x.example/?y=1">x</a><a id="n"/><a href="#n">y</a><a href="Patient/1">z</a>',
        '<img src="data:image/png;base64,iVBORw0KGgo=" alt="x"/>',
        "<table><tr><td>1</td></tr></table><!-- fine -->",
        '<td style="background-image: url(data:image/png;base64,AAAA)">x</td>',
    ],
)
def test_plain_formatting_is_taken(inner: str) -> None:
    assert narrative_problem(f"<div {XMLNS}>{inner}</div>") is None


@pytest.mark.parametrize(
    "inner",
    [
        "<script>alert(1)</script>",
        "<SCRIPT>alert(1)</SCRIPT>",
        '<p onclick="alert(1)">x</p>',
        '<a href="javascript:alert(1)">x</a>',
        '<a href="java&#10;script:alert(1)">x</a>',
        '<a href=" javascript:alert(1)">x</a>',
        '<a href="data:text/html,x">x</a>',
        '<img src="x" onerror="alert(1)"/>',
        '<img src="data:image/svg+xml;base64,AAAA"/>',
        '<iframe src="https://x.example"/>',
        '<object data="x"/>',
        "<style>p{}</style>",
        '<svg xmlns="http://www.w3.org/2000/svg"/>',
        '<h:script xmlns:h="http://www.w3.org/1999/xhtml">x</h:script>',
        '<p style="background:url(https://x.example/p.png)">x</p>',
        '<p style="width: expression(alert(1))">x</p>',
        "<![CDATA[><script>alert(1)</script>]]>",
        "<?x ><script>alert(1)</script>?>",
        "<!--><script>alert(1)</script>-->",
        "<form><input/></form>",
        "<p>not closed",
        "&unknown;",
        "   ",
        "",
    ],
)
def test_what_runs_fetches_or_misleads_is_refused(inner: str) -> None:
    assert narrative_problem(f"<div {XMLNS}>{inner}</div>")


@pytest.mark.parametrize(
    "div", [None, 5, "", "text", "<p>x</p>", '<!DOCTYPE x [<!ENTITY a "b">]><div>&a;</div>']
)
def test_a_narrative_is_one_div(div: object) -> None:
    assert narrative_problem(div)


PIECES = st.sampled_from(
    [
        "<p>",
        "</p>",
        "<script>",
        "</script>",
        "<a href='javascript:x'>",
        "</a>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        ">",
        "<",
        "&lt;script&gt;",
        "&#60;",
        "<br/>",
        "x",
        " onload=x",
        "<style>",
        "</style>",
        "<img src=x onerror=x>",
        "\x00",
    ]
)


@given(st.lists(PIECES, max_size=8))
def test_an_html_parser_finds_nothing_to_remove_in_what_is_taken(pieces: list[str]) -> None:
    div = f"<div>{''.join(pieces)}</div>"
    if narrative_problem(div) is None:
        cleaned = nh3.clean(div, strip_comments=False)
        assert cleaned == nh3.clean(
            div, tags=nh3.ALLOWED_TAGS | {"script", "style"}, clean_content_tags=set(), strip_comments=False
        )
        assert "javascript" not in cleaned
        assert "onerror" not in cleaned
