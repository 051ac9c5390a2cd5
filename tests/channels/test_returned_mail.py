"""What mail that comes back says: by the fields of machines, not by words, and whatever is in it."""

from __future__ import annotations

import random

import pytest

from referral.channels.returned_mail import News, ReturnedMail, Unreadable, read_mail
from tests.returned import disposition, exchange_report, out_of_office, status_report

TO = "bounce+aaaa@mail.harborlight.example"


@pytest.mark.parametrize(
    ("action", "status", "news", "words", "bad"),
    [
        ("failed", "5.1.1", News.FAILED, "there is no such mailbox (5.1.1)", True),
        ("failed", "5.1.10", News.FAILED, "this domain takes no mail (5.1.10)", True),
        ("failed", "5.2.2", News.FAILED, "the mailbox is full (5.2.2)", False),
        # Expired in a queue: the status is one of "for now", and it has failed all the same.
        ("failed", "4.4.7", News.FAILED, "their mail server did not take it in time (4.4.7)", False),
        ("failed", "4.2.2", News.FAILED, "the mailbox is full (4.2.2)", False),
        ("failed", "5.7.26", News.FAILED, "their mail server refuses it by its rules (5.7.26)", False),
        ("failed", "5.9.9", News.FAILED, "their mail server gave no reason (5.9.9)", False),
        ("failed", "", News.FAILED, "their mail server gave no reason", False),
        (
            "Failed ",
            "5.1.1 (bad mailbox)",
            News.FAILED,
            "there is no such mailbox (5.1.1)",
            True,
        ),
        ("delayed", "4.4.1", News.DELAYED, "their mail server cannot be reached (4.4.1)", False),
        ("relayed", "2.0.0", News.NOTHING, None, False),
        ("expanded", "2.1.5", News.NOTHING, None, False),
        ("delivered", "2.1.5", News.DELIVERED, None, False),
        ("", "5.1.1", News.FAILED, "there is no such mailbox (5.1.1)", True),
        ("", "4.4.1", News.DELAYED, "their mail server cannot be reached (4.4.1)", False),
        ("eaten", "5.1.1", News.FAILED, "there is no such mailbox (5.1.1)", True),
    ],
)
def test_action_decides_and_status_says_why(
    action: str, status: str, news: News, words: str | None, bad: bool
) -> None:
    mail = read_mail(status_report(TO, action=action, status=status))
    assert (mail.news, mail.reason, mail.bad_address) == (news, words, bad)


def test_the_words_of_a_server_are_not_kept() -> None:
    quoting = "smtp; 550 5.1.1 <drlee@beaconhill.example> Dr Lee has left, Ms Ada Example is her patient"
    mail = read_mail(status_report(TO, diagnostic=quoting))
    assert mail.reason == "there is no such mailbox (5.1.1)"


def test_the_places_of_the_token_come_in_their_order() -> None:
    mail = read_mail(
        b"Delivered-To: first@x.example\n"
        + status_report("second@x.example", envelope_id="third", message_id="fourth")
    )
    assert mail.places == ("first@x.example", "second@x.example", "third", "<fourth@harborlight.example>")


def test_a_report_within_the_returned_letter_speaks_of_something_else() -> None:
    mail = read_mail(exchange_report(TO))
    assert (mail.news, mail.reason) == (News.FAILED, "their mail server refuses it by its rules (5.7.1)")


def test_of_several_recipients_the_worst_counts() -> None:
    more = "\nFinal-Recipient: rfc822; other@beaconhill.example\nAction: failed\nStatus: 5.2.2\n"
    mail = read_mail(status_report(TO, action="delivered", status="2.0.0", more=more))
    assert (mail.news, mail.reason) == (News.FAILED, "the mailbox is full (5.2.2)")


@pytest.mark.parametrize(
    ("kind", "news"),
    [
        ("processed", News.NOTHING),
        ("dispatched", News.DELIVERED),
        ("displayed", News.DELIVERED),
        ("failed", News.FAILED),
        ("denied", News.FAILED),
        ("processed/error", News.FAILED),
        ("deleted", News.NOTHING),
    ],
)
def test_what_direct_says(kind: str, news: News) -> None:
    mail = read_mail(disposition("desk@harborlight.example", kind, original="name"))
    assert mail.news is news
    assert mail.places == ("desk@harborlight.example", "<name@harborlight.example>")


