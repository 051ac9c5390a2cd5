"""Twelve Tuesdays of two courses that go in step, and the people who give and take them."""

from __future__ import annotations

import re
from contextlib import ExitStack
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import httpx
from playwright.sync_api import Browser, Page, expect

from referral.domain.scales import FORMS, Scale
from tests.journeys import portal
from tests.journeys.course_reports import Reports
from tests.journeys.course_steps import AFTER, DURING, ByFhir, ByPages, Course, Drawn, Sent
from tests.journeys.desk import Newcomer
from tests.journeys.looking import photograph
from tests.journeys.service import DENVER, Service
from tests.processes import eventually

ISOLDE = Newcomer("Isolde", "Marrowby", date(1988, 2, 19))


def denver(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2027, month, day, hour, minute, tzinfo=DENVER).astimezone(UTC)


TUESDAYS: Final = [
    datetime.combine(date(2027, 1, 12) + timedelta(weeks=n), time(9), DENVER).astimezone(UTC)
    for n in range(12)
]


class Twelve:
    """Both courses, in step with each other."""

    def __init__(self, service: Service, browser: Browser, opened: ExitStack) -> None:
        self.service, self.clock = service, service.clock
        self._browser, self._opened = browser, opened
        self.desk, self.tablet = self.page(), self.page(width=768, height=1024)
        self.plain = Sent(self.http("/", follow_redirects=True))
        headers = {"Authorization": f"Bearer {service.token}", "Content-Type": "application/fhir+json"}
        self.fhir = ByFhir(self.http("/fhir/", headers=headers), self.clock)
        self.pages = ByPages("", self.plain)
        self.reports = Reports(service, self.fhir)

    def page(self, width: int = 1440, height: int = 900) -> Page:
        size = {"width": width, "height": height}
        context = self._browser.new_context(base_url=self.service.address, locale="en-US", viewport=size)  # type: ignore[arg-type]
        context.set_default_timeout(60_000)
        self._opened.callback(context.close)
        return context.new_page()

    def http(self, path: str, **options: object) -> httpx.Client:
        address = f"{self.service.address}{path}"
        made = httpx.Client(verify=False, base_url=address, timeout=60, **options)  # type: ignore[arg-type]
        return self._opened.enter_context(made)

    @property
    def both(self) -> tuple[Course, Course]:
        return self.pages, self.fhir

    def mail(self, number: str, subject: str, count: int = 1) -> str:
        """The text of the newest letter about a request, once there are so many of them."""
        letters = self.service.post.letters
        eventually(lambda: len(letters(number, subject)) >= count, 60)
        found = letters(number, subject)
        assert len(found) == count
        return str(found[-1].get_content())

    def all_hear(self, subject: str, count: int = 1) -> None:
        """Whoever is written to about each of the courses."""
        for order in (self.pages.order, self.fhir.order):
            self.mail(self.reports.number_of(order), subject, count)
        # A mail is there before its row says so, and that takes the time of the clock, which goes on next.
        eventually(lambda: not self._in_hand(), 60)

    def _in_hand(self) -> int:
        with self.service.database() as owner:
            found = owner.execute("SELECT count(*) FROM message WHERE state IN ('rendering', 'sending')")
            return int(found.fetchall()[0][0])

    def come_to(self, moment: datetime, subject: str, count: int = 1) -> None:
        """Nothing leaves in the night before; then one letter about each course does."""
        self.clock.set(moment - timedelta(hours=1))
        self.service.sweep()
        before = len(self.service.post.mailbox.messages)
        self.clock.set(moment)
        self.service.sweep()
        self.all_hear(subject, count)
        assert len(self.service.post.mailbox.messages) == before + 2

    def session(self, number: int, hand: Drawn | Sent) -> None:
        """One Tuesday, from the first blood pressure to the way home."""
        begins = TUESDAYS[number - 1]
        self.clock.set(begins)
        self.pages.at_the_tablet(hand)
        for minutes, name in ((0, "begin"), (3, "give")):
            self.clock.set(begins + timedelta(minutes=minutes))
            for course in self.both:
                getattr(course, name)()
        self.clock.set(begins + timedelta(minutes=12))
        for course in self.both:
            course.measure("during", DURING)
            if number in (1, 6):
                course.notice_nausea()
        for minutes, phase in ((24, ""), (36, "after")):
            self.clock.set(begins + timedelta(minutes=minutes))
            for course in self.both:
                if phase:
                    course.measure(phase, AFTER)
                    course.finish()
                else:
                    course.stop()

    def phq_9(self, values: tuple[int, ...], hand: Page | None, count: int) -> None:
        """The patient of the pages by a link in a mail, on a telephone; the other one's comes by FHIR."""
        path = f"/orders/{self.pages.order}/scales"
        self.plain.sign_in("nurse", path)
        self.plain.post(f"{path}/ask", {"scales": "phq-9"})
        link = link_in(self.mail(self.number, "A few questions for you", count), "p")
        if hand is not None:
            _fill_in(hand, link, values)
        else:
            self._send(link, values)
        self.fhir.phq_9(*values)

    def _send(self, link: str, values: tuple[int, ...]) -> None:
        patient = Sent(self.http("/", follow_redirects=True))
        patient.post(httpx.URL(link).path)
        born = ISOLDE.born
        parts = {"birth_month": born.month, "birth_day": born.day, "birth_year": born.year}
        patient.post("/status/birth-date", {name: f"{value}" for name, value in parts.items()})
        patient.get("/status/questions/phq-9")
        thanks = patient.post("/status/questions/phq-9", _answers(values))
        assert "Thank you. Your answers have arrived." in thanks

    number = ""


def link_in(text: str, kind: str) -> str:
    found = re.search(rf"http://\S+/{kind}/\S+", text)
    assert found is not None
    return found[0]


def _answers(values: tuple[int, ...]) -> dict[str, str]:
    questions = FORMS[Scale.PHQ_9].questions
    return {question.link_id: f"{value}" for question, value in zip(questions, values, strict=True)}


def _fill_in(phone: Page, link: str, values: tuple[int, ...]) -> None:
    phone.goto(link)
    portal.press(phone, "Continue")
    for label, value in (("Month", ISOLDE.born.month), ("Day", ISOLDE.born.day), ("Year", ISOLDE.born.year)):
        phone.get_by_label(label, exact=True).fill(f"{value}")
    portal.press(phone, "Show my message")
    phone.locator('a[href="/status/questions/phq-9"]').click()
    for name, answer in _answers(values).items():
        phone.locator(f'input[name="{name}"][value="{answer}"]').check(force=True)
    photograph(phone, "twelve-2-phq-9")
    portal.press(phone, "Send my answers")
    expect(phone.get_by_text("Your answers have arrived")).to_be_visible()
