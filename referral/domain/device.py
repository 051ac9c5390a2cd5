"""What somebody sits at, in words that they recognise: 'Firefox on Windows'."""

from __future__ import annotations

from typing import Final

# The first that is found counts: browsers also name those that they want to be taken for.
_BROWSERS: Final = (
    ("edg", "Edge"),
    ("opr/", "Opera"),
    ("samsungbrowser", "Samsung Internet"),
    ("firefox", "Firefox"),
    ("fxios", "Firefox"),
    ("crios", "Chrome"),
    ("chrome", "Chrome"),
    ("chromium", "Chrome"),
    ("safari", "Safari"),
)
_SYSTEMS: Final = (
    ("iphone", "iPhone"),
    ("ipad", "iPad"),
    ("android", "Android"),
    ("windows", "Windows"),
    ("cros", "Chromebook"),
    ("mac os", "Mac"),
    ("linux", "Linux"),
)
UNKNOWN: Final = "An unknown browser"


def device_words(user_agent: str) -> str:
    """From the header User-Agent, which says what it likes: words of ours only, whatever stands in it."""
    said = user_agent[:500].lower()
    browser = next((words for mark, words in _BROWSERS if mark in said), "")
    system = next((words for mark, words in _SYSTEMS if mark in said), "")
    if browser and system:
        return f"{browser} on {'an ' if system in ('iPhone', 'iPad') else ''}{system}"
    return browser or (f"A browser on {system}" if system else UNKNOWN)
