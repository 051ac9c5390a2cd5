"""A person without a mouse: Tab until the right thing has the focus, then type or press a key."""

from __future__ import annotations

from playwright.sync_api import Page, expect

# The question that a field belongs to, and what it is called itself, as a screen reader would say them.
_FOCUSED = """() => {
  const e = document.activeElement;
  if (!e || e === document.body) return ["", ""];
  const text = (node) => (node ? node.innerText : "").trim().replace(/\\s+/g, " ");
  const labels = [...(e.labels || [])].map(text).join(" ");
  const group = e.type === "radio" || e.type === "checkbox" ? e.closest("fieldset") : null;
  const name = e.getAttribute("aria-label") || labels || text(e) || e.value || "";
  return [text(group && group.querySelector("legend")), name];
}"""
_MOST_STOPS = 120


class Keyboard:
    """What a keyboard can do on one page; there is no other way to touch it here."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def focused(self) -> tuple[str, str]:
        """(question, name) of what has the focus."""
        question, name = self.page.evaluate(_FOCUSED)
        return question, name

    def reach(self, name: str, question: str = "") -> None:
        """Tab, as often as it takes, to what begins with this name and belongs to this question."""
        passed = []
        for _ in range(_MOST_STOPS):
            at = self.focused()
            if at[1].startswith(name) and at[0].startswith(question):
                return
            passed.append(at)
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab never comes to {name!r} {question!r}; it passes {passed}")

    def press(self, key: str, times: int = 1) -> None:
        for _ in range(times):
            self.page.keyboard.press(key)

    def type(self, name: str, text: str) -> None:
        """Into the field of this name, instead of what stands there."""
        self.reach(name)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def date(self, name: str, month: int, day: int, year: int) -> None:
        """Into a date field, digit by digit."""
        self.reach(name)
        self.page.keyboard.type(f"{month:02d}{day:02d}{year}")

    def follow(self, name: str) -> None:
        """Press Enter on a link or a button that leads to another page."""
        self.reach(name)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def find(self, box: str, words: str, option: str) -> None:
        """Type into a box that searches, go down the list to an option, and take it."""
        self.reach(box)
        self.page.keyboard.type(words)
        wanted = self.page.get_by_role("listbox", name=box).get_by_role("option").filter(has_text=option)
        expect(wanted).to_have_count(1)
        for _ in range(_MOST_STOPS):
            if wanted.get_attribute("aria-selected") == "true":
                break
            self.page.keyboard.press("ArrowDown")
        self.page.keyboard.press("Enter")
        expect(wanted).to_have_count(0)

    def choose(self, question: str, answer: str) -> None:
        """One of a group of radio buttons, with the arrow keys."""
        self.reach("", question)
        self.page.keyboard.press("Space")
        for _ in range(_MOST_STOPS):
            if self.focused()[1] == answer:
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"the arrow keys never come to {answer!r} of {question!r}")