def test_out_of_office_is_no_bounce_whatever_it_says() -> None:
    assert read_mail(out_of_office(TO)) == ReturnedMail(News.AUTOMATIC_REPLY, None, (TO,))


def test_the_mark_of_exim_is_enough() -> None:
    mail = read_mail(
        b"From: Mail Delivery System <Mailer-Daemon@x.example>\nAuto-Submitted: auto-replied\n"
        b"X-Failed-Recipients: desk@beaconhill.example\nTo: "
        + TO.encode()
        + b"\n\nThis message was created\n"
    )
    assert (mail.news, mail.bad_address) == (News.FAILED, False)
    assert mail.reason == "their mail server gave no reason"


@pytest.mark.parametrize(
    "mail",
    [
        b"",
        # A server that writes for people only: somebody has to read it, it is no absence.
        b"From: MAILER-DAEMON@x.example\nAuto-Submitted: auto-generated\n\nI could not deliver this.",
        b"\x00" * 500,
        b"Subject: hello\n\nWhy do you write to me? Action: failed, Status: 5.1.1",
        b"Content-Type: multipart/report; boundary=x\n\n--x\nContent-Type: message/delivery-status\n\n--x--",
        b"Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nAction: eaten\nStatus: none\n",
        disposition(TO, "eaten", original="name"),
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(200)),
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(20)),
        b"".join(b"Content-Type: message/rfc822\n\n" for _ in range(30_000)),
    ],
)
def test_what_no_machine_can_read_is_said_to_be_so(mail: bytes) -> None:
    with pytest.raises(Unreadable):
        read_mail(mail)


def test_a_huge_mail_is_read_at_its_head() -> None:
    """The status stands before the letter that came back."""
    mail = read_mail(status_report(TO) + b"x" * 20_000_000)
    assert mail.news is News.FAILED


def damaged(dice: random.Random, mail: bytes) -> bytes:
    """One of the ways in which mail arrives broken, or is broken on purpose."""
    at, length = dice.randrange(len(mail)), dice.randrange(1, 60)
    lines = mail.split(b"\n")
    line = dice.randrange(len(lines))
    return dice.choice(
        (
            lambda: mail[:at],
            lambda: mail[:at] + mail[at + length :],
            lambda: mail[:at] + dice.randbytes(length) + mail[at:],
            lambda: mail[:at] + mail[at : at + length] * dice.randrange(2, 40) + mail[at:],
            lambda: mail.replace(b"\n", b"\r" if dice.random() < 0.5 else b"\r\n"),
            lambda: b"\n".join([*lines[:line], *lines[line + 1 :]]),
            lambda: b"\n".join([*lines[:line], lines[dice.randrange(len(lines))], *lines[line:]]),
            lambda: b"\n".join([*lines[:line], b" " + lines[line], *lines[line + 1 :]]),
            lambda: mail.replace(b"us-ascii", dice.choice((b"utf-7", b"\xff", b"x" * 500, b""))),
            lambda: mail.replace(b":", dice.choice((b"", b"::", b"=?utf-8?q?=00?=:", b"\x00:")), 1),
            lambda: mail.replace(b"boundary=", dice.choice((b"boundary*0*=", b"boundary=\x80", b"b="))),
            lambda: b"Content-Transfer-Encoding: base64\n" + mail,
        )
    )()


def mutate(count: int, seed: int) -> int:
    """Read damaged mail; how much of it could still be read."""
    dice = random.Random(seed)
    whole = [
        status_report(TO, envelope_id="third", message_id="fourth"),
        exchange_report(TO),
        disposition(TO, "failed", original="name"),
        out_of_office(TO),
    ]
    read = 0
    for _ in range(count):
        mail = dice.choice(whole)
        for _ in range(dice.randrange(1, 6)):
            mail = damaged(dice, mail or b"\n")
        try:
            read_mail(mail)
            read += 1
        except Unreadable:
            pass
    return read


def test_damaged_mail_never_does_more_than_be_unreadable() -> None:
    assert 100 < mutate(600, seed=20261103) < 600


@pytest.mark.soak
def test_ten_thousand_damaged_mails(record_property: object) -> None:
    seed = random.SystemRandom().randrange(10**9)
    read = mutate(10_000, seed)
    record_property("figure", f"damaged mail, seed {seed}: {read} of 10000 still readable, 0 crashes")  # type: ignore[operator]
