"""Mail that comes back, in the shapes in which mail servers write it."""

from __future__ import annotations

from textwrap import dedent


def status_report(
    to: str = "",
    *,
    action: str = "failed",
    status: str = "5.1.1",
    envelope_id: str = "",
    message_id: str = "",
    diagnostic: str = "smtp; 550 5.1.1 <desk@beaconhill.example>: user unknown",
    more: str = "",
) -> bytes:
    """As Postfix writes it (RFC 3464), with the headers of the letter that could not be delivered."""
    envelope = f"Original-Envelope-Id: {envelope_id}\n" if envelope_id else ""
    original = f"Message-ID: <{message_id}@harborlight.example>\n" if message_id else ""
    action_line = f"Action: {action}\n" if action else ""
    status_line = f"Status: {status}\n" if status else ""
    text = dedent(
        """\
        Return-Path: <>
        Date: Tue,  3 Nov 2026 10:01:02 -0700 (MST)
        From: MAILER-DAEMON@mx.beaconhill.example (Mail Delivery System)
        Subject: Undelivered Mail Returned to Sender
        To: {to}
        Auto-Submitted: auto-replied
        MIME-Version: 1.0
        Content-Type: multipart/report; report-type=delivery-status;
        \tboundary="A1B2C3.1762189262/mx.beaconhill.example"
        Message-Id: <20261103170102.D4E5F6@mx.beaconhill.example>

        This is a MIME-encapsulated message.

        --A1B2C3.1762189262/mx.beaconhill.example
        Content-Description: Notification
        Content-Type: text/plain; charset=us-ascii

        This is the mail system at host mx.beaconhill.example.

        --A1B2C3.1762189262/mx.beaconhill.example
        Content-Description: Delivery report
        Content-Type: message/delivery-status

        Reporting-MTA: dns; mx.beaconhill.example
        {envelope}X-Postfix-Queue-ID: D4E5F6
        Arrival-Date: Tue,  3 Nov 2026 10:01:01 -0700 (MST)

        Final-Recipient: rfc822; desk@beaconhill.example
        Original-Recipient: rfc822;desk@beaconhill.example
        {action}{status}Remote-MTA: dns; mail.beaconhill.example
        Diagnostic-Code: {diagnostic}
        {more}
        --A1B2C3.1762189262/mx.beaconhill.example
        Content-Description: Undelivered Message Headers
        Content-Type: text/rfc822-headers

        Return-Path: <{to}>
        From: Harbor Light <desk@harborlight.example>
        To: desk@beaconhill.example
        Subject: A secure request is waiting
        {original}Auto-Submitted: auto-generated

        --A1B2C3.1762189262/mx.beaconhill.example--
        """
    )
    return text.format(
        to=to,
        envelope=envelope,
        action=action_line,
        status=status_line,
        diagnostic=diagnostic,
        more=more,
        original=original,
    ).encode()


def exchange_report(to: str) -> bytes:
    """As Exchange Online writes it: the whole letter comes back, in a part of its own."""
    return dedent(
        f"""\
        From: <postmaster@outlook.example>
        To: <{to}>
        Subject: =?utf-8?B?VW5kZWxpdmVyYWJsZTogQSBzZWN1cmUgcmVxdWVzdCBpcyB3YWl0aW5n?=
        Content-Type: multipart/report; report-type=delivery-status; boundary="0d1c"
        X-MS-Exchange-Message-Is-Ndr:
        MIME-Version: 1.0

        --0d1c
        Content-Type: multipart/alternative; differences=Content-Type; boundary="0d2c"

        --0d2c
        Content-Type: text/plain; charset="utf-8"
        Content-Transfer-Encoding: base64

        RGVsaXZlcnkgaGFzIGZhaWxlZCB0byB0aGVzZSByZWNpcGllbnRzIG9yIGdyb3Vwcw==

        --0d2c
        Content-Type: text/html; charset="utf-8"

        <p>Your message wasn't delivered.</p>
        --0d2c--

        --0d1c
        Content-Type: message/delivery-status

        Reporting-MTA: dns;EXCH01.outlook.example
        Received-From-MTA: dns;mail.harborlight.example
        Arrival-Date: Tue, 3 Nov 2026 17:00:59 +0000

        Final-Recipient: rfc822;desk@beaconhill.example
        Action: failed
        Status: 5.7.1
        Diagnostic-Code: smtp;550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected

        --0d1c
        Content-Type: message/rfc822

        Received: from somewhere
        From: Harbor Light <desk@harborlight.example>
        To: desk@beaconhill.example
        Subject: A secure request is waiting
        Content-Type: multipart/report; report-type=delivery-status; boundary="inner"

        --inner
        Content-Type: message/delivery-status

        Reporting-MTA: dns;liar.example

        Action: delivered
        Status: 2.0.0

        --inner--

        --0d1c--
        """
    ).encode()


def disposition(to: str, kind: str, *, original: str) -> bytes:
    """As a HISP of Direct writes it (RFC 8098)."""
    return dedent(
        f"""\
        From: drlee@direct.beaconhill.example
        To: {to}
        Subject: Delivery
        MIME-Version: 1.0
        Content-Type: multipart/report; report-type=disposition-notification; boundary="mdn"

        --mdn
        Content-Type: text/plain

        A notification.
        --mdn
        Content-Type: message/disposition-notification

        Reporting-UA: direct.beaconhill.example; Security Agent
        Final-Recipient: rfc822; drlee@direct.beaconhill.example
        Original-Message-ID: <{original}@harborlight.example>
        Disposition: automatic-action/MDN-sent-automatically; {kind}

        --mdn--
        """
    ).encode()


def out_of_office(to: str) -> bytes:
    return dedent(
        f"""\
        From: Dr Lee <drlee@beaconhill.example>
        To: {to}
        Subject: Automatic reply: back on November 23
        Auto-Submitted: auto-replied
        X-Auto-Response-Suppress: All
        Content-Type: text/plain

        I am away. There is no such mailbox 5.1.1 as mine until then. Action: failed
        """
    ).encode()
