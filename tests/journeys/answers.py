"""The questions of the form as staff fill them in for a clinician: from a fax, or from a call."""

from __future__ import annotations

from playwright.sync_api import Page

_NO = (
    "Psychosis",
    "Mania",
    "Active substance use",
    "A suicidal plan",
    "Pregnancy",
    "Dementia",
    "Interacting",
)


def write_down(page: Page) -> None:
    """What stands on the page of a psychologist: recommended, nothing against it."""

    def choose(question: str, answer: str) -> None:
        page.get_by_role("group", name=question).get_by_label(answer, exact=True).check()

    choose("Do you recommend it?", "I recommend it")
    page.get_by_label("Last visit with you").fill("2026-01-12")
    choose("Does your record support this diagnosis?", "Yes")
    for flag in _NO:
        choose(flag, "No")
    choose("We continue to see this patient", "Yes")
    choose("Next visit within", "4 weeks")
    choose("Who adjusts medication", "We do")
